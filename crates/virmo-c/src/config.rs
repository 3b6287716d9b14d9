use std::{ffi::c_char, time::Duration};

use omadm_client::{Auth, Config};
use omadm_core::ServerId;
use omadm_mo::{DevDetail, DevInfo};
use omadm_session::{Proof, Scheme, TransportIdentity};
use omadm_syncml::{Encoding, Version};
use omadm_tree::TreeLimits;
use virmo_client::{CpuPolicy, Policy, Profile, UnknownMachines};
use virmo_hypervisor::{Capabilities, Erase};

use crate::{
    features::{DRAFT, NO_DRAFT},
    handle::Handle,
    hypervisor::virmo_capabilities,
    status::{Failure, guard, virmo_status},
    text::{optional_text, text, values},
};

/// What a device is to be. Made by `virmo_config_new`, used by `virmo_device_new`, freed by
/// `virmo_config_free`. From any thread, one at a time.
pub struct virmo_config(pub(crate) Handle<Settings>);

pub(crate) struct Settings {
    /// Without an address: the account with `server`, or else the only account, says who the server is.
    pub(crate) config: Config,
    pub(crate) server: Option<ServerId>,
    pub(crate) info: DevInfo,
    pub(crate) detail: DevDetail,
    pub(crate) policy: Policy,
    pub(crate) profile: Profile,
    pub(crate) limits: TreeLimits,
    pub(crate) capabilities: Option<Capabilities>,
}

/// How an end proves who it is.
#[repr(u32)]
pub enum virmo_auth {
    /// Name and password in the clear.
    Basic = 0,
    /// A digest of name, password and nonce.
    Md5 = 1,
    /// A digest of the message too, in the transport header x-syncml-hmac.
    Mac = 2,
}

/// A number of the configuration. 0 is refused where nothing is said of it.
#[repr(u32)]
pub enum virmo_number {
    /// How messages are written: 0 in XML (default), 1 in WBXML.
    Wbxml = 0,
    /// Which text is followed: 0 the approved VirMO 1.0 (default), 1 its draft, which a library without
    /// the feature `draft` refuses.
    Draft = 1,
    /// How often to look whether every machine still is what State says; 0 at the start only.
    /// Default 5,000.
    WatchMs = 2,
    /// How long a primitive may take on the machine. Default 300,000.
    PrimitiveMs = 3,
    /// How long an Exec may keep the server waiting before it is answered with 202. Default 30,000.
    ExecMs = 4,
    /// How long a guest may take to end itself before it is forced; 0 forces it at once. Default
    /// 20,000.
    GracefulMs = 5,
    /// How long one try to send a message may wait for its answer. Default 4,000.
    AnswerMs = 6,
    /// How long a message is tried to be sent, in all. Default 15,000.
    TransportMs = 7,
    /// The largest message the server may send, in bytes: at least 1,000; a server whose answer does
    /// not fit gives none. Default 65,536.
    MaxMessageSize = 8,
    /// The largest object the server may send, in bytes. Default 1,048,576.
    MaxObjectSize = 9,
    /// The largest image, in bytes. Default 64 GiB.
    MaxImageSize = 10,
    /// How many images are downloaded at once. Default 4.
    MaxDownloads = 11,
    /// How many nodes the tree may have. Default 100,000.
    MaxNodes = 12,
    /// How many bytes the values of the tree may have, in all. Default 64 MiB.
    MaxTreeBytes = 13,
    /// What becomes of a machine of the device's own, or of the file of an image, that no node stands
    /// for, as after the journal was lost: 0 it is told by an event (default), 1 it gets a node too.
    Adopt = 14,
    /// What becomes of the data of a deleted machine: 0 its storage is given back (default), 1 it is
    /// overwritten first.
    Overwrite = 15,
    /// How the CPU shares of all machines have to add up: 0 to at most 100 % (default), 1 to exactly
    /// that.
    ExactCpu = 16,
    /// The highest version of the protocol: 0 DM 1.2 (default), 1 DM 1.3.
    Dm13 = 17,
    /// How long a person may take for an answer, if the server does not want it sooner. Default
    /// 240,000.
    InteractionMs = 18,
}

/// A Generic Alert that the device sends by itself. All but the first have a Mark.
#[repr(u32)]
pub enum virmo_alert_type {
    /// How an Exec that was answered with 202 ended: its node is the Source, the status the Data. A
    /// download that failed is told by nothing else.
    Result = 0,
    /// A State that no server asked for: a guest that ended itself, a machine that crashed.
    State = 1,
    /// A machine that cannot be told or used, so that its State is only what it was last.
    Unreachable = 2,
    /// A machine, or the file of an image, that no node stands for and that gets none.
    Unknown = 3,
}

/// A configuration for the server with this identifier at this address: null if an argument is
/// wrong. What a server calls itself is what its access control lists say. Its address is an absolute
/// URI, of any scheme the program sends by; more is not looked at here.
///
/// Without an address (null), address and proofs are those of the account with this server in the
/// journal, which `virmo_config_bootstrap` brings; and without an identifier too, those of the only
/// account there. Without an address `virmo_device_new` answers VIRMO_STATUS_NOT_FOUND while there is no
/// account.
///
/// # Safety
/// Both are null or NUL-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_new(
    server_id: *const c_char,
    server_url: *const c_char,
) -> *mut virmo_config {
    guard(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let id = unsafe { optional_text(server_id, "server_id") };
        // SAFETY: the caller's promise.
        let url = unsafe { optional_text(server_url, "server_url") };
        let id = id.map(|id| id.map(str::parse::<ServerId>).transpose());
        let (server, url) = match (id, url) {
            (Ok(Ok(Some(id))), Ok(Some(url))) if is_absolute(url) => (Some(id), url),
            (Ok(Ok(id)), Ok(None)) => (id, ""),
            _ => return std::ptr::null_mut(),
        };
        // Without an address an account will say who it is.
        let Some(id) = server.clone().or_else(|| "account".parse().ok()) else {
            return std::ptr::null_mut();
        };
        let limits = TreeLimits::default();
        let version = || env!("CARGO_PKG_VERSION").to_owned();
        Box::into_raw(Box::new(virmo_config(Handle::new(Settings {
            config: Config::new(id, url),
            server,
            info: DevInfo {
                dev_id: String::new(),
                man: String::new(),
                model: String::new(),
                dmv: version(),
                lang: "en".to_owned(),
            },
            detail: DevDetail {
                dev_typ: "virtualization host".to_owned(),
                oem: String::new(),
                fwv: version(),
                swv: version(),
                hwv: version(),
                lrg_obj: true,
                uri: limits.uri,
            },
            policy: Policy::default(),
            profile: Profile::default(),
            limits,
            capabilities: None,
        }))))
    })
}

/// Whether it has a scheme and something behind it, and no character that is in no URI: a blank, one
/// that controls, one that is not ASCII. [RFC 3986 §3.1]
fn is_absolute(uri: &str) -> bool {
    let of_scheme = |it: u8| it.is_ascii_alphanumeric() || b"+-.".contains(&it);
    uri.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|it: char| it.is_ascii_alphabetic())
            && scheme.bytes().all(of_scheme)
            && !rest.is_empty()
            && rest.bytes().all(|it| it.is_ascii_graphic())
    })
}

/// # Safety
/// `config` is null or alive.
pub(crate) unsafe fn with(
    config: *const virmo_config,
    work: impl FnMut(&mut Settings) -> Result<(), Failure>,
) -> virmo_status {
    let handle = match config.is_null() {
        true => std::ptr::null(),
        // SAFETY: not null, hence alive, as the caller promises.
        false => unsafe { &raw const (*config).0 },
    };
    // SAFETY: null or alive.
    unsafe { Handle::with(handle, work) }
}

/// What the device is: DevInfo and DevDetail. Needed; each is to have at least one character. The
/// identifier is one that no other device has, as a URN such as `IMEI:490154203237518`; the language a tag
/// such as `en-US`.
///
/// # Safety
/// `config` is null or alive; the others are null or NUL-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_set_device(
    config: *mut virmo_config,
    device_id: *const c_char,
    manufacturer: *const c_char,
    model: *const c_char,
    firmware_version: *const c_char,
    language: *const c_char,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(config, |settings| {
            let given = [
                (device_id, "device_id"),
                (manufacturer, "manufacturer"),
                (model, "model"),
                (firmware_version, "firmware_version"),
                (language, "language"),
            ];
            let mut texts = Vec::new();
            for (given, what) in given {
                match text(given, what)? {
                    "" => return Err(Failure::argument(format!("{what} is empty"))),
                    text => texts.push(text.to_owned()),
                }
            }
            let [dev_id, man, model, firmware, lang] =
                <[String; 5]>::try_from(texts).unwrap_or_default();
            settings.detail.oem.clone_from(&man);
            settings.detail.fwv = firmware;
            settings.info = DevInfo {
                dev_id,
                man,
                model,
                dmv: settings.info.dmv.clone(),
                lang,
            };
            Ok(())
        })
    }
}

/// What the hypervisor can do, and what the device has. Needed.
///
/// # Safety
/// `config` is null or alive; `capabilities` is null or can be read, as can its name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_set_capabilities(
    config: *mut virmo_config,
    capabilities: *const virmo_capabilities,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(config, |settings| {
            let given = capabilities.as_ref();
            let given = given.ok_or_else(|| Failure::argument("capabilities is null"))?;
            settings.capabilities = Some(given.to_rust()?);
            Ok(())
        })
    }
}

/// Sets a virmo_number.
///
/// # Safety
/// `config` is null or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_set_number(
    config: *mut virmo_config,
    number: u32,
    value: u64,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe { with(config, |settings| settings.set(number, value)) }
}

/// Gives an alert, as a virmo_alert_type, its type: one of the vendor's own, such as
/// `Reversed-Domain-Name: com.example.result`, with more than white space in it. Default: none, and it
/// is not sent, as the specification registers no type for it; a server that reads State knows as much.
///
/// # Safety
/// `config` is null or alive; `type_name` is null or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_set_alert_type(
    config: *mut virmo_config,
    alert: u32,
    type_name: *const c_char,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(config, |settings| {
            let name = text(type_name, "type_name")?;
            if name.trim().is_empty() {
                return Err(Failure::argument("type_name is empty"));
            }
            let policy = &mut settings.policy;
            let of = match alert {
                0 => &mut policy.alert_type,
                1 => &mut policy.state_alert_type,
                2 => &mut policy.unreachable_alert_type,
                3 => &mut policy.unknown_alert_type,
                _ => return Err(Failure::argument(format!("{alert} is no virmo_alert_type"))),
            };
            *of = Some(name.to_owned());
            Ok(())
        })
    }
}

/// What the device proves itself by, as a virmo_auth. Default: nothing. This, or
/// `virmo_config_set_server_auth`, takes the place of all that an account says.
///
/// # Safety
/// `config` is null or alive; the others are null or NUL-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_set_client_auth(
    config: *mut virmo_config,
    auth: u32,
    name: *const c_char,
    password: *const c_char,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(config, |settings| {
            let proof = proof(auth, name, password)?;
            let (_, server) = given(&settings.config.auth);
            settings.config.auth = Auth::given(Some(proof), server);
            Ok(())
        })
    }
}

/// What the server has to prove itself by, as a virmo_auth; it signs notifications with the same
/// password. Default: nothing, so the transport has to, and no notification is taken.
///
/// # Safety
/// `config` is null or alive; the others are null or NUL-terminated strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_set_server_auth(
    config: *mut virmo_config,
    auth: u32,
    name: *const c_char,
    password: *const c_char,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(config, |settings| {
            let proof = proof(auth, name, password)?;
            let (client, _) = given(&settings.config.auth);
            settings.config.auth = Auth::given(client, Some(proof));
            Ok(())
        })
    }
}

/// Whom the transport has to have authenticated as the server, in the words of the transport: for TLS
/// the server's certificate in DER. Each answer is compared with it, octet by octet, by what
/// `virmo_device_receive` is told. Default: nobody. With `virmo_config_set_server_auth` too, either proof
/// will do.
///
/// # Safety
/// `config` is null or alive; `identity` points to `len` bytes, or `len` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_set_server_identity(
    config: *mut virmo_config,
    identity: *const u8,
    len: usize,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(config, |settings| {
            match values(identity, len, "identity")? {
                [] => Err(Failure::argument("identity is empty")),
                identity => {
                    settings.config.server_identity = Some(TransportIdentity::new(identity));
                    Ok(())
                }
            }
        })
    }
}

/// The password notifications are signed with, where the server proves itself without one. Default:
/// that of `virmo_config_set_server_auth`, or of the account.
///
/// # Safety
/// `config` is null or alive; `password` is null or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_set_notification_password(
    config: *mut virmo_config,
    password: *const c_char,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(config, |settings| {
            settings.config.notification_secret = Some(text(password, "password")?.into());
            Ok(())
        })
    }
}

/// Why the last call with this configuration failed that did, `virmo_device_new` included; in English,
/// never null. Valid until the next call with it.
///
/// # Safety
/// `config` is null or alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_error(config: *const virmo_config) -> *const c_char {
    let handle = match config.is_null() {
        true => std::ptr::null(),
        // SAFETY: not null, hence alive, as the caller promises.
        false => unsafe { &raw const (*config).0 },
    };
    // SAFETY: null or alive.
    unsafe { Handle::error(handle) }
}

/// Frees a configuration; devices made from it stay. Null is allowed.
/// VIRMO_STATUS_BUSY: a call is under way, as in a callback of `virmo_device_new`; it is not freed.
///
/// # Safety
/// `config` is null or alive, and not used again if this succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_free(config: *mut virmo_config) -> virmo_status {
    // SAFETY: null or alive, as the caller promises.
    match unsafe { config.as_ref() } {
        None => return virmo_status::Ok,
        Some(config) if !config.0.is_free() => return virmo_status::Busy,
        Some(_) => {}
    }
    // SAFETY: made by `virmo_config_new`, and the caller does not use it again.
    let config = unsafe { Box::from_raw(config) };
    guard(virmo_status::Panic, || {
        drop(config);
        virmo_status::Ok
    })
}

/// Header, statuses, challenge and a short command, in XML.
const MIN_MESSAGE_SIZE: u64 = 1000;

impl Settings {
    fn set(&mut self, number: u32, value: u64) -> Result<(), Failure> {
        if value == 0 && !matches!(number, 0..=2 | 5 | 14..=17) {
            return Err(Failure::argument("0 leaves nothing"));
        }
        let too_large = |_| Failure::argument(format!("{value} is too large"));
        let flag = || match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Failure::argument(format!("{value} is neither 0 nor 1"))),
        };
        let time = Duration::from_millis(value);
        let some_time = Some(time).filter(|time| !time.is_zero());
        match number {
            0 => {
                let wbxml = flag()?;
                self.config.encoding = if wbxml {
                    Encoding::Wbxml
                } else {
                    Encoding::Xml
                };
            }
            1 => {
                let draft = flag()?;
                if draft && !DRAFT {
                    return Err(Failure::argument(NO_DRAFT));
                }
                self.profile = if draft {
                    Profile::Draft
                } else {
                    Profile::Approved
                };
            }
            2 => self.policy.watch = some_time,
            3 => self.policy.deadline = time,
            4 => self.config.exec_limit = time,
            5 => self.policy.graceful_power_off = some_time,
            6 => self.config.answer_timeout = time,
            7 => self.config.transport_window = time,
            8 if value < MIN_MESSAGE_SIZE => {
                let problem = format!("no answer of a server fits into {value} bytes");
                return Err(Failure::argument(problem));
            }
            8 => self.config.max_message_size = value.try_into().map_err(too_large)?,
            9 => self.config.max_object_size = value.try_into().map_err(too_large)?,
            10 => self.policy.downloads.max_bytes = value,
            11 => self.policy.max_downloads = value.try_into().map_err(too_large)?,
            12 => self.limits.nodes = value.try_into().map_err(too_large)?,
            13 => self.limits.total_bytes = value.try_into().map_err(too_large)?,
            14 => {
                let adopt = flag()?;
                self.policy.unknown_machines = if adopt {
                    UnknownMachines::Adopt
                } else {
                    UnknownMachines::Report
                };
            }
            15 => {
                let overwrite = flag()?;
                self.policy.erase = if overwrite {
                    Erase::Overwrite
                } else {
                    Erase::Discard
                };
            }
            16 => {
                let exactly = flag()?;
                self.policy.cpu = if exactly {
                    CpuPolicy::Exactly
                } else {
                    CpuPolicy::AtMost
                };
            }
            17 => {
                let later = flag()?;
                self.config.version = if later { Version::Dm13 } else { Version::Dm12 };
            }
            18 => {
                self.config.interaction_limit = time;
                self.policy.interaction_limit = time;
            }
            _ => return Err(Failure::argument(format!("{number} is no virmo_number"))),
        }
        Ok(())
    }
}

fn given(auth: &Auth) -> (Option<Proof>, Option<Proof>) {
    match auth {
        Auth::Given { client, server } => (client.clone(), server.clone()),
        _ => (None, None),
    }
}

/// # Safety
/// Both strings are null or NUL-terminated.
unsafe fn proof(auth: u32, name: *const c_char, password: *const c_char) -> Result<Proof, Failure> {
    let scheme = match auth {
        0 => Scheme::Basic,
        1 => Scheme::Md5,
        2 => Scheme::Mac,
        _ => return Err(Failure::argument(format!("{auth} is no virmo_auth"))),
    };
    // SAFETY: the caller's promise.
    let name = unsafe { text(name, "name") }?;
    // SAFETY: the caller's promise.
    let password = unsafe { text(password, "password") }?;
    Ok(Proof::new(scheme, name, password))
}
