use std::borrow::Cow;

use omadm_core::Format::{Bool, Chr, Int};
use omadm_mo::{Definition, NodeDefinition as N};
use omadm_tree::{
    AccessType::{Get, Replace},
    Occurrence,
};

/// The Lock and Wipe Management Object.
///
/// Formats and access types are those of clients in the field; which nodes are optional, the scope
/// and the occurrences are (unverified). FullyLock, PartiallyLock and UnLock are required here.
pub static LAWMO: Definition = Definition {
    name: Cow::Borrowed("LAWMO"),
    moid: Cow::Borrowed("urn:oma:mo:oma-lawmo:1.0"),
    specification: Cow::Borrowed("OMA-TS-LAWMO-V1_0-20120424-A"),
    nodes: Cow::Borrowed(&[
        N::node("", "Lock and wipe.", CLAUSE),
        N::leaf(
            "State",
            Int,
            "10 FullyLocked, 20 PartiallyLocked, 30 Unlocked.",
            CLAUSE,
        )
        .no_replace()
        .starts_as("30"),
        N::node("AvailableWipeList", "What can be wiped.", CLAUSE).optional(),
        N::node("AvailableWipeList/<x>", "One kind of data.", CLAUSE)
            .occurs(Occurrence::ZeroOrMore),
        N::leaf(
            "AvailableWipeList/<x>/ListItemName",
            Chr,
            "Its name, for people.",
            CLAUSE,
        )
        .no_replace(),
        N::leaf(
            "AvailableWipeList/<x>/ToBeWiped",
            Bool,
            "Whether Wipe erases it.",
            CLAUSE,
        )
        .prints(&[Get, Replace])
        .allows(&[Get, Replace])
        .starts_as("false"),
        N::node("LAWMOConfig", "Configuration.", CLAUSE).optional(),
        N::leaf(
            "LAWMOConfig/NotifyUser",
            Bool,
            "Whether the user is told of operations.",
            CLAUSE,
        )
        .optional()
        .prints(&[Get, Replace])
        .allows(&[Get, Replace])
        .starts_as("false"),
        N::node("Operations", "Operations.", CLAUSE),
        N::operation("Operations/FullyLock", "Exec locks fully.", CLAUSE),
        N::operation("Operations/PartiallyLock", "Exec locks partially.", CLAUSE),
        N::operation("Operations/UnLock", "Exec unlocks.", CLAUSE),
        N::operation(
            "Operations/FactoryReset",
            "Exec restores the state of the factory.",
            CLAUSE,
        )
        .optional(),
        N::operation(
            "Operations/Wipe",
            "Exec erases what is to be wiped.",
            CLAUSE,
        )
        .optional(),
        N::node("Ext", "Vendor extensions.", CLAUSE)
            .optional()
            .open(),
    ]),
};

const CLAUSE: &str = "LAWMO";
