//! What every opaque handle has: one user at a time, the last error, an end after a panic.

use std::{
    ffi::{CStr, CString, c_char},
    sync::{Mutex, TryLockError},
};

use crate::{
    status::{Failure, guard, virmo_status},
    text::c_text,
};

pub(crate) struct Handle<T>(Mutex<Held<T>>);

struct Held<T> {
    value: T,
    error: CString,
}

const BUSY: &CStr = c"the handle is in use";
const PANICKED: &CStr = c"a defect of the library; the handle can only be freed";

impl<T> Handle<T> {
    pub(crate) fn new(value: T) -> Self {
        let error = CString::default();
        Self(Mutex::new(Held { value, error }))
    }

    /// Uses the handle; a panic poisons it.
    ///
    /// # Safety
    /// `handle` is null or a live handle.
    pub(crate) unsafe fn with(
        handle: *const Self,
        mut work: impl FnMut(&mut T) -> Result<(), Failure>,
    ) -> virmo_status {
        // SAFETY: the caller's promise.
        unsafe { Self::with_any(handle, &mut work) }
    }

    /// [`with`](Self::with), once for every work.
    ///
    /// # Safety
    /// As there.
    unsafe fn with_any(
        handle: *const Self,
        work: &mut dyn FnMut(&mut T) -> Result<(), Failure>,
    ) -> virmo_status {
        // SAFETY: null or alive, as the caller promises; shared access is all a mutex needs.
        let Some(handle) = (unsafe { handle.as_ref() }) else {
            return virmo_status::Argument;
        };
        guard(virmo_status::Panic, || {
            let mut held = match handle.0.try_lock() {
                Ok(held) => held,
                Err(TryLockError::WouldBlock) => return virmo_status::Busy,
                Err(TryLockError::Poisoned(_)) => return virmo_status::Panic,
            };
            match work(&mut held.value) {
                Ok(()) => virmo_status::Ok,
                Err(failure) => {
                    held.error = c_text(failure.message());
                    failure.status()
                }
            }
        })
    }

    /// Why the last call failed that did; never null.
    ///
    /// # Safety
    /// As for [`with`](Self::with).
    pub(crate) unsafe fn error(handle: *const Self) -> *const c_char {
        // SAFETY: null or alive, as the caller promises.
        let Some(handle) = (unsafe { handle.as_ref() }) else {
            return c"there is no handle".as_ptr();
        };
        match handle.0.try_lock() {
            Ok(held) => held.error.as_ptr(),
            Err(TryLockError::WouldBlock) => BUSY.as_ptr(),
            Err(TryLockError::Poisoned(_)) => PANICKED.as_ptr(),
        }
    }

    /// Whether nobody uses the handle, so that it can be freed.
    pub(crate) fn is_free(&self) -> bool {
        !matches!(self.0.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Looks at what a handle that is free holds; `None` after a panic.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        Some(look(&mut self.0.try_lock().ok()?.value))
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    fn error_of(handle: *const Handle<u32>) -> String {
        // SAFETY: alive or null; the text is copied before the handle is used again.
        let error = unsafe { CStr::from_ptr(Handle::error(handle)) };
        error.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_stays_inside_and_ends_the_handle() {
        let handle = Handle::new(1);
        let handle = &raw const handle;
        // SAFETY: alive until the end of the test.
        let with =
            |work: fn(&mut u32) -> Result<(), Failure>| unsafe { Handle::with(handle, work) };
        let failed = with(|_| Err(Failure::argument("wrong\0number")));
        assert_eq!(failed, virmo_status::Argument);
        assert_eq!(error_of(handle), "wrong\u{fffd}number");
        assert_eq!(with(|_| panic!("on purpose")), virmo_status::Panic);
        assert_eq!(with(|_| Ok(())), virmo_status::Panic);
        assert_eq!(error_of(handle), PANICKED.to_str().unwrap());
    }

    #[test]
    fn a_handle_in_use_is_neither_used_nor_freed() {
        let handle = Handle::new(1);
        // SAFETY: alive until the end of the test.
        let outer = unsafe {
            Handle::with(&raw const handle, |value| {
                let inner = Handle::with(&raw const handle, |_| Ok(()));
                assert_eq!(inner, virmo_status::Busy);
                assert!(!handle.is_free());
                assert_eq!(error_of(&raw const handle), BUSY.to_str().unwrap());
                *value += 1;
                Ok(())
            })
        };
        assert_eq!(outer, virmo_status::Ok);
        assert!(handle.is_free());
        assert_eq!(handle.look(|value| *value), Some(2));
    }

    #[test]
    fn no_handle_is_an_error() {
        let nothing = ptr::null::<Handle<u32>>();
        // SAFETY: null is allowed.
        let status = unsafe { Handle::with(nothing, |_| Ok(())) };
        assert_eq!(status, virmo_status::Argument);
        assert_eq!(error_of(nothing), "there is no handle");
    }
}
