#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| miniclaw::fuzzing::frames(data));
