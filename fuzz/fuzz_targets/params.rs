//! Bytes as parameters of each kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::params(data));
