//! Looks at many octets.
//!
//! With `--cfg omadm_markup_compact` one by one, which takes less code; otherwise with what
//! instructions the processor has for it.

#[cfg(omadm_markup_compact)]
pub(crate) use compact::{memchr, memchr2, memchr3};
#[cfg(omadm_markup_compact)]
pub(crate) use core::str::from_utf8;
#[cfg(not(omadm_markup_compact))]
pub(crate) use memchr::{memchr, memchr2, memchr3};
// The standard library's check takes longer than all else that is done to a large text.
#[cfg(not(omadm_markup_compact))]
pub(crate) use simdutf8::compat::from_utf8;

/// Whether octets are looked at one by one.
pub(crate) const ONE_BY_ONE: bool = cfg!(omadm_markup_compact);

#[cfg(omadm_markup_compact)]
mod compact {
    pub(crate) fn memchr(a: u8, octets: &[u8]) -> Option<usize> {
        memchr3(a, a, a, octets)
    }

    pub(crate) fn memchr2(a: u8, b: u8, octets: &[u8]) -> Option<usize> {
        memchr3(a, b, b, octets)
    }

    #[inline(never)]
    pub(crate) fn memchr3(a: u8, b: u8, c: u8, octets: &[u8]) -> Option<usize> {
        let wanted = |&octet: &u8| octet == a || octet == b || octet == c;
        octets.iter().position(wanted)
    }
}
