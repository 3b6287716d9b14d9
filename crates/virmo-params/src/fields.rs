//! What the standard keys of all three lists share.

use crate::{Bytes, Pair, ParamsError, ParamsErrorKind, Percent};

/// Puts a standard key's value into its place, once.
pub(crate) fn set<T>(
    slot: &mut Option<T>,
    pair: &Pair<'_>,
    value: impl FnOnce(&Pair<'_>) -> Result<T, ParamsError>,
) -> Result<(), ParamsError> {
    if slot.is_some() {
        return Err(ParamsErrorKind::RepeatedKey.at(pair.offset));
    }
    *slot = Some(value(pair)?);
    Ok(())
}

/// The value of a key that must be there.
pub(crate) fn need<T>(slot: Option<T>, key: &'static str, text: &str) -> Result<T, ParamsError> {
    slot.ok_or(ParamsErrorKind::MissingKey(key).at(text.len()))
}

pub(crate) fn bytes(pair: &Pair<'_>) -> Result<Bytes, ParamsError> {
    let number = digits(pair)?.parse().map(Bytes::new);
    number.map_err(|_| ParamsErrorKind::OutOfRange(u64::MAX).at(pair.value_offset()))
}

pub(crate) fn percent(pair: &Pair<'_>) -> Result<Percent, ParamsError> {
    let number = digits(pair)?.parse().ok().and_then(Percent::new);
    let max = u64::from(Percent::FULL.get());
    number.ok_or(ParamsErrorKind::OutOfRange(max).at(pair.value_offset()))
}

pub(crate) fn boolean(pair: &Pair<'_>) -> Result<bool, ParamsError> {
    match pair.value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ParamsErrorKind::NotABool.at(pair.value_offset())),
    }
}

/// A value of digits only, at least one: only the size of the number can be wrong.
fn digits<'a>(pair: &Pair<'a>) -> Result<&'a str, ParamsError> {
    let wrong = pair.value.bytes().position(|octet| !octet.is_ascii_digit());
    match wrong.or_else(|| pair.value.is_empty().then_some(0)) {
        Some(at) => Err(ParamsErrorKind::NotANumber.at(pair.value_offset() + at)),
        None => Ok(pair.value),
    }
}
