//! Disks of machines, and durable changes of files.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    path::{self, Path},
};

use crate::{HypervisorError, HypervisorErrorKind as Kind, Resource};

/// A failure of the file system: `NoSpace` where the disk is full, else `Backend`.
#[must_use]
pub fn failed(what: &str, path: &Path, error: io::Error) -> HypervisorError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Kind::NoSpace(Resource::Storage)
        }
        _ => Kind::Backend,
    };
    HypervisorError::new(kind)
        .because(format!("{what} {}", path.display()))
        .caused_by(error)
}

/// Opens an image that can be a raw disk.
///
/// # Errors
///
/// `Image`, with what to do about it.
pub fn open_disk_image(path: &Path) -> Result<File, HypervisorError> {
    let unusable = |error| HypervisorError::new(Kind::Image).caused_by(error);
    let because = |why: &'static str| Err(HypervisorError::new(Kind::Image).because(why));
    // A pipe would keep whoever opens it waiting.
    if !fs::metadata(path).map_err(unusable)?.is_file() {
        return because("it is not a file");
    }
    let mut image = File::open(path).map_err(unusable)?;
    let mut head = Vec::new();
    Read::by_ref(&mut image)
        .take(512)
        .read_to_end(&mut head)
        .map_err(unusable)?;
    image.rewind().map_err(unusable)?;
    if head.len() < 512 {
        return because("it is shorter than one sector");
    }
    for (magic, why) in [
        (
            &b"QFI\xfb"[..],
            "it is a qcow2 image; convert it to a raw disk",
        ),
        (b"KDMV", "it is a VMDK image; convert it to a raw disk"),
        (b"vhdxfile", "it is a VHDX image; convert it to a raw disk"),
        (b"\x1f\x8b", "it is compressed; unpack it first"),
    ] {
        if head.starts_with(magic) {
            return because(why);
        }
    }
    Ok(image)
}

/// Copies an image into a new disk of so many octets, durably.
///
/// # Errors
///
/// That of the file system.
pub fn copy_disk(image: &mut File, disk: &Path, len: u64) -> io::Result<()> {
    let mut disk = File::create(disk)?;
    io::copy(image, &mut disk)?;
    disk.set_len(len)?;
    disk.sync_all()
}

/// Writes zeros over a file, durably; none is as good.
///
/// # Errors
///
/// That of the file system.
pub fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = match File::options().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let len = file.metadata()?.len();
    io::copy(&mut Read::take(io::repeat(0), len), &mut file)?;
    file.sync_all()
}

/// Moves a file or folder within one file system, durably.
///
/// # Errors
///
/// That of the file system.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)?;
    match from.parent() == to.parent() {
        true => Ok(()),
        false => sync_parent(from),
    }
}

/// Removes a file or folder, durably; none is as good.
///
/// # Errors
///
/// That of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = fs::symlink_metadata(path).and_then(|metadata| match metadata.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    });
    match removed {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a folder, and those it is in, where they are not there, durably. The names that are found
/// in it are durable then, too: they may be of a process that was killed before it synced.
///
/// # Errors
///
/// That of the file system.
pub fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    settle(path, sync_folder)
}

/// Makes the names in a folder durable, its own and those of all folders it is in. A folder above it
/// that cannot be synced is left to whoever made it.
///
/// # Errors
///
/// Those of `sync`, which makes the names in one folder durable.
pub fn settle(folder: &Path, mut sync: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem};
    sync(folder)?;
    for above in path::absolute(folder)?.ancestors().skip(1) {
        // One of another owner, or on a file system that is only read, is passed over.
        if let Err(error) = sync(above)
            && !matches!(
                error.kind(),
                PermissionDenied | ReadOnlyFilesystem | InvalidInput
            )
        {
            return Err(error);
        }
    }
    Ok(())
}

/// Makes the names in a folder durable.
///
/// # Errors
///
/// That of the file system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_settled_with_all_it_is_in() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        make_folder(&inner).unwrap();
        make_folder(&inner).unwrap();
        let mut synced = Vec::new();
        let sync = |folder: &Path| {
            synced.push(folder.to_owned());
            match folder == inner {
                true => Ok(()),
                false => Err(io::ErrorKind::PermissionDenied.into()),
            }
        };
        settle(&inner, sync).unwrap();
        assert_eq!(synced, inner.ancestors().collect::<Vec<_>>());
    }

    #[test]
    fn a_folder_that_is_not_durable_is_an_error() {
        let folder = Path::new("/a/b");
        for (at, kind, passes) in [
            ("/a/b", io::ErrorKind::PermissionDenied, false),
            ("/a", io::ErrorKind::Other, false),
            ("/a", io::ErrorKind::InvalidInput, true),
        ] {
            let settled = settle(folder, |folder| match folder == Path::new(at) {
                true => Err(kind.into()),
                false => Ok(()),
            });
            assert_eq!(settled.is_ok(), passes, "{at}: {kind}");
        }
    }
}
