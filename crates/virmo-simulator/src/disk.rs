use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use omadm_core::{FileStep, FileWatch};
use virmo_hypervisor::backend;

/// Changes of files that are durable when they return, but for what is removed.
#[derive(Debug)]
pub(crate) struct Disk {
    sync: bool,
    watch: FileWatch,
}

impl Disk {
    pub(crate) fn new(sync: bool, watch: FileWatch) -> Self {
        Self { sync, watch }
    }

    /// Makes a folder, and those it is in, where they are not there; no name is durable yet.
    pub(crate) fn make_folders(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = parent(path) {
            self.make_folders(parent)?;
        }
        self.make_folder(path)
    }

    /// Makes the names in a folder durable, its own and those of all folders it is in.
    pub(crate) fn settle(&self, folder: &Path) -> io::Result<()> {
        backend::settle(folder, |folder| self.sync_folder(folder))
    }

    /// Makes an empty folder.
    pub(crate) fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.step(FileStep::MakeFolder(path))?;
        fs::create_dir(path)
    }

    /// Copies a file and gives the copy another length; its name is not durable yet.
    pub(crate) fn copy(&self, from: &mut File, to: &Path, len: u64) -> io::Result<()> {
        self.step(FileStep::MakeFile(to))?;
        let mut file = File::create(to)?;
        self.step(FileStep::Write(to))?;
        io::copy(from, &mut file)?;
        file.set_len(len)?;
        self.sync(to, &file)
    }

    /// Makes a file that holds secrets, for its owner alone; its name is not durable yet.
    pub(crate) fn secret(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        self.step(FileStep::MakeFile(path))?;
        let mut file = options.open(path)?;
        self.step(FileStep::Write(path))?;
        file.write_all(content)?;
        self.sync(path, &file)
    }

    /// Changes the length of a file.
    pub(crate) fn set_len(&self, path: &Path, len: u64) -> io::Result<()> {
        let file = File::options().write(true).open(path)?;
        if file.metadata()?.len() != len {
            self.step(FileStep::Write(path))?;
            file.set_len(len)?;
        }
        self.sync(path, &file)
    }

    /// Puts a file into its place, whether there was one or not: all of it or nothing. All names in
    /// its folder are durable then.
    pub(crate) fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        self.step(FileStep::MakeFile(&new))?;
        let mut file = File::create(&new)?;
        self.step(FileStep::Write(&new))?;
        file.write_all(content)?;
        self.sync(&new, &file)?;
        self.rename(&new, path)
    }

    /// Moves a file or folder within one file system.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(FileStep::Rename(from, to))?;
        fs::rename(from, to)?;
        self.sync_parent(to)?;
        if from.parent() != to.parent() {
            self.sync_parent(from)?;
        }
        Ok(())
    }

    /// Removes a folder and all that is in it, or a file; none is as good. After a power cut some of
    /// it may be there again.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = fs::symlink_metadata(path).and_then(|metadata| {
            self.step(FileStep::Remove(path))?;
            if metadata.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            }
        });
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Writes zeros over the beginning of a file.
    pub(crate) fn overwrite(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut file = File::options().write(true).open(path)?;
        self.step(FileStep::Write(path))?;
        io::copy(&mut io::Read::take(io::repeat(0), len), &mut file)?;
        self.sync(path, &file)
    }

    fn sync(&self, path: &Path, file: &File) -> io::Result<()> {
        if !self.sync {
            return Ok(());
        }
        self.step(FileStep::Sync(path))?;
        file.sync_all()
    }

    /// Makes the name of a file or folder durable.
    fn sync_parent(&self, path: &Path) -> io::Result<()> {
        parent(path).map_or(Ok(()), |folder| self.sync_folder(folder))
    }

    /// Makes the names in a folder durable, where the system has that.
    pub(crate) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        match self.sync && cfg!(unix) {
            true => self.sync(folder, &File::open(folder)?),
            false => Ok(()),
        }
    }

    fn step(&self, step: FileStep<'_>) -> io::Result<()> {
        self.watch.step(step)
    }
}

/// The folder a file is in.
fn parent(path: &Path) -> Option<&Path> {
    let parent = path.parent()?;
    Some(match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    })
}
