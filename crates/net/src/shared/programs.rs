//! The programs in the kernel: loaded once, and kept for the next jail.
//!
//! They are the same for all jails, which differ in their policies only; so they are loaded by the first jail
//! after a boot, and parked: attached to an empty cgroup, from where the next one takes them. (A pin in a BPF
//! file system would do the same, but many hosts have none mounted.) To load them takes the kernel some
//! milliseconds, to take them some microseconds.

use alloc::vec::Vec;

use sys::bpf::storage::Storage;
use sys::bpf::{self, AttachType, Insn};
use sys::rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, mkdirat, unlinkat};
use sys::{Errno, OwnedFd, file};

use super::hook::Setting;
use super::{names, packets, policy, sockets};

/// What the programs and their memory are called; `bpftool prog` shows it.
pub(super) const NAME: &str = "stockade_net";
/// The cgroup in which they are parked. The number is raised whenever they are others, or the policy's form is
/// another (a test notices).
pub(super) const PARKED: &str = "network-1";

/// Assembles one of the programs.
type Assemble = fn(Setting) -> sys::Result<Vec<Insn>>;

/// All of them. The last is attached to the parking last, and says that all the others are there.
pub(super) const HOOKS: [(AttachType, Assemble); 11] = [
    (AttachType::SockCreate, sockets::create),
    (AttachType::Bind4, names::bind4),
    (AttachType::Bind6, names::bind6),
    (AttachType::PostBind4, sockets::post_bind4),
    (AttachType::PostBind6, sockets::post_bind6),
    (AttachType::Connect4, names::connect4),
    (AttachType::Connect6, names::connect6),
    (AttachType::Sendmsg4, names::sendmsg4),
    (AttachType::Sendmsg6, names::sendmsg6),
    (AttachType::Ingress, packets::ingress),
    (AttachType::Egress, packets::egress),
];
const LAST: AttachType = AttachType::Egress;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Loaded programs, and the memory that they share.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) storage: Storage,
    pub(super) programs: Vec<(AttachType, OwnedFd)>,
}

impl Programs {
    /// Loads them.
    pub(super) fn load() -> sys::Result<Self> {
        // Before Linux 5.18 a program cannot choose the errno.
        match Self::load_with(true) {
            Err(error) if error.errno == Errno::INVAL => Self::load_with(false),
            loaded => loaded,
        }
    }

    pub(super) fn load_with(errnos: bool) -> sys::Result<Self> {
        let storage = Storage::new(NAME, u32::from(policy::SIZE.unsigned_abs()))?;
        let setting = Setting {
            storage: storage.descriptor(),
            errnos,
        };
        let mut programs = Vec::with_capacity(HOOKS.len());
        for (place, assemble) in HOOKS {
            programs.push((place, bpf::load_for(place, NAME, &assemble(setting)?)?));
        }
        Ok(Self { storage, programs })
    }

    /// Those that are parked below the cgroup `parent`; or loads them, and parks them there. That they cannot
    /// be parked is no error.
    pub(super) fn take_or_load(parent: &str) -> sys::Result<Self> {
        let place = [parent, "/", PARKED].concat();
        if let Some(found) = file::open(&place, DIRECTORY)
            .ok()
            .and_then(|dir| Self::at(&dir))
        {
            return Ok(found);
        }
        match Self::park(parent, &place)? {
            Some(parked) => Ok(parked),
            None => Self::load(),
        }
    }

    /// Loads and parks them, unless somebody else does just now; none where there is no parking.
    fn park(parent: &str, place: &str) -> sys::Result<Option<Self>> {
        let mode = Mode::from_raw_mode(0o755);
        // Missing where no container has been made in its default place yet.
        _ = mkdirat(CWD, parent, mode);
        _ = mkdirat(CWD, place, mode);
        let Ok(dir) = file::open(place, DIRECTORY) else {
            return Ok(None);
        };
        if flock(&dir, FlockOperation::LockExclusive).is_err() {
            return Ok(None);
        }
        if let Some(found) = Self::at(&dir) {
            return Ok(Some(found));
        }
        let loaded = Self::load()?;
        if loaded.attach(&dir, place).is_err() {
            // What somebody left who was killed while parking: all of it goes with the directory.
            _ = unlinkat(CWD, place, AtFlags::REMOVEDIR);
        }
        Ok(Some(loaded))
    }

    /// Those that are attached to a cgroup, if all are; of one load, since they share their memory.
    pub(super) fn at(dir: &OwnedFd) -> Option<Self> {
        let last = ours_at(dir, LAST)?;
        let storage = Storage::of(&last).ok()?;
        if storage.size() != usize::from(policy::SIZE.unsigned_abs()) {
            return None;
        }
        let mut programs = Vec::with_capacity(HOOKS.len());
        for (place, _) in HOOKS {
            if place != LAST {
                programs.push((place, ours_at(dir, place)?));
            }
        }
        programs.push((LAST, last));
        Some(Self { storage, programs })
    }

    /// Attaches all of them, in order; `what` names the cgroup.
    pub(super) fn attach(&self, dir: &OwnedFd, what: &str) -> sys::Result<()> {
        for (place, program) in &self.programs {
            bpf::attach(dir, program, *place, None, what)?;
        }
        Ok(())
    }
}

/// Our program at a cgroup; others may have attached theirs beside it.
fn ours_at(dir: &OwnedFd, place: AttachType) -> Option<OwnedFd> {
    let mut ids = bpf::attached(dir, place, "").ok()?.into_iter();
    ids.find_map(|id| {
        let program = bpf::open_by_id(id).ok()?;
        (bpf::name(&program).ok()? == NAME).then_some(program)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When this fails, raise the number in [`PARKED`], and write down the new digest: programs that another
    /// version has parked are not ours.
    #[test]
    fn the_parking_has_the_number_of_the_programs() {
        let setting = Setting {
            storage: 0,
            errnos: true,
        };
        // FNV-1a.
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        let mut count = 0;
        for (_, assemble) in HOOKS {
            for insn in assemble(setting).unwrap() {
                count += 1;
                let parts = [i64::from(insn.code), i64::from(insn.registers)];
                let more = [i64::from(insn.offset), i64::from(insn.constant)];
                for part in parts.into_iter().chain(more) {
                    digest = (digest ^ part.cast_unsigned()).wrapping_mul(0x100_0000_01b3);
                }
            }
        }
        assert_eq!(
            (PARKED, digest, count),
            ("network-1", 11_730_565_592_788_939_854, 1188)
        );
    }

    /// Also as a kernel before 5.18 takes them.
    #[test]
    fn the_kernel_takes_them_without_errnos() {
        let loaded = Programs::load_with(false).unwrap();
        assert_eq!(loaded.programs.len(), HOOKS.len());
    }

    #[test]
    fn what_each_takes_to_load() {
        let storage = Storage::new(NAME, u32::from(policy::SIZE.unsigned_abs())).unwrap();
        for (place, assemble) in HOOKS {
            let setting = Setting {
                storage: storage.descriptor(),
                errnos: true,
            };
            let begin = std::time::Instant::now();
            let insns = assemble(setting).unwrap();
            let assembled = begin.elapsed();
            bpf::load_for(place, NAME, &insns).unwrap();
            let loaded = begin.elapsed();
            let count = insns.len();
            std::eprintln!(
                "{place:?}: {count} instructions, assembled in {assembled:?}, loaded after {loaded:?}"
            );
        }
    }
}
