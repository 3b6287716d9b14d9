use std::borrow::Cow;

use omadm_core::Format::{Bin, Chr, Int};
use omadm_mo::{Definition, NodeDefinition as N};
use omadm_tree::{
    AccessType::{Add, Delete, Get, Replace},
    Occurrence,
};

/// The Software Component Management Object.
///
/// Values and result codes are those of clients in the field; which nodes are optional, how often
/// most occur and the format of operations are (unverified). A node of a package cannot be renamed.
pub static SCOMO: Definition = Definition {
    name: Cow::Borrowed("SCOMO"),
    moid: Cow::Borrowed("urn:oma:mo:oma-scomo:1.0"),
    specification: Cow::Borrowed("OMA-TS-DM-SCOMO-V1_0"),
    nodes: Cow::Borrowed(&[
        N::node("", "Software components.", CLAUSE),
        N::node("Download", "Packages to be downloaded.", CLAUSE).allows(&[Add, Get]),
        N::node("Download/<x>", "One package.", CLAUSE).occurs(Occurrence::ZeroOrMore).allows(&[Add, Delete, Get]),
        N::leaf("Download/<x>/PkgID", Chr, "Identifier of the package.", CLAUSE).allows(&[Add, Get, Replace]),
        N::leaf("Download/<x>/Name", Chr, "Name of the package.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::leaf("Download/<x>/PkgURL", Chr, "Where the package is.", CLAUSE).allows(&[Add, Get, Replace]),
        N::leaf("Download/<x>/InstallParams", Chr, "What the installer is given.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::leaf("Download/<x>/Description", Chr, "What the package is, for people.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::leaf("Download/<x>/Status", Int, "10 Idle, 20 Download Failed, 30 Download Progressing, 40 Download Complete, 50 Install Progressing, 60/70 Install Failed with/without Data.", CLAUSE).no_replace().starts_as("10"),
        N::leaf("Download/<x>/EnvType", Chr, "Environment the components run in.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::leaf("Download/<x>/PkgType", Chr, "Media type of the package.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::node("Download/<x>/Operations", "Operations.", CLAUSE),
        N::operation("Download/<x>/Operations/Download", "Exec downloads the package.", CLAUSE).optional(),
        N::operation("Download/<x>/Operations/DownloadInstall", "Exec downloads and installs; the components are active.", CLAUSE).optional(),
        N::operation("Download/<x>/Operations/DownloadInstallInactive", "Exec downloads and installs; the components are inactive.", CLAUSE).optional(),
        N::node("Download/<x>/Operations/Ext", "Vendor operations.", CLAUSE).optional().occurs(Occurrence::ZeroOrOne),
        N::node("Download/<x>/Ext", "Vendor extensions.", CLAUSE).optional().open(),
        N::node("Inventory", "What the device has.", CLAUSE),
        N::node("Inventory/Delivered", "Packages the device has.", CLAUSE).allows(&[Add, Get]),
        N::node("Inventory/Delivered/<x>", "One package.", CLAUSE).occurs(Occurrence::ZeroOrMore).allows(&[Add, Delete, Get]),
        N::leaf("Inventory/Delivered/<x>/PkgID", Chr, "Identifier of the package.", CLAUSE).allows(&[Add, Get, Replace]),
        N::leaf("Inventory/Delivered/<x>/Data", Bin, "The package itself.", CLAUSE).optional().prints(&[Add, Replace]).allows(&[Add, Replace]),
        N::leaf("Inventory/Delivered/<x>/Name", Chr, "Name of the package.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::leaf("Inventory/Delivered/<x>/Description", Chr, "What the package is, for people.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::leaf("Inventory/Delivered/<x>/InstallParams", Chr, "What the installer is given.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::leaf("Inventory/Delivered/<x>/Status", Int, "10 Idle, 20 Remove Failed, 30 Remove Progressing, 40 Install Progressing, 50/60 Install Failed with/without Data.", CLAUSE).no_replace().starts_as("10"),
        N::leaf("Inventory/Delivered/<x>/State", Int, "10 Delivered, 20 Installed.", CLAUSE).no_replace().starts_as("10"),
        N::leaf("Inventory/Delivered/<x>/EnvType", Chr, "Environment the components run in.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::leaf("Inventory/Delivered/<x>/PkgType", Chr, "Media type of the package.", CLAUSE).optional().allows(&[Add, Get, Replace]),
        N::node("Inventory/Delivered/<x>/Operations", "Operations.", CLAUSE),
        N::operation("Inventory/Delivered/<x>/Operations/Install", "Exec installs; the components are active.", CLAUSE).optional(),
        N::operation("Inventory/Delivered/<x>/Operations/InstallInactive", "Exec installs; the components are inactive.", CLAUSE).optional(),
        N::operation("Inventory/Delivered/<x>/Operations/Remove", "Exec removes the package.", CLAUSE).optional(),
        N::node("Inventory/Delivered/<x>/Operations/Ext", "Vendor operations.", CLAUSE).optional().occurs(Occurrence::ZeroOrOne),
        N::node("Inventory/Delivered/<x>/Ext", "Vendor extensions.", CLAUSE).optional().open(),
        N::node("Inventory/Deployed", "Components that are installed.", CLAUSE),
        N::node("Inventory/Deployed/<x>", "One component.", CLAUSE).occurs(Occurrence::ZeroOrMore),
        N::leaf("Inventory/Deployed/<x>/ID", Chr, "Identifier of the component.", CLAUSE).no_replace(),
        N::leaf("Inventory/Deployed/<x>/PkgIDRef", Chr, "Identifier of the package it came in.", CLAUSE).optional().no_replace(),
        N::leaf("Inventory/Deployed/<x>/Name", Chr, "Name of the component.", CLAUSE).optional().no_replace(),
        N::leaf("Inventory/Deployed/<x>/Version", Chr, "Version of the component.", CLAUSE).optional().no_replace(),
        N::leaf("Inventory/Deployed/<x>/Description", Chr, "What it is, for people.", CLAUSE).optional().no_replace(),
        N::leaf("Inventory/Deployed/<x>/Status", Int, "10 Idle, 20 Remove Failed, 30 Remove Progressing, 40 Activate Failed, 50 Activate Progressing, 60 Deactivate Failed, 70 Deactivate Progressing.", CLAUSE).optional().no_replace().starts_as("10"),
        N::leaf("Inventory/Deployed/<x>/State", Int, "10 Inactive, 20 Active.", CLAUSE).no_replace().starts_as("10"),
        N::leaf("Inventory/Deployed/<x>/EnvType", Chr, "Environment it runs in.", CLAUSE).optional().no_replace(),
        N::node("Inventory/Deployed/<x>/Operations", "Operations.", CLAUSE),
        N::operation("Inventory/Deployed/<x>/Operations/Activate", "Exec activates it.", CLAUSE).optional(),
        N::operation("Inventory/Deployed/<x>/Operations/Deactivate", "Exec deactivates it.", CLAUSE).optional(),
        N::operation("Inventory/Deployed/<x>/Operations/Remove", "Exec removes it.", CLAUSE).optional(),
        N::node("Inventory/Deployed/<x>/Operations/Ext", "Vendor operations.", CLAUSE).optional().occurs(Occurrence::ZeroOrOne),
        N::node("Inventory/Deployed/<x>/Ext", "Vendor extensions.", CLAUSE).optional().open(),
        N::node("Ext", "Vendor extensions.", CLAUSE).optional().open(),
    ]),
};

const CLAUSE: &str = "SCOMO";
