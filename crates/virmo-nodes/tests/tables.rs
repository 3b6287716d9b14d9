//! The tables against a transcription of the specification's own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_mo::{Definition, NodeDefinition, Support};
use omadm_tree::{AccessType, Owner};
use virmo_nodes::{ImageNode, Profile, VIRMO, VIRMO_DRAFT, VMIMGMO, VirmoNode, VmNode};
use virmo_params::{Limits, ResourceConfig};
use virmo_state::{ImageState, VmState};

/// `row|path|status|occurrence|format|minimum access types`, in the order of the specification.
const APPROVED: &str = include_str!("approved.txt");

/// The same of the draft.
const DRAFT: &str = include_str!("draft.txt");

/// All rows, as paths of the specification.
fn rows() -> impl Iterator<Item = (String, &'static Definition, &'static NodeDefinition)> {
    rows_of(Profile::Approved)
}

fn rows_of(
    profile: Profile,
) -> impl Iterator<Item = (String, &'static Definition, &'static NodeDefinition)> {
    [profile.virmo(), profile.vmimgmo()]
        .into_iter()
        .flat_map(|table| {
            table.nodes.iter().map(move |row| {
                let path = [&*table.name, &*row.path].join("/");
                (path.trim_end_matches('/').to_owned(), table, row)
            })
        })
}

fn minimum(row: &NodeDefinition) -> String {
    let mut words: Vec<&str> = row.min_access.iter().map(AccessType::as_str).collect();
    if row.no_replace {
        words.push("No Replace");
    }
    words.join(", ")
}

fn columns((path, _, row): (String, &Definition, &NodeDefinition)) -> String {
    [
        path.as_str(),
        row.status.as_str(),
        &row.occurrence.to_string(),
        row.format.as_str(),
        &minimum(row),
    ]
    .join("|")
}

/// The columns of a transcription, without the identifiers of their requirements.
fn printed(text: &str, requirement: &str) -> Vec<String> {
    let columns = |line: &str| {
        let (id, columns) = line.split_once('|').unwrap();
        assert!(id.starts_with(requirement), "{line}");
        columns
            .replace("|Xml|", "|xml|")
            .replace("|Null|", "|null|")
    };
    let mut printed: Vec<String> = text.lines().map(columns).collect();
    printed.sort();
    printed
}

/// VR-267, VR-268: every node of the specification, with every column as printed; formats in lower
/// case, which two cells are not. Each line names its own row of the requirements.
#[test]
fn every_column_is_as_printed() {
    let printed = printed(APPROVED, "VR-");
    let mut ours: Vec<String> = rows().map(columns).collect();
    assert_eq!(printed.len(), 38);
    ours.sort();
    assert_eq!(ours, printed);
}

/// DR-046 to DR-071, CR-004 to CR-009, CR-012 to CR-016: every node of the draft as printed, and
/// below Ext what is ours. Each line names its own row of the requirements.
#[test]
fn every_column_of_the_draft_is_as_printed() {
    let printed = printed(DRAFT, "DR-");
    let is_ours = |path: &str| path == "VirMO/<x>/Ext" || path.starts_with("VirMO/<x>/Ext/");
    let (extra, of_the_text): (Vec<_>, Vec<_>) =
        rows_of(Profile::Draft).partition(|(path, ..)| is_ours(path));
    let mut of_the_text: Vec<String> = of_the_text.into_iter().map(columns).collect();
    assert_eq!(printed.len(), 26);
    of_the_text.sort();
    assert_eq!(of_the_text, printed);
    let extra: Vec<String> = extra.into_iter().map(columns).collect();
    assert_eq!(
        extra,
        [
            "VirMO/<x>/Ext|Optional|One|node|Get",
            "VirMO/<x>/Ext/DMTree|Optional|One|node|Get",
            "VirMO/<x>/Ext/Suspend|Optional|One|null|Exec",
            "VirMO/<x>/Ext/Resume|Optional|One|null|Exec",
            "VirMO/<x>/Ext/CurrentConfig|Optional|One|chr|Get, No Replace",
            "VirMO/<x>/Ext/NewConfig|Optional|ZeroOrOne|chr|Add",
            "VirMO/<x>/Ext/Locked|Optional|One|bool|Get, No Replace",
            "VirMO/<x>/Ext/UserUnlock|Optional|One|bool|Get",
            "VirMO/<x>/Ext/Sharing|Optional|One|bool|Get, No Replace",
            "VirMO/<x>/Ext/AllowSharing|Optional|One|null|Exec",
            "VirMO/<x>/Ext/ProhibitSharing|Optional|One|null|Exec",
        ]
    );
}

/// The draft shares every row that both texts have, but its place.
#[test]
fn equal_rows_are_described_once() {
    for node in VmNode::ALL {
        let row = |profile: Profile| profile.virmo().node(profile.path(*node)?);
        let (Some(approved), Some(draft)) = (row(Profile::Approved), row(Profile::Draft)) else {
            continue;
        };
        assert_eq!(approved.description, draft.description, "{node:?}");
        assert_eq!(approved.access, draft.access, "{node:?}");
        assert_eq!(approved.initial, draft.initial, "{node:?}");
    }
}

#[test]
fn the_tables_are_well_formed() {
    assert_eq!(VIRMO.check(), Ok(()));
    assert_eq!(VIRMO_DRAFT.check(), Ok(()));
    assert_eq!(VMIMGMO.check(), Ok(()));
}

/// VR-087, VR-148, DR-072, DR-089, CR-017: the identifiers of the two objects.
#[test]
fn the_roots_carry_their_identifiers() {
    for profile in Profile::ALL {
        assert_eq!(profile.virmo().moid, "urn:oma:mo:oma-virmo:1.0");
    }
    assert_eq!(VMIMGMO.moid, "urn:oma:mo:oma-vmimgmo:1.0");
}

/// What a server may do beyond the minimum, and nothing else.
#[test]
fn access_beyond_the_minimum_is_as_decided() {
    let expected = [
        "VirMO/<x> +Add +Delete",
        "VirMO/<x>/Description +Add +Replace",
        "VirMO/<x>/CreateParams +Add +Replace",
        "VirMO/<x>/DMTree +Add +Delete",
        "VirMO/<x>/Resources/NewConfig +Delete +Get +Replace",
        "VirMO/<x>/UI/Command +Add +Replace",
        "VMImgMO/<x> +Add +Delete",
        "VMImgMO/<x>/Name +Add +Replace",
        "VMImgMO/<x>/Description +Add +Delete +Replace",
        "VMImgMO/<x>/DownloadURI +Add +Replace",
        "VMImgMO/<x>/MediaType +Add +Replace",
        "VMImgMO/<x>/Operations/Download +Exec",
        "VMImgMO/<x>/Operations/Delete +Exec",
    ];
    let beyond: Vec<String> = rows()
        .filter_map(|(path, _, row)| {
            let extra = row.access.difference(row.min_access);
            let words: String = extra.iter().map(|access| format!(" +{access}")).collect();
            (!extra.is_empty()).then_some(path + &words)
        })
        .collect();
    assert_eq!(beyond, expected);
}

/// VR-090, VR-094, VR-151, VR-161 and the like: the device alone writes these leaves.
#[test]
fn the_device_owns_identifiers_states_and_results() {
    let owned: Vec<String> = rows()
        .filter(|(_, _, row)| !row.is_interior() && row.access.contains(AccessType::Get))
        .filter(|(_, _, row)| row.owner() == Owner::Device)
        .map(|(path, ..)| path)
        .collect();
    assert_eq!(
        owned,
        [
            "VirMO/<x>/VMID",
            "VirMO/<x>/State",
            "VirMO/<x>/Resources/CurrentConfig",
            "VirMO/DeviceResources",
            "VirMO/<x>/UI/Result",
            "VMImgMO/<x>/ImgID",
            "VMImgMO/<x>/DownloadedLocation",
            "VMImgMO/<x>/State",
            "VMImgMO/<x>/Operations/Download",
            "VMImgMO/<x>/Operations/Delete",
        ]
    );
}

#[test]
fn initial_values_are_those_of_the_state_machines() {
    let initial = |path: &str, table: &Definition| table.node(path).unwrap().initial.clone();
    let vm = VmState::NotCreated.value().to_string();
    assert_eq!(initial(VmNode::State.path(), &VIRMO), vm);
    let image = ImageState::NotDownloaded.value().to_string();
    assert_eq!(initial(ImageNode::State.path(), &VMIMGMO), image);
    let config = initial(VmNode::CurrentConfig.path(), &VIRMO);
    let config = ResourceConfig::parse(&config, &Limits::default()).unwrap();
    assert_eq!((config.ram.get(), config.storage.get()), (0, 0));
    assert_eq!((config.cpu.get(), config.network.get()), (0, 0));
}

#[test]
fn every_row_has_one_typed_path() {
    for profile in Profile::ALL {
        let of_vms = VmNode::ALL.iter().filter_map(|node| profile.path(*node));
        let of_device = VirmoNode::ALL.iter().map(|node| node.path());
        let of_device = of_device.filter(|path| profile.virmo().node(path).is_some());
        let of_images = ImageNode::ALL.iter().map(|node| node.path());
        let mut typed: Vec<String> = of_device
            .chain(of_vms)
            .map(|path| format!("VirMO/{path}"))
            .chain(of_images.map(|path| format!("VMImgMO/{path}")))
            .map(|path| path.trim_end_matches('/').to_owned())
            .collect();
        typed.push("VMImgMO".to_owned());
        typed.sort();
        let mut table: Vec<String> = rows_of(profile).map(|(path, ..)| path).collect();
        table.sort();
        assert_eq!(typed, table, "{profile}");
    }
}

#[test]
fn optional_nodes_are_the_seven_of_the_specification() {
    let optional: Vec<String> = rows()
        .filter(|(_, _, row)| row.status == Support::Optional)
        .map(|(path, ..)| path)
        .collect();
    assert_eq!(
        optional,
        [
            "VirMO/<x>/DMTree",
            "VirMO/<x>/Operations/Suspend",
            "VirMO/<x>/Operations/Resume",
            "VirMO/<x>/Ext",
            "VirMO/<x>/UI",
            "VirMO/<x>/Operations/ExecUICmd",
            "VMImgMO/<x>/Ext",
        ]
    );
}

#[test]
fn the_documentation_has_a_line_for_every_row() {
    for table in [&VIRMO, &VIRMO_DRAFT, &VMIMGMO] {
        let text = omadm_mo::markdown(table);
        assert_eq!(text.lines().count(), table.nodes.len() + 2);
        for (line, row) in text.lines().skip(2).zip(&*table.nodes) {
            let path = [&*table.name, &*row.path].join("/");
            let start = format!(
                "| `{}` | {} |",
                path.trim_end_matches('/'),
                row.status.as_str()
            );
            assert!(line.starts_with(&start), "{line}");
            assert_eq!(line.contains(", No Replace |"), row.no_replace, "{line}");
            assert_eq!(line.matches('|').count(), 10, "{line}");
        }
    }
}
