use std::borrow::Cow;

use omadm_core::Format::{Bool, Chr};
use omadm_mo::{Definition, NodeDefinition as N};
use omadm_tree::{
    AccessType::{Get, Replace},
    Occurrence,
};

/// The Device Capability Management Object: one object for each capability.
///
/// Names, access types and meanings are those of clients in the field, formats of `Attached`,
/// `Enabled` and the operations those of the specification's vocabulary; which nodes are optional is
/// (unverified).
pub static DCMO: Definition = Definition {
    name: Cow::Borrowed("DCMO"),
    moid: Cow::Borrowed("urn:oma:mo:oma-dcmo:1.0"),
    specification: Cow::Borrowed("OMA-TS-DCMO-V1_0"),
    nodes: Cow::Borrowed(&[
        N::node("", "One capability of the device.", CLAUSE).occurs(Occurrence::ZeroOrMore),
        N::leaf("Property", Chr, "The property it is, as Camera.", CLAUSE).no_replace(),
        N::leaf("Group", Chr, "The group it belongs to, as IO.", CLAUSE)
            .optional()
            .no_replace(),
        N::leaf("Description", Chr, "What it is, for people.", CLAUSE)
            .optional()
            .no_replace(),
        N::leaf(
            "Attached",
            Bool,
            "Whether it is attached now; absent if it cannot be removed.",
            CLAUSE,
        )
        .optional()
        .occurs(Occurrence::ZeroOrOne)
        .no_replace(),
        N::leaf(
            "Enabled",
            Bool,
            "Whether it can be used, once it is attached.",
            CLAUSE,
        )
        .no_replace()
        .starts_as("true"),
        N::node("DCMOConfig", "Configuration.", CLAUSE).optional(),
        N::leaf(
            "DCMOConfig/DenyUserEnable",
            Bool,
            "Whether the user is kept from enabling it.",
            CLAUSE,
        )
        .optional()
        .allows(&[Get, Replace])
        .starts_as("false"),
        N::leaf(
            "DCMOConfig/NotifyUser",
            Bool,
            "Whether the user is told of operations.",
            CLAUSE,
        )
        .optional()
        .allows(&[Get, Replace])
        .starts_as("false"),
        N::node("Operations", "Operations.", CLAUSE),
        N::operation("Operations/Enable", "Exec enables it.", CLAUSE),
        N::operation("Operations/Disable", "Exec disables it.", CLAUSE),
        N::node("Operations/Ext", "Vendor operations.", CLAUSE)
            .optional()
            .occurs(Occurrence::ZeroOrOne),
        N::node("Ext", "Vendor extensions.", CLAUSE)
            .optional()
            .open(),
    ]),
};

const CLAUSE: &str = "DCMO";
