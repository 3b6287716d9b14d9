use std::{fmt::Debug, time::Duration};

use omadm_session::{MAX_MESSAGE_SIZE, MAX_OBJECT_SIZE, Proof, TransportIdentity};
use omadm_syncml::{Limits, Version, WbxmlOptions};

/// What the engine tells its peers and what it spends.
///
/// ```
/// use std::time::Duration;
///
/// use omadm_server::Config;
///
/// let mut config = Config::new("r7");
/// config.idle_timeout = Duration::from_secs(60);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What every Correlator of this engine begins with. It has to differ from run to run and from
    /// server to server: a random text, or a counter that is never reset.
    pub correlator_prefix: String,
    /// The highest version of the protocol to speak; a device is answered in its own, and one that
    /// speaks a higher one gets 513. Default: DM 1.3.
    pub version: Version,
    /// The RespURI of every message: where the device posts its next one. Default: none, so it
    /// goes on as it began.
    pub resp_uri: Option<String>,
    /// The largest message a device may send, in bytes: MaxMsgSize. Default: 65,536.
    pub max_message_size: u32,
    /// The largest object a device may send, in bytes as they are transported: MaxObjSize. It is
    /// also what a session keeps at most of one that comes in chunks; a larger one gets 413.
    /// Default: 1 MiB.
    pub max_object_size: u32,
    /// What all sessions together keep at most of objects that come in chunks, in bytes; a chunk
    /// beyond gets 413, and its object is discarded. Default: 64 MiB.
    pub max_unfinished: u64,
    /// What decoding one message may cost.
    pub limits: Limits,
    /// How WBXML is written to devices that speak it. Default: as every deployed device reads it.
    pub wbxml: WbxmlOptions,
    /// After how much silence a session is forgotten, the cached answer with it. Default: 5 min.
    pub idle_timeout: Duration,
    /// After how much silence a device without procedures is forgotten, and with it which of its
    /// alerts were reported. Default: 24 h.
    pub device_timeout: Duration,
    /// How many sessions may be open; further ones get 503. Default: 10,000.
    pub max_sessions: usize,
    /// How many devices are known at a time; sessions of further ones get 503. Default: 100,000.
    pub max_devices: usize,
    /// The longest identifier of a device, and of a session, in bytes; messages with longer ones are
    /// not taken in. Default: 1,024.
    pub max_name: usize,
    /// How many procedures wait for one device. Default: 1,000.
    pub max_procedures: usize,
    /// How long a procedure may take from its first commands on, over all its sessions, unless it
    /// has a [limit of its own](omadm_session::Procedure::time_limit); then it ends with
    /// [408](omadm_session::Report::timed_out), also while the device leaves its package without
    /// Final. Default: 7 days.
    pub procedure_timeout: Duration,
    /// How many messages a session may have; beyond, it is aborted. Default: 10,000.
    pub max_messages: u32,
    /// How many Items of Generic Alerts and client events a session may bring; further ones get 500. Default: 1,000.
    pub max_alerts: u32,
    /// What is kept of the Generic Alerts and client events of a device until it is known to have
    /// their Status, in bytes. Those of earlier sessions give way to new ones, which get 500 where
    /// that is not enough; but an Alert is always taken while no other of its session waits,
    /// whatever its Items come to within one message or [object](Self::max_object_size).
    /// Default: 65,536.
    pub max_unconfirmed: usize,
    /// How often a session may fail to prove who it is before it is ended. Default: 3.
    pub max_attempts: u32,
    /// What is accepted beyond the letter of the specification. Default: nothing.
    pub compat: Compat,
}

impl Config {
    /// The defaults, with Correlators that begin with this prefix.
    pub fn new(correlator_prefix: impl Into<String>) -> Self {
        Self {
            correlator_prefix: correlator_prefix.into(),
            version: Version::Dm13,
            resp_uri: None,
            max_message_size: MAX_MESSAGE_SIZE,
            max_object_size: MAX_OBJECT_SIZE,
            max_unfinished: 64 << 20,
            limits: Limits::default(),
            wbxml: WbxmlOptions::default(),
            idle_timeout: Duration::from_secs(5 * 60),
            device_timeout: Duration::from_secs(24 * 60 * 60),
            max_sessions: 10_000,
            max_devices: 100_000,
            max_name: 1024,
            max_procedures: 1000,
            procedure_timeout: Duration::from_secs(7 * 24 * 60 * 60),
            max_messages: 10_000,
            max_alerts: 1000,
            max_unconfirmed: 1 << 16,
            max_attempts: 3,
            compat: Compat::default(),
        }
    }
}

/// Deviations of deployed clients that are accepted when asked for; none is ever sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Compat {
    /// A MsgID beyond the one expected. Otherwise: 400, nothing is processed.
    pub skipped_message_ids: bool,
    /// A first message that lacks leaves of DevInfo, or all of it. Otherwise: 412, no session.
    pub incomplete_dev_info: bool,
    /// DevInfo whose Items have a Target instead of a Source. Otherwise: 412.
    pub dev_info_as_target: bool,
    /// Results that come before or without their Status. Otherwise: 400, nobody hears of them.
    pub results_without_status: bool,
    /// A Generic Alert whose Items have no Format, taken as `chr`. Otherwise: 412.
    pub alert_without_format: bool,
    /// Commands without a CmdID. Otherwise: 400.
    pub missing_cmd_ids: bool,
    /// A CmdID that occurs twice in a message. Otherwise: 400 for the second command.
    pub duplicate_cmd_ids: bool,
    /// A package without Final, which ends when the device has nothing to answer to an Alert 1222.
    /// Otherwise: the server goes on to ask, until [`Config::max_messages`].
    pub missing_final: bool,
    /// A `VerDTD` other than 1.2 that begins with `1.`. Otherwise: 505, nothing is processed.
    pub other_ver_dtd: bool,
    /// A MAC that is the base64 of hexadecimal digits, not of octets. Otherwise: it proves nothing.
    pub hex_mac: bool,
}

impl Compat {
    /// Everything is accepted.
    #[must_use]
    pub const fn lenient() -> Self {
        Self {
            skipped_message_ids: true,
            incomplete_dev_info: true,
            dev_info_as_target: true,
            results_without_status: true,
            alert_without_format: true,
            missing_cmd_ids: true,
            duplicate_cmd_ids: true,
            missing_final: true,
            other_ver_dtd: true,
            hex_mac: true,
        }
    }
}

/// How the server and one device prove who they are to each other. [DM-Security]
///
/// ```
/// use omadm_server::Account;
/// use omadm_session::{Proof, Scheme};
///
/// let device = Proof::new(Scheme::Md5, "dev1", "its password");
/// let server = Proof::new(Scheme::Md5, "dm.example", "the server's password for dev1");
/// let account = Account::new(Some(device), Some(server));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    pub(crate) device: Option<Proof>,
    pub(crate) identity: Option<TransportIdentity>,
    pub(crate) server: Option<Proof>,
}

impl Account {
    /// What the device proves itself by, and what the server does; what is absent is not proven in
    /// messages.
    #[must_use]
    pub const fn new(device: Option<Proof>, server: Option<Proof>) -> Self {
        Self {
            device,
            identity: None,
            server,
        }
    }

    /// Takes a device that the transport has authenticated as this one for proven, and without a
    /// proof in messages no other.
    #[must_use]
    pub fn or_by_transport(mut self, identity: TransportIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Whether nonces are needed.
    pub(crate) fn has_nonces(&self) -> bool {
        let mut proofs = [&self.device, &self.server].into_iter().flatten();
        proofs.any(|proof| proof.scheme().has_nonce())
    }
}

/// Which devices may have sessions, and how they prove who they are.
pub trait Accounts: Debug + Send {
    /// The account of a device, found by the LocURI of its Source; none for a device that may have
    /// no session, which gets 401.
    fn account(&self, device: &str) -> Option<Account>;
}

impl Accounts for Box<dyn Accounts> {
    fn account(&self, device: &str) -> Option<Account> {
        (**self).account(device)
    }
}

/// The same for every device.
impl Accounts for Account {
    fn account(&self, _: &str) -> Option<Account> {
        Some(self.clone())
    }
}

/// Every device may have sessions, nothing is proven in messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Everyone;

impl Accounts for Everyone {
    fn account(&self, device: &str) -> Option<Account> {
        Account::default().account(device)
    }
}
