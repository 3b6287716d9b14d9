//! DevInfo, DevDetail and DMAcc as tables, and as objects of a device.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::collections::BTreeSet;

use omadm_core::{MemoryJournal, Now, Secret, ServerId};
use omadm_mo::{
    Account, AccountErrorKind, Address, AddressType, AuthLevel, AuthType, Credential, DEV_DETAIL,
    DEV_INFO, DM_ACC, Definition, DevDetail, DevInfo, Effects, Registry, ddf,
};
use omadm_testkit::ddf::validate;
use omadm_tree::{
    AccessType, Acl, Principal, Reading, Refusal, Target, Tree, TreeErrorKind, TreeLimits, Uri,
    UriLimits, Value,
};

const TABLES: [&Definition; 3] = [&DEV_INFO, &DEV_DETAIL, &DM_ACC];

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn server() -> ServerId {
    "dm.example".parse().unwrap()
}

fn account() -> Account {
    let mut account = Account::new(server(), "http://dm.example/dm");
    account.name = "Example".to_owned();
    account.addresses[0].ports = vec![8080, 81];
    account.preferred_connection = "./NAP/1".to_owned();
    account.connections = vec!["./NAP/2".to_owned(), "./NAP/3".to_owned()];
    account.preferred = Some(AuthType::Digest);
    account.credentials = vec![
        Credential::new(AuthLevel::Client, AuthType::Digest, "device", "pa55"),
        Credential::new(AuthLevel::Server, AuthType::Digest, "server", "s3cret"),
    ];
    account
}

fn dev_detail() -> DevDetail {
    DevDetail {
        dev_typ: "gateway".to_owned(),
        oem: "Example".to_owned(),
        fwv: "1".to_owned(),
        swv: "2".to_owned(),
        hwv: "3".to_owned(),
        lrg_obj: true,
        uri: UriLimits::default(),
    }
}

fn registry(account: &Account) -> Registry {
    let dev_info = DevInfo {
        dev_id: "urn:example:dev1".to_owned(),
        man: "Example".to_owned(),
        model: "One".to_owned(),
        dmv: "1.2".to_owned(),
        lang: "en".to_owned(),
    };
    let mut registry = Registry::new();
    registry.mount(Box::new(dev_info.object())).unwrap();
    registry.mount(Box::new(dev_detail().object())).unwrap();
    registry
        .mount(Box::new(account.object(uri("./DMAcc/dm.example"))))
        .unwrap();
    registry
}

/// Starts the device and returns how many changes the start made.
fn start(registry: &mut Registry, tree: &mut Tree) -> usize {
    let mut transaction = tree.begin(Now::default());
    let mut effects = Effects::new(1);
    registry
        .start(&mut transaction, &mut effects, Now::default())
        .unwrap();
    let changes = transaction.changes().len();
    transaction
        .commit(&MemoryJournal::new(), effects.batch)
        .unwrap();
    registry.committed();
    changes
}

fn text<'t>(tree: &'t Tree, address: &str) -> &'t str {
    let node = tree.node(&uri(address));
    node.unwrap_or_else(|| panic!("{address}")).text().unwrap()
}

#[test]
fn the_tables_are_well_formed_and_their_descriptions_valid() {
    for table in TABLES {
        assert_eq!(table.check(), Ok(()), "{}", table.name);
        let document = ddf::write(table).unwrap();
        assert_eq!(validate(&document), Ok(()), "{document}");
        let nodes = document.matches("<Node>").count();
        assert_eq!(nodes, table.nodes.len());
    }
    assert_eq!(TABLES.map(|table| table.nodes.len()), [8, 13, 24]);
}

/// A node named at run time has an empty name, the object's own root too.
#[test]
fn descriptions_name_what_has_a_name() {
    let document = ddf::write(&DM_ACC).unwrap();
    assert!(document.contains("<MgmtTree>\n  <VerDTD>1.2</VerDTD>\n  <Node>\n    <NodeName/>"));
    assert!(document.contains("<DDFName>urn:oma:mo:oma-dm-dmacc:1.0</DDFName>"));
    assert!(document.contains("<DefaultValue>w7</DefaultValue>"));
    assert_eq!(document.matches("<NodeName/>").count(), 5);
}

#[test]
fn a_device_starts_with_what_it_knows_of_itself() {
    let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
    let mut registry = registry(&account());
    assert!(start(&mut registry, &mut tree) > 0);
    for (address, value) in [
        ("./DevInfo/DevId", "urn:example:dev1"),
        ("./DevInfo/Man", "Example"),
        ("./DevInfo/Mod", "One"),
        ("./DevInfo/DmV", "1.2"),
        ("./DevInfo/Lang", "en"),
        ("./DevDetail/URI/MaxDepth", "32"),
        ("./DevDetail/URI/MaxTotLen", "1024"),
        ("./DevDetail/URI/MaxSegLen", "255"),
        ("./DevDetail/DevTyp", "gateway"),
        ("./DevDetail/OEM", "Example"),
        ("./DevDetail/FwV", "1"),
        ("./DevDetail/SwV", "2"),
        ("./DevDetail/HwV", "3"),
        ("./DevDetail/LrgObj", "true"),
        ("./DMAcc/dm.example/AppID", "w7"),
        ("./DMAcc/dm.example/ServerID", "dm.example"),
    ] {
        assert_eq!(text(&tree, address), value, "{address}");
    }
    let node_type = |address: &str| tree.node(&uri(address)).unwrap().node_type().to_owned();
    assert_eq!(node_type("./DevInfo"), DEV_INFO.moid);
    assert_eq!(node_type("./DMAcc"), "");
    assert_eq!(node_type("./DMAcc/dm.example"), DM_ACC.moid);
    assert!(tree.node(&uri("./DevInfo/Ext")).is_none());

    assert_eq!(start(&mut registry, &mut tree), 0);
}

#[test]
fn an_account_is_read_as_it_was_written() {
    let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
    let root = uri("./DMAcc/dm.example");
    let error = Account::read(&tree, &root).unwrap_err();
    assert_eq!(error.kind, AccountErrorKind::Missing);
    start(&mut registry(&account()), &mut tree);
    assert_eq!(Account::read(&tree, &root), Ok(account()));
}

#[test]
fn what_a_server_changed_in_its_account_outlives_a_start_but_not_a_write() {
    let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
    let root = uri("./DMAcc/dm.example");
    let mut registry = registry(&account());
    start(&mut registry, &mut tree);

    let secret = root.join(&uri("AppAuth/1/AAuthSecret"));
    let nonce = root.join(&uri("AppAuth/1/AAuthData"));
    let journal = MemoryJournal::new();
    let mut transaction = tree.begin(Now::default());
    for (at, value) in [
        (&secret, Value::chr("new")),
        (&nonce, Value::bin(b"\x00\xff")),
    ] {
        transaction.set(registry.layout(), at, value).unwrap();
    }
    transaction.commit(&journal, Default::default()).unwrap();
    start(&mut registry, &mut tree);
    let changed = Account::read(&tree, &root).unwrap();
    assert_eq!(changed.credentials[0].secret, Secret::from("new"));

    let mut moved = account();
    moved.addresses = vec![
        Address::new("10.0.0.1", AddressType::Ipv4),
        Address::new("http://b.example/", AddressType::Uri),
    ];
    moved.name = String::new();
    moved.preferred_connection = String::new();
    moved.connections.pop();
    moved.credentials.truncate(1);
    let mut transaction = tree.begin(Now::default());
    moved
        .write(&mut transaction, registry.layout(), &root)
        .unwrap();
    transaction.commit(&journal, Default::default()).unwrap();
    let mut expected = moved.clone();
    expected.credentials[0].data = Secret::from(vec![0x00, 0xff]);
    assert_eq!(Account::read(&tree, &root), Ok(expected));

    let mut transaction = tree.begin(Now::default());
    moved
        .write(&mut transaction, registry.layout(), &root)
        .unwrap();
    assert_eq!(transaction.changes(), []);
}

#[test]
fn a_faulty_account_is_told_by_its_node() {
    let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
    let root = uri("./DMAcc/dm.example");
    let mut registry = registry(&account());
    start(&mut registry, &mut tree);
    for (path, value, kind) in [
        ("ServerID", Value::chr("a b"), AccountErrorKind::Invalid),
        (
            "AppAddr/1/AddrType",
            Value::chr("NAPID"),
            AccountErrorKind::Invalid,
        ),
        (
            "AppAddr/1/Port/2/PortNbr",
            Value::chr("65536"),
            AccountErrorKind::Invalid,
        ),
        ("AAuthPref", Value::chr("basic"), AccountErrorKind::Invalid),
        (
            "AppAuth/2/AAuthLevel",
            Value::chr(""),
            AccountErrorKind::Missing,
        ),
        ("AppAddr/1/Addr", Value::chr(""), AccountErrorKind::Missing),
    ] {
        let mut transaction = tree.begin(Now::default());
        let at = root.join(&uri(path));
        transaction.set(registry.layout(), &at, value).unwrap();
        let error = Account::read(transaction.tree(), &root).unwrap_err();
        assert_eq!((error.uri, error.kind), (at, kind));
    }
}

/// The passwords and the data of an account cannot be read, one by one or in a list.
#[test]
fn secrets_have_no_get() {
    let mut tree = Tree::new(
        TreeLimits::default(),
        "Add=*&Get=*&Replace=*".parse().unwrap(),
    );
    let mut registry = registry(&account());
    start(&mut registry, &mut tree);
    let by = Principal::Server(server());
    let transaction = tree.begin(Now::default());
    let access = |access, path: &str| {
        let target = Target::parse(&format!("./DMAcc/dm.example/{path}")).unwrap();
        transaction.authorize(registry.layout(), &by, access, &target)
    };
    let secret = "AppAuth/1/AAuthSecret";
    let error = access(AccessType::Get, secret).unwrap_err();
    assert_eq!(
        error.kind(),
        &TreeErrorKind::NotAllowed(Refusal::AccessType)
    );
    assert!(access(AccessType::Replace, secret).is_ok());
    assert!(access(AccessType::Get, "AppAuth/1/AAuthName").is_ok());
    assert!(access(AccessType::Replace, "ServerID").is_err());

    let list = Target::parse("./DMAcc?list=StructData").unwrap();
    let permit = transaction.authorize(registry.layout(), &by, AccessType::Get, &list);
    let reading = transaction
        .get(registry.layout(), &permit.unwrap())
        .unwrap();
    let Reading::List(entries) = reading else {
        panic!("a list");
    };
    let names: BTreeSet<String> = entries
        .iter()
        .filter_map(|entry| entry.uri.name().map(ToOwned::to_owned))
        .collect();
    assert!(names.contains("AAuthName") && !names.contains("AAuthSecret"));
}

/// DevInfo is the device's own.
#[test]
fn servers_only_read_dev_info() {
    let mut tree = Tree::new(
        TreeLimits::default(),
        "Add=*&Get=*&Replace=*".parse().unwrap(),
    );
    let mut registry = registry(&account());
    start(&mut registry, &mut tree);
    let by = Principal::Server(server());
    let transaction = tree.begin(Now::default());
    for row in DEV_INFO.nodes.iter().chain(&*DEV_DETAIL.nodes) {
        assert_eq!(row.access.iter().collect::<Vec<_>>(), [AccessType::Get]);
    }
    let target = Target::parse("./DevInfo/Lang").unwrap();
    for (access, allowed) in [(AccessType::Get, true), (AccessType::Replace, false)] {
        let permit = transaction.authorize(registry.layout(), &by, access, &target);
        assert_eq!(permit.is_ok(), allowed, "{access}");
    }
}

/// Accounts are found by their Type, wherever they are.
#[test]
fn accounts_are_found_by_their_type() {
    let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
    let mut other = Account::new("other.example".parse().unwrap(), "http://other.example/");
    other.preferred = Some(AuthType::Basic);
    other.credentials = vec![
        Credential::new(AuthLevel::Server, AuthType::Basic, "s", "1"),
        Credential::new(AuthLevel::Client, AuthType::Digest, "c", "2"),
        Credential::new(AuthLevel::Client, AuthType::Basic, "c", "3"),
    ];
    let mut registry = Registry::new();
    let first = account();
    let accounts = Account::objects([("a", &first), ("b", &other)]).unwrap();
    registry.mount(Box::new(accounts)).unwrap();
    let elsewhere = account().object(uri("./Vendor/Accounts/c"));
    registry.mount(Box::new(elsewhere)).unwrap();
    start(&mut registry, &mut tree);

    let roots: Vec<String> = Account::roots(&tree, registry.layout())
        .iter()
        .map(Uri::to_string)
        .collect();
    assert_eq!(roots, ["./DMAcc/a", "./DMAcc/b", "./Vendor/Accounts/c"]);
    let find = |id: &str| Account::find(&tree, registry.layout(), &id.parse().unwrap()).unwrap();
    assert_eq!(
        find("other.example"),
        Some((uri("./DMAcc/b"), other.clone()))
    );
    assert_eq!(find("dm.example"), Some((uri("./DMAcc/a"), account())));
    assert_eq!(find("third.example"), None);

    // AAuthPref says which of several.
    let secret = |level| other.credential(level).map(|one| one.secret.clone());
    assert_eq!(secret(AuthLevel::Client), Some(Secret::from("3")));
    assert_eq!(secret(AuthLevel::Server), Some(Secret::from("1")));
    assert_eq!(secret(AuthLevel::Http), None);
}

/// Two servers on one device: neither reads the other's account, nor adds an address or credentials
/// to it, though every server may add and read elsewhere.
#[test]
fn an_account_is_that_of_its_server() {
    let other = Account::new("other.example".parse().unwrap(), "http://other.example/");
    let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
    let mut registry = Registry::new();
    let accounts = Account::objects([("a", &account()), ("b", &other)]).unwrap();
    registry.mount(Box::new(accounts)).unwrap();
    let elsewhere = account().object(uri("./Vendor/a"));
    registry.mount(Box::new(elsewhere)).unwrap();
    start(&mut registry, &mut tree);
    let transaction = tree.begin(Now::default());
    let (own, foreign) = (server(), "other.example".parse().unwrap());
    for root in ["./DMAcc/a", "./Vendor/a"] {
        for (server, allowed) in [(&own, true), (&foreign, false)] {
            let by = Principal::Server(server.clone());
            for (access, path) in [
                (AccessType::Get, ""),
                (AccessType::Get, "/AppAddr/1/Addr"),
                (AccessType::Get, "/AppAuth/1/AAuthName"),
                (AccessType::Get, "/AppAuth/1/AAuthSecret?prop=Size"),
                (AccessType::Get, "?list=StructData"),
                (AccessType::Add, "/AppAddr/0"),
                (AccessType::Add, "/AppAuth/0"),
                (AccessType::Add, "/AppAuth/0/AAuthSecret"),
                (AccessType::Replace, "/AppAddr/1/Addr"),
                (AccessType::Replace, "?prop=ACL"),
                (AccessType::Delete, "/AppAuth/1"),
            ] {
                let target: Target = format!("{root}{path}").parse().unwrap();
                let permit = transaction.authorize(registry.layout(), &by, access, &target);
                let status = permit.map(drop).map_err(|error| error.status().get());
                let expected = if allowed { Ok(()) } else { Err(425) };
                assert_eq!(status, expected, "{server} {access} {target}");
            }
        }
    }
    drop(transaction);

    // What became of the list since is not for a start to say.
    let mut transaction = tree.begin(Now::default());
    transaction
        .set_acl(&uri("./DMAcc/a"), Acl::root_default())
        .unwrap();
    transaction
        .commit(&MemoryJournal::new(), Default::default())
        .unwrap();
    start(&mut registry, &mut tree);
    assert_eq!(
        *tree.node(&uri("./DMAcc/a")).unwrap().acl(),
        Acl::root_default()
    );
}

/// Below a mount of instances, servers manage what their table says, and create no objects.
#[test]
fn instances_are_described_like_single_objects() {
    let mut tree = Tree::new(
        TreeLimits::default(),
        "Add=*&Get=*&Replace=*&Delete=*".parse().unwrap(),
    );
    let mut registry = Registry::new();
    let accounts = Account::objects([("a", &account())]).unwrap();
    registry.mount(Box::new(accounts)).unwrap();
    start(&mut registry, &mut tree);
    let by = Principal::Server(server());
    let transaction = tree.begin(Now::default());
    for (access, path, allowed) in [
        (AccessType::Get, "./DMAcc", true),
        (AccessType::Get, "./DMAcc/a", true),
        (AccessType::Replace, "./DMAcc/a/Name", true),
        (AccessType::Add, "./DMAcc/a/Ext/v", true),
        (AccessType::Add, "./DMAcc/b", false),
        (AccessType::Delete, "./DMAcc", false),
        (AccessType::Delete, "./DMAcc/a", false),
        (AccessType::Get, "./DMAcc/a/AppAuth/1/AAuthSecret", false),
    ] {
        let target = Target::node(uri(path));
        let permit = transaction.authorize(registry.layout(), &by, access, &target);
        assert_eq!(permit.is_ok(), allowed, "{access} {path}: {permit:?}");
    }
}
