//! See `showcore_fuzz::aws_answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| showcore_fuzz::aws_answers(data));
