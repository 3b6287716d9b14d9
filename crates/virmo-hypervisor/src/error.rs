use std::{borrow::Cow, error::Error, fmt};

use crate::{MachineState, Resource};

/// Why a hypervisor did not do what it was asked.
///
/// ```
/// use virmo_hypervisor::{HypervisorError, HypervisorErrorKind};
///
/// let error = HypervisorError::new(HypervisorErrorKind::Image).because("no boot sector");
/// assert_eq!(error.to_string(), "unusable image: no boot sector");
/// assert!(!error.changed_nothing());
/// ```
pub struct HypervisorError {
    cause: Box<Cause>,
}

omadm_core::debug_as_causes!(HypervisorError);

/// Apart, so that what succeeds carries no room for it.
struct Cause {
    kind: HypervisorErrorKind,
    detail: Option<Cow<'static, str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Why, in the classes a caller tells apart.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HypervisorErrorKind {
    // The caller's.
    /// The machine's state does not allow the call.
    #[error("machine is {observed}")]
    InvalidState {
        /// The state it is in.
        observed: MachineState,
    },
    /// There is no such machine.
    #[error("no such machine")]
    NotFound,
    /// Another call on this machine has not ended.
    #[error("machine is busy")]
    Busy,

    // Not possible with this back end.
    /// The back end cannot do it at all.
    #[error("not supported")]
    NotSupported,
    /// The machine would have to be off for it.
    #[error("{0} cannot be changed while the machine runs")]
    CannotChangeLive(Resource),

    // The device's.
    /// There is not enough left.
    #[error("not enough {0}")]
    NoSpace(Resource),

    // The image's.
    /// The image is missing, damaged or of a type the back end does not take.
    #[error("unusable image")]
    Image,

    // The back end's.
    /// No answer in time.
    #[error("no answer in time")]
    Timeout {
        /// Whether it may have happened, or may still happen.
        may_have_happened: bool,
    },
    /// Anything else that went wrong in the hypervisor or below; it may have happened in part.
    #[error("hypervisor failed")]
    Backend,
}

impl HypervisorError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: HypervisorErrorKind) -> Self {
        Self {
            cause: Box::new(Cause {
                kind,
                detail: None,
                source: None,
            }),
        }
    }

    /// The machine's state does not allow the call.
    #[must_use]
    pub fn invalid_state(observed: MachineState) -> Self {
        Self::new(HypervisorErrorKind::InvalidState { observed })
    }

    /// Says more: lower case, no full stop, what to do about it if that is known.
    #[must_use]
    pub fn because(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.cause.detail = Some(detail.into());
        self
    }

    /// Names the error below this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause.source = Some(source.into());
        self
    }

    /// The class of the error.
    #[must_use]
    pub fn kind(&self) -> &HypervisorErrorKind {
        &self.cause.kind
    }

    /// Whether the call was refused before it had any effect. After any other error only
    /// [`observe`](crate::Hypervisor::observe) knows.
    #[must_use]
    pub fn changed_nothing(&self) -> bool {
        match self.cause.kind {
            HypervisorErrorKind::InvalidState { .. }
            | HypervisorErrorKind::NotFound
            | HypervisorErrorKind::Busy
            | HypervisorErrorKind::NotSupported
            | HypervisorErrorKind::CannotChangeLive(_)
            | HypervisorErrorKind::Timeout {
                may_have_happened: false,
            } => true,
            HypervisorErrorKind::NoSpace(_)
            | HypervisorErrorKind::Image
            | HypervisorErrorKind::Timeout {
                may_have_happened: true,
            }
            | HypervisorErrorKind::Backend => false,
        }
    }
}

impl fmt::Display for HypervisorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.kind.fmt(f)?;
        match &self.cause.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl Error for HypervisorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_kind_and_detail_and_names_its_source() {
        let below = std::io::Error::other("disk on fire");
        let error = HypervisorError::new(HypervisorErrorKind::Backend)
            .because("cannot write machine.json")
            .caused_by(below);
        assert_eq!(
            error.to_string(),
            "hypervisor failed: cannot write machine.json"
        );
        let source = error.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("disk on fire"));

        let error = HypervisorError::invalid_state(MachineState::Off { crashed: true });
        assert_eq!(error.to_string(), "machine is off after a crash");
        assert!(error.source().is_none());
    }

    #[test]
    fn refusals_changed_nothing_and_failures_may_have() {
        use HypervisorErrorKind as Kind;
        for (kind, changed_nothing) in [
            (Kind::NotFound, true),
            (Kind::Busy, true),
            (Kind::NotSupported, true),
            (Kind::CannotChangeLive(Resource::Ram), true),
            (
                Kind::InvalidState {
                    observed: MachineState::Running,
                },
                true,
            ),
            (
                Kind::Timeout {
                    may_have_happened: false,
                },
                true,
            ),
            (
                Kind::Timeout {
                    may_have_happened: true,
                },
                false,
            ),
            (Kind::NoSpace(Resource::Storage), false),
            (Kind::Image, false),
            (Kind::Backend, false),
        ] {
            let error = HypervisorError::new(kind);
            assert_eq!(error.changed_nothing(), changed_nothing, "{error}");
        }
    }
}
