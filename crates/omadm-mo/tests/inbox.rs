//! The Inbox: servers add objects to it, the device puts them where they belong.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::borrow::Cow;

use omadm_core::{Format, MemoryJournal, Now, ServerId, StatusCode};
use omadm_mo::{
    Account, Address, AddressType, Definition, Effects, INBOX, Inbox, Mount, NodeDefinition as N,
    Plain, Refusal, Registry, ddf,
};
use omadm_testkit::ddf::validate;
use omadm_tree::{
    AccessType, NewNode, Occurrence, Principal, Target, Transaction, Tree, TreeLimits, Uri, Value,
};

static NAP: Definition = Definition {
    name: Cow::Borrowed("NAP"),
    moid: Cow::Borrowed("urn:example:mo:nap:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "An access point.", "Example").occurs(Occurrence::ZeroOrMore),
        N::leaf("Name", Format::Chr, "Its name.", "Example"),
        N::leaf("Note", Format::Chr, "About it.", "Example")
            .optional()
            .occurs(Occurrence::ZeroOrOne),
    ]),
};

const NODE: Option<&str> = Some("");
const ACCOUNT: Option<&str> = Some("urn:oma:mo:oma-dm-dmacc:1.0");
const POINT: Option<&str> = Some("urn:example:mo:nap:1.0");

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

fn server() -> ServerId {
    "dm.example".parse().unwrap()
}

fn device() -> (Registry, Tree) {
    let mut registry = Registry::new();
    let accounts = Account::objects([]).unwrap();
    registry.mount(Box::new(accounts)).unwrap();
    let points = Plain::new(Mount::instances(uri("./NAP"), &NAP));
    registry.mount(Box::new(points)).unwrap();
    registry.mount(Box::new(Inbox)).unwrap();
    let mut tree = Tree::new(TreeLimits::default(), "Add=*&Get=*".parse().unwrap());
    let mut transaction = tree.begin(Now::default());
    let mut effects = Effects::new(1);
    registry
        .start(&mut transaction, &mut effects, Now::default())
        .unwrap();
    transaction
        .commit(&MemoryJournal::new(), effects.batch)
        .unwrap();
    registry.committed();
    (registry, tree)
}

/// What is added at an address: an interior node with its Type, or a leaf.
type Addition<'a> = (&'a str, Option<&'a str>, &'a str);

/// Adds in one command, as a server, and lets the objects see it.
fn add(
    registry: &mut Registry,
    tree: &mut Tree,
    additions: &[Addition<'_>],
) -> Result<(), StatusCode> {
    let by = Principal::Server(server());
    let mut transaction = tree.begin(Now::default());
    let mut effects = Effects::new(1);
    let mut run = |transaction: &mut Transaction<'_>| {
        for (path, node_type, value) in additions {
            let target = Target::node(uri(path));
            let new = match node_type {
                Some(node_type) => NewNode::Interior {
                    node_type: Some(node_type)
                        .filter(|it| !it.is_empty())
                        .map(ToString::to_string),
                },
                None => NewNode::Leaf(Value::chr(value)),
            };
            let layout = registry.layout();
            transaction
                .authorize(layout, &by, AccessType::Add, &target)
                .and_then(|permit| transaction.add(layout, permit, new))
                .map_err(|error| error.status())?;
        }
        let status = |Refusal(status)| status;
        registry
            .stage(&by, transaction, &mut effects, Now::default())
            .map_err(status)?;
        registry
            .validate(transaction, &mut effects, Now::default())
            .map_err(status)
    };
    let result = run(&mut transaction);
    match result {
        Ok(()) => {
            transaction
                .commit(&MemoryJournal::new(), effects.batch)
                .unwrap();
            registry.committed();
        }
        Err(_) => registry.rolled_back(),
    }
    result
}

const NEW_ACCOUNT: [Addition<'_>; 5] = [
    ("./Inbox/new", ACCOUNT, ""),
    ("./Inbox/new/ServerID", None, "second.example"),
    ("./Inbox/new/AppAddr", NODE, ""),
    ("./Inbox/new/AppAddr/1", NODE, ""),
    ("./Inbox/new/AppAddr/1/Addr", None, "http://second.example/"),
];

#[test]
fn the_table_is_well_formed_and_its_description_valid() {
    assert_eq!(INBOX.check(), Ok(()));
    assert_eq!(validate(&ddf::write(&INBOX).unwrap()), Ok(()));
}

/// Nothing but Add works in the Inbox.
#[test]
fn nobody_looks_into_the_inbox() {
    let (registry, mut tree) = device();
    let mut transaction = tree.begin(Now::default());
    let below = uri("./Inbox/x/y");
    transaction
        .set(registry.layout(), &below, Value::chr("1"))
        .unwrap();
    transaction
        .set_acl(
            &uri("./Inbox"),
            "Add=*&Get=*&Replace=*&Delete=*&Exec=*".parse().unwrap(),
        )
        .unwrap();
    let by = Principal::Server(server());
    for path in ["./Inbox", "./Inbox/x", "./Inbox/x/y"] {
        for access in AccessType::ALL {
            let target = Target::node(uri(path));
            let permit = transaction.authorize(registry.layout(), &by, access, &target);
            let status = permit.map_err(|error| error.status());
            if access == AccessType::Add && path != "./Inbox" {
                assert!(status.is_ok(), "{access} {path}");
            } else if access != AccessType::Add {
                assert_eq!(
                    status.unwrap_err(),
                    StatusCode::COMMAND_NOT_ALLOWED,
                    "{access} {path}"
                );
            }
        }
    }
}

#[test]
fn an_account_moves_to_its_place() {
    let (mut registry, mut tree) = device();
    add(&mut registry, &mut tree, &NEW_ACCOUNT).unwrap();
    assert_eq!(tree.node(&uri("./Inbox")).unwrap().children().count(), 0);
    let mut account = Account::new("second.example".parse().unwrap(), "");
    account.addresses = vec![Address::new("http://second.example/", AddressType::Uri)];
    assert_eq!(Account::read(&tree, &uri("./DMAcc/new")), Ok(account));
    // What its definition requires is there too, and the server that brought it keeps its rights.
    assert_eq!(
        tree.node(&uri("./DMAcc/new/AppID")).unwrap().text(),
        Some("w7")
    );
    let acl = tree.node(&uri("./DMAcc/new")).unwrap().acl().clone();
    assert!(acl.allows(&server(), AccessType::Replace));

    // An account of a server there is an account with is refused, and so is its name reused.
    let again = add(&mut registry, &mut tree, &NEW_ACCOUNT);
    assert_eq!(again, Err(StatusCode::ALREADY_EXISTS));
    let mut third = NEW_ACCOUNT;
    third[1].2 = "third.example";
    add(&mut registry, &mut tree, &third).unwrap();
    assert!(Account::read(&tree, &uri("./DMAcc/new-2")).is_ok());
}

/// Node by node, an object waits until all of it is there.
#[test]
fn an_object_waits_for_its_nodes() {
    let (mut registry, mut tree) = device();
    for (count, addition) in NEW_ACCOUNT.iter().enumerate() {
        assert!(tree.node(&uri("./DMAcc/new")).is_none(), "{count}");
        add(&mut registry, &mut tree, &[*addition]).unwrap();
    }
    assert!(Account::read(&tree, &uri("./DMAcc/new")).is_ok());
}

/// Objects that come together refer to each other where they end up.
#[test]
fn references_follow_their_objects() {
    let (mut registry, mut tree) = device();
    add(
        &mut registry,
        &mut tree,
        &[
            ("./Inbox/home", POINT, ""),
            ("./Inbox/home/Name", None, "old"),
        ],
    )
    .unwrap();
    let mut additions = NEW_ACCOUNT.to_vec();
    additions.extend([
        ("./Inbox/new/PrefConRef", None, "./Inbox/home"),
        ("./Inbox/home", POINT, ""),
        ("./Inbox/home/Name", None, "home"),
        ("./Inbox/home/Note", None, "./Inbox/other"),
    ]);
    add(&mut registry, &mut tree, &additions).unwrap();
    let text = |path: &str| tree.node(&uri(path)).unwrap().text().unwrap().to_owned();
    assert_eq!(text("./NAP/home/Name"), "old");
    assert_eq!(text("./NAP/home-2/Name"), "home");
    assert_eq!(text("./NAP/home-2/Note"), "./Inbox/other");
    assert_eq!(text("./DMAcc/new/PrefConRef"), "./NAP/home-2");
}

#[test]
fn what_is_at_home_nowhere_is_refused() {
    let (mut registry, mut tree) = device();
    let nodes = tree.node_count();
    for additions in [
        &[("./Inbox/x", NODE, "")][..],
        &[("./Inbox/x", Some("urn:example:mo:odd:1.0"), "")],
        &[("./Inbox/x", None, "leaf")],
        &[("./Inbox/x/ServerID", None, "second.example")],
    ] {
        let refused = add(&mut registry, &mut tree, additions);
        assert_eq!(
            refused,
            Err(StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT),
            "{additions:?}"
        );
        assert_eq!(tree.node_count(), nodes);
    }
}
