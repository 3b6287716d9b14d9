use std::fmt;

/// What came of an operation: the number in the Item of a Status, or in the alert.
///
/// An open newtype; the constants are those this crate gives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResultCode(u16);

impl ResultCode {
    /// It is done.
    pub const SUCCESS: Self = Self(1200);
    /// LAWMO: the data was wiped.
    pub const WIPED: Self = Self(1201);
    /// LAWMO: the data was wiped, and its items are gone from the list.
    pub const WIPED_WITH_ITEMS: Self = Self(1202);
    /// The client failed.
    pub const CLIENT_ERROR: Self = Self(1400);
    /// LAWMO: the user cancelled it.
    pub const USER_CANCELLED: Self = Self(1401);
    /// LAWMO: FullyLock failed.
    pub const FULLY_LOCK_FAILED: Self = Self(1402);
    /// LAWMO: PartiallyLock failed.
    pub const PARTIALLY_LOCK_FAILED: Self = Self(1403);
    /// LAWMO: UnLock failed.
    pub const UNLOCK_FAILED: Self = Self(1404);
    /// LAWMO: the wipe failed.
    pub const WIPE_FAILED: Self = Self(1405);
    /// LAWMO: the wipe was not performed: nothing was to be wiped.
    pub const WIPE_NOT_PERFORMED: Self = Self(1406);
    /// DCMO, of the range for vendors: the capability could not be switched.
    pub const DCMO_FAILED: Self = Self(1450);
    /// DCMO, of the range for vendors: the user refused.
    pub const DCMO_REFUSED: Self = Self(1451);

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether the code is of the class 12xx.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 / 100 == 12
    }
}

impl From<u16> for ResultCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why the thing behind an object did not do what it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Failure {
    /// It tried and could not.
    #[error("the operation failed")]
    Failed,
    /// The user said no.
    #[error("the user cancelled the operation")]
    Cancelled,
    /// It cannot try: a fault of the device or its software.
    #[error("the device cannot carry the operation out")]
    Client,
}
