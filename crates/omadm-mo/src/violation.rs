use omadm_core::Format;
use omadm_tree::{NodeRef, Schema, Tree, Uri};

use crate::Layout;

/// Something in a tree that is not as it is described.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{uri}: {kind}")]
pub struct Violation {
    /// The node; for one that is missing, where it should be.
    pub uri: Uri,
    /// What is wrong with it.
    pub kind: ViolationKind,
}

/// The kind of a [`Violation`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViolationKind {
    /// Nothing describes it, nor anything below.
    #[error("nothing describes the node")]
    Undescribed,
    /// It is required and does not exist.
    #[error("the node is missing")]
    Missing,
    /// There are fewer nodes with names given at run time below it.
    #[error("fewer than {0} nodes below")]
    TooFew(u32),
    /// There are more of them.
    #[error("more than {0} nodes below")]
    TooMany(u32),
    /// It does not have the format it is described with.
    #[error("format {0} is not described")]
    Format(Format),
    /// It does not have a media type, or the identifier of a management object, that it is described
    /// with.
    #[error("type {0:?} is not described")]
    Type(String),
}

impl Layout {
    /// What is wrong with a node and with everything below it, in order of the addresses.
    ///
    /// Existence, number, format and type are checked; values only have to be those of their format,
    /// and a leaf that was never set counts.
    #[must_use]
    pub fn violations(&self, tree: &Tree, top: &Uri) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut found = |uri: Uri, kind| violations.push(Violation { uri, kind });
        let mut open: Vec<NodeRef<'_>> = Vec::new();
        match tree.node(top) {
            Some(node) => open.push(node),
            None => found(top.clone(), ViolationKind::Missing),
        }
        while let Some(node) = open.pop() {
            let uri = node.uri();
            let Some(rule) = self.rule(&uri) else {
                found(uri, ViolationKind::Undescribed);
                continue;
            };
            if !rule.formats.contains(node.format()) {
                found(uri, ViolationKind::Format(node.format()));
                continue;
            }
            let node_type = node.node_type();
            let described = if node.is_interior() {
                rule.node_type
                    .is_none_or(|described| described == node_type)
            } else {
                let types = rule.media_types;
                types.is_empty() || types.iter().any(|described| described == node_type)
            };
            if !described {
                found(uri.clone(), ViolationKind::Type(node_type.to_owned()));
            }
            if node.is_interior() {
                self.children_violations(node, &uri, &mut found);
                open.extend(node.children());
            }
        }
        violations.sort_by(|one, other| one.uri.cmp(&other.uri));
        violations
    }

    /// What is wrong with the number of an interior node's children.
    fn children_violations(
        &self,
        node: NodeRef<'_>,
        uri: &Uri,
        found: &mut impl FnMut(Uri, ViolationKind),
    ) {
        for name in self.required_names(uri) {
            if node.child(&name).is_none()
                && let Ok(child) = uri.child(&name)
            {
                found(child, ViolationKind::Missing);
            }
        }
        let Some(occurrence) = self.instances_below(uri) else {
            return;
        };
        let instances = node.children().filter(|child| {
            let rule = self.rule(&child.uri());
            rule.is_some_and(|rule| rule.placeholder)
        });
        let count = u32::try_from(instances.count()).unwrap_or(u32::MAX);
        if count < occurrence.min() {
            found(uri.clone(), ViolationKind::TooFew(occurrence.min()));
        }
        match occurrence.max() {
            Some(most) if count > most => found(uri.clone(), ViolationKind::TooMany(most)),
            _ => {}
        }
    }
}
