//! Paths inside the root file system. They are hostile: any component may be a symbolic link that was
//! made a moment ago, so the kernel resolves every one beneath the root's descriptor.

use core::ffi::CStr;

use crate::bare::flags::{
    O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY, RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS,
};
use crate::bare::{self, Fd, Result, errno};

const PATH_MAX: usize = 4096;

/// How many links to what is missing may follow one another.
const MOST_LINKS: u32 = 8;

/// A path on the stack that can be cut and extended.
pub struct PathBuffer {
    bytes: [u8; PATH_MAX],
}

impl PathBuffer {
    /// An empty path.
    pub const fn empty() -> Self {
        Self {
            bytes: [0; PATH_MAX],
        }
    }

    /// A copy of `path`.
    pub fn new(path: &CStr) -> Result<Self> {
        let mut buffer = Self::empty();
        buffer.set(&[path.to_bytes()])?;
        Ok(buffer)
    }

    /// The concatenation of `parts`.
    pub fn set(&mut self, parts: &[&[u8]]) -> Result<()> {
        let mut end = 0;
        for part in parts {
            let Some(room) = self.bytes.get_mut(end..end + part.len()) else {
                return Err(errno::ENAMETOOLONG);
            };
            room.copy_from_slice(part);
            end += part.len();
        }
        *self.bytes.get_mut(end).ok_or(errno::ENAMETOOLONG)? = 0;
        Ok(())
    }

    /// `prefix` and a descriptor's number, as in `/proc/self/fd/7`.
    pub fn set_descriptor(&mut self, prefix: &[u8], fd: Fd) -> Result<()> {
        let mut digits = [0u8; 10];
        let mut at = digits.len();
        let mut rest = fd.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.set(&[prefix, &digits[at..]])
    }

    /// A path as `/proc/self/mountinfo` has it: four bytes such as `\040` stand for a space.
    pub fn set_unescaped(&mut self, escaped: &[u8]) -> Result<()> {
        let (mut from, mut to) = (0, 0);
        while let Some(byte) = escaped.get(from) {
            let (value, length) = match escaped.get(from..from + 4) {
                Some(
                    [
                        b'\\',
                        high @ b'0'..=b'3',
                        middle @ b'0'..=b'7',
                        low @ b'0'..=b'7',
                    ],
                ) => ((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'), 4),
                _ => (*byte, 1),
            };
            *self.bytes.get_mut(to).ok_or(errno::ENAMETOOLONG)? = value;
            (from, to) = (from + length, to + 1);
        }
        *self.bytes.get_mut(to).ok_or(errno::ENAMETOOLONG)? = 0;
        Ok(())
    }

    /// The text.
    pub fn as_text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    /// The text of a symbolic link.
    pub fn read_link(&mut self, dir: Fd, name: &CStr) -> Result<()> {
        let end = bare::readlinkat(dir, name, &mut self.bytes)?;
        *self.bytes.get_mut(end).ok_or(errno::ENAMETOOLONG)? = 0;
        Ok(())
    }

    /// Does `act` with the path cut before the byte at `end`.
    fn cut<T>(&mut self, end: usize, act: impl FnOnce(&CStr) -> T) -> T {
        let kept = core::mem::replace(&mut self.bytes[end], 0);
        let result = act(CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c""));
        self.bytes[end] = kept;
        result
    }
}

/// What to make where a target is missing.
#[derive(Clone, Copy, PartialEq)]
pub enum Make {
    /// Nothing: a missing target is an error.
    Nothing,
    /// An empty file.
    File,
    /// A directory of this mode.
    Directory(u32),
}

/// The root file system's descriptor.
pub struct Root {
    /// An `O_PATH` descriptor, -1 before there is a root.
    pub fd: Fd,
    /// A null device that was checked, once there is one.
    pub null: Fd,
    /// An empty read-only directory that is mounted nowhere, once there is one.
    pub empty: Fd,
    dev: Fd,
}

impl Default for Root {
    fn default() -> Self {
        Self {
            fd: -1,
            null: -1,
            empty: -1,
            dev: -1,
        }
    }
}

impl Root {
    /// Opens `path` as a process inside would, with `O_PATH` unless `flags` say more.
    pub fn open(&self, path: &CStr, flags: u64) -> Result<Fd> {
        bare::openat2(
            self.fd,
            relative(path),
            flags,
            0,
            RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        )
    }

    /// Opens the directory `path`, no component of which may be a symbolic link.
    pub fn open_real_directory(&self, path: &CStr) -> Result<Fd> {
        let resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
        bare::openat2(
            self.fd,
            relative(path),
            O_PATH | O_DIRECTORY | O_NOFOLLOW,
            0,
            resolve,
        )
    }

    /// Opens `path`, made with its parents when missing.
    pub fn open_or_make(&self, path: &CStr, make: Make) -> Result<Fd> {
        match self.open(path, O_PATH) {
            Err(errno::ENOENT) if make != Make::Nothing => self.make(path, make),
            other => other,
        }
    }

    /// Makes `path`, of which most often nothing but the last component is missing.
    fn make(&self, path: &CStr, make: Make) -> Result<Fd> {
        let bytes = path.to_bytes_with_nul();
        let cut = bytes
            .iter()
            .rposition(|b| *b == b'/')
            .map_or(0, |slash| slash + 1);
        let name = CStr::from_bytes_with_nul(&bytes[cut..]).unwrap_or(c"");
        // After a closing slash there is no name; such a path goes the long way.
        if name.is_empty() {
            return self.make_all(path, make, 0);
        }
        let parent = match self.open_directory(&bytes[..cut]) {
            Err(errno::ENOENT) => return self.make_all(path, make, 0),
            parent => parent?,
        };
        let made = make_one(parent, name, make);
        bare::close(parent);
        match made {
            // A link to what is missing.
            Err(errno::EEXIST) => self.make_all(path, make, 0),
            made => made,
        }
    }

    /// Opens the directory that the first bytes of a path name. Not inlined for its buffer's sake: every
    /// page of stack that is touched costs a fault.
    #[inline(never)]
    fn open_directory(&self, prefix: &[u8]) -> Result<Fd> {
        let mut buffer = PathBuffer::new(c".")?;
        if !prefix.is_empty() {
            buffer.set(&[prefix])?;
        }
        self.open(buffer.as_text(), O_PATH | O_DIRECTORY)
    }

    /// Makes `path` and the directories above it that are missing, one component at a time.
    #[inline(never)]
    fn make_all(&self, path: &CStr, make: Make, links: u32) -> Result<Fd> {
        let mut buffer = PathBuffer::new(path)?;
        let end = trimmed_len(path.to_bytes());
        let mut at = 0;
        let mut dir = self.open(c".", O_PATH | O_DIRECTORY)?;
        while at < end {
            let start = at;
            at += path.to_bytes()[at..end]
                .iter()
                .position(|b| *b == b'/')
                .unwrap_or(end - at);
            let kind = if at == end {
                make
            } else {
                Make::Directory(0o755)
            };
            let next = buffer.cut(at, |prefix| self.open(prefix, O_PATH));
            let next = match next {
                Err(errno::ENOENT) => buffer.cut(at, |prefix| {
                    let name = CStr::from_bytes_with_nul(&prefix.to_bytes_with_nul()[start..]);
                    make_one(dir, name.unwrap_or(c""), kind)
                }),
                other => other,
            };
            if next == Err(errno::EEXIST) && links < MOST_LINKS {
                let name = &path.to_bytes()[start..at];
                let rest = &path.to_bytes()[at..];
                let made =
                    self.make_behind(dir, &path.to_bytes()[..start], name, rest, make, links);
                bare::close(dir);
                return made;
            }
            bare::close(dir);
            dir = next?;
            while at < end && path.to_bytes()[at] == b'/' {
                at += 1;
            }
        }
        Ok(dir)
    }

    /// Makes what a link names that leads to something missing, and `rest` below it. The kernel resolves
    /// the new path beneath the root again, so that it cannot lead out.
    #[inline(never)]
    fn make_behind(
        &self,
        dir: Fd,
        above: &[u8],
        name: &[u8],
        rest: &[u8],
        make: Make,
        links: u32,
    ) -> Result<Fd> {
        let mut buffer = PathBuffer::new(c"")?;
        buffer.set(&[name])?;
        let mut text = PathBuffer::new(c"")?;
        text.read_link(dir, buffer.as_text())?;
        let target = text.as_text().to_bytes();
        let above = if target.starts_with(b"/") { b"" } else { above };
        buffer.set(&[above, target, rest])?;
        self.make_all(buffer.as_text(), make, links + 1)
    }

    /// The directory that holds `path`, made when missing, and its last component. `/dev`, where
    /// nearly all nodes and links go, is opened once.
    pub fn parent<'p>(&mut self, path: &'p CStr) -> Result<(Fd, &'p CStr)> {
        let bytes = path.to_bytes_with_nul();
        let cut = bytes
            .iter()
            .rposition(|b| *b == b'/')
            .map_or(0, |slash| slash + 1);
        let name = CStr::from_bytes_with_nul(&bytes[cut..]).map_err(|_| errno::EINVAL)?;
        if matches!(name.to_bytes(), b"" | b"." | b"..") {
            return Err(errno::EINVAL);
        }
        let is_dev = &bytes[..cut] == b"/dev/";
        if is_dev && self.dev >= 0 {
            return Ok((self.dev, name));
        }
        let dir = self.open_or_make_directory(&bytes[..cut])?;
        if is_dev {
            self.dev = dir;
        }
        Ok((dir, name))
    }

    #[inline(never)]
    fn open_or_make_directory(&self, prefix: &[u8]) -> Result<Fd> {
        let mut buffer = PathBuffer::new(c"")?;
        buffer.set(&[prefix])?;
        self.open_or_make(buffer.as_text(), Make::Directory(0o755))
    }

    /// Closes a directory that [`Root::parent`] gave, unless it is kept.
    pub fn done_with(&self, dir: Fd) {
        if dir != self.dev {
            bare::close(dir);
        }
    }

    /// Forgets the kept `/dev`: something was mounted.
    pub fn forget(&mut self) {
        if self.dev >= 0 {
            bare::close(self.dev);
            self.dev = -1;
        }
    }
}

/// openat2 takes `/` as the root itself where it resolves in a root, but an empty path not at all.
fn relative(path: &CStr) -> &CStr {
    if path.is_empty() { c"/" } else { path }
}

fn trimmed_len(path: &[u8]) -> usize {
    path.iter()
        .rposition(|b| *b != b'/')
        .map_or(0, |last| last + 1)
}

fn make_one(dir: Fd, name: &CStr, kind: Make) -> Result<Fd> {
    if matches!(name.to_bytes(), b"" | b"." | b"..") {
        return Err(errno::ENOENT);
    }
    match kind {
        Make::Nothing => Err(errno::ENOENT),
        Make::Directory(mode) => {
            bare::mkdirat(dir, name, mode)?;
            bare::openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0)
        }
        Make::File => {
            let made = bare::openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644)?;
            bare::close(made);
            bare::openat(dir, name, O_PATH | O_NOFOLLOW, 0)
        }
    }
}
