//! Bytes as what a server does with VMs while things go wrong.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virmo_fuzz::vm_operations(data));
