//! See `o365_source::fuzzing::address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| o365_source::fuzzing::address(data));
