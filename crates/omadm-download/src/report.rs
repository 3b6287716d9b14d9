use std::{fmt, str::FromStr};

use crate::{DescriptorErrorKind, DownloadError, FetchErrorKind, SinkErrorKind};

/// What is reported to the installNotifyURI of a descriptor. [DLOTA 1.0]
///
/// An open newtype; the constants are all the codes of Download OTA 1.0.
///
/// ```
/// use omadm_download::InstallStatus;
///
/// assert_eq!(InstallStatus::ATTRIBUTE_MISMATCH.to_string(), "905 Attribute mismatch");
/// assert_eq!("900  Success\r\n".parse(), Ok(InstallStatus::SUCCESS));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InstallStatus(u16);

impl InstallStatus {
    /// The object is here, checked and in its place.
    pub const SUCCESS: Self = Self(900);
    /// There is no room for it.
    pub const INSUFFICIENT_MEMORY: Self = Self(901);
    /// The user does not want it.
    pub const USER_CANCELLED: Self = Self(902);
    /// The connection was lost, for good.
    pub const LOSS_OF_SERVICE: Self = Self(903);
    /// The object is not what the descriptor says.
    pub const ATTRIBUTE_MISMATCH: Self = Self(905);
    /// The descriptor cannot be read.
    pub const INVALID_DESCRIPTOR: Self = Self(906);
    /// The descriptor is of another version.
    pub const INVALID_VERSION: Self = Self(951);
    /// The device gave up for a reason of its own.
    pub const DEVICE_ABORTED: Self = Self(952);
    /// The type is none the device can use.
    pub const NON_ACCEPTABLE_CONTENT: Self = Self(953);
    /// The object could not be fetched.
    pub const LOADER_ERROR: Self = Self(954);

    /// The code.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What is said beside the code.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::SUCCESS => "Success",
            Self::INSUFFICIENT_MEMORY => "Insufficient memory",
            Self::USER_CANCELLED => "User Cancelled",
            Self::LOSS_OF_SERVICE => "Loss of Service",
            Self::ATTRIBUTE_MISMATCH => "Attribute mismatch",
            Self::INVALID_DESCRIPTOR => "Invalid descriptor",
            Self::INVALID_VERSION => "Invalid DDVersion",
            Self::DEVICE_ABORTED => "Device Aborted",
            Self::NON_ACCEPTABLE_CONTENT => "Non-Acceptable Content",
            Self::LOADER_ERROR => "Loader Error",
            _ => "",
        }
    }

    /// What is to be reported of a download that ended without its file; `None` if it goes on at
    /// another time.
    #[must_use]
    pub fn of(error: &DownloadError) -> Option<Self> {
        Some(match error {
            DownloadError::Cancelled => return None,
            DownloadError::TooLarge { .. } => Self::INSUFFICIENT_MEMORY,
            DownloadError::Sink(error) if error.kind() == SinkErrorKind::NoSpace => {
                Self::INSUFFICIENT_MEMORY
            }
            DownloadError::MediaType { .. } | DownloadError::Length { .. } => {
                Self::ATTRIBUTE_MISMATCH
            }
            DownloadError::Descriptor(error) => match error.kind {
                DescriptorErrorKind::Version => Self::INVALID_VERSION,
                _ => Self::INVALID_DESCRIPTOR,
            },
            DownloadError::TooSlow => Self::LOSS_OF_SERVICE,
            DownloadError::Fetch(error) => match error.kind() {
                kind if kind.is_transient() && !matches!(kind, FetchErrorKind::Busy { .. }) => {
                    Self::LOSS_OF_SERVICE
                }
                _ => Self::LOADER_ERROR,
            },
            DownloadError::Unproven | DownloadError::Range => Self::LOADER_ERROR,
            DownloadError::Digest
            | DownloadError::Report(_)
            | DownloadError::Sink(_)
            | DownloadError::Journal(_)
            | DownloadError::Record => Self::DEVICE_ABORTED,
        })
    }
}

impl From<u16> for InstallStatus {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl fmt::Display for InstallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            "" => self.0.fmt(f),
            text => write!(f, "{} {text}", self.0),
        }
    }
}

/// A text that is no [`InstallStatus`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it does not begin with a code of three digits")]
pub struct InvalidStatus;

impl FromStr for InstallStatus {
    type Err = InvalidStatus;

    /// Takes the code at the beginning; what is said beside it does not count.
    fn from_str(text: &str) -> Result<Self, InvalidStatus> {
        let code = text.split_ascii_whitespace().next().ok_or(InvalidStatus)?;
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        let code = code.parse().ok().filter(|_| is_code);
        code.map(Self).ok_or(InvalidStatus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_code_is_a_status() {
        for (text, due) in [
            ("954", Some(954)),
            (" 901 Out of memory", Some(901)),
            ("", None),
            ("Success", None),
            ("+90 x", None),
            ("9000", None),
        ] {
            let status = text.parse::<InstallStatus>().ok();
            assert_eq!(status.map(InstallStatus::get), due, "{text}");
        }
        assert_eq!(InstallStatus::from(999).to_string(), "999");
    }
}
