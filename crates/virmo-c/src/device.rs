use std::{
    collections::VecDeque,
    ffi::{c_char, c_void},
    ptr,
    sync::Arc,
};

use omadm_client::{
    ApiMisuse, Client, DropReason, Event, Input, Notice, Output, QuestionId, Received, Start,
    StartError, TransportFailure,
};
use omadm_core::{Format, GenericAlert, JournalError, Mark, Now};
use omadm_mo::{DevDetail, JobEnd, ManagementObject, Registry};
use omadm_session::{NoRandom, TransportIdentity};
use omadm_syncml::encoding_of;
use omadm_tree::Uri;
use virmo_client::{UnlockError, Users, VirmoClient};
use virmo_hypervisor::HypervisorErrorKind;

use crate::{
    callbacks::virmo_callbacks,
    config::{Settings, virmo_config, with as with_config},
    event::{tell_client, tell_virmo},
    features::{DRAFT, NO_DRAFT, UI},
    fetch::VendorFetch,
    handle::Handle,
    hypervisor::VendorHypervisor,
    job::{Task, virmo_job},
    journal::VendorJournal,
    output::{Shelf, virmo_output},
    question::{Shown, VendorInterface, answer_of},
    sink::VendorSink,
    status::{Failure, guard, virmo_status},
    text::{optional_text, text, values},
    time::{VendorClock, milliseconds, virmo_now},
    vendor::{Vendor, call},
};

/// A device: its tree, its objects, the sessions with its server. It opens no connection, reads no
/// clock and starts no thread.
///
/// From any thread, one at a time: a call while another is under way is VIRMO_STATUS_BUSY.
pub struct virmo_device {
    handle: Handle<Device>,
    vendor: Arc<Vendor>,
}

/// Any thread may use or free what C holds.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Device>();
    is_send::<Settings>();
    is_send::<Task>();
};

struct Device {
    client: Client,
    users: Users,
    vendor: Arc<Vendor>,
    outputs: VecDeque<Output>,
    /// What the program looks at.
    shelf: Option<Shelf>,
    /// The questions that are open, by the numbers the program knows: one of the session, one of a
    /// notification.
    questions: Vec<(u64, QuestionId)>,
    asked: u64,
    /// The session that a notification asks for.
    notified: Option<Start>,
    next_session: u16,
}

/// News for the server: a Generic Alert. Zero it, then set what there is.
#[repr(C)]
pub struct virmo_alert {
    /// Its type, such as `Reversed-Domain-Name: com.example.overheated`. Needed, with more than white
    /// space in it.
    pub alert_type: *const c_char,
    /// The address of the node concerned, such as `./VirMO/work`; null for none.
    pub source: *const c_char,
    /// How important it is: `fatal`, `critical`, `minor`, `warning`, `informational`, `harmless` or
    /// `indeterminate`; null for none, which a server reads as `informational`.
    pub mark: *const c_char,
    /// The content, a text (`chr`). Needed; may be empty.
    pub data: *const c_char,
}

/// Makes a device, and takes up what the last run left open in the journal, which is for one device at a
/// time: each keeps in memory what it has written there.
///
/// The configuration and the table are copied. `user_data` is handed to every callback; what it
/// points to has to live until the device is freed and every job of it completed or freed, and to be
/// safe to use from all threads that run jobs.
///
/// VIRMO_STATUS_ARGUMENT: something is missing, `virmo_config_error` says what.
/// VIRMO_STATUS_JOURNAL: the journal failed or cannot be read. VIRMO_STATUS_REFUSED: an object did
/// not start. VIRMO_STATUS_NOT_FOUND: no account says who the server is. `device` is null then.
///
/// # Safety
/// `config` is null or alive; `callbacks` is null or points to a table of `size` bytes, whose members
/// are null or functions of their types; `device` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_new(
    config: *mut virmo_config,
    callbacks: *const virmo_callbacks,
    user_data: *mut c_void,
    now: virmo_now,
    device: *mut *mut virmo_device,
) -> virmo_status {
    if !device.is_null() {
        // SAFETY: not null, and can be written as the caller promises.
        unsafe { device.write(ptr::null_mut()) };
    }
    let make = |settings: &mut Settings| {
        if device.is_null() {
            return Err(Failure::argument("device is null"));
        }
        // SAFETY: the caller's promise.
        let vendor = unsafe { settings.vendor(callbacks, user_data) }?;
        let made = Device::new(settings, Arc::clone(&vendor), now.into())?;
        let handle = Handle::new(made);
        let made = Box::into_raw(Box::new(virmo_device { handle, vendor }));
        // SAFETY: not null, and can be written as the caller promises.
        unsafe { device.write(made) };
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_config(config, make) }
}

/// Opens a session: the one a notification asks for, else one of the device's own.
/// VIRMO_STATUS_MISUSE: one is open already.
///
/// # Safety
/// `device` is null or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_start(
    device: *mut virmo_device,
    now: virmo_now,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            let start = device.notified.unwrap_or_else(|| {
                let id = device.next_session;
                device.next_session = id.wrapping_add(1).max(1);
                Start::by_client(id)
            });
            device.feed(Input::Start(start), now)?;
            device.notified = None;
            Ok(())
        })
    }
}

/// The server's answer to the last message: its Content-Type, its body, the header x-syncml-hmac
/// (null if there is none), and whom the transport has authenticated as the server, as
/// `virmo_config_set_server_identity` says (null if nobody, or if nobody wants to know). The bytes are
/// not needed afterwards.
/// VIRMO_STATUS_ARGUMENT: it is no message, by its Content-Type; what is awaited is still so.
/// VIRMO_STATUS_MISUSE: no answer is awaited.
///
/// # Safety
/// `device` is null or alive; `content_type` and `hmac` are null or NUL-terminated strings; `body`
/// points to `body_len` bytes and `identity` to `identity_len`, or that is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_receive(
    device: *mut virmo_device,
    now: virmo_now,
    content_type: *const c_char,
    body: *const u8,
    body_len: usize,
    hmac: *const c_char,
    identity: *const u8,
    identity_len: usize,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            let encoding = encoding_of(text(content_type, "content_type")?);
            let encoding =
                encoding.ok_or_else(|| Failure::argument("content_type is none of a message"))?;
            let body = values(body, body_len, "body")?;
            let hmac = optional_text(hmac, "hmac")?;
            let identity = values(identity, identity_len, "identity")?;
            let identity = (!identity.is_empty()).then(|| TransportIdentity::new(identity));
            let received = Received::new(body, encoding)
                .with_hmac(hmac)
                .with_identity(identity.as_ref());
            device.feed(Input::Received(received), now)
        })
    }
}

/// The last message got no answer. `refused`: the transport answered, but not with a message; the
/// session ends. Else the message is sent again.
/// VIRMO_STATUS_MISUSE: no answer is awaited.
///
/// # Safety
/// `device` is null or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_transport_failed(
    device: *mut virmo_device,
    now: virmo_now,
    refused: bool,
) -> virmo_status {
    let failure = match refused {
        true => TransportFailure::Refused,
        false => TransportFailure::Lost,
    };
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            device.feed(Input::TransportFailed(failure), now)
        })
    }
}

/// A job ended; it is freed. One that was not run, or whose run panicked, counts as lost: what it was
/// for has failed.
/// VIRMO_STATUS_BUSY: it is being run. VIRMO_STATUS_MISUSE: it is a job of another device. After these
/// and every other failure it is not freed.
///
/// # Safety
/// `device` is null or alive; `job` is null or alive, and not used again if this succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_complete(
    device: *mut virmo_device,
    now: virmo_now,
    job: *mut virmo_job,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            let whose = job
                .as_ref()
                .ok_or_else(|| Failure::argument("job is null"))?;
            if !whose.handle.is_free() {
                return Err(Failure::new(virmo_status::Busy, "the job is being run"));
            }
            if !Arc::ptr_eq(&whose.vendor, &device.vendor) {
                return Err(Failure::new(
                    virmo_status::Misuse,
                    "a job of another device",
                ));
            }
            let (id, end) = whose.take_end();
            device.feed(
                Input::Completed {
                    job: id,
                    end: end.unwrap_or(JobEnd::Lost),
                },
                now,
            )?;
            drop(Box::from_raw(job));
            Ok(())
        })
    }
}

/// The answer to a question, as `virmo_reply_set` takes it. Without effect when the question is over.
/// VIRMO_STATUS_MISUSE: it does not fit the question, which stays open.
///
/// # Safety
/// `device` is null or alive; `text` is null or a NUL-terminated string; `choices` points to
/// `choice_count` numbers, or that is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_answer(
    device: *mut virmo_device,
    now: virmo_now,
    question: u64,
    answer: u32,
    text: *const c_char,
    choices: *const u32,
    choice_count: usize,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            let answer = answer_of(answer, text, choices, choice_count)?;
            let mut open = device.questions.iter();
            let Some(&(_, id)) = open.find(|(number, _)| *number == question) else {
                return Ok(());
            };
            device.feed(
                Input::Answered {
                    question: id,
                    answer,
                },
                now,
            )?;
            device.questions.retain(|(number, _)| *number != question);
            Ok(())
        })
    }
}

/// A notification, package 0, from whomever: it is verified, and taken once. One that counts becomes
/// VIRMO_OUTPUT_KIND_SESSION_WANTED. Of a WAP push it is the content, without the headers of SMS and of
/// the push; of a POST the body.
///
/// # Safety
/// `device` is null or alive; `bytes` points to `len` bytes, or `len` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_notify(
    device: *mut virmo_device,
    now: virmo_now,
    bytes: *const u8,
    len: usize,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            let bytes = values(bytes, len, "bytes")?;
            device.feed(Input::Notification(bytes), now)
        })
    }
}

/// A machine may have changed without being asked to: its guest ended, it died, somebody else had a
/// hand in it. The device looks soon instead of after VIRMO_NUMBER_WATCH_MS; it does not if that is 0.
/// From any thread, while other calls are under way too, and in callbacks of the device.
///
/// # Safety
/// `device` is null or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_look_at_machines(
    device: *const virmo_device,
) -> virmo_status {
    // SAFETY: null or alive, as the caller promises.
    let Some(device) = (unsafe { device.as_ref() }) else {
        return virmo_status::Argument;
    };
    guard(virmo_status::Panic, || {
        let hints = device.vendor.hints().clone();
        hints.iter().for_each(|hint| hint());
        virmo_status::Ok
    })
}

/// Unlocks the VM at the node of this name, for its user, as the server may have allowed on a device of
/// the draft. That somebody is the user is for the program to know. Calls `hypervisor_set_locked` on this
/// thread, and waits for no job. The tree follows soon, by a look of the device at its machines as after
/// `virmo_device_look_at_machines`; if VIRMO_NUMBER_WATCH_MS is 0, at the next start.
///
/// VIRMO_STATUS_REFUSED: the server did not allow it, there is no such VM, the hypervisor did not do it,
/// or the library is one without the feature `draft`. VIRMO_STATUS_BUSY: a job uses the machine. It is as locked as before.
///
/// # Safety
/// `device` is null or alive; `node` is null or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_unlock(
    device: *mut virmo_device,
    node: *const c_char,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            let node = text(node, "node")?;
            if !DRAFT {
                return Err(Failure::new(virmo_status::Refused, NO_DRAFT));
            }
            let unlocked = device.users.unlock(node);
            unlocked.map_err(|error| match &error {
                UnlockError::Hypervisor(why) if *why.kind() == HypervisorErrorKind::Busy => {
                    failed(virmo_status::Busy, &error)
                }
                _ => refused(error),
            })
        })
    }
}

/// Queues an alert: it is durable, and kept until the server has it.
/// VIRMO_STATUS_ARGUMENT: it is not as `virmo_alert` says; nothing happened.
/// VIRMO_STATUS_JOURNAL: the journal failed. VIRMO_STATUS_REFUSED: the queue is full. The alert is
/// dropped then, and VIRMO_EVENT_KIND_ALERT_DROPPED follows.
///
/// # Safety
/// `device` is null or alive; `alert` is null or can be read, as can its strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_queue_alert(
    device: *mut virmo_device,
    now: virmo_now,
    alert: *const virmo_alert,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            let given = alert
                .as_ref()
                .ok_or_else(|| Failure::argument("alert is null"))?;
            let mut alert = GenericAlert::new(text(given.alert_type, "alert_type")?, Format::Chr);
            alert.source = optional_text(given.source, "source")?.map(str::to_owned);
            if let Some(mark) = optional_text(given.mark, "mark")? {
                let mark = mark.parse::<Mark>();
                alert.mark = Some(mark.map_err(|()| Failure::argument("mark is none"))?);
            }
            alert.data = text(given.data, "data")?.to_owned();
            let before = device.outputs.len();
            device.feed(Input::Queue(Notice::Alerts(vec![alert])), now)?;
            let dropped = device.outputs.iter().skip(before).find_map(|it| match it {
                Output::Event(Event::AlertDropped { reason, .. }) => Some(reason),
                _ => None,
            });
            dropped.map_or(Ok(()), |reason| {
                let status = match reason {
                    DropReason::NotKept => virmo_status::Journal,
                    _ => virmo_status::Refused,
                };
                Err(Failure::new(status, reason.to_string()))
            })
        })
    }
}

/// The moment of `virmo_device_deadline` has come. Harmless when it has not.
///
/// # Safety
/// `device` is null or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_tick(
    device: *mut virmo_device,
    now: virmo_now,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe { with(device, |device| device.feed(Input::Deadline, now)) }
}

/// Ends the session as soon as it is the device's turn. Without effect when none is open.
///
/// # Safety
/// `device` is null or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_abort(
    device: *mut virmo_device,
    now: virmo_now,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe { with(device, |device| device.feed(Input::Abort, now)) }
}

/// The next thing to be done; `output` becomes null when there is nothing more. To be called after
/// every call that takes a `virmo_now`, until there is nothing more. See `virmo_output`.
///
/// # Safety
/// `device` is null or alive; `output` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_poll(
    device: *mut virmo_device,
    output: *mut *const virmo_output,
) -> virmo_status {
    if !output.is_null() {
        // SAFETY: not null, and can be written as the caller promises.
        unsafe { output.write(ptr::null()) };
    }
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            if output.is_null() {
                return Err(Failure::argument("output is null"));
            }
            device.shelf = device.next();
            if let Some(shelf) = &device.shelf {
                output.write(&raw const *shelf.output);
            }
            Ok(())
        })
    }
}

/// When to call `virmo_device_tick` if nothing else happens before: milliseconds on the clock of
/// `virmo_now.mono_ms`, UINT64_MAX for never.
///
/// # Safety
/// `device` is null or alive; `mono_ms` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_deadline(
    device: *mut virmo_device,
    mono_ms: *mut u64,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            if mono_ms.is_null() {
                return Err(Failure::argument("mono_ms is null"));
            }
            // Not before the moment: a fraction of a millisecond counts as a whole one.
            let deadline = device.client.deadline();
            mono_ms.write(deadline.map_or(u64::MAX, |it| {
                milliseconds(it).saturating_add(u64::from(it.subsec_nanos() % 1_000_000 > 0))
            }));
            Ok(())
        })
    }
}

/// Whether nothing is left to do: no session, no job that is no background job, no alert in the
/// queue, no notification whose session was not opened, nothing to be polled.
///
/// # Safety
/// `device` is null or alive; `idle` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_is_idle(
    device: *mut virmo_device,
    idle: *mut bool,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            if idle.is_null() {
                return Err(Failure::argument("idle is null"));
            }
            let nothing_said = device.outputs.is_empty() && device.notified.is_none();
            idle.write(device.client.is_idle() && nothing_said);
            Ok(())
        })
    }
}

/// Copies the value of a leaf into a buffer, as it is, without a NUL behind it, and says how many bytes
/// it has.
/// VIRMO_STATUS_NOT_FOUND: there is no such leaf, or it has no value. VIRMO_STATUS_TOO_SMALL: the
/// buffer is; `len` says what it takes, nothing is copied.
///
/// # Safety
/// `device` is null or alive; `uri` is null or a NUL-terminated string; `buffer` can be written for
/// `capacity` bytes, or that is 0; `len` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_read(
    device: *mut virmo_device,
    uri: *const c_char,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(device, |device| {
            if len.is_null() {
                return Err(Failure::argument("len is null"));
            }
            let uri = Uri::parse(text(uri, "uri")?);
            let uri = uri.map_err(|error| Failure::argument(error.to_string()))?;
            let value = device
                .client
                .tree()
                .node(&uri)
                .and_then(|node| node.value());
            let value =
                value.ok_or_else(|| Failure::new(virmo_status::NotFound, "no such value"))?;
            let octets = value.octets();
            len.write(octets.len());
            if octets.len() > capacity || (buffer.is_null() && !octets.is_empty()) {
                return Err(Failure::new(
                    virmo_status::TooSmall,
                    "the buffer is too small",
                ));
            }
            if !octets.is_empty() {
                ptr::copy_nonoverlapping(octets.as_ptr(), buffer, octets.len());
            }
            Ok(())
        })
    }
}

/// Why the last call with this device failed that did; in English, never null. Valid until the next
/// call with it.
///
/// # Safety
/// `device` is null or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_error(device: *const virmo_device) -> *const c_char {
    // SAFETY: null or alive, as the caller promises.
    unsafe { Handle::error(part(device)) }
}

/// Frees a device. What it promised the server is in the journal. Downloads and background jobs end
/// soon; jobs stay the program's, to be freed. Null is allowed.
/// VIRMO_STATUS_BUSY: a call is under way, as in a callback; it is not freed.
///
/// # Safety
/// `device` is null or alive, and not used again if this succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_device_free(device: *mut virmo_device) -> virmo_status {
    // SAFETY: null or alive, as the caller promises.
    match unsafe { device.as_ref() } {
        None => return virmo_status::Ok,
        Some(device) if device.vendor.is_calling() || !device.handle.is_free() => {
            return virmo_status::Busy;
        }
        Some(_) => {}
    }
    // SAFETY: made by `virmo_device_new`, and the caller does not use it again.
    let device = unsafe { Box::from_raw(device) };
    guard(virmo_status::Panic, || {
        drop(device);
        virmo_status::Ok
    })
}

/// Null if there is no device.
fn part(device: *const virmo_device) -> *const Handle<Device> {
    match device.is_null() {
        true => ptr::null(),
        // SAFETY: not null, hence alive, as every caller promises.
        false => unsafe { &raw const (*device).handle },
    }
}

/// # Safety
/// `device` is null or alive.
unsafe fn with(
    device: *const virmo_device,
    work: impl FnMut(&mut Device) -> Result<(), Failure>,
) -> virmo_status {
    // SAFETY: null or alive, as the caller promises.
    if unsafe { device.as_ref() }.is_some_and(|device| device.vendor.is_calling()) {
        return virmo_status::Busy;
    }
    // SAFETY: the caller's promise.
    unsafe { Handle::with(part(device), work) }
}

impl Device {
    fn new(settings: &Settings, vendor: Arc<Vendor>, now: Now) -> Result<Self, Failure> {
        if settings.info.dev_id.is_empty() {
            return Err(Failure::argument("no device set"));
        }
        let journal = Arc::new(VendorJournal(Arc::clone(&vendor)));
        let mut config = settings.config(&journal)?;
        let server = config.server_id.as_str();
        let acl = format!("Add=*&Delete={server}&Exec={server}&Get=*&Replace={server}");
        let tree = settings.open(&journal, acl.parse().unwrap_or_default())?;
        let observer = Arc::clone(&vendor);
        let virmo = VirmoClient::builder(
            Arc::new(VendorHypervisor(Arc::clone(&vendor))),
            Arc::new(VendorFetch(Arc::clone(&vendor))),
            Arc::new(VendorSink(Arc::clone(&vendor))),
            Arc::clone(&journal) as _,
            Arc::new(VendorClock(Arc::clone(&vendor))),
        )
        .policy(settings.policy.clone())
        .observer(move |event| tell_virmo(&observer, &event));
        #[cfg(feature = "draft")]
        let virmo = virmo.profile(settings.profile);
        let virmo = match UI && vendor.callbacks.vm_ask.is_some() {
            true => virmo.user_interface(Arc::new(VendorInterface(Arc::clone(&vendor)))),
            false => virmo,
        };
        let virmo = virmo.build().map_err(journal_failed)?;
        let users = virmo.users();

        let virmo_root = Uri::parse("./VirMO").map_err(refused)?;
        if settings.profile.other_in(&tree, &virmo_root).is_some() {
            let problem = "the machines in the journal are of the other profile";
            return Err(Failure::new(virmo_status::Refused, problem));
        }
        let accounts = config.accounts(&tree).map_err(refused)?;
        let detail = DevDetail {
            uri: settings.limits.uri,
            ..settings.detail.clone()
        };
        let mut registry = Registry::new();
        let objects: [Box<dyn ManagementObject>; 4] = [
            Box::new(settings.info.clone().object()),
            Box::new(detail.object()),
            Box::new(accounts),
            Box::new(virmo),
        ];
        for object in objects {
            registry.mount(object).map_err(refused)?;
        }
        let random = Arc::clone(&vendor);
        let client = Client::new(config, tree, registry, journal, now);
        let client = client.map_err(|error| match &error {
            StartError::Refused(_) | StartError::NoDevInfo(_) => {
                failed(virmo_status::Refused, &error)
            }
            _ => failed(virmo_status::Journal, &error),
        })?;
        let mut device = Self {
            next_session: 1,
            client: client.with_random(move |octets: &mut [u8]| fill(&random, octets)),
            users,
            vendor,
            outputs: VecDeque::new(),
            shelf: None,
            questions: Vec::new(),
            asked: 0,
            notified: None,
        };
        // A SessionID that differs from those of the last runs.
        let mut octets = [0; 2];
        device.next_session = match fill(&device.vendor, &mut octets) {
            Ok(()) => u16::from_be_bytes(octets).max(1),
            Err(NoRandom) => u16::try_from(now.wall.as_secs() & 0xffff)
                .unwrap_or(1)
                .max(1),
        };
        device.drain();
        Ok(device)
    }

    /// Takes in one thing that happened, and keeps what is to be done.
    fn feed(&mut self, input: Input<'_>, now: virmo_now) -> Result<(), Failure> {
        let fed = self.client.handle(input, now.into());
        fed.map_err(|error| match error {
            ApiMisuse::UnfitNotice => failed(virmo_status::Argument, &error),
            error => failed(virmo_status::Misuse, &error),
        })?;
        self.drain();
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            self.outputs.push_back(output);
        }
    }

    /// The next output that is the program's to carry out; events are told on the way.
    fn next(&mut self) -> Option<Shelf> {
        while let Some(output) = self.outputs.pop_front() {
            return Some(match output {
                Output::Send(request) => Shelf::send(request),
                Output::Run(job) => {
                    let job = virmo_job::new(job, Arc::clone(&self.vendor));
                    Shelf::job(Box::into_raw(job))
                }
                Output::Ask(question) if UI => {
                    self.asked += 1;
                    self.questions.push((self.asked, question.id));
                    Shelf::ask(Shown::new(self.asked, &question.asked, None))
                }
                Output::Withdraw(id) if UI => {
                    let at = self.questions.iter().position(|(_, open)| *open == id);
                    let Some(at) = at else { continue };
                    Shelf::withdraw(self.questions.swap_remove(at).0)
                }
                Output::Ended(end) => Shelf::ended(&end),
                Output::Event(Event::SessionWanted) => Shelf::session_wanted(),
                Output::Event(Event::Notified(notified)) => {
                    self.notified = Some(notified.start);
                    Shelf::session_wanted()
                }
                Output::Event(event) => {
                    tell_client(&self.vendor, &event);
                    continue;
                }
                _ => continue,
            });
        }
        None
    }
}

fn fill(vendor: &Vendor, octets: &mut [u8]) -> Result<(), NoRandom> {
    match call!(vendor, random, octets.as_mut_ptr(), octets.len()) {
        Some(true) => Ok(()),
        _ => Err(NoRandom),
    }
}

/// An error with its causes.
pub(crate) fn failed(status: virmo_status, error: &dyn std::error::Error) -> Failure {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    Failure::new(status, message)
}

pub(crate) fn refused(error: impl std::error::Error) -> Failure {
    failed(virmo_status::Refused, &error)
}

fn journal_failed(error: JournalError) -> Failure {
    failed(virmo_status::Journal, &error)
}
