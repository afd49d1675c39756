//! See `showcore_fuzz::objects`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| showcore_fuzz::objects(data));
