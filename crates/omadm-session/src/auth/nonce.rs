use std::{fmt, sync::Arc};

use omadm_core::{Batch, Journal, JournalError, Records, Secret, Space, base64};
use omadm_syncml::{Chal, Data};

use super::{Scheme, credentials::octets};

/// What [`Nonces`] keep in a journal, for [`upgrade`](omadm_core::upgrade()).
pub const RECORDS: Records = Records::new(Space::NONCES, VERSION);

/// The version of a record in [`Space::NONCES`].
const VERSION: u8 = 1;

/// The octets of a nonce that is made here.
const FRESH: usize = 16;

/// A number used once: what makes a digest hold for one proof only. Clones share it. [DM-Security]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nonce(Arc<Secret>);

/// More octets than [`Nonce::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the nonce has {0} octets, which is too long")]
pub struct NonceTooLong(pub usize);

impl Nonce {
    /// How many octets a nonce of a peer may have: 128.
    pub const MAX: usize = 128;

    /// A nonce with these octets.
    ///
    /// # Errors
    ///
    /// [`NonceTooLong`]
    pub fn new(octets: impl AsRef<[u8]>) -> Result<Self, NonceTooLong> {
        let octets = octets.as_ref();
        if octets.len() > Self::MAX {
            return Err(NonceTooLong(octets.len()));
        }
        Ok(Self(Arc::new(Secret::from(octets.to_vec()))))
    }

    /// The octets: those of NextNonce and AAuthData after decoding.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The NextNonce of a challenge.
    pub(super) fn of_chal(chal: &Chal<'_>) -> Option<Self> {
        let octets = octets(&chal.meta, chal.meta.next_nonce.as_deref()?)?;
        Self::new(octets.expose()).ok()
    }

    /// A challenge with this as its NextNonce.
    pub(super) fn chal(&self, scheme: Scheme) -> Chal<'static> {
        let mut meta = scheme.meta();
        meta.next_nonce = Some(Box::new(Data::from(base64::encode(self.expose()))));
        Chal::new(meta)
    }
}

/// Where unpredictable octets come from.
///
/// Every `FnMut(&mut [u8]) -> Result<(), NoRandom>` is one.
pub trait Random: Send {
    /// Fills `octets`.
    ///
    /// # Errors
    ///
    /// [`NoRandom`]
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), NoRandom>;
}

/// There are no unpredictable octets. As a [`Random`], there never are: whoever gives no other
/// cannot ask for digests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, thiserror::Error)]
#[error("there are no random octets to make a nonce of")]
pub struct NoRandom;

impl Random for NoRandom {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), Self> {
        Err(Self)
    }
}

impl<F: FnMut(&mut [u8]) -> Result<(), NoRandom> + Send> Random for F {
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), NoRandom> {
        self(octets)
    }
}

/// Why nonces cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum NonceError {
    /// The journal failed.
    #[error("the journal failed")]
    Journal(#[from] JournalError),
    /// There is nothing to make them of.
    #[error("no nonce can be made")]
    Random(#[from] NoRandom),
}

/// The nonces of both directions between this end and one peer, for the next session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NoncePair {
    /// What the peer was told to prove itself with.
    pub issued: Option<Nonce>,
    /// What a notification is signed with: at the server the nonce received last, used or not, at
    /// the device the one the server is known to have, which may have got `issued` since.
    /// [DM-Notification]
    pub notification: Option<Nonce>,
    /// What the peer told this end to prove itself with.
    pub received: Option<Nonce>,
    /// What `issued` and `received` were before the first session, as provisioned.
    provisioned: [Option<Nonce>; 2],
}

impl NoncePair {
    /// Takes over provisioned nonces, unless they are the ones these nonces succeeded to.
    #[must_use]
    pub fn provisioned(mut self, issued: Option<Nonce>, received: Option<Nonce>) -> Self {
        let [of_issued, of_received] = &mut self.provisioned;
        if *of_issued != issued {
            self.notification.clone_from(&issued);
        }
        for (nonce, before, given) in [
            (&mut self.issued, of_issued, issued),
            (&mut self.received, of_received, received),
        ] {
            if *before != given {
                nonce.clone_from(&given);
                *before = given;
            }
        }
        self
    }

    /// Adds the record of a peer to a batch of the [journal](Nonces::journal) that keeps it.
    pub fn put(&self, peer: &str, batch: &mut Batch) {
        batch.put(Space::NONCES, peer, self.record());
    }

    fn fields(&self) -> [Option<&Nonce>; 5] {
        let [of_issued, of_received] = &self.provisioned;
        let Self {
            issued,
            notification,
            received,
            ..
        } = self;
        [issued, notification, received, of_issued, of_received].map(Option::as_ref)
    }

    /// The record: the version, then of each field whether it is there, its length, its octets.
    fn record(&self) -> Vec<u8> {
        let mut record = vec![VERSION];
        for nonce in self.fields() {
            let octets = nonce.map(Nonce::expose);
            record.push(u8::from(octets.is_some()));
            if let Some(octets) = octets {
                record.push(u8::try_from(octets.len()).unwrap_or_default());
                record.extend_from_slice(octets);
            }
        }
        record
    }

    fn from_record(record: &[u8]) -> Option<Self> {
        let (&VERSION, mut rest) = record.split_first()? else {
            return None;
        };
        let mut field = || {
            let (&there, after) = rest.split_first()?;
            rest = after;
            if there == 0 {
                return Some(None);
            }
            let (&length, after) = rest.split_first()?;
            let (octets, after) = after.split_at_checked(length.into())?;
            rest = after;
            Some(Some(Nonce::new(octets).ok()?))
        };
        Some(Self {
            issued: field()?,
            notification: field()?,
            received: field()?,
            provisioned: [field()?, field()?],
        })
    }
}

/// The nonces between this end and its peers: made of random octets, kept in a journal.
///
/// One record a peer, for both directions, written before the message that depends on it is sent:
/// a nonce that was accepted once is gone for good, whatever crashes. One that was written and
/// never reached the peer costs a challenge.
///
/// A device keeps the record of its server here and not in `AAuthData`, which is what the account
/// began with: a nonce changes with every session, with every message where there is a MAC, and
/// the tree would count each as a change of the account. An `AAuthData` that is replaced wins.
pub struct Nonces {
    journal: Arc<dyn Journal>,
    random: Box<dyn Random>,
}

impl Nonces {
    /// Nonces in a journal. A [`MemoryJournal`](omadm_core::MemoryJournal) forgets them with the
    /// process, and every first session after costs one challenge.
    pub fn new(journal: Arc<dyn Journal>, random: impl Random + 'static) -> Self {
        Self {
            journal,
            random: Box::new(random),
        }
    }

    /// The same nonces; new ones are made of these octets.
    #[must_use]
    pub fn with_random(self, random: impl Random + 'static) -> Self {
        Self::new(self.journal, random)
    }

    /// The nonces of a peer. A record that is damaged or of a later version counts as none, and
    /// costs a challenge.
    ///
    /// # Errors
    ///
    /// A [`JournalError`]
    pub fn load(&self, peer: &str) -> Result<NoncePair, JournalError> {
        let record = self.journal.read(Space::NONCES, peer.as_bytes())?;
        let pair = record.and_then(|record| NoncePair::from_record(&record));
        Ok(pair.unwrap_or_default())
    }

    /// Where they are kept: [`NoncePair::put`] makes them part of a batch, with what has to become
    /// durable together with them.
    #[must_use]
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// What new nonces are made of.
    pub fn random(&mut self) -> &mut dyn Random {
        &mut *self.random
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

/// A nonce that never was.
pub(super) fn fresh(random: &mut dyn Random) -> Result<Nonce, NoRandom> {
    let mut octets = [0; FRESH];
    random.fill(&mut octets)?;
    Ok(Nonce(Arc::new(Secret::from(octets.to_vec()))))
}

#[cfg(test)]
mod tests {
    use omadm_core::MemoryJournal;
    use proptest::prelude::*;

    use super::*;

    fn nonce(octets: &[u8]) -> Option<Nonce> {
        Some(Nonce::new(octets).unwrap())
    }

    fn pair(issued: &[u8], received: &[u8]) -> NoncePair {
        NoncePair {
            issued: nonce(issued),
            received: nonce(received),
            ..NoncePair::default()
        }
    }

    #[test]
    fn nonces_outlive_the_engine_but_not_their_peer() {
        let journal = Arc::new(MemoryJournal::new());
        let nonces = Nonces::new(journal.clone(), NoRandom);
        let mut batch = Batch::new();
        pair(b"1", b"2").put("a", &mut batch);
        nonces.journal().commit(&batch).unwrap();
        drop(nonces);
        let nonces = Nonces::new(journal.clone(), NoRandom);
        assert_eq!(nonces.load("a").unwrap(), pair(b"1", b"2"));
        assert_eq!(nonces.load("b").unwrap(), NoncePair::default());
        let mut batch = Batch::new();
        batch.put(Space::NONCES, "a", [VERSION + 1]);
        journal.commit(&batch).unwrap();
        assert_eq!(nonces.load("a").unwrap(), NoncePair::default());
    }

    /// What is in journals: a record of another shape has another version.
    #[test]
    fn records_of_version_1_stay_as_they_are() {
        let full = NoncePair::default().provisioned(nonce(b"s1"), nonce(b"c"));
        let record = b"\x01\x01\x02s1\x01\x02s1\x01\x01c\x01\x02s1\x01\x01c";
        assert_eq!(full.record(), record);
        assert_eq!(NoncePair::default().record(), b"\x01\0\0\0\0\0");
        assert_eq!(RECORDS.version(), 1);
    }

    #[test]
    fn provisioned_nonces_count_until_they_are_succeeded() {
        let first = NoncePair::default().provisioned(nonce(b"s"), nonce(b"c"));
        assert_eq!(
            (&first.issued, &first.received),
            (&nonce(b"s"), &nonce(b"c"))
        );
        let mut later = first;
        later.issued = nonce(b"s2");
        later.received = None;
        let same = later.clone().provisioned(nonce(b"s"), nonce(b"c"));
        assert_eq!(same, later, "they were used already");
        let replaced = later.provisioned(nonce(b"s"), nonce(b"new"));
        assert_eq!(
            (&replaced.issued, &replaced.received),
            (&nonce(b"s2"), &nonce(b"new"))
        );
        let removed = replaced.provisioned(None, None);
        assert_eq!((removed.issued, removed.received), (None, None));
    }

    #[test]
    fn a_challenge_carries_its_nonce() {
        let nonce = nonce(&[0, 255, 7]).unwrap();
        let chal = nonce.chal(Scheme::Md5);
        assert_eq!(chal.meta.media_type(), "syncml:auth-md5");
        assert_eq!(Nonce::of_chal(&chal), Some(nonce));
        assert_eq!(Nonce::of_chal(&Chal::new(Scheme::Md5.meta())), None);
        let mut long = Scheme::Md5.meta();
        long.next_nonce = Some(Box::new(Data::from(base64::encode([1; Nonce::MAX + 1]))));
        assert_eq!(Nonce::of_chal(&Chal::new(long)), None);
    }

    #[test]
    fn without_random_octets_there_is_no_nonce() {
        assert_eq!(fresh(&mut NoRandom), Err(NoRandom));
        let mut seven = |octets: &mut [u8]| {
            octets.fill(7);
            Ok(())
        };
        assert_eq!(fresh(&mut seven).unwrap().expose(), [7; FRESH]);
    }

    proptest! {
        #[test]
        fn records_are_read_as_written(
            fields in proptest::array::uniform5(proptest::option::of(
                proptest::collection::vec(any::<u8>(), 0..=Nonce::MAX),
            )),
        ) {
            let [issued, notification, received, a, b] = fields.map(|it| it.map(|it| Nonce::new(it).unwrap()));
            let pair = NoncePair { issued, notification, received, provisioned: [a, b] };
            prop_assert_eq!(NoncePair::from_record(&pair.record()), Some(pair));
        }

        #[test]
        fn no_record_does_harm(record in proptest::collection::vec(any::<u8>(), 0..300)) {
            NoncePair::from_record(&record);
        }
    }
}
