//! The columns of the node tables. [VirMO §8, §9, §11.2.2]

use virmo::dm::core::Format;

use super::{life, states::remove};
use crate::{
    Failed,
    bench::Bench,
    scenario::{Done, scenarios},
};

scenarios! {
    Device:
    NODES_ARE_AS_PRINTED = nodes_are_as_printed;
}

/// What a table says of a node, in the words of the specification, and the rows that say it.
pub(super) struct Node {
    pub(super) row: &'static str,
    /// Where it is, with `<x>` for an instance.
    pub(super) path: &'static str,
    pub(super) format: Format,
    pub(super) required: bool,
    pub(super) access: Access,
}

/// Min. Access Types, which are what a server can rely on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Get,
    /// Get, No Replace.
    GetOnly,
    Exec,
    /// Add, and the node comes and goes.
    Add,
}

use Access::{Add, Exec, Get, GetOnly};

pub(super) const fn required(
    row: &'static str,
    path: &'static str,
    format: Format,
    access: Access,
) -> Node {
    Node {
        row,
        path,
        format,
        required: true,
        access,
    }
}

pub(super) const fn optional(
    row: &'static str,
    path: &'static str,
    format: Format,
    access: Access,
) -> Node {
    Node {
        required: false,
        ..required(row, path, format, access)
    }
}

/// The tables as they are printed; what was made of them in `virmo-nodes` is what is judged.
const VIRMO: [Node; 20] = [
    required("VR-086", "./VirMO", Format::Node, Get),
    required("VR-088", "./VirMO/<x>", Format::Node, Get),
    required("VR-089", "./VirMO/<x>/VMID", Format::Chr, GetOnly),
    required("VR-092", "./VirMO/<x>/Description", Format::Chr, Get),
    required("VR-093", "./VirMO/<x>/State", Format::Int, GetOnly),
    required("VR-096", "./VirMO/<x>/CreateParams", Format::Chr, Get),
    required("VR-109", "./VirMO/<x>/Resources", Format::Node, Get),
    required(
        "VR-110",
        "./VirMO/<x>/Resources/CurrentConfig",
        Format::Chr,
        GetOnly,
    ),
    required(
        "VR-121",
        "./VirMO/<x>/Resources/NewConfig",
        Format::Chr,
        Add,
    ),
    required("VR-124", "./VirMO/<x>/Operations", Format::Node, Get),
    required(
        "VR-125",
        "./VirMO/<x>/Operations/Create",
        Format::Null,
        Exec,
    ),
    required(
        "VR-128",
        "./VirMO/<x>/Operations/Delete",
        Format::Null,
        Exec,
    ),
    optional(
        "VR-130",
        "./VirMO/<x>/Operations/Suspend",
        Format::Null,
        Exec,
    ),
    optional(
        "VR-131",
        "./VirMO/<x>/Operations/Resume",
        Format::Null,
        Exec,
    ),
    required(
        "VR-132",
        "./VirMO/<x>/Operations/PowerOn",
        Format::Null,
        Exec,
    ),
    required(
        "VR-133",
        "./VirMO/<x>/Operations/PowerOff",
        Format::Null,
        Exec,
    ),
    optional("VR-134", "./VirMO/<x>/Ext", Format::Node, Get),
    required("VR-135", "./VirMO/Operations", Format::Node, Get),
    required(
        "VR-136",
        "./VirMO/Operations/ApplyChanges",
        Format::Null,
        Exec,
    ),
    required("VR-140", "./VirMO/DeviceResources", Format::Chr, Get),
];

const VMIMGMO: [Node; 13] = [
    required("VR-147", "./VMImgMO", Format::Node, Get),
    required("VR-149", "./VMImgMO/<x>", Format::Node, Get),
    required("VR-150", "./VMImgMO/<x>/ImgID", Format::Chr, Get),
    required("VR-153", "./VMImgMO/<x>/Name", Format::Chr, Get),
    required("VR-155", "./VMImgMO/<x>/Description", Format::Chr, Add),
    required("VR-156", "./VMImgMO/<x>/DownloadURI", Format::Chr, Get),
    required(
        "VR-157",
        "./VMImgMO/<x>/DownloadedLocation",
        Format::Chr,
        GetOnly,
    ),
    required("VR-160", "./VMImgMO/<x>/State", Format::Int, GetOnly),
    required("VR-163", "./VMImgMO/<x>/MediaType", Format::Chr, Get),
    required("VR-166", "./VMImgMO/<x>/Operations", Format::Node, Get),
    // Get is what is printed, Exec is what the text asks for.
    required(
        "VR-167",
        "./VMImgMO/<x>/Operations/Download",
        Format::Null,
        Exec,
    ),
    required(
        "VR-170",
        "./VMImgMO/<x>/Operations/Delete",
        Format::Null,
        Exec,
    ),
    optional("VR-173", "./VMImgMO/<x>/Ext", Format::Node, Get),
];

/// Which SCR item a node counts for, too.
const fn item(node: &Node) -> &'static str {
    if node.required { "VR-267" } else { "VR-268" }
}

/// The names below an interior node.
fn children(bench: &mut Bench<'_>, uri: &str) -> Result<Vec<String>, Failed> {
    let list = bench.value(uri)?.unwrap_or_default();
    Ok(list.split('/').map(str::to_owned).collect())
}

fn nodes_are_as_printed(bench: &mut Bench<'_>) -> Done {
    for (root, moid, row) in [
        ("./VirMO", "urn:oma:mo:oma-virmo:1.0", "VR-087"),
        ("./VMImgMO", "urn:oma:mo:oma-vmimgmo:1.0", "VR-148"),
    ] {
        let found = bench.value(&format!("{root}?prop=Type"))?;
        bench.check(
            &[row, "VR-266"],
            found.as_deref() == Some(moid),
            format_args!("the type of {root} is {found:?}"),
        );
    }
    let (image, id) = life::image(bench)?;
    let vm = life::vm(bench, &format!("ImgID={id}"))?;
    let second = [life::vm(bench, "")?, format!("./VMImgMO/{}", bench.name())];
    let [_, other_image] = &second;
    bench.add_node(other_image)?;
    for (table, instance, other) in [
        (&VIRMO[..], &vm, second.first()),
        (&VMIMGMO[..], &image, second.last()),
    ] {
        for node in table {
            judge(bench, node, instance)?;
        }
        // ZeroOrMore: there are two, and each has children of its own.
        let (row, root) = match table {
            [root, ..] if root.path == "./VirMO" => ("VR-088", "./VirMO"),
            _ => ("VR-149", "./VMImgMO"),
        };
        let listed = children(bench, root)?;
        for uri in [Some(instance), other].into_iter().flatten() {
            let name = uri.rsplit('/').next().unwrap_or_default();
            let once = listed.iter().filter(|child| *child == name).count() == 1;
            bench.check(&[row], once, format_args!("{uri} is not among {listed:?}"));
        }
    }
    for uri in second.into_iter().chain([image]) {
        bench.delete(&uri)?;
    }
    remove(bench, &vm)
}

/// One line of a table against one instance.
pub(super) fn judge(bench: &mut Bench<'_>, node: &Node, instance: &str) -> Done {
    let rows = [node.row, item(node)];
    let uri = match node.path.split_once("<x>") {
        Some((_, rest)) => format!("{instance}{rest}"),
        None => node.path.to_owned(),
    };
    if node.access == Add {
        let before = bench.get(&uri)?.status;
        let statuses = [bench.add(&uri, "")?, bench.add(&uri, "")?];
        bench.check(
            &rows,
            before == 404 && matches!(statuses, [200, again] if again >= 400),
            format_args!("{uri}: Get {before}, two Adds {statuses:?}"),
        );
        format(bench, node, &uri)?;
        bench.delete(&uri)?;
        return Ok(());
    }
    let (parent, name) = uri.rsplit_once('/').unwrap_or(("", &uri));
    if parent != "." {
        let listed = children(bench, parent)?;
        let count = listed.iter().filter(|child| *child == name).count();
        if count == 0 && !node.required {
            bench
                .verdicts
                .unseen(&rows, format_args!("{uri} is optional, and not there"));
            return Ok(());
        }
        bench.check(
            &rows,
            count == 1,
            format_args!("{uri} is there {count} times"),
        );
    }
    if matches!(node.access, Get | GetOnly) {
        let got = bench.get(&uri)?.status;
        bench.check(
            &rows,
            got == 200,
            format_args!("Get {uri} was answered with {got}"),
        );
    }
    if matches!(node.access, Exec | GetOnly) {
        let replaced = bench.replace(&uri, "x")?;
        bench.check(
            &rows,
            replaced >= 400,
            format_args!("Replace {uri} was answered with {replaced}"),
        );
    }
    format(bench, node, &uri)
}

fn format(bench: &mut Bench<'_>, node: &Node, uri: &str) -> Done {
    let found = bench.get(&format!("{uri}?prop=Format"))?;
    // A node that may only be executed need not show its properties.
    if node.access == Exec && !found.ok() {
        return Ok(());
    }
    let found = found.text();
    bench.check(
        &[node.row, item(node)],
        found.as_deref() == Some(node.format.as_str()),
        format_args!("the format of {uri} is {found:?}"),
    );
    Ok(())
}
