//! The firmware behind the callbacks.

use std::{
    cell::Cell,
    ffi::c_void,
    mem::MaybeUninit,
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use virmo_hypervisor::{Capabilities, ChangeHint};

use crate::{callbacks::virmo_callbacks, status::Failure};

/// The callbacks of one device, for the device and its jobs.
pub(crate) struct Vendor {
    pub(crate) callbacks: virmo_callbacks,
    pub(crate) user_data: *mut c_void,
    pub(crate) capabilities: Capabilities,
    /// Who wants to hear that machines may have changed.
    pub(crate) hints: Mutex<Vec<ChangeHint>>,
}

// SAFETY: `user_data` is only handed to callbacks, which may be called on every thread that runs
// jobs, as the caller of `virmo_device_new` promises; the rest is `Send` and `Sync`.
unsafe impl Send for Vendor {}
// SAFETY: as above.
unsafe impl Sync for Vendor {}

thread_local! {
    /// Whose job runs on this thread.
    static CALLING: Cell<*const Vendor> = const { Cell::new(ptr::null()) };
    /// Whether this thread is in a callback, whoever's.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// As long as it lives this thread is in a callback. It holds what was so before.
pub(crate) struct Inside(bool);

impl Inside {
    pub(crate) fn enter() -> Self {
        Self(INSIDE.replace(true))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// Whether a callback is what calls, whoever's.
pub(crate) fn is_inside() -> bool {
    INSIDE.get()
}

/// Runs a job of this vendor: its callbacks may not use the device.
pub(crate) fn calling<T>(vendor: *const Vendor, run: impl FnOnce() -> T) -> T {
    struct Before(*const Vendor);
    impl Drop for Before {
        fn drop(&mut self) {
            CALLING.set(self.0);
        }
    }
    let _before = Before(CALLING.replace(vendor));
    run()
}

/// Calls a callback of the table with `user_data` and these arguments; `None` if it is not set.
macro_rules! call {
    ($vendor:expr, $name:ident $(, $argument:expr)* $(,)?) => {{
        let vendor: &$crate::vendor::Vendor = $vendor;
        let user_data = vendor.user_data;
        let _inside = $crate::vendor::Inside::enter();
        // SAFETY: a function of the type the table says, as `virmo_device_new` demands; what the
        // pointers point to outlives the call.
        vendor.callbacks.$name.map(|callback| unsafe { callback(user_data $(, $argument)*) })
    }};
}
pub(crate) use call;

impl Vendor {
    /// Whether this thread runs a job of the device, so that a callback is what calls.
    pub(crate) fn is_calling(&self) -> bool {
        ptr::eq(CALLING.get(), self)
    }

    pub(crate) fn hints(&self) -> MutexGuard<'_, Vec<ChangeHint>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the callbacks a program knows.
    ///
    /// # Safety
    /// `callbacks` is null or points to a table of as many bytes as its `size` says.
    pub(crate) unsafe fn new(
        callbacks: *const virmo_callbacks,
        user_data: *mut c_void,
        capabilities: Capabilities,
    ) -> Result<Arc<Self>, Failure> {
        // SAFETY: the caller's promise; zeros are a value of every member.
        let callbacks = unsafe { sized(callbacks, FIRST_VERSION, "callbacks") }?;
        complete(&callbacks, &capabilities)?;
        Ok(Arc::new(Self {
            callbacks,
            user_data,
            capabilities,
            hints: Mutex::default(),
        }))
    }
}

/// Takes over as much as a program and this library know both of a structure that begins with its
/// `size`; the rest is zero. `first` is its size in the first version of the library.
///
/// # Safety
/// `given` is null or points to as many bytes as its `size` says. They are a value of every member,
/// as are zeros.
pub(crate) unsafe fn sized<T>(given: *const T, first: usize, name: &str) -> Result<T, Failure> {
    if given.is_null() {
        return Err(Failure::argument(format!("{name} is null")));
    }
    // SAFETY: not null, and `size` is the first member in every version.
    let size = unsafe { ptr::read_unaligned(given.cast::<usize>()) };
    if size < first {
        let problem = format!("{name}.size is {size}, not at least {first}");
        return Err(Failure::argument(problem));
    }
    // Whole members.
    let taken = size.min(size_of::<T>()) / size_of::<usize>() * size_of::<usize>();
    let mut taken_over = MaybeUninit::<T>::zeroed();
    // SAFETY: `taken` is neither more than can be read nor more than can be written.
    unsafe {
        ptr::copy_nonoverlapping(
            given.cast::<u8>(),
            taken_over.as_mut_ptr().cast::<u8>(),
            taken,
        );
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { taken_over.assume_init() })
}

/// The size of the table in the first version of the library.
const FIRST_VERSION: usize = 33 * size_of::<usize>();
const _: () = assert!(
    FIRST_VERSION <= size_of::<virmo_callbacks>(),
    "members are added, never taken away"
);

fn complete(table: &virmo_callbacks, capabilities: &Capabilities) -> Result<(), Failure> {
    // One text has less of it than one for each name.
    let all = |names: &str, set: &[bool]| {
        let mut names = names.split(' ').zip(set);
        match names.find(|(_, is_set)| !**is_set) {
            Some((name, _)) => Err(Failure::argument(format!("callbacks.{name} is null"))),
            None => Ok(()),
        }
    };
    macro_rules! needed {
        ($($name:ident)*) => {
            all(concat!($(stringify!($name), " "),*), &[$(table.$name.is_some()),*])?;
        };
    }
    needed!(
        clock_now clock_wait
        journal_commit journal_read journal_scan
        fetch
        sink_reserve sink_len sink_write sink_read sink_truncate sink_sync sink_finish
        sink_location sink_discard sink_keys
        hypervisor_list hypervisor_observe hypervisor_create hypervisor_power_on
        hypervisor_power_off hypervisor_delete hypervisor_prepare hypervisor_commit
        hypervisor_undo
    );
    if capabilities.suspend {
        needed!(hypervisor_suspend hypervisor_resume);
    }
    macro_rules! together {
        ($($one:ident $other:ident,)*) => { $(
            if table.$one.is_some() || table.$other.is_some() {
                needed!($one $other);
            }
        )* };
    }
    together!(
        hypervisor_set_locked hypervisor_is_locked,
        hypervisor_peripherals hypervisor_set_peripheral,
        hypervisor_set_sharing hypervisor_is_sharing,
    );
    Ok(())
}
