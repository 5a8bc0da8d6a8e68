//! The allocator of the binary: before the C library was started, a region that only grows; after,
//! the library's own.
//!
//! The OCI commands run and end in the first state. They allocate some tens of kilobytes, so that
//! nothing is ever given back but the newest block. Pages are asked for some at a time: one madvise(2)
//! costs less than the page faults that it saves, and pages that are never used are never cleared.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::syscall;

const MAPPED: usize = 1024 * 1024;
const POPULATED: usize = 32 * 1024;

static LIBRARY: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn malloc(size: usize) -> *mut u8;
    fn realloc(block: *mut u8, size: usize) -> *mut u8;
    fn free(block: *mut u8);
    fn aligned_alloc(align: usize, size: usize) -> *mut u8;
}

/// Says that from now on the C library is there (or about to be started, which allocates nothing of
/// Rust's). Blocks of the region are never handed to it: it is called before anything was allocated.
pub fn library_is_there() {
    LIBRARY.store(true, Ordering::Relaxed);
}

/// The allocator.
#[derive(Debug)]
pub struct Heap {
    region: UnsafeCell<Region>,
}

#[derive(Debug)]
struct Region {
    next: usize,
    /// What lies before it is there without a page fault.
    populated: usize,
    end: usize,
}

// SAFETY: the region is used only before the C library was started, when there is one thread.
unsafe impl Sync for Heap {}

impl Heap {
    /// An allocator that has no memory yet.
    #[allow(clippy::new_without_default, reason = "it is made in a static")]
    pub const fn new() -> Self {
        Self {
            region: UnsafeCell::new(Region {
                next: 0,
                populated: 0,
                end: 0,
            }),
        }
    }
}

const MALLOC_ALIGN: usize = 16;

// SAFETY: both states give blocks of the layout asked for, or null; the region's blocks never overlap
// because `next` only grows past them, and shrinks only by the newest block.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if LIBRARY.load(Ordering::Relaxed) {
            // SAFETY: the library's allocator takes any size; the alignment is a power of two.
            return unsafe {
                if layout.align() <= MALLOC_ALIGN {
                    malloc(layout.size())
                } else {
                    aligned_alloc(
                        layout.align(),
                        layout.size().next_multiple_of(layout.align()),
                    )
                }
            };
        }
        // SAFETY: one thread, and no reference to the region outlives a call.
        unsafe { (*self.region.get()).take(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LIBRARY.load(Ordering::Relaxed) {
            // SAFETY: the block came from malloc or aligned_alloc.
            return unsafe { free(block) };
        }
        // SAFETY: as in `alloc`.
        let region = unsafe { &mut *self.region.get() };
        if block as usize + layout.size() == region.next {
            region.next = block as usize;
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if LIBRARY.load(Ordering::Relaxed) && layout.align() <= MALLOC_ALIGN {
            // SAFETY: the block came from malloc.
            return unsafe { realloc(block, size) };
        }
        // SAFETY: as in `alloc`.
        let region = unsafe { &mut *self.region.get() };
        if block as usize + layout.size() == region.next && block as usize + size <= region.end {
            region.advance(block as usize + size);
            return block;
        }
        // SAFETY: the caller gives a valid new size for this alignment; both blocks are as long as the
        // smaller of the two sizes and do not overlap.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

impl Region {
    fn take(&mut self, layout: Layout) -> *mut u8 {
        let start = self.next.next_multiple_of(layout.align());
        if self.next != 0 && start + layout.size() <= self.end {
            self.advance(start + layout.size());
            return start as *mut u8;
        }
        if !self.grow(layout.size() + layout.align()) {
            return null_mut();
        }
        self.take(layout)
    }

    /// Uses the region up to `next`, which is not behind its end.
    fn advance(&mut self, next: usize) {
        self.next = next;
        if next > self.populated {
            let start = self.populated;
            self.populated = next.next_multiple_of(POPULATED).min(self.end);
            // A kernel before 5.14 refuses, and the pages come one by one.
            // SAFETY: this only makes pages of our own mapping present.
            let _ = unsafe {
                syscall!(
                    libc::SYS_madvise,
                    start,
                    self.populated - start,
                    libc::MADV_POPULATE_WRITE
                )
            };
        }
    }

    fn grow(&mut self, least: usize) -> bool {
        const READ_WRITE: usize = 3;
        const PRIVATE_ANONYMOUS: usize = 0x22;
        let size = least.max(MAPPED).next_multiple_of(4096);
        // SAFETY: an anonymous mapping at an address of the kernel's choice.
        let mapped = unsafe {
            syscall!(
                libc::SYS_mmap,
                0,
                size,
                READ_WRITE,
                PRIVATE_ANONYMOUS,
                usize::MAX,
                0
            )
        };
        match mapped {
            Ok(address) => {
                (self.next, self.populated, self.end) = (address, address, address + size);
                true
            }
            Err(_) => false,
        }
    }
}
