//! See `o365_source::fuzzing::blob`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| o365_source::fuzzing::blob(data));
