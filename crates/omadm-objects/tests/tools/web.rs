//! A source of files for downloads, with connections that break.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_download::{
    Cancel, Clock, Content, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest, MemorySink,
    Receiver, ResponseHead, Validator,
};
use omadm_objects::Delivery;
use omadm_testkit::TestJournal;

/// Files by their addresses; clones share everything.
#[derive(Clone, Default)]
pub(crate) struct Web {
    pub(crate) files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// What the next requests come to: how many bytes get through, and what follows.
    pub(crate) faults: Arc<Mutex<VecDeque<(usize, FetchErrorKind)>>>,
    /// The first byte of each request.
    pub(crate) asked: Arc<Mutex<Vec<u64>>>,
    pub(crate) sink: Arc<Mutex<Arc<MemorySink>>>,
}

impl Web {
    pub(crate) fn serve(&self, at: &str, content: &[u8]) {
        let mut files = self.files.lock().unwrap();
        files.insert(at.to_owned(), content.to_vec());
    }

    pub(crate) fn breaks(&self, after: usize, kind: FetchErrorKind) {
        self.faults.lock().unwrap().push_back((after, kind));
    }

    pub(crate) fn delivery(&self, journal: &TestJournal) -> Delivery {
        let sink = Arc::clone(&self.sink.lock().unwrap());
        let (web, journal) = (Arc::new(self.clone()), Arc::new(journal.clone()));
        let mut delivery = Delivery::new(web, sink, journal, Arc::new(NoWait));
        delivery.policy.retry.retries = 0;
        delivery.policy.checkpoint_bytes = 4;
        delivery
    }
}

impl Fetch for Web {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        assert_eq!(request.accept, "*/*");
        let from = request.resume.map_or(0, |resume| resume.from);
        self.asked.lock().unwrap().push(from);
        let fault = self.faults.lock().unwrap().pop_front();
        if let Some((0, kind)) = fault {
            return Err(kind.into());
        }
        let files = self.files.lock().unwrap();
        let file = files.get(&request.uri.to_string());
        let file = file.ok_or(FetchErrorKind::Status(404))?;
        let total = Some(file.len() as u64);
        let mut head = ResponseHead::new(match from {
            0 => Content::Whole { length: total },
            first => Content::Part { first, total },
        });
        head.media_type = Some("application/x-package".to_owned());
        head.validator = Some(Validator::new("\"1\""));
        let rest = &file[usize::try_from(from).unwrap()..];
        let rest = &rest[..fault.map_or(rest.len(), |(after, _)| after.min(rest.len()))];
        if receiver.head(&head).is_break()
            || rest.chunks(4).any(|chunk| receiver.chunk(chunk).is_break())
        {
            return Ok(Ending::Stopped);
        }
        fault.map_or(Ok(Ending::Complete), |(_, kind)| Err(kind.into()))
    }
}

/// Time that nobody waits for.
struct NoWait;

impl Clock for NoWait {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn wait(&self, _: Duration, _: &Cancel) {}
}
