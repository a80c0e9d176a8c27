//! What the component has counted of its own branches: for `cargo xtask wasm --train` only, never in what is shipped.
//!
//! A module built with `-C profile-generate` counts; whoever writes the counts down is usually LLVM's runtime, which wants a
//! file system. This is the part of it that is left without one: the raw form that `llvm-profdata` reads, on 32 bits
//! (`compiler-rt/include/profile/InstrProfData.inc`).

#![expect(
    unsafe_code,
    reason = "the compiler leaves its counters between symbols of the linker"
)]

use std::slice;

/// The event that is answered with the counts. No event of a service is like it, since it is no JSON.
pub(crate) const REQUEST: &[u8] = b"counters";

/// Instrumented code refers to it, so that a linker takes LLVM's runtime along.
#[unsafe(no_mangle)]
#[expect(non_upper_case_globals, reason = "LLVM's name")]
static __llvm_profile_runtime: i32 = 0;

unsafe extern "C" {
    #[link_name = "__start___llvm_prf_data"]
    static FUNCTIONS: u8;
    #[link_name = "__stop___llvm_prf_data"]
    static FUNCTIONS_END: u8;
    #[link_name = "__start___llvm_prf_cnts"]
    static COUNTERS: u8;
    #[link_name = "__stop___llvm_prf_cnts"]
    static COUNTERS_END: u8;
    #[link_name = "__start___llvm_prf_names"]
    static NAMES: u8;
    #[link_name = "__stop___llvm_prf_names"]
    static NAMES_END: u8;
    /// Of the format, and what was counted.
    #[link_name = "__llvm_profile_raw_version"]
    static VERSION: u64;
}

/// `\xFFlprofR\x81`, of which the capital letter means 32 bits.
const MAGIC: u64 = u64::from_be_bytes(*b"\xfflprofR\x81");
const FUNCTION_BYTES: usize = 48;
const COUNTER_BYTES: usize = 8;
/// Kinds of values that may be counted beside branches, less one. None is, but they have their place in each function's record.
const LAST_VALUE_KIND: u64 = 2;

/// Everything counted until now.
pub(crate) fn raw_profile() -> Vec<u8> {
    // SAFETY: the linker puts each pair around one section of initialised data.
    let (functions, counters, names, version) = unsafe {
        (
            between(&raw const FUNCTIONS, &raw const FUNCTIONS_END),
            between(&raw const COUNTERS, &raw const COUNTERS_END),
            between(&raw const NAMES, &raw const NAMES_END),
            VERSION,
        )
    };
    let address = |section: &[u8]| section.as_ptr() as u32;
    let header = [
        MAGIC,
        version,
        0,
        (functions.len() / FUNCTION_BYTES) as u64,
        0,
        (counters.len() / COUNTER_BYTES) as u64,
        0,
        0,
        0,
        names.len() as u64,
        // Where a function's counters are is told from where its record is.
        u64::from(address(counters).wrapping_sub(address(functions))),
        0,
        u64::from(address(names)),
        0,
        0,
        LAST_VALUE_KIND,
    ];
    let mut raw: Vec<u8> = header.iter().flat_map(|field| field.to_le_bytes()).collect();
    for section in [functions, counters, names] {
        raw.extend_from_slice(section);
    }
    raw.resize(raw.len().next_multiple_of(8), 0);
    raw
}

/// # Safety
/// Both point to one section of initialised memory, the second behind its last byte.
unsafe fn between(begin: *const u8, end: *const u8) -> &'static [u8] {
    // SAFETY: see above. The counters may change, but not while they are copied: a component has a single thread.
    unsafe { slice::from_raw_parts(begin, end.addr() - begin.addr()) }
}
