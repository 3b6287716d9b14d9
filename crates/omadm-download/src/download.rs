use omadm_core::{Batch, Journal, JournalError, Space};
use sha2::{Digest as _, Sha256};

use crate::{
    Cancel, Clock, DownloadKey, DownloadUri, Fetch, InstallStatus, Sink, SinkError, SinkErrorKind,
    record::{Followed, Record},
};

mod attempt;
mod error;
mod policy;

use attempt::{Attempt, Outcome};
pub use error::DownloadError;
pub use policy::{Policy, Rate};

/// One file on its way from a URI to a [`Sink`], with its durable record in
/// [`Space::DOWNLOADS`].
///
/// ```text
///            prepare / resume
///                   │
///        ┌──────────▼──────────┐  connection lost, 5xx …: wait, ask for the rest
///        │      receiving      ├──────────┐
///        │ record: bytes safe  ◄──────────┘
///        └──────────┬──────────┘
///                   │ last byte synced and checked
///        ┌──────────▼──────────┐
///        │      complete       │
///        └──────────┬──────────┘
///                   │ Sink::finish
///                   ▼
///               Finished           the caller commits its outcome and `forget` in one batch
/// ```
///
/// # Driving it
///
/// 1. [`prepare`](Self::prepare) a download; it goes on from a record of the same file if there
///    is one.
/// 2. Put [`save`](Self::save) into the batch that makes the caller's own intent durable.
/// 3. [`run`](Self::run) it, on a thread that may block.
/// 4. Commit the outcome together with [`forget`](Self::forget). After a failure leave the record
///    to go on later, or [`forget`](Self::forget) and [`Sink::discard`].
///
/// After a restart [`keys`](Self::keys) lists what was under way; [`resume`](Self::resume) and
/// [`run`](Self::run) bring it to its end, also if the crash came between the last byte and the
/// caller's batch.
///
/// # What is safe
///
/// Every [`Policy::checkpoint_bytes`] the sink syncs, then the record says so. Nothing beyond the
/// record is trusted, and nothing at all if the source gives no validator to ask for the rest by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Download {
    key: DownloadKey,
    record: Record,
    saved: bool,
}

/// What a [`Download`] works with.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// Where bytes come from.
    pub fetch: &'a dyn Fetch,
    /// Where they go.
    pub sink: &'a dyn Sink,
    /// Where the record is.
    pub journal: &'a dyn Journal,
    /// Waits between attempts.
    pub clock: &'a dyn Clock,
    /// Limits and tolerances.
    pub policy: &'a Policy,
    /// Stops it. What has been received so far is kept for the next run.
    pub cancel: &'a Cancel,
}

/// How far a download has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes in the sink, safe or not.
    pub received: u64,
    /// The length of the file, if known.
    pub total: Option<u64>,
}

/// A file in its final place.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Finished {
    /// Where it is; see [`Sink::location`].
    pub location: String,
    /// Its length.
    pub bytes: u64,
}

impl Download {
    /// A download of this file that goes on where an earlier one of the same URI and media type
    /// ended, or starts anew. The media type `*/*` is any.
    ///
    /// Nothing is changed before [`run`](Self::run).
    ///
    /// # Errors
    /// A [`JournalError`] if the medium fails. A record that cannot be read counts as none.
    pub fn prepare(
        journal: &dyn Journal,
        key: &DownloadKey,
        uri: &DownloadUri,
        media_type: &str,
    ) -> Result<Self, JournalError> {
        let earlier = journal
            .read(Space::DOWNLOADS, key.as_str().as_bytes())?
            .and_then(|bytes| Record::decode(&bytes))
            .filter(|record| record.uri == *uri && record.media_type == media_type);
        Ok(Self {
            key: key.clone(),
            saved: earlier.is_some(),
            record: earlier.unwrap_or_else(|| Record::new(uri.clone(), media_type.to_owned())),
        })
    }

    /// The download under this key, as the journal has it; `None` if it has none.
    ///
    /// # Errors
    /// [`DownloadError::Journal`] if the medium fails, [`DownloadError::Record`] if the record
    /// cannot be read.
    pub fn resume(journal: &dyn Journal, key: &DownloadKey) -> Result<Option<Self>, DownloadError> {
        let Some(bytes) = journal.read(Space::DOWNLOADS, key.as_str().as_bytes())? else {
            return Ok(None);
        };
        let record = Record::decode(&bytes).ok_or(DownloadError::Record)?;
        Ok(Some(Self {
            key: key.clone(),
            record,
            saved: true,
        }))
    }

    /// The keys of all downloads in the journal, in ascending order.
    ///
    /// # Errors
    /// A [`JournalError`] if the medium fails.
    pub fn keys(journal: &dyn Journal) -> Result<Vec<DownloadKey>, JournalError> {
        let mut keys = Vec::new();
        journal.scan(Space::DOWNLOADS, &mut |key, _| {
            keys.extend(
                std::str::from_utf8(key)
                    .ok()
                    .and_then(|key| key.parse().ok()),
            );
        })?;
        Ok(keys)
    }

    /// Puts the record into a batch of the caller's, so that the download is known from then on.
    pub fn save(&self, batch: &mut Batch) {
        batch.put(Space::DOWNLOADS, self.key.as_str(), self.record.encode());
    }

    /// Removes the record of a download in a batch of the caller's.
    pub fn forget(batch: &mut Batch, key: &DownloadKey) {
        batch.remove(Space::DOWNLOADS, key.as_str());
    }

    /// Lets the file be good only if it has this SHA-256 digest; `None`: whatever it has.
    #[must_use]
    pub fn with_digest(mut self, digest: Option<[u8; 32]>) -> Self {
        if self.record.digest != digest {
            self.change(|record| record.digest = digest);
        }
        self
    }

    /// Brings the file to its final place. Blocks until that is done, it has failed for good, or
    /// it is cancelled; `progress` hears of every piece.
    ///
    /// What is found at the URI may be a [`Descriptor`](crate::Descriptor): the file is then
    /// fetched from where that says, has to be what it says, and what comes of it is reported. It
    /// is in its place only if the report of that was taken. [DLOTA 1.0]
    ///
    /// The record stays, also after success: see [`forget`](Self::forget). Running a finished
    /// download again answers the same at once.
    ///
    /// # Errors
    /// A [`DownloadError`]. What is safe stays so, and a later run goes on from it; nothing stays of
    /// a file that was reported as failed, or has another digest.
    pub fn run(
        &mut self,
        environment: &Environment<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Finished, DownloadError> {
        let result = self.bring(environment, progress);
        if let Err(error) = &result {
            self.settle(error, environment);
        }
        result
    }

    /// Reports that the file is not wanted any more, if somebody has to hear of it, once.
    pub fn abandon(&self, fetch: &dyn Fetch, cancel: &Cancel) {
        let notify = self
            .record
            .object
            .as_ref()
            .and_then(|it| it.notify.as_ref());
        if let Some(uri) = notify {
            // Nobody waits for it.
            drop(fetch.report(uri, &line(InstallStatus::DEVICE_ABORTED), cancel));
        }
    }

    fn bring(
        &mut self,
        environment: &Environment<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Finished, DownloadError> {
        let policy = environment.policy;
        let mut failures = 0;
        let mut reached = self.record.safe;
        let mut rewarded = reached;
        let mut restarted = false;
        if !self.saved {
            self.commit(environment.journal)?;
        }
        loop {
            if environment.cancel.is_cancelled() {
                return Err(DownloadError::Cancelled);
            }
            let (outcome, received) = if self.record.complete {
                match self.finish(environment)? {
                    Some(finished) => return Ok(finished),
                    None => (
                        Outcome::Restart(DownloadError::Sink(SinkErrorKind::Missing.into())),
                        0,
                    ),
                }
            } else {
                Attempt::run(self, environment, progress)
            };
            reached = reached.max(received);
            match outcome {
                Outcome::Complete | Outcome::Described => {}
                Outcome::Again(error) => {
                    if reached - rewarded >= policy.checkpoint_bytes {
                        rewarded = reached;
                        failures = 0;
                    }
                    failures += 1;
                    let Some(wait) = policy.retry.next(failures, error.retry_after()) else {
                        return Err(error);
                    };
                    environment.clock.wait(wait, environment.cancel);
                }
                Outcome::Restart(error) => {
                    if restarted {
                        return Err(error);
                    }
                    restarted = true;
                    self.change(Record::reset);
                    self.commit(environment.journal)?;
                }
                Outcome::Failed(error) => return Err(error),
            }
        }
    }

    /// Reports what failed for good, and leaves nothing of a file that is of no use.
    fn settle(&mut self, error: &DownloadError, environment: &Environment<'_>) {
        let Some(status) = InstallStatus::of(error) else {
            return;
        };
        let object = self.record.object.as_ref();
        let notify = match error {
            DownloadError::Descriptor(error) => error.install_notify_uri(),
            // It would not get through either.
            DownloadError::Report(_) => None,
            _ => object.and_then(|object| object.notify.as_ref()),
        };
        let is_over = object.is_some()
            || matches!(error, DownloadError::Descriptor(_) | DownloadError::Digest);
        if !is_over {
            return;
        }
        if let (Some(uri), Some(_)) = (notify.cloned(), Followed::MAYBE) {
            // The error that matters is the first.
            drop(post(&uri, status, environment));
        }
        self.change(|record| {
            record.reset();
            record.object = None;
        });
        drop(environment.sink.discard(&self.key));
        drop(self.commit(environment.journal));
    }

    /// What it is known by.
    #[must_use]
    pub const fn key(&self) -> &DownloadKey {
        &self.key
    }

    /// Where the file comes from.
    #[must_use]
    pub const fn uri(&self) -> &DownloadUri {
        &self.record.uri
    }

    /// The media type the file has to have.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.record.media_type
    }

    /// How far it has come, counting only what is safe.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        Progress {
            received: self.record.safe,
            total: self.record.total,
        }
    }

    /// Moves the complete file to its final place; `None` if it is lost.
    fn finish(&mut self, environment: &Environment<'_>) -> Result<Option<Finished>, DownloadError> {
        let sink = environment.sink;
        let location = match sink.len(&self.key)? {
            Some(length) if length == self.record.safe => {
                self.check_digest(environment)?;
                self.report_success(environment)?;
                Some(sink.finish(&self.key)?)
            }
            Some(_) => None,
            // A crash came after the move.
            None => sink.location(&self.key)?,
        };
        Ok(location.map(|location| Finished {
            location,
            bytes: self.record.safe,
        }))
    }

    fn check_digest(&self, environment: &Environment<'_>) -> Result<(), DownloadError> {
        let Some(expected) = self.record.digest else {
            return Ok(());
        };
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        let mut offset = 0;
        while offset < self.record.safe {
            if environment.cancel.is_cancelled() {
                return Err(DownloadError::Cancelled);
            }
            let length = environment.sink.read_at(&self.key, offset, &mut buffer)?;
            let bytes = buffer.get(..length).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or(SinkError::from(SinkErrorKind::Missing))?;
            digest.update(bytes);
            offset = offset.saturating_add(length as u64);
        }
        match <[u8; 32]>::from(digest.finalize()) == expected {
            true => Ok(()),
            false => Err(DownloadError::Digest),
        }
    }

    /// The file is usable only if who wants to hear of it has. [DLOTA 1.0]
    fn report_success(&mut self, environment: &Environment<'_>) -> Result<(), DownloadError> {
        let object = self.record.object.as_ref();
        let Some(uri) = object.and_then(|object| object.notify.clone()) else {
            return Ok(());
        };
        post(&uri, InstallStatus::SUCCESS, environment)?;
        self.change(|record| {
            if let Some(object) = &mut record.object {
                object.notify = None;
            }
        });
        Ok(self.commit(environment.journal)?)
    }

    fn change(&mut self, change: impl FnOnce(&mut Record)) {
        change(&mut self.record);
        self.saved = false;
    }

    fn commit(&mut self, journal: &dyn Journal) -> Result<(), JournalError> {
        let mut batch = Batch::new();
        self.save(&mut batch);
        journal.commit(&batch)?;
        self.saved = true;
        Ok(())
    }
}

/// Reports until it is taken, it is refused, or the retries are used up.
fn post(
    uri: &DownloadUri,
    status: InstallStatus,
    environment: &Environment<'_>,
) -> Result<(), DownloadError> {
    let line = line(status);
    for failures in 1.. {
        let reported = environment.fetch.report(uri, &line, environment.cancel);
        let Err(error) = reported else { break };
        if environment.cancel.is_cancelled() {
            return Err(DownloadError::Cancelled);
        }
        let error = DownloadError::Report(error);
        let wait = match &error {
            DownloadError::Report(cause) if cause.kind().is_transient() => environment
                .policy
                .report
                .next(failures, error.retry_after()),
            _ => None,
        };
        let Some(wait) = wait else { return Err(error) };
        environment.clock.wait(wait, environment.cancel);
    }
    Ok(())
}

fn line(status: InstallStatus) -> String {
    format!("{status}\r\n")
}
