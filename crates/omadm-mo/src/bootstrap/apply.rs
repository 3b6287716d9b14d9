use omadm_core::SortedSet;
use omadm_tree::{Transaction, TreeError, Uri};

use super::{Addition, Content, Object, Placement, owner_rights, placement};
use crate::{
    Account, AccountError, DM_ACC, Layout,
    provisioning::{self, ApplicationError},
    tnds::CreationError,
};

/// What a bootstrap changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Applied {
    /// Where the accounts are: a session with each server is due. [DM-Bootstrap §5.5]
    pub accounts: Vec<Uri>,
    /// Where other objects are.
    pub objects: Vec<Uri>,
    /// What was left out, by its address in the bootstrap: objects of which no definition is mounted,
    /// and nodes nobody describes.
    pub ignored: Vec<Uri>,
}

/// Why a bootstrap is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// A w7 application of the document is no account.
    #[error("the document holds no account")]
    Application(#[source] ApplicationError),
    /// A serialized tree is none.
    #[error("the addition holds no tree")]
    Creation(#[source] CreationError),
    /// An account it brings is none.
    #[error("the addition holds no account")]
    Account(#[source] AccountError),
    /// Nothing can be added there.
    #[error("nothing can be added at {0}")]
    Place(Uri),
    /// The tree refuses.
    #[error("the tree refuses")]
    Tree(#[source] TreeError),
}

impl Content {
    /// Brings a bootstrap into a tree, on behalf of the device.
    ///
    /// Accounts go where [`Account::objects`] are mounted: in the place of the account with the same
    /// server, be it an earlier one of the bootstrap, otherwise under their own name, that of the server or a number. Those of a
    /// provisioning document give their server Get, Replace and Delete; in the DM profile the
    /// serialized trees have the ACLs. Other objects go where a mount of
    /// [`instances`](crate::Mount::instances) has their Type. Values that are addresses in the Inbox
    /// follow their objects. [DM-Bootstrap §5.4, §5.5]
    ///
    /// # Errors
    /// An [`ApplyError`]; the transaction has to be rolled back then.
    pub fn apply(
        &self,
        tree: &mut Transaction<'_>,
        layout: &Layout,
    ) -> Result<Applied, ApplyError> {
        match self {
            Self::Provisioning(document) => provision(document, tree, layout),
            Self::Additions(additions) => add(additions, tree, layout),
        }
    }
}

fn provision(
    document: &provisioning::Document,
    tree: &mut Transaction<'_>,
    layout: &Layout,
) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    let mut roots = Account::roots_by_server(tree.tree(), layout);
    for account in document.accounts().map_err(ApplyError::Application)? {
        let mount = layout
            .mounts()
            .filter(|mount| mount.instances)
            .find(|mount| mount.definition.moid == DM_ACC.moid);
        let parent = match mount {
            Some(mount) => &mount.root,
            None => return Err(ApplyError::Place(crate::standard::literal("./DMAcc"))),
        };
        let root = match roots.get(&account.server_id) {
            Some(root) => {
                tree.remove(root).map_err(ApplyError::Tree)?;
                root.clone()
            }
            None => {
                let name = Some(account.server_id.as_str().to_owned());
                placement::free(parent, name, tree.tree(), &SortedSet::new())
            }
        };
        account
            .write(tree, layout, &root)
            .and_then(|()| tree.set_acl(&root, owner_rights(&account.server_id)))
            .map_err(ApplyError::Tree)?;
        if !applied.accounts.contains(&root) {
            applied.accounts.push(root.clone());
        }
        roots.insert(account.server_id, root);
    }
    Ok(applied)
}

fn add(
    additions: &[Addition],
    tree: &mut Transaction<'_>,
    layout: &Layout,
) -> Result<Applied, ApplyError> {
    let mut objects = Vec::new();
    for addition in additions {
        let creations = addition.creations().map_err(ApplyError::Creation)?;
        objects.extend(Object::split(creations, tree.tree(), layout));
    }
    let placements = placement::find_places(objects, tree.tree(), layout)?;
    let mut applied = Applied {
        ignored: Placement::write(&placements, tree, layout).map_err(ApplyError::Tree)?,
        ..Applied::default()
    };
    for root in placements.into_iter().filter_map(|placement| placement.to) {
        let node_type = tree.node(&root).map(|node| node.node_type());
        if node_type == Some(&DM_ACC.moid) {
            Account::read(tree.tree(), &root).map_err(ApplyError::Account)?;
            if !applied.accounts.contains(&root) {
                applied.accounts.push(root);
            }
        } else {
            applied.objects.push(root);
        }
    }
    Ok(applied)
}
