//! What callbacks say that cannot be: an error, and never an answer that nobody gave.
#![cfg_attr(
    not(feature = "dm-tree"),
    allow(
        dead_code,
        unused_imports,
        reason = "what only tests of the feature use"
    )
)]

use std::{
    ffi::{CStr, c_char, c_void},
    mem::MaybeUninit,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::{Arc, Mutex},
    time::Duration,
};

use omadm_core::{Journal, JournalErrorKind, Space};
use omadm_download::{
    Cancel, DownloadKey, Ending, Fetch, FetchRequest, Receiver, ResponseHead, Sink, SinkErrorKind,
};
use virmo_hypervisor::{Capabilities, Hypervisor, HypervisorErrorKind, Machine, MachineState};
use virmo_params::{Bytes, DeviceResources, ResourceConfig};
use virmo_state::VmId;

use crate::{
    answer::{
        virmo_machine, virmo_machine_set, virmo_machines, virmo_machines_add, virmo_writer,
        virmo_writer_set,
    },
    callbacks::virmo_callbacks,
    fetch::{
        VendorFetch, virmo_fetch_request, virmo_receiver, virmo_receiver_bytes,
        virmo_receiver_status,
    },
    hypervisor::{VendorHypervisor, virmo_observed, virmo_prepared, virmo_resources},
    journal::{VendorJournal, virmo_records, virmo_records_add},
    sink::VendorSink,
    status::virmo_status,
    switches::{virmo_peripherals, virmo_peripherals_add},
    time::{virmo_cancel, virmo_cancel_is_thrown},
    vendor::Vendor,
};

fn vendor(set: impl FnOnce(&mut virmo_callbacks)) -> Arc<Vendor> {
    // SAFETY: zeros are a value of every member.
    let mut callbacks = unsafe { MaybeUninit::<virmo_callbacks>::zeroed().assume_init() };
    set(&mut callbacks);
    let device = DeviceResources::new(Bytes::new(1 << 30), Bytes::new(1 << 30));
    Arc::new(Vendor {
        callbacks,
        user_data: ptr::null_mut(),
        capabilities: Capabilities::new("toy", device),
        hints: Mutex::default(),
    })
}

fn key() -> DownloadKey {
    "image".parse().unwrap()
}

fn vm() -> VmId {
    "vm-1".parse().unwrap()
}

unsafe extern "C" fn reads_too_much(
    _: *mut c_void,
    _: *const c_char,
    _: u64,
    _: *mut u8,
    len: usize,
    read: *mut usize,
) -> u32 {
    // SAFETY: that of the caller, which is the library.
    unsafe { read.write(len + 1) };
    0
}

unsafe extern "C" fn path_with_nul(
    _: *mut c_void,
    _: *const c_char,
    path: *mut virmo_writer,
) -> u32 {
    let path_and_nul = b"/images/a.img\0";
    // SAFETY: the writer of the callback under way.
    unsafe { virmo_writer_set(path, path_and_nul.as_ptr(), path_and_nul.len()) };
    0
}

unsafe extern "C" fn path_in_latin_1(
    _: *mut c_void,
    _: *const c_char,
    path: *mut virmo_writer,
) -> u32 {
    // SAFETY: the writer of the callback under way.
    unsafe { virmo_writer_set(path, b"/im\xe4ges".as_ptr(), 7) };
    0
}

#[test]
fn a_sink_reads_no_more_than_it_was_asked_for() {
    let sink = VendorSink(vendor(|it| it.sink_read = Some(reads_too_much)));
    let error = sink.read_at(&key(), 0, &mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Io);
}

#[test]
fn a_path_that_is_not_the_one_of_the_file_is_none() {
    for path in [path_with_nul, path_in_latin_1] {
        let sink = VendorSink(vendor(|it| {
            it.sink_finish = Some(path);
            it.sink_location = Some(path);
        }));
        assert_eq!(sink.finish(&key()).unwrap_err().kind(), SinkErrorKind::Io);
        assert_eq!(sink.location(&key()).unwrap_err().kind(), SinkErrorKind::Io);
    }
}

unsafe extern "C" fn a_null_record(
    _: *mut c_void,
    _: *const c_char,
    _: *const u8,
    _: usize,
    value: *mut virmo_writer,
) -> u32 {
    // SAFETY: the writer of the callback under way; null is looked at.
    let status = unsafe { virmo_writer_set(value, ptr::null(), 4) };
    assert_eq!(status, virmo_status::Argument);
    0
}

unsafe extern "C" fn null_records(
    _: *mut c_void,
    _: *const c_char,
    records: *mut virmo_records,
) -> u32 {
    // SAFETY: the records of the callback under way; null is looked at.
    let status = unsafe { virmo_records_add(records, b"k".as_ptr(), 1, ptr::null(), 4) };
    assert_eq!(status, virmo_status::Argument);
    0
}

#[test]
fn a_record_that_was_refused_is_not_one_that_is_not_there() {
    let journal = VendorJournal(vendor(|it| {
        it.journal_read = Some(a_null_record);
        it.journal_scan = Some(null_records);
    }));
    let read = journal.read(Space::NOTIFICATIONS, b"k").unwrap_err();
    assert_eq!(read.kind(), JournalErrorKind::Io);
    let scanned = journal.scan(Space::NOTIFICATIONS, &mut |_, _| panic!("no record"));
    assert_eq!(scanned.unwrap_err().kind(), JournalErrorKind::Io);
}

const ODD: virmo_observed = virmo_observed {
    state: 99,
    has_resources: false,
    resources: virmo_resources {
        ram: 0,
        storage: 0,
        cpu: 0,
        network: 0,
        text: ptr::null(),
    },
    reason: ptr::null(),
};

unsafe extern "C" fn is_in_no_state(
    _: *mut c_void,
    _: *const c_char,
    machine: *mut virmo_machine,
    _: *mut virmo_writer,
) -> u32 {
    // SAFETY: the machine of the callback under way.
    let status = unsafe { virmo_machine_set(machine, &ODD) };
    assert_eq!(status, virmo_status::Argument);
    0
}

unsafe extern "C" fn says_nothing(
    _: *mut c_void,
    _: *const c_char,
    _: *mut virmo_machine,
    _: *mut virmo_writer,
) -> u32 {
    0
}

unsafe extern "C" fn own_in_no_state(
    _: *mut c_void,
    machines: *mut virmo_machines,
    _: *mut virmo_writer,
) -> u32 {
    // SAFETY: those of the callback under way.
    unsafe { virmo_machines_add(machines, c"vm-1".as_ptr(), true, &ODD) };
    0
}

unsafe extern "C" fn foreign_in_no_state(
    _: *mut c_void,
    machines: *mut virmo_machines,
    _: *mut virmo_writer,
) -> u32 {
    let off = virmo_observed { state: 1, ..ODD };
    // SAFETY: those of the callback under way.
    unsafe {
        virmo_machines_add(machines, c"theirs".as_ptr(), false, &ODD);
        virmo_machines_add(machines, c"vm-1".as_ptr(), true, &off);
    }
    0
}

#[test]
fn a_machine_that_was_refused_is_not_one_that_is_not_there() {
    let hypervisor = VendorHypervisor(vendor(|it| it.hypervisor_observe = Some(is_in_no_state)));
    let error = hypervisor.observe(&vm()).unwrap_err();
    assert!(error.to_string().contains("99 is no state"), "{error}");
    let hypervisor = VendorHypervisor(vendor(|it| it.hypervisor_observe = Some(says_nothing)));
    assert_eq!(
        hypervisor.observe(&vm()).unwrap().state,
        MachineState::Absent
    );
    let hypervisor = VendorHypervisor(vendor(|it| it.hypervisor_list = Some(own_in_no_state)));
    assert!(hypervisor.list().is_err());
    let hypervisor = VendorHypervisor(vendor(|it| it.hypervisor_list = Some(foreign_in_no_state)));
    let listed = hypervisor.list().unwrap();
    let [one] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(one.machine, Machine::Owned(vm()));
}

unsafe extern "C" fn a_nameless_peripheral(
    _: *mut c_void,
    _: *const c_char,
    to: *mut virmo_peripherals,
    _: *mut virmo_writer,
) -> u32 {
    // SAFETY: that of the callback under way; null is looked at.
    unsafe {
        let refused = [ptr::null(), c"".as_ptr(), c"\xff".as_ptr()];
        for name in refused {
            let status = virmo_peripherals_add(to, name, true);
            assert_eq!(status, virmo_status::Argument);
        }
        virmo_peripherals_add(to, c"usb".as_ptr(), true);
    }
    0
}

unsafe extern "C" fn locked_and_failed(
    _: *mut c_void,
    _: *const c_char,
    locked: *mut bool,
    _: *mut virmo_writer,
) -> u32 {
    // SAFETY: that of the caller, which is the library.
    unsafe { locked.write(true) };
    4711
}

#[cfg(feature = "dm-tree")]
#[test]
fn what_is_switched_is_as_a_callback_that_did_not_fail_says() {
    let hypervisor = VendorHypervisor(vendor(|it| {
        it.hypervisor_peripherals = Some(a_nameless_peripheral);
        it.hypervisor_is_locked = Some(locked_and_failed);
    }));
    let peripherals = hypervisor.peripherals().unwrap();
    let error = peripherals.list(&vm()).unwrap_err();
    assert!(error.to_string().contains("was refused"), "{error}");
    assert!(hypervisor.input_lock().unwrap().is_locked(&vm()).is_err());
    assert!(hypervisor.data_sharing().is_none());
    let nothing = VendorHypervisor(vendor(|_| {}));
    assert!(nothing.input_lock().is_none() && nothing.peripherals().is_none());
}

unsafe extern "C" fn takes_effect_somehow(
    _: *mut c_void,
    _: *const c_char,
    _: *const virmo_resources,
    prepared: *mut virmo_prepared,
    _: *mut virmo_writer,
) -> u32 {
    // SAFETY: that of the caller, which is the library.
    unsafe { (*prepared).cpu = 3 };
    0
}

#[test]
fn an_effect_there_is_not_is_a_failure() {
    let hypervisor = vendor(|it| it.hypervisor_prepare = Some(takes_effect_somehow));
    let want: ResourceConfig = "RAM=1&Storage=1&CPU=1&Network=1".parse().unwrap();
    let error = VendorHypervisor(hypervisor)
        .prepare(&vm(), &want)
        .unwrap_err();
    assert!(
        error.to_string().contains("3 is no virmo_effect"),
        "{error}"
    );
}

unsafe extern "C" fn echo(
    _: *mut c_void,
    vm: *const c_char,
    message: *const u8,
    len: usize,
    within_ms: u64,
    _: usize,
    cancel: *const virmo_cancel,
    reply: *mut virmo_writer,
    _: *mut virmo_writer,
) -> u32 {
    // SAFETY: all of it is that of the callback under way.
    unsafe {
        assert_eq!(CStr::from_ptr(vm), c"vm-1");
        assert_eq!(within_ms, 1500);
        if virmo_cancel_is_thrown(cancel) {
            return 15;
        }
        virmo_writer_set(reply, message, len);
    }
    0
}

#[cfg(feature = "dm-tree")]
#[test]
fn a_guest_answers_within_the_length_that_was_asked_for() {
    let hypervisor = VendorHypervisor(vendor(|it| it.guest_exchange = Some(echo)));
    let channel = hypervisor.guest_channel().unwrap();
    let exchange = |max, over: &dyn Fn() -> bool| {
        channel.exchange(&vm(), b"hello", Duration::from_millis(1500), max, over)
    };
    assert_eq!(exchange(5, &|| false).unwrap(), b"hello");
    assert!(exchange(4, &|| false).is_err());
    let over = exchange(5, &|| true).unwrap_err();
    let timeout = HypervisorErrorKind::Timeout {
        may_have_happened: true,
    };
    assert_eq!(over.kind(), &timeout);
    assert!(VendorHypervisor(vendor(|_| {})).guest_channel().is_none());
}

/// A receiver that is called from within itself, and panics then.
struct Odd {
    handle: *mut virmo_receiver,
    panics: bool,
}

impl Receiver for Odd {
    fn head(&mut self, _: &ResponseHead) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn chunk(&mut self, _: &[u8]) -> ControlFlow<()> {
        // SAFETY: null or that of the callback under way.
        let again = unsafe { virmo_receiver_bytes(self.handle, b"x".as_ptr(), 1) };
        assert!(!again);
        match self.panics {
            true => panic!("on purpose"),
            false => ControlFlow::Continue(()),
        }
    }
}

unsafe extern "C" fn fetches(
    odd: *mut c_void,
    _: *const virmo_fetch_request,
    receiver: *mut virmo_receiver,
) -> u32 {
    // SAFETY: `user_data` of the test, which nothing uses at this moment.
    let panics = unsafe {
        let odd = odd.cast::<Odd>();
        (*odd).handle = receiver;
        (*odd).panics
    };
    // SAFETY: the receiver of the callback under way.
    unsafe {
        for _ in 0..2 {
            assert_eq!(virmo_receiver_bytes(receiver, b"x".as_ptr(), 1), !panics);
        }
        virmo_receiver_status(receiver, 200, u64::MAX);
    }
    0
}

#[test]
fn a_receiver_is_not_called_from_within_itself_and_its_panic_is_not_lost() {
    for panics in [false, true] {
        let mut odd = Odd {
            handle: ptr::null_mut(),
            panics,
        };
        let odd = &raw mut odd;
        let mut vendor = vendor(|it| it.fetch = Some(fetches));
        Arc::get_mut(&mut vendor).unwrap().user_data = odd.cast();
        let (uri, cancel) = ("http://h/f".parse().unwrap(), Cancel::default());
        let request = FetchRequest::new(&uri, "*/*", &cancel);
        let fetched = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: alive until the end of the round.
            VendorFetch(vendor).fetch(&request, unsafe { &mut *odd })
        }));
        match panics {
            true => assert!(fetched.is_err()),
            false => assert_eq!(fetched.unwrap().unwrap(), Ending::Complete),
        }
    }
}
