use omadm_core::{Format, SortedMap};
use omadm_tree::{AccessSet, AccessType, Initial, Occurrence, Required, Rule, Schema, Uri};

use crate::{DefinitionError, Mount, NodeDefinition, Support};

/// What all mounted definitions together say of the tree.
///
/// A node is described by the mount whose root is nearest above it. The nodes above the roots
/// (`./DMAcc` above `./DMAcc/server`) are permanent interior nodes with Get. Nobody describes
/// anything else.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    mounts: Vec<Mount>,
    /// Where in `mounts` the mount of a root is.
    by_root: SortedMap<Uri, usize>,
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
        let fits = outer.is_none_or(|(index, below)| {
            let outer = self.mounts.get(index);
            outer.is_some_and(|outer| is_open(outer, below))
        });
        let holds = self.at_or_below(&mount.root).all(|(root, _)| {
            let below = root.names_below(&mount.root);
            below.is_some_and(|below| is_open(&mount, below))
        });
        if mount.root.is_root() || !fits || !holds {
            return Err(MountError::Taken(mount.root));
        }
        self.by_root.insert(mount.root.clone(), self.mounts.len());
        self.mounts.push(mount);
        Ok(())
    }

    /// Takes a mount away; those after it move up.
    pub(crate) fn unmount(&mut self, index: usize) {
        if index < self.mounts.len() {
            let gone = self.mounts.remove(index);
            self.by_root.remove(&gone.root);
            let after = self.by_root.iter_mut().map(|(_, other)| other);
            after
                .filter(|other| **other > index)
                .for_each(|other| *other -= 1);
        }
    }

    /// The mount with its root at exactly this node.
    pub(crate) fn mount_at(&self, root: &Uri) -> Option<usize> {
        self.by_root.get(root).copied()
    }

    /// The roots at a node and below it, with their mounts.
    pub(crate) fn at_or_below(&self, uri: &Uri) -> impl Iterator<Item = (&Uri, usize)> {
        self.by_root
            .iter_from(uri)
            .take_while(move |(root, _)| root.starts_with(uri))
            .map(|(root, index)| (root, *index))
    }

    /// The mounts, in the order they were mounted.
    #[must_use]
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// The row that describes a node; none for a node above the mounts, below an open node, or
    /// described by nobody.
    #[must_use]
    pub fn row(&self, uri: &Uri) -> Option<&NodeDefinition> {
        let (index, below) = self.nearest(uri)?;
        match self.mounts.get(index)?.place(below)? {
            Place::Row(row) => Some(row),
            Place::Open(_) | Place::Parent => None,
        }
    }

    /// The mount with the nearest root above a node, or at it, and the names below that root.
    pub(crate) fn nearest<'u>(&self, uri: &'u Uri) -> Option<(usize, &'u str)> {
        let mut above = None;
        loop {
            // What is above a node comes before it, next to what is below the same node above.
            let at = above.as_ref().unwrap_or(uri);
            let (root, index) = self.by_root.last_up_to(at)?;
            if let Some(below) = uri.names_below(root) {
                return Some((*index, below));
            }
            above = Some(at.ancestors().find(|above| root.starts_with(above))?);
        }
    }

    /// The names of the children an interior node cannot go without.
    pub(crate) fn required_names(&self, uri: &Uri) -> Vec<String> {
        let Some((index, below)) = self.nearest(uri) else {
            return self.steps(uri);
        };
        let Some(mount) = self.mounts.get(index) else {
            return Vec::new();
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
        let (index, below) = self.nearest(uri)?;
        let mount = self.mounts.get(index)?;
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
        if let Some((index, below)) = self.nearest(uri) {
            let mount = self.mounts.get(index)?;
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
        let Some((index, below)) = self.nearest(uri) else {
            let interior = |name| Required::new(name, Initial::Interior);
            return self.steps(uri).into_iter().map(interior).collect();
        };
        let Some(mount) = self.mounts.get(index) else {
            return Vec::new();
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
    use std::borrow::Cow;

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
            steps in proptest::collection::vec((address(), any::<(bool, bool)>()), 0..16),
            asked in proptest::collection::vec(address(), 1..8),
        ) {
            let mut layout = Layout::default();
            let mut roots: Vec<(Uri, bool)> = Vec::new();
            for (root, (leaves, open)) in steps {
                if leaves {
                    let index = roots.len() / 2;
                    layout.unmount(index);
                    if index < roots.len() {
                        roots.remove(index);
                    }
                    continue;
                }
                let free = roots.iter().all(|(other, other_is_open)| {
                    *other != root
                        && (!root.starts_with(other) || *other_is_open)
                        && (!other.starts_with(&root) || open)
                });
                let definition = if open { &OPEN } else { &CLOSED };
                let mounted = layout.mount(Mount::new(root.clone(), definition));
                prop_assert_eq!(mounted.is_ok(), free, "{}", root);
                if free {
                    roots.push((root, open));
                }
            }
            let mounted: Vec<&Uri> = layout.mounts().iter().map(|mount| &mount.root).collect();
            let expected: Vec<&Uri> = roots.iter().map(|(root, _)| root).collect();
            prop_assert_eq!(mounted, expected);
            for uri in asked {
                let every = || roots.iter().map(|(root, _)| root).enumerate();
                let nearest = every()
                    .filter_map(|(index, root)| Some((index, uri.names_below(root)?)))
                    .min_by_key(|(_, below)| below.len());
                prop_assert_eq!(layout.nearest(&uri), nearest);
                let mut below: Vec<_> = every().filter(|(_, it)| it.starts_with(&uri)).collect();
                below.sort_by_key(|(_, root)| *root);
                let found: Vec<_> = layout.at_or_below(&uri).map(|(root, it)| (it, root)).collect();
                prop_assert_eq!(found, below);
                let at = every().find(|(_, root)| **root == uri);
                prop_assert_eq!(layout.mount_at(&uri), at.map(|(index, _)| index));
            }
        }
    }
}
