//! Bytes as a WBXML document.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::wbxml(data));
