//! Bytes as a document of either encoding, taken to the other and back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::agreement(data));
