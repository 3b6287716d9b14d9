//! The time of a session is that of its downloads too.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use virmo::dm::download::{
    Cancel, DownloadUri, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest, Receiver,
    ResponseHead,
};

/// What a device fetches with. A download is cut off when something of it comes after the time of the
/// session.
pub(super) struct Limited {
    inner: Arc<dyn Fetch>,
    session: Mutex<Session>,
}

#[derive(Default)]
struct Session {
    /// Absent for one without a limit.
    until: Option<Instant>,
    was_cut: bool,
}

impl Limited {
    pub(super) fn new(inner: Arc<dyn Fetch>) -> Self {
        Self {
            inner,
            session: Mutex::default(),
        }
    }

    /// A session begins, which may take so long.
    pub(super) fn begin(&self, limit: Duration) {
        *self.session() = Session {
            until: Instant::now().checked_add(limit),
            was_cut: false,
        };
    }

    /// Whether a download of the session was cut off.
    pub(super) fn was_cut(&self) -> bool {
        self.session().was_cut
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go_on(&self) -> ControlFlow<()> {
        let mut session = self.session();
        match session.until.is_some_and(|until| until <= Instant::now()) {
            true => {
                session.was_cut = true;
                ControlFlow::Break(())
            }
            false => ControlFlow::Continue(()),
        }
    }
}

impl Fetch for Limited {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        let mut passed_on = PassedOn {
            limit: self,
            receiver,
        };
        let ending = self.inner.fetch(request, &mut passed_on)?;
        match self.was_cut() {
            true => Err(FetchErrorKind::TimedOut.into()),
            false => Ok(ending),
        }
    }

    fn report(&self, uri: &DownloadUri, line: &str, cancel: &Cancel) -> Result<(), FetchError> {
        self.inner.report(uri, line, cancel)
    }
}

struct PassedOn<'a> {
    limit: &'a Limited,
    receiver: &'a mut dyn Receiver,
}

impl Receiver for PassedOn<'_> {
    fn head(&mut self, head: &ResponseHead) -> ControlFlow<()> {
        self.limit.go_on()?;
        self.receiver.head(head)
    }

    fn chunk(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.limit.go_on()?;
        self.receiver.chunk(bytes)
    }
}
