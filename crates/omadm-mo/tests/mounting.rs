//! Objects that come and go at run time, against the simplest account of them: what is mounted is
//! what the Types in the tree say, whatever happened before.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{borrow::Cow, collections::BTreeSet};

use omadm_core::{Batch, Format, MemoryJournal, Now, StatusCode};
use omadm_mo::{
    Context, Definition, Effects, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId,
    ManagementObject, Mount, NodeDefinition as N, Plain, Refusal, Registry,
};
use omadm_tree::{
    AccessType::{Add, Delete, Get},
    Acl, Change, ChangeKind, NewNode, Occurrence, Principal, Schema, Target, Transaction, Tree,
    TreeLimits, Uri,
};
use proptest::prelude::*;

static HOUSE: Definition = Definition {
    name: Cow::Borrowed("House"),
    moid: Cow::Borrowed("urn:example:mo:house:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A house.", "§1").permanent(),
        N::node("<x>", "A floor.", "§1")
            .occurs(Occurrence::ZeroOrMore)
            .allows(&[Add, Delete, Get]),
        N::node("<x>/Rooms", "Its rooms.", "§1").open(),
    ]),
};

static LAMP: Definition = Definition {
    name: Cow::Borrowed("Lamp"),
    moid: Cow::Borrowed("urn:example:mo:lamp:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A lamp.", "§1").allows(&[Add, Delete, Get]),
        N::leaf("On", Format::Bool, "Whether it shines.", "§1").starts_as("false"),
    ]),
};

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

/// Mounts a lamp at every room that is one.
struct House;

impl House {
    fn lamps(below: &Uri, tree: &Tree) -> BTreeSet<Uri> {
        let mut open: Vec<_> = tree.node(below).into_iter().collect();
        let mut lamps = BTreeSet::new();
        while let Some(node) = open.pop() {
            if node.node_type() == LAMP.moid {
                lamps.insert(node.uri());
            } else {
                open.extend(node.children());
            }
        }
        lamps
    }

    fn mount(below: &Uri, cx: &mut Context<'_, '_>) {
        let mounted: BTreeSet<&Uri> = cx.schema.mounts().map(|it| &it.root).collect();
        let lamps = Self::lamps(below, cx.tree.tree());
        for lamp in lamps.iter().filter(|lamp| !mounted.contains(lamp)) {
            let mount = Mount::new(lamp.clone(), &LAMP);
            cx.effects.mount(Box::new(Plain::new(mount)));
        }
    }
}

impl ManagementObject for House {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(uri("./House"), &HOUSE)]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        Self::mount(&uri("./House"), cx);
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        _: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if !matches!(change.kind, ChangeKind::Deleted { .. }) {
            Self::mount(&change.uri, cx);
        }
        Ok(())
    }

    fn exec(&mut self, _: &ExecRequest<'_>, _: &mut Context<'_, '_>) -> ExecAnswer {
        StatusCode::OK.into()
    }

    fn completed(&mut self, _: JobId, _: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
        StatusCode::OK.into()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add { at: Uri, lamp: bool },
    Delete(Uri),
    Rename(Uri, String),
}

/// Makes a change as far as the tree allows it.
fn change(step: &Step, registry: &Registry, tree: &mut Transaction<'_>) {
    let by = Principal::Server("dm.example".parse().unwrap());
    let schema = registry.layout();
    match step {
        Step::Add { at, lamp } => {
            let node_type = (*lamp && at.depth() > 3).then(|| LAMP.moid.clone().into_owned());
            let target = Target::node(at.clone());
            if let Ok(permit) = tree.authorize(schema, &by, Add, &target) {
                let _ = tree.add(schema, permit, NewNode::Interior { node_type });
            }
        }
        Step::Delete(at) => {
            let target = Target::node(at.clone());
            if let Ok(permit) = tree.authorize(schema, &by, Delete, &target) {
                let _ = tree.delete(schema, permit);
            }
        }
        Step::Rename(at, name) => _ = tree.rename(schema, at, name),
    }
}

fn mounted(registry: &Registry) -> BTreeSet<Uri> {
    let mounts = registry.layout().mounts();
    let roots = mounts.map(|mount| mount.root.clone());
    roots.filter(|root| *root != uri("./House")).collect()
}

fn started(tree: &mut Transaction<'_>) -> Registry {
    let mut registry = Registry::new();
    registry.mount(Box::new(House)).unwrap();
    registry
        .start(tree, &mut Effects::new(0), Now::default())
        .unwrap();
    registry
}

fn step() -> impl Strategy<Value = Step> {
    let floor = "[ab]".prop_map(|floor| uri(&format!("./House/{floor}")));
    let room = "House/[ab]/Rooms/[cd](/[cd])?".prop_map(|room| uri(&format!("./{room}")));
    let at = prop_oneof![1 => floor, 4 => room];
    prop_oneof![
        4 => (at.clone(), any::<bool>()).prop_map(|(at, lamp)| Step::Add { at, lamp }),
        1 => at.clone().prop_map(Step::Delete),
        1 => (at, "[a-d]").prop_map(|(at, name)| Step::Rename(at, name)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Each transaction is some commands, shown to the objects one by one, and may be taken back.
    #[test]
    fn what_is_mounted_is_what_the_tree_says(
        transactions in prop::collection::vec(
            (prop::collection::vec(step(), 1..5), any::<bool>()),
            1..12,
        ),
    ) {
        let journal = MemoryJournal::new();
        let acl: Acl = "Add=*&Delete=*&Get=*&Replace=*".parse().unwrap();
        let mut tree = Tree::new(TreeLimits::default(), acl);
        let mut registry = {
            let mut transaction = tree.begin(Now::default());
            let mut registry = started(&mut transaction);
            transaction.commit(&journal, Batch::new()).unwrap();
            registry.committed();
            registry
        };
        for (steps, kept) in transactions {
            let before = mounted(&registry);
            let mut transaction = tree.begin(Now::default());
            for step in &steps {
                change(step, &registry, &mut transaction);
                let by = Principal::Server("dm.example".parse().unwrap());
                let mut effects = Effects::new(0);
                registry
                    .stage(&by, &mut transaction, &mut effects, Now::default())
                    .unwrap();
                let due = House::lamps(&uri("./House"), transaction.tree());
                prop_assert_eq!(mounted(&registry), due, "{:?}", step);
            }
            if kept {
                transaction.commit(&journal, Batch::new()).unwrap();
                registry.committed();
            } else {
                transaction.rollback();
                registry.rolled_back();
                prop_assert_eq!(mounted(&registry), before);
            }
            let lamps = House::lamps(&uri("./House"), &tree);
            for lamp in &lamps {
                let on = lamp.child("On").unwrap();
                prop_assert!(tree.node(&on).is_some());
                prop_assert!(registry.layout().row(&on).is_some());
                prop_assert!(registry.layout().rule(&lamp.child("Off").unwrap()).is_none());
            }
            // After a restart it is the same, and nothing is missing.
            let mut transaction = tree.begin(Now::default());
            let again = started(&mut transaction);
            prop_assert_eq!(transaction.changes(), &[]);
            prop_assert_eq!(mounted(&again), lamps);
        }
    }
}
