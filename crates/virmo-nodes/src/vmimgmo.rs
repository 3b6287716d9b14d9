use std::borrow::Cow;

use omadm_core::Format::{Chr, Int};
use omadm_mo::{Definition, NodeDefinition as N};
use omadm_tree::{
    AccessType::{Add, Delete, Exec, Get, Replace},
    Occurrence,
};

/// The VM Image MO: 13 nodes of [VirMO §9].
///
/// As in [`VIRMO`](crate::VIRMO), what is allowed goes beyond the minimum where the procedures need
/// it. `Operations/Download` and `Operations/Delete` print Get as their minimum, yet their text and
/// [VirMO §10.1] demand Exec: both are allowed.
pub static VMIMGMO: Definition = Definition {
    name: Cow::Borrowed("VMImgMO"),
    moid: Cow::Borrowed(crate::VMIMGMO_MOID),
    specification: Cow::Borrowed("OMA-ER-VirMO-V1_0-20140325-A"),
    nodes: Cow::Borrowed(&[
        N::node("", "Root of the VM Image MO.", MO).permanent(),
        N::node("<x>", "One image.", MO)
            .occurs(Occurrence::ZeroOrMore)
            .allows(&[Add, Delete, Get]),
        N::leaf(
            "<x>/ImgID",
            Chr,
            "Identifier, unique within the object.",
            MO,
        ),
        N::leaf("<x>/Name", Chr, "Name.", MO).allows(&[Add, Get, Replace]),
        N::leaf("<x>/Description", Chr, "Description.", MO)
            .occurs(Occurrence::ZeroOrOne)
            .allows(&[Add, Delete, Get, Replace]),
        N::leaf("<x>/DownloadURI", Chr, "Where to download it from.", MO)
            .allows(&[Add, Get, Replace]),
        N::leaf(
            "<x>/DownloadedLocation",
            Chr,
            "Local path, while State is 2.",
            MO,
        )
        .occurs(Occurrence::ZeroOrOne)
        .no_replace(),
        N::leaf("<x>/State", Int, IMAGE_STATE, MO)
            .no_replace()
            .starts_as("0"),
        N::leaf("<x>/MediaType", Chr, "MIME media type.", MO).allows(&[Add, Get, Replace]),
        N::node("<x>/Operations", "Operations on the image.", MO),
        N::operation("<x>/Operations/Download", "Exec downloads the image.", MO)
            .prints(&[Get])
            .allows(&[Exec, Get]),
        N::operation("<x>/Operations/Delete", "Exec deletes the image.", MO)
            .prints(&[Get])
            .allows(&[Exec, Get]),
        N::node("<x>/Ext", "Vendor extensions.", MO)
            .optional()
            .open(),
    ]),
};

const MO: &str = "VirMO §9";
const IMAGE_STATE: &str = "0 Not Downloaded, 1 Downloading, 2 Downloaded, 3 Download Failed.";
