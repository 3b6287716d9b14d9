//! Bytes as an address and as the target of a command.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::uri(data));
