use std::borrow::Cow;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::CmdId;
use crate::item::own;
#[cfg(feature = "serde")]
use crate::json::is_default;

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
