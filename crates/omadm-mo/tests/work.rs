//! What objects cost that are mounted and unmounted grows with their number and no faster.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::borrow::Cow;

use omadm_core::{Batch, Format, MemoryJournal, Now, StatusCode};
use omadm_mo::{
    Context, Definition, Effects, ExecAnswer, ExecRequest, ExecResult, JobEnd, JobId,
    ManagementObject, Mount, NodeDefinition as N, Plain, Refusal, Registry,
};
use omadm_testkit::{uri, work};
use omadm_tree::{
    AccessType::{Add, Delete, Get},
    Acl, Change, ChangeKind, NewNode, Principal, Target, Transaction, Tree, TreeLimits, Uri,
};

static HOUSE: Definition = Definition {
    name: Cow::Borrowed("House"),
    moid: Cow::Borrowed("urn:example:mo:house:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A house.", "§1").permanent(),
        N::node("Rooms", "Lamps.", "§1").open(),
    ]),
};

static LAMP: Definition = Definition {
    name: Cow::Borrowed("Lamp"),
    moid: Cow::Borrowed("urn:example:mo:lamp:1.0"),
    specification: Cow::Borrowed("Example"),
    nodes: Cow::Borrowed(&[
        N::node("", "A lamp.", "§1").allows(&[Add, Delete, Get]),
        N::leaf("On", Format::Bool, "Whether it shines.", "§1").starts_as("false"),
        N::leaf("Level", Format::Int, "How bright.", "§1").starts_as("1"),
    ]),
};

fn room(number: usize) -> Uri {
    // In no order.
    uri(&format!("./House/Rooms/{:08}", number * 7919 % 100_003))
}

fn lamp(root: Uri) -> Box<Plain> {
    Box::new(Plain::new(Mount::new(root, &LAMP)))
}

/// Mounts some lamps when it starts and one wherever a room is added; unmounts the first ones by Exec.
struct House {
    lamps: usize,
}

impl ManagementObject for House {
    fn mounts(&self) -> Vec<Mount> {
        vec![Mount::new(uri("./House"), &HOUSE)]
    }

    fn start(&mut self, cx: &mut Context<'_, '_>) -> Result<(), Refusal> {
        (0..self.lamps).for_each(|number| cx.effects.mount(lamp(room(number))));
        Ok(())
    }

    fn stage(
        &mut self,
        change: &Change,
        _: &Principal,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), Refusal> {
        if change.kind == ChangeKind::Added {
            cx.effects.mount(lamp(change.uri.clone()));
        }
        Ok(())
    }

    fn exec(&mut self, _: &ExecRequest<'_>, cx: &mut Context<'_, '_>) -> ExecAnswer {
        (0..self.lamps).for_each(|number| cx.effects.unmount(room(number)));
        StatusCode::OK.into()
    }

    fn completed(&mut self, _: JobId, _: JobEnd, _: &mut Context<'_, '_>) -> ExecResult {
        StatusCode::OK.into()
    }
}

/// What is done with a device that has this many lamps.
type Kind = (&'static str, fn(usize));

const KINDS: &[Kind] = &[
    ("static", |n| {
        let mut registry = Registry::new();
        (0..n).for_each(|number| registry.mount(lamp(room(number))).unwrap());
        begin(&mut tree(), registry, |_, _| {});
    }),
    ("start", |n| with(n, |_, _| {})),
    ("added", |n| {
        with(0, |registry, tree| {
            (0..n).for_each(|number| add(number, registry, tree));
            stage(registry, tree);
        });
    }),
    ("added and taken back", |n| {
        let mut store = tree();
        let mut registry = begin(&mut store, house(n), |_, _| {});
        let mut tree = store.begin(Now::default());
        (n..2 * n).for_each(|number| {
            add(number, &registry, &mut tree);
            stage(&mut registry, &mut tree);
        });
        tree.rollback();
        registry.rolled_back();
        assert_eq!(registry.layout().mounts().len(), n + 1);
    }),
    ("deleted", |n| {
        with(n, |registry, tree| {
            tree.remove(&uri("./House/Rooms")).unwrap();
            stage(registry, tree);
            assert_eq!(registry.layout().mounts().len(), 1);
        });
    }),
    ("unmounted", |n| {
        with(n, |registry, tree| {
            let (house, effects) = (uri("./House"), &mut Effects::new(0));
            let request = ExecRequest::new(&house, &Principal::Device);
            registry
                .exec(&request, tree, effects, Now::default())
                .unwrap();
            assert_eq!(registry.layout().mounts().len(), 1);
        });
    }),
];

fn tree() -> Tree {
    let acl: Acl = "Add=*&Delete=*&Get=*&Replace=*".parse().unwrap();
    Tree::new(TreeLimits::default(), acl)
}

fn house(lamps: usize) -> Registry {
    let mut registry = Registry::new();
    registry.mount(Box::new(House { lamps })).unwrap();
    registry
}

/// Starts the objects, then has something done in a transaction.
fn begin(
    store: &mut Tree,
    mut registry: Registry,
    act: impl FnOnce(&mut Registry, &mut Transaction<'_>),
) -> Registry {
    let journal = MemoryJournal::new();
    let mut tree = store.begin(Now::default());
    let effects = &mut Effects::new(0);
    registry.start(&mut tree, effects, Now::default()).unwrap();
    tree.commit(&journal, Batch::new()).unwrap();
    registry.committed();
    let mut tree = store.begin(Now::default());
    act(&mut registry, &mut tree);
    tree.commit(&journal, Batch::new()).unwrap();
    registry.committed();
    registry
}

fn with(lamps: usize, act: impl FnOnce(&mut Registry, &mut Transaction<'_>)) {
    begin(&mut tree(), house(lamps), act);
}

fn server() -> Principal {
    Principal::Server("dm.example".parse().unwrap())
}

fn add(number: usize, registry: &Registry, tree: &mut Transaction<'_>) {
    let schema = registry.layout();
    let target = Target::node(room(number));
    let permit = tree.authorize(schema, &server(), Add, &target).unwrap();
    let node_type = Some(LAMP.moid.clone().into_owned());
    tree.add(schema, permit, NewNode::Interior { node_type })
        .unwrap();
}

fn stage(registry: &mut Registry, tree: &mut Transaction<'_>) {
    let (effects, now) = (&mut Effects::new(0), Now::default());
    registry.stage(&server(), tree, effects, now).unwrap();
}

#[test]
fn task() {
    let Some((kind, size)) = work::task() else {
        return;
    };
    let act = KINDS.iter().find(|(name, _)| *name == kind).unwrap().1;
    act(size);
}

#[test]
fn each_object_costs_the_same_however_many_there_are() {
    for (kind, _) in KINDS {
        let Some(found) = work::growth(kind, 100) else {
            return;
        };
        // Some is left to look-ups and to buffers that grow.
        assert!(
            found < 2300,
            "{kind} costs more the more there are: {found}"
        );
    }
}
