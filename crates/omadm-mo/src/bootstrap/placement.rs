use omadm_core::{ServerId, SortedMap, SortedSet};
use omadm_tree::{NewNode, Schema, Transaction, Tree, Uri, Value};

use super::ApplyError;
use crate::{
    Account, DM_ACC, Definition, Layout,
    layout::Held,
    standard::{inbox, literal},
    tnds::Creation,
};

/// A management object on its way to its place.
#[derive(Debug)]
pub(crate) struct Object {
    /// Where it was added.
    pub(crate) from: Uri,
    /// The nodes, parents first.
    pub(crate) nodes: Vec<Creation>,
}

/// What to do with an [`Object`].
#[derive(Debug)]
pub(crate) struct Placement {
    /// The object.
    pub(crate) object: Object,
    /// Where it belongs; none if no definition with its Type is mounted.
    pub(crate) to: Option<Uri>,
}

impl Object {
    /// Splits nodes, parents first, into objects. Nodes that only lead to objects and are there
    /// already belong to none.
    pub(crate) fn split(creations: Vec<Creation>, tree: &Tree, layout: &Layout) -> Vec<Self> {
        let mut objects: Vec<Self> = Vec::new();
        // Where in these the object with a root is; none is inside another.
        let mut places: SortedMap<Uri, usize> = SortedMap::new();
        for creation in creations {
            let uri = &creation.uri;
            let before = places.last_up_to(uri);
            let inside = before.filter(|(from, _)| uri.starts_with(from));
            if let Some(object) = inside.and_then(|(_, place)| objects.get_mut(*place)) {
                object.nodes.push(creation);
                continue;
            }
            let interior = matches!(creation.node, NewNode::Interior { .. });
            let leads_on = if *uri == inbox::root() {
                interior && moid(&creation).is_none()
            } else {
                let there = tree.node(uri).is_some_and(|node| node.is_interior());
                interior && there && instance(layout, uri).is_none() && !is_open(layout, uri)
            };
            if !leads_on {
                places.insert(uri.clone(), objects.len());
                objects.push(Self {
                    from: uri.clone(),
                    nodes: vec![creation],
                });
            }
        }
        objects
    }

    /// The Type of its root.
    pub(crate) fn moid(&self) -> Option<&str> {
        self.nodes.first().and_then(moid)
    }

    /// The value of a leaf, by its address below the root.
    fn text(&self, below: &'static str) -> Option<&str> {
        let uri = self.from.join(&literal(below));
        let node = self.nodes.iter().find(|node| node.uri == uri)?;
        match &node.node {
            NewNode::Leaf(value) => value.text(),
            NewNode::Interior { .. } => None,
        }
    }
}

fn moid(creation: &Creation) -> Option<&str> {
    match &creation.node {
        NewNode::Interior { node_type } => node_type.as_deref(),
        NewNode::Leaf(_) => None,
    }
}

/// The definition of an object whose place this is: one of the instances of a mount.
fn instance<'l>(layout: &'l Layout, uri: &Uri) -> Option<&'l Definition> {
    let (Held { mount, .. }, below) = layout.nearest(uri)?;
    let is_name = !below.is_empty() && !below.contains('/');
    (mount.instances && is_name).then_some(&*mount.definition)
}

/// Whether a node is in a place where anything may be added.
fn is_open(layout: &Layout, uri: &Uri) -> bool {
    layout.row(uri).is_none() && layout.rule(uri).is_some_and(|rule| rule.placeholder)
}

/// Finds the place of every object: one in the Inbox goes where objects of its Type are, with another
/// name if its own is taken; an account goes where that of its server is.
pub(crate) fn find_places(
    objects: Vec<Object>,
    tree: &Tree,
    layout: &Layout,
) -> Result<Vec<Placement>, ApplyError> {
    let mut taken = SortedSet::new();
    let mut accounts = Account::roots_by_server(tree, layout);
    let mut placements = Vec::new();
    for object in objects {
        let (parent, definition) = if object.from.starts_with(&inbox::root()) {
            let mount = layout
                .mounts()
                .find(|mount| mount.instances && object.moid() == Some(&mount.definition.moid));
            match mount {
                Some(mount) => (Some(mount.root.clone()), Some(&*mount.definition)),
                None => (None, None),
            }
        } else if let Some(definition) = instance(layout, &object.from) {
            (object.from.parent(), Some(definition))
        } else {
            let parent = object.from.parent();
            let there = parent.filter(|parent| tree.node(parent).is_some());
            match there {
                Some(parent) if is_open(layout, &object.from) => (Some(parent), None),
                _ => return Err(ApplyError::Place(object.from)),
            }
        };
        let to = match parent {
            None => None,
            Some(parent) if definition.is_some_and(|it| it.moid == DM_ACC.moid) => {
                let server = object.text("ServerID").and_then(|id| id.parse().ok());
                let same = server.as_ref().and_then(|id| accounts.get(id).cloned());
                let of_server = |id: &ServerId| id.as_str().to_owned();
                let wanted = name_of(&object).or(server.as_ref().map(of_server));
                let root = same.unwrap_or_else(|| free(&parent, wanted, tree, &taken));
                if let Some(server) = server {
                    accounts.insert(server, root.clone());
                }
                Some(root)
            }
            // Where anything may be added, what is there is written anew.
            Some(_) if definition.is_none() => Some(object.from.clone()),
            Some(parent) => Some(free(&parent, name_of(&object), tree, &taken)),
        };
        taken.extend(to.clone());
        placements.push(Placement { object, to });
    }
    Ok(placements)
}

/// The name an object was given.
fn name_of(object: &Object) -> Option<String> {
    let named = object.from != inbox::root();
    let name = object.from.name().filter(|_| named);
    name.map(ToOwned::to_owned)
}

/// A child nobody has: of that name, or of that name or none with a number.
pub(crate) fn free(
    parent: &Uri,
    wanted: Option<String>,
    tree: &Tree,
    taken: &SortedSet<Uri>,
) -> Uri {
    let names = (1_u64..).map(|number| match &wanted {
        Some(name) if number == 1 => name.clone(),
        Some(name) => format!("{name}-{number}"),
        None => number.to_string(),
    });
    let numbers = (1_u64..).map(|number| number.to_string());
    // A server identifier need not be a name; then a number does.
    let is_name = wanted
        .as_ref()
        .is_none_or(|name| parent.child(name).is_ok());
    let names: Box<dyn Iterator<Item = String>> = match is_name {
        true => Box::new(names),
        false => Box::new(numbers),
    };
    names
        .filter_map(|name| parent.child(&name).ok())
        .find(|uri| tree.node(uri).is_none() && !taken.contains(uri))
        .unwrap_or_else(|| parent.clone())
}

impl Placement {
    /// Writes objects at their places, each in the place of what is there. Returns the nodes nobody
    /// describes, which are left out.
    pub(crate) fn write(
        placements: &[Self],
        tree: &mut Transaction<'_>,
        layout: &Layout,
    ) -> Result<Vec<Uri>, omadm_tree::TreeError> {
        let mut ignored = Vec::new();
        for Self { object, to } in placements {
            let Some(to) = to else {
                ignored.push(object.from.clone());
                continue;
            };
            if tree.node(to).is_some() {
                tree.remove(to)?;
            }
            for creation in &object.nodes {
                let Some(below) = creation.uri.strip_prefix(&object.from) else {
                    continue;
                };
                let uri = to.join(&below);
                if layout.rule(&uri).is_none() {
                    ignored.push(creation.uri.clone());
                    continue;
                }
                match &creation.node {
                    NewNode::Interior { .. } => tree.add_interior(layout, &uri)?,
                    NewNode::Leaf(value) => {
                        tree.set(layout, &uri, rewritten(value, placements))?;
                    }
                }
                if let Some(acl) = &creation.acl {
                    tree.set_acl(&uri, acl.clone())?;
                }
                if let Some(title) = &creation.title {
                    tree.set_title(&uri, title)?;
                }
            }
        }
        Ok(ignored)
    }
}

/// A value that is the address of an object, or of something in it, as of its place.
fn rewritten(value: &Value, placements: &[Placement]) -> Value {
    let moved = || {
        let text = value.text().filter(|text| text.starts_with("./"))?;
        let uri = Uri::parse(text).ok()?;
        placements.iter().find_map(|placement| {
            let below = uri.strip_prefix(&placement.object.from)?;
            let to = placement.to.as_ref()?;
            Value::new(
                value.format(),
                Some(value.media_type()),
                to.join(&below).to_string(),
            )
            .ok()
        })
    };
    moved().unwrap_or_else(|| value.clone())
}
