#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rolog_tests::fuzz::pipeline(data));
