//! Bytes as a bootstrap.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::bootstrap(data));
