use crate::{
    AccessType, Acl, ChangeKind, NewNode, Permit, Principal, Property, Refusal, Schema, Selector,
    Transaction, TreeError, TreeErrorKind, Uri, Value,
    store::{NodeId, Props, ROOT, Step},
    uri,
};

use super::{
    authorize::{not_allowed, rule},
    not_found,
};

impl Transaction<'_> {
    /// Creates a node, its missing ancestors, and the required children of both; all or nothing.
    /// [DM-RepPro §6.5.1]
    ///
    /// A server that adds an interior node below a parent it has no Replace right on gets the rights
    /// on the node. A leaf that was created as a required child takes one Add as setting it.
    ///
    /// # Errors
    /// A [`TreeError`]: 414, 418, 415, 413 or 420; if an ancestor could not be created,
    /// [`TreeError::failed_ancestor`] names it.
    pub fn add(
        &mut self,
        schema: &dyn Schema,
        permit: Permit,
        new: NewNode,
    ) -> Result<(), TreeError> {
        self.confirm(schema, &permit, AccessType::Add)?;
        self.add_confirmed(schema, permit.principal(), permit.uri(), new)
    }

    /// Writes the value of a leaf, with its format and media type. [DM-RepPro §6.5.10]
    ///
    /// # Errors
    /// A [`TreeError`]: 405 for an interior node, 415, 413 or 420.
    pub fn replace(
        &mut self,
        schema: &dyn Schema,
        permit: Permit,
        value: Value,
    ) -> Result<(), TreeError> {
        self.confirm(schema, &permit, AccessType::Replace)?;
        if permit.target().selector != Selector::Node {
            return Err(wrong(&permit));
        }
        match self.permitted(&permit).map(|node| node.id()) {
            Some(id) => self.write(schema, permit.uri(), id, value),
            None => Err(not_found(permit.uri())),
        }
    }

    /// Writes a property: the ACL, the name, or the title. [DM-TND §7.7]
    ///
    /// A new name is a segment of an address (percent-encoded); the subtree moves along.
    ///
    /// # Errors
    /// A [`TreeError`]: 400 for a malformed list or name, 413 for a long title or list, 414 and 418
    /// for names, 405 for a name nobody describes and for an empty list at the root.
    pub fn replace_property(
        &mut self,
        schema: &dyn Schema,
        permit: Permit,
        text: &str,
    ) -> Result<(), TreeError> {
        self.confirm(schema, &permit, AccessType::Replace)?;
        let Selector::Property(property) = permit.target().selector else {
            return Err(wrong(&permit));
        };
        let uri = permit.uri();
        match property {
            Property::Acl => {
                let acl: Acl = text
                    .parse()
                    .map_err(|error| TreeError::new(TreeErrorKind::Acl(error), uri))?;
                self.set_acl(uri, acl)
            }
            Property::Title => self.set_title(uri, text),
            Property::Name => {
                let name = uri::parse_segment(text)
                    .map_err(|error| TreeError::new(TreeErrorKind::Uri(error), uri))?;
                self.rename_as(schema, permit.principal(), uri, &name)
            }
            Property::Format
            | Property::Size
            | Property::TStamp
            | Property::Type
            | Property::VerNo => Err(not_allowed(Refusal::Selector, uri)),
        }
    }

    /// Deletes a node and all below it. [DM-RepPro §6.5.5]
    ///
    /// # Errors
    /// A [`TreeError`] if the permit does not hold any more.
    pub fn delete(&mut self, schema: &dyn Schema, permit: Permit) -> Result<(), TreeError> {
        self.confirm(schema, &permit, AccessType::Delete)?;
        self.remove(permit.uri())
    }

    /// Writes the value of one leaf to another, which is created if it does not exist.
    /// [DM-RepPro §6.5.4]
    ///
    /// The permits are those of [`authorize_copy`](Self::authorize_copy).
    ///
    /// # Errors
    /// A [`TreeError`], as for [`add`](Self::add) and [`replace`](Self::replace).
    pub fn copy(
        &mut self,
        schema: &dyn Schema,
        source: Permit,
        target: Permit,
    ) -> Result<(), TreeError> {
        self.confirm(schema, &source, AccessType::Copy)?;
        let value = self.existing(source.uri())?.value();
        let Some(value) = value else {
            return Err(not_allowed(Refusal::Kind, source.uri()));
        };
        match target.access() {
            AccessType::Add => self.add(schema, target, NewNode::Leaf(value)),
            _ => self.replace(schema, target, value),
        }
    }

    pub(super) fn add_confirmed(
        &mut self,
        schema: &dyn Schema,
        principal: &Principal,
        uri: &Uri,
        new: NewNode,
    ) -> Result<(), TreeError> {
        self.whole(|this| {
            let existed = this.node(uri).is_some();
            let parent = this.create_ancestors(schema, principal, uri)?;
            let Some(node) = this.node(uri) else {
                return this.create(schema, principal, parent, uri, new).map(drop);
            };
            let (id, interior, unset) = (node.id(), node.is_interior(), node.is_unset());
            match new {
                NewNode::Leaf(value) if unset => this.write(schema, uri, id, value),
                // It came with an ancestor, by this very Add.
                NewNode::Interior { node_type } if interior && !existed => {
                    let node_type = this.fit_interior(rule(schema, uri), uri, node_type)?;
                    this.change_props(id, |props| props.set_node_type(node_type));
                    Ok(())
                }
                _ => Err(TreeError::new(TreeErrorKind::AlreadyExists, uri)),
            }
        })
    }

    pub(super) fn rename_as(
        &mut self,
        schema: &dyn Schema,
        principal: &Principal,
        uri: &Uri,
        name: &str,
    ) -> Result<(), TreeError> {
        let node = self.existing(uri)?;
        let id = node.id();
        let Some(parent) = uri.parent() else {
            return Err(not_allowed(Refusal::Root, uri));
        };
        let to = parent
            .child(name)
            .map_err(|error| TreeError::new(TreeErrorKind::Uri(error), uri))?;
        if to == *uri {
            return Ok(());
        }
        if self.node(&to).is_some() {
            return Err(TreeError::new(TreeErrorKind::AlreadyExists, &to));
        }
        if *principal != Principal::Device {
            let format = node.format();
            let fits = rule(schema, &to)
                .is_some_and(|rule| rule.placeholder && rule.formats.contains(format));
            if !fits {
                return Err(not_allowed(Refusal::Undescribed, &to));
            }
        }
        self.whole(|this| {
            this.apply(Step::Rename(id, name.into()));
            // Below a longer name, addresses that were fine may be too long.
            let below: Vec<NodeId> = this.tree.store.subtree(id).collect();
            for id in below {
                this.check_uri(&this.tree.store.uri(id))?;
            }
            this.note(to, ChangeKind::Renamed { from: uri.clone() });
            Ok(())
        })
    }

    pub(super) fn write_property(
        &mut self,
        uri: &Uri,
        property: Property,
        change: impl FnOnce(&mut Props),
    ) -> Result<(), TreeError> {
        let id = self.existing(uri)?.id();
        self.change_props(id, change);
        self.note(uri.clone(), ChangeKind::PropertyChanged(property));
        Ok(())
    }

    pub(super) fn change_props(&mut self, id: NodeId, change: impl FnOnce(&mut Props)) {
        if let Some(node) = self.tree.store.get(id) {
            let mut props = node.props.clone();
            change(&mut props);
            self.apply(Step::Change(id, props, None));
        }
    }

    pub(super) fn check_acl(&self, uri: &Uri, acl: &Acl) -> Result<(), TreeError> {
        let size = acl.to_string().len();
        TreeError::check_size("access control list", size, self.tree.limits.acl_bytes, uri)?;
        if acl.is_empty() && self.existing(uri)?.id() == ROOT {
            return Err(not_allowed(Refusal::RootAcl, uri));
        }
        Ok(())
    }
}

fn wrong(permit: &Permit) -> TreeError {
    TreeError::new(TreeErrorKind::WrongPermit, permit.uri())
}
