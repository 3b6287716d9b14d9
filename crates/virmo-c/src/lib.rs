//! The C interface of the VirMO Client: opaque handles, bytes in and bytes out.
//!
//! For firmware that is not written in Rust. Whoever writes Rust takes `virmo-client` and
//! `omadm-client`, which are all that is behind this. The guide is `docs/embedding-c.md`, the header
//! `include/virmo.h`, a device `examples/device/`.
//!
//! - A [`virmo_device`] is a DM client with the VirMO Client, DevInfo, DevDetail and DMAcc. It opens
//!   no connection, reads no clock and starts no thread. What happens is told by calls, what is to
//!   be done is polled: [`virmo_device_poll`].
//! - [`virmo_callbacks`] is what the firmware does: hypervisor, files, downloads, journal, clock.
//! - Work that blocks is a [`virmo_job`], which any thread may run.
//!
//! # Rules for every function
//!
//! - A pointer is null or points to what the function says; a handle is alive until it is freed. What
//!   can be told from outside is checked: null where something has to be, texts that are not UTF-8,
//!   numbers that are none of their enumeration are [`virmo_status::Argument`].
//! - Nothing keeps a pointer it is given, but `user_data`, which goes back to callbacks as it is.
//! - No panic gets out: [`virmo_status::Panic`], and the handle can only be freed from then on. Its
//!   message goes to stderr. Memory that cannot be had ends the process.
//! - A handle is used by one call at a time; a second one is [`virmo_status::Busy`]. Functions without
//!   a status read what never changes.
//!
//! # Features
//!
//! All are on by default. What they leave out is in the header all the same; [`virmo_features`] tells
//! which a library has.
//!
//! - `bootstrap`: `virmo_config_bootstrap`, which takes accounts from bootstrap documents and is refused
//!   without it, and those that servers write for DM clients in guests.
//! - `descriptors`: images behind download descriptors; without it they are failed downloads. Packages
//!   are downloaded by the guests that they are for.
//! - `dm-tree`: the DMTree of a VM, with LAWMO, FUMO, SCOMO, DCMO and the tree of its guest; without it
//!   no VM gets one, and `guest_exchange` and the callbacks for locks and peripherals are not called.
//! - `draft`: the draft of VirMO 1.0; without it [`virmo_number::Draft`] is 0, and no user may unlock a VM.
//! - `tnds`: subtrees as documents; without it `?list=TNDS` is answered with 406, a document with 415.
//! - `ui`: questions to the person at the device and to the users of VMs; without it there is no
//!   [`virmo_output_kind::Ask`], `vm_ask` is not called, and VMs have no `UI`.
//!
//! ```
//! use std::ffi::CStr;
//!
//! use virmo_c::{virmo_config_error, virmo_config_free, virmo_config_new, virmo_config_set_number};
//! use virmo_c::{virmo_number, virmo_status};
//!
//! // SAFETY: the texts are NUL-terminated, and the configuration is alive until it is freed.
//! unsafe {
//!     let config = virmo_config_new(c"dm.example".as_ptr(), c"http://dm.example/dm".as_ptr());
//!     let status = virmo_config_set_number(config, virmo_number::Wbxml as u32, 2);
//!     assert_eq!(status, virmo_status::Argument);
//!     assert_eq!(CStr::from_ptr(virmo_config_error(config)), c"2 is neither 0 nor 1");
//!     virmo_config_free(config);
//! }
//! ```

mod answer;
mod bootstrap;
mod callbacks;
mod config;
mod device;
mod event;
mod features;
mod fetch;
mod handle;
mod hypervisor;
mod job;
mod journal;
#[cfg(test)]
mod lies;
mod output;
mod question;
mod settings;
mod sink;
mod status;
mod switches;
mod text;
mod time;
mod vendor;

pub use answer::{
    virmo_keys, virmo_keys_add, virmo_machine, virmo_machine_set, virmo_machines,
    virmo_machines_add, virmo_reply, virmo_reply_set, virmo_writer, virmo_writer_set,
};
pub use bootstrap::{virmo_bootstrap, virmo_config_bootstrap};
pub use callbacks::virmo_callbacks;
pub use config::{
    virmo_alert_type, virmo_auth, virmo_config, virmo_config_error, virmo_config_free,
    virmo_config_new, virmo_config_set_alert_type, virmo_config_set_capabilities,
    virmo_config_set_client_auth, virmo_config_set_device, virmo_config_set_notification_password,
    virmo_config_set_number, virmo_config_set_server_auth, virmo_config_set_server_identity,
    virmo_number,
};
pub use device::{
    virmo_alert, virmo_device, virmo_device_abort, virmo_device_answer, virmo_device_complete,
    virmo_device_deadline, virmo_device_error, virmo_device_free, virmo_device_is_idle,
    virmo_device_look_at_machines, virmo_device_new, virmo_device_notify, virmo_device_poll,
    virmo_device_queue_alert, virmo_device_read, virmo_device_receive, virmo_device_start,
    virmo_device_tick, virmo_device_transport_failed, virmo_device_unlock,
};
pub use event::{virmo_event, virmo_event_kind};
pub use features::{virmo_feature, virmo_features};
pub use fetch::{
    virmo_fetch_content, virmo_fetch_head, virmo_fetch_request, virmo_fetch_result, virmo_receiver,
    virmo_receiver_bytes, virmo_receiver_head, virmo_receiver_status,
};
pub use hypervisor::{
    virmo_capabilities, virmo_effect, virmo_hypervisor_result, virmo_machine_state, virmo_observed,
    virmo_prepared, virmo_resources, virmo_support, virmo_vm_spec,
};
pub use job::{
    virmo_job, virmo_job_free, virmo_job_is_background, virmo_job_label, virmo_job_lane,
    virmo_job_number, virmo_job_run,
};
pub use journal::{
    virmo_batch, virmo_batch_at, virmo_batch_len, virmo_journal_result, virmo_operation,
    virmo_records, virmo_records_add,
};
pub use output::{virmo_output, virmo_output_kind, virmo_request, virmo_session_end};
pub use question::{virmo_answer, virmo_input, virmo_interaction, virmo_question};
pub use sink::virmo_sink_result;
pub use status::virmo_status;
pub use switches::{virmo_peripherals, virmo_peripherals_add};
pub use time::{virmo_cancel, virmo_cancel_is_thrown, virmo_now};
