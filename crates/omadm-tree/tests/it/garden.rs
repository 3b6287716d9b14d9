//! A schema with a node of every kind, and a tree that follows it.

use std::{borrow::Cow, time::Duration};

use omadm_core::{
    Batch, Format, Journal, JournalError, JournalErrorKind, MemoryJournal, Now, ServerId, Space,
};
use omadm_tree::{
    AccessSet, AccessType, Acl, FormatSet, Initial, Occurrence, Principal, Required, Rule, Schema,
    Target, Transaction, Tree, TreeError, TreeLimits, Uri, Value,
};

/// ```text
/// ./P                 permanent
/// ./P/Id              permanent, the device's
/// ./M                 permanent, urn:test:m:1.0
/// ./M/Info            permanent
/// ./M/<x>             at most 3
/// ./M/<x>/State       required, the device's, though its AccessType has everything
/// ./M/<x>/Name        required
/// ./M/<x>/Note        required, permanent
/// ./M/<x>/Op          required, permanent
/// ./M/<x>/Op/Run      required, Exec only
/// ./M/<x>/Op/Extra    optional
/// ./M/<x>/Doc         optional, one of two media types
/// ./M/<x>/Ext         optional, urn:test:ext:1.0
/// ./M/<x>/Ext/…       open
/// ./K/n<x>            interior
/// ./K/<x>             at least one, a leaf
/// ./X/…               open
/// ```
pub(crate) struct Garden;

pub(crate) const M_TYPE: &str = "urn:test:m:1.0";
pub(crate) const EXT_TYPE: &str = "urn:test:ext:1.0";

const DOC_TYPES: &[Cow<'static, str>] =
    &[Cow::Borrowed("application/xml"), Cow::Borrowed("text/x")];

impl Schema for Garden {
    fn rule(&self, uri: &Uri) -> Option<Rule<'_>> {
        use AccessType::{Add, Copy, Delete, Exec, Get, Replace};

        const GET: AccessSet = AccessSet::of(&[Get]);
        const INSTANCE: AccessSet = AccessSet::of(&[Add, Delete, Get, Replace]);
        let names: Vec<&str> = uri.segments().collect();
        Some(match names.as_slice() {
            ["P"] => Rule::interior(GET).permanent(),
            ["P", "Id"] => Rule::leaf(GET, FormatSet::of(&[Format::Chr]))
                .permanent()
                .device_owned(),
            ["M"] => Rule::interior(GET).permanent().with_node_type(M_TYPE),
            ["M", "Info"] => Rule::leaf(GET, FormatSet::of(&[Format::Chr])).permanent(),
            ["M", _] => Rule::interior(INSTANCE)
                .placeholder()
                .occurring(Occurrence::ZeroOrN(3)),
            ["M", _, "State"] => {
                Rule::leaf(AccessSet::ALL, FormatSet::of(&[Format::Int])).device_owned()
            }
            ["M", _, "Name"] => Rule::leaf(
                AccessSet::of(&[Add, Copy, Get, Replace]),
                FormatSet::of(&[Format::Chr]),
            ),
            ["M", _, "Note"] => Rule::leaf(
                AccessSet::of(&[Add, Get, Replace]),
                FormatSet::of(&[Format::Chr]),
            )
            .permanent(),
            ["M", _, "Op"] => Rule::interior(GET).permanent(),
            ["M", _, "Op", "Run"] => {
                Rule::leaf(AccessSet::of(&[Exec]), FormatSet::of(&[Format::Null])).permanent()
            }
            ["M", _, "Op", "Extra"] => Rule::leaf(AccessSet::ALL, FormatSet::of(&[Format::Chr])),
            ["M", _, "Doc"] => Rule::leaf(INSTANCE, FormatSet::of(&[Format::Chr, Format::Xml]))
                .with_media_types(DOC_TYPES),
            ["M", _, "Ext"] => Rule::interior(INSTANCE).with_node_type(EXT_TYPE),
            ["M", _, "Ext", ..] | ["X", ..] => Rule::open(AccessSet::ALL),
            ["K"] => Rule::interior(GET).permanent(),
            ["K", name] if name.starts_with('n') => Rule::interior(INSTANCE).placeholder(),
            ["K", _] => Rule::leaf(AccessSet::ALL, FormatSet::of(&[Format::Int, Format::Bin]))
                .placeholder()
                .occurring(Occurrence::OneOrMore),
            _ => return None,
        })
    }

    fn required(&self, uri: &Uri) -> Vec<Required> {
        let names: Vec<&str> = uri.segments().collect();
        match names.as_slice() {
            ["M", instance] if *instance != "Info" => vec![
                Required::new("State", Initial::Leaf(Value::int(0))),
                Required::new("Name", Initial::Leaf(Value::chr(""))),
                Required::new("Note", Initial::Leaf(Value::chr(""))),
                Required::new("Op", Initial::Interior),
            ],
            ["M", _, "Op"] => vec![Required::new("Run", Initial::Leaf(Value::null()))],
            _ => Vec::new(),
        }
    }
}

pub(crate) fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

pub(crate) fn target(text: &str) -> Target {
    text.parse().unwrap()
}

pub(crate) fn server(id: &str) -> Principal {
    Principal::Server(id.parse::<ServerId>().unwrap())
}

pub(crate) fn at(seconds: u64) -> Now {
    Now {
        wall: Duration::from_secs(seconds),
        mono: Duration::ZERO,
    }
}

/// Every server may Add and Get, server A everything.
pub(crate) fn root_acl() -> Acl {
    "Add=*&Delete=A&Exec=A&Get=*&Replace=A".parse().unwrap()
}

/// A tree with the permanent nodes, one instance `./M/a`, and `./K/a`.
pub(crate) fn garden(limits: TreeLimits) -> (MemoryJournal, Tree) {
    let journal = MemoryJournal::new();
    let mut tree = Tree::load(&journal, limits, root_acl()).unwrap();
    let mut transaction = tree.begin(at(1));
    let leaves = [
        ("./P/Id", Value::chr("id-1")),
        ("./K/a", Value::int(7)),
        ("./M/Info", Value::chr("")),
        ("./M/a/State", Value::int(1)),
    ];
    for (text, value) in leaves {
        transaction.set(&Garden, &uri(text), value).unwrap();
    }
    transaction.add_interior(&Garden, &uri("./X")).unwrap();
    transaction.commit(&journal, Batch::new()).unwrap();
    (journal, tree)
}

/// Runs an operation in a transaction of its own, which commits if the operation succeeds.
pub(crate) fn run<T>(
    (journal, tree): &mut (MemoryJournal, Tree),
    operation: impl FnOnce(&mut Transaction<'_>) -> Result<T, TreeError>,
) -> Result<T, u16> {
    let mut transaction = tree.begin(at(2));
    let result = operation(&mut transaction).map_err(|error| error.status().get())?;
    transaction.commit(journal, Batch::new()).unwrap();
    Ok(result)
}

/// Every record of the tree's space.
pub(crate) fn records(journal: &dyn Journal) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = Vec::new();
    journal
        .scan(Space::TREE, &mut |key, record| {
            records.push((key.to_vec(), record.to_vec()));
        })
        .unwrap();
    records
}

/// A journal whose commits fail.
pub(crate) struct Failing<'a>(pub(crate) &'a MemoryJournal);

impl Journal for Failing<'_> {
    fn commit(&self, _: &Batch) -> Result<(), JournalError> {
        Err(JournalError::new(JournalErrorKind::Full, None))
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.0.read(space, key)
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        self.0.scan(space, visit)
    }
}
