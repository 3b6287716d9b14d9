//! Bootstrap: the accounts of a device, from a document it can trust. [DM-Bootstrap]

use omadm_core::{Batch, Journal, JournalError, Now, Records, Space};
use omadm_mo::{
    Layout,
    bootstrap::{Applied, ApplyError, Content, DecodeError, Limits, MediaType},
};
use omadm_session::bootstrap::{
    ContentTypeError, Mac, MissingSecret, Profile, Protection, Secrets,
};
use omadm_tree::Tree;

/// Of how many documents failed tries are remembered; the oldest goes.
const REMEMBERED: usize = 16;

/// A bootstrap document as it came: [`Bootstrap::apply`].
///
/// ```
/// use omadm_client::Bootstrap;
/// use omadm_core::{MemoryJournal, Now};
/// use omadm_mo::{Account, Registry, bootstrap::{Content, MediaType}};
/// use omadm_session::bootstrap::{Method, Profile, Protection, Secrets};
/// use omadm_tree::{Acl, Tree, TreeLimits, Uri};
///
/// // Who bootstraps the device writes an account, and tells the user a PIN.
/// let account = Account::new("dm.example".parse()?, "http://dm.example/dm");
/// let document = Content::of_accounts([("1", &account)])?.encode(MediaType::MessageWbxml)?;
/// let secrets = Secrets::new().with_pin("1234");
/// let protection = Protection::new(Profile::Dm, Method::UserPin, &secrets, &document)?;
/// let media_type = MediaType::MessageWbxml.as_str();
/// let content_type = protection.content_type(Profile::Dm, media_type);
///
/// // The device, before its engine starts.
/// let journal = MemoryJournal::new();
/// let mut tree = Tree::load(&journal, TreeLimits::default(), Acl::root_default())?;
/// let mut registry = Registry::new();
/// registry.mount(Box::new(Account::objects([])?))?;
/// let typed = Secrets::new().with_pin("1234");
/// let bootstrap = Bootstrap::new(&content_type, &document, &typed);
/// bootstrap.apply(&mut tree, registry.layout(), &journal, Now::default())?;
/// assert!(tree.node(&Uri::parse("./DMAcc/1/ServerID")?).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Bootstrap<'a> {
    /// Its Content-Type: what it is, and how it is protected.
    pub content_type: &'a str,
    /// Its octets.
    pub document: &'a [u8],
    /// What is known to verify it with.
    pub secrets: &'a Secrets,
    /// Whether it may come without a MAC, as it comes from where nobody else writes: a smartcard,
    /// the factory, a protected transport. Default: no.
    pub trusted: bool,
    /// What reading it may cost.
    pub limits: Limits,
}

/// Why a bootstrap document was refused; nothing of it is in the tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The Content-Type names no media type of a bootstrap document.
    #[error("not the media type of a bootstrap document")]
    MediaType,
    /// The Content-Type does not say how the document is protected.
    #[error("the content type cannot be understood")]
    ContentType(#[source] ContentTypeError),
    /// It has no MAC, and does not come from where it needs none.
    #[error("the document is not protected")]
    Unprotected,
    /// What its MAC is to be verified with is not known.
    #[error("the document cannot be verified")]
    Secret(#[source] MissingSecret),
    /// The MAC is wrong: the PIN, or the document.
    #[error("the MAC of the document is wrong; tries left: {tries_left}")]
    Forged {
        /// How often it may be tried again.
        tries_left: u8,
    },
    /// The MAC was wrong [`Bootstrap::MAX_TRIES`] times.
    #[error("the MAC of the document was wrong too often")]
    TooManyTries,
    /// It cannot be read.
    #[error("the document cannot be read")]
    Content(#[source] DecodeError),
    /// What it brings does not fit the device.
    #[error("the document cannot be applied")]
    Apply(#[source] ApplyError),
    /// The journal failed.
    #[error("the journal failed")]
    Journal(#[source] JournalError),
}

impl<'a> Bootstrap<'a> {
    /// How often the MAC of one document may be found wrong; it is not looked at again then.
    /// [DM-Bootstrap §5.7.2.3]
    pub const MAX_TRIES: u8 = 3;

    /// A document that has to prove where it comes from.
    #[must_use]
    pub fn new(content_type: &'a str, document: &'a [u8], secrets: &'a Secrets) -> Self {
        Self {
            content_type,
            document,
            secrets,
            trusted: false,
            limits: Limits::default(),
        }
    }

    /// The profile that a document of a media type follows.
    #[must_use]
    pub const fn profile(media_type: MediaType) -> Profile {
        match media_type {
            MediaType::ProvisioningWbxml | MediaType::ProvisioningXml => Profile::Cp,
            MediaType::MessageWbxml
            | MediaType::MessageXml
            | MediaType::TndsWbxml
            | MediaType::TndsXml => Profile::Dm,
        }
    }

    /// Verifies the document and brings what it holds into a tree: all of it or nothing, durable on
    /// return. What the device has to say about it, it says by sessions with the servers of the
    /// accounts. [DM-Bootstrap §5.5]
    ///
    /// `layout` has a mount for accounts; no engine runs on the tree. A document that was applied
    /// once can be applied again, and replaces what became of its accounts since.
    ///
    /// # Errors
    /// A [`BootstrapError`]; the tree is as before. A wrong MAC is counted, durably.
    pub fn apply(
        &self,
        tree: &mut Tree,
        layout: &Layout,
        journal: &dyn Journal,
        now: Now,
    ) -> Result<Applied, BootstrapError> {
        let media_type = MediaType::of(self.content_type).ok_or(BootstrapError::MediaType)?;
        let profile = Self::profile(media_type);
        let protection = Protection::read(self.content_type, profile);
        let mut batch = Batch::new();
        match protection.map_err(BootstrapError::ContentType)? {
            Some(protection) => self.verify(profile, &protection, journal, &mut batch)?,
            None if self.trusted => {}
            None => return Err(BootstrapError::Unprotected),
        }
        let content = Content::decode(self.document, media_type, &self.limits);
        let content = content.map_err(BootstrapError::Content)?;
        let mut transaction = tree.begin(now);
        match content.apply(&mut transaction, layout) {
            Ok(applied) => match transaction.commit(journal, batch) {
                Ok(()) => Ok(applied),
                Err(error) => Err(BootstrapError::Journal(error)),
            },
            Err(error) => {
                transaction.rollback();
                Err(BootstrapError::Apply(error))
            }
        }
    }

    /// Checks the MAC; the failures before it are forgotten with `batch`.
    fn verify(
        &self,
        profile: Profile,
        protection: &Protection,
        journal: &dyn Journal,
        batch: &mut Batch,
    ) -> Result<(), BootstrapError> {
        let mut failures = Failures::load(journal).map_err(BootstrapError::Journal)?;
        let failed = failures.of(protection.mac);
        let left = Self::MAX_TRIES.saturating_sub(failed);
        let Some(tries_left) = left.checked_sub(1) else {
            return Err(BootstrapError::TooManyTries);
        };
        let is_proven = protection.verify(profile, self.secrets, self.document);
        if is_proven.map_err(BootstrapError::Secret)? {
            if failed > 0 {
                failures.forget(protection.mac);
                failures.put(batch);
            }
            return Ok(());
        }
        failures.forget(protection.mac);
        failures.0.push((protection.mac, failed + 1));
        let mut counted = Batch::new();
        failures.put(&mut counted);
        journal.commit(&counted).map_err(BootstrapError::Journal)?;
        Err(BootstrapError::Forged { tries_left })
    }
}

/// How often the MACs of documents were found wrong, the latest last.
struct Failures(Vec<(Mac, u8)>);

pub(crate) const RECORDS: Records = Records::new(Space::BOOTSTRAPS, VERSION).under(KEY);

const KEY: &str = "tries";
const VERSION: u8 = 1;

impl Failures {
    /// A record that is damaged or of a later version counts as one of no failures.
    fn load(journal: &dyn Journal) -> Result<Self, JournalError> {
        let record = journal.read(Space::BOOTSTRAPS, KEY.as_bytes())?;
        let entries = match record.as_deref() {
            Some([VERSION, entries @ ..]) => entries.as_chunks::<21>().0,
            _ => &[],
        };
        let entries = entries
            .iter()
            .map(|[mac @ .., failed]| (Mac::from(*mac), *failed));
        Ok(Self(entries.collect()))
    }

    fn of(&self, mac: Mac) -> u8 {
        let entry = self.0.iter().find(|(known, _)| *known == mac);
        entry.map_or(0, |(_, failed)| *failed)
    }

    fn forget(&mut self, mac: Mac) {
        self.0.retain(|(known, _)| *known != mac);
    }

    fn put(&self, batch: &mut Batch) {
        let skipped = self.0.len().saturating_sub(REMEMBERED);
        let mut record = vec![VERSION];
        for (mac, failed) in self.0.iter().skip(skipped) {
            record.extend(mac.octets());
            record.push(*failed);
        }
        batch.put(Space::BOOTSTRAPS, KEY, record);
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::Operation;

    use super::*;

    /// What is in journals: a record of another shape has another version.
    #[test]
    fn records_of_version_1_stay_as_they_are() {
        let mut batch = Batch::new();
        Failures(vec![(Mac::from([7; 20]), 2)]).put(&mut batch);
        let [Operation::Put { key, value, .. }] = batch.operations() else {
            panic!("{batch:?}");
        };
        assert!(key.starts_with(RECORDS.prefix().as_bytes()));
        assert_eq!(*value, [&[1][..], &[7; 20], &[2]].concat());
        assert_eq!(RECORDS.version(), 1);
    }
}
