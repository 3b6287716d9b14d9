#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::{CmdId, Command};
use crate::Meta;
#[cfg(feature = "serde")]
use crate::json::is_default;

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
