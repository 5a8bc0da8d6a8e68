//! A v2 cgroup's device program: attached, replaced, and kept for the next container.
//!
//! To load one costs the kernel some 300 µs, most of a container's cgroup work, and nearly all
//! containers have the same. So a loaded program is parked: attached to an empty cgroup whose name is
//! the policy itself, word for word, from where the next container takes it in 10 µs. (A pin in a BPF
//! file system would do the same, but many hosts have none mounted.)

use sys::bpf::{self, AttachType, Insn, ProgramType};
use sys::rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, unlinkat};
use sys::{Errno, OwnedFd};

use crate::error::{Error, Result};
use crate::lower::{Leaf, Lowered, Version};
use crate::tree::Group;
use crate::walk;

const NAME: &str = "stockade_device";
const PLACE: spec::Place = spec::Place::field("linux.resources.devices");
const KIND: AttachType = AttachType::CgroupDevice;

/// What names of parked programs begin with. The number is raised whenever another program is made of
/// the same policy.
const PARKED: &str = "devices-1:";
/// How many programs are parked; then all make room.
const MOST_PARKED: usize = 16;
/// The longest name that a directory can have.
const LONGEST: usize = 255;

impl Group {
    /// Lets the device program decide for this group. An empty one leaves everything allowed.
    ///
    /// # Errors
    /// When the kernel does not load or attach it.
    pub fn restrict_devices(&self, program: &[Insn]) -> Result<()> {
        if self.taken_over {
            return self.replace_devices(program);
        }
        if program.is_empty() {
            return Ok(());
        }
        let Some((leaf, dir)) = self.unified() else {
            return Ok(());
        };
        let attach = || bpf::attach(dir, &load(program)?, KIND, None, &leaf.dir());
        attach().map_err(failed)
    }

    /// The same, with a program that was parked below the cgroup `parent` (which starts with `/` and is
    /// ours alone), or parking it there.
    ///
    /// # Errors
    /// When the kernel does not load or attach it. That it cannot be parked is no error.
    pub fn restrict_devices_from(&self, lowered: &Lowered<'_>, parent: &str) -> Result<()> {
        let name_length = PARKED.len() + lowered.device_policy.len();
        if self.taken_over || lowered.devices.is_empty() || name_length > LONGEST {
            return self.restrict_devices(&lowered.devices);
        }
        let Some((leaf, dir)) = self.unified() else {
            return Ok(());
        };
        let parent = [&leaf.mount, parent].concat();
        let parking = [&parent, "/", PARKED, &lowered.device_policy].concat();
        let program = match parked(&parking) {
            Some(program) => program,
            None => load(&lowered.devices)
                .inspect(|it| park(it, &parent, &parking))
                .map_err(failed)?,
        };
        bpf::attach(dir, &program, KIND, None, &leaf.dir()).map_err(failed)
    }

    /// Lets another device program decide, from one moment to the next.
    ///
    /// # Errors
    /// When the kernel does not load or attach it; then the former one stays.
    pub(crate) fn replace_devices(&self, program: &[Insn]) -> Result<()> {
        let Some((leaf, dir)) = self.unified() else {
            return Ok(());
        };
        let path = leaf.dir();
        let replace = || {
            let former = ours_at(dir, &path)?;
            match (former, program.is_empty()) {
                (Some(former), true) => bpf::detach(dir, &former, KIND, &path),
                (None, true) => Ok(()),
                (former, false) => bpf::attach(dir, &load(program)?, KIND, former.as_ref(), &path),
            }
        };
        replace().map_err(failed)
    }

    /// Whether a device program of ours is attached.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn has_device_program(&self) -> Result<bool> {
        match self.unified() {
            Some((leaf, dir)) => Ok(ours_at(dir, &leaf.dir()).map_err(failed)?.is_some()),
            None => Ok(false),
        }
    }

    fn unified(&self) -> Option<(&Leaf, &OwnedFd)> {
        self.leaves
            .iter()
            .zip(&self.dirs)
            .find(|(leaf, _)| leaf.version == Version::V2)
    }
}

fn failed(error: sys::Error) -> Error {
    let errno = error.errno;
    let error = Error::from(error).from_place(Some(PLACE));
    match errno {
        Errno::PERM => error
            .hint("device programs need CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN, on the host"),
        _ => error,
    }
}

fn load(program: &[Insn]) -> sys::Result<OwnedFd> {
    bpf::load(ProgramType::CgroupDevice, NAME, program)
}

/// Our own program at a cgroup; others may have attached theirs beside it.
fn ours_at(dir: &OwnedFd, path: &str) -> sys::Result<Option<OwnedFd>> {
    for id in bpf::attached(dir, KIND, path)? {
        let program = bpf::open_by_id(id)?;
        if bpf::name(&program)? == NAME {
            return Ok(Some(program));
        }
    }
    Ok(None)
}

/// The program that is parked at `parking`. Nothing else is ever attached to a cgroup of that name.
fn parked(parking: &str) -> Option<OwnedFd> {
    let dir = sys::file::open(parking, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW).ok()?;
    let ids = bpf::attached(&dir, KIND, parking).ok()?;
    bpf::open_by_id(*ids.first()?).ok()
}

/// Parks a program. Best effort: without it the next container loads its own.
fn park(program: &OwnedFd, parent: &str, parking: &str) {
    // Missing where no container has been made in its default place yet.
    _ = mkdirat(CWD, parent, Mode::from_raw_mode(0o755));
    let Ok(above) = sys::file::open(parent, walk::FLAGS) else {
        return;
    };
    make_room(&above);
    match mkdirat(CWD, parking, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(_) => return,
    }
    if let Ok(dir) = sys::file::open(parking, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW) {
        _ = bpf::attach(&dir, program, KIND, None, parking);
    }
}

/// Clears the parking when it is full. The programs live on where they are in use.
fn make_room(above: &OwnedFd) {
    let mut names = walk::children(above).unwrap_or_default();
    names.retain(|name| name.to_bytes().starts_with(PARKED.as_bytes()));
    if names.len() >= MOST_PARKED {
        for name in names {
            _ = unlinkat(above, &*name, AtFlags::REMOVEDIR);
        }
    }
}
