//! Where callbacks put what they have to say.

use std::ffi::c_char;

use omadm_core::UserAnswer;
use virmo_hypervisor::{Listed, Machine, Observed};

use crate::{
    hypervisor::virmo_observed,
    question::answer_of,
    status::{Failure, guard, virmo_status},
    text::{text, values},
};

/// Takes one run of bytes from a callback: a record, a path, a reason.
#[derive(Default)]
pub struct virmo_writer {
    bytes: Option<Vec<u8>>,
    refused: bool,
}

/// What a callback handed over was refused, or is not what it has to be.
#[derive(Debug)]
pub(crate) struct Refused;

impl virmo_writer {
    /// For people.
    pub(crate) fn reason(self) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes?).into_owned())
    }

    pub(crate) fn bytes(self) -> Result<Option<Vec<u8>>, Refused> {
        match self.refused {
            true => Err(Refused),
            false => Ok(self.bytes),
        }
    }

    /// A text that goes back to callbacks as it is.
    pub(crate) fn path(self) -> Result<Option<String>, Refused> {
        let Some(bytes) = self.bytes()? else {
            return Ok(None);
        };
        let path = String::from_utf8(bytes).map_err(|_| Refused)?;
        match path.is_empty() || path.contains('\0') {
            true => Err(Refused),
            false => Ok(Some(path)),
        }
    }
}

/// Takes the keys of a sink from a callback.
#[derive(Default)]
pub struct virmo_keys(pub(crate) Vec<String>);

/// Takes machines from a callback.
#[derive(Default)]
pub struct virmo_machines {
    pub(crate) listed: Vec<Listed>,
    /// One of the device's own machines was refused.
    pub(crate) refused: bool,
}

/// Takes what one machine is from a callback.
#[derive(Default)]
pub struct virmo_machine(pub(crate) Option<Result<Observed, Failure>>);

/// Takes the answer of a person from a callback.
#[derive(Default)]
pub struct virmo_reply(pub(crate) Option<UserAnswer>);

/// Hands bytes over; a later call replaces an earlier one. A path and a reason are UTF-8, without the
/// NUL at the end: `strlen`, not `sizeof`.
///
/// # Safety
/// `writer` is that of the callback under way; `data` points to `len` bytes, or `len` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_writer_set(
    writer: *mut virmo_writer,
    data: *const u8,
    len: usize,
) -> virmo_status {
    guard(virmo_status::Panic, || {
        // SAFETY: null, or that of the callback under way, which nothing else uses.
        let writer = unsafe { writer.as_mut() };
        // SAFETY: the caller's promise.
        let data = unsafe { values(data, len, "data") };
        match (writer, data) {
            (Some(writer), Ok(data)) => {
                writer.bytes = Some(data.to_vec());
                virmo_status::Ok
            }
            (Some(writer), Err(_)) => {
                writer.refused = true;
                virmo_status::Argument
            }
            (None, _) => virmo_status::Argument,
        }
    })
}

/// Adds a key.
///
/// # Safety
/// `keys` is that of the callback under way; `key` is a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_keys_add(keys: *mut virmo_keys, key: *const c_char) -> virmo_status {
    guard(virmo_status::Panic, || {
        // SAFETY: null, or that of the callback under way, which nothing else uses.
        let keys = unsafe { keys.as_mut() };
        // SAFETY: the caller's promise.
        let key = unsafe { text(key, "key") };
        match (keys, key) {
            (Some(keys), Ok(key)) => {
                keys.0.push(key.to_owned());
                virmo_status::Ok
            }
            _ => virmo_status::Argument,
        }
    })
}

/// Adds a machine. One that was made by `hypervisor_create` is added by its identifier with `owned`;
/// any other by a name for people, and is left alone.
///
/// # Safety
/// `machines` is that of the callback under way; `name` is a NUL-terminated string; `observed` and
/// what it points to can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_machines_add(
    machines: *mut virmo_machines,
    name: *const c_char,
    owned: bool,
    observed: *const virmo_observed,
) -> virmo_status {
    guard(virmo_status::Panic, || {
        // SAFETY: null, or that of the callback under way, which nothing else uses.
        let machines = unsafe { machines.as_mut() };
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "name") };
        // SAFETY: the caller's promise.
        let observed = unsafe { observed.as_ref() };
        let Some(machines) = machines else {
            return virmo_status::Argument;
        };
        let (Ok(name), Some(observed)) = (name, observed) else {
            machines.refused |= owned;
            return virmo_status::Argument;
        };
        let machine = match owned {
            true => name.parse().map(Machine::Owned),
            false => Ok(Machine::Foreign(name.to_owned())),
        };
        // SAFETY: the caller's promise.
        match (machine, unsafe { observed.to_rust() }) {
            (Ok(machine), Ok(observed)) => {
                machines.listed.push(Listed::new(machine, observed));
                virmo_status::Ok
            }
            _ => {
                machines.refused |= owned;
                virmo_status::Argument
            }
        }
    })
}

/// Tells what a machine is; a later call replaces an earlier one.
///
/// # Safety
/// `machine` is that of the callback under way; `observed` and what it points to can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_machine_set(
    machine: *mut virmo_machine,
    observed: *const virmo_observed,
) -> virmo_status {
    guard(virmo_status::Panic, || {
        // SAFETY: null, or that of the callback under way, which nothing else uses.
        let Some(machine) = (unsafe { machine.as_mut() }) else {
            return virmo_status::Argument;
        };
        // SAFETY: the caller's promise.
        let told = match unsafe { observed.as_ref() } {
            // SAFETY: the caller's promise.
            Some(observed) => unsafe { observed.to_rust() },
            None => Err(Failure::argument("observed is null")),
        };
        let status = match &told {
            Ok(_) => virmo_status::Ok,
            Err(failure) => failure.status(),
        };
        machine.0 = Some(told);
        status
    })
}

/// Hands the answer over: a virmo_answer, with a text or with the numbers of choices where it is one
/// of those.
///
/// # Safety
/// `reply` is that of the callback under way; `text` is null or a NUL-terminated string; `choices`
/// points to `choice_count` numbers, or that is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_reply_set(
    reply: *mut virmo_reply,
    answer: u32,
    text: *const c_char,
    choices: *const u32,
    choice_count: usize,
) -> virmo_status {
    guard(virmo_status::Panic, || {
        // SAFETY: null, or that of the callback under way, which nothing else uses.
        let reply = unsafe { reply.as_mut() };
        // SAFETY: the caller's promise.
        let answer = unsafe { answer_of(answer, text, choices, choice_count) };
        match (reply, answer) {
            (Some(reply), Ok(answer)) => {
                reply.0 = Some(answer);
                virmo_status::Ok
            }
            _ => virmo_status::Argument,
        }
    })
}
