//! Management trees of any size: virtual machines as VirMO describes them, beside a map of paths.

use std::{collections::BTreeMap, ops::Bound};

use omadm_core::{Batch, Format, Journal, JournalError, Now, Space};
use omadm_tree::{Acl, Required, Rule, Schema, Tree, TreeLimits, Uri, Value};

/// The nodes of one machine below its own, and the values of leaves.
const MACHINE: [(&str, Option<&str>); 16] = [
    ("VMID", Some("7c9e6679f47ac10b")),
    ("Description", Some("Enterprise")),
    ("State", Some("2")),
    ("CreateParams", Some("ImgID=entvm&Running=1")),
    ("DMTree", None),
    ("Resources", None),
    (
        "Resources/CurrentConfig",
        Some("RAM=268435456&Storage=1073741824&CPU=10&Network=10"),
    ),
    ("Resources/NewConfig", Some("")),
    ("Operations", None),
    ("Operations/Create", Some("")),
    ("Operations/Delete", Some("")),
    ("Operations/Suspend", Some("")),
    ("Operations/Resume", Some("")),
    ("Operations/PowerOn", Some("")),
    ("Operations/PowerOff", Some("")),
    ("Ext", None),
];

/// A node to be: its address and the value of a leaf.
pub struct Planned {
    pub path: String,
    pub value: Option<&'static str>,
}

/// So many nodes below the root, machine by machine, the machines in no order.
pub fn plan(nodes: usize) -> Vec<Planned> {
    let mut plan = vec![Planned {
        path: "VirMO".to_owned(),
        value: None,
    }];
    let machines = nodes.div_ceil(MACHINE.len() + 1);
    for machine in shuffled(machines) {
        let top = format!("VirMO/vm-{machine:06}");
        plan.push(Planned {
            path: top.clone(),
            value: None,
        });
        plan.extend(MACHINE.map(|(name, value)| Planned {
            path: format!("{top}/{name}"),
            value,
        }));
    }
    plan.truncate(nodes);
    plan
}

/// The numbers below a bound, the same way out of order each time.
pub fn shuffled(bound: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..bound).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for at in (1..bound).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        numbers.swap(at, (state % (at as u64 + 1)) as usize);
    }
    numbers
}

/// Describes nothing, so that the device may have every node.
pub struct Anything;

impl Schema for Anything {
    fn rule(&self, _: &Uri) -> Option<Rule<'_>> {
        None
    }

    fn required(&self, _: &Uri) -> Vec<Required> {
        Vec::new()
    }
}

/// A journal that keeps nothing.
pub struct Nowhere;

impl Journal for Nowhere {
    fn commit(&self, _: &Batch) -> Result<(), JournalError> {
        Ok(())
    }

    fn read(&self, _: Space, _: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(None)
    }

    fn scan(&self, _: Space, _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        Ok(())
    }
}

/// The moment of everything.
pub fn now() -> Now {
    Now {
        wall: std::time::Duration::from_secs(1_700_000_000),
        ..Now::default()
    }
}

/// Grows a tree node by node, each a transaction.
pub fn tree(plan: &[Planned]) -> Tree {
    let mut limits = TreeLimits::default();
    (limits.nodes, limits.children) = (1 << 24, 1 << 24);
    limits.total_bytes = 1 << 30;
    let mut tree = Tree::new(limits, Acl::new());
    for planned in plan {
        let uri = Uri::parse(&planned.path).expect("an address");
        let mut transaction = tree.begin(now());
        match planned.value {
            Some(value) => transaction.set(&Anything, &uri, Value::chr(value)),
            None => transaction.add_interior(&Anything, &uri),
        }
        .expect("within the limits");
        transaction
            .commit(&Nowhere, Batch::new())
            .expect("kept nowhere");
    }
    tree
}

/// The anchor: nodes under their whole paths, the children of a node in a range.
pub type Map = BTreeMap<Box<str>, Entry>;

/// The properties that a node of a tree stores.
#[expect(dead_code, reason = "what takes memory need not be read")]
pub struct Entry {
    pub stamp: u64,
    pub ver_no: u16,
    pub format: Format,
    pub unset: bool,
    /// Access control list, title, type: few nodes have any.
    pub rare: Option<Box<[String; 3]>>,
    pub value: Box<[u8]>,
}

/// Grows the anchor, node by node in the same order.
pub fn map(plan: &[Planned]) -> Map {
    let mut map = Map::new();
    for planned in plan {
        let entry = Entry {
            stamp: now().wall.as_secs(),
            ver_no: 0,
            format: planned.value.map_or(Format::Node, |_| Format::Chr),
            unset: false,
            rare: None,
            value: planned.value.unwrap_or_default().as_bytes().into(),
        };
        map.insert(planned.path.as_str().into(), entry);
    }
    map
}

/// The children of a node of the anchor.
pub fn children<'m>(map: &'m Map, path: &str) -> impl Iterator<Item = &'m str> {
    let start = format!("{path}/");
    map.range::<str, _>((Bound::Included(&*start), Bound::Unbounded))
        .map_while(move |(path, _)| path.strip_prefix(&*start))
        .filter(|rest| !rest.contains('/'))
}
