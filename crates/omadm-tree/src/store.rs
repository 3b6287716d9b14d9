use std::{cmp::Ordering, sync::Arc};

use omadm_core::{Format, sort};

use crate::{
    Acl, Uri,
    index::{self, Index},
    names::Names,
    octets::Octets,
    record::{MAX_SLOTS, RecordFault},
    segments::{self, Segment, are_same},
    slab::Slab,
};

/// The place of a node in the slab, and the key of its durable record.
pub(crate) type NodeId = u32;

pub(crate) const ROOT: NodeId = 0;

/// A node. Short values are in place, what few nodes have is behind one pointer, and a name is shared
/// by all nodes that have it.
pub(crate) struct Node {
    pub(crate) name: Arc<str>,
    pub(crate) props: Props,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    /// The children, sorted by name.
    Interior(Box<[NodeId]>),
    Leaf(Octets),
}

/// What a node has besides its name, its value and its children. All but the parent may change;
/// the parent is here because there is room for it.
#[derive(Clone)]
pub(crate) struct Props {
    pub(crate) parent: NodeId,
    /// Seconds since 1970.
    pub(crate) stamp: u64,
    pub(crate) ver_no: u16,
    pub(crate) format: Format,
    /// Created as a required child and never set since.
    pub(crate) unset: bool,
    extras: Option<Box<Extras>>,
}

#[derive(Clone, Default, PartialEq)]
struct Extras {
    acl: Acl,
    title: Box<str>,
    node_type: Option<Arc<str>>,
}

static NO_ACL: Acl = Acl::new();

impl Props {
    pub(crate) const fn new(parent: NodeId, format: Format, stamp: u64) -> Self {
        Self {
            parent,
            stamp,
            ver_no: 0,
            format,
            unset: false,
            extras: None,
        }
    }

    pub(crate) fn acl(&self) -> &Acl {
        self.extras.as_ref().map_or(&NO_ACL, |extras| &extras.acl)
    }

    pub(crate) fn title(&self) -> &str {
        self.extras.as_ref().map_or("", |extras| &*extras.title)
    }

    pub(crate) fn node_type(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.node_type.as_ref()
    }

    pub(crate) fn set_acl(&mut self, acl: Acl) {
        self.edit(|extras| extras.acl = acl);
    }

    pub(crate) fn set_title(&mut self, title: &str) {
        self.edit(|extras| extras.title = title.into());
    }

    pub(crate) fn set_node_type(&mut self, node_type: Option<Arc<str>>) {
        if self.node_type() != node_type.as_ref() {
            self.edit(|extras| extras.node_type = node_type);
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut Extras)) {
        let mut extras = self.extras.take().unwrap_or_default();
        change(&mut extras);
        self.extras = (*extras != Extras::default()).then_some(extras);
    }
}

impl Node {
    pub(crate) fn interior(parent: NodeId, name: Arc<str>, stamp: u64) -> Self {
        Self {
            name,
            props: Props::new(parent, Format::Node, stamp),
            body: Body::Interior(Box::default()),
        }
    }

    pub(crate) const fn parent(&self) -> NodeId {
        self.props.parent
    }

    pub(crate) fn children(&self) -> &[NodeId] {
        match &self.body {
            Body::Interior(children) => children,
            Body::Leaf(_) => &[],
        }
    }

    pub(crate) const fn is_interior(&self) -> bool {
        matches!(self.body, Body::Interior(_))
    }

    /// What the index knows it by.
    fn hash(&self) -> u32 {
        index::hash(self.parent(), segments::hash(&self.name))
    }

    fn bytes(&self) -> usize {
        match &self.body {
            Body::Interior(_) => 0,
            Body::Leaf(octets) => octets.len(),
        }
    }
}

/// The nodes in a slab. A step ([`Step`]) changes it, and yields the step that takes it back.
pub(crate) struct Store {
    slots: Slab,
    index: Index,
    names: Names,
    /// Slots that are empty and may be used.
    free: Vec<NodeId>,
    live: usize,
    bytes: usize,
}

/// One change, as it is undone or done again.
pub(crate) enum Step {
    /// Take out a node that was added last.
    Unadd(NodeId),
    /// Put back what [`Step::Unadd`] took out.
    Readd(Box<(NodeId, Node)>),
    /// Put back a subtree, its top first.
    Undelete(Vec<(NodeId, Node)>),
    /// Take out a subtree again.
    Redelete(Vec<NodeId>),
    /// Swap the name.
    Rename(NodeId, Arc<str>),
    /// Swap the properties and, for a leaf, the value.
    Change(NodeId, Props, Option<Octets>),
}

impl Step {
    /// Adds the nodes whose records the step touches.
    pub(crate) fn touch(&self, touched: &mut Vec<NodeId>) {
        match self {
            Self::Unadd(id) | Self::Rename(id, _) | Self::Change(id, _, _) => touched.push(*id),
            Self::Readd(node) => touched.push(node.0),
            Self::Undelete(nodes) => touched.extend(nodes.iter().map(|(id, _)| *id)),
            Self::Redelete(ids) => touched.extend(ids),
        }
    }
}

impl Store {
    pub(crate) fn new() -> Self {
        let mut store = Self {
            slots: Slab::default(),
            index: Index::default(),
            names: Names::default(),
            free: Vec::new(),
            live: 0,
            bytes: 0,
        };
        store.slots.push();
        store.put(ROOT, Node::interior(ROOT, "".into(), 0));
        store
    }

    /// Fills a new store with the nodes of a stored tree.
    pub(crate) fn rebuild(
        &mut self,
        nodes: Vec<(NodeId, Node)>,
    ) -> Result<(), (NodeId, RecordFault)> {
        let last = nodes.iter().map(|(id, _)| *id).max();
        while last.is_some_and(|last| self.slots.len() <= last as usize) {
            self.slots.push();
        }
        self.index = Index::with_room(nodes.len());
        self.names = Names::with_room(nodes.len());
        let mut families = Vec::with_capacity(nodes.len());
        for (id, node) in nodes {
            if id != ROOT {
                families.push((node.parent(), id));
            }
            self.take(id);
            self.put(id, node);
        }
        let (begins, children) = side_by_side(&families, self.slots.len())?;
        let ends = begins.iter().copied().skip(1).chain([children.len()]);
        for ((parent, begin), end) in (ROOT..).zip(&begins).zip(ends) {
            let family = children.get(*begin..end).unwrap_or_default();
            let Some(first) = family.first() else {
                continue;
            };
            let in_order = self.in_order(family.to_vec())?;
            match self.get_mut(parent).map(|node| &mut node.body) {
                Some(Body::Interior(place)) => *place = in_order,
                _ => return Err((*first, RecordFault::Parent)),
            }
        }
        // Nodes that are each other's ancestors hang together, but not on the root.
        let mut reached = vec![false; self.slots.len()];
        for id in self.subtree(ROOT) {
            if let Some(mark) = reached.get_mut(id as usize) {
                *mark = true;
            }
        }
        for ((id, node), reached) in self.slots.iter().zip(reached) {
            match (node, reached) {
                (Some(_), false) => return Err((id, RecordFault::Parent)),
                (None, _) => self.free.push(id),
                (Some(_), true) => {}
            }
        }
        Ok(())
    }

    /// The number of nodes, the root among them.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// Whether one more slot may be used.
    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < MAX_SLOTS as usize
    }

    /// The octets of all values.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Node> {
        self.slots.get(id)
    }

    fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.slots.get_mut(id)
    }

    /// The node at decoded names that are joined by `/`.
    pub(crate) fn find_path(&self, path: &str) -> Option<NodeId> {
        self.find_below(ROOT, path)
    }

    pub(crate) fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        if name.is_empty() || name.contains('/') {
            return None;
        }
        self.find_below(parent, name)
    }

    /// The node at decoded names below another that are joined by `/`.
    pub(crate) fn find_below(&self, top: NodeId, path: &str) -> Option<NodeId> {
        segments::fold(path, top, |id, name| self.step(id, name))
    }

    fn step(&self, parent: NodeId, segment: Segment<'_>) -> Option<NodeId> {
        let hash = index::hash(parent, segment.hash);
        for id in self.index.guesses(hash) {
            if self.is_child(id, parent, segment.name) {
                return Some(id);
            }
        }
        self.search(parent, segment.name, hash)
    }

    fn is_child(&self, id: NodeId, parent: NodeId, name: &[u8]) -> bool {
        self.get(id)
            .is_some_and(|node| node.parent() == parent && are_same(node.name.as_bytes(), name))
    }

    /// Looks where a node is that found no place in the index, or not the first.
    #[cold]
    fn search(&self, parent: NodeId, name: &[u8], hash: u32) -> Option<NodeId> {
        let mut beside = self.index.guesses_beside(hash);
        beside
            .find(|id| self.is_child(*id, parent, name))
            .or_else(|| {
                let children = self.get(parent)?.children();
                let at = self.place(children, name).ok()?;
                children.get(at).copied()
            })
    }

    pub(crate) fn uri(&self, id: NodeId) -> Uri {
        let mut names = Vec::new();
        let mut next = id;
        while next != ROOT
            && let Some(node) = self.get(next)
        {
            names.push(&*node.name);
            next = node.parent();
        }
        names.reverse();
        Uri::root().child_unchecked(&names.join("/"))
    }

    /// The node and all below it, each before its children, children in order of their names.
    pub(crate) fn subtree(&self, top: NodeId) -> impl Iterator<Item = NodeId> {
        let mut pending = vec![top];
        std::iter::from_fn(move || {
            let id = pending.pop()?;
            if let Some(node) = self.get(id) {
                pending.extend(node.children().iter().rev());
            }
            Some(id)
        })
    }

    /// Adds a node below its parent, which has to be interior and without a child of that name;
    /// there has to be [room](Self::has_room).
    pub(crate) fn add(&mut self, node: Node) -> (NodeId, Step) {
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                self.slots.push();
                // `has_room` keeps the number of slots far below 2^32.
                NodeId::try_from(self.slots.len() - 1).unwrap_or(NodeId::MAX)
            }
        };
        self.put(id, node);
        self.link(id);
        (id, Step::Unadd(id))
    }

    /// Takes out a subtree. Its slots stay reserved until [`release`](Self::release).
    pub(crate) fn delete(&mut self, top: NodeId) -> Step {
        let ids: Vec<NodeId> = self.subtree(top).collect();
        self.apply(Step::Redelete(ids))
    }

    /// Makes the slots of deleted nodes usable, once the deletion is final.
    pub(crate) fn release(&mut self, step: &Step) {
        if let Step::Undelete(nodes) = step {
            self.free.extend(nodes.iter().map(|(id, _)| *id));
        }
    }

    /// Makes a change and returns the one that takes it back.
    pub(crate) fn apply(&mut self, step: Step) -> Step {
        match step {
            Step::Unadd(id) => {
                self.unlink(id);
                self.free.push(id);
                match self.take(id) {
                    Some(node) => Step::Readd(Box::new((id, node))),
                    None => Step::Redelete(Vec::new()),
                }
            }
            Step::Readd(entry) => self.add(entry.1).1,
            Step::Undelete(nodes) => {
                let ids: Vec<NodeId> = nodes.iter().map(|(id, _)| *id).collect();
                for (id, node) in nodes {
                    self.put(id, node);
                }
                if let Some(top) = ids.first() {
                    self.link(*top);
                }
                Step::Redelete(ids)
            }
            Step::Redelete(ids) => {
                if let Some(top) = ids.first() {
                    self.unlink(*top);
                }
                let nodes = ids
                    .into_iter()
                    .filter_map(|id| Some((id, self.take(id)?)))
                    .collect();
                Step::Undelete(nodes)
            }
            Step::Rename(id, mut name) => {
                self.unlink(id);
                name = self.share(id, name);
                if let Some(node) = self.slots.get_mut(id) {
                    self.index.remove(node.hash(), id);
                    std::mem::swap(&mut node.name, &mut name);
                    self.index.insert(node.hash(), id);
                }
                self.link(id);
                Step::Rename(id, name)
            }
            Step::Change(id, mut props, mut octets) => {
                let mut freed = 0;
                let mut taken = 0;
                if let Some(node) = self.get_mut(id) {
                    std::mem::swap(&mut node.props, &mut props);
                    if let (Body::Leaf(old), Some(new)) = (&mut node.body, &mut octets) {
                        (freed, taken) = (old.len(), new.len());
                        std::mem::swap(old, new);
                    }
                }
                self.bytes = self.bytes - freed + taken;
                Step::Change(id, props, octets)
            }
        }
    }

    /// Children in the order of their names, no two of them called the same.
    fn in_order(&self, mut children: Vec<NodeId>) -> Result<Box<[NodeId]>, (NodeId, RecordFault)> {
        let name = |id: &NodeId| self.get(*id).map_or("", |node| &*node.name);
        sort(&mut children, &|a, b| name(&a).cmp(name(&b)));
        let twin = children.windows(2).find_map(|pair| match pair {
            [a, b] if name(a) == name(b) => Some(*b),
            _ => None,
        });
        match twin {
            Some(twin) => Err((twin, RecordFault::Twin)),
            None => Ok(children.into()),
        }
    }

    /// Where a child of that name is, or belongs.
    fn place(&self, children: &[NodeId], name: &[u8]) -> Result<usize, usize> {
        children.binary_search_by(|id| match self.get(*id) {
            Some(node) => node.name.as_bytes().cmp(name),
            None => Ordering::Less,
        })
    }

    /// Fills an empty slot.
    fn put(&mut self, id: NodeId, mut node: Node) {
        node.name = self.share(id, node.name);
        if let Some(slot) = self.slots.place(id) {
            self.live += 1;
            self.bytes += node.bytes();
            let hash = node.hash();
            *slot = Some(node);
            if self.index.is_full() {
                self.index = Index::with_room(self.live);
                self.names = Names::with_room(self.live);
                for (id, node) in self.slots.iter() {
                    if let Some(node) = node {
                        self.index.insert(node.hash(), id);
                    }
                }
            } else {
                self.index.insert(hash, id);
            }
        }
    }

    /// The name as other nodes that are called so have it.
    fn share(&mut self, id: NodeId, name: Arc<str>) -> Arc<str> {
        let hash = index::hash(ROOT, segments::hash(&name));
        let guesses = self.names.guesses(hash).iter();
        let mut names = guesses.filter_map(|id| Some(&self.get(*id)?.name));
        if let Some(shared) = names.find(|it| **it == name) {
            return Arc::clone(shared);
        }
        self.names.insert(hash, id);
        name
    }

    fn take(&mut self, id: NodeId) -> Option<Node> {
        let node = self.slots.place(id)?.take()?;
        self.live -= 1;
        self.index.remove(node.hash(), id);
        self.bytes -= node.bytes();
        Some(node)
    }

    /// Enters a node among its parent's children.
    fn link(&mut self, id: NodeId) {
        self.with_siblings(id, |place, children| {
            if let Err(at) = place {
                children.reserve_exact(1);
                children.insert(at, id);
            }
        });
    }

    /// Removes a node from its parent's children.
    fn unlink(&mut self, id: NodeId) {
        self.with_siblings(id, |place, children| {
            if let Ok(at) = place {
                children.remove(at);
            }
        });
    }

    fn with_siblings(
        &mut self,
        id: NodeId,
        change: impl FnOnce(Result<usize, usize>, &mut Vec<NodeId>),
    ) {
        let Some(node) = self.get(id) else { return };
        let parent = node.parent();
        let Some(siblings) = self.get(parent) else {
            return;
        };
        let place = self.place(siblings.children(), node.name.as_bytes());
        if let Some(Node {
            body: Body::Interior(children),
            ..
        }) = self.get_mut(parent)
        {
            let mut list = std::mem::take(children).into_vec();
            change(place, &mut list);
            *children = list.into();
        }
    }
}

/// The children of one parent beside each other, in the order they are given as `(parent, child)`,
/// and where those of each of the nodes begin: counted instead of sorted.
fn side_by_side(
    families: &[(NodeId, NodeId)],
    nodes: usize,
) -> Result<(Vec<usize>, Vec<NodeId>), (NodeId, RecordFault)> {
    let mut begins = vec![0; nodes];
    for (parent, child) in families {
        let count = begins.get_mut(*parent as usize);
        *count.ok_or((*child, RecordFault::Parent))? += 1;
    }
    let mut end = 0;
    for count in &mut begins {
        end += *count;
        *count = end;
    }
    let mut children = vec![ROOT; families.len()];
    for (parent, child) in families.iter().rev() {
        if let Some(begin) = begins.get_mut(*parent as usize) {
            *begin -= 1;
            if let Some(place) = children.get_mut(*begin) {
                *place = *child;
            }
        }
    }
    Ok((begins, children))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_a_line_of_cache() {
        assert_eq!(size_of::<Option<Node>>(), 64);
    }

    /// As [`Names`] are begun anew whenever the index grows, there are some texts, not a thousand.
    #[test]
    fn nodes_that_are_called_alike_share_their_name() {
        let mut store = Store::new();
        let mut add = |parent, name: &str| store.add(Node::interior(parent, name.into(), 0)).0;
        let parents: Vec<_> = (0..1000).map(|n| add(ROOT, &format!("{n}"))).collect();
        let alike: Vec<_> = parents.iter().map(|id| add(*id, "State")).collect();
        let texts = |store: &Store| {
            let text = |id: &NodeId| store.get(*id).map(|node| Arc::as_ptr(&node.name).addr());
            let texts: std::collections::HashSet<_> = alike.iter().filter_map(text).collect();
            texts.len()
        };
        assert!((1..10).contains(&texts(&store)), "{}", texts(&store));
        for id in &alike {
            store.apply(Step::Rename(*id, "Status".into()));
        }
        assert!((1..10).contains(&texts(&store)), "{}", texts(&store));
        assert!(
            alike
                .iter()
                .all(|id| &*store.get(*id).unwrap().name == "Status")
        );
    }
}
