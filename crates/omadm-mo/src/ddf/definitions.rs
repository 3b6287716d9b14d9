use std::borrow::Cow;

use omadm_core::Format;
use omadm_tree::{Occurrence, Scope, Uri, Value};

use super::{Description, Document, NodeType, Properties};
use crate::{Definition, DefinitionError, DefinitionErrorKind, Mount, NodeDefinition, Support};

/// A [`Definition`] made of a device description.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The parent of the root node, if the description says.
    pub path: Option<Uri>,
    /// The object.
    pub definition: Definition,
}

impl Loaded {
    /// The mount where the description says: of a root node with a name of its own below
    /// [`path`](Self::path), or else below the root of the tree; of one named at run time, any
    /// number below `path`, and none without it.
    #[must_use]
    pub fn mount(self) -> Option<Mount> {
        if self.definition.has_named_root() {
            let parent = self.path.unwrap_or(Uri::root());
            let root = parent.child(&self.definition.name).ok()?;
            Some(Mount::new(root, self.definition))
        } else {
            Some(Mount::instances(self.path?, self.definition))
        }
    }
}

impl Document {
    /// The description of a definition.
    #[must_use]
    pub fn of(definition: &Definition) -> Self {
        // The descriptions that are open, with the paths of their rows.
        let mut document = Self::default();
        let mut open: Vec<(&str, Description)> = Vec::new();
        let mut pending: Vec<&NodeDefinition> = definition.node("").into_iter().collect();
        while let Some(row) = pending.pop() {
            while let Some((_, done)) = open.pop_if(|(path, _)| row.parent() != Some(*path)) {
                document.put(open.last_mut().map(|(_, parent)| parent), done);
            }
            open.push((&row.path, describe(definition, row)));
            let mut children: Vec<_> = definition.children(&row.path).collect();
            children.reverse();
            pending.extend(children);
        }
        while let Some((_, done)) = open.pop() {
            document.put(open.last_mut().map(|(_, parent)| parent), done);
        }
        document
    }

    fn put(&mut self, parent: Option<&mut Description>, node: Description) {
        match parent {
            Some(parent) => parent.nodes.push(node),
            None => self.nodes.push(node),
        }
    }

    /// One definition for each outermost node, well formed by [`Definition::check`].
    ///
    /// A definition says what a tree has to know, so some of a description is read in its sense: a
    /// node that a server may not remove alone, below one that comes and goes, is dynamic; a name of
    /// its own occurs once; `b64` is stored as `bin`. A required leaf appears with its parent if its
    /// `DefaultValue`, or nothing, is a value of its format. Below an `Ext` or `Bearer` without
    /// children anything may be added. [DM-DDF] A `Path` inside is not looked at.
    ///
    /// # Errors
    /// A [`DefinitionError`]: a node without `DFProperties`, a name that is none, two nodes of the
    /// same name or two named at run time beside each other, a leaf with children.
    pub fn definitions(&self) -> Result<Vec<Loaded>, DefinitionError> {
        self.nodes.iter().map(definition).collect()
    }
}

/// The description of a row, without the rows below it.
fn describe(definition: &Definition, row: &NodeDefinition) -> Description {
    let is_root = row.path.is_empty();
    let name = match row.name() {
        Some(_) if row.is_placeholder() => "",
        Some(name) => name,
        None if definition.has_named_root() => &definition.name,
        None => "",
    };
    let node_type = if is_root {
        NodeType::DdfName(definition.moid.to_string())
    } else if row.is_interior() {
        NodeType::DdfName(String::new())
    } else if row.media_types.is_empty() {
        NodeType::Mime(vec![Value::default_media_type(row.format).to_owned()])
    } else {
        NodeType::Mime(row.media_types.iter().map(ToString::to_string).collect())
    };
    let mut properties = Properties::new(row.access, row.format, node_type);
    let initial = Some(row.initial.to_string());
    properties.default_value = initial.filter(|initial| !initial.is_empty());
    properties.description = Some(row.description.to_string());
    properties.occurrence = Some(row.occurrence);
    properties.scope = Some(row.scope);
    Description {
        name: name.to_owned(),
        path: None,
        properties: Some(properties),
        nodes: Vec::new(),
    }
}

fn definition(root: &Description) -> Result<Loaded, DefinitionError> {
    let fault = |path: &str, kind| DefinitionError {
        path: path.to_owned(),
        kind,
    };
    let mut rows: Vec<NodeDefinition> = Vec::new();
    let mut pending = vec![(String::new(), Scope::Permanent, root)];
    while let Some((path, around, node)) = pending.pop() {
        let Some(properties) = &node.properties else {
            return Err(fault(&path, DefinitionErrorKind::Properties));
        };
        let row = row(&path, around, node, properties);
        for child in node.nodes.iter().rev() {
            let name = if child.name.is_empty() {
                "<x>"
            } else {
                &child.name
            };
            let separator = if path.is_empty() { "" } else { "/" };
            if child.name.contains('/') {
                return Err(fault(&child.name, DefinitionErrorKind::Path));
            }
            pending.push((format!("{path}{separator}{name}"), row.scope, child));
        }
        rows.push(row);
    }
    let moid = match root
        .properties
        .as_ref()
        .map(|properties| &properties.node_type)
    {
        Some(NodeType::DdfName(name)) => name.clone(),
        _ => String::new(),
    };
    let path = match root.path.as_deref().filter(|path| !path.is_empty()) {
        Some(path) => {
            let parsed = Uri::parse(path.strip_suffix('/').unwrap_or(path));
            Some(parsed.map_err(|_| fault(path, DefinitionErrorKind::Path))?)
        }
        None => None,
    };
    let title = root.properties.as_ref().and_then(|it| it.title.clone());
    let name = match root.name.as_str() {
        "" => title.unwrap_or_default(),
        name => name.to_owned(),
    };
    let definition = Definition {
        name: Cow::Owned(name),
        moid: Cow::Owned(moid),
        specification: Cow::Borrowed(""),
        nodes: Cow::Owned(rows),
    };
    definition.check()?;
    Ok(Loaded { path, definition })
}

fn row(path: &str, around: Scope, node: &Description, properties: &Properties) -> NodeDefinition {
    let is_root = path.is_empty();
    let named = !node.name.is_empty();
    let mut row = NodeDefinition::node("", "", "");
    row.path = Cow::Owned(path.to_owned());
    row.description = properties.description.clone().unwrap_or_default().into();
    row.access = properties.access;
    row.min_access = properties.access;
    row.format = match properties.format {
        Format::B64 => Format::Bin,
        format => format,
    };
    if let NodeType::Mime(types) = &properties.node_type
        && !row.is_interior()
    {
        let named = types.iter().filter(|one| !one.is_empty());
        row.media_types = named.map(|one| Cow::Owned(one.clone())).collect();
    }
    row.occurrence = match properties.occurrence.unwrap_or_default() {
        Occurrence::OneOrMore | Occurrence::OneOrN(_) if named => Occurrence::One,
        Occurrence::ZeroOrMore | Occurrence::ZeroOrN(_) if named => Occurrence::ZeroOrOne,
        // Named at run time means that there may be several.
        Occurrence::One if is_root && !named => Occurrence::OneOrMore,
        Occurrence::ZeroOrOne if is_root && !named => Occurrence::ZeroOrMore,
        occurrence => occurrence,
    };
    row.scope = match properties.scope {
        Some(Scope::Permanent) if named && around == Scope::Permanent => Scope::Permanent,
        _ => Scope::Dynamic,
    };
    let required = row.occurrence.min() > 0;
    row.status = if required {
        Support::Required
    } else {
        Support::Optional
    };
    row.open =
        row.is_interior() && node.nodes.is_empty() && matches!(&*node.name, "Ext" | "Bearer");
    row.with_parent = required && named && !is_root;
    if row.with_parent && !row.is_interior() {
        row.initial = Cow::Owned(properties.default_value.clone().unwrap_or_default());
        if row.initial_value().is_none() {
            row.initial = Cow::Borrowed("");
            row.with_parent = row.initial_value().is_some();
        }
    }
    if is_root {
        row.with_parent = true;
    }
    row
}
