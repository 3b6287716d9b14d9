use std::borrow::Cow;

use omadm_core::AlertCode;
#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::{CmdId, own_items};
#[cfg(feature = "serde")]
use crate::json::is_default;
use crate::{Item, item::own};

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
