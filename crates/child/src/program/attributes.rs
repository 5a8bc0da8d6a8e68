//! What mounts allow: mount_setattr(2), and what stands in for it before Linux 5.12.
//!
//! Older kernels change one mount at a time, and only one that is attached; they take all of its flags
//! anew. Nothing of the image runs yet, so that a moment without them does no harm. A change of a mount and
//! all below it is refused there (`ENOSYS`) where there are any, never made in part.

use crate::bare::flags::{
    MOUNT_ATTR_ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY, MOUNT_ATTR_STRICTATIME, MS_BIND, MS_NOATIME, MS_NODIRATIME, MS_NOSYMFOLLOW,
    MS_REC, MS_RELATIME, MS_REMOUNT, MS_SLAVE, MS_STRICTATIME, O_RDONLY, ST_NOSYMFOLLOW,
};
use crate::bare::{self, Fd, MountAttributes, errno};
use crate::inside::PathBuffer;
use crate::op::{Op, flag, part};
use crate::steps::{Child, Failure, In, Step};

/// `ro`, `nosuid`, `nodev`, `noexec`: the same bits everywhere, statfs(2) and mount(2) included.
const COMMON: u64 = 0xf;

/// Attributes to set and to clear.
#[derive(Clone, Copy)]
pub struct Change {
    set: u64,
    clear: u64,
}

impl Change {
    /// As a script packs them; nothing is no change.
    pub fn packed(word: u64) -> Option<Self> {
        (word != 0).then_some(Self {
            set: word & 0xffff_ffff,
            clear: word >> 32,
        })
    }

    /// The flags for a remount of a mount that has these (statfs(2)); none where there are no such.
    fn remount_flags(self, found: u64) -> Option<u64> {
        let known = COMMON | MOUNT_ATTR_ATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW;
        if (self.set | self.clear) & !known != 0 {
            return None;
        }
        let mut now = found & COMMON;
        if found & ST_NOSYMFOLLOW != 0 {
            now |= MOUNT_ATTR_NOSYMFOLLOW;
        }
        let wanted = now & !self.clear | self.set;
        let mut flags = wanted & COMMON;
        if wanted & MOUNT_ATTR_NOSYMFOLLOW != 0 {
            flags |= MS_NOSYMFOLLOW;
        }
        // Without any of these the kernel keeps those that there are.
        if (self.set | self.clear) & (MOUNT_ATTR_ATIME | MOUNT_ATTR_NODIRATIME) != 0 {
            flags |= self.times(found);
        }
        Some(flags)
    }

    fn times(self, found: u64) -> u64 {
        // statfs(2) has the bits of mount(2) for these two.
        let how = if (self.set | self.clear) & MOUNT_ATTR_ATIME != 0 {
            match self.set & MOUNT_ATTR_ATIME {
                MOUNT_ATTR_NOATIME => MS_NOATIME,
                MOUNT_ATTR_STRICTATIME => MS_STRICTATIME,
                _ => MS_RELATIME,
            }
        } else if found & MS_NOATIME != 0 {
            MS_NOATIME
        } else {
            MS_RELATIME
        };
        let directories = if self.set & MOUNT_ATTR_NODIRATIME != 0 {
            MS_NODIRATIME
        } else {
            found & MS_NODIRATIME & !(self.clear << 4)
        };
        how | directories
    }
}

/// Changes a copy that is attached nowhere yet, and those below it if `all`. Gives back what has to be done
/// once it is.
pub fn set_detached(tree: Fd, change: Option<Change>, all: bool) -> Result<Option<Change>, i32> {
    let Some(Change { set, clear }) = change else {
        return Ok(None);
    };
    let wanted = MountAttributes {
        set,
        clear,
        ..MountAttributes::default()
    };
    match bare::mount_setattr(tree, all, &wanted) {
        Err(errno::ENOSYS) => Ok(change),
        other => other.map(|()| None),
    }
}

/// Makes a copy and all below it slaves of what they are copies of. Gives back whether it could: else that
/// has to be done once it is attached.
pub fn make_slave(tree: Fd) -> Result<bool, i32> {
    let slave = MountAttributes {
        propagation: MS_SLAVE,
        ..MountAttributes::default()
    };
    match bare::mount_setattr(tree, true, &slave) {
        Err(errno::ENOSYS) => Ok(false),
        other => other.map(|()| true),
    }
}

impl Child {
    /// Does to a mount that is attached now what could not be done before.
    pub fn set_attached(&mut self, mount: Fd, change: Option<Change>) -> Step {
        let Some(change) = change else {
            return Ok(());
        };
        let found = bare::mount_flags(mount).part(part::ATTRIBUTES)?;
        let flags = change
            .remount_flags(found)
            .ok_or(errno::ENOSYS)
            .part(part::ATTRIBUTES)?;
        self.mount_on(mount, MS_REMOUNT | MS_BIND | flags)
    }

    /// The same for all mounts from there down: not where there are several.
    pub fn set_all_attached(&mut self, mount: Fd, change: Option<Change>) -> Step {
        if change.is_some() && self.has_mounts_below(mount)? {
            return Err(errno::ENOSYS).part(part::ATTRIBUTES);
        }
        self.set_attached(mount, change)
    }

    /// Takes a tree for a slave of what it is a copy of, where the parent could not make it one.
    pub fn slave_from_parent(&mut self, tree: Fd) -> Step {
        if bare::has_mount_setattr() {
            return Ok(());
        }
        self.mount_on(tree, MS_SLAVE | MS_REC)
    }

    /// The step of that name.
    pub fn attributes(&mut self, op: &Op) -> Step {
        let path = self.script.text(op.s[1]);
        let target = self.root.open(path, crate::bare::flags::O_PATH);
        let target = target.part(part::TARGET)?;
        let wanted = MountAttributes {
            set: op.n[0],
            clear: op.n[1],
            propagation: op.n[2],
            ..MountAttributes::default()
        };
        match bare::mount_setattr(target, op.flags & flag::RECURSIVE != 0, &wanted) {
            Err(errno::ENOSYS) => self.attributes_one_by_one(target, op)?,
            other => other?,
        }
        bare::close(target);
        Ok(())
    }

    #[cold]
    fn attributes_one_by_one(&mut self, target: Fd, op: &Op) -> Step {
        let recursive = op.flags & flag::RECURSIVE != 0;
        let (set, clear) = (op.n[0], op.n[1]);
        if set | clear != 0 {
            let change = Some(Change { set, clear });
            if recursive {
                self.set_all_attached(target, change)?;
            } else {
                self.set_attached(target, change)?;
            }
        }
        match (op.n[2], recursive) {
            (0, _) => Ok(()),
            (kind, false) => self.mount_on(target, kind),
            (kind, true) => self.mount_on(target, kind | MS_REC),
        }
    }

    /// Attaches a read-only copy of `target` on it: of all mounts from there down, or where the kernel
    /// cannot make them read-only together, of the first alone, which hides the others.
    pub fn cover_read_only(&mut self, target: Fd) -> Step {
        let change = Change::packed(MOUNT_ATTR_RDONLY);
        let tree = bare::open_tree(target, c"", true).part(part::SOURCE)?;
        let late = set_detached(tree, change, true).part(part::ATTRIBUTES)?;
        if late.is_none() {
            bare::move_mount(tree, target)?;
            bare::close(tree);
            return Ok(());
        }
        bare::close(tree);
        let tree = bare::open_tree(target, c"", false).part(part::SOURCE)?;
        bare::move_mount(tree, target)?;
        self.set_attached(tree, late)?;
        bare::close(tree);
        Ok(())
    }

    /// Whether something is mounted on a mount that is attached (proc_pid_mountinfo(5)).
    #[cold]
    fn has_mounts_below(&mut self, mount: Fd) -> Result<bool, Failure> {
        self.open_proc()?;
        let id = bare::mount_id(mount).part(part::ATTRIBUTES)?;
        let table =
            bare::openat(self.proc, c"self/mountinfo", O_RDONLY, 0).part(part::ATTRIBUTES)?;
        let mut lines = Parents::default();
        let mut bytes = [0u8; 2048];
        let mut found = false;
        loop {
            let filled = bare::read(table, &mut bytes).part(part::ATTRIBUTES)?;
            if filled == 0 {
                bare::close(table);
                return Ok(found);
            }
            for byte in &bytes[..filled] {
                found |= lines.next_parent(*byte) == Some(id);
            }
        }
    }

    /// mount(2) with these flags on what a descriptor names: it takes paths only, and a file cannot be the
    /// working directory.
    #[cold]
    pub fn mount_on(&mut self, target: Fd, flags: u64) -> Step {
        self.open_proc()?;
        let mut path = PathBuffer::empty();
        path.set_descriptor(b"self/fd/", target)?;
        bare::fchdir(self.proc).part(part::ATTRIBUTES)?;
        bare::mount(None, path.as_text(), None, flags, None).part(part::ATTRIBUTES)
    }
}

/// The second field of each line, a number, byte by byte.
#[derive(Default)]
struct Parents {
    field: u32,
    number: u64,
}

impl Parents {
    /// The number that this byte ends.
    fn next_parent(&mut self, byte: u8) -> Option<u64> {
        match (byte, self.field) {
            (b'\n', _) => *self = Self::default(),
            (b' ', 1) => {
                self.field = 2;
                return Some(self.number);
            }
            (b' ', field) => self.field = field + 1,
            (digit @ b'0'..=b'9', 1) => self.number = self.number * 10 + u64::from(digit - b'0'),
            _ => {}
        }
        None
    }
}
