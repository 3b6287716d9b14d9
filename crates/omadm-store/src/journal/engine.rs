use std::{
    io,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, PoisonError, RwLock},
};

use omadm_core::{Batch, Operation, Space};
use redb::{Builder, Database, ReadableDatabase, TableDefinition, TableError, WriteTransaction};

use super::medium::{Backend, Medium};

#[cfg(test)]
mod tests;

/// The version of the tables below.
const FORMAT: u8 = 1;

/// Pages redb keeps in memory; its default of 1 GiB is for servers.
const CACHE_BYTES: usize = 4 << 20;

type Table<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

/// About the file: `format`, one byte, and `sequence`, the number of batches, big-endian.
const ABOUT: Table<'_> = TableDefinition::new("omadm-store");
const ABOUT_FORMAT: &[u8] = b"format";
const ABOUT_SEQUENCE: &[u8] = b"sequence";

/// One table for each space.
fn table_name(space: Space) -> String {
    format!("space/{}", space.name())
}

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the file is locked")]
    Locked,
    #[error("the format of the file is {0}, not {FORMAT}")]
    Newer(u8),
    #[error("the file is not a whole journal")]
    Damaged,
    #[error("the file system failed")]
    Io(#[source] io::Error),
    #[error("the database failed")]
    Redb(#[source] redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// A key and what is under it.
pub(super) type Record = (Vec<u8>, Vec<u8>);

/// The journal on any medium.
///
/// redb gives up a database after the first failure of its medium, and cannot always tell whether
/// a failed commit is in the file. So every batch carries a number, a failed one leaves what
/// would undo it, and the next user opens the database again and looks.
pub(super) struct Engine {
    medium: Arc<dyn Medium>,
    state: RwLock<State>,
}

struct State {
    /// Absent after a failure.
    database: Option<Database>,
    /// The number of the last batch that is in force.
    sequence: u64,
    /// What turns the file back if it holds the batch that failed.
    undo: Option<Batch>,
}

impl Engine {
    /// A new journal on an empty medium.
    pub(super) fn create(medium: Arc<dyn Medium>) -> Result<Self, Failure> {
        let database = builder().create_with_backend(Backend(Arc::clone(&medium)))?;
        let transaction = database.begin_write()?;
        {
            let mut about = transaction.open_table(ABOUT)?;
            about.insert(ABOUT_FORMAT, [FORMAT].as_slice())?;
            about.insert(ABOUT_SEQUENCE, 0u64.to_be_bytes().as_slice())?;
        }
        transaction.commit()?;
        Ok(Self::with(medium, database, 0))
    }

    /// The journal on a medium that has one.
    pub(super) fn open(medium: Arc<dyn Medium>) -> Result<Self, Failure> {
        if medium.len().map_err(Failure::Io)? == 0 {
            return Err(Failure::Damaged);
        }
        // redb checks much before it uses it, but meets some damage with a panic.
        let opened = panic::catch_unwind(AssertUnwindSafe(|| -> Result<_, Failure> {
            let mut database = builder().create_with_backend(Backend(Arc::clone(&medium)))?;
            if !database.check_integrity()? {
                return Err(Failure::Damaged);
            }
            let sequence = sequence(&database)?;
            Ok((database, sequence))
        }));
        let (database, sequence) = opened.unwrap_or(Err(Failure::Damaged))?;
        Ok(Self::with(medium, database, sequence))
    }

    fn with(medium: Arc<dyn Medium>, database: Database, sequence: u64) -> Self {
        Self {
            medium,
            state: RwLock::new(State {
                database: Some(database),
                sequence,
                undo: None,
            }),
        }
    }

    pub(super) fn commit(&self, batch: &Batch) -> Result<(), Failure> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.reopen(&mut state)?;
        let Some(database) = &state.database else {
            return Err(Failure::Damaged);
        };
        let next = state.sequence + 1;
        let mut undo = Batch::new();
        match write(database, batch, next, &mut undo) {
            Ok(()) => {
                state.sequence = next;
                Ok(())
            }
            Err(failure) => {
                state.database = None;
                state.undo = Some(undo);
                // Whoever comes next tries again if this fails.
                _ = self.reopen(&mut state);
                Err(failure)
            }
        }
    }

    pub(super) fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        self.with_table(space, |table| {
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
        .map(Option::flatten)
    }

    /// Every key and record of a space, in ascending order of the key.
    pub(super) fn records(&self, space: Space) -> Result<Vec<Record>, Failure> {
        self.with_table(space, |table| {
            table
                .range::<&[u8]>(..)?
                .map(|entry| {
                    let (key, value) = entry?;
                    Ok((key.value().to_vec(), value.value().to_vec()))
                })
                .collect()
        })
        .map(Option::unwrap_or_default)
    }

    /// Reads from the table of a space; `None` if nothing was ever put there.
    fn with_table<T>(
        &self,
        space: Space,
        action: impl FnOnce(&ReadTable) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = &state.database {
            let result = read_table(database, space, action);
            drop(state);
            if result.is_err() {
                self.give_up();
            }
            return result;
        }
        drop(state);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.reopen(&mut state)?;
        match &state.database {
            Some(database) => read_table(database, space, action),
            None => Err(Failure::Damaged),
        }
    }

    fn give_up(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.database = None;
    }

    /// Opens the database again after a failure, and turns a half-failed batch back.
    fn reopen(&self, state: &mut State) -> Result<(), Failure> {
        if state.database.is_some() {
            return Ok(());
        }
        let database = builder().create_with_backend(Backend(Arc::clone(&self.medium)))?;
        let found = sequence(&database)?;
        if found != state.sequence
            && let Some(undo) = &state.undo
        {
            write(&database, undo, state.sequence, &mut Batch::new())?;
        }
        state.undo = None;
        state.database = Some(database);
        Ok(())
    }
}

type ReadTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// The number of batches in the file, if it is one of ours.
fn sequence(database: &Database) -> Result<u64, Failure> {
    let about = match database.begin_read()?.open_table(ABOUT) {
        Ok(about) => about,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Err(Failure::Damaged),
    };
    match about.get(ABOUT_FORMAT)?.as_ref().map(|v| v.value()) {
        Some([FORMAT]) => {}
        Some([version]) => return Err(Failure::Newer(*version)),
        _ => return Err(Failure::Damaged),
    }
    let sequence = about.get(ABOUT_SEQUENCE)?;
    let bytes = sequence.and_then(|value| value.value().try_into().ok());
    bytes.map(u64::from_be_bytes).ok_or(Failure::Damaged)
}

/// Makes a batch durable under its number; collects what would undo it.
fn write(database: &Database, batch: &Batch, number: u64, undo: &mut Batch) -> Result<(), Failure> {
    let transaction = database.begin_write()?;
    let mut undone = Vec::with_capacity(batch.operations().len());
    for operation in batch.operations() {
        undone.push(apply(&transaction, operation)?);
    }
    // Of two operations on one key the first knows what was there before both.
    for (operation, before) in batch.operations().iter().zip(undone).rev() {
        let (Operation::Put { space, key, .. } | Operation::Remove { space, key }) = operation;
        match before {
            Some(value) => undo.put(*space, key.clone(), value),
            None => undo.remove(*space, key.clone()),
        }
    }
    transaction
        .open_table(ABOUT)?
        .insert(ABOUT_SEQUENCE, number.to_be_bytes().as_slice())?;
    Ok(transaction.commit()?)
}

/// Does one operation; returns what was there before.
fn apply(
    transaction: &WriteTransaction,
    operation: &Operation,
) -> Result<Option<Vec<u8>>, Failure> {
    let (Operation::Put { space, key, .. } | Operation::Remove { space, key }) = operation;
    let name = table_name(*space);
    let mut table = transaction.open_table(Table::new(&name))?;
    let before = match operation {
        Operation::Put { value, .. } => table.insert(key.as_slice(), value.as_slice())?,
        Operation::Remove { .. } => table.remove(key.as_slice())?,
    };
    Ok(before.map(|value| value.value().to_vec()))
}

fn read_table<T>(
    database: &Database,
    space: Space,
    action: impl FnOnce(&ReadTable) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let name = table_name(space);
    match database.begin_read()?.open_table(Table::new(&name)) {
        Ok(table) => action(&table).map(Some),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
