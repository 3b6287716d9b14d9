//! Texts and octets across the boundary.

use std::{
    ffi::{CStr, CString, c_char},
    slice,
};

use crate::status::Failure;

/// A text for C; a NUL inside, which only a peer could have put there, becomes U+FFFD.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text)
        .unwrap_or_else(|_| CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default())
}

/// A text from C that has to be there.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string that stays as it is for `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Failure> {
    // SAFETY: the caller's promise.
    let found = unsafe { optional_text(text, what) }?;
    found.ok_or_else(|| Failure::argument(format!("{what} is null")))
}

/// A text from C that may be null.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn optional_text<'a>(
    text: *const c_char,
    what: &str,
) -> Result<Option<&'a str>, Failure> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, hence NUL-terminated and unchanged, as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    let text = text.to_str();
    text.map(Some)
        .map_err(|_| Failure::argument(format!("{what} is not UTF-8")))
}

/// Values from C; null is none of them.
///
/// # Safety
/// `data` is null or points to `len` values that stay as they are for `'a`.
pub(crate) unsafe fn values<'a, T>(
    data: *const T,
    len: usize,
    what: &str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    let most = isize::MAX.unsigned_abs() / size_of::<T>().max(1);
    if data.is_null() || len > most || !data.is_aligned() {
        return Err(Failure::argument(format!(
            "{what} is null or has no such length"
        )));
    }
    // SAFETY: not null, aligned, within the greatest size; the rest is the caller's promise.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}
