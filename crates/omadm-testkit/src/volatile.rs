//! Media that lose what was not synced when the power goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use omadm_download::{DownloadKey, Sink, SinkError, SinkErrorKind};
use omadm_store::Medium;

/// What a power cut does to the writes that were not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PowerCut {
    /// None happened.
    Drop,
    /// All happened.
    Keep,
    /// Some happened, in this mixture.
    Mix(u64),
    /// Some happened, in this mixture, and one of them up to some byte.
    Tear(u64),
}

/// A mixture: the same number is the same luck.
#[derive(Clone, Debug)]
pub struct Luck(u64);

impl PowerCut {
    /// The luck of what was not synced.
    #[must_use]
    pub const fn luck(self) -> Luck {
        match self {
            Self::Drop | Self::Keep => Luck(0),
            Self::Mix(seed) | Self::Tear(seed) => Luck(seed),
        }
    }

    /// Whether the next change that was not synced happened.
    pub fn keeps(self, luck: &mut Luck) -> bool {
        match self {
            Self::Drop => false,
            Self::Keep => true,
            Self::Mix(_) | Self::Tear(_) => luck.next() & 1 == 0,
        }
    }
}

impl Luck {
    fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one; 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap().max(1);
        usize::try_from(self.next() % limit).unwrap()
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Write(usize, Vec<u8>),
    Resize(usize),
}

impl Edit {
    fn make(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, new) => {
                let end = at + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(*at..end) {
                    place.copy_from_slice(new);
                }
            }
            Self::Resize(length) => bytes.resize(*length, 0),
        }
    }
}

/// The bytes of a file, and what was done to it since it was synced.
#[derive(Clone, Default, Debug)]
struct File {
    synced: Vec<u8>,
    edits: Vec<Edit>,
    now: Vec<u8>,
}

impl File {
    fn edit(&mut self, edit: Edit) {
        edit.make(&mut self.now);
        self.edits.push(edit);
    }

    fn sync(&mut self) {
        self.edits.clear();
        self.synced.clone_from(&self.now);
    }

    fn cut(&mut self, how: PowerCut) {
        let mut edits = std::mem::take(&mut self.edits);
        match how {
            PowerCut::Keep => {}
            PowerCut::Drop => edits.clear(),
            PowerCut::Mix(_) | PowerCut::Tear(_) => {
                let mut luck = how.luck();
                edits.retain(|_| how.keeps(&mut luck));
                if matches!(how, PowerCut::Tear(_)) && !edits.is_empty() {
                    let torn = luck.below(edits.len());
                    if let Some(Edit::Write(_, bytes)) = edits.get_mut(torn) {
                        bytes.truncate(luck.below(bytes.len()));
                    }
                }
            }
        }
        for edit in &edits {
            edit.make(&mut self.synced);
        }
        self.now.clone_from(&self.synced);
    }
}

/// What media run on: it counts what changes them, and goes at one of these changes.
#[derive(Clone, Default, Debug)]
pub struct Power(Arc<PowerState>);

#[derive(Default, Debug)]
struct PowerState {
    changes: AtomicUsize,
    /// How many more changes there are until it goes; none: no end.
    left: Mutex<Option<usize>>,
    lies: AtomicBool,
}

impl Power {
    /// How many changes there were: what was written, resized, synced, made, moved or removed.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.0.changes.load(Ordering::SeqCst)
    }

    /// Lets so many more changes happen; then the power is gone, and every call fails.
    pub fn lasts_for(&self, changes: usize) {
        *self.0.left.lock().unwrap() = Some(changes);
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self.0.left.lock().unwrap() == Some(0)
    }

    /// The power is back, for good.
    pub fn comes_back(&self) {
        *self.0.left.lock().unwrap() = None;
    }

    /// From now on nothing is synced, though it is said to be: for tests of tests.
    pub fn lie(&self) {
        self.0.lies.store(true, Ordering::SeqCst);
    }

    /// Whether what is synced is durable.
    #[must_use]
    pub fn is_honest(&self) -> bool {
        !self.0.lies.load(Ordering::SeqCst)
    }

    /// Something changes a medium.
    ///
    /// # Errors
    /// If the power is gone.
    pub fn change(&self) -> io::Result<()> {
        match &mut *self.0.left.lock().unwrap() {
            None => {}
            Some(0) => return Err(gone()),
            Some(left) => *left -= 1,
        }
        self.0.changes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn look(&self) -> io::Result<()> {
        match self.is_off() {
            true => Err(gone()),
            false => Ok(()),
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the power is gone")
}

/// A medium of a journal in memory, which keeps apart what is not synced.
#[derive(Clone, Default, Debug)]
pub struct VolatileMedium {
    power: Power,
    file: Arc<Mutex<File>>,
}

impl VolatileMedium {
    /// An empty medium.
    #[must_use]
    pub fn new(power: &Power) -> Self {
        Self {
            power: power.clone(),
            file: Arc::default(),
        }
    }

    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power was cut, which did this to what was not synced.
    pub fn cut(&self, how: PowerCut) {
        self.file().cut(how);
    }

    /// A medium of its own with the same bytes, all of them synced.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new(&self.power);
        let bytes = self.file().now.clone();
        *copy.file() = File {
            synced: bytes.clone(),
            now: bytes,
            edits: Vec::new(),
        };
        copy
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Medium for VolatileMedium {
    fn len(&self) -> io::Result<u64> {
        self.power.look()?;
        Ok(self.file().now.len() as u64)
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.power.look()?;
        let file = self.file();
        let at = index(offset);
        let found = file.now.get(at..at.saturating_add(bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.power.change()?;
        self.file().edit(Edit::Write(index(offset), bytes.to_vec()));
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.power.change()?;
        self.file().edit(Edit::Resize(index(length)));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.power.change()?;
        if self.power.is_honest() {
            self.file().sync();
        }
        Ok(())
    }
}

/// A [`Sink`] in memory, which keeps apart what is not synced. Finished files are in a folder too,
/// for a hypervisor to read them.
///
/// All but writes and cuts of a partial file is durable when it returns, as the contract has it.
#[derive(Clone, Debug)]
pub struct VolatileSink {
    power: Power,
    folder: PathBuf,
    files: Arc<Mutex<Files>>,
}

/// What a [`VolatileSink`] holds.
#[derive(Clone, Default, Debug)]
pub struct Files {
    partial: BTreeMap<DownloadKey, File>,
    finished: BTreeMap<DownloadKey, Vec<u8>>,
}

impl VolatileSink {
    /// An empty sink whose finished files are in this folder, which is there.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, power: &Power) -> Self {
        Self {
            power: power.clone(),
            folder: folder.into(),
            files: Arc::default(),
        }
    }

    /// The power was cut, which did this to what was not synced.
    pub fn cut(&self, how: PowerCut) {
        for file in self.files().partial.values_mut() {
            file.cut(how);
        }
    }

    /// The bytes of the finished file.
    #[must_use]
    pub fn finished(&self, key: &DownloadKey) -> Option<Vec<u8>> {
        self.files().finished.get(key).cloned()
    }

    /// All there is.
    #[must_use]
    pub fn save(&self) -> Files {
        self.files().clone()
    }

    /// Has what there was, and nothing else.
    pub fn restore(&self, saved: &Files) {
        let mut files = self.files();
        for key in files.finished.keys() {
            fs::remove_file(self.path(key)).unwrap();
        }
        files.clone_from(saved);
        for (key, bytes) in &files.finished {
            fs::write(self.path(key), bytes).unwrap();
        }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, key: &DownloadKey) -> PathBuf {
        self.folder.join(key.as_str())
    }

    fn change(&self) -> Result<(), SinkError> {
        Ok(self.power.change().map_err(|_| SinkErrorKind::Io)?)
    }

    fn partial<T>(
        &self,
        key: &DownloadKey,
        action: impl FnOnce(&mut File) -> T,
    ) -> Result<T, SinkError> {
        let mut files = self.files();
        let file = files.partial.get_mut(key).ok_or(SinkErrorKind::Missing)?;
        Ok(action(file))
    }
}

impl Sink for VolatileSink {
    fn reserve(&self, key: &DownloadKey, _: Option<u64>) -> Result<(), SinkError> {
        self.change()?;
        self.files().partial.entry(key.clone()).or_default();
        Ok(())
    }

    fn len(&self, key: &DownloadKey) -> Result<Option<u64>, SinkError> {
        Ok(self.partial(key, |file| file.now.len() as u64).ok())
    }

    fn write_at(&self, key: &DownloadKey, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        self.change()?;
        self.partial(key, |file| {
            file.edit(Edit::Write(index(offset), bytes.to_vec()));
        })
    }

    fn read_at(
        &self,
        key: &DownloadKey,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SinkError> {
        self.partial(key, |file| {
            let rest = file.now.get(index(offset)..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            let (found, _) = rest.split_at(count);
            if let Some(place) = buffer.get_mut(..count) {
                place.copy_from_slice(found);
            }
            count
        })
    }

    fn truncate(&self, key: &DownloadKey, length: u64) -> Result<(), SinkError> {
        self.change()?;
        self.partial(key, |file| {
            if file.now.len() > index(length) {
                file.edit(Edit::Resize(index(length)));
            }
        })
    }

    fn sync(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.change()?;
        self.partial(key, File::sync)
    }

    fn finish(&self, key: &DownloadKey) -> Result<String, SinkError> {
        self.change()?;
        let mut files = self.files();
        if let Some(file) = files.partial.remove(key) {
            fs::write(self.path(key), &file.now).map_err(|_| SinkErrorKind::Io)?;
            files.finished.insert(key.clone(), file.now);
        }
        drop(files);
        Ok(self.location(key)?.ok_or(SinkErrorKind::Missing)?)
    }

    fn location(&self, key: &DownloadKey) -> Result<Option<String>, SinkError> {
        let there = self.files().finished.contains_key(key);
        Ok(there.then(|| self.path(key).to_string_lossy().into_owned()))
    }

    fn discard(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.change()?;
        let mut files = self.files();
        files.partial.remove(key);
        if files.finished.remove(key).is_some() {
            fs::remove_file(self.path(key)).map_err(|_| SinkErrorKind::Io)?;
        }
        Ok(())
    }

    fn keys(&self) -> Result<Vec<DownloadKey>, SinkError> {
        let files = self.files();
        let keys: BTreeSet<_> = files.partial.keys().chain(files.finished.keys()).collect();
        Ok(keys.into_iter().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> VolatileMedium {
        let medium = VolatileMedium::new(&Power::default());
        medium.set_len(8).unwrap();
        medium.sync().unwrap();
        medium.write(0, b"aaaa").unwrap();
        medium.write(4, b"bbbb").unwrap();
        medium
    }

    fn content(medium: &VolatileMedium) -> Vec<u8> {
        medium.file().now.clone()
    }

    #[test]
    fn what_is_not_synced_may_be_lost_in_part() {
        let mut seen = BTreeSet::new();
        let lucks = (0..64).flat_map(|seed| [PowerCut::Mix(seed), PowerCut::Tear(seed)]);
        for how in [PowerCut::Drop, PowerCut::Keep].into_iter().chain(lucks) {
            let medium = written();
            medium.cut(how);
            seen.insert(content(&medium));
            let medium = written();
            medium.sync().unwrap();
            medium.cut(how);
            assert_eq!(content(&medium), b"aaaabbbb", "{how:?}");
        }
        for expected in [
            b"\0\0\0\0\0\0\0\0",
            b"aaaabbbb",
            b"aaaa\0\0\0\0",
            b"aaaabb\0\0",
        ] {
            assert!(seen.contains(expected.as_slice()), "{expected:?}");
        }
    }

    #[test]
    fn without_power_nothing_happens() {
        let medium = written();
        let power = medium.power.clone();
        power.lasts_for(1);
        let changes = power.changes();
        medium.write(0, b"cc").unwrap();
        assert!(power.is_off());
        assert!(medium.sync().is_err() && medium.len().is_err());
        assert_eq!(power.changes(), changes + 1);
        power.comes_back();
        medium.cut(PowerCut::Keep);
        assert_eq!(content(&medium), b"ccaabbbb");
    }

    #[test]
    fn a_sink_keeps_what_it_synced_and_what_it_finished() {
        let folder = std::env::temp_dir();
        let sink = VolatileSink::new(folder, &Power::default());
        let key: DownloadKey = format!("volatile-{}", std::process::id()).parse().unwrap();
        sink.reserve(&key, None).unwrap();
        sink.write_at(&key, 0, b"one").unwrap();
        sink.sync(&key).unwrap();
        sink.write_at(&key, 3, b"two").unwrap();
        sink.cut(PowerCut::Drop);
        assert_eq!(sink.len(&key).unwrap(), Some(3));
        let location = sink.finish(&key).unwrap();
        sink.cut(PowerCut::Drop);
        assert_eq!(fs::read(location).unwrap(), b"one");
        sink.discard(&key).unwrap();
        assert_eq!(sink.keys().unwrap(), []);
    }
}
