//! See `showcore_fuzz::bucket_policies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| showcore_fuzz::bucket_policies(data));
