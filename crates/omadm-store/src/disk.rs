use std::{
    fs::{DirBuilder, File},
    io,
    path::{self, Path},
};

/// What an I/O error says about the medium.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    Full,
    ReadOnly,
    Damaged,
    Other,
}

pub(crate) fn trouble(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Trouble::Full
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Trouble::ReadOnly,
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Trouble::Damaged,
        _ => Trouble::Other,
    }
}

/// Makes a directory for what is nobody else's business, and those above it that are missing: on
/// Unix only its owner can enter it. One that is there already is left as it is, but its name and
/// those in it are durable then, whoever made them and was killed before it synced.
///
/// # Errors
/// An [`io::Error`] if it cannot be made.
pub fn create_private_directory(directory: impl AsRef<Path>) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem};
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let directory = directory.as_ref();
    builder.create(directory)?;
    sync_directory(directory)?;
    for above in path::absolute(directory)?.ancestors().skip(1) {
        // One of another owner, or on a file system that is only read, is passed over.
        if let Err(error) = sync_directory(above)
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

/// Makes the names in a directory durable, where the system has a call for that.
///
/// # Errors
/// An [`io::Error`] if it cannot be opened or synced.
pub fn sync_directory(directory: impl AsRef<Path>) -> io::Result<()> {
    if cfg!(unix) {
        File::open(directory)?.sync_all()
    } else {
        Ok(())
    }
}

/// How many bytes the disk under a directory can still take, where the system can tell.
#[cfg(unix)]
pub(crate) fn free_bytes(directory: &Path) -> io::Result<Option<u64>> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize)))
}

/// How many bytes the disk under a directory can still take, where the system can tell.
#[cfg(not(unix))]
pub(crate) fn free_bytes(_: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}
