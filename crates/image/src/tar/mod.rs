//! A strict, bounded reader of tar archives: v7, ustar, GNU and PAX, sparse files included.
//!
//! Sources: tar(5) of libarchive, POSIX pax, and the GNU tar manual's "Tar Internals". Where readers
//! in the field differ over the same bytes, so that one tool could be shown other files than another
//! unpacks, the archive is refused: mixed GNU and PAX names, global headers that would change
//! entries, links or directories with data, records that do not add up.

mod header;
mod pax;
mod read;
mod sparse;

pub use read::{Archive, Input};
pub use sparse::{Region, Sparse};

/// The unit of a tar archive, in bytes.
pub(crate) const BLOCK: usize = 512;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; its data follows.
    File,
    /// A further name of an entry before it.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
}

/// A point in time, as tar has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Whole seconds since 1970, rounded down; negative before.
    pub seconds: i64,
    /// Nanoseconds after that.
    pub nanoseconds: u32,
}

/// One entry, with all its extended headers applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its path as the archive has it: not empty, no NUL, anything else.
    pub path: Vec<u8>,
    /// The target of a link; empty for others.
    pub link: Vec<u8>,
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// The owner; never 2^32-1.
    pub uid: u32,
    /// The group; never 2^32-1.
    pub gid: u32,
    /// When its content was last changed.
    pub mtime: Time,
    /// Bytes of data that follow in the archive.
    pub size: u64,
    /// Where the data goes, when the file has holes.
    pub sparse: Option<Sparse>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Names and values of extended attributes, any bytes but no NUL in a name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// Bytes of the file when it is read, holes included.
    pub fn file_size(&self) -> u64 {
        self.sparse.as_ref().map_or(self.size, |sparse| sparse.size)
    }
}
