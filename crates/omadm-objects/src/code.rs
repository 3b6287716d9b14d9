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

    /// FUMO: it is done.
    pub const FUMO_SUCCESS: Self = Self(200);
    /// FUMO: the client failed.
    pub const FUMO_CLIENT_ERROR: Self = Self(400);
    /// FUMO: the user cancelled it.
    pub const FUMO_USER_CANCELLED: Self = Self(401);
    /// FUMO: the package is corrupted.
    pub const FUMO_CORRUPTED: Self = Self(402);
    /// FUMO: the package is for another device.
    pub const FUMO_MISMATCH: Self = Self(403);
    /// FUMO: the signature of the package does not fit.
    pub const FUMO_INVALID: Self = Self(404);
    /// FUMO: the package is not acceptable.
    pub const FUMO_NOT_ACCEPTABLE: Self = Self(405);
    /// FUMO: the download server wants credentials, or has none that are trusted.
    pub const FUMO_AUTHENTICATION: Self = Self(406);
    /// FUMO: the download server did not answer in time.
    pub const FUMO_TIMED_OUT: Self = Self(407);
    /// FUMO: the device cannot do that.
    pub const FUMO_NOT_IMPLEMENTED: Self = Self(408);
    /// FUMO: something else went wrong.
    pub const FUMO_UNDEFINED: Self = Self(409);
    /// FUMO: the update failed.
    pub const FUMO_UPDATE_FAILED: Self = Self(410);
    /// FUMO: the address is none, or nothing is there.
    pub const FUMO_BAD_URL: Self = Self(411);
    /// FUMO: the download server failed.
    pub const FUMO_SERVER_ERROR: Self = Self(500);
    /// FUMO: there is no room for the package.
    pub const FUMO_DOWNLOAD_MEMORY: Self = Self(501);
    /// FUMO: there is no room for the update.
    pub const FUMO_UPDATE_MEMORY: Self = Self(502);
    /// FUMO: the network failed.
    pub const FUMO_NETWORK: Self = Self(503);
    /// SCOMO: the download failed.
    pub const SCOMO_DOWNLOAD_FAILED: Self = Self(1402);
    /// SCOMO: the download server wants credentials, or has none that are trusted.
    pub const SCOMO_AUTHENTICATION: Self = Self(1403);
    /// SCOMO: there is no room for the package.
    pub const SCOMO_DOWNLOAD_MEMORY: Self = Self(1404);
    /// SCOMO: the installation failed.
    pub const SCOMO_INSTALL_FAILED: Self = Self(1405);
    /// SCOMO: there is no room for the installation.
    pub const SCOMO_INSTALL_MEMORY: Self = Self(1406);
    /// SCOMO: the signature of the package does not fit.
    pub const SCOMO_INVALID: Self = Self(1407);
    /// SCOMO: the removal failed.
    pub const SCOMO_REMOVE_FAILED: Self = Self(1408);
    /// SCOMO: the activation failed.
    pub const SCOMO_ACTIVATE_FAILED: Self = Self(1409);
    /// SCOMO: the deactivation failed.
    pub const SCOMO_DEACTIVATE_FAILED: Self = Self(1410);
    /// SCOMO: the device cannot do that.
    pub const SCOMO_NOT_IMPLEMENTED: Self = Self(1411);
    /// SCOMO: something else went wrong.
    pub const SCOMO_UNDEFINED: Self = Self(1412);
    /// SCOMO: the device has no such environment, or rejects the package.
    pub const SCOMO_ENVIRONMENT: Self = Self(1413);
    /// SCOMO: the download server failed.
    pub const SCOMO_SERVER_ERROR: Self = Self(1500);
    /// SCOMO: the download server cannot be reached.
    pub const SCOMO_SERVER_UNAVAILABLE: Self = Self(1501);

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether the code is of the class 12xx, or 2xx as FUMO has them.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self.0 / 100, 2 | 12)
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
