//! `process`.

use core::fmt;

use super::ids::{id, is_mapped};
use super::{absolute, conflict, environment, fail, invalid, numbers, within};
use crate::{
    Error, IdMap, Kind, Linux, NamespaceType, Process, Rlimit, Scheduler, SchedulerPolicy, User,
};

/// The most supplementary groups (`NGROUPS_MAX` of `linux/limits.h`).
const MAX_GROUPS: usize = 65536;

impl Process<'_> {
    /// Checks the process alone, as `exec` gets one, for a container with this configuration.
    pub fn check(&self, linux: Option<&Linux<'_>>) -> Result<(), Error> {
        check(self, linux)
    }
}

pub(super) fn check(process: &Process<'_>, linux: Option<&Linux<'_>>) -> Result<(), Error> {
    user(&process.user, linux)?;
    if process.args.is_empty() {
        return fail(Kind::Missing, "process.args", "needs at least the command");
    }
    environment(&process.env, format_args!("process.env"))?;
    absolute(&process.cwd, "process.cwd")?;
    rlimits(&process.rlimits)?;
    if let Some(adjustment) = process.oom_score_adj {
        within(adjustment, -1000..=1000, "process.oomScoreAdj")?;
    }
    if let Some(scheduler) = &process.scheduler {
        schedule(scheduler)?;
    }
    if let Some(io) = process.io_priority {
        within(io.priority, 0..=7, "process.ioPriority.priority")?;
    }
    if let Some(affinity) = &process.exec_cpu_affinity {
        numbers(affinity.initial.as_ref(), "process.execCPUAffinity.initial")?;
        numbers(affinity.last.as_ref(), "process.execCPUAffinity.final")?;
    }
    Ok(())
}

fn user(user: &User, linux: Option<&Linux<'_>>) -> Result<(), Error> {
    // Only of a new user namespace do we know the maps.
    let maps = linux.filter(|linux| linux.makes_namespace(NamespaceType::User));
    let uids = maps.map(|linux| (&*linux.uid_mappings, "linux.uidMappings"));
    let gids = maps.map(|linux| (&*linux.gid_mappings, "linux.gidMappings"));
    one_id(user.uid, uids, format_args!("process.user.uid"))?;
    one_id(user.gid, gids, format_args!("process.user.gid"))?;
    if let Some(umask) = user.umask.filter(|umask| *umask > 0o777) {
        return invalid(
            "process.user.umask",
            format_args!("{umask} (0o{umask:o}) is more than 511 (0o777)"),
        );
    }
    if user.additional_gids.len() > MAX_GROUPS {
        return invalid(
            "process.user.additionalGids",
            format_args!("more than {MAX_GROUPS} groups"),
        );
    }
    let mut groups = user.additional_gids.iter().enumerate();
    groups.try_for_each(|(index, gid)| {
        one_id(
            *gid,
            gids,
            format_args!("process.user.additionalGids[{index}]"),
        )
    })
}

/// An id, which a new user namespace must have.
fn one_id(
    value: u32,
    map: Option<(&[IdMap], &str)>,
    place: fmt::Arguments<'_>,
) -> Result<(), Error> {
    id(value, place)?;
    match map {
        Some((ranges, name)) if !is_mapped(ranges, value) => {
            conflict(place, format_args!("{value} is not in {name}"))
        }
        _ => Ok(()),
    }
}

fn rlimits(limits: &[Rlimit]) -> Result<(), Error> {
    for (index, limit) in limits.iter().enumerate() {
        if limits[..index]
            .iter()
            .any(|earlier| earlier.kind == limit.kind)
        {
            return conflict(
                format_args!("process.rlimits[{index}].type"),
                format_args!("{} is there twice", limit.kind),
            );
        }
        if limit.soft > limit.hard {
            let message = format_args!(
                "{}'s {} is more than its hard limit, {}",
                limit.kind, limit.soft, limit.hard
            );
            return conflict(format_args!("process.rlimits[{index}].soft"), message);
        }
    }
    Ok(())
}

/// `sched_setattr(2)`: each policy has parameters of its own, and refuses those of others.
fn schedule(scheduler: &Scheduler) -> Result<(), Error> {
    let policy = scheduler.policy;
    within(scheduler.nice, -20..=19, "process.scheduler.nice")?;
    match policy {
        SchedulerPolicy::Fifo | SchedulerPolicy::RoundRobin => {
            within(scheduler.priority, 1..=99, "process.scheduler.priority")?;
        }
        _ if scheduler.priority != 0 => {
            return conflict(
                "process.scheduler.priority",
                format_args!("{policy} has no priority"),
            );
        }
        _ => {}
    }
    let times = [
        ("runtime", scheduler.runtime),
        ("deadline", scheduler.deadline),
        ("period", scheduler.period),
    ];
    if policy == SchedulerPolicy::Deadline {
        return deadline(scheduler);
    }
    match times.iter().find(|(_, time)| *time != 0) {
        Some((field, _)) => conflict(
            format_args!("process.scheduler.{field}"),
            format_args!("{policy} has no {field}"),
        ),
        None => Ok(()),
    }
}

/// `sched(7)`: 1024 ns <= runtime <= deadline <= period, where a period of 0 is the deadline.
fn deadline(scheduler: &Scheduler) -> Result<(), Error> {
    const SHORTEST: u64 = 1024;
    if scheduler.runtime < SHORTEST {
        return invalid(
            "process.scheduler.runtime",
            format_args!("must be at least {SHORTEST} ns under SCHED_DEADLINE"),
        );
    }
    if scheduler.deadline < scheduler.runtime {
        return conflict("process.scheduler.deadline", "is less than the runtime");
    }
    if scheduler.period != 0 && scheduler.period < scheduler.deadline {
        return conflict("process.scheduler.period", "is less than the deadline");
    }
    Ok(())
}
