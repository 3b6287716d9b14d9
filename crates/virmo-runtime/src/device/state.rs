use std::{io, path::Path};

use omadm_client::{Bootstrap, BootstrapError, Config};
use omadm_core::{Records, ServerId, UpgradeError, upgrade};
use omadm_mo::{Account, AccountError, bootstrap::Applied};
use omadm_store::{OpenError, RedbJournal};
use omadm_tree::{Acl, LoadError, Tree, TreeLimits, Uri};

use crate::clock::Clocks;

/// What a device that does not run holds in its state folder.
///
/// A device can be bootstrapped before it ever runs:
///
/// ```no_run
/// use omadm_client::Bootstrap;
/// use omadm_session::bootstrap::Secrets;
/// use virmo_runtime::DeviceState;
///
/// let secrets = Secrets::new().with_pin("1234");
/// let content_type = "application/vnd.syncml.dm+wbxml; SEC=USERPIN; MAC=9625…";
/// let document = std::fs::read("bootstrap")?;
/// let mut state = DeviceState::open("device".as_ref())?;
/// state.bootstrap(&Bootstrap::new(content_type, &document, &secrets))?;
/// let config = state.config(None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DeviceState {
    journal: RedbJournal,
    tree: Tree,
}

/// Why a state folder is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The folder cannot be made.
    #[error("the state folder cannot be used")]
    Folder(#[source] io::Error),
    /// The journal cannot be opened: a device runs on the folder, most likely.
    #[error("the journal cannot be opened")]
    Open(#[from] OpenError),
    /// The journal failed, or a later version has written it.
    #[error("the journal cannot be brought to this version")]
    Upgrade(#[from] UpgradeError),
    /// The tree in the journal cannot be read.
    #[error("the tree cannot be read")]
    Tree(#[from] LoadError),
    /// There is no account, or none with this server.
    #[error("there is no account{}", .0.as_ref().map_or_else(String::new, |id| format!(" with {id}")))]
    NoAccount(Option<ServerId>),
    /// There is more than one account, and nobody said which one is meant.
    #[error("there are accounts with {}", .0.join(", "))]
    SeveralAccounts(Vec<String>),
    /// The account cannot be read.
    #[error("the account cannot be used")]
    Account(#[from] AccountError),
}

impl DeviceState {
    /// Opens the state in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// A [`StateError`]
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        omadm_store::create_private_directory(folder).map_err(StateError::Folder)?;
        let journal = RedbJournal::open(folder.join("device.redb"))?;
        upgrade(&journal, &records())?;
        let tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default())?;
        Ok(Self { journal, tree })
    }

    /// The management tree.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Takes in a bootstrap document: accounts below `./DMAcc`.
    ///
    /// # Errors
    /// A [`BootstrapError`]; nothing of it is in the tree.
    pub fn bootstrap(&mut self, bootstrap: &Bootstrap<'_>) -> Result<Applied, BootstrapError> {
        let now = Clocks::new().now();
        bootstrap.apply(&mut self.tree, &Account::layout(), &self.journal, now)
    }

    /// The configuration for the account with a server, or for the only account.
    ///
    /// # Errors
    /// A [`StateError`]
    pub fn config(&self, server: Option<&ServerId>) -> Result<Config, StateError> {
        let root = match server {
            Some(server) => Account::root_of(&self.tree, &Account::layout(), server),
            None => self.only_account()?,
        };
        match root {
            Some(root) => Ok(Config::of_account(&self.tree, root)?),
            None => Err(StateError::NoAccount(server.cloned())),
        }
    }

    fn only_account(&self) -> Result<Option<Uri>, StateError> {
        let mut roots = Account::roots(&self.tree, &Account::layout());
        if roots.len() > 1 {
            let ids = roots.iter().filter_map(|root| {
                let id = self.tree.node(root)?.child("ServerID")?;
                id.text().map(str::to_owned)
            });
            return Err(StateError::SeveralAccounts(ids.collect()));
        }
        Ok(roots.pop())
    }
}

/// What a device keeps in its journal.
pub(super) fn records() -> Vec<Records> {
    [omadm_client::RECORDS, virmo_client::RECORDS].concat()
}
