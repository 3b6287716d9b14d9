use std::borrow::Cow;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::{CmdId, own_items};
#[cfg(feature = "serde")]
use crate::json::is_default;
use crate::{Item, Meta, item::own};

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
