//! Bytes as the metadata of a libvirt domain.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::libvirt(data));
