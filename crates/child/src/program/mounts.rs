//! Steps that arrange the file systems.

use core::ffi::CStr;

use crate::attributes::{Change, make_slave, set_detached};
use crate::bare::flags::{
    MNT_DETACH, MOUNT_ATTR_RDONLY, MS_MOVE, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REC,
    MS_SLAVE, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_WRONLY, S_IFDIR,
    S_IFMT,
};
use crate::bare::{self, AT_FDCWD, Fd, errno};
use crate::inside::{Make, PathBuffer};
use crate::op::{Code, Op, flag, part};
use crate::steps::{Child, Failure, In, Step};

const NULL_DEVICE: u64 = 1 << 8 | 3;

/// How to leave the host's root; the numbers are those of [`Code::EnterRoot`].
const PIVOT: u64 = 0;
const MOVE: u64 = 1;
const CHROOT: u64 = 2;
const ALREADY_INSIDE: u64 = 3;

impl Child {
    /// Runs a step of this file.
    pub fn file_system_step(&mut self, code: Code, op: &Op) -> Step {
        match code {
            Code::Root => self.root_from_directory(op),
            Code::RootOverlay => self.root_from_overlay(op),
            Code::Mount => self.mount(op),
            Code::Bind => self.bind(op),
            Code::Attributes => self.attributes(op),
            Code::Node => self.node(op),
            Code::Link => self.link(op),
            Code::Mask => self.mask(op),
            Code::ReadOnly => self.read_only(op),
            Code::EnterRoot => self.enter_root(op),
            Code::CopyUp => self.copy_up(op),
            Code::Directory => self.directory(op),
            _ => self.overlay(op),
        }
    }

    /// The root must be a mount point of its own for pivot_root. The copy's descriptor goes on
    /// naming the mount after it was attached, so nothing has to be looked up again.
    fn root_from_directory(&mut self, op: &Op) -> Step {
        let mut path = self.script.text(op.s[0]);
        let apart = op.flags & 1 != 0;
        let tree = if op.n[2] == 1 {
            op.n[1] as Fd
        } else {
            bare::open_tree(AT_FDCWD, path, op.n[0] == 1).part(part::SOURCE)?
        };
        let late = apart && !make_slave(tree).part(part::ATTRIBUTES)?;
        // Root of a user namespace may not reach the directory; all it takes is a place.
        if apart || op.n[2] == 1 {
            path = c"/";
        }
        let target = bare::openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0).part(part::TARGET)?;
        bare::move_mount(tree, target)?;
        bare::close(target);
        self.root.fd = tree;
        if late {
            self.mount_on(tree, MS_SLAVE | MS_REC)?;
        }
        if op.n[2] == 1 {
            self.slave_from_parent(tree)?;
        }
        Ok(())
    }

    fn root_from_overlay(&mut self, op: &Op) -> Step {
        let target = bare::openat(AT_FDCWD, self.script.text(op.s[0]), O_PATH | O_DIRECTORY, 0)
            .part(part::TARGET)?;
        self.mount_overlay_on(target, op)?;
        let path = self.script.text(op.s[0]);
        self.root.fd = bare::openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0).part(part::TARGET)?;
        Ok(())
    }

    fn overlay(&mut self, op: &Op) -> Step {
        let target = self.target(op, op.s[0], Make::Directory(0o755))?;
        self.mount_overlay_on(target, op)
    }

    /// mount(2) takes one page of options, so that paths in them are relative to a directory that
    /// holds the layers; the target is reached by descriptor.
    #[inline(never)]
    fn mount_overlay_on(&mut self, target: Fd, op: &Op) -> Step {
        if let Some(base) = self.script.some_text(op.s[2]) {
            bare::chdir(base).part(part::SOURCE)?;
        }
        let options = self.script.some_text(op.s[1]);
        // The host's procfs is still there.
        let mut name = PathBuffer::empty();
        name.set_descriptor(b"/proc/self/fd/", target)?;
        bare::mount(
            Some(c"overlay"),
            name.as_text(),
            Some(c"overlay"),
            op.n[0],
            options,
        )?;
        bare::close(target);
        self.root.forget();
        Ok(())
    }

    /// Looks a target up, or makes it.
    fn target(&self, op: &Op, path: crate::op::Span, make: Make) -> Result<Fd, Failure> {
        let path = self.script.text(path);
        if op.flags & flag::REAL_DIRECTORY != 0 {
            match self.root.open_real_directory(path) {
                Err(errno::ENOENT) => {}
                other => return other.part(part::TARGET),
            }
        }
        let make = if op.flags & flag::NO_CREATE != 0 {
            Make::Nothing
        } else {
            make
        };
        let fd = self.root.open_or_make(path, make).part(part::TARGET)?;
        self.check_not_in_proc(op, fd, path)?;
        Ok(fd)
    }

    /// A target that ended on a procfs by way of links in the root would let an image redirect what
    /// the runtime writes there.
    fn check_not_in_proc(&self, op: &Op, fd: Fd, path: &CStr) -> Step {
        if op.flags & flag::PROC_ALLOWED == 0
            && !is_in_proc(path)
            && bare::fs_magic(fd).part(part::CHECK)? == bare::flags::PROC_SUPER_MAGIC
        {
            return Err(Failure {
                part: part::CHECK,
                errno: errno::EXDEV,
            });
        }
        Ok(())
    }

    /// The target becomes the working directory and is mounted upon as `.`, so that no path is
    /// walked a second time.
    fn mount(&mut self, op: &Op) -> Step {
        if op.flags & flag::INHERIT_MODE != 0 {
            return self.mount_like_covered(op);
        }
        let target = self.target(op, op.s[2], Make::Directory(0o755))?;
        bare::fchdir(target).part(part::TARGET)?;
        bare::close(target);
        self.root.forget();
        let kind = self.script.some_text(op.s[0]);
        let source = self.script.some_text(op.s[1]);
        let data = self.script.some_text(op.s[3]);
        match bare::mount(source, c".", kind, op.n[0], data) {
            Err(errno::EROFS | errno::EACCES) if op.flags & flag::RETRY_READ_ONLY != 0 => {
                bare::mount(source, c".", kind, op.n[0] | MS_RDONLY, data)?;
            }
            Err(errno::EPERM) if op.flags & flag::HOST_INSTEAD != 0 => {
                self.bind_of_host(op)?;
            }
            Err(errno::EBUSY) => self.mount_upon_its_own(op)?,
            other => other?,
        }
        Ok(())
    }

    /// mount(2) puts nothing upon a mount of the same file system, of which some have one instance alone: cgroup2,
    /// where the host's `/sys` is bound with what is mounted there. What was mounted detached may stand there.
    #[inline(never)]
    fn mount_upon_its_own(&mut self, op: &Op) -> Step {
        let data = self.script.some_text(op.s[3]);
        let Some(kind) = self.script.some_text(op.s[0]) else {
            return Err(Failure::from(errno::EBUSY));
        };
        if data.is_some_and(|data| !data.is_empty()) {
            return Err(Failure::from(errno::EBUSY));
        }
        // These four are the same bits to fsmount(2).
        let tree = bare::detached_mount(
            kind,
            op.n[0] & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC),
        )?;
        let target = bare::openat(AT_FDCWD, c".", O_PATH | O_DIRECTORY, 0).part(part::TARGET)?;
        bare::move_mount(tree, target)?;
        bare::close(target);
        bare::close(tree);
        Ok(())
    }

    /// Mounts with the option `mode=` of the directory that is there. Apart from the others, as it takes
    /// room on the stack.
    #[inline(never)]
    fn mount_like_covered(&mut self, op: &Op) -> Step {
        let found = self.root.open(self.script.text(op.s[2]), O_PATH);
        let target = self.target(op, op.s[2], Make::Directory(0o755))?;
        bare::fchdir(target).part(part::TARGET)?;
        bare::close(target);
        self.root.forget();
        let given = self.script.text(op.s[3]).to_bytes();
        let mut data = PathBuffer::new(c"")?;
        data.set(&[given])?;
        if let Ok(covered) = found {
            let status = bare::fstat(covered).part(part::CHECK)?;
            bare::close(covered);
            let digit = |shift: u32| b'0' + (status.mode >> shift & 7) as u8;
            let mode = [digit(9), digit(6), digit(3), digit(0)];
            let comma: &[u8] = if given.is_empty() { b"" } else { b"," };
            data.set(&[given, comma, b"mode=", &mode])?;
        }
        let kind = self.script.some_text(op.s[0]);
        let source = self.script.some_text(op.s[1]);
        bare::mount(source, c".", kind, op.n[0], Some(data.as_text()))?;
        Ok(())
    }

    /// The working directory is the target. n1: attributes of the mounts.
    #[inline(never)]
    fn bind_of_host(&mut self, op: &Op) -> Step {
        let path = self.script.text(op.s[2]);
        let tree = bare::open_tree(AT_FDCWD, path, true).part(part::SOURCE)?;
        let late = set_detached(tree, Change::packed(op.n[1]), true).part(part::ATTRIBUTES)?;
        let target = bare::openat(AT_FDCWD, c".", O_PATH | O_DIRECTORY, 0).part(part::TARGET)?;
        bare::move_mount(tree, target)?;
        bare::close(target);
        self.set_all_attached(tree, late)?;
        bare::close(tree);
        Ok(())
    }

    fn bind(&mut self, op: &Op) -> Step {
        let recursive = op.flags & flag::RECURSIVE != 0;
        let tree = match self.bind_source(op, recursive) {
            Err(Failure {
                errno: errno::ENOENT,
                ..
            }) if op.flags & flag::OPTIONAL != 0 => return Ok(()),
            other => other?,
        };
        let directory = bare::fstat(tree).part(part::SOURCE)?.mode & S_IFMT == S_IFDIR;
        let make = if directory {
            Make::Directory(0o755)
        } else {
            Make::File
        };
        let late = set_detached(tree, Change::packed(op.n[1]), false).part(part::ATTRIBUTES)?;
        let late_all = set_detached(tree, Change::packed(op.n[2]), true).part(part::ATTRIBUTES)?;
        let target = self.target(op, op.s[1], make)?;
        bare::move_mount(tree, target)?;
        bare::close(target);
        if op.n[0] != 0 {
            self.slave_from_parent(tree)?;
        }
        self.set_attached(tree, late)?;
        self.set_all_attached(tree, late_all)?;
        bare::close(tree);
        self.root.forget();
        Ok(())
    }

    fn bind_source(&self, op: &Op, recursive: bool) -> Result<Fd, Failure> {
        if op.n[0] != 0 {
            return Ok((op.n[0] - 1) as Fd);
        }
        let path = self.script.text(op.s[0]);
        if op.flags & flag::SOURCE_INSIDE == 0 {
            return bare::open_tree(AT_FDCWD, path, recursive).part(part::SOURCE);
        }
        let found = self.root.open(path, O_PATH).part(part::SOURCE)?;
        let tree = bare::open_tree(found, c"", recursive).part(part::SOURCE);
        bare::close(found);
        tree
    }

    fn node(&mut self, op: &Op) -> Step {
        let path = self.script.text(op.s[1]);
        if op.flags & 1 != 0 {
            return self.bind_node(path, op);
        }
        let (dir, name) = self.root.parent(path).part(part::TARGET)?;
        match bare::mknodat(dir, name, op.n[0] as u32, op.n[1]) {
            Err(errno::EEXIST) => self.same_node(dir, name, op)?,
            // Root of a user namespace makes no nodes of devices.
            Err(errno::EPERM) => {
                self.root.done_with(dir);
                return self.bind_node(path, op);
            }
            other => other?,
        }
        let (uid, gid) = ((op.n[2] >> 32) as u32, op.n[2] as u32);
        if (uid, gid) != (0, 0) {
            bare::chownat(dir, name, uid, gid)?;
        }
        self.root.done_with(dir);
        Ok(())
    }

    /// Binds the host's node, which must be the one that was asked for. One that is there already is
    /// left where it is the one.
    #[inline(never)]
    fn bind_node(&mut self, path: &CStr, op: &Op) -> Step {
        let (dir, name) = self.root.parent(path).part(part::TARGET)?;
        let there = self.same_node(dir, name, op);
        self.root.done_with(dir);
        if there.is_ok() {
            return Ok(());
        }
        let tree = bare::open_tree(AT_FDCWD, path, false).part(part::SOURCE)?;
        if !is_node(&bare::fstat(tree).part(part::SOURCE)?, op) {
            return Err(Failure {
                part: part::CHECK,
                errno: errno::ENODEV,
            });
        }
        let target = self.root.open_or_make(path, Make::File);
        let target = target.part(part::TARGET)?;
        self.check_not_in_proc(op, target, path)?;
        bare::move_mount(tree, target)?;
        bare::close(target);
        bare::close(tree);
        Ok(())
    }

    /// A node that is there already must be the one that was asked for.
    fn same_node(&self, dir: Fd, name: &CStr, op: &Op) -> Step {
        let fd = bare::openat(dir, name, O_PATH | O_NOFOLLOW, 0).part(part::CHECK)?;
        let found = bare::fstat(fd).part(part::CHECK)?;
        bare::close(fd);
        if is_node(&found, op) {
            Ok(())
        } else {
            Err(Failure {
                part: part::CHECK,
                errno: errno::EEXIST,
            })
        }
    }

    fn link(&mut self, op: &Op) -> Step {
        let path = self.script.text(op.s[1]);
        let (dir, name) = self.root.parent(path).part(part::TARGET)?;
        match bare::symlinkat(self.script.text(op.s[0]), dir, name) {
            Ok(()) | Err(errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.root.done_with(dir);
        Ok(())
    }

    /// The cover comes from the runtime: a null device that was checked, or an empty read-only tmpfs.
    fn mask(&mut self, op: &Op) -> Step {
        let target = match self.root.open(self.script.text(op.s[1]), O_PATH) {
            Err(errno::ENOENT | errno::ENOTDIR) => return Ok(()),
            other => other.part(part::TARGET)?,
        };
        let directory = bare::fstat(target).part(part::TARGET)?.mode & S_IFMT == S_IFDIR;
        let cover = if directory {
            self.empty_directory()
        } else {
            self.null_device()
        };
        bare::move_mount(cover.part(part::SOURCE)?, target)?;
        bare::close(target);
        Ok(())
    }

    /// The first cover is the mount itself, the next are copies of it: before Linux 6.15 a mount that
    /// is attached nowhere cannot be copied.
    fn empty_directory(&mut self) -> bare::Result<Fd> {
        if self.root.empty < 0 {
            self.root.empty = bare::detached_mount(c"tmpfs", MOUNT_ATTR_RDONLY)?;
            return Ok(self.root.empty);
        }
        bare::open_tree(self.root.empty, c"", false)
    }

    fn null_device(&mut self) -> bare::Result<Fd> {
        if self.root.null < 0 {
            let null = self.root.open(c"/dev/null", O_PATH | O_NOFOLLOW)?;
            if bare::fstat(null)?.device != NULL_DEVICE {
                return Err(errno::EINVAL);
            }
            self.root.null = null;
        }
        bare::open_tree(self.root.null, c"", false)
    }

    fn read_only(&mut self, op: &Op) -> Step {
        let target = match self.root.open(self.script.text(op.s[1]), O_PATH) {
            Err(errno::ENOENT | errno::ENOTDIR) => return Ok(()),
            other => other.part(part::TARGET)?,
        };
        self.cover_read_only(target)?;
        bare::close(target);
        Ok(())
    }

    fn enter_root(&mut self, op: &Op) -> Step {
        match op.n[0] {
            PIVOT => self.pivot(op.flags & 1 != 0)?,
            MOVE => {
                bare::fchdir(self.root.fd)?;
                match bare::mount(Some(c"."), c"/", None, MS_MOVE, None) {
                    // Root of a user namespace was given its root there.
                    Err(errno::ELOOP) => {}
                    other => other?,
                }
                self.clear_old_root()?;
                bare::fchdir(self.root.fd)?;
                bare::chroot(c".")?;
            }
            CHROOT => {
                bare::fchdir(self.root.fd)?;
                bare::chroot(c".")?;
            }
            ALREADY_INSIDE => {}
            _ => return Err(errno::EINVAL.into()),
        }
        bare::chdir(c"/")?;
        if op.n[0] == ALREADY_INSIDE {
            self.root.fd = bare::openat(AT_FDCWD, c"/", O_PATH | O_DIRECTORY, 0)?;
        }
        Ok(())
    }

    /// The old root lies over the new one for a moment, and is cut loose. It is a slave of the host's
    /// since the first step, or is made one now, so that nothing of this reaches the host.
    fn pivot(&mut self, loosen: bool) -> Step {
        let old = if loosen {
            Some(bare::openat(AT_FDCWD, c"/", O_PATH | O_DIRECTORY, 0)?)
        } else {
            None
        };
        bare::fchdir(self.root.fd)?;
        bare::pivot_root(c".", c".")?;
        if let Some(old) = old {
            bare::fchdir(old)?;
            bare::close(old);
            bare::mount(None, c".", None, MS_SLAVE | MS_REC, None)?;
        }
        bare::umount(c".", MNT_DETACH)?;
        Ok(())
    }

    fn directory(&mut self, op: &Op) -> Step {
        let made = self.target(op, op.s[1], Make::Directory(op.n[0] as u32))?;
        bare::close(made);
        Ok(())
    }

    /// Keeps what the target holds under a copy's descriptor, mounts over it, and copies back.
    #[inline(never)]
    fn copy_up(&mut self, op: &Op) -> Step {
        let path = self.script.text(op.s[2]);
        let below = self.root.open(path, O_RDONLY | O_DIRECTORY);
        self.mount(op)?;
        let below = match below {
            Err(errno::ENOENT) => return Ok(()),
            other => other.part(part::SOURCE)?,
        };
        let to = self
            .root
            .open(path, O_RDONLY | O_DIRECTORY)
            .part(part::TARGET)?;
        let copied = copy_tree(below, to, 0);
        bare::close(below);
        bare::close(to);
        copied.map_err(Failure::from)
    }
}

/// Whether the path says that it is below `/proc`; the planner has looked at such ones.
fn is_in_proc(path: &CStr) -> bool {
    let path = path.to_bytes();
    path == b"/proc" || path.starts_with(b"/proc/")
}

/// Whether a file is the node that a step asks for.
fn is_node(found: &bare::Status, op: &Op) -> bool {
    found.mode & S_IFMT == op.n[0] as u32 & S_IFMT && found.device == op.n[1]
}

const DEEPEST_COPY: u32 = 16;

fn copy_tree(from: Fd, to: Fd, depth: u32) -> bare::Result<()> {
    if depth > DEEPEST_COPY {
        return Err(errno::ELOOP);
    }
    let mut entries = [0u8; 4096];
    loop {
        let filled = bare::getdents(from, &mut entries)?;
        if filled == 0 {
            return Ok(());
        }
        let mut at = 0;
        while at + 19 < filled {
            let size = usize::from(u16::from_ne_bytes([entries[at + 16], entries[at + 17]]));
            let kind = entries[at + 18];
            let name = CStr::from_bytes_until_nul(&entries[at + 19..at + size]).unwrap_or(c"");
            if !matches!(name.to_bytes(), b"" | b"." | b"..") {
                copy_entry(from, to, name, kind, depth)?;
            }
            at += size.max(1);
        }
    }
}

const DT_DIR: u8 = 4;
const DT_REG: u8 = 8;
const DT_LNK: u8 = 10;

fn copy_entry(from: Fd, to: Fd, name: &CStr, kind: u8, depth: u32) -> bare::Result<()> {
    match kind {
        DT_LNK => {
            let mut text = PathBuffer::new(c"")?;
            text.read_link(from, name)?;
            bare::symlinkat(text.as_text(), to, name)?;
            let link = bare::openat(from, name, O_PATH | O_NOFOLLOW, 0)?;
            let owner = bare::fstat(link)?;
            bare::close(link);
            bare::chownat(to, name, owner.uid, owner.gid)
        }
        DT_DIR => {
            let source = bare::openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)?;
            bare::mkdirat(to, name, 0o700)?;
            let target = bare::openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)?;
            same_owner(source, target)?;
            let copied = copy_tree(source, target, depth + 1);
            bare::close(source);
            bare::close(target);
            copied
        }
        DT_REG => copy_file(from, to, name),
        _ => Ok(()),
    }
}

/// Gives `target` the owner and the mode of `source`; in this order, because a change of owner takes
/// the set-id bits away.
fn same_owner(source: Fd, target: Fd) -> bare::Result<()> {
    let status = bare::fstat(source)?;
    bare::chownat(target, c"", status.uid, status.gid)?;
    bare::fchmod(target, status.mode & 0o7777)
}

fn copy_file(from: Fd, to: Fd, name: &CStr) -> bare::Result<()> {
    let source = bare::openat(from, name, O_RDONLY | O_NOFOLLOW, 0)?;
    let target = bare::openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)?;
    while bare::sendfile(target, source, 1 << 20)? != 0 {}
    same_owner(source, target)?;
    bare::close(source);
    bare::close(target);
    Ok(())
}
