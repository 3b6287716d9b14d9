//! What the description makes of a tree: required children, implicit ancestors, changes, lists.

use std::collections::BTreeSet;

use omadm_core::{Batch, Format, MemoryJournal};
use omadm_tree::{
    AccessSet, AccessType, Change, ChangeKind, FormatSet, Initial, NewNode, Principal, Property,
    Reading, Required, Rule, Schema, Tree, TreeLimits, Uri, UriLimits, Value,
};

use crate::garden::{EXT_TYPE, Garden, M_TYPE, at, garden, run, server, target, uri};

fn add(
    garden: &mut (MemoryJournal, Tree),
    by: &Principal,
    text: &str,
    new: NewNode,
) -> Result<Vec<Change>, (u16, Option<Uri>)> {
    let mut transaction = garden.1.begin(at(2));
    transaction
        .authorize(&Garden, by, AccessType::Add, &target(text))
        .and_then(|permit| transaction.add(&Garden, permit, new))
        .map_err(|error| (error.status().get(), error.failed_ancestor().cloned()))?;
    let changes = transaction.changes().to_vec();
    transaction.commit(&garden.0, Batch::new()).unwrap();
    Ok(changes)
}

fn added(texts: &[&str]) -> Vec<Change> {
    texts
        .iter()
        .map(|text| Change {
            uri: uri(text),
            kind: ChangeKind::Added,
        })
        .collect()
}

/// VR-187, VR-188: an Add of the instance alone creates what it never goes without.
#[test]
fn required_children_come_with_their_parent() {
    let mut garden = garden(TreeLimits::default());
    let changes = add(&mut garden, &server("A"), "./M/b", NewNode::INTERIOR);
    assert_eq!(
        changes,
        Ok(added(&[
            "./M/b",
            "./M/b/State",
            "./M/b/Name",
            "./M/b/Note",
            "./M/b/Op",
            "./M/b/Op/Run"
        ]))
    );
    let node = garden.1.node(&uri("./M/b")).unwrap();
    let children: Vec<_> = node.children().map(|child| child.name()).collect();
    assert_eq!(children, ["Name", "Note", "Op", "State"]);
    assert!(node.child("Name").unwrap().is_unset());
    assert_eq!(node.child("Name").unwrap().ver_no(), 0);
}

/// Below a node that is missing, too, only what it never goes without may be permanent.
#[test]
fn a_missing_parent_brings_what_it_never_goes_without_and_nothing_else() {
    struct Cupboard;

    impl Schema for Cupboard {
        fn rule(&self, uri: &Uri) -> Option<Rule<'_>> {
            let leaf = Rule::leaf(AccessSet::ALL, FormatSet::of(&[Format::Chr]));
            Some(match uri.segments().count() {
                1 => Rule::interior(AccessSet::ALL),
                _ => leaf.permanent(),
            })
        }

        fn required(&self, uri: &Uri) -> Vec<Required> {
            match uri.segments().count() {
                1 => vec![Required::new("Label", Initial::Leaf(Value::chr("")))],
                _ => Vec::new(),
            }
        }
    }

    for (text, expected) in [("./C/Label", Ok(())), ("./C/Shelf", Err(405))] {
        let journal = MemoryJournal::new();
        let acl = "Add=*".parse().unwrap();
        let mut tree = Tree::load(&journal, TreeLimits::default(), acl).unwrap();
        let mut transaction = tree.begin(at(1));
        let added = transaction
            .authorize(&Cupboard, &server("A"), AccessType::Add, &target(text))
            .and_then(|permit| {
                transaction.add(&Cupboard, permit, NewNode::Leaf(Value::chr("glasses")))
            })
            .map_err(|error| error.status().get());
        assert_eq!(added, expected, "{text}");
        let value = transaction.node(&uri(text)).and_then(|node| node.text());
        assert_eq!(value, expected.ok().map(|()| "glasses"), "{text}");
    }
}

/// The type the description gives is given again or left out.
#[test]
fn an_interior_node_has_the_type_of_its_description() {
    for (given, expected) in [
        (None, Ok(())),
        (Some(""), Ok(())),
        (Some(EXT_TYPE), Ok(())),
        (Some(M_TYPE), Err((415, None))),
    ] {
        let mut garden = garden(TreeLimits::default());
        let node_type = given.map(str::to_owned);
        let new = NewNode::Interior { node_type };
        let result = add(&mut garden, &server("A"), "./M/a/Ext", new);
        assert_eq!(result.map(drop), expected, "{given:?}");
        let node = garden.1.node(&uri("./M/a/Ext"));
        assert_eq!(
            node.map(|node| node.node_type() == EXT_TYPE),
            expected.ok().map(|()| true)
        );
    }
}

/// An unset leaf takes one Add as setting it (200), then 418.
#[test]
fn an_unset_leaf_takes_one_add() {
    let name = |text: &str| NewNode::Leaf(Value::chr(text));
    let mut garden = garden(TreeLimits::default());
    let a = server("A");
    let before = Value::chr("");
    let replaced = Change {
        uri: uri("./M/a/Name"),
        kind: ChangeKind::Replaced { before },
    };
    assert_eq!(
        add(&mut garden, &a, "./M/a/Name", NewNode::Leaf(Value::int(1))),
        Err((415, None))
    );
    assert_eq!(
        add(&mut garden, &a, "./M/a/Name", name("n")),
        Ok(vec![replaced])
    );
    assert_eq!(
        add(&mut garden, &a, "./M/a/Name", name("o")),
        Err((418, None))
    );
    assert_eq!(garden.1.node(&uri("./M/a/Name")).unwrap().text(), Some("n"));
    // The device alone writes State, so nobody can Add it.
    assert_eq!(
        add(&mut garden, &a, "./M/a/State", NewNode::Leaf(Value::int(1))),
        Err((405, None))
    );
    // A Replace sets it too.
    add(&mut garden, &a, "./M/b", NewNode::INTERIOR).unwrap();
    run(&mut garden, |transaction| {
        let permit =
            transaction.authorize(&Garden, &a, AccessType::Replace, &target("./M/b/Name"))?;
        transaction.replace(&Garden, permit, Value::chr("r"))
    })
    .unwrap();
    assert_eq!(
        add(&mut garden, &a, "./M/b/Name", name("o")),
        Err((418, None))
    );
}

#[test]
fn an_unset_leaf_stays_unset_after_a_restart() {
    let mut garden = garden(TreeLimits::default());
    garden.1 = Tree::load(&garden.0, TreeLimits::default(), "Add=A".parse().unwrap()).unwrap();
    let name = NewNode::Leaf(Value::chr("n"));
    assert!(add(&mut garden, &server("A"), "./M/a/Name", name.clone()).is_ok());
    garden.1 = Tree::load(&garden.0, TreeLimits::default(), "Add=A".parse().unwrap()).unwrap();
    assert_eq!(
        add(&mut garden, &server("A"), "./M/a/Name", name),
        Err((418, None))
    );
}

#[test]
fn ancestors_are_created_all_or_none() {
    let a = server("A");
    let mut garden = garden(TreeLimits::default());
    assert_eq!(
        add(&mut garden, &a, "./M/b/Ext/x", NewNode::Leaf(Value::null())),
        Ok(added(&[
            "./M/b",
            "./M/b/State",
            "./M/b/Name",
            "./M/b/Note",
            "./M/b/Op",
            "./M/b/Op/Run",
            "./M/b/Ext",
            "./M/b/Ext/x"
        ]))
    );
    // An implicit ancestor brings the very node: it counts as the unset leaf it is.
    assert!(
        add(
            &mut garden,
            &a,
            "./M/c/Name",
            NewNode::Leaf(Value::chr("c"))
        )
        .is_ok()
    );
    assert_eq!(garden.1.node(&uri("./M/c/Name")).unwrap().text(), Some("c"));

    let before = garden.1.node_count();
    // A fourth instance is one too many.
    assert_eq!(
        add(&mut garden, &a, "./M/d/Ext/x", NewNode::INTERIOR),
        Err((405, Some(uri("./M/d"))))
    );
    // The last node fails, so the first is not made.
    let long = NewNode::Leaf(Value::bin(vec![0; 2 << 20]));
    assert_eq!(add(&mut garden, &a, "./X/p/q/r", long), Err((413, None)));
    assert_eq!(
        add(&mut garden, &a, "./M/a/Doc/x", NewNode::INTERIOR),
        Err((405, Some(uri("./M/a/Doc"))))
    );
    assert_eq!(garden.1.node_count(), before);
    assert!(garden.1.node(&uri("./X/p")).is_none());
}

#[test]
fn a_device_may_refuse_to_create_ancestors() {
    let a = server("A");
    let mut limits = TreeLimits::default();
    limits.implicit_ancestors = 0;
    let mut none = garden(limits);
    assert_eq!(
        add(&mut none, &a, "./X/p/q", NewNode::INTERIOR),
        Err((404, Some(uri("./X/p"))))
    );
    assert!(add(&mut none, &a, "./X/p", NewNode::INTERIOR).is_ok());
    limits.implicit_ancestors = 1;
    let mut one = garden(limits);
    assert_eq!(
        add(&mut one, &a, "./X/p/q/r/s/t", NewNode::INTERIOR),
        Err((404, Some(uri("./X/p"))))
    );
    assert!(add(&mut one, &a, "./X/p/q", NewNode::INTERIOR).is_ok());
}

#[test]
fn a_long_address_is_the_targets_own_fault() {
    let mut limits = TreeLimits::default();
    limits.uri = UriLimits::new(4, 0, 0);
    let mut garden = garden(limits);
    assert_eq!(
        add(
            &mut garden,
            &server("A"),
            "./X/2/3/4/5/6",
            NewNode::INTERIOR
        ),
        Err((414, None))
    );
}

#[test]
fn types_come_from_the_description() {
    let mut garden = garden(TreeLimits::default());
    let a = server("A");
    assert_eq!(garden.1.node(&uri("./M")).unwrap().node_type(), M_TYPE);
    add(
        &mut garden,
        &a,
        "./M/a/Doc",
        NewNode::Leaf(Value::chr("<a/>")),
    )
    .unwrap();
    let doc = garden.1.node(&uri("./M/a/Doc")).unwrap();
    assert_eq!(
        (doc.node_type(), doc.format()),
        ("application/xml", Format::Chr)
    );
    let node_type = Some("urn:x".to_owned());
    add(&mut garden, &a, "./X/mo", NewNode::Interior { node_type }).unwrap();
    assert_eq!(garden.1.node(&uri("./X/mo")).unwrap().node_type(), "urn:x");
}

#[test]
fn a_rename_moves_the_subtree() {
    let mut garden = garden(TreeLimits::default());
    run(&mut garden, |transaction| {
        transaction.set_title(&uri("./M/a"), "first")?;
        let target = target("./M/a?prop=Name");
        let permit = transaction.authorize(&Garden, &server("A"), AccessType::Replace, &target)?;
        transaction.replace_property(&Garden, permit, "z%2E")?;
        assert_eq!(
            transaction.changes(),
            [
                Change {
                    uri: uri("./M/a"),
                    kind: ChangeKind::PropertyChanged(Property::Title),
                },
                Change {
                    uri: uri("./M/z."),
                    kind: ChangeKind::Renamed { from: uri("./M/a") },
                }
            ]
        );
        Ok(())
    })
    .unwrap();
    let loaded = Tree::load(&garden.0, TreeLimits::default(), "Get=*".parse().unwrap()).unwrap();
    for tree in [&garden.1, &loaded] {
        assert!(tree.node(&uri("./M/a")).is_none());
        let node = tree.node(&uri("./M/z%2E")).unwrap();
        assert_eq!((node.name(), node.title()), ("z.", "first"));
        let state = node.child("State").unwrap();
        assert_eq!(state.uri().to_string(), "./M/z%2E/State");
        assert_eq!(state.text(), Some("1"));
    }
}

#[test]
fn a_deletion_tells_every_node() {
    let mut garden = garden(TreeLimits::default());
    let mut transaction = garden.1.begin(at(2));
    let permit = transaction
        .authorize(&Garden, &server("A"), AccessType::Delete, &target("./M/a"))
        .unwrap();
    transaction.delete(&Garden, permit).unwrap();
    let deleted = |text: &str, before: Option<Value>| Change {
        uri: uri(text),
        kind: ChangeKind::Deleted { before },
    };
    assert_eq!(
        transaction.changes(),
        [
            deleted("./M/a", None),
            deleted("./M/a/Name", Some(Value::chr(""))),
            deleted("./M/a/Note", Some(Value::chr(""))),
            deleted("./M/a/Op", None),
            deleted("./M/a/Op/Run", Some(Value::null())),
            deleted("./M/a/State", Some(Value::int(1))),
        ]
    );
    assert!(transaction.node(&uri("./M/a/Op")).is_none());
    transaction.rollback();
    assert!(garden.1.node(&uri("./M/a/Op/Run")).is_some());
}

#[test]
fn lists_leave_out_what_a_get_could_not_read() {
    let mut garden = garden(TreeLimits::default());
    run(&mut garden, |transaction| {
        transaction.set_acl(&uri("./M/a/Op"), "Get=C".parse().unwrap())?;
        transaction.set_acl(&uri("./M/a/State"), "Get=C".parse().unwrap())?;
        transaction.set(&Garden, &uri("./M/a/Ext/x"), Value::bin([1]))
    })
    .unwrap();
    let mut read = |by: &Principal, text: &str| {
        run(&mut garden, |transaction| {
            let permit = transaction.authorize(&Garden, by, AccessType::Get, &target(text))?;
            transaction.get(&Garden, &permit)
        })
        .unwrap()
    };
    let Reading::List(entries) = read(&server("B"), "./M/a?list=StructData") else {
        panic!("no list");
    };
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry.uri.to_string(),
                entry.format,
                &*entry.node_type,
                entry.value.clone(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("./M/a".to_owned(), Format::Node, "", None),
            ("./M/a/Ext".to_owned(), Format::Node, EXT_TYPE, None),
            (
                "./M/a/Ext/x".to_owned(),
                Format::Bin,
                "application/octet-stream",
                Some(Value::bin([1]))
            ),
            (
                "./M/a/Name".to_owned(),
                Format::Chr,
                "text/plain",
                Some(Value::chr(""))
            ),
            (
                "./M/a/Note".to_owned(),
                Format::Chr,
                "text/plain",
                Some(Value::chr(""))
            ),
        ]
    );
    let Reading::List(entries) = read(&server("B"), "./M/a?list=Struct") else {
        panic!("no list");
    };
    assert!(entries.len() == 5 && entries.iter().all(|entry| entry.value.is_none()));
    // `Run` takes Exec only; `Op` and `State` are C's.
    let Reading::Tnds { nodes, properties } = read(&server("C"), "./M/a?list=TNDS-Value") else {
        panic!("no list");
    };
    let nodes: BTreeSet<_> = nodes.iter().map(ToString::to_string).collect();
    assert!(nodes.contains("./M/a/Op") && !nodes.contains("./M/a/Op/Run"));
    assert!(!properties.contains_value() && properties.contains(Property::Acl));
    // The names of children are no secret, only the children are.
    let Reading::Children(names) = read(&server("B"), "./M/a") else {
        panic!("no children");
    };
    assert_eq!(names, ["Ext", "Name", "Note", "Op", "State"]);
    let Reading::List(all) = read(&Principal::Device, ".?list=Struct") else {
        panic!("no list");
    };
    assert_eq!(all.len(), garden.1.node_count());
}

#[test]
fn child_names_are_listed_as_in_an_address() {
    let mut garden = garden(TreeLimits::default());
    let reading = run(&mut garden, |transaction| {
        for name in ["b c", "a.", "ä"] {
            let uri = uri("./X").child(name).unwrap();
            transaction.set(&Garden, &uri, Value::null())?;
        }
        let permit =
            transaction.authorize(&Garden, &server("B"), AccessType::Get, &target("./X"))?;
        transaction.get(&Garden, &permit)
    });
    let names = ["a%2E", "b%20c", "%C3%A4"].map(str::to_owned).to_vec();
    assert_eq!(reading, Ok(Reading::Children(names)));
}

#[test]
fn the_device_completes_what_it_has() {
    let mut garden = garden(TreeLimits::default());
    run(&mut garden, |transaction| {
        transaction.remove(&uri("./M/a/Op"))?;
        transaction.add_interior(&Garden, &uri("./M/a"))?;
        assert_eq!(
            transaction.changes()[2..],
            added(&["./M/a/Op", "./M/a/Op/Run"])
        );
        assert_eq!(
            transaction
                .add_interior(&Garden, &uri("./M/a/State"))
                .unwrap_err()
                .status()
                .get(),
            405
        );
        assert_eq!(
            transaction
                .set(&Garden, &uri("./M/a/State/x"), Value::null())
                .unwrap_err()
                .status()
                .get(),
            405
        );
        assert_eq!(
            transaction
                .set(&Garden, &uri("./M/a"), Value::null())
                .unwrap_err()
                .status()
                .get(),
            405
        );
        assert_eq!(
            transaction
                .set(&Garden, &uri("./M/a/State"), Value::chr("1"))
                .unwrap_err()
                .status()
                .get(),
            415
        );
        Ok(())
    })
    .unwrap();
    assert_eq!(
        garden.1.node(&uri("./M/a/State")).unwrap().text(),
        Some("1")
    );
}

#[test]
fn writing_counts_and_stamps() {
    let mut garden = garden(TreeLimits::default());
    let state = uri("./M/a/State");
    let stamp = |garden: &(MemoryJournal, Tree)| {
        let node = garden.1.node(&state).unwrap();
        (node.ver_no(), node.timestamp())
    };
    assert_eq!(stamp(&garden), (1, "19700101T000001Z".to_owned()));
    run(&mut garden, |transaction| {
        transaction.set_title(&state, "t")?;
        transaction.set(&Garden, &state, Value::int(3))
    })
    .unwrap();
    assert_eq!(stamp(&garden), (2, "19700101T000002Z".to_owned()));
    run(&mut garden, |transaction| {
        for _ in 0..=0xFFFF {
            transaction.set(&Garden, &state, Value::int(3))?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(stamp(&garden).0, 2);
}
