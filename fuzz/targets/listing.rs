//! See `o365_source::fuzzing::listing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| o365_source::fuzzing::listing(data));
