use std::{borrow::Cow, mem};

use omadm_core::Format::{Bool, Chr, Int, Xml};
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
        ROOT,
        VM,
        VM_ID,
        DESCRIPTION,
        STATE,
        CREATE_PARAMS,
        DM_TREE,
        N::node("<x>/Resources", "Resource allocation.", MO),
        CURRENT_CONFIG,
        NEW_CONFIG,
        OPERATIONS,
        CREATE,
        DELETE,
        SUSPEND,
        RESUME,
        POWER_ON,
        POWER_OFF,
        EXT.open(),
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

/// The Virtualization MO of the draft before the approved text: its 13 nodes, and below `Ext` what
/// is ours.
///
/// The draft demands that a machine can be suspended and resumed, that its resources are managed,
/// that its user can unlock it if the server authorized that, and that data sharing is prohibited
/// and allowed (its HLF-12, HLF-13, HLF-05, HLF-16, HLF-07), that peripherals, firmware and other
/// objects of a machine are managed (HLF-06, HLF-08, HLF-17), and has no node for any of it. Those
/// nodes are in no specification; a server that knows the draft alone never meets them.
pub static VIRMO_DRAFT: Definition = Definition {
    name: Cow::Borrowed("VirMO"),
    moid: Cow::Borrowed(crate::VIRMO_MOID),
    specification: Cow::Borrowed("OMA-ER-VirMO-V1_0, draft"),
    nodes: Cow::Borrowed(&[
        ROOT,
        VM,
        VM_ID,
        DESCRIPTION,
        STATE,
        OPERATIONS,
        CREATE,
        at("<x>/Operations/CreateParams", CREATE_PARAMS),
        DELETE,
        N::operation("<x>/Operations/Lock", "Exec locks the machine.", MO),
        N::operation("<x>/Operations/Unlock", "Exec unlocks the machine.", MO),
        POWER_ON,
        POWER_OFF,
        EXT,
        at("<x>/Ext/DMTree", DM_TREE),
        at("<x>/Ext/Suspend", SUSPEND),
        at("<x>/Ext/Resume", RESUME),
        at("<x>/Ext/CurrentConfig", CURRENT_CONFIG).optional(),
        at("<x>/Ext/NewConfig", NEW_CONFIG).optional(),
        N::leaf(
            "<x>/Ext/Locked",
            Bool,
            "Whether the machine is locked.",
            OURS,
        )
        .optional()
        .no_replace()
        .starts_as("false"),
        N::leaf(
            "<x>/Ext/UserUnlock",
            Bool,
            "Whether its user may unlock it.",
            OURS,
        )
        .optional()
        .allows(&[Add, Get, Replace])
        .starts_as("false"),
        N::leaf(
            "<x>/Ext/Sharing",
            Bool,
            "Whether it may share data with other machines.",
            OURS,
        )
        .optional()
        .no_replace()
        .starts_as("false"),
        N::operation(
            "<x>/Ext/AllowSharing",
            "Exec lets it share data with other machines.",
            OURS,
        )
        .optional(),
        N::operation(
            "<x>/Ext/ProhibitSharing",
            "Exec keeps it from sharing data with other machines.",
            OURS,
        )
        .optional(),
    ]),
};

const ROOT: N = N::node("", "Root of the Virtualization MO.", MO).permanent();
const VM: N = N::node("<x>", "One virtual machine.", MO)
    .occurs(Occurrence::ZeroOrMore)
    .allows(&[Add, Delete, Get]);
const VM_ID: N = N::leaf("<x>/VMID", Chr, "Identifier, unique within the object.", MO).no_replace();
const DESCRIPTION: N =
    N::leaf("<x>/Description", Chr, "Description.", MO).allows(&[Add, Get, Replace]);
const STATE: N = N::leaf("<x>/State", Int, VM_STATE, MO)
    .no_replace()
    .starts_as("0");
const CREATE_PARAMS: N = N::leaf(
    "<x>/CreateParams",
    Chr,
    "Parameters for creating it, key=value pairs.",
    MO,
)
.allows(&[Add, Get, Replace]);
const CURRENT_CONFIG: N = N::leaf(
    "<x>/Resources/CurrentConfig",
    Chr,
    "Allocated resources, key=value pairs.",
    MO,
)
.no_replace()
.starts_as("RAM=0&Storage=0&CPU=0&Network=0");
const NEW_CONFIG: N = N::leaf(
    "<x>/Resources/NewConfig",
    Chr,
    "Resources to allocate, key=value pairs.",
    MO,
)
.occurs(Occurrence::ZeroOrOne)
.prints(&[Add])
.allows(&[Add, Delete, Get, Replace]);
const OPERATIONS: N = N::node("<x>/Operations", "Operations on the machine.", MO);
const CREATE: N = N::operation("<x>/Operations/Create", "Exec creates the machine.", MO);
const DELETE: N = N::operation("<x>/Operations/Delete", "Exec deletes the machine.", MO);
const SUSPEND: N =
    N::operation("<x>/Operations/Suspend", "Exec suspends the machine.", MO).optional();
const RESUME: N = N::operation("<x>/Operations/Resume", "Exec resumes the machine.", MO).optional();
const POWER_ON: N = N::operation("<x>/Operations/PowerOn", "Exec powers the machine on.", MO);
const POWER_OFF: N = N::operation(
    "<x>/Operations/PowerOff",
    "Exec powers the machine off.",
    MO,
);
const DM_TREE: N = N::node("<x>/DMTree", "Device management tree of the machine.", MO)
    .optional()
    .allows(&[Add, Delete, Get])
    .on_demand()
    .open_to_exec();
const EXT: N = N::node("<x>/Ext", "Vendor extensions.", MO).optional();

/// The row at another place.
const fn at(path: &'static str, mut row: N) -> N {
    mem::forget(mem::replace(&mut row.path, Cow::Borrowed(path)));
    row
}

const MO: &str = "VirMO §8";
const UI: &str = "VirMO §11.2.2";
const OURS: &str = "none, below Ext";
const VM_STATE: &str = "0 NotCreated, 1 PoweredOff, 2 Running, 3 Suspended, 4 Deleted.";
