//! The connection, and calls on it that end in time.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use virmo_hypervisor::{HypervisorError, HypervisorErrorKind as Kind, Resource};
use virt::{
    connect::Connect,
    error::{Error, ErrorDomain, ErrorNumber},
};

/// How many calls may wait for libvirt before no more are made.
const MOST_WAITING: usize = 256;

/// A connection to libvirt, made again where it broke.
pub(crate) struct Line {
    uri: String,
    patience: Duration,
    connection: Mutex<Option<Connect>>,
    waiting: Arc<AtomicUsize>,
}

/// Why libvirt did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// It did not answer in time.
    #[error("libvirt does not answer")]
    Silent,
    /// It was not asked: too many calls wait already.
    #[error("libvirt does not answer, and {MOST_WAITING} calls wait for it")]
    Stuck,
    /// It refused, or there is none.
    #[error("{}", .0.text)]
    Said(Said),
}

/// What libvirt said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<ErrorNumber>,
    domain: Option<ErrorDomain>,
    pub(crate) text: String,
}

impl Said {
    fn new(error: &Error) -> Self {
        Self {
            code: error.code().known(),
            domain: error.domain().known(),
            text: error.message().to_owned(),
        }
    }

    /// What to do about it, if that is known.
    pub(crate) fn advice(&self) -> &'static str {
        match (self.code, self.domain) {
            (Some(ErrorNumber::SystemError), Some(ErrorDomain::Rpc))
            | (Some(ErrorNumber::NoConnect), _) => "; is libvirtd installed and running?",
            (
                Some(
                    ErrorNumber::AuthFailed
                    | ErrorNumber::AuthUnavailable
                    | ErrorNumber::AuthCancelled
                    | ErrorNumber::OperationDenied
                    | ErrorNumber::AccessDenied,
                ),
                _,
            ) => "; run as root or as a member of the group libvirt",
            _ => "",
        }
    }
}

impl LineError {
    /// Whether libvirt said this.
    pub(crate) fn is(&self, code: ErrorNumber) -> bool {
        matches!(self, Self::Said(said) if said.code == Some(code))
    }

    /// Whether it is the connection that failed, so that the call may have happened.
    pub(crate) fn is_broken(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Stuck => false,
            Self::Said(said) => {
                matches!(said.domain, Some(ErrorDomain::Rpc | ErrorDomain::Remote))
                    && matches!(
                        said.code,
                        Some(
                            ErrorNumber::InternalError
                                | ErrorNumber::SystemError
                                | ErrorNumber::Rpc
                        )
                    )
            }
        }
    }

    /// Whether the driver cannot do such a thing at all.
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::Said(Said {
                code: Some(
                    ErrorNumber::NoSupport
                        | ErrorNumber::ConfigUnsupported
                        | ErrorNumber::ArgumentUnsupported
                        | ErrorNumber::OperationUnsupported
                ),
                ..
            })
        )
    }
}

impl From<LineError> for HypervisorError {
    fn from(error: LineError) -> Self {
        let kind = match &error {
            LineError::Silent => Kind::Timeout {
                may_have_happened: true,
            },
            LineError::Stuck => Kind::Timeout {
                may_have_happened: false,
            },
            error if error.is_unsupported() => Kind::NotSupported,
            LineError::Said(said) => match said.code {
                Some(ErrorNumber::NoDomain) => Kind::NotFound,
                // Another call holds the domain.
                Some(ErrorNumber::OperationTimeout | ErrorNumber::ResourceBusy) => Kind::Busy,
                _ if said.text.contains("No space left") => Kind::NoSpace(Resource::Storage),
                _ => Kind::Backend,
            },
        };
        let advice = match &error {
            LineError::Silent | LineError::Stuck => "; look whether libvirtd is well",
            LineError::Said(said) => said.advice(),
        };
        Self::new(kind)
            .because(format!("{error}{advice}"))
            .caused_by(error)
    }
}

impl Line {
    pub(crate) fn new(uri: String, patience: Duration) -> Self {
        // What libvirt prints by itself is in our errors.
        virt::error::clear_error_callback();
        Self {
            uri,
            patience,
            connection: Mutex::default(),
            waiting: Arc::default(),
        }
    }

    /// Asks something that changes nothing; once more if the connection turns out to be broken.
    pub(crate) fn look<T: Send + 'static>(
        &self,
        question: impl Fn(&Connect) -> Result<T, Error> + Clone + Send + 'static,
    ) -> Result<T, LineError> {
        match self.connected(question.clone()) {
            Err(LineError::Said(said)) if LineError::Said(said.clone()).is_broken() => {
                self.connected(question)
            }
            answer => answer,
        }
    }

    fn connected<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connect) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, LineError> {
        let connection = self.connection()?;
        self.ask(self.patience, move || question(&connection))
    }

    /// Makes one call of libvirt, which may take as long as that takes with the guest's memory.
    pub(crate) fn ask_long<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, LineError> {
        self.ask(self.patience * 10, call)
    }

    /// Makes one call of libvirt and waits for its end.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, LineError> {
        self.ask(self.patience, call)
    }

    fn ask<T: Send + 'static>(
        &self,
        within: Duration,
        call: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, LineError> {
        if self.waiting.load(Ordering::Relaxed) >= MOST_WAITING {
            return Err(LineError::Stuck);
        }
        let (answer, answered) = mpsc::channel();
        let waiting = Arc::clone(&self.waiting);
        waiting.fetch_add(1, Ordering::Relaxed);
        let spawned = thread::Builder::new()
            .name("libvirt".to_owned())
            .spawn(move || {
                let result = call();
                waiting.fetch_sub(1, Ordering::Relaxed);
                // Nobody may wait for it any more.
                _ = answer.send(result);
            });
        if spawned.is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(LineError::Stuck);
        }
        match answered.recv_timeout(within) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let error = LineError::Said(Said::new(&error));
                if error.is_broken() {
                    *self.lock() = None;
                }
                Err(error)
            }
            Err(_) => {
                *self.lock() = None;
                Err(LineError::Silent)
            }
        }
    }

    fn connection(&self) -> Result<Connect, LineError> {
        if let Some(connection) = &*self.lock() {
            return Ok(connection.clone());
        }
        let uri = self.uri.clone();
        let connection = self.ask(self.patience, move || Connect::open(Some(&uri)))?;
        Ok(self.lock().get_or_insert(connection).clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connect>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Closing asks the daemon, too.
        if let Some(connection) = self.lock().take() {
            _ = self.ask(self.patience, move || {
                drop(connection);
                Ok(())
            });
        }
    }
}
