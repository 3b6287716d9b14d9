use std::borrow::Cow;

use omadm_core::StatusCode;
use omadm_syncml::{CmdRef, Command, Header, Status};

/// The Status of a message's header, which comes first in the answer. [DM-RepPro]
///
/// It names the header's Target and Source.
///
/// ```
/// use omadm_core::StatusCode;
/// use omadm_session::header_status;
/// use omadm_syncml::{CmdRef, Header};
///
/// let request = Header::new("1F", 3, "https://dm.example/dm", "urn:x:dev1");
/// let status = header_status(&request, StatusCode::OK);
/// assert_eq!((status.msg_ref, status.cmd_ref), (3, CmdRef::Header));
/// assert_eq!(status.target_refs.first(), Some("https://dm.example/dm"));
/// ```
#[must_use]
pub fn header_status(header: &Header<'_>, code: StatusCode) -> Status<'static> {
    let own = |uri: &str| Cow::Owned::<str>(uri.to_owned());
    Status::new(header.msg_id, CmdRef::Header, Status::SYNC_HDR, code)
        .with_target_ref(own(&header.target.uri))
        .with_source_ref(own(&header.source.uri))
}

/// The Status of a command in the message `msg_id`, without references to its Items.
///
/// ```
/// use omadm_core::StatusCode;
/// use omadm_session::command_status;
/// use omadm_syncml::{CmdId, Command, NodeCommand};
///
/// let get = Command::Get(NodeCommand::default().with_cmd_id(CmdId::FIRST));
/// let status = command_status(2, &get, StatusCode::NOT_FOUND);
/// assert_eq!((status.msg_ref, &*status.cmd), (2, "Get"));
/// ```
#[must_use]
pub fn command_status(msg_id: u32, command: &Command<'_>, code: StatusCode) -> Status<'static> {
    Status::new(msg_id, command.cmd_id(), command.to_name(), code)
}
