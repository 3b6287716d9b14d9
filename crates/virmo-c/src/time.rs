use std::time::Duration;

use omadm_core::Now;
use omadm_download::{Cancel, Clock};

use crate::{
    status::guard,
    vendor::{Vendor, call},
};

/// The moment of a call: time is an argument.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct virmo_now {
    /// Milliseconds since 1970-01-01T00:00:00Z; for time stamps, may jump.
    pub wall_ms: u64,
    /// Milliseconds since any origin, that of `clock_now`; for deadlines, never runs backwards.
    pub mono_ms: u64,
}

impl From<virmo_now> for Now {
    fn from(now: virmo_now) -> Self {
        Self {
            wall: Duration::from_millis(now.wall_ms),
            mono: Duration::from_millis(now.mono_ms),
        }
    }
}

/// A time in milliseconds; one that does not fit is the greatest.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Says whether a callback is to give up what it is doing.
pub struct virmo_cancel(Over);

enum Over {
    Switch(Cancel),
    /// Lives as long as the callback is under way, as this does.
    Asked(*const (dyn Fn() -> bool + 'static)),
}

impl virmo_cancel {
    pub(crate) fn new(cancel: &Cancel) -> Self {
        Self(Over::Switch(cancel.clone()))
    }

    /// Whoever makes it lets it go before `over`.
    pub(crate) fn asked(over: &dyn Fn() -> bool) -> Self {
        let over: *const (dyn Fn() -> bool + '_) = over;
        // SAFETY: the two types differ in the lifetime of what is behind the pointer alone, which is
        // used only while the callback is under way.
        Self(Over::Asked(unsafe {
            std::mem::transmute::<*const (dyn Fn() -> bool + '_), *const (dyn Fn() -> bool + 'static)>(
                over,
            )
        }))
    }

    fn is_thrown(&self) -> bool {
        match &self.0 {
            Over::Switch(cancel) => cancel.is_cancelled(),
            // SAFETY: alive while the callback is under way, which called this.
            Over::Asked(over) => unsafe { (**over)() },
        }
    }
}

/// Whether a callback is to give up what it is doing. From the thread of the callback, until it
/// returns.
///
/// # Safety
/// `cancel` is null or that of a callback under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_cancel_is_thrown(cancel: *const virmo_cancel) -> bool {
    guard(true, || {
        // SAFETY: null or alive while the callback is under way.
        unsafe { cancel.as_ref() }.is_some_and(virmo_cancel::is_thrown)
    })
}

/// The vendor's clock, for what blocks in jobs.
pub(crate) struct VendorClock(pub(crate) std::sync::Arc<Vendor>);

impl Clock for VendorClock {
    fn now(&self) -> Duration {
        Duration::from_millis(call!(&self.0, clock_now).unwrap_or_default())
    }

    fn wait(&self, duration: Duration, cancel: &Cancel) {
        let cancel = virmo_cancel::new(cancel);
        let time = milliseconds(duration);
        call!(&self.0, clock_wait, time, &raw const cancel);
    }
}
