use std::time::Duration;

use omadm_core::{Backoff, Secret, ServerId};
use omadm_session::{MAX_MESSAGE_SIZE, MAX_OBJECT_SIZE, TransportIdentity, notification::Resync};
use omadm_syncml::{Encoding, Limits, Version, WbxmlOptions};

use crate::Auth;

/// Who the server is, and what the engine may spend.
///
/// The device's own identifier is not here: it is the value of `./DevInfo/DevId` in the tree.
///
/// ```
/// use std::time::Duration;
///
/// use omadm_client::Config;
///
/// let mut config = Config::new("dm.example".parse()?, "https://dm.example/dm");
/// config.exec_limit = Duration::from_secs(10);
/// # Ok::<(), omadm_core::InvalidServerId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The identity of the server, by which ACLs know it.
    pub server_id: ServerId,
    /// The address of the server.
    pub server_url: String,
    /// The highest version of the protocol to speak. A server that does not is spoken to in DM 1.2.
    /// Default: DM 1.2.
    pub version: Version,
    /// How messages are written. Default: XML.
    pub encoding: Encoding,
    /// How WBXML is written, if that is the encoding. Default: as every deployed server reads it.
    pub wbxml: WbxmlOptions,
    /// How both ends prove who they are. Default: [`Auth::NONE`], the transport does it.
    pub auth: Auth,
    /// Whom the transport has to have authenticated as the server, where that is how the server
    /// proves itself: [`Received::identity`](crate::Received::identity). Default: nobody.
    pub server_identity: Option<TransportIdentity>,
    /// The password notifications are signed with, where the server proves itself to the client
    /// without one. Default: the one it proves itself with.
    pub notification_secret: Option<Secret>,
    /// The largest message the server is asked to send, in bytes: MaxMsgSize. A server that cannot
    /// fit its answer into that, in XML some 600 bytes and a command, gives none. Default:
    /// [`MAX_MESSAGE_SIZE`].
    pub max_message_size: u32,
    /// The largest object the server is asked to send, in bytes as they are transported:
    /// MaxObjSize. It is also what is kept at most of one that comes in chunks; a larger one is
    /// answered with 413. Default: [`MAX_OBJECT_SIZE`].
    pub max_object_size: u32,
    /// What decoding one message may cost. Default: [`Limits::default`].
    pub limits: Limits,
    /// How long the status of an Exec may keep the server waiting before it becomes 202 and its
    /// final answer an alert, how long another command may wait for a job before it is answered with
    /// 408, and how long a session waits for jobs that come before it. Default:
    /// 30 s.
    pub exec_limit: Duration,
    /// How long the person at the device may take for an answer, if the server does not want it
    /// sooner; beyond, the question gets 408. Default: 4 min.
    pub interaction_limit: Duration,
    /// How many questions one Atomic may ask, each of which executes anew what comes before it; one
    /// more is answered with 413. Default: 16.
    pub max_atomic_questions: usize,
    /// How many bytes of Results may wait to be sent; while that many do, a Get is answered with
    /// 413. What counts is the encoded size of each Item in a Results of its own; where a Get reads one
    /// plain text for which there surely is room, what that takes at most. Default: 16 MiB.
    pub max_waiting_results: usize,
    /// How many messages of the client a session may have; beyond, it is aborted. Default: 10,000.
    pub max_messages: u32,
    /// How long a session may last from its first message on; beyond, it is aborted, and what was not
    /// executed gets 215. Default: 1 h.
    pub session_limit: Duration,
    /// When a message that got no answer is sent again. Default: 6 times, after 0.5 s, 1 s, 2 s and
    /// then each 3 s.
    pub transport_retry: Backoff,
    /// How long one try to send a message may wait for its answer. Default: 4 s.
    pub answer_timeout: Duration,
    /// How long after it was first sent a message is waited for, over all its tries. Default: 15 s.
    pub transport_window: Duration,
    /// When a refused alert is sent again, unless it is refused
    /// [for good](crate::DropReason::Unacceptable), and when a session is wanted after one that failed.
    /// What an object [left open](omadm_mo::Effects::resume), or the journal could not keep, is taken up
    /// after these pauses too, but of 1 s at least and as often as it takes.
    /// Default: 10 times, after 1 min, 2 min, … at most 24 h.
    pub alert_retry: Backoff,
    /// How many notifications of the server are taken in a minute; more are dropped. Default: 20.
    pub max_notifications: u32,
    /// How many notifications are read in a minute, whoever sent them; more are dropped, for each
    /// costs a digest. Default: 6,000.
    pub max_unverified_notifications: u32,
    /// Whether a notification may prove itself by the nonce of resynchronisation. Default: no.
    pub nonce_resync: Resync,
    /// How many alerts of the device's own may wait, and as many again that
    /// [others told it](omadm_mo::Effects::told); what comes beyond is dropped. Default: 1,000.
    pub max_queued_alerts: usize,
    /// How many alerts may wait that one of the others told; what comes beyond is dropped. Default:
    /// 100.
    pub max_told_alerts: usize,
    /// How many octets may wait in the texts of alerts that one of the others told; what comes
    /// beyond is dropped. Default: 256 KiB.
    pub max_told_octets: usize,
    /// How many jobs may be open; a command that needs one more is answered with 503. Default: 256.
    pub max_open_jobs: usize,
    /// For how many jobs, one after the other, an Item of a command that is no Exec may be put off;
    /// one more is answered with 500. Default: 16.
    pub max_command_jobs: usize,
    /// What is accepted beyond the letter of the specification. Default: nothing.
    pub compat: Compat,
}

impl Config {
    /// The defaults for the server with this identity at this address.
    #[must_use]
    pub fn new(server_id: ServerId, server_url: impl Into<String>) -> Self {
        Self {
            server_id,
            server_url: server_url.into(),
            version: Version::Dm12,
            encoding: Encoding::Xml,
            wbxml: WbxmlOptions::default(),
            auth: Auth::NONE,
            server_identity: None,
            notification_secret: None,
            max_message_size: MAX_MESSAGE_SIZE,
            max_object_size: MAX_OBJECT_SIZE,
            limits: Limits::default(),
            exec_limit: Duration::from_secs(30),
            interaction_limit: Duration::from_secs(4 * 60),
            max_atomic_questions: 16,
            max_waiting_results: 16 << 20,
            max_messages: 10_000,
            session_limit: Duration::from_secs(60 * 60),
            transport_retry: Backoff {
                retries: 6,
                first: Duration::from_millis(500),
                longest: Duration::from_secs(3),
            },
            answer_timeout: Duration::from_secs(4),
            transport_window: Duration::from_secs(15),
            alert_retry: Backoff {
                retries: 10,
                first: Duration::from_secs(60),
                longest: Duration::from_secs(24 * 60 * 60),
            },
            max_notifications: 20,
            max_unverified_notifications: 6000,
            nonce_resync: Resync::Refused,
            max_queued_alerts: 1000,
            max_told_alerts: 100,
            max_told_octets: 256 << 10,
            max_open_jobs: 256,
            max_command_jobs: 16,
            compat: Compat::default(),
        }
    }
}

/// Deviations of deployed servers that are accepted when asked for; none is ever sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Compat {
    /// A MsgID that is neither the next one nor the last one. Otherwise: the session ends.
    pub any_message_id: bool,
    /// A Target that is not the device. Otherwise: the session ends.
    pub any_target: bool,
    /// A CmdID that occurs twice in a message. Otherwise: 400 for the second command.
    pub duplicate_cmd_ids: bool,
    /// Commands without a CmdID. Otherwise: 400.
    pub missing_cmd_ids: bool,
    /// A package without Final, which ends when the server has nothing to answer to an Alert 1222.
    /// Otherwise: the client goes on to ask, until [`Config::max_messages`].
    pub missing_final: bool,
    /// A message without a Status of the client's header, from a server that answers the first one
    /// with a Status of something. Otherwise: the session ends.
    pub missing_header_status: bool,
    /// A `VerDTD` other than 1.2 that begins with `1.`. Otherwise: 505, nothing is executed.
    pub other_ver_dtd: bool,
    /// A MAC that is the base64 of hexadecimal digits, not of octets. Otherwise: it proves nothing.
    pub hex_mac: bool,
    /// The SessionID in other digits: small letters, zeros in front, decimal. Otherwise: the session
    /// ends.
    pub session_id_spelling: bool,
    /// Items of Add, Delete, Exec, Get and Replace that name their node as Source. Otherwise: 412.
    pub source_as_target: bool,
}

impl Compat {
    /// Everything is accepted.
    #[must_use]
    pub const fn lenient() -> Self {
        Self {
            any_message_id: true,
            any_target: true,
            duplicate_cmd_ids: true,
            missing_cmd_ids: true,
            missing_final: true,
            missing_header_status: true,
            other_ver_dtd: true,
            hex_mac: true,
            session_id_spelling: true,
            source_as_target: true,
        }
    }
}
