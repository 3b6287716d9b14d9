//! Nodes found and listed, and the memory they take, beside a map of whole paths. Where both are
//! given text, ours checks that it is an address before each look-up.

use std::hint::black_box;

use omadm_tree::{NodeRef, Uri};

use crate::{
    allocations,
    forest::{self, children, shuffled},
    rounds::{Table, Target},
};

pub fn run(table: &mut Table) {
    let plan = forest::plan(10_000);
    let (tree, map) = (forest::tree(&plan), forest::map(&plan));
    let find = |path: &str| {
        let found = tree.find(path).expect("an address");
        found.expect("planned")
    };
    let wanted: Vec<&str> = shuffled(plan.len())
        .into_iter()
        .map(|at| &*plan[at].path)
        .collect();
    table.row(
        "tree, get each of 10,000 nodes",
        "BTreeMap of paths",
        Target::Time(1.1),
        || {
            for path in black_box(&wanted) {
                black_box(find(path).octets());
            }
        },
        || {
            for path in black_box(&wanted) {
                black_box(&*map.get(*path).expect("planned").value);
            }
        },
    );
    let interior: Vec<&str> = plan
        .iter()
        .filter(|planned| planned.value.is_none())
        .map(|planned| &*planned.path)
        .collect();
    let what = "tree, list the children of each interior node of 10,000 nodes";
    let list = |node: NodeRef<'_>| {
        for child in node.children() {
            black_box(child.name());
        }
    };
    let anchor = || {
        for path in black_box(&interior) {
            children(&map, path).for_each(|name| {
                black_box(name);
            });
        }
    };
    let uris: Vec<Uri> = interior
        .iter()
        .map(|path| Uri::parse(path).expect("an address"))
        .collect();
    let name = "BTreeMap of paths";
    table.row(
        what,
        name,
        Target::Time(0.25),
        || {
            for uri in black_box(&uris) {
                list(tree.node(uri).expect("planned"));
            }
        },
        anchor,
    );
    table.row(
        &format!("{what}, from text"),
        name,
        Target::Time(0.25),
        || {
            black_box(&interior)
                .iter()
                .for_each(|path| list(find(path)))
        },
        anchor,
    );
    drop((tree, map));
    let what = "tree, bytes a node, 1,000,000 nodes";
    if table.wants(what) {
        let plan = forest::plan(1_000_000);
        let (tree, ours) = allocations::held(|| forest::tree(&plan));
        assert_eq!(tree.node_count(), plan.len() + 1);
        drop(tree);
        let (map, theirs) = allocations::held(|| forest::map(&plan));
        assert_eq!(map.len(), plan.len());
        drop(map);
        let each = |bytes: u64| bytes as f64 / plan.len() as f64;
        table.bytes(what, "BTreeMap of paths", 0.75, each(ours), each(theirs));
    }
}
