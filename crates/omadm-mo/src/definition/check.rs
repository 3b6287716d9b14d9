use omadm_core::Format;
use omadm_tree::{AccessType, Scope, Uri};

use super::{Definition, NodeDefinition, Support};

/// What is wrong with a [`Definition`].
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("node {path:?}: {kind}")]
pub struct DefinitionError {
    /// The path of the row.
    pub path: String,
    /// What is wrong with it.
    pub kind: DefinitionErrorKind,
}

omadm_core::debug_as_causes!(DefinitionError);

/// The kind of a [`DefinitionError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionErrorKind {
    /// The first row, and only the first, is the root with the path "".
    #[error("the root must be the first row and no other")]
    Root,
    /// No earlier row describes the parent.
    #[error("no row before it describes its parent")]
    Orphan,
    /// An earlier row has the same path, or is a placeholder beside this placeholder.
    #[error("a row before it describes the same node")]
    Duplicate,
    /// The parent is a leaf, or open to anything.
    #[error("its parent cannot have described children")]
    Parent,
    /// Nothing is said of the node.
    #[error("nothing describes it")]
    Properties,
    /// The path is not made of names and placeholders `<…>`.
    #[error("its path is not well formed")]
    Path,
    /// The access types lack one of the minimum, or grant Replace where it is forbidden.
    #[error("its access types contradict the minimum")]
    Access,
    /// The format does not occur in a tree, or a leaf is open or the root.
    #[error("its format does not fit")]
    Format,
    /// The initial value does not fit the format.
    #[error("its initial value does not fit its format")]
    Initial,
    /// It appears with its parent though it need not occur or has no name of its own, or it is
    /// required and does not appear though it could, or a node with a name of its own occurs more
    /// than once.
    #[error("its occurrence contradicts its appearance with the parent")]
    Occurrence,
    /// A permanent node below a dynamic one, or one named at run time.
    #[error("its scope contradicts its place")]
    Scope,
}

impl Definition {
    /// Checks that the table is well formed.
    ///
    /// # Errors
    /// The first fault, in table order.
    pub fn check(&self) -> Result<(), DefinitionError> {
        if self.nodes.is_empty() {
            let kind = DefinitionErrorKind::Root;
            return Err(DefinitionError {
                path: String::new(),
                kind,
            });
        }
        for (index, row) in self.nodes.iter().enumerate() {
            let (before, _) = self.nodes.split_at(index);
            check_place(row, before)
                .and_then(|()| check_columns(row))
                .map_err(|kind| DefinitionError {
                    path: row.path.to_string(),
                    kind,
                })?;
        }
        Ok(())
    }
}

/// Checks where a row stands: what the rows before it say of its parent and its siblings.
fn check_place(row: &NodeDefinition, before: &[NodeDefinition]) -> Result<(), DefinitionErrorKind> {
    use DefinitionErrorKind as Kind;

    let Some(parent) = row.parent() else {
        return if before.is_empty() {
            Ok(())
        } else {
            Err(Kind::Root)
        };
    };
    if before.is_empty() {
        return Err(Kind::Root);
    }
    let well_formed = |name: &str| match name.strip_prefix('<') {
        Some(rest) => rest
            .strip_suffix('>')
            .is_some_and(|inner| !inner.is_empty()),
        None => Uri::root().child(name).is_ok(),
    };
    if !row.path.split('/').all(well_formed) {
        return Err(Kind::Path);
    }
    let is_placeholder = row.is_placeholder();
    let same_node = |other: &NodeDefinition| {
        let is_beside = is_placeholder && other.is_right_below(parent);
        other.path == row.path || is_beside && other.is_placeholder()
    };
    if before.iter().any(same_node) {
        return Err(Kind::Duplicate);
    }
    let parent = before
        .iter()
        .find(|other| other.path == parent)
        .ok_or(Kind::Orphan)?;
    if !parent.is_interior() || parent.open {
        return Err(Kind::Parent);
    }
    let permanent = |row: &NodeDefinition| row.scope == Scope::Permanent;
    if permanent(row) && (!permanent(parent) || is_placeholder) {
        return Err(Kind::Scope);
    }
    Ok(())
}

/// Checks that the columns of a row agree with each other.
fn check_columns(row: &NodeDefinition) -> Result<(), DefinitionErrorKind> {
    use DefinitionErrorKind as Kind;

    let beyond_minimum = row.min_access.difference(row.access).is_empty();
    if !beyond_minimum || row.no_replace && row.access.contains(AccessType::Replace) {
        return Err(Kind::Access);
    }
    let interior = row.open || row.path.is_empty();
    if row.format == Format::B64 || interior && !row.is_interior() {
        return Err(Kind::Format);
    }
    let initial_fits = if row.with_parent && !row.is_interior() {
        row.initial_value().is_some()
    } else {
        row.initial.is_empty()
    };
    if !initial_fits {
        return Err(Kind::Initial);
    }
    if row.path.is_empty() {
        return Ok(());
    }
    let always_there = row.occurrence.min() > 0 && !row.is_placeholder();
    // A leaf for which nothing is no value waits for whoever knows one.
    let waits = always_there && !row.is_interior() && row.initial_value().is_none();
    let appears = match row.status {
        Support::Required => row.with_parent == always_there || waits,
        Support::Optional => always_there || !row.with_parent,
    };
    if !appears || !row.is_placeholder() && row.occurrence.max() != Some(1) {
        return Err(Kind::Occurrence);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use omadm_tree::{
        AccessType::{Add, Delete, Exec, Get, Replace},
        Occurrence::{One, OneOrMore, ZeroOrMore, ZeroOrOne},
    };

    use super::{DefinitionErrorKind as Kind, NodeDefinition as N, *};

    const ROOT: N = N::node("", "Root.", "§1").permanent();

    fn check(nodes: &[N]) -> Result<(), Kind> {
        let definition = Definition {
            name: "Test".into(),
            moid: "urn:example:mo:test:1.0".into(),
            specification: "Example".into(),
            nodes: nodes.to_vec().into(),
        };
        definition.check().map_err(|error| error.kind)
    }

    /// A root and one more row.
    fn check_row(row: N) -> Result<(), Kind> {
        check(&[ROOT, row])
    }

    const fn leaf(path: &'static str) -> N {
        N::leaf(path, Format::Chr, "Leaf.", "§1")
    }

    #[test]
    fn rows_stand_in_order() {
        for (nodes, result) in [
            (&[][..], Err(Kind::Root)),
            (&[leaf("a")], Err(Kind::Root)),
            (&[leaf("")], Err(Kind::Format)),
            (&[ROOT, ROOT], Err(Kind::Root)),
            (&[ROOT, leaf("a/b")], Err(Kind::Orphan)),
            (&[ROOT, leaf("a"), leaf("a/b")], Err(Kind::Parent)),
            (&[ROOT, leaf("a"), leaf("a")], Err(Kind::Duplicate)),
            (&[ROOT, leaf("a"), leaf("b")], Ok(())),
        ] {
            assert_eq!(check(nodes), result, "{nodes:?}");
        }
        const X: N = N::node("<x>", "Instance.", "§1").occurs(ZeroOrMore);
        const Y: N = N::node("<y>", "Instance.", "§1").occurs(ZeroOrMore);
        const OPEN: N = N::node("Ext", "Anything.", "§1").open();
        assert_eq!(check(&[ROOT, X, Y]), Err(Kind::Duplicate));
        assert_eq!(check(&[ROOT, OPEN, leaf("Ext/a")]), Err(Kind::Parent));
        assert_eq!(check(&[ROOT, X, OPEN, leaf("<x>/a")]), Ok(()));
    }

    #[test]
    fn columns_agree() {
        let interior = N::node("a", "Interior.", "§1");
        for (row, result) in [
            (leaf("a").allows(&[Exec]), Err(Kind::Access)),
            (leaf("a").prints(&[]).allows(&[]), Ok(())),
            (
                leaf("a").no_replace().allows(&[Get, Replace]),
                Err(Kind::Access),
            ),
            (leaf("a").no_replace().allows(&[Add, Delete, Get]), Ok(())),
            (leaf("a").open(), Err(Kind::Format)),
            (N::leaf("a", Format::B64, "", ""), Err(Kind::Format)),
            (N::leaf("a", Format::Int, "", ""), Err(Kind::Initial)),
            (N::leaf("a", Format::Int, "", "").starts_as("0"), Ok(())),
            (N::operation("a", "", "").starts_as("0"), Err(Kind::Initial)),
            (interior.clone().starts_as("0"), Err(Kind::Initial)),
            (
                leaf("a").occurs(ZeroOrOne).starts_as("0"),
                Err(Kind::Initial),
            ),
            (leaf("a").occurs(ZeroOrOne), Ok(())),
            (leaf("a").occurs(ZeroOrMore), Err(Kind::Occurrence)),
            (leaf("<x>").occurs(OneOrMore), Ok(())),
            (leaf("<x>"), Err(Kind::Occurrence)),
            (leaf("a").on_demand(), Err(Kind::Occurrence)),
            (N::leaf("a", Format::Int, "", "").on_demand(), Ok(())),
            (interior.on_demand(), Err(Kind::Occurrence)),
            (leaf("a").optional().on_demand(), Ok(())),
            (leaf("a").optional().occurs(One), Ok(())),
            (leaf("<x>").occurs(OneOrMore).permanent(), Err(Kind::Scope)),
            (leaf("a b-c.d"), Ok(())),
            (leaf(".."), Err(Kind::Path)),
            (leaf("<x").occurs(OneOrMore), Err(Kind::Path)),
            (leaf("<>").occurs(OneOrMore), Err(Kind::Path)),
            (leaf("a/"), Err(Kind::Path)),
        ] {
            assert_eq!(check_row(row.clone()), result, "{row:?}");
        }
        const X: N = N::node("<x>", "Instance.", "§1").occurs(ZeroOrMore);
        let fixed = N::leaf("<x>/a", Format::Chr, "", "").permanent();
        assert_eq!(check(&[ROOT, X, fixed]), Err(Kind::Scope));
    }
}
