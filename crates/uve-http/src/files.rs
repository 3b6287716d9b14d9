use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use omadm_store::{create_private_directory, sync_directory};
use uve_engine::Blobs;

/// [`Blobs`] as files of one directory, which is theirs alone.
///
/// ```
/// use uve_engine::Blobs;
/// use uve_http::FileBlobs;
///
/// # let state = tempfile::tempdir()?;
/// let blobs = FileBlobs::open(state.path().join("images"))?;
/// blobs.write_at("uif-0", 0, b"octets")?;
/// blobs.sync("uif-0")?;
/// assert_eq!(blobs.names()?, ["uif-0"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FileBlobs {
    directory: PathBuf,
}

impl FileBlobs {
    /// Opens a directory, and makes it [for its owner alone](create_private_directory) if there is
    /// none.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(directory: impl AsRef<Path>) -> io::Result<Self> {
        let directory = directory.as_ref().to_owned();
        create_private_directory(&directory)?;
        Ok(Self { directory })
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let is_plain = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        match (1..=64).contains(&name.len()) && name.bytes().all(is_plain) && !name.starts_with('.')
        {
            true => Ok(self.directory.join(name)),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn writable(&self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(name)?)
    }
}

impl Blobs for FileBlobs {
    fn len(&self, name: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.path(name)?) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = File::open(self.path(name)?)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut read = 0;
        while let Some(rest @ [_, ..]) = buffer.get_mut(read..) {
            match file.read(rest) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, name: &str, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut file = self.writable(name)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(octets)
    }

    fn set_len(&self, name: &str, len: u64) -> io::Result<()> {
        self.writable(name)?.set_len(len)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name)?)?;
        file.sync_all()?;
        sync_directory(&self.directory)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from)?, self.path(to)?)?;
        sync_directory(&self.directory)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)?) {
            Ok(()) => sync_directory(&self.directory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            // A name that is not ours is not there.
            if let Ok(name) = entry?.file_name().into_string()
                && self.path(&name).is_ok()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uve_engine::MemoryBlobs;

    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(directory.path()).unwrap();
        for bad in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "A",
            "a\0",
            ".hidden",
            &"a".repeat(65),
        ] {
            let error = blobs.write_at(bad, 0, b"x").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{bad:?}");
        }
        assert_eq!(blobs.names().unwrap(), [""; 0]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(u8, u16, Vec<u8>),
        SetLen(u8, u16),
        Sync(u8),
        Rename(u8, u8),
        Remove(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let name = || 0..3u8;
        let octets = prop::collection::vec(any::<u8>(), 0..40);
        prop::collection::vec(
            prop_oneof![
                (name(), 0..50u16, octets).prop_map(|(n, o, b)| Step::Write(n, o, b)),
                (name(), 0..50u16).prop_map(|(n, l)| Step::SetLen(n, l)),
                name().prop_map(Step::Sync),
                (name(), name()).prop_map(|(a, b)| Step::Rename(a, b)),
                name().prop_map(Step::Remove),
            ],
            0..20,
        )
    }

    fn apply(blobs: &dyn Blobs, step: &Step) -> Option<io::ErrorKind> {
        let name = |number: &u8| format!("blob-{number}");
        let done = match step {
            Step::Write(n, offset, octets) => blobs.write_at(&name(n), (*offset).into(), octets),
            Step::SetLen(n, len) => blobs.set_len(&name(n), (*len).into()),
            Step::Sync(n) => blobs.sync(&name(n)),
            Step::Rename(a, b) => blobs.rename(&name(a), &name(b)),
            Step::Remove(n) => blobs.remove(&name(n)),
        };
        done.err().map(|error| error.kind())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn files_do_what_memory_does(steps in steps()) {
            let directory = tempfile::tempdir().unwrap();
            let files = FileBlobs::open(directory.path()).unwrap();
            let memory = MemoryBlobs::default();
            for step in &steps {
                prop_assert_eq!(apply(&files, step), apply(&memory, step), "{:?}", step);
                prop_assert_eq!(files.names().unwrap(), memory.names().unwrap());
                for name in memory.names().unwrap() {
                    let len = memory.len(&name).unwrap();
                    prop_assert_eq!(files.len(&name).unwrap(), len);
                    let mut both = [[0; 100]; 2];
                    let [one, two] = &mut both;
                    let read = files.read_at(&name, 1, one).unwrap();
                    prop_assert_eq!(read, memory.read_at(&name, 1, two).unwrap());
                    prop_assert_eq!(one, two);
                }
            }
        }
    }
}
