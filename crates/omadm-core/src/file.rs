use std::{fmt, io, path::Path, sync::Arc};

/// A change of a file or folder that is about to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FileStep<'a> {
    /// An empty folder where none is.
    MakeFolder(&'a Path),
    /// An empty file; one that is there is emptied.
    MakeFile(&'a Path),
    /// What is in a file, or how long it is.
    Write(&'a Path),
    /// What is in a file, or which names are in a folder, becomes durable.
    Sync(&'a Path),
    /// A file or folder gets another name, and takes the place of a file that has it.
    Rename(&'a Path, &'a Path),
    /// A file, or a folder with all that is in it, goes.
    Remove(&'a Path),
}

/// Hears of each change of files before it is made, and can refuse it: for tests of what a kill or a
/// power cut leaves, at each moment at which it could leave something else. By default nobody hears.
#[derive(Clone, Default)]
pub struct FileWatch(Option<Arc<Watch>>);

type Watch = dyn Fn(FileStep<'_>) -> io::Result<()> + Send + Sync;

impl FileWatch {
    /// Tells each step to this function.
    #[must_use]
    pub fn new(watch: impl Fn(FileStep<'_>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watch)))
    }

    /// Tells a step that is about to be made.
    ///
    /// # Errors
    /// What the function says; the step is not to be made then.
    pub fn step(&self, step: FileStep<'_>) -> io::Result<()> {
        match &self.0 {
            Some(watch) => watch(step),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for FileWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileWatch").finish_non_exhaustive()
    }
}
