//! Bytes as a serialized tree, a device description, or a provisioning document.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::document(data));
