use std::{ops::ControlFlow, time::Duration};

use super::{Download, DownloadError, Environment, Progress};
use crate::{
    Content, Descriptor, Ending, FetchErrorKind, FetchRequest, Receiver, ResponseHead, Resume,
    media::{self, ANY, OCTET_STREAM},
    record::{Followed, Object, Record},
};

/// How one request ended.
pub(super) enum Outcome {
    /// The record is complete.
    Complete,
    /// Ask again, for the rest.
    Again(DownloadError),
    /// What is there is worth nothing: ask again, for all of it.
    Restart(DownloadError),
    /// It is known what the file is: ask for it.
    Described,
    /// Asking again does not help.
    Failed(DownloadError),
}

impl<E: Into<DownloadError>> From<E> for Outcome {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// One request and what becomes of its answer.
pub(super) struct Attempt<'a> {
    download: &'a mut Download,
    environment: &'a Environment<'a>,
    progress: &'a mut dyn FnMut(Progress),
    /// The offset asked for, if a part was asked for.
    asked: Option<u64>,
    /// Where the next byte belongs; absent before the head has come.
    offset: Option<u64>,
    /// A descriptor on its way.
    document: Option<(Followed, Vec<u8>)>,
    /// When the stretch began that is being measured, and how much came in it.
    stretch: (Duration, u64),
    /// Why the request was broken off.
    broken: Option<Outcome>,
}

impl<'a> Attempt<'a> {
    /// Asks for what is missing. Returns how it ended and how many bytes the sink has now.
    pub(super) fn run(
        download: &'a mut Download,
        environment: &'a Environment<'a>,
        progress: &'a mut dyn FnMut(Progress),
    ) -> (Outcome, u64) {
        let mut attempt = Self {
            download,
            environment,
            progress,
            asked: None,
            offset: None,
            document: None,
            stretch: (environment.clock.now(), 0),
            broken: None,
        };
        let outcome = attempt.exchange().unwrap_or_else(|outcome| outcome);
        (outcome, attempt.offset.unwrap_or(0))
    }

    fn exchange(&mut self) -> Result<Outcome, Outcome> {
        self.asked = self.first_byte()?;
        let record = self.download.record.clone();
        let cancel = self.environment.cancel;
        let accept = match &record.object {
            Some(_) => record.media_type.clone(),
            None if record.media_type == ANY || Followed::MAYBE.is_none() => {
                record.media_type.clone()
            }
            None => format!("{}, {}", record.media_type, Descriptor::MEDIA_TYPE),
        };
        let mut request = FetchRequest::new(record.source(), &accept, cancel);
        if let (Some(from), Some(validator)) = (self.asked, &record.validator) {
            request.resume = Some(Resume { from, validator });
        }
        let ending = self.environment.fetch.fetch(&request, self);
        if let Some(outcome) = self.broken.take() {
            return Ok(outcome);
        }
        if cancel.is_cancelled() {
            self.keep()?;
            return Ok(Outcome::Failed(DownloadError::Cancelled));
        }
        if let (Ok(_), Some(document)) = (&ending, self.document.take()) {
            return self.describe(document);
        }
        match (ending, self.offset) {
            (Ok(Ending::Complete), Some(received)) => self.end(received, true),
            (Ok(Ending::Closed), Some(received)) => self.end(received, false),
            (Ok(_), _) => Ok(Outcome::Failed(protocol())),
            (Err(error), _) => {
                self.keep()?;
                let transient = error.kind().is_transient();
                let error = DownloadError::Fetch(error);
                Ok(if transient {
                    Outcome::Again(error)
                } else {
                    Outcome::Failed(error)
                })
            }
        }
    }

    /// The offset to ask for; `None` to ask for all.
    fn first_byte(&mut self) -> Result<Option<u64>, Outcome> {
        let safe = self.download.record.safe;
        if safe == 0 || self.download.record.validator.is_none() {
            return Ok(None);
        }
        let present = self.environment.sink.len(&self.download.key)?;
        if present.is_some_and(|length| length >= safe) {
            return Ok(Some(safe));
        }
        self.download.change(Record::reset);
        self.download.commit(self.environment.journal)?;
        Ok(None)
    }

    fn end(&mut self, received: u64, proven: bool) -> Result<Outcome, Outcome> {
        let described = self.download.record.object.is_some();
        match self.download.record.total {
            // All that was meant to come has come, and it is not what was described.
            Some(expected) if received < expected && proven && described => {
                Ok(Outcome::Failed(DownloadError::Length {
                    expected,
                    received,
                }))
            }
            Some(total) if received < total => {
                self.keep()?;
                Ok(Outcome::Again(DownloadError::Length {
                    expected: total,
                    received,
                }))
            }
            None if !proven && !self.environment.policy.accept_unproven_end => {
                Ok(Outcome::Failed(DownloadError::Unproven))
            }
            _ => {
                self.environment.sink.sync(&self.download.key)?;
                self.complete(received)?;
                Ok(Outcome::Complete)
            }
        }
    }

    fn complete(&mut self, length: u64) -> Result<(), Outcome> {
        self.download.change(|record| {
            record.safe = length;
            record.total = Some(length);
            record.complete = true;
        });
        Ok(self.download.commit(self.environment.journal)?)
    }

    /// Makes safe what has come, if there is any use in it.
    fn keep(&mut self) -> Result<(), Outcome> {
        let record = &self.download.record;
        match self.offset {
            Some(offset) if record.validator.is_some() && offset > record.safe => {
                self.environment.sink.sync(&self.download.key)?;
                self.download.change(|record| record.safe = offset);
                Ok(self.download.commit(self.environment.journal)?)
            }
            _ => Ok(()),
        }
    }

    fn take_head(&mut self, head: &ResponseHead) -> Result<(), Outcome> {
        if self.is_descriptor(head) {
            let Some(followed) = Followed::MAYBE else {
                return Err(self.other_type(head));
            };
            self.document = Some((followed, Vec::new()));
            return Ok(());
        }
        let offset = match head.content {
            Content::Whole { length } => self.take_whole(head, length)?,
            Content::Part { first, total } => self.take_part(head, first, total)?,
            Content::Unsatisfiable { total } => return Err(self.take_nothing(total)?),
        };
        self.offset = Some(offset);
        self.report(offset);
        Ok(())
    }

    /// Whether what comes is not the file, but says what and where it is.
    fn is_descriptor(&self, head: &ResponseHead) -> bool {
        let is = |media_type: &str| media::same(media_type, Descriptor::MEDIA_TYPE);
        let record = &self.download.record;
        matches!(head.content, Content::Whole { .. })
            && head.media_type.as_deref().is_some_and(is)
            && record.object.is_none()
            && !is(&record.media_type)
    }

    /// Takes a descriptor for what the file has to be.
    fn describe(&mut self, (followed, document): (Followed, Vec<u8>)) -> Result<Outcome, Outcome> {
        let descriptor = Descriptor::parse(&document, &self.download.record.uri)
            .map_err(|error| Outcome::Failed(DownloadError::Descriptor(error)))?;
        let found = || {
            let types: Vec<&str> = descriptor.types.iter().map(|it| &**it).collect();
            types.join(", ")
        };
        let expected = &self.download.record.media_type;
        let fits = expected == ANY || descriptor.has_type(expected);
        let size = descriptor.size;
        self.download.change(|record| {
            record.reset();
            record.total = Some(size);
            record.object = Some(Object {
                uri: descriptor.object_uri.clone(),
                size,
                notify: descriptor.install_notify_uri.clone(),
                followed,
            });
        });
        self.download.commit(self.environment.journal)?;
        if !fits {
            return Err(Outcome::Failed(DownloadError::MediaType {
                expected: self.download.record.media_type.clone(),
                found: found(),
            }));
        }
        self.check_size(Some(size))?;
        self.make_room(0)?;
        Ok(Outcome::Described)
    }

    fn take_whole(&mut self, head: &ResponseHead, length: Option<u64>) -> Result<u64, Outcome> {
        self.check_type(head)?;
        self.check_size(length)?;
        let described = self.download.record.object.as_ref();
        let described = described.map(|object| object.size);
        if let (Some(expected), Some(received)) = (described, length)
            && expected != received
        {
            return Err(Outcome::Failed(DownloadError::Length {
                expected,
                received,
            }));
        }
        // The record must not vouch for bytes that are about to be overwritten.
        self.download.change(|record| {
            record.reset();
            record.validator.clone_from(&head.validator);
            record.total = described.or(length);
        });
        self.download.commit(self.environment.journal)?;
        self.make_room(0)
    }

    fn take_part(
        &mut self,
        head: &ResponseHead,
        first: u64,
        total: Option<u64>,
    ) -> Result<u64, Outcome> {
        let Some(asked) = self.asked else {
            return Err(Outcome::Failed(protocol()));
        };
        let record = &self.download.record;
        let other_length = matches!((record.total, total), (Some(a), Some(b)) if a != b);
        let other_tag = match (&record.validator, &head.validator) {
            (Some(a), Some(b)) => a != b && a.is_entity_tag() && b.is_entity_tag(),
            _ => false,
        };
        if first != asked || other_length || other_tag {
            return Err(Outcome::Restart(DownloadError::Range));
        }
        self.check_type(head)?;
        self.check_size(total)?;
        if record.total.is_none() {
            self.download.change(|record| record.total = total);
        }
        self.make_room(asked)
    }

    /// The part asked for is not there; that is good news if there is nothing after what is safe.
    fn take_nothing(&mut self, total: Option<u64>) -> Result<Outcome, Outcome> {
        let Some(asked) = self.asked else {
            return Err(Outcome::Failed(DownloadError::Fetch(
                FetchErrorKind::Status(416).into(),
            )));
        };
        let known = self.download.record.total;
        if total != Some(asked) || known.is_some_and(|known| known != asked) {
            return Err(Outcome::Restart(DownloadError::Range));
        }
        self.offset = Some(self.make_room(asked)?);
        self.complete(asked)?;
        Ok(Outcome::Complete)
    }

    /// A partial file of exactly this length, and room for the rest.
    fn make_room(&self, length: u64) -> Result<u64, Outcome> {
        let (sink, key) = (self.environment.sink, &self.download.key);
        sink.reserve(key, self.download.record.total)?;
        sink.truncate(key, length)?;
        Ok(length)
    }

    fn check_type(&self, head: &ResponseHead) -> Result<(), Outcome> {
        let expected = &self.download.record.media_type;
        let found = head.media_type.as_deref();
        let is = |media_type| media::same(found.unwrap_or(OCTET_STREAM), media_type);
        if expected == ANY
            || is(expected)
            || (self.environment.policy.accept_octet_stream && is(OCTET_STREAM))
        {
            return Ok(());
        }
        Err(self.other_type(head))
    }

    fn other_type(&self, head: &ResponseHead) -> Outcome {
        Outcome::Failed(DownloadError::MediaType {
            expected: self.download.record.media_type.clone(),
            found: head.media_type.clone().unwrap_or_default(),
        })
    }

    fn check_size(&self, length: Option<u64>) -> Result<(), Outcome> {
        let limit = self.environment.policy.max_bytes;
        match length {
            Some(length) if length > limit => {
                Err(Outcome::Failed(DownloadError::TooLarge { limit }))
            }
            _ => Ok(()),
        }
    }

    fn take_chunk(&mut self, bytes: &[u8]) -> Result<(), Outcome> {
        if let Some((_, document)) = &mut self.document {
            // One byte too many is enough to see that it is too long.
            let room = (Descriptor::MAX_BYTES + 1).saturating_sub(document.len());
            document.extend(bytes.iter().take(room));
            return self.measure(bytes.len());
        }
        let offset = self.offset.ok_or_else(|| Outcome::Failed(protocol()))?;
        let end = offset.saturating_add(bytes.len() as u64);
        self.check_size(Some(end))?;
        if let Some(expected) = self.download.record.total
            && end > expected
        {
            return Err(Outcome::Failed(DownloadError::Length {
                expected,
                received: end,
            }));
        }
        let sink = self.environment.sink;
        sink.write_at(&self.download.key, offset, bytes)?;
        self.offset = Some(end);
        let unsafe_bytes = end.saturating_sub(self.download.record.safe);
        if unsafe_bytes >= self.environment.policy.checkpoint_bytes {
            self.keep()?;
        }
        self.report(end);
        self.measure(bytes.len())
    }

    /// Breaks a request off that brings less than it must.
    fn measure(&mut self, bytes: usize) -> Result<(), Outcome> {
        let slowest = self.environment.policy.slowest;
        let (begin, before) = self.stretch;
        let now = self.environment.clock.now();
        let came = before.saturating_add(bytes as u64);
        self.stretch = (begin, came);
        if now.saturating_sub(begin) < slowest.time {
            return Ok(());
        }
        self.stretch = (now, 0);
        if came >= slowest.bytes {
            return Ok(());
        }
        self.keep()?;
        Err(Outcome::Again(DownloadError::TooSlow))
    }

    fn report(&mut self, received: u64) {
        (self.progress)(Progress {
            received,
            total: self.download.record.total,
        });
    }

    fn go_on(&mut self, result: Result<(), Outcome>) -> ControlFlow<()> {
        match result {
            Ok(()) if self.environment.cancel.is_cancelled() => ControlFlow::Break(()),
            Ok(()) => ControlFlow::Continue(()),
            Err(outcome) => {
                self.broken = Some(outcome);
                ControlFlow::Break(())
            }
        }
    }
}

impl Receiver for Attempt<'_> {
    fn head(&mut self, head: &ResponseHead) -> ControlFlow<()> {
        let result = self.take_head(head);
        self.go_on(result)
    }

    fn chunk(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let result = self.take_chunk(bytes);
        self.go_on(result)
    }
}

fn protocol() -> DownloadError {
    DownloadError::Fetch(FetchErrorKind::Protocol.into())
}
