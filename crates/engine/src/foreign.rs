//! Whose a cgroup is that a record names, but that its runtime may not have come to make: one that was killed
//! after it had written down what it was going to make. What is in that cgroup may be another container.

use cgroup::{Group, Leaf};
use sys::process;

use crate::Engine;
use crate::record::Record;
use crate::state_dir::StateDir;

const NANOSECONDS: i64 = 1_000_000_000;
/// The length of a clock tick of `/proc/PID/stat` (`USER_HZ` is 100 on every machine).
const TICK: i64 = NANOSECONDS / 100;

/// Whether a cgroup belongs to somebody else than the container whose record was never finished: another
/// record has it, or a process in it is older than the record. An empty one, and one that is not there, is
/// nobody's.
pub(crate) fn is_foreign(dir: &StateDir, record: &Record, leaf: &Leaf) -> bool {
    let Ok(group) = Group::open([leaf.clone()].into()) else {
        return false;
    };
    let processes = group.processes().unwrap_or_default();
    if processes.is_empty() {
        return false;
    }
    // A record that could not be read does not say when it was first written.
    let written = dir.record_time().filter(|_| !record.created.is_empty());
    let older = processes.iter().any(|pid| {
        let started = started(pid.as_raw_nonzero().get().unsigned_abs());
        started
            .zip(written)
            .is_some_and(|(at, written)| at + TICK < written)
    });
    older || is_claimed(dir, leaf)
}

/// When a process started, in nanoseconds since 1970.
fn started(pid: u32) -> Option<i64> {
    let identity = process::identity(pid).ok()??;
    let ticks = i64::try_from(identity.start).ok()?;
    boot().checked_add(ticks.checked_mul(TICK)?)
}

/// When the machine started, in nanoseconds since 1970. Two clocks tell it, read one after the other: who was kept
/// from the second by others for a while would take every process for older than it is, and reads them again.
fn boot() -> i64 {
    const AT_ONCE: i64 = 100_000;
    const READINGS: u32 = 100;
    let reading = || {
        let before = nanoseconds(sys::time::now());
        let boot = before - nanoseconds(sys::time::since_boot());
        (nanoseconds(sys::time::now()) - before, boot)
    };
    let mut best = reading();
    for _ in 1..READINGS {
        if (0..AT_ONCE).contains(&best.0) {
            break;
        }
        best = best.min(reading());
    }
    best.1
}

fn nanoseconds((seconds, rest): (i64, u32)) -> i64 {
    seconds
        .saturating_mul(NANOSECONDS)
        .saturating_add(i64::from(rest))
}

/// Whether another container's record has this cgroup.
fn is_claimed(dir: &StateDir, leaf: &Leaf) -> bool {
    let root = dir.path.rsplit_once('/').map_or("", |(root, _)| root);
    let engine = Engine::new(root);
    let ids = engine.ids().unwrap_or_default();
    ids.iter().filter(|id| **id != dir.id).any(|id| {
        let record = engine.open_state_dir(id).and_then(|other| other.read());
        record.is_ok_and(|record| {
            let dirs = record.leaves();
            dirs.iter().any(|other| other.dir() == leaf.dir())
        })
    })
}
