#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| miniclaw_plugin_api::fuzzing::sse(data));
