//! Bytes as what a device answers to a procedure.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::procedures(data));
