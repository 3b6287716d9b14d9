//! Disks of machines, and durable changes of files.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    path::Path,
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

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
