use omadm_core::{Format, ServerId};

use crate::{
    AccessSet, AccessType, NodeRef, Owner, Principal, Property, Refusal, Rule, Schema, Scope,
    Selector, Target, Transaction, TreeError, TreeErrorKind, Uri,
    store::{NodeId, ROOT},
    tree::Revision,
};

/// The permission to do one thing to one target, from [`Transaction::authorize`].
///
/// It cannot be made otherwise, nor copied. If the tree changed since it was given, the operation
/// that uses it checks again; so does that of another tree.
#[derive(Debug)]
pub struct Permit {
    principal: Principal,
    access: AccessType,
    target: Target,
    /// The node of the target, in the tree of this revision and as long as it has that; none for Add.
    node: Option<NodeId>,
    revision: Revision,
}

impl Permit {
    /// On whose behalf.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What for.
    #[must_use]
    pub const fn access(&self) -> AccessType {
        self.access
    }

    /// The target.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The node of the target.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.target.uri
    }
}

/// The root, if the schema does not describe it.
const ROOT_RULE: Rule<'static> = Rule::interior(AccessSet::of(&[AccessType::Get])).permanent();

impl Transaction<'_> {
    /// Checks whether a principal may use a command on a target, in this order:
    ///
    /// 1. **404**: the node exists; for Add, so many of its ancestors that
    ///    [`TreeLimits::implicit_ancestors`](crate::TreeLimits::implicit_ancestors) covers the rest.
    /// 2. **405**: the description and the structure of the tree allow the command. Properties of a
    ///    node that is described go by their own table, not by its AccessType: each may be read,
    ///    ACL, Name and Title may be replaced. [DM-TND §7.7]
    /// 3. **425**: the ACL grants it. [DM-TND §7.7.1.2]
    ///
    /// What depends on the data (414, 415, 418, 420, …) is for the operation that takes the permit.
    /// The device passes the AccessType and the ACL, not the structure.
    ///
    /// [`AccessType::Copy`] is for the source of a Copy; see
    /// [`authorize_copy`](Self::authorize_copy).
    ///
    /// # Errors
    /// A [`TreeError`] with that status.
    pub fn authorize(
        &self,
        schema: &dyn Schema,
        principal: &Principal,
        access: AccessType,
        target: &Target,
    ) -> Result<Permit, TreeError> {
        let node = self.check(schema, principal, access, target)?;
        Ok(Permit {
            principal: principal.clone(),
            access,
            target: target.clone(),
            node,
            revision: self.tree.revision,
        })
    }

    /// The node a permit is for, if there is one.
    #[must_use]
    pub fn permitted(&self, permit: &Permit) -> Option<NodeRef<'_>> {
        match permit.node {
            Some(id) if permit.revision == self.tree.revision => self.tree.at(id),
            _ => self.node(permit.uri()),
        }
    }

    /// Checks both ends of a Copy: the source like a Get of a leaf that allows Copy, the target like
    /// a Replace, or like an Add if it does not exist. [DM-RepPro §6.5.4]
    ///
    /// # Errors
    /// A [`TreeError`] with the status, as for [`authorize`](Self::authorize).
    pub fn authorize_copy(
        &self,
        schema: &dyn Schema,
        principal: &Principal,
        source: &Target,
        target: &Target,
    ) -> Result<(Permit, Permit), TreeError> {
        let source = self.authorize(schema, principal, AccessType::Copy, source)?;
        let access = match self.node(&target.uri) {
            Some(node) if node.is_interior() => {
                return Err(not_allowed(Refusal::Kind, &target.uri));
            }
            Some(_) => AccessType::Replace,
            None => AccessType::Add,
        };
        let target = self.authorize(schema, principal, access, target)?;
        Ok((source, target))
    }

    /// Makes sure a permit is for an operation and still holds.
    pub(super) fn confirm(
        &self,
        schema: &dyn Schema,
        permit: &Permit,
        access: AccessType,
    ) -> Result<(), TreeError> {
        if permit.access != access {
            return Err(TreeError::new(TreeErrorKind::WrongPermit, permit.uri()));
        }
        if permit.revision == self.tree.revision {
            return Ok(());
        }
        self.check(schema, &permit.principal, access, &permit.target)?;
        Ok(())
    }

    /// The node of the target, which is looked up unless it is to be added.
    fn check(
        &self,
        schema: &dyn Schema,
        principal: &Principal,
        access: AccessType,
        target: &Target,
    ) -> Result<Option<NodeId>, TreeError> {
        if access == AccessType::Add {
            self.check_add(schema, principal, target)?;
            return Ok(None);
        }
        let node = self.existing(&target.uri)?;
        let refuse = |refusal| Err(not_allowed(refusal, &target.uri));
        match (access, target.selector) {
            (AccessType::Delete, Selector::Node) if target.uri.is_root() => {
                return refuse(Refusal::Root);
            }
            (AccessType::Copy, Selector::Node) if node.is_interior() => {
                return refuse(Refusal::Kind);
            }
            (_, Selector::Node) | (AccessType::Get, _) => {}
            (AccessType::Replace, Selector::Property(property)) if property.is_writable() => {
                if property == Property::Name && target.uri.is_root() {
                    return refuse(Refusal::Root);
                }
            }
            (_, Selector::Property(_) | Selector::List(_)) => return refuse(Refusal::Selector),
        }
        if let Principal::Server(server) = principal {
            self.check_description(schema, access, target, node)?;
            if !self.acl_allows(server, access, target.selector, node) {
                return Err(denied(&target.uri));
            }
        }
        Ok(Some(node.id()))
    }

    /// What the schema has to say about a command of a server on a node that exists.
    fn check_description(
        &self,
        schema: &dyn Schema,
        access: AccessType,
        target: &Target,
        node: NodeRef<'_>,
    ) -> Result<(), TreeError> {
        let uri = &target.uri;
        let Some(rule) = rule(schema, uri) else {
            return Err(not_allowed(Refusal::Undescribed, uri));
        };
        let renames = match target.selector {
            Selector::Property(Property::Name) if access == AccessType::Replace => true,
            Selector::Property(_) => return Ok(()),
            Selector::Node | Selector::List(_) => false,
        };
        if !renames && !rule.access.contains(access) {
            return Err(not_allowed(Refusal::AccessType, uri));
        }
        if renames || access == AccessType::Delete {
            if rule.scope == Scope::Permanent {
                return Err(not_allowed(Refusal::Permanent, uri));
            }
        } else if access == AccessType::Replace && rule.owner == Owner::Device {
            return Err(not_allowed(Refusal::DeviceOwned, uri));
        }
        if renames && !rule.placeholder {
            return Err(not_allowed(Refusal::FixedName, uri));
        }
        if access == AccessType::Delete && rule.placeholder {
            let least = rule.occurrence.min();
            if least > 0 && self.instances(schema, node, least + 1) <= least {
                return Err(not_allowed(Refusal::Occurrence, uri));
            }
        }
        Ok(())
    }

    /// Whether the lists grant a command on a node that exists. [DM-TND §7.7.1.2, §7.7.1.3]
    fn acl_allows(
        &self,
        server: &ServerId,
        access: AccessType,
        selector: Selector,
        node: NodeRef<'_>,
    ) -> bool {
        let allows = |node: &NodeRef<'_>, access| node.effective_acl().allows(server, access);
        match (access, selector) {
            (AccessType::Copy, _) => allows(&node, AccessType::Get),
            (AccessType::Replace, Selector::Property(Property::Acl)) => {
                let own = node.is_interior() && allows(&node, AccessType::Replace);
                own || node
                    .parent()
                    .is_some_and(|parent| allows(&parent, AccessType::Replace))
            }
            _ => allows(&node, access),
        }
    }

    fn check_add(
        &self,
        schema: &dyn Schema,
        principal: &Principal,
        target: &Target,
    ) -> Result<(), TreeError> {
        let uri = &target.uri;
        if uri.is_root() {
            return Err(not_allowed(Refusal::Root, uri));
        }
        let most = self.tree.limits.implicit_ancestors;
        let (anchor, missing) = self.anchor(uri, most);
        if let (Some(first), true) = (missing.first(), missing.len() > most) {
            // The topmost missing node is what a server has to add first.
            return Err(TreeError::new(TreeErrorKind::NotFound, first).on_ancestor());
        }
        if target.selector != Selector::Node {
            return Err(not_allowed(Refusal::Selector, uri));
        }
        let Some(anchor) = self.tree.at(anchor) else {
            return Err(TreeError::new(TreeErrorKind::NotFound, uri));
        };
        if !anchor.is_interior() {
            return Err(not_allowed(Refusal::Kind, uri));
        }
        // What a missing parent never goes without comes with it, and is not added.
        let comes_along = |uri: &Uri| {
            let parent = uri.parent().filter(|parent| missing.contains(parent));
            let required = parent.map(|parent| schema.required(&parent));
            required.is_some_and(|all| all.iter().any(|one| Some(&*one.name) == uri.name()))
        };
        for ancestor in missing.iter().filter(|ancestor| !comes_along(ancestor)) {
            self.check_creation(schema, principal, ancestor, true, false)
                .map_err(TreeError::on_ancestor)?;
        }
        let exists = self.node(uri).is_some() || comes_along(uri);
        self.check_creation(schema, principal, uri, false, exists)?;
        match principal {
            Principal::Server(server)
                if !anchor.effective_acl().allows(server, AccessType::Add) =>
            {
                Err(denied(uri))
            }
            Principal::Server(_) | Principal::Device => Ok(()),
        }
    }

    /// What the schema has to say about the creation of a node, or about an Add to one that exists.
    fn check_creation(
        &self,
        schema: &dyn Schema,
        principal: &Principal,
        uri: &Uri,
        as_ancestor: bool,
        exists: bool,
    ) -> Result<(), TreeError> {
        let rule = rule(schema, uri);
        if *principal != Principal::Device {
            let Some(rule) = rule else {
                return Err(not_allowed(Refusal::Undescribed, uri));
            };
            if !rule.access.contains(AccessType::Add) {
                return Err(not_allowed(Refusal::AccessType, uri));
            }
            if rule.owner == Owner::Device {
                return Err(not_allowed(Refusal::DeviceOwned, uri));
            }
            if rule.scope == Scope::Permanent && !exists {
                return Err(not_allowed(Refusal::Permanent, uri));
            }
        }
        let Some(rule) = rule else { return Ok(()) };
        if as_ancestor && !rule.formats.contains(Format::Node) {
            return Err(not_allowed(Refusal::Kind, uri));
        }
        if let (false, true, Some(most)) = (exists, rule.placeholder, rule.occurrence.max()) {
            let parent = uri.parent().and_then(|parent| self.node(&parent));
            let count = parent.map_or(0, |parent| self.count_instances(schema, parent, most));
            if count >= most {
                return Err(not_allowed(Refusal::Occurrence, uri));
            }
        }
        Ok(())
    }

    /// The nearest ancestor that exists, and those below it that do not, topmost first; no more than
    /// one over `most`.
    pub(super) fn anchor(&self, uri: &Uri, most: usize) -> (NodeId, Vec<Uri>) {
        let store = &self.tree.store;
        let mut id = ROOT;
        let mut missing: Vec<Uri> = Vec::new();
        for name in uri.segments().take(uri.depth().saturating_sub(1)) {
            if missing.is_empty()
                && let Some(child) = store.child(id, name)
            {
                id = child;
                continue;
            }
            if missing.len() > most {
                break;
            }
            let above = missing.last().cloned().unwrap_or_else(|| store.uri(id));
            missing.push(above.child_unchecked(name));
        }
        (id, missing)
    }

    /// The number of a node's siblings with run-time names, itself among them, as
    /// [`count_instances`](Self::count_instances) counts.
    fn instances(&self, schema: &dyn Schema, node: NodeRef<'_>, enough: u32) -> u32 {
        node.parent()
            .map_or(0, |parent| self.count_instances(schema, parent, enough))
    }

    /// The number of a node's children with run-time names, counted up to `enough`; that of all
    /// its children, if even these are not enough.
    fn count_instances(&self, schema: &dyn Schema, parent: NodeRef<'_>, enough: u32) -> u32 {
        let all = parent.stored().children().len();
        if let Some(all) = u32::try_from(all).ok().filter(|all| *all < enough) {
            return all;
        }
        let uri = parent.uri();
        let mut count = 0;
        for child in parent.children() {
            if count >= enough {
                break;
            }
            let child = uri.child_unchecked(child.name());
            if schema.rule(&child).is_some_and(|rule| rule.placeholder) {
                count += 1;
            }
        }
        count
    }
}

/// What describes a node; the root always is.
pub(super) fn rule<'a>(schema: &'a dyn Schema, uri: &Uri) -> Option<Rule<'a>> {
    let rule = schema.rule(uri);
    if uri.is_root() {
        rule.or(Some(ROOT_RULE))
    } else {
        rule
    }
}

pub(super) fn not_allowed(refusal: Refusal, uri: &Uri) -> TreeError {
    TreeError::new(TreeErrorKind::NotAllowed(refusal), uri)
}

fn denied(uri: &Uri) -> TreeError {
    TreeError::new(TreeErrorKind::PermissionDenied, uri)
}
