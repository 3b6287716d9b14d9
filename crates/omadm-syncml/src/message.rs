use std::borrow::Cow;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

#[cfg(feature = "serde")]
use crate::json::is_default;
use crate::{Command, Cred, Location, Meta, item::own};

/// One SyncML message: a header and commands in document order. [DM-RepPro]
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Message<'a> {
    /// The `SyncHdr`.
    pub header: Header<'a>,
    /// The children of the `SyncBody` in document order, without `Final`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub commands: Vec<Command<'a>>,
    /// Whether `Final` is there: the last message of its package.
    #[cfg_attr(feature = "serde", serde(default, rename = "final"))]
    pub is_final: bool,
}

impl<'a> Message<'a> {
    /// A message without commands and without `Final`.
    #[must_use]
    pub const fn new(header: Header<'a>) -> Self {
        Self {
            header,
            commands: Vec::new(),
            is_final: false,
        }
    }

    /// The message detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        Message {
            header: self.header.into_owned(),
            commands: self.commands.into_iter().map(Command::into_owned).collect(),
            is_final: self.is_final,
        }
    }
}

/// The `SyncHdr` of a message. [DM-RepPro]
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Header<'a> {
    /// `VerDTD` as it stands, [`Header::VER_DTD`] in DM 1.2; checked by the session.
    pub ver_dtd: Cow<'a, str>,
    /// `VerProto` as it stands, [`Header::VER_PROTO`] in DM 1.2; checked by the session.
    pub ver_proto: Cow<'a, str>,
    /// `SessionID`, opaque.
    pub session_id: Cow<'a, str>,
    /// `MsgID`, counted from 1 by each sender.
    pub msg_id: u32,
    /// Whom the message is for: the server's URL or the device's id.
    pub target: Location<'a>,
    /// Whom the message is from; the `LocName` is the user name of MD5 and MAC credentials.
    pub source: Location<'a>,
    /// `RespURI`: where the next message of the receiver goes.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub resp_uri: Option<Cow<'a, str>>,
    /// `NoResp`: no statuses are wanted; not used in DM.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub no_resp: bool,
    /// The credentials of the sender.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub cred: Option<Cred<'a>>,
    /// `MaxMsgSize` and `MaxObjSize` of the sender.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub meta: Meta<'a>,
}

impl<'a> Header<'a> {
    /// The `VerDTD` of DM 1.2 and 1.3.
    pub const VER_DTD: &'static str = "1.2";
    /// The `VerProto` of DM 1.2.
    pub const VER_PROTO: &'static str = "DM/1.2";

    /// A DM 1.2 header without the optional parts.
    pub fn new(
        session_id: impl Into<Cow<'a, str>>,
        msg_id: u32,
        target: impl Into<Location<'a>>,
        source: impl Into<Location<'a>>,
    ) -> Self {
        Self {
            ver_dtd: Self::VER_DTD.into(),
            ver_proto: Self::VER_PROTO.into(),
            session_id: session_id.into(),
            msg_id,
            target: target.into(),
            source: source.into(),
            resp_uri: None,
            no_resp: false,
            cred: None,
            meta: Meta::default(),
        }
    }

    /// The header detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Header<'static> {
        Header {
            ver_dtd: own(self.ver_dtd),
            ver_proto: own(self.ver_proto),
            session_id: own(self.session_id),
            msg_id: self.msg_id,
            target: self.target.into_owned(),
            source: self.source.into_owned(),
            resp_uri: self.resp_uri.map(own),
            no_resp: self.no_resp,
            cred: self.cred.map(Cred::into_owned),
            meta: self.meta.into_owned(),
        }
    }
}
