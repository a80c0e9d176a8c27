//! Keeps the allocator of glibc from holding on to what was freed. Other allocators do that by themselves.

/// Sets its options; once, before there is another thread.
///
/// By default it has an arena for each thread, up to eight for each core, and puts bodies of blobs between small things;
/// then memory that is free can neither be used by other threads nor be returned, and the process grows to twice of what
/// it needs.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_within_bounds() {
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

/// Returns what is free to the system, after something that needed a lot and seldom happens.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    #[expect(unsafe_code, reason = "there is no safe way to ask the allocator")]
    // SAFETY: any thread may ask at any time; only pages that are free are given back.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_within_bounds() {}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
