use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Octets under names: what keeps images and packages, beside the journal that says what they are.
///
/// Names are made by this crate alone: lower-case letters, digits, `-` and `.`, at most 64 bytes,
/// nothing a peer chose. A file system does, so does any block device with a directory.
///
/// * What was written before [`sync`](Blobs::sync) returned is there after a power cut.
/// * [`rename`](Blobs::rename) replaces its target, as a whole or not at all.
pub trait Blobs: Send + Sync {
    /// The length in bytes; none if there is no such blob.
    ///
    /// # Errors
    /// The medium failed.
    fn len(&self, name: &str) -> io::Result<Option<u64>>;

    /// Reads octets from `offset` on into `buffer`; fewer than asked for only at the end.
    ///
    /// # Errors
    /// The medium failed, or there is no such blob ([`io::ErrorKind::NotFound`]).
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes octets at `offset`; makes the blob if there is none, and fills a gap before them with
    /// zeros.
    ///
    /// # Errors
    /// The medium failed or is full ([`io::ErrorKind::StorageFull`]).
    fn write_at(&self, name: &str, offset: u64, octets: &[u8]) -> io::Result<()>;

    /// Cuts or lengthens the blob, with zeros; makes it if there is none.
    ///
    /// # Errors
    /// The medium failed or is full.
    fn set_len(&self, name: &str, len: u64) -> io::Result<()>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// There is no such blob; or the medium failed, and how much is durable is not known.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Gives a blob another name, durably.
    ///
    /// # Errors
    /// The medium failed, or there is no such blob.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a blob, durably; one that is not there is fine.
    ///
    /// # Errors
    /// The medium failed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all blobs.
    ///
    /// # Errors
    /// The medium failed.
    fn names(&self) -> io::Result<Vec<String>>;
}

/// [`Blobs`] in memory.
///
/// ```
/// use uve_engine::{Blobs, MemoryBlobs};
///
/// let blobs = MemoryBlobs::default();
/// blobs.write_at("uif", 2, b"c")?;
/// let mut octets = [9; 4];
/// assert_eq!(blobs.read_at("uif", 0, &mut octets)?, 3);
/// assert_eq!(octets, [0, 0, b'c', 9]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryBlobs(Mutex<BTreeMap<String, Vec<u8>>>);

impl MemoryBlobs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::ErrorKind::StorageFull.into())
}

impl Blobs for MemoryBlobs {
    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.all().get(name).map(|blob| blob.len() as u64))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let all = self.all();
        let blob = all.get(name).ok_or(io::ErrorKind::NotFound)?;
        let rest = blob.get(index(offset)?..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(read)
    }

    fn write_at(&self, name: &str, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut all = self.all();
        let blob = all.entry(name.to_owned()).or_default();
        if octets.is_empty() {
            return Ok(());
        }
        let start = index(offset)?;
        let end = start
            .checked_add(octets.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        if blob.len() < end {
            blob.resize(end, 0);
        }
        if let Some(place) = blob.get_mut(start..end) {
            place.copy_from_slice(octets);
        }
        Ok(())
    }

    fn set_len(&self, name: &str, len: u64) -> io::Result<()> {
        let len = index(len)?;
        self.all()
            .entry(name.to_owned())
            .or_default()
            .resize(len, 0);
        Ok(())
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        match self.all().contains_key(name) {
            true => Ok(()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut all = self.all();
        let blob = all.remove(from).ok_or(io::ErrorKind::NotFound)?;
        all.insert(to.to_owned(), blob);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.all().remove(name);
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.all().keys().cloned().collect())
    }
}
