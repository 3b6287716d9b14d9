//! Bytes as a notification, bare and in a WAP push.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::notification(data));
