//! A file in memory, and bounds-checked views of it. Used as a source file by the child program, whose
//! script it is, and by the fuzz target of scripts.

/// A shared mapping of the start of a file, for the life of the process.
#[derive(Clone, Copy)]
pub struct Mapping {
    address: usize,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes of `fd`.
    pub fn new(fd: i32, len: usize) -> Option<Self> {
        let address = crate::bare::map_shared(fd, len).ok()?;
        Some(Self { address, len })
    }

    /// A copy of the plain value at `offset`. `T` must be valid for any bytes.
    pub fn read<T: Copy>(&self, offset: usize) -> Option<T> {
        let end = offset.checked_add(size_of::<T>())?;
        // SAFETY: inside the mapping, which is never unmapped; unaligned reads are asked for.
        (end <= self.len).then(|| unsafe { ((self.address + offset) as *const T).read_unaligned() })
    }

    /// Writes a plain value at `offset`; outside the mapping nothing happens.
    pub fn write<T: Copy>(&self, offset: usize, value: T) {
        let end = offset.checked_add(size_of::<T>());
        if end.is_some_and(|end| end <= self.len) {
            // SAFETY: inside the mapping, which is writable and never unmapped.
            unsafe { ((self.address + offset) as *mut T).write_unaligned(value) };
        }
    }

    /// The word at `offset`, a multiple of four, which another process may be changing; 0 outside.
    pub fn load(&self, offset: usize) -> u32 {
        self.word(offset)
            .map_or(0, |word| word.load(core::sync::atomic::Ordering::Acquire))
    }

    /// Changes the word at `offset`, a multiple of four, which another process may be reading.
    pub fn store(&self, offset: usize, value: u32) {
        if let Some(word) = self.word(offset) {
            word.store(value, core::sync::atomic::Ordering::Release);
        }
    }

    fn word(&self, offset: usize) -> Option<&'static core::sync::atomic::AtomicU32> {
        let inside = offset.is_multiple_of(4) && offset < self.len && self.len - offset >= 4;
        // SAFETY: inside the mapping, which starts at a page and is never unmapped; an atomic is made for
        // being changed from elsewhere.
        inside.then(|| unsafe {
            core::sync::atomic::AtomicU32::from_ptr((self.address + offset) as *mut u32)
        })
    }

    /// The bytes at `offset`. The parent does not change them after the program was started.
    pub fn bytes(&self, offset: usize, len: usize) -> Option<&'static [u8]> {
        let end = offset.checked_add(len)?;
        // SAFETY: inside the mapping, which is never unmapped; only the report and the lists'
        // words are ever written, and those are not read through this.
        (end <= self.len).then(|| unsafe {
            core::slice::from_raw_parts((self.address + offset) as *const u8, len)
        })
    }

    /// The address of `offset`.
    pub fn address(&self, offset: usize) -> Option<usize> {
        (offset < self.len).then(|| self.address + offset)
    }
}
