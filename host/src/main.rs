//! The `o365-host` program. See the library.

use std::process::ExitCode;

use clap::Parser;
use o365_host::cli::{self, Cli};

fn main() -> ExitCode {
    allocate_within_bounds();
    // Before any TLS connection; a second installation would be somebody else's choice, which is fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    cli::main(Cli::parse())
}

/// Keeps the allocator of glibc from holding on to what was freed. By default it has an arena for each thread, up to
/// eight for each core, and puts bodies of blobs between small things; then memory that is free can neither be used
/// by other threads nor be returned, and the process grows to twice of what it needs. Other allocators do that by
/// themselves.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn allocate_within_bounds() {
    /// Arenas, for all threads together.
    const ARENAS: libc::c_int = 2;
    /// What is as large as that comes from the system and goes back to it: bodies, listings, batches of text.
    const LARGE: libc::c_int = 64 * 1024;
    #[expect(unsafe_code, reason = "there is no safe way to set options of the allocator")]
    // SAFETY: called once, before there is another thread; both options take any number. If one is refused, nothing has
    // changed.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn allocate_within_bounds() {}
