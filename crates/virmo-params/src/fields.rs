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
    number(pair, u64::MAX).map(Bytes::new)
}

pub(crate) fn percent(pair: &Pair<'_>) -> Result<Percent, ParamsError> {
    let max = u64::from(Percent::FULL.get());
    let number = number(pair, max)?;
    u8::try_from(number)
        .ok()
        .and_then(Percent::new)
        .ok_or(ParamsErrorKind::OutOfRange(max).at(pair.value_offset()))
}

pub(crate) fn boolean(pair: &Pair<'_>) -> Result<bool, ParamsError> {
    match pair.value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ParamsErrorKind::NotABool.at(pair.value_offset())),
    }
}

fn number(pair: &Pair<'_>, max: u64) -> Result<u64, ParamsError> {
    let wrong = pair.value.bytes().position(|octet| !octet.is_ascii_digit());
    if let Some(at) = wrong {
        return Err(ParamsErrorKind::NotANumber.at(pair.value_offset() + at));
    }
    if pair.value.is_empty() {
        return Err(ParamsErrorKind::NotANumber.at(pair.value_offset()));
    }
    // All digits and not empty: only the size can be wrong now.
    match pair.value.parse() {
        Ok(number) if number <= max => Ok(number),
        _ => Err(ParamsErrorKind::OutOfRange(max).at(pair.value_offset())),
    }
}
