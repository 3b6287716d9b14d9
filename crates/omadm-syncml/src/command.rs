use std::{borrow::Cow, fmt, num::NonZeroU32};

use omadm_core::{AlertCode, StatusCode};
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

#[cfg(feature = "serde")]
use crate::json::is_default;
use crate::{Chal, Item, Meta, item::own};

/// The id of a command, unique within its message; never 0. [DM-RepPro]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct CmdId(NonZeroU32);

impl CmdId {
    /// The id 1.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The id of that number; none for 0.
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        match NonZeroU32::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The id after this one; the last one stays.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for CmdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CmdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a Status or Results refers to. [DM-RepPro]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CmdRef {
    /// The `SyncHdr`: 0 on the wire, or an absent `CmdRef`.
    Header,
    /// The command with that id.
    Command(CmdId),
    /// A command that has no id: an empty `CmdRef` on the wire.
    Nameless,
}

impl From<CmdId> for CmdRef {
    fn from(id: CmdId) -> Self {
        Self::Command(id)
    }
}

impl From<Option<CmdId>> for CmdRef {
    /// What answers a command that may have no id.
    fn from(id: Option<CmdId>) -> Self {
        id.map_or(Self::Nameless, Self::Command)
    }
}

impl CmdRef {
    /// The reference of a number on the wire; none is an empty `CmdRef`.
    pub(crate) fn from_number(number: Option<u32>) -> Self {
        number.map_or(Self::Nameless, |number| {
            CmdId::new(number).map_or(Self::Header, Self::Command)
        })
    }

    /// The number on the wire.
    pub(crate) const fn number(self) -> Option<u32> {
        match self {
            Self::Header => Some(0),
            Self::Command(id) => Some(id.get()),
            Self::Nameless => None,
        }
    }
}

/// A command in document order. [DM-RepPro]
///
/// A missing, zero or unreadable `CmdID` is `None`: the command is there and can be answered. It is
/// written without `CmdID`.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Command<'a> {
    /// Create nodes.
    Add(NodeCommand<'a>),
    /// An alert.
    Alert(Alert<'a>),
    /// Commands that succeed together or not at all.
    Atomic(Group<'a>),
    /// Copy values.
    Copy(NodeCommand<'a>),
    /// Delete nodes.
    Delete(NodeCommand<'a>),
    /// Execute nodes.
    Exec(Exec<'a>),
    /// Read nodes.
    Get(NodeCommand<'a>),
    /// Overwrite values.
    Replace(NodeCommand<'a>),
    /// The values a Get asked for.
    Results(Results<'a>),
    /// Commands in a binding order.
    Sequence(Group<'a>),
    /// The outcome of a command.
    Status(Status<'a>),
    /// An element that is no command of DM.
    Unsupported(Unsupported<'a>),
}

impl<'a> Command<'a> {
    /// The name of the element.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Add(_) => "Add",
            Self::Alert(_) => "Alert",
            Self::Atomic(_) => "Atomic",
            Self::Copy(_) => "Copy",
            Self::Delete(_) => "Delete",
            Self::Exec(_) => "Exec",
            Self::Get(_) => "Get",
            Self::Replace(_) => "Replace",
            Self::Results(_) => "Results",
            Self::Sequence(_) => "Sequence",
            Self::Status(_) => "Status",
            Self::Unsupported(unsupported) => &unsupported.name,
        }
    }

    /// The `CmdID`.
    #[must_use]
    pub const fn cmd_id(&self) -> Option<CmdId> {
        match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                c.cmd_id
            }
            Self::Alert(c) => c.cmd_id,
            Self::Atomic(c) | Self::Sequence(c) => c.cmd_id,
            Self::Exec(c) => c.cmd_id,
            Self::Results(c) => c.cmd_id,
            Self::Status(c) => c.cmd_id,
            Self::Unsupported(c) => c.cmd_id,
        }
    }

    /// Gives it a `CmdID`; the commands of a [`Group`] keep theirs.
    pub const fn set_cmd_id(&mut self, id: CmdId) {
        let place = match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                &mut c.cmd_id
            }
            Self::Alert(c) => &mut c.cmd_id,
            Self::Atomic(c) | Self::Sequence(c) => &mut c.cmd_id,
            Self::Exec(c) => &mut c.cmd_id,
            Self::Results(c) => &mut c.cmd_id,
            Self::Status(c) => &mut c.cmd_id,
            Self::Unsupported(c) => &mut c.cmd_id,
        };
        *place = Some(id);
    }

    /// Whether no Status is wanted: `NoResp`.
    #[must_use]
    pub const fn no_resp(&self) -> bool {
        match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                c.no_resp
            }
            Self::Alert(c) => c.no_resp,
            Self::Atomic(c) | Self::Sequence(c) => c.no_resp,
            Self::Exec(c) => c.no_resp,
            Self::Unsupported(c) => c.no_resp,
            Self::Results(_) | Self::Status(_) => false,
        }
    }

    /// The Items; none for a group.
    #[must_use]
    pub fn items(&self) -> &[Item<'a>] {
        match self {
            Self::Add(c) | Self::Copy(c) | Self::Delete(c) | Self::Get(c) | Self::Replace(c) => {
                &c.items
            }
            Self::Alert(c) => &c.items,
            Self::Exec(c) => &c.items,
            Self::Results(c) => &c.items,
            Self::Status(c) => &c.items,
            Self::Atomic(_) | Self::Sequence(_) | Self::Unsupported(_) => &[],
        }
    }

    /// The command detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Command<'static> {
        match self {
            Self::Add(c) => Command::Add(c.into_owned()),
            Self::Alert(c) => Command::Alert(c.into_owned()),
            Self::Atomic(c) => Command::Atomic(c.into_owned()),
            Self::Copy(c) => Command::Copy(c.into_owned()),
            Self::Delete(c) => Command::Delete(c.into_owned()),
            Self::Exec(c) => Command::Exec(c.into_owned()),
            Self::Get(c) => Command::Get(c.into_owned()),
            Self::Replace(c) => Command::Replace(c.into_owned()),
            Self::Results(c) => Command::Results(c.into_owned()),
            Self::Sequence(c) => Command::Sequence(c.into_owned()),
            Self::Status(c) => Command::Status(c.into_owned()),
            Self::Unsupported(c) => Command::Unsupported(c.into_owned()),
        }
    }
}

/// The content of Add, Copy, Delete, Get and Replace. [DM-RepPro]
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct NodeCommand<'a> {
    /// `CmdID`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub cmd_id: Option<CmdId>,
    /// `NoResp`: no Status is wanted.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub no_resp: bool,
    /// The default of the Items' meta-information.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub meta: Meta<'a>,
    /// The Items; a valid command has at least one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub items: Vec<Item<'a>>,
}

impl<'a> NodeCommand<'a> {
    /// A command without an id, on these Items.
    pub fn new(items: impl Into<Vec<Item<'a>>>) -> Self {
        Self {
            items: items.into(),
            ..Self::default()
        }
    }

    /// With this `CmdID`.
    #[must_use]
    pub const fn with_cmd_id(mut self, id: CmdId) -> Self {
        self.cmd_id = Some(id);
        self
    }

    /// With this `Meta`.
    #[must_use]
    pub fn with_meta(mut self, meta: Meta<'a>) -> Self {
        self.meta = meta;
        self
    }

    /// The command detached from the input.
    #[must_use]
    pub fn into_owned(self) -> NodeCommand<'static> {
        NodeCommand {
            cmd_id: self.cmd_id,
            no_resp: self.no_resp,
            meta: self.meta.into_owned(),
            items: own_items(self.items),
        }
    }
}

/// The content of Exec. [DM-RepPro]
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Exec<'a> {
    /// `CmdID`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub cmd_id: Option<CmdId>,
    /// `NoResp`: no Status is wanted.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub no_resp: bool,
    /// The default of the Items' meta-information.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub meta: Meta<'a>,
    /// `Correlator`: what a later Generic Alert has to repeat.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub correlator: Option<Cow<'a, str>>,
    /// The Items; a valid command has at least one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub items: Vec<Item<'a>>,
}

impl<'a> Exec<'a> {
    /// A command without an id, on these Items.
    pub fn new(items: impl Into<Vec<Item<'a>>>) -> Self {
        Self {
            items: items.into(),
            ..Self::default()
        }
    }

    /// With this `CmdID`.
    #[must_use]
    pub const fn with_cmd_id(mut self, id: CmdId) -> Self {
        self.cmd_id = Some(id);
        self
    }

    /// With this `Correlator`.
    #[must_use]
    pub fn with_correlator(mut self, correlator: impl Into<Cow<'a, str>>) -> Self {
        self.correlator = Some(correlator.into());
        self
    }

    /// The command detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Exec<'static> {
        Exec {
            cmd_id: self.cmd_id,
            no_resp: self.no_resp,
            meta: self.meta.into_owned(),
            correlator: self.correlator.map(own),
            items: own_items(self.items),
        }
    }
}

/// The content of Alert. [DM-RepPro]
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Alert<'a> {
    /// `CmdID`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub cmd_id: Option<CmdId>,
    /// `NoResp`: no Status is wanted.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub no_resp: bool,
    /// The code in `Data`; `None` if it is absent or not a number.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            with = "crate::json::alert_code",
            skip_serializing_if = "is_default"
        )
    )]
    pub code: Option<AlertCode>,
    /// `Correlator`: that of the Exec this answers.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub correlator: Option<Cow<'a, str>>,
    /// The Items; the order matters.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub items: Vec<Item<'a>>,
}

impl<'a> Alert<'a> {
    /// An alert without an id and without Items.
    #[must_use]
    pub const fn new(code: AlertCode) -> Self {
        Self {
            cmd_id: None,
            no_resp: false,
            code: Some(code),
            correlator: None,
            items: Vec::new(),
        }
    }

    /// With this `CmdID`.
    #[must_use]
    pub const fn with_cmd_id(mut self, id: CmdId) -> Self {
        self.cmd_id = Some(id);
        self
    }

    /// With these Items.
    #[must_use]
    pub fn with_items(mut self, items: impl Into<Vec<Item<'a>>>) -> Self {
        self.items = items.into();
        self
    }

    /// The alert detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Alert<'static> {
        Alert {
            cmd_id: self.cmd_id,
            no_resp: self.no_resp,
            code: self.code,
            correlator: self.correlator.map(own),
            items: own_items(self.items),
        }
    }
}

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

/// The content of Atomic and Sequence. [DM-RepPro]
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Group<'a> {
    /// `CmdID`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub cmd_id: Option<CmdId>,
    /// `NoResp`: no Status is wanted.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub no_resp: bool,
    /// Meta-information; says nothing about the commands inside.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub meta: Meta<'a>,
    /// The commands in document order; all that were there, legal or not.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub commands: Vec<Command<'a>>,
}

impl<'a> Group<'a> {
    /// A group without an id, of these commands.
    pub fn new(commands: impl Into<Vec<Command<'a>>>) -> Self {
        Self {
            commands: commands.into(),
            ..Self::default()
        }
    }

    /// With this `CmdID`.
    #[must_use]
    pub const fn with_cmd_id(mut self, id: CmdId) -> Self {
        self.cmd_id = Some(id);
        self
    }

    /// The group detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Group<'static> {
        Group {
            cmd_id: self.cmd_id,
            no_resp: self.no_resp,
            meta: self.meta.into_owned(),
            commands: self.commands.into_iter().map(Command::into_owned).collect(),
        }
    }
}

/// An element where a command was expected that is no command of DM, such as `Put`.
///
/// It is kept so that it can be answered in its place; its content is not.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Unsupported<'a> {
    /// The local name of the element.
    pub name: Cow<'a, str>,
    /// `CmdID`, if it has one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub cmd_id: Option<CmdId>,
    /// `NoResp`: no Status is wanted.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_default"))]
    pub no_resp: bool,
}

impl<'a> Unsupported<'a> {
    /// An element of that name, without an id.
    pub fn new(name: impl Into<Cow<'a, str>>) -> Self {
        Self {
            name: name.into(),
            cmd_id: None,
            no_resp: false,
        }
    }

    /// The element detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Unsupported<'static> {
        Unsupported {
            name: own(self.name),
            cmd_id: self.cmd_id,
            no_resp: self.no_resp,
        }
    }
}

/// Any number of `LocURI`s, most often one: the first takes no allocation.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(
    feature = "serde",
    derive(Serialize, Deserialize),
    serde(from = "Vec<Cow<'a, str>>", into = "Vec<Cow<'a, str>>")
)]
pub struct Refs<'a> {
    first: Option<Cow<'a, str>>,
    rest: Vec<Cow<'a, str>>,
}

impl<'a> Refs<'a> {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: None,
            rest: Vec::new(),
        }
    }

    /// Adds one at the end.
    pub fn push(&mut self, uri: impl Into<Cow<'a, str>>) {
        if self.first.is_none() {
            self.first = Some(uri.into());
        } else {
            self.rest.push(uri.into());
        }
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.first.iter().chain(&self.rest).map(Cow::as_ref)
    }

    /// The first one.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The references detached from the input.
    #[must_use]
    pub fn into_owned(self) -> Refs<'static> {
        Refs {
            first: self.first.map(own),
            rest: self.rest.into_iter().map(own).collect(),
        }
    }
}

impl<'a> From<Vec<Cow<'a, str>>> for Refs<'a> {
    fn from(uris: Vec<Cow<'a, str>>) -> Self {
        uris.into_iter().collect()
    }
}

impl<'a> From<Refs<'a>> for Vec<Cow<'a, str>> {
    fn from(refs: Refs<'a>) -> Self {
        refs.first.into_iter().chain(refs.rest).collect()
    }
}

impl<'a, T: Into<Cow<'a, str>>> FromIterator<T> for Refs<'a> {
    fn from_iter<I: IntoIterator<Item = T>>(uris: I) -> Self {
        let mut refs = Self::new();
        for uri in uris {
            refs.push(uri);
        }
        refs
    }
}

fn own_items(items: Vec<Item<'_>>) -> Vec<Item<'static>> {
    items.into_iter().map(Item::into_owned).collect()
}
