use std::borrow::Cow;

use omadm_core::Format::{Bool, Chr};
use omadm_tree::{Occurrence, UriLimits, Value};

use super::literal;
use crate::{Definition, Mount, NodeDefinition as N, Plain};

/// DevDetail: what a server may ask about a device. [DM-StdObj]
///
/// The format of `LrgObj` is `bool` (unverified).
pub static DEV_DETAIL: Definition = Definition {
    name: Cow::Borrowed("DevDetail"),
    moid: Cow::Borrowed("urn:oma:mo:oma-dm-devdetail:1.0"),
    specification: Cow::Borrowed("OMA-TS-DM_StdObj-V1_2"),
    nodes: Cow::Borrowed(&[
        N::node("", "Details of the device.", CLAUSE).permanent(),
        N::node("Ext", "Vendor extensions.", CLAUSE)
            .optional()
            .occurs(Occurrence::ZeroOrOne)
            .permanent(),
        N::node("Bearer", "Bearer specific parameters.", CLAUSE)
            .optional()
            .occurs(Occurrence::ZeroOrOne)
            .permanent(),
        N::node("URI", "Limits on addresses.", CLAUSE).permanent(),
        N::leaf("URI/MaxDepth", Chr, "Segments; 0 for no limit.", CLAUSE).permanent(),
        N::leaf("URI/MaxTotLen", Chr, "Characters; 0 for no limit.", CLAUSE).permanent(),
        N::leaf(
            "URI/MaxSegLen",
            Chr,
            "Characters of a segment; 0 for no limit.",
            CLAUSE,
        )
        .permanent(),
        N::leaf("DevTyp", Chr, "Kind of device.", CLAUSE).permanent(),
        N::leaf("OEM", Chr, "Original equipment manufacturer.", CLAUSE).permanent(),
        N::leaf("FwV", Chr, "Firmware version.", CLAUSE).permanent(),
        N::leaf("SwV", Chr, "Software version.", CLAUSE).permanent(),
        N::leaf("HwV", Chr, "Hardware version.", CLAUSE).permanent(),
        N::leaf(
            "LrgObj",
            Bool,
            "Whether large objects are supported.",
            CLAUSE,
        )
        .permanent()
        .starts_as("false"),
    ]),
};

const CLAUSE: &str = "DM-StdObj, DevDetail";

/// The values of [`DEV_DETAIL`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevDetail {
    /// `DevTyp`: the kind of device, as `phone`.
    pub dev_typ: String,
    /// `OEM`: the original equipment manufacturer.
    pub oem: String,
    /// `FwV`: the firmware version.
    pub fwv: String,
    /// `SwV`: the software version.
    pub swv: String,
    /// `HwV`: the hardware version.
    pub hwv: String,
    /// `LrgObj`: whether the client takes large objects.
    pub lrg_obj: bool,
    /// `URI`: the limits the tree has.
    pub uri: UriLimits,
}

impl DevDetail {
    /// The object with these values, at `./DevDetail`.
    #[must_use]
    pub fn object(self) -> Plain {
        let number = |number: u16| Value::chr(number.to_string());
        Plain::new(Mount::new(literal("./DevDetail"), &DEV_DETAIL))
            .with(literal("URI/MaxDepth"), number(self.uri.max_depth))
            .with(literal("URI/MaxTotLen"), number(self.uri.max_total))
            .with(literal("URI/MaxSegLen"), number(self.uri.max_segment))
            .with(literal("DevTyp"), Value::chr(self.dev_typ))
            .with(literal("OEM"), Value::chr(self.oem))
            .with(literal("FwV"), Value::chr(self.fwv))
            .with(literal("SwV"), Value::chr(self.swv))
            .with(literal("HwV"), Value::chr(self.hwv))
            .with(literal("LrgObj"), Value::bool(self.lrg_obj))
    }
}
