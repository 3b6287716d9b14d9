use std::ffi::{c_char, c_void};

use crate::{
    answer::{virmo_keys, virmo_machine, virmo_machines, virmo_reply, virmo_writer},
    event::virmo_event,
    fetch::{virmo_fetch_request, virmo_receiver},
    hypervisor::{virmo_prepared, virmo_resources, virmo_vm_spec},
    journal::{virmo_batch, virmo_records},
    question::virmo_question,
    switches::virmo_peripherals,
    time::virmo_cancel,
};

/// What the firmware does for the device.
///
/// Zero the whole table, set `size` to its `sizeof`, then the members: what a later header adds stays
/// null for an older program, and an older library does not look at it.
///
/// Each callback gets the `user_data` of `virmo_device_new` first. What else it gets may be used
/// until it returns, and no longer, and from its thread alone. No callback may throw or `longjmp`,
/// nor use the device or the job it is called for, nor run any job (that is VIRMO_STATUS_BUSY). A
/// result that is none of its enumeration means failure, and so does anything handed over that was
/// refused by VIRMO_STATUS_ARGUMENT, whatever the callback returns; but foreign machines and keys of
/// a sink that are refused are left out.
///
/// Jobs call those marked (job), on the threads `virmo_job_run` is called on, several at a time if
/// several threads run jobs; calls on the device call those marked (device). Such as are marked with
/// both have to be safe to call from several threads once jobs run on threads of their own.
///
/// All are to be set but those marked optional.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct virmo_callbacks {
    /// The size of this table, in bytes.
    pub size: usize,

    /// (job) (device) Milliseconds since any origin; never runs backwards.
    pub clock_now: Option<unsafe extern "C" fn(user_data: *mut c_void) -> u64>,
    /// (job) Returns after this many milliseconds, or soon after `cancel` is thrown.
    pub clock_wait: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            milliseconds: u64,
            cancel: *const virmo_cancel,
        ),
    >,
    /// (device) Fills a buffer with unpredictable octets; false if there are none. Optional: without
    /// it no server can prove itself by a digest.
    pub random:
        Option<unsafe extern "C" fn(user_data: *mut c_void, octets: *mut u8, len: usize) -> bool>,
    /// (job) (device) Hears of what happened; must not block. Optional.
    pub event: Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const virmo_event)>,

    /// (job) (device) Makes every change of the batch durable, all or nothing, in this order.
    /// Returns a virmo_journal_result; after a failure nothing of the batch is visible, ever.
    pub journal_commit:
        Option<unsafe extern "C" fn(user_data: *mut c_void, batch: *const virmo_batch) -> u32>,
    /// (job) (device) Hands the record under a key to `value`, once; not at all if there is none.
    /// Returns a virmo_journal_result.
    pub journal_read: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            space: *const c_char,
            key: *const u8,
            key_len: usize,
            value: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) (device) Adds every record of a space to `records`, in any order. Returns a
    /// virmo_journal_result.
    pub journal_scan: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            space: *const c_char,
            records: *mut virmo_records,
        ) -> u32,
    >,

    /// (job) Asks for a file, hands its head and then its bytes to `receiver`, and returns a
    /// virmo_fetch_result. See `virmo_receiver_head`.
    pub fetch: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            request: *const virmo_fetch_request,
            receiver: *mut virmo_receiver,
        ) -> u32,
    >,
    /// (job) Posts one line as `text/plain`: what came of a download whose descriptor wants to know.
    /// Returns a virmo_fetch_result. Optional: without it such downloads fail.
    pub fetch_report: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            uri: *const c_char,
            line: *const c_char,
            cancel: *const virmo_cancel,
        ) -> u32,
    >,

    /// (job) Makes sure there is a partial file, empty if it is new, with room for `total` bytes in
    /// all; UINT64_MAX is not known. This and the other calls of the sink return a virmo_sink_result.
    /// A key is a file name of 1 to 240 of the characters A-Z, a-z, 0-9, '-' and '_'.
    pub sink_reserve:
        Option<unsafe extern "C" fn(user_data: *mut c_void, key: *const c_char, total: u64) -> u32>,
    /// (job) The length of the partial file; VIRMO_SINK_RESULT_MISSING if there is none.
    pub sink_len: Option<
        unsafe extern "C" fn(user_data: *mut c_void, key: *const c_char, len: *mut u64) -> u32,
    >,
    /// (job) Writes bytes at an offset of the partial file.
    pub sink_write: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            key: *const c_char,
            offset: u64,
            bytes: *const u8,
            len: usize,
        ) -> u32,
    >,
    /// (job) Reads up to `len` bytes at an offset of the partial file, and says how many; none at
    /// its end.
    pub sink_read: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            key: *const c_char,
            offset: u64,
            buffer: *mut u8,
            len: usize,
            read: *mut usize,
        ) -> u32,
    >,
    /// (job) Cuts the partial file to at most this length.
    pub sink_truncate:
        Option<unsafe extern "C" fn(user_data: *mut c_void, key: *const c_char, len: u64) -> u32>,
    /// (job) Makes everything written to the partial file durable.
    pub sink_sync: Option<unsafe extern "C" fn(user_data: *mut c_void, key: *const c_char) -> u32>,
    /// (job) Makes the partial file the finished one, atomically and durably, in place of an earlier
    /// one, and hands its absolute path to `path`. Without a partial file: the path of the finished
    /// one.
    pub sink_finish: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            key: *const c_char,
            path: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) (device) Hands the path of the finished file to `path`; not at all if there is none.
    pub sink_location: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            key: *const c_char,
            path: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Removes the partial and the finished file, as far as there are any.
    pub sink_discard:
        Option<unsafe extern "C" fn(user_data: *mut c_void, key: *const c_char) -> u32>,
    /// (device) Adds every key with a partial or a finished file to `keys`.
    pub sink_keys:
        Option<unsafe extern "C" fn(user_data: *mut c_void, keys: *mut virmo_keys) -> u32>,

    /// (job) Adds every machine the hypervisor knows to `machines`. This and the other calls of the
    /// hypervisor return a virmo_hypervisor_result and may say more in `reason`. They block until
    /// they are done, and can be repeated: what is so already is ALREADY_DONE. Calls for one machine
    /// come one after the other, those for several side by side.
    pub hypervisor_list: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            machines: *mut virmo_machines,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Hands what a machine is at this moment to `machine`; not at all if it is not there, which
    /// is no failure.
    pub hypervisor_observe: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            machine: *mut virmo_machine,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Makes the machine, and leaves it off. The image is copied: it may be deleted later.
    /// After a failure the machine is absent.
    pub hypervisor_create: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            spec: *const virmo_vm_spec,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Boots the machine.
    pub hypervisor_power_on: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Ends the machine's execution: by asking the guest, which may take `graceful_ms` (then:
    /// TIMEOUT), or at once if that is 0.
    pub hypervisor_power_off: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            graceful_ms: u64,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Saves the machine's execution durably and frees its RAM and CPU. Optional where
    /// `virmo_config_set_capabilities` says so.
    pub hypervisor_suspend: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Goes on from what was saved. Optional as `hypervisor_suspend`.
    pub hypervisor_resume: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Removes the machine and everything of it, whatever its state, having overwritten its
    /// data if `overwrite`.
    pub hypervisor_delete: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            overwrite: bool,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Finds out whether the machine can have these resources, and reserves them; nothing of
    /// the machine changes. `prepared` comes with every resource unchanged.
    pub hypervisor_prepare: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            want: *const virmo_resources,
            prepared: *mut virmo_prepared,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Makes these resources effective and ends their preparation; prepares first if they are
    /// not prepared.
    pub hypervisor_commit: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            want: *const virmo_resources,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Drops what is prepared and makes `before` effective again, whether it was committed or
    /// not.
    pub hypervisor_undo: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            before: *const virmo_resources,
            reason: *mut virmo_writer,
        ) -> u32,
    >,

    /// (job) Asks the user of a VM and waits; hands the answer to `reply`. Returns a
    /// virmo_hypervisor_result: DONE, or why the user could not be asked. Optional: without it VMs
    /// have no `UI`.
    pub vm_ask: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            question: *const virmo_question,
            cancel: *const virmo_cancel,
            reply: *mut virmo_reply,
        ) -> u32,
    >,
    /// (job) Sends one message to the guest of a machine, waits `within_ms` for the answer, of at
    /// most `max_reply` bytes, and hands it to `reply`. Looks at `cancel` four times a second. Returns
    /// a virmo_hypervisor_result. Optional: without it no guest can be managed from here.
    pub guest_exchange: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            message: *const u8,
            message_len: usize,
            within_ms: u64,
            max_reply: usize,
            cancel: *const virmo_cancel,
            reply: *mut virmo_writer,
            reason: *mut virmo_writer,
        ) -> u32,
    >,

    /// (job) (device) Keeps the user's input out of a machine without its help, or lets it in again; so it
    /// stays over power cycles of machine and device. This and what follows return a
    /// virmo_hypervisor_result. Optional, together with the next: without them only a guest can lock
    /// itself.
    pub hypervisor_set_locked: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            locked: bool,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Says whether the user's input is kept out of a machine. `locked` comes as false.
    pub hypervisor_is_locked: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            locked: *mut bool,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Adds the peripherals a machine could have to `peripherals`. Optional, together with the
    /// next: without them no peripheral is switched from outside.
    pub hypervisor_peripherals: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            peripherals: *mut virmo_peripherals,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Gives a peripheral to a machine, or takes it away; so it stays over power cycles. Its
    /// name is one that `hypervisor_peripherals` has added.
    pub hypervisor_set_peripheral: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            peripheral: *const c_char,
            enabled: bool,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Lets a machine share data with others that may (files, a clipboard, messages), or keeps
    /// it from that; so it stays over power cycles. A new machine may not. Optional, together with
    /// the next. Of use to the draft (VIRMO_NUMBER_DRAFT) alone.
    pub hypervisor_set_sharing: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            allowed: bool,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
    /// (job) Says whether a machine may share data with others. `allowed` comes as false.
    pub hypervisor_is_sharing: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            vm: *const c_char,
            allowed: *mut bool,
            reason: *mut virmo_writer,
        ) -> u32,
    >,
}
