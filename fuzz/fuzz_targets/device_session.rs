//! Bytes as what a server says to a device.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::device_session(data));
