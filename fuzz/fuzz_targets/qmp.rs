//! Bytes as what QEMU says on its monitor.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::qmp(data));
