//! What the tables let servers do in a tree.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;

use omadm_core::{Format, Now, StatusCode};
use omadm_mo::{Layout, Mount};
use omadm_tree::{
    AccessType, Acl, NewNode, Principal, Target, Transaction, Tree, TreeError, TreeLimits, Uri,
    Value,
};
use virmo_nodes::{Features, Profile, VIRMO, VMIMGMO, vmimgmo};

struct Device {
    tree: Tree,
    layout: Layout,
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn server() -> Principal {
    Principal::Server("dm.example".parse().unwrap())
}

impl Device {
    fn new(virmo: Mount) -> Self {
        let mut layout = Layout::default();
        layout.mount(virmo).unwrap();
        layout.mount(vmimgmo(uri("./VMImgMO"))).unwrap();
        let acl: Acl = "Add=*&Delete=*&Exec=*&Get=*&Replace=*".parse().unwrap();
        let mut tree = Tree::new(TreeLimits::default(), acl);
        let mut transaction = tree.begin(Now::default());
        for mount in layout.mounts() {
            transaction.add_interior(&layout, &mount.root).unwrap();
        }
        let journal = omadm_core::MemoryJournal::new();
        transaction.commit(&journal, Default::default()).unwrap();
        Self { tree, layout }
    }

    fn begin(&mut self) -> (Transaction<'_>, &Layout) {
        (self.tree.begin(Now::default()), &self.layout)
    }
}

fn permit(
    tree: &Transaction<'_>,
    layout: &Layout,
    access: AccessType,
    address: &str,
) -> Result<omadm_tree::Permit, TreeError> {
    tree.authorize(layout, &server(), access, &Target::node(uri(address)))
}

fn add(
    tree: &mut Transaction<'_>,
    layout: &Layout,
    address: &str,
    new: NewNode,
) -> Result<(), StatusCode> {
    permit(tree, layout, AccessType::Add, address)
        .and_then(|permit| tree.add(layout, permit, new).map(drop))
        .map_err(|error| error.status())
}

/// Every node below an address, with its value.
fn below(tree: &Transaction<'_>, address: &str) -> BTreeMap<String, String> {
    let top = uri(address);
    let mut found = BTreeMap::new();
    let mut pending = vec![tree.node(&top).unwrap()];
    while let Some(node) = pending.pop() {
        pending.extend(node.children());
        let below = node.uri().strip_prefix(&top).unwrap().to_string();
        found.insert(below, node.text().unwrap_or_default().to_owned());
    }
    found.remove(".");
    found
}

fn all() -> Mount {
    Mount::new(uri("./VirMO"), &VIRMO)
}

/// VR-267, VR-268: the required nodes of a machine appear with it, each once, and the optional ones
/// a device has by default.
#[test]
fn a_machine_appears_with_its_nodes() {
    let mut device = Device::new(Features::default().virmo(uri("./VirMO")));
    let (mut tree, layout) = device.begin();
    add(&mut tree, layout, "./VirMO/ent", NewNode::INTERIOR).unwrap();
    let expected = [
        ("./CreateParams", ""),
        ("./Description", ""),
        ("./Ext", ""),
        ("./Operations", ""),
        ("./Operations/Create", ""),
        ("./Operations/Delete", ""),
        ("./Operations/PowerOff", ""),
        ("./Operations/PowerOn", ""),
        ("./Operations/Resume", ""),
        ("./Operations/Suspend", ""),
        ("./Resources", ""),
        (
            "./Resources/CurrentConfig",
            "RAM=0&Storage=0&CPU=0&Network=0",
        ),
        ("./State", "0"),
        ("./VMID", ""),
    ];
    let expected = expected.map(|(path, value)| (path.to_owned(), value.to_owned()));
    assert_eq!(below(&tree, "./VirMO/ent"), BTreeMap::from(expected));
    let formats = [
        ("State", Format::Int),
        ("VMID", Format::Chr),
        ("Operations/Create", Format::Null),
    ];
    for (path, format) in formats {
        let node = tree.node(&uri(&format!("./VirMO/ent/{path}"))).unwrap();
        assert_eq!(node.format(), format, "{path}");
    }
}

/// DR-046 to DR-058: the same of the draft.
#[test]
fn a_machine_of_the_draft_appears_with_its_nodes() {
    let mut features = Features::default();
    features.profile = Profile::Draft;
    let mut device = Device::new(features.virmo(uri("./VirMO")));
    let (mut tree, layout) = device.begin();
    // No name beside the machines is taken.
    add(&mut tree, layout, "./VirMO/Operations", NewNode::INTERIOR).unwrap();
    let expected = [
        ("./Description", ""),
        ("./Ext", ""),
        ("./Ext/CurrentConfig", "RAM=0&Storage=0&CPU=0&Network=0"),
        ("./Ext/Locked", "false"),
        ("./Ext/Resume", ""),
        ("./Ext/Suspend", ""),
        ("./Ext/UserUnlock", "false"),
        ("./Operations", ""),
        ("./Operations/Create", ""),
        ("./Operations/CreateParams", ""),
        ("./Operations/Delete", ""),
        ("./Operations/Lock", ""),
        ("./Operations/PowerOff", ""),
        ("./Operations/PowerOn", ""),
        ("./Operations/Unlock", ""),
        ("./State", "0"),
        ("./VMID", ""),
    ];
    let expected = expected.map(|(path, value)| (path.to_owned(), value.to_owned()));
    assert_eq!(below(&tree, "./VirMO/Operations"), BTreeMap::from(expected));
}

/// VR-267: the required nodes of an image appear with it.
#[test]
fn an_image_appears_with_its_nodes() {
    let mut device = Device::new(all());
    let (mut tree, layout) = device.begin();
    add(&mut tree, layout, "./VMImgMO/img", NewNode::INTERIOR).unwrap();
    let expected = [
        ("./DownloadURI", ""),
        ("./Ext", ""),
        ("./ImgID", ""),
        ("./MediaType", ""),
        ("./Name", ""),
        ("./Operations", ""),
        ("./Operations/Delete", ""),
        ("./Operations/Download", ""),
        ("./State", "0"),
    ];
    let expected = expected.map(|(path, value)| (path.to_owned(), value.to_owned()));
    assert_eq!(below(&tree, "./VMImgMO/img"), BTreeMap::from(expected));
}

/// VR-087, VR-148, VR-266: the roots carry their identifiers; the fixed nodes are there at once.
#[test]
fn the_roots_are_there_with_their_identifiers() {
    let mut device = Device::new(all());
    let (tree, _) = device.begin();
    for (address, moid) in [("./VirMO", &*VIRMO.moid), ("./VMImgMO", &*VMIMGMO.moid)] {
        assert_eq!(tree.node(&uri(address)).unwrap().node_type(), moid);
    }
    for address in ["./VirMO/Operations/ApplyChanges", "./VirMO/DeviceResources"] {
        assert!(tree.node(&uri(address)).is_some(), "{address}");
    }
}

/// VR-269: an optional node that is supported brings its required nodes; one that is not is nobody's.
#[test]
fn optional_nodes_come_and_go_with_the_features() {
    for (suspend, user_interaction) in [(false, true), (true, false)] {
        let mut features = Features::default();
        features.suspend = suspend;
        features.user_interaction = user_interaction;
        let mut device = Device::new(features.virmo(uri("./VirMO")));
        let (mut tree, layout) = device.begin();
        add(&mut tree, layout, "./VirMO/ent", NewNode::INTERIOR).unwrap();
        let nodes = below(&tree, "./VirMO/ent");
        for (path, present) in [
            ("./Operations/Suspend", suspend),
            ("./Operations/Resume", suspend),
            ("./Operations/ExecUICmd", user_interaction),
            ("./UI", user_interaction),
            ("./UI/Command", user_interaction),
            ("./UI/Result", user_interaction),
            ("./DMTree", false),
        ] {
            assert_eq!(nodes.contains_key(path), present, "{path}");
        }
    }
}

/// spec-diff 4.41: DMTree is there once a server Added it, and anything below it.
#[test]
fn dm_tree_appears_when_a_server_adds_it() {
    for dm_tree in [false, true] {
        let mut features = Features::default();
        features.dm_tree = dm_tree;
        let mut device = Device::new(features.virmo(uri("./VirMO")));
        let (mut tree, layout) = device.begin();
        add(&mut tree, layout, "./VirMO/ent", NewNode::INTERIOR).unwrap();
        let expected = if dm_tree {
            Ok(())
        } else {
            Err(StatusCode::COMMAND_NOT_ALLOWED)
        };
        for address in ["./VirMO/ent/DMTree", "./VirMO/ent/DMTree/LAWMO/State"] {
            let added = add(&mut tree, layout, address, NewNode::INTERIOR);
            assert_eq!(added, expected, "{address}");
        }
    }
}

/// spec-diff 4.7: a server may set a leaf of its own that appeared with its parent by one Add; it
/// cannot Add what the device owns.
#[test]
fn a_leaf_that_was_never_set_takes_one_add() {
    let mut device = Device::new(all());
    let (mut tree, layout) = device.begin();
    add(&mut tree, layout, "./VirMO/ent", NewNode::INTERIOR).unwrap();
    add(&mut tree, layout, "./VMImgMO/img", NewNode::INTERIOR).unwrap();
    let leaf = |format| NewNode::Leaf(Value::new(format, None, "1").unwrap());
    for address in [
        "./VirMO/ent/Description",
        "./VirMO/ent/CreateParams",
        "./VirMO/ent/Resources/NewConfig",
        "./VMImgMO/img/Name",
        "./VMImgMO/img/Description",
        "./VMImgMO/img/DownloadURI",
        "./VMImgMO/img/MediaType",
    ] {
        let added = add(&mut tree, layout, address, leaf(Format::Chr));
        assert_eq!(added, Ok(()), "{address}");
        let added = add(&mut tree, layout, address, leaf(Format::Chr));
        assert_eq!(added, Err(StatusCode::ALREADY_EXISTS), "{address}");
    }
    for (address, format) in [
        ("./VirMO/ent/VMID", Format::Chr),
        ("./VirMO/ent/State", Format::Int),
        ("./VirMO/ent/Resources/CurrentConfig", Format::Chr),
        ("./VirMO/ent/UI/Result", Format::Xml),
        ("./VMImgMO/img/ImgID", Format::Chr),
        ("./VMImgMO/img/State", Format::Int),
        ("./VMImgMO/img/DownloadedLocation", Format::Chr),
        ("./VirMO/ent/Nothing", Format::Chr),
    ] {
        let added = add(&mut tree, layout, address, leaf(format));
        assert_eq!(added, Err(StatusCode::COMMAND_NOT_ALLOWED), "{address}");
    }
}

/// spec-diff 4.53: no machine takes the name of a fixed node.
#[test]
fn no_machine_takes_a_reserved_name() {
    let mut device = Device::new(all());
    let (mut tree, layout) = device.begin();
    for name in ["Operations", "DeviceResources"] {
        let added = add(
            &mut tree,
            layout,
            &format!("./VirMO/{name}"),
            NewNode::INTERIOR,
        );
        assert_eq!(added, Err(StatusCode::COMMAND_NOT_ALLOWED), "{name}");
    }
}

/// VR-090, VR-094, VR-151, VR-161 and each node table: what a server may do with every node that
/// exists is what the table allows, no more and no less.
#[test]
fn every_node_allows_what_its_row_says() {
    let mut device = Device::new(all());
    let (mut tree, layout) = device.begin();
    let chr = || NewNode::Leaf(Value::chr("1"));
    add(&mut tree, layout, "./VirMO/ent", NewNode::INTERIOR).unwrap();
    add(&mut tree, layout, "./VirMO/ent/DMTree", NewNode::INTERIOR).unwrap();
    add(&mut tree, layout, "./VirMO/ent/Resources/NewConfig", chr()).unwrap();
    add(&mut tree, layout, "./VMImgMO/ent", NewNode::INTERIOR).unwrap();
    add(&mut tree, layout, "./VMImgMO/ent/Description", chr()).unwrap();
    let location = uri("./VMImgMO/ent/DownloadedLocation");
    tree.set(layout, &location, Value::chr("/images/1"))
        .unwrap();

    let mut nodes = 0;
    for table in [&VIRMO, &VMIMGMO] {
        for row in table.nodes.iter() {
            let path = row.path.replace("<x>", "ent");
            let address = [&*table.name, &path].join("/");
            let address = address.trim_end_matches('/');
            assert!(tree.node(&uri(address)).is_some(), "{address}");
            nodes += 1;
            for access in [
                AccessType::Delete,
                AccessType::Exec,
                AccessType::Get,
                AccessType::Replace,
            ] {
                let status = permit(&tree, layout, access, address).map_err(|error| error.status());
                let allowed = row.access.contains(access);
                let expected = if allowed {
                    None
                } else {
                    Some(StatusCode::COMMAND_NOT_ALLOWED)
                };
                assert_eq!(status.err(), expected, "{access} {address}");
            }
        }
    }
    assert_eq!(nodes, 38);
}

/// spec-diff 4.2: the name ApplyConfig is a slip; there is no such node.
#[test]
fn there_is_no_apply_config() {
    let mut device = Device::new(all());
    let (tree, layout) = device.begin();
    let error = permit(
        &tree,
        layout,
        AccessType::Exec,
        "./VirMO/Operations/ApplyConfig",
    );
    assert_eq!(error.unwrap_err().status(), StatusCode::NOT_FOUND);
}

/// A value of another format answers 415.
#[test]
fn values_keep_their_format() {
    let mut device = Device::new(all());
    let (mut tree, layout) = device.begin();
    add(&mut tree, layout, "./VirMO/ent", NewNode::INTERIOR).unwrap();
    let at = "./VirMO/ent/CreateParams";
    let added = add(&mut tree, layout, at, NewNode::Leaf(Value::int(1)));
    assert_eq!(added, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT));
    let added = add(&mut tree, layout, at, NewNode::INTERIOR);
    assert!(added.is_err());
}
