//! Memory and swap.
//!
//! The specification's `swap` is v1's: memory and swap together. v2 limits swap alone, so it gets the
//! difference.

use alloc::borrow::Cow;

use spec::{Memory, Place};

use super::number::{Limit, decimal};
use super::{Absent, Home, Lowering, Version, only_v1};
use crate::controller::Controller;
use crate::error::{Error, Result};

const LIMIT: Place = Place::field("linux.resources.memory.limit");
const SWAP: Place = Place::field("linux.resources.memory.swap");
const RESERVATION: Place = Place::field("linux.resources.memory.reservation");
const KERNEL: Place = Place::field("linux.resources.memory.kernel");
const KERNEL_TCP: Place = Place::field("linux.resources.memory.kernelTCP");
const SWAPPINESS: Place = Place::field("linux.resources.memory.swappiness");
const NO_KILLER: Place = Place::field("linux.resources.memory.disableOOMKiller");
const HIERARCHY: Place = Place::field("linux.resources.memory.useHierarchy");

impl Lowering<'_, '_, '_> {
    pub(super) fn memory(&mut self, memory: &Memory) -> Result<()> {
        let limit = Limit::of(memory.limit, LIMIT)?;
        let swap = swap_of(limit, Limit::of(memory.swap, SWAP)?)?;
        if let Some(limit) = limit {
            let home = self.home(Controller::Memory, LIMIT)?;
            let file = home.version.pick("memory.limit_in_bytes", "memory.max");
            let setting = self.set(home, file, limit.text(home.version), LIMIT);
            setting.interlocked = true;
            if home.version == Version::V2 && memory.check_before_update == Some(true) {
                setting.above = Some("memory.current");
            }
        }
        if let Some(swap) = swap {
            self.swap(limit, swap)?;
        }
        if let Some(reservation) = Limit::of(memory.reservation, RESERVATION)? {
            let home = self.home(Controller::Memory, RESERVATION)?;
            let file = home
                .version
                .pick("memory.soft_limit_in_bytes", "memory.low");
            self.set(home, file, reservation.text(home.version), RESERVATION);
        }
        self.old_words(memory)
    }

    /// The second limit: above the first on v1, beside it on v2.
    fn swap(&mut self, limit: Option<Limit>, total: Limit) -> Result<()> {
        let home = self.home(Controller::Memory, SWAP)?;
        let (file, value): (_, Cow<'static, str>) = match (home.version, total, limit) {
            (Version::V1, ..) => ("memory.memsw.limit_in_bytes", total.text(home.version)),
            (Version::V2, Limit::At(total), Some(Limit::At(limit))) => {
                ("memory.swap.max", decimal(total - limit).into())
            }
            (Version::V2, ..) => ("memory.swap.max", "max".into()),
        };
        // A kernel without swap, or without its accounting, lets nothing be swapped, or counts nothing.
        let harmless = total == Limit::Unlimited || value == "0";
        let setting = self.set(home, file, value, SWAP);
        setting.interlocked = true;
        if harmless {
            setting.absent = Absent::Ignored;
        }
        Ok(())
    }

    /// Fields of v1 that v2 has no match for, and those that no kernel honours any more.
    fn old_words(&mut self, memory: &Memory) -> Result<()> {
        if memory.kernel.is_some_and(|n| n != 0) {
            self.note(
                KERNEL,
                "ignored: kernel memory has no limit of its own since Linux 5.16",
            );
        }
        if memory.use_hierarchy == Some(false) {
            self.note(
                HIERARCHY,
                "ignored: limits always hold for everything below since Linux 5.11",
            );
        }
        if let Some(limit) = Limit::of(memory.kernel_tcp, KERNEL_TCP)? {
            let home = self.home(Controller::Memory, KERNEL_TCP)?;
            match (home.version, limit) {
                (Version::V1, _) => {
                    self.set(
                        home,
                        "memory.kmem.tcp.limit_in_bytes",
                        limit.text(home.version),
                        KERNEL_TCP,
                    );
                }
                (Version::V2, Limit::Unlimited) => {}
                (Version::V2, Limit::At(_)) => {
                    return Err(only_v1(
                        KERNEL_TCP,
                        "cgroup v2 has no limit of TCP buffers alone",
                    ));
                }
            }
        }
        if let Some(n) = memory.swappiness {
            let home = self.home(Controller::Memory, SWAPPINESS)?;
            self.swappiness(home, n)?;
        }
        if memory.disable_oom_killer == Some(true) {
            let home = self.home(Controller::Memory, NO_KILLER)?;
            if home.version == Version::V2 {
                return Err(only_v1(
                    NO_KILLER,
                    "cgroup v2 cannot disable the out-of-memory killer",
                ));
            }
            self.set(home, "memory.oom_control", "1", NO_KILLER);
        }
        Ok(())
    }

    fn swappiness(&mut self, home: Home, n: u64) -> Result<()> {
        if n > 100 {
            return Err(Error::bad(SWAPPINESS, "must be between 0 and 100"));
        }
        if home.version == Version::V2 {
            return Err(only_v1(
                SWAPPINESS,
                "cgroup v2 has no swappiness of a cgroup",
            ));
        }
        self.set(home, "memory.swappiness", decimal(n), SWAPPINESS);
        Ok(())
    }
}

/// The limit of memory and swap together, checked against that of memory.
///
/// Memory that becomes unlimited takes swap with it, or v1 would refuse the pair.
fn swap_of(limit: Option<Limit>, swap: Option<Limit>) -> Result<Option<Limit>> {
    match (limit, swap) {
        (Some(Limit::Unlimited), None) => Ok(Some(Limit::Unlimited)),
        (Some(Limit::At(limit)), Some(Limit::At(swap))) if swap < limit => Err(Error::bad(
            SWAP,
            "must not be less than memory.limit: it is memory and swap together",
        )),
        (None | Some(Limit::Unlimited), Some(Limit::At(_))) => Err(Error::bad(
            SWAP,
            "needs memory.limit: it is memory and swap together",
        )),
        (_, swap) => Ok(swap),
    }
}
