use std::{fmt, str::FromStr};

/// A fault the simulator is to show once: `create:fail`, `suspend:hang`, `apply:crash`.
///
/// It shows when the operation next has its first durable effect; a call that is refused or finds
/// nothing to do does not use it up.
///
/// ```
/// use virmo_simulator::{Fault, FaultMode, Operation};
///
/// let fault: Fault = "power_on:hang".parse()?;
/// assert_eq!(fault, Fault { operation: Operation::PowerOn, mode: FaultMode::Hang });
/// # Ok::<(), virmo_simulator::InvalidFault>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// Which operation.
    pub operation: Operation,
    /// What it does instead of ending well.
    pub mode: FaultMode,
}

/// What a fault can be in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// `create`.
    Create,
    /// `suspend`.
    Suspend,
    /// `resume`.
    Resume,
    /// `power_on`.
    PowerOn,
    /// `power_off`.
    PowerOff,
    /// `delete`.
    Delete,
    /// `apply`: the commit of a change of resources.
    Apply,
}

/// What an operation with a fault does after its first durable effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FaultMode {
    /// `fail`: it answers with an error.
    Fail,
    /// `hang`: it does not answer until [`Simulator::release`](crate::Simulator::release).
    Hang,
    /// `crash`: it aborts the process.
    Crash,
}

/// A text that is no [`Fault`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidFault {
    /// There is no colon.
    #[error("a fault is OPERATION:MODE, as in create:fail")]
    NoColon,
    /// There is no such operation.
    #[error(
        "unknown operation {0:?}: it is one of create, suspend, resume, power_on, power_off, \
         delete, apply"
    )]
    Operation(String),
    /// There is no such mode.
    #[error("unknown mode {0:?}: it is one of fail, hang, crash")]
    Mode(String),
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 7] = [
        Self::Create,
        Self::Suspend,
        Self::Resume,
        Self::PowerOn,
        Self::PowerOff,
        Self::Delete,
        Self::Apply,
    ];

    /// Its name in a fault.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::PowerOn => "power_on",
            Self::PowerOff => "power_off",
            Self::Delete => "delete",
            Self::Apply => "apply",
        }
    }
}

impl FaultMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Fail, Self::Hang, Self::Crash];

    /// Its name in a fault.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Hang => "hang",
            Self::Crash => "crash",
        }
    }
}

impl FromStr for Operation {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == text)
            .ok_or_else(|| InvalidFault::Operation(text.to_owned()))
    }
}

impl FromStr for FaultMode {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| InvalidFault::Mode(text.to_owned()))
    }
}

impl FromStr for Fault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        let (operation, mode) = text.split_once(':').ok_or(InvalidFault::NoColon)?;
        Ok(Self {
            operation: operation.parse()?,
            mode: mode.parse()?,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.operation.name(), self.mode.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_is_written() {
        for operation in Operation::ALL {
            for mode in FaultMode::ALL {
                let fault = Fault { operation, mode };
                assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }
        assert_eq!(
            "power_off:crash".parse::<Fault>().map(|it| it.operation),
            Ok(Operation::PowerOff)
        );
    }

    #[test]
    fn a_wrong_fault_is_explained() {
        for (text, message) in [
            ("create", "a fault is OPERATION:MODE, as in create:fail"),
            (
                "poweron:fail",
                "unknown operation \"poweron\": it is one of create, suspend, resume, power_on, \
                 power_off, delete, apply",
            ),
            (
                "create:Fail",
                "unknown mode \"Fail\": it is one of fail, hang, crash",
            ),
            (
                "create:fail:hang",
                "unknown mode \"fail:hang\": it is one of fail, hang, crash",
            ),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
