use std::{
    ffi::{CStr, CString, c_char},
    ptr,
    sync::Arc,
};

use omadm_core::{Batch, Journal, JournalError, JournalErrorKind, Operation, Space, sort};

use crate::{
    answer::{Refused, virmo_writer},
    status::{guard, virmo_status},
    text::{c_text, values},
    vendor::{Vendor, call},
};

/// What a call of the journal comes to.
#[repr(u32)]
pub enum virmo_journal_result {
    /// It was done.
    Ok = 0,
    /// There is no space left.
    Full = 1,
    /// The medium cannot be written.
    ReadOnly = 2,
    /// The stored bytes are damaged.
    Corrupt = 3,
    /// The medium failed in another way.
    Io = 4,
}

/// Changes that become durable together or not at all.
pub struct virmo_batch(Vec<(CString, Operation)>);

/// One change of a batch.
#[repr(C)]
pub struct virmo_operation {
    /// Where: the name of a space, a word of letters, digits and '-'.
    pub space: *const c_char,
    /// The key within the space: any bytes, few as a rule; but it may be an address of the tree, of up to
    /// 1,024, or what the server calls itself.
    pub key: *const u8,
    /// How many bytes of key.
    pub key_len: usize,
    /// Whether the record is set; otherwise it is removed, if there is one.
    pub is_put: bool,
    /// The whole record, never empty; null if it is removed. It may be somewhat larger than the largest
    /// value, VIRMO_NUMBER_MAX_OBJECT_SIZE.
    pub value: *const u8,
    /// How many bytes of value.
    pub value_len: usize,
}

/// Takes the records of a space from a callback.
#[derive(Default)]
pub struct virmo_records {
    records: Vec<(Vec<u8>, Vec<u8>)>,
    refused: bool,
}

impl virmo_records {
    /// Shows the records in the order of their keys; of two with the same key, the later one.
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) {
        let key = |at: u32| self.records.get(at as usize).map(|(key, _)| key);
        let mut order: Vec<u32> = (0..).zip(&self.records).map(|(at, _)| at).collect();
        sort(&mut order, &|a, b| key(a).cmp(&key(b)));
        let mut order = order.into_iter().peekable();
        while let Some(at) = order.next() {
            let is_last = order.peek().is_none_or(|next| key(*next) != key(at));
            if let (Some((key, value)), true) = (self.records.get(at as usize), is_last) {
                visit(key, value);
            }
        }
    }
}

/// How many changes a batch has.
///
/// # Safety
/// `batch` is null or that of the callback under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_batch_len(batch: *const virmo_batch) -> usize {
    // SAFETY: null or alive while the callback is under way.
    unsafe { batch.as_ref() }.map_or(0, |batch| batch.0.len())
}

/// Shows the change at an index from 0. What it points to lives until the callback returns.
///
/// # Safety
/// `batch` is null or that of the callback under way; `operation` is null or can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_batch_at(
    batch: *const virmo_batch,
    index: usize,
    operation: *mut virmo_operation,
) -> virmo_status {
    // SAFETY: null or alive while the callback is under way.
    let batch = unsafe { batch.as_ref() };
    let (Some(batch), false) = (batch, operation.is_null()) else {
        return virmo_status::Argument;
    };
    let Some((space, change)) = batch.0.get(index) else {
        return virmo_status::NotFound;
    };
    let (key, value) = match change {
        Operation::Put { key, value, .. } => (key, Some(value)),
        Operation::Remove { key, .. } => (key, None),
    };
    let shown = virmo_operation {
        space: space.as_ptr(),
        key: key.as_ptr(),
        key_len: key.len(),
        is_put: value.is_some(),
        value: value.map_or(ptr::null(), |value| value.as_ptr()),
        value_len: value.map_or(0, Vec::len),
    };
    // SAFETY: not null, and can be written as the caller promises.
    unsafe { operation.write(shown) };
    virmo_status::Ok
}

/// Adds a record.
///
/// # Safety
/// `records` is that of the callback under way; `key` and `value` point to as many bytes as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_records_add(
    records: *mut virmo_records,
    key: *const u8,
    key_len: usize,
    value: *const u8,
    value_len: usize,
) -> virmo_status {
    guard(virmo_status::Panic, || {
        // SAFETY: null, or that of the callback under way, which nothing else uses.
        let records = unsafe { records.as_mut() };
        // SAFETY: the caller's promise.
        let key = unsafe { values(key, key_len, "key") };
        // SAFETY: the caller's promise.
        let value = unsafe { values(value, value_len, "value") };
        match (records, key, value) {
            (Some(records), Ok(key), Ok(value)) => {
                records.records.push((key.to_vec(), value.to_vec()));
                virmo_status::Ok
            }
            (Some(records), ..) => {
                records.refused = true;
                virmo_status::Argument
            }
            (None, ..) => virmo_status::Argument,
        }
    })
}

/// The vendor's journal.
pub(crate) struct VendorJournal(pub(crate) Arc<Vendor>);

impl Journal for VendorJournal {
    fn commit(&self, batch: &Batch) -> Result<(), JournalError> {
        if batch.is_empty() {
            return Ok(());
        }
        let operations = batch.operations().iter();
        let batch = virmo_batch(operations.map(|it| (space(it), it.clone())).collect());
        result(call!(&self.0, journal_commit, &raw const batch))
    }

    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        let space = c_text(space.name());
        let mut value = virmo_writer::default();
        result(call!(
            &self.0,
            journal_read,
            space.as_ptr(),
            key.as_ptr(),
            key.len(),
            &raw mut value,
        ))?;
        value.bytes().map_err(|Refused| refused())
    }

    fn scan(&self, space: Space, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JournalError> {
        let space = c_text(space.name());
        let mut records = virmo_records::default();
        let space: &CStr = &space;
        result(call!(
            &self.0,
            journal_scan,
            space.as_ptr(),
            &raw mut records
        ))?;
        if records.refused {
            return Err(refused());
        }
        records.visit(visit);
        Ok(())
    }
}

fn space(operation: &Operation) -> CString {
    match operation {
        Operation::Put { space, .. } | Operation::Remove { space, .. } => c_text(space.name()),
    }
}

/// A record that was refused is not one that is not there.
fn refused() -> JournalError {
    JournalError::new(JournalErrorKind::Io, None)
}

fn result(code: Option<u32>) -> Result<(), JournalError> {
    const FULL: u32 = virmo_journal_result::Full as u32;
    const READ_ONLY: u32 = virmo_journal_result::ReadOnly as u32;
    const CORRUPT: u32 = virmo_journal_result::Corrupt as u32;
    let kind = match code {
        Some(0) => return Ok(()),
        Some(FULL) => JournalErrorKind::Full,
        Some(READ_ONLY) => JournalErrorKind::ReadOnly,
        Some(CORRUPT) => JournalErrorKind::Corrupt,
        _ => JournalErrorKind::Io,
    };
    Err(JournalError::new(kind, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_shown_in_order_and_the_last_of_a_key() {
        let mut records = virmo_records::default();
        for (key, value) in [("b", 1), ("c", 2), ("a", 3), ("b", 4), ("c", 5), ("b", 6)] {
            records.records.push((key.into(), vec![value]));
        }
        let mut shown = Vec::new();
        records.visit(&mut |key, value| shown.push((key.to_vec(), value.to_vec())));
        let expected = [("a", 3), ("b", 6), ("c", 5)];
        assert_eq!(
            shown,
            expected.map(|(key, value)| (key.into(), vec![value]))
        );
    }
}
