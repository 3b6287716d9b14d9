use std::borrow::Cow;

use omadm_core::Format::{Bin, Chr, Int};
use omadm_mo::{Definition, NodeDefinition as N};
use omadm_tree::{
    AccessType::{Exec, Get, Replace},
    Occurrence,
};

/// The Firmware Update Management Object: one object for each package.
///
/// That PkgName and PkgVersion can be replaced is as clients in the field have it.
pub static FUMO: Definition = Definition {
    name: Cow::Borrowed("FUMO"),
    moid: Cow::Borrowed("urn:oma:mo:oma-fumo:1.0"),
    specification: Cow::Borrowed("OMA-TS-DM-FUMO-V1_0"),
    nodes: Cow::Borrowed(&[
        N::node("", "One update package.", CLAUSE).occurs(Occurrence::ZeroOrMore),
        N::leaf("PkgName", Chr, "Name of the package.", CLAUSE)
            .optional()
            .allows(&[Get, Replace]),
        N::leaf("PkgVersion", Chr, "Version of the package.", CLAUSE)
            .optional()
            .allows(&[Get, Replace]),
        N::node("Download", "Exec downloads the package.", CLAUSE)
            .optional()
            .prints(&[Exec, Get])
            .allows(&[Exec, Get]),
        N::leaf("Download/PkgURL", Chr, "Where the package is.", CLAUSE)
            .prints(&[Get, Replace])
            .allows(&[Get, Replace]),
        N::node(
            "Update",
            "Exec updates with the package that is there.",
            CLAUSE,
        )
        .optional()
        .prints(&[Exec, Get])
        .allows(&[Exec, Get]),
        N::leaf("Update/PkgData", Bin, "The package itself.", CLAUSE)
            .optional()
            .prints(&[Replace])
            .allows(&[Replace]),
        N::node(
            "DownloadAndUpdate",
            "Exec downloads the package and updates.",
            CLAUSE,
        )
        .optional()
        .prints(&[Exec, Get])
        .allows(&[Exec, Get]),
        N::leaf(
            "DownloadAndUpdate/PkgURL",
            Chr,
            "Where the package is.",
            CLAUSE,
        )
        .prints(&[Get, Replace])
        .allows(&[Get, Replace]),
        N::leaf(
            "State",
            Int,
            "10 Idle, 20 Download Failed, 30 Download Progressing, 40 Download Complete, 50 Ready \
             to Update, 60 Update Progressing, 70/80 Update Failed with/without data, 90/100 \
             Update Successful with/without data.",
            CLAUSE,
        )
        .no_replace()
        .starts_as("10"),
        N::node("Ext", "Vendor extensions.", CLAUSE)
            .optional()
            .open(),
    ]),
};

const CLAUSE: &str = "FUMO";
