use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use omadm_core::{FileStep, FileWatch};
use omadm_download::{DownloadKey, Sink, SinkError, SinkErrorKind};

use crate::{
    disk::{self, Trouble},
    names::{self, PARTIAL},
};

/// A [`Sink`] in one directory of a file system.
///
/// The finished file of key `entvm` is `entvm`, the partial one `entvm.part`; characters that are
/// no good in a file name are escaped, so that no key leads out of the directory. Other files in
/// the directory are left alone. A location is an absolute path.
///
/// On Unix, [`reserve`](Sink::reserve) and [`sync`](Sink::sync) look at the free space and keep
/// some of it [free](Self::with_headroom) for others, above all for a journal on the same disk.
/// Elsewhere a full disk shows at the write that does not fit.
///
/// It holds at most [`MAX_OPEN`](Self::MAX_OPEN) files open between calls, those that were used
/// last, however many downloads there were. One that is closed is synced first; if that fails, the
/// next [`sync`](Sink::sync) or [`finish`](Sink::finish) of its key does.
#[derive(Debug)]
pub struct FileSink {
    directory: PathBuf,
    headroom: u64,
    watch: FileWatch,
    open: Mutex<OpenFiles>,
}

#[derive(Debug, Default)]
struct OpenFiles {
    /// The one that was used last is the first.
    recent: VecDeque<(DownloadKey, Arc<Mutex<Partial>>)>,
    /// Why files could not be synced before they were closed.
    unsynced: BTreeMap<DownloadKey, io::Error>,
}

#[derive(Debug)]
struct Partial {
    file: File,
    /// Whether it was changed since it was synced.
    changed: bool,
}

impl FileSink {
    /// How many partial files are held open between calls: 8. More downloads than that at once
    /// open theirs again.
    pub const MAX_OPEN: usize = 8;

    /// What is kept free on the disk unless told otherwise: 16 MiB.
    pub const DEFAULT_HEADROOM: u64 = 16 << 20;

    /// Opens the directory, creating it [for its owner alone](crate::create_private_directory) if need
    /// be.
    ///
    /// # Errors
    /// A [`SinkError`] if the directory cannot be made or found, or if its path is not text.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, SinkError> {
        let directory = directory.as_ref();
        disk::create_private_directory(directory).map_err(failed)?;
        let directory = directory.canonicalize().map_err(failed)?;
        if directory.to_str().is_none() {
            return Err(failed(io::Error::other("the path is not unicode text")));
        }
        Ok(Self {
            directory,
            headroom: Self::DEFAULT_HEADROOM,
            watch: FileWatch::default(),
            open: Mutex::default(),
        })
    }

    /// Keeps this many bytes of the disk free.
    #[must_use]
    pub fn with_headroom(mut self, bytes: u64) -> Self {
        self.headroom = bytes;
        self
    }

    /// Tells each change of a file from now on: for tests.
    #[must_use]
    pub fn watch_files(mut self, watch: FileWatch) -> Self {
        self.watch = watch;
        self
    }

    /// The directory, as an absolute path.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn finished_path(&self, key: &DownloadKey) -> PathBuf {
        self.directory.join(names::encode(key))
    }

    fn partial_path(&self, key: &DownloadKey) -> PathBuf {
        self.directory.join(names::encode(key) + PARTIAL)
    }

    fn open_files(&self) -> MutexGuard<'_, OpenFiles> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, key: &DownloadKey) {
        let mut open = self.open_files();
        open.recent.retain(|(other, _)| other != key);
        open.unsynced.remove(key);
    }

    /// Runs `action` on the open partial file; opens it if it is there.
    fn with_partial<T>(
        &self,
        key: &DownloadKey,
        action: impl FnOnce(&mut Partial) -> io::Result<T>,
    ) -> Result<T, SinkError> {
        let partial = {
            let mut open = self.open_files();
            let place = open.recent.iter().position(|(other, _)| other == key);
            let entry = match place.and_then(|place| open.recent.remove(place)) {
                Some(entry) => entry,
                None => {
                    let file = OpenOptions::new()
                        .read(true)
                        .write(true)
                        .open(self.partial_path(key))
                        .map_err(failed)?;
                    let partial = Partial {
                        file,
                        changed: false,
                    };
                    (key.clone(), Arc::new(Mutex::new(partial)))
                }
            };
            let partial = Arc::clone(&entry.1);
            open.recent.push_front(entry);
            partial
        };
        let result = action(&mut partial.lock().unwrap_or_else(PoisonError::into_inner));
        drop(partial);
        self.close_idle();
        result.map_err(failed)
    }

    /// Closes what is open beyond the limit and not in use.
    fn close_idle(&self) {
        let mut open = self.open_files();
        while open.recent.len() > Self::MAX_OPEN {
            let mut places = open.recent.iter();
            // With the list locked nobody comes to use it.
            let idle = places.rposition(|(_, partial)| Arc::strong_count(partial) == 1);
            let Some((key, partial)) = idle.and_then(|place| open.recent.remove(place)) else {
                break;
            };
            let mut partial = partial.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = self.make_durable(&key, &mut partial) {
                open.unsynced.insert(key, error);
            }
        }
    }

    /// Syncs a partial file that was changed.
    fn make_durable(&self, key: &DownloadKey, partial: &mut Partial) -> io::Result<()> {
        if partial.changed {
            self.watch.step(FileStep::Sync(&self.partial_path(key)))?;
            partial.file.sync_all()?;
            partial.changed = false;
        }
        Ok(())
    }

    /// Tells a change that is about to be made.
    fn step(&self, step: FileStep<'_>) -> Result<(), SinkError> {
        self.watch.step(step).map_err(failed)
    }

    /// Makes the bytes of a partial file durable.
    fn sync_partial(&self, key: &DownloadKey) -> Result<(), SinkError> {
        let unsynced = self.open_files().unsynced.remove(key);
        self.with_partial(key, |partial| {
            // What a start finds may have been written by one that was killed before it synced.
            partial.changed = true;
            unsynced.map_or(Ok(()), Err)?;
            self.make_durable(key, partial)
        })
    }

    /// Makes the names in the directory durable.
    fn sync_names(&self) -> Result<(), SinkError> {
        self.step(FileStep::Sync(&self.directory))?;
        disk::sync_directory(&self.directory).map_err(failed)
    }

    /// Fails if the disk cannot take this many bytes more.
    fn check_room(&self, bytes: u64) -> Result<(), SinkError> {
        match disk::free_bytes(&self.directory).map_err(failed)? {
            Some(free) if bytes.saturating_add(self.headroom) > free => {
                Err(SinkErrorKind::NoSpace.into())
            }
            _ => Ok(()),
        }
    }

    fn text(path: &Path) -> Result<String, SinkError> {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| SinkErrorKind::Io.into())
    }
}

impl Sink for FileSink {
    fn reserve(&self, key: &DownloadKey, total: Option<u64>) -> Result<(), SinkError> {
        let present = self.len(key)?;
        self.check_room(total.unwrap_or(0).saturating_sub(present.unwrap_or(0)))?;
        if present.is_none() {
            self.close(key);
            let path = self.partial_path(key);
            self.step(FileStep::MakeFile(&path))?;
            File::create(path).map_err(failed)?;
        }
        // An earlier call may have failed to.
        self.sync_names()
    }

    fn len(&self, key: &DownloadKey) -> Result<Option<u64>, SinkError> {
        let metadata = fs::metadata(self.partial_path(key));
        Ok(present(metadata)?.map(|metadata| metadata.len()))
    }

    fn write_at(&self, key: &DownloadKey, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        self.with_partial(key, |partial| {
            self.watch.step(FileStep::Write(&self.partial_path(key)))?;
            partial.changed = true;
            partial.file.seek(SeekFrom::Start(offset))?;
            partial.file.write_all(bytes)
        })
    }

    fn read_at(
        &self,
        key: &DownloadKey,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SinkError> {
        self.with_partial(key, |partial| {
            partial.file.seek(SeekFrom::Start(offset))?;
            partial.file.read(buffer)
        })
    }

    fn truncate(&self, key: &DownloadKey, length: u64) -> Result<(), SinkError> {
        self.with_partial(key, |partial| {
            if partial.file.metadata()?.len() > length {
                self.watch.step(FileStep::Write(&self.partial_path(key)))?;
                partial.changed = true;
                partial.file.set_len(length)?;
            }
            Ok(())
        })
    }

    fn sync(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.sync_partial(key)?;
        self.check_room(0)
    }

    fn finish(&self, key: &DownloadKey) -> Result<String, SinkError> {
        let (partial, finished) = (self.partial_path(key), self.finished_path(key));
        match self.sync_partial(key) {
            Ok(()) => {
                self.close(key);
                self.step(FileStep::Rename(&partial, &finished))?;
                fs::rename(partial, &finished).map_err(failed)?;
                self.sync_names()?;
                Self::text(&finished)
            }
            Err(error) if error.kind() == SinkErrorKind::Missing => {
                // An earlier call may have ended between the move and the sync.
                self.sync_names()?;
                self.location(key)?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    fn location(&self, key: &DownloadKey) -> Result<Option<String>, SinkError> {
        let path = self.finished_path(key);
        match present(fs::metadata(&path))? {
            Some(_) => Self::text(&path).map(Some),
            None => Ok(None),
        }
    }

    fn discard(&self, key: &DownloadKey) -> Result<(), SinkError> {
        self.close(key);
        for path in [self.partial_path(key), self.finished_path(key)] {
            if present(fs::symlink_metadata(&path))?.is_some() {
                self.step(FileStep::Remove(&path))?;
                present(fs::remove_file(path))?;
            }
        }
        // What is gone may be so since an earlier call, which failed to sync.
        self.sync_names()
    }

    fn keys(&self) -> Result<Vec<DownloadKey>, SinkError> {
        let mut keys = BTreeSet::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_str().unwrap_or_default();
            keys.extend(names::decode(name.strip_suffix(PARTIAL).unwrap_or(name)));
        }
        Ok(keys.into_iter().collect())
    }
}

/// What is not there is not an error.
fn present<T>(result: io::Result<T>) -> Result<Option<T>, SinkError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: io::Error) -> SinkError {
    let kind = match (error.kind(), disk::trouble(&error)) {
        (io::ErrorKind::NotFound, _) => SinkErrorKind::Missing,
        (_, Trouble::Full) => SinkErrorKind::NoSpace,
        (_, Trouble::ReadOnly) => SinkErrorKind::ReadOnly,
        (_, Trouble::Damaged | Trouble::Other) => SinkErrorKind::Io,
    };
    let source: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
    SinkError::new(kind, source)
}
