//! Bytes as what a device says to a server.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::server_session(data));
