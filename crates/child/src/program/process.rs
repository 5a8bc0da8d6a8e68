//! Steps that set what the process is: ids, limits, privileges.

use core::ffi::CStr;

use crate::bare::flags::{
    O_DIRECTORY, O_PATH, O_RDONLY, O_WRONLY, PROC_SUPER_MAGIC, RESOLVE_BENEATH,
    RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV,
};
use crate::bare::{self, AT_FDCWD, errno};
use crate::inside::PathBuffer;
use crate::op::{Code, Op, part, request};
use crate::steps::{Child, Failure, In, Step};

const PR_SET_KEEPCAPS: u64 = 8;
const PR_CAPBSET_READ: u64 = 23;
const PR_CAPBSET_DROP: u64 = 24;
const PR_SET_NO_NEW_PRIVS: u64 = 38;
const PR_CAP_AMBIENT: u64 = 47;
const PR_CAP_AMBIENT_RAISE: u64 = 2;
const PR_CAP_AMBIENT_CLEAR_ALL: u64 = 4;
const PR_SET_PDEATHSIG: u64 = 1;
const LAST_CAPABILITY: u64 = 63;

impl Child {
    /// Runs a step of this file.
    pub fn process_step(&mut self, code: Code, op: &Op) -> Step {
        let bytes = self.script.bytes(op.s[0]);
        match code {
            Code::BecomeRoot => become_root(op.n[0] as u32, op.n[1] as u32),
            Code::LinkUp => link_up(bytes),
            Code::Hostname => bare::sethostname(bytes).map_err(Failure::from),
            Code::Domainname => bare::setdomainname(bytes).map_err(Failure::from),
            Code::Limit => bare::set_limit(op.n[0], op.n[1], op.n[2]).map_err(Failure::from),
            Code::OomScore | Code::WriteProc | Code::Label => self.write_proc(code, op),
            Code::Personality => bare::personality(op.n[0]).map_err(Failure::from),
            Code::Scheduler => bare::sched_setattr(bytes).map_err(Failure::from),
            Code::IoPriority => bare::ioprio_set(op.n[0]).map_err(Failure::from),
            Code::Affinity => affinity(bytes, op.flags & 1 != 0),
            Code::MemoryPolicy => bare::set_mempolicy(op.n[0], bytes).map_err(Failure::from),
            Code::Session => session(),
            Code::Keyring => self.keyring(op),
            Code::Bounding => drop_bounding(op.n[0]),
            Code::Groups => self.set_groups(bytes),
            Code::User => set_user(op),
            Code::Capabilities => set_capabilities(op, bytes),
            Code::NoNewPrivileges => bare::prctl(PR_SET_NO_NEW_PRIVS, 1, 0)
                .map(drop)
                .map_err(Failure::from),
            Code::Scope => bare::scope_abstract_sockets()
                .map(drop)
                .map_err(Failure::from),
            Code::Seccomp => self.seccomp(op),
            Code::WorkDir => self.work_dir(op),
            Code::Home => self.home(op),
            Code::CloseFrom => self.close_on_exec(op.n[0]),
            Code::ParentDeath => bare::prctl(PR_SET_PDEATHSIG, op.n[0], 0)
                .map(drop)
                .map_err(Failure::from),
            _ => Err(errno::ENOSYS.into()),
        }
    }

    /// All writes to procfs go through one that is mounted nowhere, whose type was checked; where
    /// the kernel refuses one (a user namespace without a visible procfs), through the root's own.
    #[inline(never)]
    fn write_proc(&mut self, code: Code, op: &Op) -> Step {
        self.open_proc()?;
        let mut path = PathBuffer::new(c"")?;
        let value = match code {
            Code::OomScore => {
                path.set(&[b"self/oom_score_adj"])?;
                self.script.bytes(op.s[0])
            }
            Code::Label => {
                path.set(&[b"thread-self/attr/", self.script.bytes(op.s[1])])?;
                self.script.bytes(op.s[0])
            }
            _ => {
                path.set(&[self.script.bytes(op.s[0])])?;
                self.script.bytes(op.s[1])
            }
        };
        let resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
        let file =
            bare::openat2(self.proc, path.as_text(), O_WRONLY, 0, resolve).part(part::TARGET)?;
        let written = bare::write(file, value);
        bare::close(file);
        written.map(drop).map_err(Failure::from)
    }

    /// A user namespace in which the right to set groups is denied keeps those of its maker, and can give
    /// no others: the list must be empty then.
    fn set_groups(&mut self, ids: &[u8]) -> Step {
        match bare::setgroups(ids) {
            Err(errno::EPERM) if ids.is_empty() && self.denies_groups() => Ok(()),
            other => other.map_err(Failure::from),
        }
    }

    #[inline(never)]
    fn denies_groups(&mut self) -> bool {
        if self.open_proc().is_err() {
            return false;
        }
        let resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
        let Ok(file) = bare::openat2(self.proc, c"self/setgroups", 0, 0, resolve) else {
            return false;
        };
        let mut text = [0u8; 4];
        let read = bare::read(file, &mut text);
        bare::close(file);
        read == Ok(4) && text == *b"deny"
    }

    /// The offsets of a time namespace can be set until a process is in it.
    pub fn time_offsets(&mut self, op: &Op) -> Step {
        self.open_proc()?;
        let resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
        let file = bare::openat2(self.proc, c"self/timens_offsets", O_WRONLY, 0, resolve)
            .part(part::TARGET)?;
        let written = bare::write(file, self.script.bytes(op.s[0]));
        bare::close(file);
        written.map(drop).map_err(Failure::from)
    }

    /// The private procfs, made where it is not there yet.
    pub fn open_proc(&mut self) -> Step {
        if self.proc >= 0 {
            return Ok(());
        }
        let proc = match bare::detached_mount(c"proc", 0) {
            Ok(fd) => fd,
            Err(_) if self.root.fd >= 0 => self.root.open(c"/proc", O_PATH).part(part::SOURCE)?,
            Err(_) => bare::openat(AT_FDCWD, c"/proc", O_PATH, 0).part(part::SOURCE)?,
        };
        if bare::fs_magic(proc).part(part::CHECK)? != PROC_SUPER_MAGIC {
            return Err(Failure {
                part: part::CHECK,
                errno: errno::EINVAL,
            });
        }
        self.proc = proc;
        Ok(())
    }

    /// Linux 5.10 cannot mark a range: there the descriptors that are open are marked one by one.
    fn close_on_exec(&mut self, first: u64) -> Step {
        match bare::cloexec_from(first) {
            Err(errno::EINVAL | errno::ENOSYS) => {}
            other => return other.map_err(Failure::from),
        }
        self.open_proc()?;
        let resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
        let dir = bare::openat2(self.proc, c"self/fd", O_RDONLY | O_DIRECTORY, 0, resolve)?;
        let mut entries = [0u8; 2048];
        loop {
            let filled = bare::getdents(dir, &mut entries)?;
            if filled == 0 {
                bare::close(dir);
                return Ok(());
            }
            for number in numbers(&entries[..filled]).filter(|number| *number >= first) {
                bare::set_cloexec(number as bare::Fd, true)?;
            }
        }
    }

    fn keyring(&self, op: &Op) -> Step {
        match bare::join_session_keyring(self.script.text(op.s[0])) {
            // A kernel without keys has nothing to protect.
            Ok(_) | Err(errno::ENOSYS) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn seccomp(&mut self, op: &Op) -> Step {
        let program = self.script.bytes(op.s[0]);
        if op.flags & 1 == 0 {
            bare::seccomp(op.n[0], program)?;
            return Ok(());
        }
        let taken = match self.request(request::TAKE_LISTENER, None) {
            Err(Failure {
                part: part::ANSWER,
                errno: errno::EOPNOTSUPP,
            }) => false,
            answer => answer.map(|()| true)?,
        };
        let listener = bare::seccomp(op.n[0], program)?;
        if taken {
            self.await_taking(listener)?;
        } else {
            self.request(request::LISTENER, Some(listener))?;
        }
        bare::close(listener);
        Ok(())
    }

    /// The filter may refuse or ask about every system call, so that all that is left is to look whether the
    /// parent has been here; for some seconds, in case it never comes.
    fn await_taking(&self, listener: bare::Fd) -> Step {
        const LOOKS: u32 = 1 << 29;
        self.script.show_listener(listener);
        for _ in 0..LOOKS {
            if self.script.is_listener_taken() {
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(Failure {
            part: part::PARENT,
            errno: errno::EPIPE,
        })
    }

    /// A working directory that a descriptor leaked from the host would make reachable is told by
    /// getcwd: its path does not start at our root.
    #[inline(never)]
    fn work_dir(&mut self, op: &Op) -> Step {
        let path = self.script.text(op.s[0]);
        match bare::chdir(path) {
            Err(errno::ENOENT) if op.flags & 1 != 0 => {
                let made = self
                    .root
                    .open_or_make(path, crate::inside::Make::Directory(0o755));
                bare::close(made.part(part::MAKE)?);
                bare::chdir(path)?;
            }
            other => other?,
        }
        let mut here = [0u8; 4096];
        let len = bare::getcwd(&mut here).part(part::CHECK)?;
        if len == 0 || here[0] != b'/' {
            return Err(Failure {
                part: part::CHECK,
                errno: errno::EXDEV,
            });
        }
        Ok(())
    }
}

/// The names that are numbers, of entries as getdents64(2) writes them.
fn numbers(entries: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let mut at = 0;
    core::iter::from_fn(move || {
        let head = entries.get(at..at + 19)?;
        let size = usize::from(u16::from_ne_bytes([head[16], head[17]]));
        let name = entries.get(at + 19..at + size)?;
        at += size;
        Some(
            CStr::from_bytes_until_nul(name)
                .ok()?
                .to_str()
                .ok()?
                .parse(),
        )
    })
    .flatten()
}

fn become_root(uid: u32, gid: u32) -> Step {
    match bare::setgroups(&[]) {
        // A namespace without the right to set groups keeps them; they are unmapped there.
        Ok(()) | Err(errno::EPERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    bare::setgid(gid)?;
    bare::setuid(uid)?;
    // They brought our capabilities through the execve that came before the maps.
    bare::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    Ok(())
}

fn link_up(name: &[u8]) -> Step {
    const SIOCGIFFLAGS: u64 = 0x8913;
    const SIOCSIFFLAGS: u64 = 0x8914;
    const IFF_UP: u8 = 1;
    let mut request = [0u8; 40];
    if name.len() > 15 {
        return Err(errno::EINVAL.into());
    }
    request[..name.len()].copy_from_slice(name);
    let socket = bare::interface_socket()?;
    bare::ioctl_bytes(socket, SIOCGIFFLAGS, &mut request)?;
    request[16] |= IFF_UP;
    bare::ioctl_bytes(socket, SIOCSIFFLAGS, &mut request)?;
    bare::close(socket);
    Ok(())
}

/// An empty mask is that of all CPUs, of which the cgroup's are left.
fn affinity(mask: &[u8], may_miss: bool) -> Step {
    /// As many as the kernel can be built for.
    const ALL: [u8; 8192 / 8] = [0xff; 8192 / 8];
    let mask = if mask.is_empty() { &ALL } else { mask };
    match bare::sched_setaffinity(mask) {
        Err(errno::EINVAL) if may_miss => Ok(()),
        other => other.map_err(Failure::from),
    }
}

fn session() -> Step {
    match bare::setsid() {
        // Already a leader, as the first process of a fresh namespace may be.
        Ok(()) | Err(errno::EPERM) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn drop_bounding(keep: u64) -> Step {
    for capability in (0..=LAST_CAPABILITY).filter(|c| keep >> c & 1 == 0) {
        match bare::prctl(PR_CAPBSET_DROP, capability, 0) {
            // Past the kernel's last capability.
            Err(errno::EINVAL) => break,
            // Not ours to drop; that is right where it is not there at all.
            Err(errno::EPERM) if bare::prctl(PR_CAPBSET_READ, capability, 0) == Ok(0) => {}
            other => other.map(drop)?,
        }
    }
    Ok(())
}

fn set_user(op: &Op) -> Step {
    bare::prctl(PR_SET_KEEPCAPS, 1, 0)?;
    bare::setgid(op.n[1] as u32)?;
    bare::setuid(op.n[0] as u32)?;
    bare::umask(op.n[2] as u32);
    Ok(())
}

fn set_capabilities(op: &Op, ambient: &[u8]) -> Step {
    bare::capset(op.n[0], op.n[1], op.n[2])?;
    let ambient = ambient.try_into().map_or(0, u64::from_ne_bytes);
    for capability in (0..=LAST_CAPABILITY).filter(|c| ambient >> c & 1 == 1) {
        bare::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)?;
    }
    Ok(())
}
