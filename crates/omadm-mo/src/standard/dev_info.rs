use std::borrow::Cow;

use omadm_core::Format::Chr;
use omadm_tree::{Occurrence, Value};

use super::literal;
use crate::{Definition, Mount, NodeDefinition as N, Plain};

/// DevInfo: what a device says of itself at the start of every session. [DM-StdObj]
pub static DEV_INFO: Definition = Definition {
    name: Cow::Borrowed("DevInfo"),
    moid: Cow::Borrowed("urn:oma:mo:oma-dm-devinfo:1.0"),
    specification: Cow::Borrowed("OMA-TS-DM_StdObj-V1_2"),
    nodes: Cow::Borrowed(&[
        N::node("", "What the device is.", CLAUSE).permanent(),
        N::node("Ext", "Vendor extensions.", CLAUSE)
            .optional()
            .occurs(Occurrence::ZeroOrOne)
            .permanent(),
        N::node("Bearer", "Bearer specific parameters.", CLAUSE)
            .optional()
            .occurs(Occurrence::ZeroOrOne)
            .permanent(),
        N::leaf("DevId", Chr, "Globally unique identifier.", CLAUSE).permanent(),
        N::leaf("Man", Chr, "Manufacturer.", CLAUSE).permanent(),
        N::leaf("Mod", Chr, "Model.", CLAUSE).permanent(),
        N::leaf("DmV", Chr, "Version of the client.", CLAUSE).permanent(),
        N::leaf("Lang", Chr, "Language tag.", CLAUSE).permanent(),
    ]),
};

const CLAUSE: &str = "DM-StdObj, DevInfo";

/// The values of [`DEV_INFO`]; none may be empty on a device that talks to servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevInfo {
    /// `DevId`: a globally unique identifier, as a URN: `urn:example:dev1`, `IMEI:…`.
    pub dev_id: String,
    /// `Man`: the manufacturer.
    pub man: String,
    /// `Mod`: the model.
    pub model: String,
    /// `DmV`: the version of the client.
    pub dmv: String,
    /// `Lang`: a language tag, as `en-US`.
    pub lang: String,
}

impl DevInfo {
    /// The object with these values, at `./DevInfo`.
    #[must_use]
    pub fn object(self) -> Plain {
        Plain::new(Mount::new(literal("./DevInfo"), &DEV_INFO))
            .with(literal("DevId"), Value::chr(self.dev_id))
            .with(literal("Man"), Value::chr(self.man))
            .with(literal("Mod"), Value::chr(self.model))
            .with(literal("DmV"), Value::chr(self.dmv))
            .with(literal("Lang"), Value::chr(self.lang))
    }
}
