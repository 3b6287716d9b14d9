use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

/// Changes of files that are durable when they return, counted one by one.
#[derive(Debug)]
pub(crate) struct Disk {
    sync: bool,
    abort_at: Option<u64>,
    steps: AtomicU64,
}

impl Disk {
    pub(crate) fn new(sync: bool, abort_at: Option<u64>) -> Self {
        Self {
            sync,
            abort_at,
            steps: AtomicU64::new(0),
        }
    }

    /// Makes an empty folder.
    pub(crate) fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)?;
        self.step();
        Ok(())
    }

    /// Copies a file and gives the copy another length.
    pub(crate) fn copy(&self, from: &mut File, to: &Path, len: u64) -> io::Result<()> {
        let mut to = File::create(to)?;
        self.step();
        io::copy(from, &mut to)?;
        to.set_len(len)?;
        self.sync(&to)?;
        self.step();
        Ok(())
    }

    /// Makes a file that holds secrets, for its owner alone.
    pub(crate) fn secret(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        self.step();
        file.write_all(content)?;
        self.sync(&file)?;
        self.step();
        Ok(())
    }

    /// Changes the length of a file.
    pub(crate) fn set_len(&self, path: &Path, len: u64) -> io::Result<()> {
        let file = File::options().write(true).open(path)?;
        if file.metadata()?.len() != len {
            file.set_len(len)?;
            self.sync(&file)?;
            self.step();
        }
        Ok(())
    }

    /// Puts a file into its place, whether there was one or not: all of it or nothing.
    pub(crate) fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        self.step();
        file.write_all(content)?;
        self.sync(&file)?;
        self.step();
        self.rename(&new, path)
    }

    /// Moves a file or folder within one file system.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        self.step();
        self.sync_parent(to)?;
        if from.parent() != to.parent() {
            self.sync_parent(from)?;
        }
        self.step();
        Ok(())
    }

    /// Removes a folder and all that is in it, or a file; none is as good.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = fs::symlink_metadata(path).and_then(|metadata| {
            if metadata.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            }
        });
        match removed {
            Ok(()) => {
                self.step();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes zeros over the beginning of a file.
    pub(crate) fn overwrite(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut file = File::options().write(true).open(path)?;
        io::copy(&mut io::Read::take(io::repeat(0), len), &mut file)?;
        self.sync(&file)?;
        self.step();
        Ok(())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.sync { file.sync_all() } else { Ok(()) }
    }

    /// Makes the name of a file or folder durable, where the system has that.
    fn sync_parent(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(folder) if self.sync && cfg!(unix) => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn step(&self) {
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        if self.abort_at == Some(step) {
            std::process::abort();
        }
    }
}
