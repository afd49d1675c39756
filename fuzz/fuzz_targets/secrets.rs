//! See `showcore_fuzz::secrets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| showcore_fuzz::secrets(data));
