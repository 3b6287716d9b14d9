//! Bytes as what comes over the line between a host and a guest.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::guest(data));
