//! The allocator of the binary: before the C library was started, a region that only grows; after,
//! the library's own.
//!
//! The OCI commands run and end in the first state. They allocate some tens of kilobytes, so that
//! nothing is ever given back but the newest block. A process that lasts asks for [`reuse`]: then blocks
//! come in powers of two, and one that was given back serves the next request of its size. Pages are asked for some at a time: one madvise(2)
//! costs less than the page faults that it saves, and pages that are never used are never cleared.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::syscall;

const MAPPED: usize = 1024 * 1024;
const POPULATED: usize = 32 * 1024;

static LIBRARY: AtomicBool = AtomicBool::new(false);
static REUSE: AtomicBool = AtomicBool::new(false);
/// The smallest block that is used again: it has room for the address of the next free one.
const LEAST: usize = 16;
/// From this size on a block is a mapping of its own, and given back to the kernel.
const LARGE: usize = 128 * 1024;
const SIZES: usize = LARGE.trailing_zeros() as usize;

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

/// From now on blocks that are given back are used again, for a process that lasts. To be called before
/// anything was allocated.
pub fn reuse() {
    REUSE.store(true, Ordering::Relaxed);
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
    /// With [`reuse`]: the first free block of each power of two; each holds the address of the next.
    free: [usize; SIZES],
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
                free: [0; SIZES],
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
        let region = unsafe { &mut *self.region.get() };
        if REUSE.load(Ordering::Relaxed) {
            return region.take_block(layout);
        }
        region.take(layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if LIBRARY.load(Ordering::Relaxed) {
            // SAFETY: the block came from malloc or aligned_alloc.
            return unsafe { free(block) };
        }
        // SAFETY: as in `alloc`.
        let region = unsafe { &mut *self.region.get() };
        if REUSE.load(Ordering::Relaxed) {
            // SAFETY: the block came from `take_block` with this layout, and nobody uses it any more.
            unsafe { region.give_back(block, layout) };
        } else if block as usize + layout.size() == region.next {
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
        let lasting = REUSE.load(Ordering::Relaxed);
        if lasting && block_size(layout.size(), layout.align()) == block_size(size, layout.align())
        {
            return block;
        }
        let newest = block as usize + layout.size() == region.next;
        if !lasting && newest && block as usize + size <= region.end {
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

/// The size of the block that serves a request: a power of two.
fn block_size(size: usize, align: usize) -> usize {
    size.max(align).max(LEAST).next_power_of_two()
}

impl Region {
    fn take_block(&mut self, layout: Layout) -> *mut u8 {
        let size = block_size(layout.size(), layout.align());
        if size >= LARGE {
            return map(size).map_or(null_mut(), |address| address as *mut u8);
        }
        let list = &mut self.free[size.trailing_zeros() as usize];
        if *list != 0 {
            let block = *list as *mut u8;
            // SAFETY: a block of the list is ours, and its first word is the address of the next.
            *list = unsafe { *block.cast::<usize>() };
            return block;
        }
        // SAFETY: a power of two is a valid alignment; a page is enough for whatever is asked for.
        self.take(unsafe { Layout::from_size_align_unchecked(size, size.min(4096)) })
    }

    /// # Safety
    /// The block came from [`Region::take_block`] with this layout, and is used no more.
    unsafe fn give_back(&mut self, block: *mut u8, layout: Layout) {
        let size = block_size(layout.size(), layout.align());
        // SAFETY: the caller's: a mapping of this size, or a block of at least one word, aligned to its size.
        unsafe {
            if size >= LARGE {
                let _ = syscall!(libc::SYS_munmap, block, size);
                return;
            }
            let list = &mut self.free[size.trailing_zeros() as usize];
            *block.cast::<usize>() = *list;
            *list = block as usize;
        }
    }

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
        let size = least.max(MAPPED).next_multiple_of(4096);
        let Some(address) = map(size) else {
            return false;
        };
        (self.next, self.populated, self.end) = (address, address, address + size);
        true
    }
}

/// An anonymous mapping at an address of the kernel's choice.
fn map(size: usize) -> Option<usize> {
    const READ_WRITE: usize = 3;
    const PRIVATE_ANONYMOUS: usize = 0x22;
    // SAFETY: a new mapping touches no memory that there is.
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
    mapped.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    fn region() -> Region {
        Region {
            next: 0,
            populated: 0,
            end: 0,
            free: [0; SIZES],
        }
    }

    #[test]
    fn a_block_that_was_given_back_serves_the_next_request_of_its_size() {
        let mut region = region();
        let (one, other) = (region.take_block(layout(40)), region.take_block(layout(40)));
        assert_ne!(one, other);
        // SAFETY: both came from there, with these layouts.
        unsafe {
            region.give_back(one, layout(40));
            region.give_back(other, layout(60));
        }
        let next = region.next;
        assert_eq!(region.take_block(layout(33)), other);
        assert_eq!(region.take_block(layout(64)), one);
        assert_eq!(region.next, next);
    }

    #[test]
    fn requests_over_and_over_do_not_grow_the_region() {
        let mut region = region();
        let mut after_first = 0;
        for round in 0..1000 {
            let blocks: [_; 12] =
                core::array::from_fn(|i| (region.take_block(layout(1 << i)), 1 << i));
            for (block, size) in blocks {
                // SAFETY: it came from there, with this layout.
                unsafe { region.give_back(block, layout(size)) };
            }
            if round == 0 {
                after_first = region.next;
            }
        }
        assert_eq!(region.next, after_first);
    }

    #[test]
    fn a_large_block_is_a_mapping_of_its_own() {
        let mut region = region();
        let block = region.take_block(layout(LARGE + 1));
        assert!(!block.is_null() && region.end == 0);
        // SAFETY: it came from there, with this layout.
        unsafe {
            block.add(LARGE).write(1);
            region.give_back(block, layout(LARGE + 1));
        }
    }
}
