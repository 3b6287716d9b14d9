use std::{fmt, str::FromStr, sync::Arc};

/// The identifier of a virtual machine: the value of `VirMO/<x>/VMID`. [VirMO §8]
///
/// Assigned by the client, unique within the device, never used again for another machine.
/// 1 to 64 ASCII letters, digits, `-`, `.` and `_`, the first a letter or digit, so it can be a
/// file name as it is. Cheap to clone.
///
/// ```
/// use virmo_state::VmId;
///
/// let id: VmId = "vm-1".parse()?;
/// assert_eq!(id.as_str(), "vm-1");
/// assert!("../etc".parse::<VmId>().is_err());
/// # Ok::<(), virmo_state::InvalidVmId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmId(Arc<str>);

/// A text that is no [`VmId`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidVmId {
    /// There is no character.
    #[error("a VM identifier is not empty")]
    Empty,
    /// It is longer than [`VmId::MAX_LEN`].
    #[error("a VM identifier has at most {} characters", VmId::MAX_LEN)]
    TooLong,
    /// The character at this byte is not allowed there.
    #[error("character at byte {0} is not allowed in a VM identifier")]
    Character(usize),
}

impl VmId {
    /// The most characters an identifier has.
    pub const MAX_LEN: usize = 64;

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VmId {
    type Err = InvalidVmId;

    fn from_str(text: &str) -> Result<Self, InvalidVmId> {
        let allowed = |(at, byte): (usize, u8)| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => true,
            b'-' | b'.' | b'_' => at > 0,
            _ => false,
        };
        if let Some(at) = text.bytes().enumerate().position(|it| !allowed(it)) {
            return Err(InvalidVmId::Character(at));
        }
        match text.len() {
            0 => Err(InvalidVmId::Empty),
            1..=Self::MAX_LEN => Ok(Self(text.into())),
            _ => Err(InvalidVmId::TooLong),
        }
    }
}

impl AsRef<str> for VmId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_shows_the_same_text() {
        let id: VmId = "vm-1".parse().unwrap();
        assert_eq!(AsRef::<str>::as_ref(&id), "vm-1");
        assert_eq!(format!("{id} {id:?}"), "vm-1 \"vm-1\"");
    }

    #[test]
    fn identifiers_are_safe_file_names() {
        for good in ["a", "0", "Z9", "vm-1", "a.b_c-d", "a..", &"x".repeat(64)] {
            assert_eq!(
                good.parse::<VmId>().map(|id| id.to_string()),
                Ok(good.to_owned())
            );
        }
        for (bad, error) in [
            ("", InvalidVmId::Empty),
            (".", InvalidVmId::Character(0)),
            ("..", InvalidVmId::Character(0)),
            ("-rf", InvalidVmId::Character(0)),
            ("_a", InvalidVmId::Character(0)),
            ("a/b", InvalidVmId::Character(1)),
            ("a\\b", InvalidVmId::Character(1)),
            ("vm 1", InvalidVmId::Character(2)),
            ("vm\0", InvalidVmId::Character(2)),
            ("vmä", InvalidVmId::Character(2)),
            (&"x".repeat(65), InvalidVmId::TooLong),
        ] {
            assert_eq!(bad.parse::<VmId>(), Err(error), "{bad:?}");
        }
    }
}
