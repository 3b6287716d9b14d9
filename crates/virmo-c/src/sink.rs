use std::{ffi::CString, sync::Arc};

use omadm_core::SortedSet;
use omadm_download::{DownloadKey, Sink, SinkError, SinkErrorKind};

use crate::{
    answer::{Refused, virmo_keys, virmo_writer},
    text::c_text,
    vendor::{Vendor, call},
};

/// What a call of the sink comes to.
#[repr(u32)]
pub enum virmo_sink_result {
    /// It was done.
    Ok = 0,
    /// There is no space left.
    NoSpace = 1,
    /// The medium cannot be written.
    ReadOnly = 2,
    /// There is no such file.
    Missing = 3,
    /// The medium failed in another way.
    Io = 4,
}

/// The vendor's place for files.
pub(crate) struct VendorSink(pub(crate) Arc<Vendor>);

impl Sink for VendorSink {
    fn reserve(&self, key: &DownloadKey, total: Option<u64>) -> Result<(), SinkError> {
        let (key, total) = (name(key), total.unwrap_or(u64::MAX));
        result(call!(&self.0, sink_reserve, key.as_ptr(), total))
    }

    fn len(&self, key: &DownloadKey) -> Result<Option<u64>, SinkError> {
        let (key, mut len) = (name(key), 0);
        match result(call!(&self.0, sink_len, key.as_ptr(), &raw mut len)) {
            Ok(()) => Ok(Some(len)),
            Err(error) if error.kind() == SinkErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write_at(&self, key: &DownloadKey, offset: u64, bytes: &[u8]) -> Result<(), SinkError> {
        let key = name(key);
        let (key, len) = (key.as_ptr(), bytes.len());
        result(call!(&self.0, sink_write, key, offset, bytes.as_ptr(), len))
    }

    fn read_at(
        &self,
        key: &DownloadKey,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, SinkError> {
        let (key, len, mut read) = (name(key), buffer.len(), 0);
        let (key, buffer) = (key.as_ptr(), buffer.as_mut_ptr());
        result(call!(
            &self.0,
            sink_read,
            key,
            offset,
            buffer,
            len,
            &raw mut read
        ))?;
        // More than was asked for cannot have been read.
        match read <= len {
            true => Ok(read),
            false => Err(SinkErrorKind::Io.into()),
        }
    }

    fn truncate(&self, key: &DownloadKey, length: u64) -> Result<(), SinkError> {
        let key = name(key);
        result(call!(&self.0, sink_truncate, key.as_ptr(), length))
    }

    fn sync(&self, key: &DownloadKey) -> Result<(), SinkError> {
        let key = name(key);
        result(call!(&self.0, sink_sync, key.as_ptr()))
    }

    fn finish(&self, key: &DownloadKey) -> Result<String, SinkError> {
        let (key, mut path) = (name(key), virmo_writer::default());
        result(call!(&self.0, sink_finish, key.as_ptr(), &raw mut path))?;
        match path.path() {
            Ok(Some(path)) => Ok(path),
            Ok(None) | Err(Refused) => Err(SinkErrorKind::Io.into()),
        }
    }

    fn location(&self, key: &DownloadKey) -> Result<Option<String>, SinkError> {
        let (key, mut path) = (name(key), virmo_writer::default());
        result(call!(&self.0, sink_location, key.as_ptr(), &raw mut path))?;
        path.path().map_err(|Refused| SinkErrorKind::Io.into())
    }

    fn discard(&self, key: &DownloadKey) -> Result<(), SinkError> {
        let key = name(key);
        result(call!(&self.0, sink_discard, key.as_ptr()))
    }

    fn keys(&self) -> Result<Vec<DownloadKey>, SinkError> {
        let mut keys = virmo_keys::default();
        result(call!(&self.0, sink_keys, &raw mut keys))?;
        // A name that is no key is none of ours.
        let keys: SortedSet<DownloadKey> = keys.0.iter().filter_map(|key| key_of(key)).collect();
        Ok(keys.into_iter().collect())
    }
}

/// The key as a file name: what is neither letter, digit nor '-' is `_` and two hexadecimal digits.
fn name(key: &DownloadKey) -> CString {
    let mut name = String::new();
    for byte in key.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!("_{byte:02x}")),
        }
    }
    c_text(&name)
}

/// The key of a file name, if it is one of [`name`].
fn key_of(file: &str) -> Option<DownloadKey> {
    let (mut octets, mut rest) = (Vec::new(), file.bytes());
    while let Some(byte) = rest.next() {
        match byte {
            b'_' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                octets.push(u8::from_str_radix(digits, 16).ok()?);
            }
            _ => octets.push(byte),
        }
    }
    let key: DownloadKey = String::from_utf8(octets).ok()?.parse().ok()?;
    (name(&key).as_bytes() == file.as_bytes()).then_some(key)
}

fn result(code: Option<u32>) -> Result<(), SinkError> {
    let kind = match code {
        Some(0) => return Ok(()),
        Some(1) => SinkErrorKind::NoSpace,
        Some(2) => SinkErrorKind::ReadOnly,
        Some(3) => SinkErrorKind::Missing,
        _ => SinkErrorKind::Io,
    };
    Err(kind.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_file_name_and_back() {
        for (key, file) in [
            ("entvm-1", "entvm-1"),
            ("../x", "_2e_2e_2fx"),
            ("Größe_1", "Gr_c3_b6_c3_9fe_5f1"),
        ] {
            let key: DownloadKey = key.parse().unwrap();
            assert_eq!(name(&key).to_str(), Ok(file));
            assert_eq!(key_of(file), Some(key));
        }
        for foreign in ["", "a.part", "_2", "_2E", "_zz", "_41", "_00", "_ff"] {
            assert_eq!(key_of(foreign), None, "{foreign}");
        }
    }
}
