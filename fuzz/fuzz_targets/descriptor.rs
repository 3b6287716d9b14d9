//! Bytes as a download descriptor.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::descriptor(data));
