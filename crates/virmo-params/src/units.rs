use std::fmt;

/// An amount of RAM or storage in octets.
///
/// ```
/// use virmo_params::Bytes;
///
/// assert_eq!(Bytes::mib(1).get(), 1_048_576);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Bytes(u64);

impl Bytes {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many octets.
    #[must_use]
    pub const fn new(octets: u64) -> Self {
        Self(octets)
    }

    /// So many times 1,048,576 octets.
    #[must_use]
    pub const fn mib(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// So many times 1,073,741,824 octets.
    #[must_use]
    pub const fn gib(count: u32) -> Self {
        Self((count as u64) << 30)
    }

    /// The number of octets.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, if 64 bits hold it.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A share of the device: 0 to 100 per cent.
///
/// ```
/// use virmo_params::Percent;
///
/// assert_eq!(Percent::new(100), Some(Percent::FULL));
/// assert_eq!(Percent::new(101), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Percent(u8);

impl Percent {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The whole device.
    pub const FULL: Self = Self(100);

    /// So many hundredths, if they are at most 100.
    #[must_use]
    pub const fn new(hundredths: u8) -> Option<Self> {
        match hundredths {
            0..=100 => Some(Self(hundredths)),
            _ => None,
        }
    }

    /// The number of hundredths.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
