//! What is left of the host's mounts where the root was moved over theirs.
//!
//! pivot_root(2) takes the host's mounts out of the namespace; a move only hides them. A procfs or a sysfs
//! among them that nothing covers is what the kernel looks for before it lets root of another user
//! namespace mount a new one (`mount_too_revealing` in its `fs/namespace.c`): a process of the container
//! would get one without the container's masks.

use crate::bare::flags::{
    MNT_DETACH, MOUNT_ATTR_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY,
};
use crate::bare::{self, AT_FDCWD, Fd, Result, errno};
use crate::inside::PathBuffer;
use crate::steps::{Child, Step};

/// Room for two long paths, some bytes of them escaped, and the options of a mount; a line that is
/// longer is an error.
const LONGEST_LINE: usize = 4 * 4096;

impl Child {
    /// Takes the mounts of the old root out of the namespace, those of the root that was moved over it
    /// apart. What came from another user namespace cannot be taken: there each procfs and sysfs gets a cover.
    ///
    /// The old root is this process's root still, so that paths lead to what is hidden. It is a slave of the
    /// host's since the first step: nothing of this reaches the host.
    #[cold]
    #[inline(never)]
    pub fn clear_old_root(&mut self) -> Step {
        let old = bare::openat(AT_FDCWD, c"/", O_PATH | O_DIRECTORY, 0)?;
        let old_id = bare::mount_id(old)?;
        bare::close(old);
        let new_id = bare::mount_id(self.root.fd)?;
        self.open_proc()?;
        let proc = self.proc;
        // The table moves while it is read: until a whole one has nothing more to take.
        while any_mount(proc, |mount| {
            let old = mount.parent == old_id && mount.id != new_id;
            Ok(old && bare::umount(mount.path.as_text(), MNT_DETACH).is_ok())
        })? {}
        while any_mount(proc, |mount| {
            Ok(mount.reveals && cover(proc, mount, new_id)?)
        })? {}
        Ok(())
    }
}

/// Covers a mount with an empty read-only directory, unless it is below the mount `new` or has one. Gives
/// back whether it had to.
fn cover(proc: Fd, mount: &Mounted, new: u64) -> Result<bool> {
    let path = mount.path.as_text();
    // Paths lead into the old root only.
    let found = bare::openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW, 0);
    if let Ok(target) = found {
        let uncovered = bare::mount_id(target)? == mount.id;
        if uncovered {
            let empty = bare::detached_mount(c"tmpfs", MOUNT_ATTR_RDONLY)?;
            bare::move_mount(empty, target)?;
            bare::close(empty);
        }
        bare::close(target);
        if uncovered {
            return Ok(true);
        }
    }
    let stacked = any_mount(proc, |other| {
        Ok(other.parent == mount.id && other.path.as_text() == path)
    })?;
    if stacked || is_below(proc, mount.id, new)? {
        return Ok(false);
    }
    // Something above hides it, so that it cannot be reached to be covered.
    Err(errno::EBUSY)
}

/// Whether the mount `id` is `top` or hangs below it.
fn is_below(proc: Fd, mut id: u64, top: u64) -> Result<bool> {
    while id != top {
        let mut parent = id;
        any_mount(proc, |mount| {
            if mount.id == id {
                parent = mount.parent;
            }
            Ok(false)
        })?;
        // The parent of the topmost is not in the table.
        if parent == id {
            return Ok(false);
        }
        id = parent;
    }
    Ok(true)
}

/// Gives `act` each line of the table of mounts (proc_pid_mountinfo(5)); whether it said so of any.
fn any_mount(proc: Fd, mut act: impl FnMut(&Mounted) -> Result<bool>) -> Result<bool> {
    let table = bare::openat(proc, c"self/mountinfo", O_RDONLY, 0)?;
    let (mut line, mut length) = ([0u8; LONGEST_LINE], 0);
    let mut bytes = [0u8; 2048];
    let mut any = false;
    loop {
        let filled = bare::read(table, &mut bytes)?;
        if filled == 0 {
            bare::close(table);
            return Ok(any);
        }
        for byte in &bytes[..filled] {
            if *byte == b'\n' {
                any |= act(&Mounted::parse(&line[..length])?)?;
                length = 0;
            } else {
                *line.get_mut(length).ok_or(errno::ENAMETOOLONG)? = *byte;
                length += 1;
            }
        }
    }
}

/// A line of the table of mounts.
struct Mounted {
    id: u64,
    parent: u64,
    path: PathBuffer,
    /// It is a procfs or a sysfs as a whole.
    reveals: bool,
}

impl Mounted {
    fn parse(line: &[u8]) -> Result<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let mut next = || fields.next().ok_or(errno::EINVAL);
        let (id, parent) = (number(next()?)?, number(next()?)?);
        let (_device, root, place) = (next()?, next()?, next()?);
        let mut path = PathBuffer::empty();
        path.set_unescaped(place)?;
        while next()? != b"-" {}
        let kind = next()?;
        Ok(Self {
            id,
            parent,
            path,
            reveals: root == b"/" && matches!(kind, b"proc" | b"sysfs"),
        })
    }
}

fn number(digits: &[u8]) -> Result<u64> {
    digits.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'9' => Ok(number.wrapping_mul(10) + u64::from(digit - b'0')),
        _ => Err(errno::EINVAL),
    })
}
