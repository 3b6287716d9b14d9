use omadm_core::Format;
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
        let open_at = |outer: &Mount, uri: &Uri| {
            uri.strip_prefix(&outer.root)
                .is_none_or(|below| matches!(outer.place(&below), Some(Place::Open(_))))
        };
        let free = |other: &Mount| open_at(other, &mount.root) && open_at(&mount, &other.root);
        if mount.root.is_root() || !self.mounts.iter().all(free) {
            return Err(MountError::Taken(mount.root));
        }
        self.mounts.push(mount);
        Ok(())
    }

    /// Takes a mount away; those after it move up.
    pub(crate) fn unmount(&mut self, index: usize) {
        if index < self.mounts.len() {
            self.mounts.remove(index);
        }
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
        match self.mounts.get(index)?.place(&below)? {
            Place::Row(row) => Some(row),
            Place::Open(_) | Place::Parent => None,
        }
    }

    /// The mount with the nearest root above a node, or at it, and the address below that root.
    pub(crate) fn nearest(&self, uri: &Uri) -> Option<(usize, Uri)> {
        self.mounts
            .iter()
            .enumerate()
            .filter_map(|(index, mount)| Some((index, uri.strip_prefix(&mount.root)?)))
            .min_by_key(|(_, below)| below.depth())
    }

    /// The names of the children an interior node cannot go without.
    pub(crate) fn required_names(&self, uri: &Uri) -> Vec<String> {
        let Some((index, below)) = self.nearest(uri) else {
            return self.steps(uri);
        };
        let Some(mount) = self.mounts.get(index) else {
            return Vec::new();
        };
        let Some(Place::Row(row)) = mount.place(&below) else {
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
        match mount.place(&below)? {
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
        let next = |mount: &Mount| {
            let below = mount.root.strip_prefix(uri)?;
            below.segments().next().map(ToOwned::to_owned)
        };
        let mut names: Vec<String> = self.mounts.iter().filter_map(next).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Schema for Layout {
    fn rule(&self, uri: &Uri) -> Option<Rule<'_>> {
        if let Some((index, below)) = self.nearest(uri) {
            let mount = self.mounts.get(index)?;
            return Some(match mount.place(&below)? {
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
        let above_mounts = uri.is_root() || !self.steps(uri).is_empty();
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
        let Some(Place::Row(row)) = mount.place(&below) else {
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
    /// What the node at an address below the root is; `None` for one nobody describes.
    fn place(&self, below: &Uri) -> Option<Place<'_>> {
        let mut row = self.definition.node("")?;
        let mut names = below.segments();
        if self.instances && names.next().is_none() {
            return Some(Place::Parent);
        }
        for name in names {
            if row.open {
                return Some(Place::Open(row));
            }
            let named = self
                .children(&row.path)
                .find(|row| row.name() == Some(name));
            row = match named {
                Some(row) => row,
                None => self.children(&row.path).find(|row| row.is_placeholder())?,
            };
        }
        Some(Place::Row(row))
    }

    /// The rows right below a path that are not left out.
    fn children<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a NodeDefinition> {
        self.definition
            .children(path)
            .filter(|row| !self.without.iter().any(|path| *path == row.path))
    }
}
