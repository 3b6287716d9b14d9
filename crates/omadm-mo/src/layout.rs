use omadm_core::{Format, SortedMap};
use omadm_tree::{AccessSet, AccessType, Initial, Occurrence, Required, Rule, Schema, Uri};

use crate::{DefinitionError, Mount, NodeDefinition, Support, registry::ObjectId};

/// What all mounted definitions together say of the tree.
///
/// A node is described by the mount whose root is nearest above it. The nodes above the roots
/// (`./DMAcc` above `./DMAcc/server`) are permanent interior nodes with Get. Nobody describes
/// anything else.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// By their roots.
    mounts: SortedMap<Uri, Held>,
}

/// A mount and whose it is; what moves when others come before it is short.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) mount: Box<Mount>,
    pub(crate) object: ObjectId,
}

/// Why a [`Mount`] is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// The table is not well formed.
    #[error("the definition is not well formed")]
    Definition(#[from] DefinitionError),
    /// A node is left out that is not optional, or that the table does not have.
    #[error("{0:?} is no optional node")]
    NotOptional(&'static str),
    /// Something is mounted there already, another definition describes the place, or it is the
    /// root of the tree.
    #[error("{0} is taken")]
    Taken(Uri),
}

/// What a node is to the mount it belongs to.
#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    /// The node of a row.
    Row(&'a NodeDefinition),
    /// A node below the open one of a row.
    Open(&'a NodeDefinition),
    /// The parent of objects.
    Parent,
}

/// What a server may do where anything may be added; it can execute something there only if the row
/// says so. Where the open node itself cannot be read, what holds for it holds below.
const OPEN: AccessSet = AccessSet::of(&[
    AccessType::Add,
    AccessType::Copy,
    AccessType::Delete,
    AccessType::Get,
    AccessType::Replace,
]);

/// The nodes above objects, which servers only read.
const ABOVE_OBJECTS: Rule<'static> = Rule::interior(AccessSet::of(&[AccessType::Get]))
    .permanent()
    .device_owned();

impl Layout {
    /// Mounts a definition.
    ///
    /// # Errors
    /// A [`MountError`]; nothing is mounted then.
    pub fn mount(&mut self, mount: Mount) -> Result<(), MountError> {
        self.mount_for(ObjectId::default(), mount)
    }

    /// Mounts a definition of an object.
    pub(crate) fn mount_for(&mut self, object: ObjectId, mount: Mount) -> Result<(), MountError> {
        mount.definition.check()?;
        let optional = |path: &str| {
            let row = mount.definition.node(path);
            row.is_some_and(|row| row.status == Support::Optional)
        };
        if let Some(path) = mount.without.iter().find(|path| !optional(path)) {
            return Err(MountError::NotOptional(path));
        }
        let is_open =
            |outer: &Mount, below: &str| matches!(outer.place(below), Some(Place::Open(_)));
        // Where the nearest one leaves room, those above it do.
        let outer = self.nearest(&mount.root);
        let fits = outer.is_none_or(|(outer, below)| is_open(&outer.mount, below));
        let holds = self.at_or_below(&mount.root).all(|(root, _)| {
            let below = root.names_below(&mount.root);
            below.is_some_and(|below| is_open(&mount, below))
        });
        if mount.root.is_root() || !fits || !holds {
            return Err(MountError::Taken(mount.root));
        }
        self.put(object, mount);
        Ok(())
    }

    /// Mounts what was mounted before, in a place that is as it was then.
    pub(crate) fn put(&mut self, object: ObjectId, mount: Mount) {
        let root = mount.root.clone();
        let mount = Box::new(mount);
        self.mounts.insert(root, Held { mount, object });
    }

    /// Keeps the mounts of the objects that `keep` says true of.
    pub(crate) fn retain(&mut self, keep: impl Fn(ObjectId) -> bool) {
        self.mounts.retain(|_, held| keep(held.object));
    }

    /// The mount with its root at exactly this node.
    pub(crate) fn at(&self, root: &Uri) -> Option<&Held> {
        self.mounts.get(root)
    }

    /// The roots at a node and below it, with their mounts.
    pub(crate) fn at_or_below(&self, uri: &Uri) -> impl Iterator<Item = (&Uri, &Held)> {
        let mounts = self.mounts.iter_from(uri);
        mounts.take_while(move |(root, _)| root.starts_with(uri))
    }

    /// The mounts, in the order of their roots.
    pub fn mounts(&self) -> impl ExactSizeIterator<Item = &Mount> {
        self.mounts.values().map(|held| &*held.mount)
    }

    /// The mounts with their roots at a node or below it, in the order of their roots.
    pub fn mounts_below(&self, uri: &Uri) -> impl Iterator<Item = &Mount> {
        self.at_or_below(uri).map(|(_, held)| &*held.mount)
    }

    /// The mount a node belongs to: that with the nearest root above it, or at it.
    #[must_use]
    pub fn mount_of(&self, uri: &Uri) -> Option<&Mount> {
        let (held, _) = self.nearest(uri)?;
        Some(&held.mount)
    }

    /// The row that describes a node; none for a node above the mounts, below an open node, or
    /// described by nobody.
    #[must_use]
    pub fn row(&self, uri: &Uri) -> Option<&NodeDefinition> {
        let (held, below) = self.nearest(uri)?;
        match held.mount.place(below)? {
            Place::Row(row) => Some(row),
            Place::Open(_) | Place::Parent => None,
        }
    }

    /// The mount with the nearest root above a node, or at it, and the names below that root.
    pub(crate) fn nearest<'u>(&self, uri: &'u Uri) -> Option<(&Held, &'u str)> {
        let mut above = None;
        loop {
            // What is above a node comes before it, next to what is below the same node above.
            let at = above.as_ref().unwrap_or(uri);
            let (root, held) = self.mounts.last_up_to(at)?;
            if let Some(below) = uri.names_below(root) {
                return Some((held, below));
            }
            above = Some(at.ancestors().find(|above| root.starts_with(above))?);
        }
    }

    /// The names of the children an interior node cannot go without.
    pub(crate) fn required_names(&self, uri: &Uri) -> Vec<String> {
        let Some((Held { mount, .. }, below)) = self.nearest(uri) else {
            return self.steps(uri);
        };
        let Some(Place::Row(row)) = mount.place(below) else {
            return Vec::new();
        };
        let required = |row: &&NodeDefinition| row.occurrence.min() > 0 && !row.is_placeholder();
        mount
            .children(&row.path)
            .filter(required)
            .filter(|row| row.status == Support::Required)
            .filter_map(|row| row.name().map(ToOwned::to_owned))
            .collect()
    }

    /// How often nodes with names given at run time occur below a node.
    pub(crate) fn instances_below(&self, uri: &Uri) -> Option<Occurrence> {
        let (Held { mount, .. }, below) = self.nearest(uri)?;
        match mount.place(below)? {
            Place::Row(row) => {
                let mut children = mount.children(&row.path);
                children.find(|child| child.is_placeholder())
            }
            Place::Parent => mount.definition.node(""),
            Place::Open(_) => None,
        }
        .map(|row| row.occurrence)
    }

    /// The names, below a node above mounts, that lead to a mount.
    fn steps(&self, uri: &Uri) -> Vec<String> {
        let next = |root: &Uri| {
            let below = root.strip_prefix(uri)?;
            below.segments().next().map(ToOwned::to_owned)
        };
        let roots = self.at_or_below(uri);
        let mut names: Vec<String> = roots.filter_map(|(root, _)| next(root)).collect();
        names.dedup();
        names
    }
}

impl Schema for Layout {
    fn rule(&self, uri: &Uri) -> Option<Rule<'_>> {
        if let Some((Held { mount, .. }, below)) = self.nearest(uri) {
            return Some(match mount.place(below)? {
                Place::Open(above) => Rule::open(
                    match (above.access.contains(AccessType::Get), above.executes) {
                        (true, false) => OPEN,
                        (true, true) => OPEN.with(AccessType::Exec),
                        (false, _) => above.access,
                    },
                ),
                Place::Parent => ABOVE_OBJECTS,
                Place::Row(row) if row.path.is_empty() => {
                    let moid = &*mount.definition.moid;
                    let mut rule = match moid {
                        "" => row.rule(),
                        moid => row.rule().with_node_type(moid),
                    };
                    rule.access = rule.access.union(mount.root_access);
                    if mount.instances {
                        rule.placeholder().occurring(row.occurrence)
                    } else {
                        rule
                    }
                }
                Place::Row(row) => row.rule(),
            });
        }
        let above_mounts = uri.is_root() || self.at_or_below(uri).next().is_some();
        above_mounts.then_some(ABOVE_OBJECTS)
    }

    fn required(&self, uri: &Uri) -> Vec<Required> {
        let Some((Held { mount, .. }, below)) = self.nearest(uri) else {
            let interior = |name| Required::new(name, Initial::Interior);
            return self.steps(uri).into_iter().map(interior).collect();
        };
        let Some(Place::Row(row)) = mount.place(below) else {
            return Vec::new();
        };
        let child = |child: &NodeDefinition| {
            let initial = match child.format {
                Format::Node => Initial::Interior,
                _ => Initial::Leaf(child.initial_value()?),
            };
            Some(Required::new(child.name()?.to_owned(), initial))
        };
        mount
            .children(&row.path)
            .filter(|child| child.with_parent)
            .filter_map(child)
            .collect()
    }
}

impl Mount {
    /// What the node with these names below the root is; `None` for one nobody describes.
    fn place(&self, below: &str) -> Option<Place<'_>> {
        // The root comes first, and children behind their parents.
        let (mut row, mut rows) = self.definition.nodes.split_first()?;
        let mut below = below;
        if self.instances {
            if below.is_empty() {
                return Some(Place::Parent);
            }
            below = first_of(below).1;
        }
        while !below.is_empty() {
            if row.open {
                return Some(Place::Open(row));
            }
            let (name, after) = first_of(below);
            (row, rows) = row.child_among(rows, name, |row| !self.is_without(row))?;
            below = after;
        }
        Some(Place::Row(row))
    }

    /// The rows right below a path that are not left out.
    fn children<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a NodeDefinition> {
        self.definition
            .children(path)
            .filter(|row| !self.is_without(row))
    }

    fn is_without(&self, row: &NodeDefinition) -> bool {
        self.without.iter().any(|path| *path == row.path)
    }
}

/// The first of names joined by `/`, and what is behind it.
fn first_of(names: &str) -> (&str, &str) {
    // Names are short: a search that is made for long texts takes longer to begin.
    let end = names.bytes().position(|octet| octet == b'/');
    let end = end.unwrap_or(names.len());
    let (name, behind) = names.split_at_checked(end).unwrap_or((names, ""));
    (name, behind.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, collections::BTreeMap};

    use proptest::prelude::*;

    use super::*;
    use crate::Definition;

    static OPEN: Definition = Definition {
        name: Cow::Borrowed("Open"),
        moid: Cow::Borrowed(""),
        specification: Cow::Borrowed("Example"),
        nodes: Cow::Borrowed(&[NodeDefinition::node("", "Anything.", "§1").open()]),
    };

    static CLOSED: Definition = Definition {
        name: Cow::Borrowed("Closed"),
        moid: Cow::Borrowed(""),
        specification: Cow::Borrowed("Example"),
        nodes: Cow::Borrowed(&[NodeDefinition::node("", "Nothing.", "§1")]),
    };

    fn address() -> impl Strategy<Value = Uri> {
        let name = prop_oneof![Just("a"), Just("a-"), Just("a~"), Just("b")];
        let names = proptest::collection::vec(name, 1..5);
        names.prop_map(|names| names.join("/").parse().unwrap())
    }

    proptest! {
        /// As one would find out by looking at every mount.
        #[test]
        fn what_is_mounted_where(
            steps in proptest::collection::vec((address(), 0..4_u64, any::<(bool, bool)>()), 0..16),
            asked in proptest::collection::vec(address(), 1..8),
        ) {
            let mut layout = Layout::default();
            let mut roots: BTreeMap<Uri, (ObjectId, bool)> = BTreeMap::new();
            for (root, object, (leaves, open)) in steps {
                let object = ObjectId(object);
                if leaves {
                    layout.retain(|it| it != object);
                    roots.retain(|_, (it, _)| *it != object);
                    continue;
                }
                let free = roots.iter().all(|(other, (_, other_is_open))| {
                    *other != root
                        && (!root.starts_with(other) || *other_is_open)
                        && (!other.starts_with(&root) || open)
                });
                let definition = if open { &OPEN } else { &CLOSED };
                let mounted = layout.mount_for(object, Mount::new(root.clone(), definition));
                prop_assert_eq!(mounted.is_ok(), free, "{}", root);
                if free {
                    roots.insert(root, (object, open));
                }
            }
            let mounted = layout.mounts().map(|mount| &mount.root);
            prop_assert!(mounted.eq(roots.keys()));
            for uri in asked {
                let above = roots.iter().filter_map(|(root, (it, _))| Some((it, uri.names_below(root)?)));
                let nearest = above.min_by_key(|(_, below)| below.len());
                let found = layout.nearest(&uri);
                prop_assert_eq!(found.map(|(held, below)| (&held.object, below)), nearest);
                let below = roots.keys().filter(|root| root.starts_with(&uri));
                prop_assert!(layout.mounts_below(&uri).map(|mount| &mount.root).eq(below));
                let at = roots.get(&uri).map(|(object, _)| *object);
                prop_assert_eq!(layout.at(&uri).map(|held| held.object), at);
            }
        }
    }
}
