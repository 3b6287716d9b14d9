use omadm_core::ServerId;

use crate::{
    Acl, ChangeKind, NewNode, Principal, Property, Refusal, Schema, Transaction, TreeError,
    TreeLimits, Uri, Value, store::NodeId,
};

use super::authorize::not_allowed;

/// What the device changes on its own account. [DM-TND §6.4]
impl Transaction<'_> {
    /// Writes a leaf; creates it, and missing ancestors, if there is none.
    ///
    /// # Errors
    /// A [`TreeError`]: 405 if the node, or what should be its parent, is of the other kind; 415 if
    /// the schema describes another format; 413, 414 or 420 for the limits.
    pub fn set(&mut self, schema: &dyn Schema, uri: &Uri, value: Value) -> Result<(), TreeError> {
        self.whole(|this| {
            let parent = this.create_ancestors(schema, &Principal::Device, uri)?;
            match this.node(uri).map(|node| node.id()) {
                Some(id) => this.write(schema, uri, id, value),
                None => this
                    .create(
                        schema,
                        &Principal::Device,
                        parent,
                        uri,
                        NewNode::Leaf(value),
                    )
                    .map(drop),
            }
        })
    }

    /// Makes sure of an interior node, its ancestors and its required children: creates what is
    /// missing.
    ///
    /// # Errors
    /// A [`TreeError`], as for [`set`](Self::set).
    pub fn add_interior(&mut self, schema: &dyn Schema, uri: &Uri) -> Result<(), TreeError> {
        self.add_new(schema, uri, NewNode::INTERIOR)
    }

    /// [`add_interior`](Self::add_interior) with the Type of the node, if it is new.
    ///
    /// # Errors
    /// A [`TreeError`], as for [`set`](Self::set).
    pub fn add_typed(
        &mut self,
        schema: &dyn Schema,
        uri: &Uri,
        node_type: &str,
    ) -> Result<(), TreeError> {
        let node_type = Some(node_type.to_owned());
        self.add_new(schema, uri, NewNode::Interior { node_type })
    }

    fn add_new(&mut self, schema: &dyn Schema, uri: &Uri, new: NewNode) -> Result<(), TreeError> {
        self.whole(|this| {
            let parent = this.create_ancestors(schema, &Principal::Device, uri)?;
            match this.node(uri).map(|node| (node.id(), node.is_interior())) {
                Some((id, true)) => this.complete(schema, id, uri),
                Some((_, false)) => Err(not_allowed(Refusal::Kind, uri)),
                None => this
                    .create(schema, &Principal::Device, parent, uri, new)
                    .map(drop),
            }
        })
    }

    /// Deletes a node and all below it.
    ///
    /// # Errors
    /// A [`TreeError`]: 404 if there is none, 405 for the root.
    pub fn remove(&mut self, uri: &Uri) -> Result<(), TreeError> {
        let top = self.existing(uri)?.id();
        if uri.is_root() {
            return Err(not_allowed(Refusal::Root, uri));
        }
        let ids: Vec<NodeId> = self.tree.store.subtree(top).collect();
        for id in ids {
            if let Some(node) = self.tree.at(id) {
                let (uri, before) = (node.uri(), node.value());
                self.note(uri, ChangeKind::Deleted { before });
            }
        }
        let undo = self.tree.store.delete(top);
        self.record(undo);
        Ok(())
    }

    /// Renames a node; its subtree moves along. The name is decoded.
    ///
    /// # Errors
    /// A [`TreeError`]: 404, 405 for the root, 418 if a sibling has the name, 400 if it is no name,
    /// 414 for the limits.
    pub fn rename(&mut self, schema: &dyn Schema, uri: &Uri, name: &str) -> Result<(), TreeError> {
        self.rename_as(schema, &Principal::Device, uri, name)
    }

    /// Replaces the access control list of a node; an empty one inherits.
    ///
    /// # Errors
    /// A [`TreeError`]: 404, 405 for an empty list at the root, 413 for the limit.
    pub fn set_acl(&mut self, uri: &Uri, acl: Acl) -> Result<(), TreeError> {
        self.check_acl(uri, &acl)?;
        self.write_property(uri, Property::Acl, |props| props.set_acl(acl))
    }

    /// Replaces the title of a node.
    ///
    /// # Errors
    /// A [`TreeError`]: 404, or 413 for more than 255 bytes.
    pub fn set_title(&mut self, uri: &Uri, title: &str) -> Result<(), TreeError> {
        TreeError::check_size("title", title.len(), TreeLimits::TITLE_BYTES, uri)?;
        self.write_property(uri, Property::Title, |props| props.set_title(title))
    }

    /// Removes a server's identifier from every access control list, as when its account ends. A list
    /// without entries inherits; the root goes back to what [`Tree::new`](crate::Tree::new) gave it.
    /// [DM-TND §7.7.1.4]
    pub fn remove_server(&mut self, server: &ServerId) {
        let named: Vec<Uri> = self
            .tree
            .store
            .subtree(crate::store::ROOT)
            .filter_map(|id| self.tree.at(id))
            .filter(|node| {
                node.stored()
                    .props
                    .acl()
                    .servers()
                    .any(|(id, _)| id == server)
            })
            .map(|node| node.uri())
            .collect();
        for uri in named {
            // The nodes were found in the tree, so there is nothing that can fail.
            let _ = self.write_property(&uri, Property::Acl, |props| {
                let mut acl = props.acl().clone();
                acl.remove_server(server);
                props.set_acl(acl);
            });
        }
    }
}
