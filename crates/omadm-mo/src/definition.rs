mod check;
mod note;

use std::{borrow::Cow, mem, ops::Deref, sync::Arc};

use omadm_core::Format;
use omadm_tree::{AccessSet, AccessType, FormatSet, Occurrence, Owner, Rule, Scope, Value};

pub use check::{DefinitionError, DefinitionErrorKind};
pub use note::Note;

/// A management object described once, as data.
///
/// The table drives access checks, occurrence checks, the creation of required children, the
/// [DDF file](crate::ddf), the [documentation table](crate::markdown) and the conformance tests.
///
/// ```
/// use std::borrow::Cow;
///
/// use omadm_core::Format;
/// use omadm_mo::{Definition, NodeDefinition as N};
/// use omadm_tree::{AccessType, Occurrence};
///
/// static LAMPS: Definition = Definition {
///     name: Cow::Borrowed("Lamps"),
///     moid: Cow::Borrowed("urn:example:mo:lamps:1.0"),
///     specification: Cow::Borrowed("Example"),
///     nodes: Cow::Borrowed(&[
///         N::node("", "The lamps.", "Example §1").permanent(),
///         N::node("<x>", "One lamp.", "Example §1")
///             .occurs(Occurrence::ZeroOrMore)
///             .allows(&[AccessType::Add, AccessType::Delete, AccessType::Get]),
///         N::leaf("<x>/On", Format::Bool, "Whether it shines.", "Example §1")
///             .allows(&[AccessType::Get, AccessType::Replace])
///             .starts_as("false"),
///     ]),
/// };
/// assert_eq!(LAMPS.check(), Ok(()));
/// assert_eq!(LAMPS.file_name(), "Lamps-V1_0");
/// ```
#[derive(Clone, Debug)]
pub struct Definition {
    /// The name of the object; also that of its root node, unless the root node occurs more than
    /// once and so is named at run time.
    pub name: Cow<'static, str>,
    /// The Management Object Identifier: the Type of the root node; empty for none. [DM-TND]
    pub moid: Cow<'static, str>,
    /// The specification that defines it; empty for one that was loaded.
    pub specification: Cow<'static, str>,
    /// The nodes, parents before children; the first is the root with the path "".
    pub nodes: Cow<'static, [NodeDefinition]>,
}

/// A [`Definition`] that is part of the program, or one that was loaded and is shared.
#[derive(Clone, Debug)]
pub struct DefinitionRef(Shared);

#[derive(Clone, Debug)]
enum Shared {
    Static(&'static Definition),
    Loaded(Arc<Definition>),
}

impl From<&'static Definition> for DefinitionRef {
    fn from(definition: &'static Definition) -> Self {
        Self(Shared::Static(definition))
    }
}

impl From<Definition> for DefinitionRef {
    fn from(definition: Definition) -> Self {
        Self(Shared::Loaded(Arc::new(definition)))
    }
}

impl Deref for DefinitionRef {
    type Target = Definition;

    fn deref(&self) -> &Definition {
        match &self.0 {
            Shared::Static(definition) => definition,
            Shared::Loaded(definition) => definition,
        }
    }
}

/// One row of a [`Definition`].
///
/// Rows are written with [`node`](Self::node), [`leaf`](Self::leaf) or
/// [`operation`](Self::operation) and the methods that change a column.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeDefinition {
    /// The path below the root, `/`-separated; `<x>` stands for a name given at run time.
    pub path: Cow<'static, str>,
    /// Whether a device must have it.
    pub status: Support,
    /// How often it occurs under its parent.
    pub occurrence: Occurrence,
    /// The format of its value; [`Format::Node`] for an interior node.
    pub format: Format,
    /// The media types its value may have; empty for any.
    pub media_types: Cow<'static, [Cow<'static, str>]>,
    /// The access types the specification prints as the minimum.
    pub min_access: AccessSet,
    /// Whether the specification prints "No Replace" beside them.
    pub no_replace: bool,
    /// The access types a server has; a superset of the minimum.
    pub access: AccessSet,
    /// Whether it outlives every command.
    pub scope: Scope,
    /// Whether it appears with its parent.
    pub with_parent: bool,
    /// The value it appears with.
    pub initial: Cow<'static, str>,
    /// Whether a server may create anything below it.
    pub open: bool,
    /// Whether a server may execute what is below an open node.
    pub executes: bool,
    /// What it is for, one line.
    pub description: Note,
    /// The clause that defines it.
    pub clause: Note,
}

/// The Status column of a node table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// A device must have the node.
    Required,
    /// A device may leave the node out.
    Optional,
}

impl Support {
    /// The word in node tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "Required",
            Self::Optional => "Optional",
        }
    }
}

impl NodeDefinition {
    /// A required interior node that occurs once, dynamic, created with its parent, with Get alone.
    #[must_use]
    pub const fn node(path: &'static str, description: &'static str, clause: &'static str) -> Self {
        Self {
            path: Cow::Borrowed(path),
            status: Support::Required,
            occurrence: Occurrence::One,
            format: Format::Node,
            media_types: Cow::Borrowed(&[]),
            min_access: AccessSet::of(&[AccessType::Get]),
            no_replace: false,
            access: AccessSet::of(&[AccessType::Get]),
            scope: Scope::Dynamic,
            with_parent: true,
            initial: Cow::Borrowed(""),
            open: false,
            executes: false,
            description: note::of(description),
            clause: note::of(clause),
        }
    }

    /// As [`node`](Self::node), a leaf.
    #[must_use]
    pub const fn leaf(
        path: &'static str,
        format: Format,
        description: &'static str,
        clause: &'static str,
    ) -> Self {
        let mut row = Self::node(path, description, clause);
        row.format = format;
        row
    }

    /// As [`leaf`](Self::leaf), a null leaf with Exec alone.
    #[must_use]
    pub const fn operation(
        path: &'static str,
        description: &'static str,
        clause: &'static str,
    ) -> Self {
        Self::leaf(path, Format::Null, description, clause)
            .prints(&[AccessType::Exec])
            .allows(&[AccessType::Exec])
    }

    /// Optional to support; it still appears with its parent on a device that does.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.status = Support::Optional;
        self
    }

    /// Named at run time or not always there: it no longer appears with its parent.
    #[must_use]
    pub const fn occurs(mut self, occurrence: Occurrence) -> Self {
        self.occurrence = occurrence;
        self.with_parent = false;
        self
    }

    /// Does not appear with its parent, whatever its occurrence.
    #[must_use]
    pub const fn on_demand(mut self) -> Self {
        self.with_parent = false;
        self
    }

    /// The minimum access types, as printed.
    #[must_use]
    pub const fn prints(mut self, minimum: &[AccessType]) -> Self {
        self.min_access = AccessSet::of(minimum);
        self
    }

    /// "No Replace" is printed beside the minimum access types.
    #[must_use]
    pub const fn no_replace(mut self) -> Self {
        self.no_replace = true;
        self
    }

    /// The access types a server has.
    #[must_use]
    pub const fn allows(mut self, access: &[AccessType]) -> Self {
        self.access = AccessSet::of(access);
        self
    }

    /// The media types of its value.
    #[must_use]
    pub const fn media_types(mut self, media_types: &'static [Cow<'static, str>]) -> Self {
        mem::forget(mem::replace(
            &mut self.media_types,
            Cow::Borrowed(media_types),
        ));
        self
    }

    /// The value it appears with.
    #[must_use]
    pub const fn starts_as(mut self, initial: &'static str) -> Self {
        mem::forget(mem::replace(&mut self.initial, Cow::Borrowed(initial)));
        self
    }

    /// A server may create anything below it.
    #[must_use]
    pub const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// As [`open`](Self::open), and what is below it can be executed.
    #[must_use]
    pub const fn open_to_exec(mut self) -> Self {
        self.executes = true;
        self.open()
    }

    /// No server creates, renames or deletes it.
    #[must_use]
    pub const fn permanent(mut self) -> Self {
        self.scope = Scope::Permanent;
        self
    }

    /// The last segment of the path; the root has none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self.path.rsplit_once('/') {
            Some((_, name)) => Some(name),
            None => Some(&*self.path).filter(|path| !path.is_empty()),
        }
    }

    /// The path of the parent; the root has none.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.name()?;
        Some(self.path.rsplit_once('/').map_or("", |(parent, _)| parent))
    }

    /// Whether a path is that of its parent.
    pub(crate) fn is_right_below(&self, path: &str) -> bool {
        self.below(path)
            .is_some_and(|name| !name.is_empty() && !name.contains('/'))
    }

    /// The row of a child with this name, which is one segment, and the rows behind it: that of
    /// the name, or else that of names given at run time.
    ///
    /// `rows` are those behind this one, `has` tells which of them count.
    pub(crate) fn child_among<'a>(
        &self,
        rows: &'a [Self],
        name: &str,
        has: impl Fn(&Self) -> bool,
    ) -> Option<(&'a Self, &'a [Self])> {
        let begin = self.path.len() + usize::from(!self.path.is_empty());
        // Most rows are of another length.
        let length = begin + name.len();
        let named = rows.iter().position(|row| {
            row.path.len() == length && row.below(&self.path) == Some(name) && has(row)
        });
        let at = named.or_else(|| {
            rows.iter().position(|row| {
                row.path.as_bytes().get(begin) == Some(&b'<')
                    && row.is_right_below(&self.path)
                    && has(row)
            })
        });
        let (row, behind) = rows.get(at?..)?.split_first()?;
        Some((row, behind))
    }

    /// What its path has after another.
    fn below(&self, path: &str) -> Option<&str> {
        match path {
            "" => Some(&self.path),
            _ => self.path.strip_prefix(path)?.strip_prefix('/'),
        }
    }

    /// Whether its name is given at run time.
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        let name = self.path.bytes().rev().take_while(|octet| *octet != b'/');
        name.last() == Some(b'<')
    }

    /// Whether it is an interior node.
    #[must_use]
    pub const fn is_interior(&self) -> bool {
        matches!(self.format, Format::Node)
    }

    /// Who writes the value: the device alone where no server may Add or Replace.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        if self.access.contains(AccessType::Add) || self.access.contains(AccessType::Replace) {
            Owner::Server
        } else {
            Owner::Device
        }
    }

    /// The value it appears with; none for an interior node and where [`initial`](Self::initial)
    /// does not fit the format.
    #[must_use]
    pub fn initial_value(&self) -> Option<Value> {
        let media_type = self.media_types.first().map(AsRef::as_ref);
        Value::new(self.format, media_type, self.initial.as_bytes()).ok()
    }

    /// What a tree has to know of it.
    #[must_use]
    pub(crate) fn rule(&self) -> Rule<'_> {
        let mut rule = Rule::leaf(self.access, FormatSet::of(&[self.format]))
            .with_media_types(&self.media_types);
        if self.is_placeholder() {
            rule = rule.placeholder();
        }
        rule.scope = self.scope;
        rule.owner = self.owner();
        rule.occurring(self.occurrence)
    }
}

impl Definition {
    /// The row with a path.
    #[must_use]
    pub fn node(&self, path: &str) -> Option<&NodeDefinition> {
        self.nodes.iter().find(|row| row.path == path)
    }

    /// The rows right below a path, in table order.
    pub fn children<'a>(
        &'a self,
        path: &'a str,
    ) -> impl Iterator<Item = &'a NodeDefinition> + use<'a> {
        self.nodes
            .iter()
            .filter(move |row| row.is_right_below(path))
    }

    /// The name of the DDF file without its ending: name and version, as in `VirMO-V1_0`.
    #[must_use]
    pub fn file_name(&self) -> String {
        let version = self
            .moid
            .rsplit_once(':')
            .map_or("", |(_, version)| version);
        format!("{}-V{}", self.name, version.replace('.', "_"))
    }

    /// Whether the root node has a name of its own; otherwise it is named at run time.
    #[must_use]
    pub fn has_named_root(&self) -> bool {
        self.node("")
            .is_some_and(|root| root.occurrence.max() == Some(1))
    }
}

#[cfg(test)]
mod tests {
    use omadm_tree::AccessType::{Add, Delete, Exec, Get, Replace};

    use super::*;

    const fn leaf(path: &'static str) -> NodeDefinition {
        NodeDefinition::leaf(path, Format::Chr, "Leaf.", "§1")
    }

    #[test]
    fn the_device_owns_what_no_server_writes() {
        for (access, owner) in [
            (&[][..], Owner::Device),
            (&[Get, Exec, Delete], Owner::Device),
            (&[Add], Owner::Server),
            (&[Get, Replace], Owner::Server),
        ] {
            assert_eq!(leaf("a").allows(access).owner(), owner, "{access:?}");
        }
    }

    #[test]
    fn rows_know_their_place_in_the_path() {
        for (path, name, parent) in [
            ("", None, None),
            ("a", Some("a"), Some("")),
            ("<x>", Some("<x>"), Some("")),
            ("<x>/a/b", Some("b"), Some("<x>/a")),
        ] {
            let row = leaf(path);
            assert_eq!((row.name(), row.parent()), (name, parent));
            assert_eq!(row.is_placeholder(), path == "<x>");
        }
    }
}
