use std::borrow::Cow;

use omadm_core::StatusCode;
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::{CmdId, CmdRef, Refs, own_items};
#[cfg(feature = "serde")]
use crate::json::is_default;
use crate::{Chal, Item, Meta, item::own};

/// The content of Status. [DM-RepPro]
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Status<'a> {
    /// `CmdID`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub cmd_id: Option<CmdId>,
    /// `MsgRef`: the `MsgID` of the message with the command.
    pub msg_ref: u32,
    /// `CmdRef`: the command.
    pub cmd_ref: CmdRef,
    /// `Cmd`: the name of the command, or `SyncHdr`.
    pub cmd: Cow<'a, str>,
    /// `TargetRef`: the `LocURI`s of the Items it is about.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub target_refs: Refs<'a>,
    /// `SourceRef`: the `LocURI`s of the Items it is about.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub source_refs: Refs<'a>,
    /// `Chal`: the request for credentials.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub chal: Option<Box<Chal<'a>>>,
    /// The code in `Data`.
    #[cfg_attr(feature = "serde", serde(with = "crate::json::status_code"))]
    pub code: StatusCode,
    /// More about the outcome, such as the answers of a user.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub items: Vec<Item<'a>>,
}

impl<'a> Status<'a> {
    /// What stands in `Cmd` for the Status of a header.
    pub const SYNC_HDR: &'static str = "SyncHdr";

    /// A Status without an id and without the optional parts.
    pub fn new(
        msg_ref: u32,
        cmd_ref: impl Into<CmdRef>,
        cmd: impl Into<Cow<'a, str>>,
        code: StatusCode,
    ) -> Self {
        Self {
            cmd_id: None,
            msg_ref,
            cmd_ref: cmd_ref.into(),
            cmd: cmd.into(),
            target_refs: Refs::new(),
            source_refs: Refs::new(),
            chal: None,
            code,
            items: Vec::new(),
        }
    }

    /// With this `CmdID`.
    #[must_use]
    pub const fn with_cmd_id(mut self, id: CmdId) -> Self {
        self.cmd_id = Some(id);
        self
    }

    /// With one more `TargetRef`.
    #[must_use]
    pub fn with_target_ref(mut self, uri: impl Into<Cow<'a, str>>) -> Self {
        self.target_refs.push(uri.into());
        self
    }

    /// With one more `SourceRef`.
    #[must_use]
    pub fn with_source_ref(mut self, uri: impl Into<Cow<'a, str>>) -> Self {
        self.source_refs.push(uri.into());
        self
    }

    /// With this challenge.
    #[must_use]
    pub fn with_chal(mut self, chal: Chal<'a>) -> Self {
        self.chal = Some(Box::new(chal));
        self
    }

    /// With these Items.
    #[must_use]
    pub fn with_items(mut self, items: impl Into<Vec<Item<'a>>>) -> Self {
        self.items = items.into();
        self
    }

    /// The Status detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Status<'static> {
        Status {
            cmd_id: self.cmd_id,
            msg_ref: self.msg_ref,
            cmd_ref: self.cmd_ref,
            cmd: own(self.cmd),
            target_refs: self.target_refs.into_owned(),
            source_refs: self.source_refs.into_owned(),
            chal: self.chal.map(|chal| Box::new(chal.into_owned())),
            code: self.code,
            items: own_items(self.items),
        }
    }
}

/// The content of Results. [DM-RepPro]
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Results<'a> {
    /// `CmdID`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub cmd_id: Option<CmdId>,
    /// `MsgRef`: the `MsgID` of the message with the Get.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub msg_ref: Option<u32>,
    /// `CmdRef`: the Get.
    pub cmd_ref: CmdRef,
    /// The default of the Items' meta-information.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub meta: Meta<'a>,
    /// `TargetRef`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub target_ref: Option<Cow<'a, str>>,
    /// `SourceRef`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub source_ref: Option<Cow<'a, str>>,
    /// The values, each with its `Source`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub items: Vec<Item<'a>>,
}

impl<'a> Results<'a> {
    /// Results without an id and without the optional parts.
    pub fn new(msg_ref: u32, cmd_ref: impl Into<CmdRef>, items: impl Into<Vec<Item<'a>>>) -> Self {
        Self {
            cmd_id: None,
            msg_ref: Some(msg_ref),
            cmd_ref: cmd_ref.into(),
            meta: Meta::new(),
            target_ref: None,
            source_ref: None,
            items: items.into(),
        }
    }

    /// With this `CmdID`.
    #[must_use]
    pub const fn with_cmd_id(mut self, id: CmdId) -> Self {
        self.cmd_id = Some(id);
        self
    }

    /// The Results detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Results<'static> {
        Results {
            cmd_id: self.cmd_id,
            msg_ref: self.msg_ref,
            cmd_ref: self.cmd_ref,
            meta: self.meta.into_owned(),
            target_ref: self.target_ref.map(own),
            source_ref: self.source_ref.map(own),
            items: own_items(self.items),
        }
    }
}
