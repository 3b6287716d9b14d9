//! Typed paths and addresses are the same thing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use omadm_tree::Uri;
use proptest::prelude::*;
use virmo_nodes::{ImageNode, ImagePath, Profile, VMIMGMO, VirmoNode, VirmoPath, VmNode, VmPath};
use virmo_state::{AccessOperation, Primitive};

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

#[test]
fn every_node_is_found_at_its_address() {
    for root in ["./VirMO", "./a/b/VirMO", "."] {
        let root = uri(root);
        for profile in Profile::ALL {
            for node in VirmoNode::ALL {
                let at = node.of(&root);
                let there = profile.virmo().node(node.path()).is_some();
                let path = VirmoPath::parse(profile, &root, &at);
                let path = path.filter(|path| matches!(path, VirmoPath::Device(_)));
                let expected = there.then_some(VirmoPath::Device(*node));
                assert_eq!(path, expected, "{at}");
            }
            let vm = root.child("my vm").unwrap();
            for node in VmNode::ALL {
                let Some(at) = profile.node(*node, &vm) else {
                    continue;
                };
                let path = VmPath {
                    vm: "my vm",
                    node: *node,
                    below: Uri::root(),
                };
                let found = VirmoPath::parse(profile, &root, &at);
                assert_eq!(found, Some(VirmoPath::Vm(path)), "{at}");
            }
        }
        for node in ImageNode::ALL {
            let at = node.of(&root.child("my image").unwrap());
            let (image, below) = ("my image", Uri::root());
            let path = ImagePath {
                image,
                node: *node,
                below,
            };
            assert_eq!(ImagePath::parse(&root, &at), Some(path), "{at}");
        }
    }
}

#[test]
fn what_lies_below_an_open_node_is_kept() {
    let root = uri("./VirMO");
    let at = uri("./VirMO/ent/DMTree/LAWMO/Operations/FullyLock");
    let Some(VirmoPath::Vm(path)) = VirmoPath::parse(Profile::Approved, &root, &at) else {
        panic!("{at}");
    };
    assert_eq!((path.vm, path.node), ("ent", VmNode::DmTree));
    assert_eq!(path.below, uri("./LAWMO/Operations/FullyLock"));

    let image = uri("./VirMO/ent/Ext/a");
    let path = ImagePath::parse(&root, &image).unwrap();
    assert_eq!((path.node, path.below), (ImageNode::Ext, uri("a")));
}

/// spec-diff 4.53: the fixed names beside the machines are no machine's.
#[test]
fn addresses_no_table_has_are_nothing() {
    let root = uri("./VirMO");
    for address in [
        ".",
        "./VirM",
        "./VirMOx",
        "./VMImgMO/ent",
        "./VirMO/Operations/ApplyConfig",
        "./VirMO/Operations/Create",
        "./VirMO/DeviceResources/x",
        "./VirMO/ent/vmid",
        "./VirMO/ent/State/x",
        "./VirMO/ent/Operations/Lock",
        "./VirMO/ent/Operations/Create/x",
        "./VirMO/ent/Resources/OldConfig",
        "./VirMO/ent/UI/Other",
    ] {
        assert_eq!(
            VirmoPath::parse(Profile::Approved, &root, &uri(address)),
            None,
            "{address}"
        );
    }
    assert_eq!(ImagePath::parse(&root, &root), None);
    for (name, reserved) in [
        ("Operations", true),
        ("DeviceResources", true),
        ("Operation", false),
        ("deviceresources", false),
        ("<x>", false),
        ("", false),
    ] {
        let approved = Profile::Approved;
        assert_eq!(approved.is_reserved_vm_name(name), reserved, "{name}");
        assert!(!Profile::Draft.is_reserved_vm_name(name), "{name}");
    }
}

#[test]
fn every_primitive_has_its_operation() {
    let operations = Primitive::ALL.map(|primitive| VmNode::operation(primitive).path());
    assert_eq!(
        operations,
        [
            "<x>/Operations/Create",
            "<x>/Operations/Create",
            "<x>/Operations/Suspend",
            "<x>/Operations/Resume",
            "<x>/Operations/PowerOn",
            "<x>/Operations/PowerOff",
            "<x>/Operations/Delete",
        ]
    );
    let operations = AccessOperation::ALL.map(|operation| VmNode::access(operation).path());
    assert_eq!(
        operations,
        [
            "<x>/Operations/Lock",
            "<x>/Operations/Unlock",
            "<x>/Ext/AllowSharing",
            "<x>/Ext/ProhibitSharing",
        ]
    );
}

/// Addresses made of the tables' own names, and others.
fn address() -> impl Strategy<Value = Uri> {
    let [approved, draft] = Profile::ALL.map(Profile::virmo);
    let names: Vec<String> = [approved, draft, &VMIMGMO]
        .into_iter()
        .flat_map(|table| table.nodes.iter().filter_map(|row| row.name()))
        .filter(|name| *name != "<x>")
        .map(ToOwned::to_owned)
        .collect();
    let name = prop_oneof![
        3 => prop::sample::select(names),
        1 => "[a-zA-Z0-9 %é._-]{1,8}".prop_filter("a name", |name| {
            Uri::root().child(name).is_ok()
        }),
    ];
    prop::collection::vec(name, 0..6).prop_map(|names| {
        let names = names.iter();
        names.fold(uri("./VirMO"), |uri, name| uri.child(name).unwrap())
    })
}

proptest! {
    /// What is parsed names the address it was parsed from, and is what the table says.
    #[test]
    fn a_path_leads_back_to_its_address(
        at in address(),
        profile in prop::sample::select(&Profile::ALL[..]),
    ) {
        let root = uri("./VirMO");
        let table = profile.virmo();
        let found = match VirmoPath::parse(profile, &root, &at) {
            Some(VirmoPath::Device(node)) => Some((node.of(&root), node.path())),
            Some(VirmoPath::Vm(VmPath { vm, node, below })) => {
                prop_assert!(!profile.is_reserved_vm_name(vm));
                let path = profile.path(node).unwrap();
                prop_assert!(below.is_root() || table.node(path).unwrap().open);
                let vm = root.child(vm).unwrap();
                Some((profile.node(node, &vm).unwrap().join(&below), path))
            }
            None => None,
        };
        let mut layout = omadm_mo::Layout::default();
        layout.mount(omadm_mo::Mount::new(root.clone(), table)).unwrap();
        let described = omadm_tree::Schema::rule(&layout, &at).is_some();
        prop_assert_eq!(found.is_some(), described);
        if let Some((back, path)) = found {
            prop_assert_eq!(back, at.clone());
            if let Some(row) = layout.row(&at) {
                prop_assert_eq!(&row.path, path);
            }
        }
    }
}
