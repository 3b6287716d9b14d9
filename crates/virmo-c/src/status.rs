use std::panic::{AssertUnwindSafe, catch_unwind};

/// What came of a call.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum virmo_status {
    /// It was done.
    Ok = 0,
    /// An argument is null, not UTF-8, or not what it has to be. Nothing happened.
    Argument = 1,
    /// The call does not fit what went before: an answer nobody waits for, a second session, a job
    /// of another device. Nothing happened.
    Misuse = 2,
    /// Another thread, or a callback further up on this one, is using the handle. Nothing happened.
    Busy = 3,
    /// A defect of this library; the handle can only be freed from now on. What was promised to the
    /// server is in the journal: free the device, make it anew.
    Panic = 4,
    /// The journal failed, or what it holds cannot be read.
    Journal = 5,
    /// A management object did not start, or a document or an alert is not taken.
    Refused = 6,
    /// There is nothing at this place.
    NotFound = 7,
    /// The buffer is too small.
    TooSmall = 8,
    /// The proof that came with something is wrong: so is the secret it was to be verified with, or
    /// what it came with.
    Unproven = 9,
}

/// Why a call did not do its work.
#[derive(Debug)]
pub(crate) struct Failure(Box<(virmo_status, String)>);

impl Failure {
    pub(crate) fn new(status: virmo_status, message: impl Into<String>) -> Self {
        Self(Box::new((status, message.into())))
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(virmo_status::Argument, message)
    }

    pub(crate) fn status(&self) -> virmo_status {
        self.0.0
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.1
    }
}

/// Does the work of an entry point: no panic gets to the caller.
pub(crate) fn guard<T>(panicked: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(panicked)
}
