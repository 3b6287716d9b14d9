//! Access control: who may do what, and who may say so. [DM-TND §7.7.1]

use omadm_core::{Batch, MemoryJournal};
use omadm_tree::{
    AccessType, Acl, NewNode, Principal, Property, Reading, Required, Rule, Schema, Target, Tree,
    TreeLimits, Uri, Value,
};

use crate::garden::{Garden, at, garden, run, server, target, uri};

/// Everything goes, as far as the lists let it.
struct Open;

impl Schema for Open {
    fn rule(&self, _: &Uri) -> Option<Rule<'_>> {
        Some(Rule::open(omadm_tree::AccessSet::ALL))
    }

    fn required(&self, _: &Uri) -> Vec<Required> {
        Vec::new()
    }
}

/// The figure of [DM-TND §7.7.1].
fn figure() -> (MemoryJournal, Tree) {
    let journal = MemoryJournal::new();
    let mut tree = Tree::new(TreeLimits::default(), Acl::root_default());
    let mut transaction = tree.begin(at(0));
    for (node, acl) in [
        ("./NodeA", "Get=ServerC&Replace=ServerC"),
        ("./NodeA/Node1", "Get=*"),
        ("./NodeB", "Get=ServerA&Replace=ServerA"),
        ("./NodeB/Node2", ""),
        (
            "./NodeB/Node3",
            "Get=ServerB&Replace=ServerB&Delete=ServerB",
        ),
        ("./NodeB/Node3/Node4", ""),
        (
            "./NodeB/Node3/Node5",
            "Get=ServerA&Replace=ServerA&Get=ServerB",
        ),
    ] {
        let uri = uri(node);
        if ["NodeA", "NodeB", "Node3"].contains(&uri.name().unwrap()) {
            transaction.add_interior(&Open, &uri).unwrap();
        } else {
            transaction.set(&Open, &uri, Value::chr("x")).unwrap();
        }
        transaction.set_acl(&uri, acl.parse().unwrap()).unwrap();
    }
    transaction.commit(&journal, Batch::new()).unwrap();
    (journal, tree)
}

fn may(tree: &mut Tree, who: &str, access: AccessType, what: &str) -> bool {
    let transaction = tree.begin(at(1));
    match transaction.authorize(&Open, &server(who), access, &target(what)) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.status().get(), 425, "{error}");
            false
        }
    }
}

#[test]
fn the_specifications_figure() {
    use AccessType::{Delete, Get, Replace};

    let (_, mut tree) = figure();
    let servers = ["ServerA", "ServerB", "ServerC", "Stranger"];
    for who in servers {
        assert!(may(&mut tree, who, Get, "./NodeA/Node1"));
        assert!(!may(&mut tree, who, Replace, "./NodeA/Node1"));
        assert!(!may(&mut tree, who, Delete, "./NodeA/Node1"));
        // The parent's Replace decides about a leaf's list.
        assert_eq!(
            may(&mut tree, who, Replace, "./NodeA/Node1?prop=ACL"),
            who == "ServerC"
        );
        assert_eq!(
            may(&mut tree, who, Replace, "./NodeB/Node3/Node5"),
            who == "ServerA"
        );
        assert_eq!(
            may(&mut tree, who, Replace, "./NodeB/Node3/Node5?prop=ACL"),
            who == "ServerB"
        );
        // An interior node's list: its own Replace or the parent's.
        assert_eq!(
            may(&mut tree, who, Replace, "./NodeB/Node3?prop=ACL"),
            ["ServerA", "ServerB"].contains(&who)
        );
        assert_eq!(
            may(&mut tree, who, Delete, "./NodeB/Node3/Node4"),
            who == "ServerB"
        );
        assert!(!may(&mut tree, who, Replace, ".?prop=ACL"));
    }
    let read = |tree: &mut Tree, who: &str, what: &str| {
        let transaction = tree.begin(at(1));
        let permit = transaction
            .authorize(&Open, &server(who), Get, &target(what))
            .unwrap();
        transaction.get(&Open, &permit).unwrap()
    };
    let text = |text: &str| Reading::Property(text.to_owned());
    assert_eq!(
        read(&mut tree, "ServerB", "./NodeA/Node1?prop=ACL"),
        text("Get=*")
    );
    assert_eq!(
        read(&mut tree, "ServerB", "./NodeB/Node3/Node4?prop=ACL"),
        text("")
    );
    assert_eq!(
        read(&mut tree, "ServerB", "./NodeB/Node3/Node5?prop=ACL"),
        text("Get=ServerA+ServerB&Replace=ServerA")
    );
    assert_eq!(
        read(&mut tree, "Stranger", ".?prop=ACL"),
        text("Add=*&Get=*")
    );
}

#[test]
fn taking_over_a_leaf_takes_two_steps() {
    let (journal, mut tree) = figure();
    let leaf = uri("./NodeA/Node1");
    let owner = server("ServerC");
    let mut transaction = tree.begin(at(1));
    let permit = transaction
        .authorize(
            &Open,
            &owner,
            AccessType::Replace,
            &Target::property(leaf.clone(), Property::Acl),
        )
        .unwrap();
    transaction
        .replace_property(&Open, permit, "Replace=ServerC")
        .unwrap();
    let permit = transaction
        .authorize(
            &Open,
            &owner,
            AccessType::Replace,
            &Target::node(leaf.clone()),
        )
        .unwrap();
    transaction
        .replace(&Open, permit, Value::chr("mine"))
        .unwrap();
    transaction.commit(&journal, Batch::new()).unwrap();
    assert_eq!(tree.node(&leaf).unwrap().text(), Some("mine"));
    // All or nothing: the new list has no Get, and the parent's does not come through.
    assert!(!may(&mut tree, "ServerC", AccessType::Get, "./NodeA/Node1"));
}

#[test]
fn a_creator_without_replace_on_the_parent_gets_the_node() {
    let mut garden = garden(TreeLimits::default());
    let add = |garden: &mut _, who: &Principal, text: &str, new: NewNode| {
        run(garden, |transaction| {
            let permit = transaction.authorize(&Garden, who, AccessType::Add, &target(text))?;
            transaction.add(&Garden, permit, new)
        })
    };
    let (a, b) = (server("A"), server("B"));
    assert_eq!(add(&mut garden, &a, "./X/a", NewNode::INTERIOR), Ok(()));
    assert_eq!(add(&mut garden, &b, "./X/b", NewNode::INTERIOR), Ok(()));
    assert_eq!(
        add(&mut garden, &b, "./X/leaf", NewNode::Leaf(Value::chr(""))),
        Ok(())
    );
    assert_eq!(add(&mut garden, &b, "./X/p/q/r", NewNode::INTERIOR), Ok(()));
    assert_eq!(add(&mut garden, &b, "./M/vm", NewNode::INTERIOR), Ok(()));
    let acl = |text: &str| garden.1.node(&uri(text)).unwrap().acl().to_string();
    // B's rights come on top of what was inherited, so A keeps Exec and Replace.
    let granted = "Add=*&Delete=A+B&Exec=A&Get=*&Replace=A+B";
    assert_eq!(acl("./X/a"), "");
    assert_eq!(acl("./X/b"), granted);
    assert_eq!(acl("./X/leaf"), "");
    assert_eq!(acl("./X/p"), granted);
    // B may Replace `p` by now.
    assert_eq!(acl("./X/p/q"), "");
    assert_eq!(acl("./M/vm"), granted);
    assert_eq!(acl("./M/vm/Op"), "");
}

#[test]
fn the_root_always_has_a_list() {
    let mut tree = Tree::new(TreeLimits::default(), Acl::new());
    let root = tree.node(&Uri::root()).unwrap();
    assert_eq!(root.acl(), &Acl::root_default());

    let mut garden = garden(TreeLimits::default());
    let replace = |garden: &mut _, text: &str| {
        run(garden, |transaction| {
            let permit = transaction.authorize(
                &Garden,
                &server("A"),
                AccessType::Replace,
                &target(".?prop=ACL"),
            )?;
            transaction.replace_property(&Garden, permit, text)
        })
    };
    assert_eq!(replace(&mut garden, ""), Err(405));
    assert_eq!(replace(&mut garden, "Get=*&Replace=A"), Ok(()));
    let root = Target::property(Uri::root(), Property::Acl);
    let transaction = tree.begin(at(0));
    let permit = transaction
        .authorize(&Garden, &server("B"), AccessType::Get, &root)
        .unwrap();
    assert_eq!(
        transaction.get(&Garden, &permit),
        Ok(Reading::Property("Add=*&Get=*".to_owned()))
    );
}

#[test]
fn a_list_set_at_the_root_outlives_the_configured_one() {
    let (journal, mut tree) = garden(TreeLimits::default());
    let load = |acl: &str| Tree::load(&journal, TreeLimits::default(), acl.parse().unwrap());
    let root = |tree: &Tree| tree.node(&Uri::root()).unwrap().acl().to_string();
    assert_eq!(root(&load("Get=x").unwrap()), "Get=x");

    let mut transaction = tree.begin(at(3));
    let acl = "Add=A&Get=*&Replace=A".parse().unwrap();
    transaction.set_acl(&Uri::root(), acl).unwrap();
    transaction.commit(&journal, Batch::new()).unwrap();
    assert_eq!(root(&load("Get=x").unwrap()), "Add=A&Get=*&Replace=A");
}

#[test]
fn a_removed_server_is_in_no_list() {
    let (journal, mut tree) = figure();
    let mut transaction = tree.begin(at(1));
    transaction
        .set_acl(&Uri::root(), "Add=ServerA&Get=ServerA".parse().unwrap())
        .unwrap();
    transaction.remove_server(&"ServerA".parse().unwrap());
    let changed = transaction.changes().len();
    assert_eq!(changed, 1 + 3, "{:?}", transaction.changes());
    transaction.commit(&journal, Batch::new()).unwrap();
    let acl = |text: &str| tree.node(&uri(text)).unwrap().acl().to_string();
    assert_eq!(acl("./NodeB"), "");
    assert_eq!(
        acl("./NodeB/Node3"),
        "Delete=ServerB&Get=ServerB&Replace=ServerB"
    );
    assert_eq!(acl("./NodeB/Node3/Node5"), "Get=ServerB");
    assert_eq!(acl("."), "Add=*&Get=*");
}
