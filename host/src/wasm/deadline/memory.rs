//! Memory of components, in address space that is ours.
//!
//! Compiled code leaves out checks of its bounds and relies on pages around a memory that nobody may touch, so every
//! memory has all the address space that it could ever reach, and pages become accessible as it grows. (One with 64-bit
//! addresses could go beyond that, and does not grow further.)

use std::{
    cell::RefCell,
    ffi::c_void,
    io,
    ptr::{NonNull, null_mut},
    sync::Arc,
};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::{checks, watchdog::Shared};

/// Of WebAssembly. Pages of every system divide it.
pub(super) const PAGE_BYTES: usize = 64 << 10;

thread_local! {
    /// Whose memories are made on this thread.
    static OWNER: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// While it lives, memories that are made on this thread are stopped by one clock.
pub(super) struct Making;

impl Making {
    pub(super) fn memories_of(clock: &Arc<Shared>) -> Self {
        OWNER.set(Some(Arc::clone(clock)));
        Self
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        OWNER.set(None);
    }
}

/// Makes all memories of an engine.
pub(super) struct Creator;

#[expect(unsafe_code, reason = "what compiled code relies on must be promised")]
// SAFETY: `LinearMemory` below keeps `reserved + guard` bytes inaccessible beyond its size, and its memory is zero.
unsafe impl MemoryCreator for Creator {
    fn new_memory(
        &self,
        ty: MemoryType,
        minimum: usize,
        _maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let owner = OWNER
            .with_borrow(Clone::clone)
            .ok_or("memory is made where no deadline counts")?;
        let explain = |error: io::Error| format!("address space for a memory: {error}");
        let capacity = reserved.unwrap_or(minimum).max(minimum);
        let space = Arc::new(Space::reserve(capacity, guard).map_err(explain)?);
        let mut memory = Memory {
            space,
            bytes: 0,
            capacity,
        };
        memory.grow(minimum).map_err(explain)?;
        if checks::is_for_checks(ty.minimum(), ty.maximum()) {
            owner.stops(&memory.space);
        }
        Ok(Box::new(memory))
    }
}

struct Memory {
    space: Arc<Space>,
    /// What is accessible.
    bytes: usize,
    capacity: usize,
}

impl Memory {
    fn grow(&mut self, bytes: usize) -> io::Result<()> {
        if bytes > self.capacity || !bytes.is_multiple_of(PAGE_BYTES) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if bytes > self.bytes {
            self.space.open(self.bytes, bytes)?;
            self.bytes = bytes;
        }
        Ok(())
    }
}

#[expect(unsafe_code, reason = "what compiled code relies on must be promised")]
// SAFETY: the base never moves, and exactly `bytes` from there are accessible until the deadline.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.bytes
    }

    fn byte_capacity(&self) -> usize {
        self.capacity
    }

    fn grow_to(&mut self, bytes: usize) -> wasmtime::Result<()> {
        Ok(self.grow(bytes)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.space.base.as_ptr().cast()
    }
}

/// Address space with a guard on both sides, inaccessible but for what was opened.
pub(super) struct Space {
    base: NonNull<c_void>,
    capacity: usize,
    guard: usize,
}

#[expect(unsafe_code, reason = "the address space belongs to nobody else")]
// SAFETY: a `Space` only changes the protection of pages that it owns, which the system allows from any thread.
unsafe impl Send for Space {}
#[expect(unsafe_code, reason = "the address space belongs to nobody else")]
// SAFETY: as above.
unsafe impl Sync for Space {}

#[expect(unsafe_code, reason = "address space is had from the system")]
impl Space {
    fn reserve(capacity: usize, guard: usize) -> io::Result<Self> {
        let bytes = capacity
            .checked_add(guard)
            .and_then(|bytes| bytes.checked_add(guard))
            .filter(|bytes| *bytes > 0)
            .ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: new address space, wherever the system wants, overlaps nothing.
        let start = unsafe { mmap_anonymous(null_mut(), bytes, ProtFlags::empty(), MapFlags::PRIVATE)? };
        let base = NonNull::new(start.wrapping_byte_add(guard)).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            base,
            capacity,
            guard,
        })
    }

    /// Makes `from..to` accessible, counted from the base.
    fn open(&self, from: usize, to: usize) -> io::Result<()> {
        debug_assert!(from <= to && to <= self.capacity);
        let flags = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: `Memory::grow` stays within the capacity, which was reserved, and nothing else lies there.
        unsafe {
            Ok(mprotect(
                self.base.as_ptr().wrapping_byte_add(from),
                to - from,
                flags,
            )?)
        }
    }

    /// Takes everything away. Whoever touches it, traps.
    pub(super) fn close(&self) -> io::Result<()> {
        // SAFETY: the pages are ours. Only code of the component uses them, by instructions that may trap; the host
        // does not know that this memory exists.
        unsafe {
            Ok(mprotect(
                self.base.as_ptr(),
                self.capacity,
                MprotectFlags::empty(),
            )?)
        }
    }
}

#[expect(unsafe_code, reason = "address space is given back to the system")]
impl Drop for Space {
    fn drop(&mut self) {
        let start = self.base.as_ptr().wrapping_byte_sub(self.guard);
        // SAFETY: it was reserved in one piece, and the last one who knew of it is gone.
        let unmapped = unsafe { munmap(start, self.guard + self.capacity + self.guard) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}
