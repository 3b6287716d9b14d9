use std::borrow::Cow;

use omadm_core::Format::{Chr, Int, Xml};
use omadm_mo::{Definition, NodeDefinition as N};
use omadm_tree::{
    AccessType::{Add, Delete, Get, Replace},
    Occurrence,
};

/// The Virtualization MO: 21 nodes of [VirMO §8] and 4 nodes of user interaction [VirMO §11.2.2].
///
/// The minimum access types are those the specification prints. The allowed ones go beyond them
/// where the procedures of [VirMO §10] need it: a server Adds `<x>` and writes the leaves that are
/// its own. Deleting `<x>` is allowed here; that it destroys no machine is for the object to check.
pub static VIRMO: Definition = Definition {
    name: Cow::Borrowed("VirMO"),
    moid: Cow::Borrowed(crate::VIRMO_MOID),
    specification: Cow::Borrowed("OMA-ER-VirMO-V1_0-20140325-A"),
    nodes: Cow::Borrowed(&[
        N::node("", "Root of the Virtualization MO.", MO).permanent(),
        N::node("<x>", "One virtual machine.", MO)
            .occurs(Occurrence::ZeroOrMore)
            .allows(&[Add, Delete, Get]),
        N::leaf("<x>/VMID", Chr, "Identifier, unique within the object.", MO).no_replace(),
        N::leaf("<x>/Description", Chr, "Description.", MO).allows(&[Add, Get, Replace]),
        N::leaf("<x>/State", Int, VM_STATE, MO)
            .no_replace()
            .starts_as("0"),
        N::leaf(
            "<x>/CreateParams",
            Chr,
            "Parameters for creating it, key=value pairs.",
            MO,
        )
        .allows(&[Add, Get, Replace]),
        N::node("<x>/DMTree", "Device management tree of the machine.", MO)
            .optional()
            .allows(&[Add, Delete, Get])
            .on_demand()
            .open(),
        N::node("<x>/Resources", "Resource allocation.", MO),
        N::leaf(
            "<x>/Resources/CurrentConfig",
            Chr,
            "Allocated resources, key=value pairs.",
            MO,
        )
        .no_replace()
        .starts_as("RAM=0&Storage=0&CPU=0&Network=0"),
        N::leaf(
            "<x>/Resources/NewConfig",
            Chr,
            "Resources to allocate, key=value pairs.",
            MO,
        )
        .occurs(Occurrence::ZeroOrOne)
        .prints(&[Add])
        .allows(&[Add, Delete, Get, Replace]),
        N::node("<x>/Operations", "Operations on the machine.", MO),
        N::operation("<x>/Operations/Create", "Exec creates the machine.", MO),
        N::operation("<x>/Operations/Delete", "Exec deletes the machine.", MO),
        N::operation("<x>/Operations/Suspend", "Exec suspends the machine.", MO).optional(),
        N::operation("<x>/Operations/Resume", "Exec resumes the machine.", MO).optional(),
        N::operation("<x>/Operations/PowerOn", "Exec powers the machine on.", MO),
        N::operation(
            "<x>/Operations/PowerOff",
            "Exec powers the machine off.",
            MO,
        ),
        N::node("<x>/Ext", "Vendor extensions.", MO)
            .optional()
            .open(),
        N::node("Operations", "Operations on no single machine.", MO).permanent(),
        N::operation(
            "Operations/ApplyChanges",
            "Exec applies every NewConfig.",
            MO,
        )
        .permanent(),
        N::leaf(
            "DeviceResources",
            Chr,
            "Resources of the device, key=value pairs.",
            MO,
        )
        .permanent(),
        N::node("<x>/UI", "User interaction on the machine.", UI).optional(),
        N::leaf("<x>/UI/Command", Xml, "What to ask, an Alert element.", UI)
            .allows(&[Add, Get, Replace]),
        N::leaf(
            "<x>/UI/Result",
            Xml,
            "What came of it, a Status element.",
            UI,
        )
        .no_replace(),
        N::operation(
            "<x>/Operations/ExecUICmd",
            "Exec carries out UI/Command.",
            UI,
        )
        .optional(),
    ]),
};

const MO: &str = "VirMO §8";
const UI: &str = "VirMO §11.2.2";
const VM_STATE: &str = "0 NotCreated, 1 PoweredOff, 2 Running, 3 Suspended, 4 Deleted.";
