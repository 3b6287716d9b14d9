use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{DownloadKey, Sink, SinkError, SinkErrorKind};

/// A [`Sink`] in memory: for tests, and for devices whose images are small.
///
/// A location is `memory:` and the key; [`contents`](Self::contents) reads what is there.
#[derive(Debug)]
pub struct MemorySink {
    capacity: u64,
    files: Mutex<BTreeMap<DownloadKey, Files>>,
}

#[derive(Clone, Debug, Default)]
struct Files {
    partial: Option<Vec<u8>>,
    finished: Option<Vec<u8>>,
}

impl Files {
    fn size(&self) -> u64 {
        let size = |file: &Option<Vec<u8>>| file.as_ref().map_or(0, Vec::len);
        (size(&self.partial) + size(&self.finished)) as u64
    }
}

/// A sink of its own, with the same files.
impl Clone for MemorySink {
    fn clone(&self) -> Self {
        Self {
            capacity: self.capacity,
            files: Mutex::new(self.lock().clone()),
        }
    }
}

impl Default for MemorySink {
    fn default() -> Self {
        Self::new()
    }
}

impl MemorySink {
    /// What [`new`](Self::new) holds at most: 1 GiB.
    pub const DEFAULT_CAPACITY: u64 = 1 << 30;

    /// An empty sink of the default capacity.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// An empty sink that holds at most this many bytes, in all files together.
    #[must_use]
    pub const fn with_capacity(capacity: u64) -> Self {
        Self {
            capacity,
            files: Mutex::new(BTreeMap::new()),
        }
    }

    /// The bytes of the finished file.
    #[must_use]
    pub fn contents(&self, key: &DownloadKey) -> Option<Vec<u8>> {
        self.lock().get(key)?.finished.clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<DownloadKey, Files>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the partial file of `key` may have this length.
    fn has_room(&self, files: &BTreeMap<DownloadKey, Files>, key: &DownloadKey, len: u64) -> bool {
        let present = |entry: &Files| entry.partial.as_ref().map_or(0, Vec::len) as u64;
        let used: u64 = files.values().map(Files::size).sum();
        let others = used - files.get(key).map_or(0, present);
        others
            .checked_add(len)
            .is_some_and(|sum| sum <= self.capacity)
    }
}

fn partial<'a>(
    files: &'a mut BTreeMap<DownloadKey, Files>,
    key: &DownloadKey,
) -> Result<&'a mut Vec<u8>, SinkError> {
    let entry = files.get_mut(key);
    let partial = entry.and_then(|entry| entry.partial.as_mut());
    partial.ok_or_else(|| SinkErrorKind::Missing.into())
}

impl Sink for MemorySink {
    fn reserve(&self, key: &DownloadKey, total: Option<u64>) -> Result<(), SinkError> {
        let mut files = self.lock();
        if !self.has_room(&files, key, total.unwrap_or(0)) {
            return Err(SinkErrorKind::NoSpace.into());
        }
        let entry = files.entry(key.clone()).or_default();
        entry.partial.get_or_insert_default();
        Ok(())
    }

    fn len(&self, key: &DownloadKey) -> Result<Option<u64>, SinkError> {
        let files = self.lock();
        let partial = files.get(key).and_then(|entry| entry.partial.as_ref());
        Ok(partial.map(|bytes| bytes.len() as u64))
    }

    fn read_at(
        &self,
        key: &DownloadKey,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SinkError> {
        let mut files = self.lock();
        let partial = partial(&mut files, key)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = partial.get(start..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(length)
    }

    fn write_at(&self, key: &DownloadKey, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let mut files = self.lock();
        let length = partial(&mut files, key)?.len();
        let end = usize::try_from(offset)
            .ok()
            .and_then(|start| start.checked_add(bytes.len()))
            .filter(|end| self.has_room(&files, key, length.max(*end) as u64))
            .ok_or(SinkErrorKind::NoSpace)?;
        let partial = partial(&mut files, key)?;
        if partial.len() < end {
            partial.resize(end, 0);
        }
        if let Some(place) = partial.get_mut(end - bytes.len()..end) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn truncate(&self, key: &DownloadKey, length: u64) -> Result<(), SinkError> {
        let mut files = self.lock();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        partial(&mut files, key)?.truncate(length);
        Ok(())
    }

    fn sync(&self, key: &DownloadKey) -> Result<(), SinkError> {
        partial(&mut self.lock(), key).map(|_| ())
    }

    fn finish(&self, key: &DownloadKey) -> Result<String, SinkError> {
        if let Some(entry) = self.lock().get_mut(key)
            && let Some(bytes) = entry.partial.take()
        {
            entry.finished = Some(bytes);
        }
        self.location(key)?
            .ok_or_else(|| SinkErrorKind::Missing.into())
    }

    fn location(&self, key: &DownloadKey) -> Result<Option<String>, SinkError> {
        let files = self.lock();
        let finished = files.get(key).and_then(|entry| entry.finished.as_ref());
        Ok(finished.map(|_| format!("memory:{key}")))
    }

    fn discard(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.lock().remove(key);
        Ok(())
    }

    fn keys(&self) -> Result<Vec<DownloadKey>, SinkError> {
        Ok(self.lock().keys().cloned().collect())
    }
}
