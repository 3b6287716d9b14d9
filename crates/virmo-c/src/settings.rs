//! What settings come to with the callbacks.

use std::{ffi::c_void, sync::Arc};

use omadm_client::{Auth, Config};
use omadm_core::upgrade;
use omadm_mo::Account;
use omadm_tree::{Acl, Tree};

use crate::{
    callbacks::virmo_callbacks,
    config::Settings,
    device::{failed, refused},
    journal::VendorJournal,
    status::{Failure, virmo_status},
    vendor::Vendor,
};

impl Settings {
    /// The firmware, as the program says it is.
    ///
    /// # Safety
    /// As for [`Vendor::new`].
    pub(crate) unsafe fn vendor(
        &self,
        callbacks: *const virmo_callbacks,
        user_data: *mut c_void,
    ) -> Result<Arc<Vendor>, Failure> {
        let capabilities = self.capabilities.clone();
        let capabilities = capabilities.ok_or_else(|| Failure::argument("no capabilities set"))?;
        // SAFETY: the caller's promise.
        unsafe { Vendor::new(callbacks, user_data, capabilities) }
    }

    /// Brings the journal to this version, and reads the tree from it.
    pub(crate) fn open(&self, journal: &VendorJournal, acl: Acl) -> Result<Tree, Failure> {
        let journal_failed = |error: &dyn std::error::Error| failed(virmo_status::Journal, error);
        let kept = [omadm_client::RECORDS, virmo_client::RECORDS].concat();
        upgrade(journal, &kept).map_err(|error| journal_failed(&error))?;
        Tree::load(journal, self.limits, acl).map_err(|error| journal_failed(&error))
    }

    /// The configuration of a device: that of an account in the journal, if it is to have its server
    /// from there.
    pub(crate) fn config(&self, journal: &VendorJournal) -> Result<Config, Failure> {
        let mut config = self.config.clone();
        if !config.server_url.is_empty() {
            return Ok(config);
        }
        let tree = self.open(journal, Acl::root_default())?;
        let layout = Account::layout();
        let mut roots = match &self.server {
            Some(server) => Vec::from_iter(Account::root_of(&tree, &layout, server)),
            None => Account::roots(&tree, &layout),
        };
        let missing = || Failure::new(virmo_status::NotFound, "there is no account");
        let root = roots.pop().ok_or_else(missing)?;
        if !roots.is_empty() {
            return Err(Failure::argument("there are accounts with several servers"));
        }
        let account = Config::of_account(&tree, root).map_err(refused)?;
        config.server_id = account.server_id;
        config.server_url = account.server_url;
        if config.auth == Auth::NONE {
            config.auth = account.auth;
        }
        Ok(config)
    }
}
