//! What is written down of a machine, and its folder.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use virmo_hypervisor::backend::{self, remove, rename};

/// The namespace of our record in a domain's metadata.
pub const NAMESPACE: &str = "urn:virmo:libvirt";

/// What is durable of a machine beside its disk and its saved state.
pub(crate) type Record = backend::Record<Own>;

/// What is found under a machine's name.
pub(crate) type Found = backend::Found<Own>;

/// What only this back end needs to know of a machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Own {
    /// The mark of the folder the machine is in: another client's machines have another.
    pub(crate) place: String,
    pub(crate) uuid: String,
    /// The length of the disk in bytes; it never shrinks, whatever the configuration says.
    pub(crate) disk: u64,
    /// A call that has begun and not ended.
    pub(crate) pending: Option<Pending>,
    /// Whether the guest ran when this was written: for a libvirt that does not remember.
    pub(crate) running: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pending {
    PowerOn,
    Suspend,
    Resume,
}

/// A machine's folder: its disk, and where its guest writes to.
#[derive(Clone, Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// The guest's disk.
    pub(crate) fn disk(&self) -> PathBuf {
        self.0.join("disk.raw")
    }

    /// What the guest writes to its first serial port, if that is kept.
    pub(crate) fn console(&self) -> PathBuf {
        self.0.join("console.log")
    }

    /// While this is there, the folder is nobody's unless libvirt knows the machine.
    fn doubt(&self) -> PathBuf {
        self.0.join("in-doubt")
    }

    pub(crate) fn is_there(&self) -> io::Result<bool> {
        self.0.try_exists()
    }

    pub(crate) fn is_in_doubt(&self) -> io::Result<bool> {
        self.doubt().try_exists()
    }

    pub(crate) fn put_in_doubt(&self) -> io::Result<()> {
        File::create(self.doubt())?.sync_all()?;
        File::open(&self.0)?.sync_all()
    }

    pub(crate) fn settle(&self) -> io::Result<()> {
        remove(&self.doubt())
    }
}

/// The mark of a folder, made where there is none.
pub(crate) fn mark(root: &Path) -> io::Result<String> {
    let path = root.join("mark");
    match fs::read_to_string(&path) {
        Ok(mark) => Ok(mark),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mark = random_uuid()?;
            let new = root.join("mark.new");
            fs::write(&new, &mark)?;
            File::open(&new)?.sync_all()?;
            rename(&new, &path)?;
            Ok(mark)
        }
        Err(error) => Err(error),
    }
}

/// A random UUID.
pub(crate) fn random_uuid() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/uuid").map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let first = mark(folder.path()).unwrap();
        assert_eq!(first.len(), 36);
        assert_eq!(mark(folder.path()).unwrap(), first);
    }
}
