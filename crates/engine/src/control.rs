//! Signals, freezing and limits of a container that is there.

use alloc::format;

use cgroup::control::Deadline;
use spec::state::Status;
use spec::{Resources, Spec};
use sys::process;
use sys::rustix::process::{Pid, Signal};

use crate::error::{Error, Kind, Result};
use crate::record::{CgroupRecord, Record};
use crate::state_dir::StateDir;
use crate::teardown::living_first;
use crate::{Engine, scope};

const PATIENCE_MS: u32 = 10_000;

impl Engine {
    /// Sends a signal to the container's first process, or to all of its processes.
    ///
    /// # Errors
    /// `WrongState` when it does not run.
    pub fn kill(&self, id: &str, signal: i32, all: bool) -> Result<()> {
        let dir = self.open_state_dir(id)?;
        let record = dir.read_made()?;
        let first = living_first(&record)?;
        let not_running = || Error::new(Kind::WrongState, format!("container not running: {id}"));
        if all {
            let gone = |error| match first {
                Some(_) => error,
                None => not_running(),
            };
            if signal == Signal::KILL.as_raw() && !record.cgroups.is_empty() {
                return Ok(self.group(&record).map_err(gone)?.kill()?);
            }
            return send_to_all(&self.members(&record).map_err(gone)?, signal);
        }
        // Without a namespace of pids, those that live on after the first one are killed like this alone.
        let limited = !record.cgroups.is_empty();
        if signal == Signal::KILL.as_raw() && limited && !has_own_pids(&dir)? {
            let group = self.group(&record)?;
            if first.is_none() && group.processes()?.is_empty() {
                return Err(not_running());
            }
            return Ok(group.kill()?);
        }
        let pidfd = first.ok_or_else(not_running)?;
        if !process::send(&pidfd, signal)? {
            return Err(not_running());
        }
        Ok(())
    }

    /// Freezes every process of the container.
    ///
    /// # Errors
    /// `WrongState` unless it runs.
    pub fn pause(&self, id: &str) -> Result<()> {
        let dir = self.open_state_dir(id)?;
        dir.lock()?;
        let mut record = dir.read()?;
        match self.status(&dir, &record)? {
            Status::Running => {}
            // Written down: `start` would wait for it in vain, and does not ask the cgroup.
            Status::Created => {
                record.status = Status::Paused;
                dir.write(&record)?;
            }
            status => return Err(wrong_state("pause", id, status)),
        }
        Ok(self.group(&record)?.freeze(Deadline::after(PATIENCE_MS))?)
    }

    /// Thaws a frozen container.
    ///
    /// # Errors
    /// `WrongState` unless it is paused.
    pub fn resume(&self, id: &str) -> Result<()> {
        let dir = self.open_state_dir(id)?;
        dir.lock()?;
        let mut record = dir.read()?;
        match self.status(&dir, &record)? {
            Status::Paused => {}
            status => return Err(wrong_state("resume", id, status)),
        }
        self.group(&record)?.thaw(Deadline::after(PATIENCE_MS))?;
        if record.status == Status::Paused {
            record.status = Status::Created;
            dir.write(&record)?;
        }
        Ok(())
    }

    /// Changes limits while the container runs; what is not given stays.
    ///
    /// # Errors
    /// A limit that this host's cgroups cannot hold.
    pub fn update(&self, id: &str, changes: &Resources<'_>) -> Result<()> {
        let dir = self.open_state_dir(id)?;
        dir.lock()?;
        let mut record = dir.read()?;
        let config = dir.read_config()?;
        let mut spec = Spec::parse(&config)?;
        let linux = spec.linux.get_or_insert_default();
        let mut resources = linux.resources.take().unwrap_or_default();
        merge(&mut resources, changes);
        resources.check()?;
        let mut group = self.group(&record)?;
        let done = change(&mut group, &record, &resources);
        record.cgroups = group.leaves().iter().map(CgroupRecord::new).collect();
        dir.write(&record)?;
        done?;
        linux.resources = Some(resources);
        dir.replace_config(&spec.to_json())
    }
}

fn change(group: &mut cgroup::Group, record: &Record, resources: &Resources<'_>) -> Result<()> {
    let Some(first) = record.cgroups.first() else {
        let message = format!("container {} has no cgroup", record.id);
        return Err(Error::new(Kind::WrongState, message));
    };
    let request = cgroup::Request {
        path: &first.path,
        shared: first.shared,
        beside_own: false,
        resources,
        counted: cgroup::Controllers::NONE,
    };
    let layout = cgroup::Layout::find(cgroup::wanted(&request))?;
    let lowered = cgroup::lower(&request, &layout)?;
    if let Some(unit) = &record.unit {
        scope::update(unit, &lowered)?;
    }
    Ok(group.update(&lowered)?)
}

/// Takes from `changes` what is given there.
fn merge<'a>(resources: &mut Resources<'a>, changes: &Resources<'a>) {
    fn take<T: Clone>(from: &Option<T>, to: &mut Option<T>) {
        if from.is_some() {
            to.clone_from(from);
        }
    }
    if let Some(given) = &changes.memory {
        let memory = resources.memory.get_or_insert_default();
        take(&given.limit, &mut memory.limit);
        take(&given.reservation, &mut memory.reservation);
        take(&given.swap, &mut memory.swap);
        // Memory without a limit has no place under one of memory and swap together.
        if given.limit == Some(-1) && given.swap.is_none() && memory.swap.is_some() {
            memory.swap = Some(-1);
        }
        take(&given.swappiness, &mut memory.swappiness);
        take(&given.disable_oom_killer, &mut memory.disable_oom_killer);
        take(&given.check_before_update, &mut memory.check_before_update);
    }
    if let Some(given) = &changes.cpu {
        let cpu = resources.cpu.get_or_insert_default();
        take(&given.shares, &mut cpu.shares);
        take(&given.quota, &mut cpu.quota);
        take(&given.burst, &mut cpu.burst);
        take(&given.period, &mut cpu.period);
        take(&given.realtime_runtime, &mut cpu.realtime_runtime);
        take(&given.realtime_period, &mut cpu.realtime_period);
        take(&given.cpus, &mut cpu.cpus);
        take(&given.mems, &mut cpu.mems);
        take(&given.idle, &mut cpu.idle);
        // The kernel keeps no weight for an idle cgroup, and refuses one.
        if cpu.idle == Some(1) && given.shares.is_none() {
            cpu.shares = None;
        }
    }
    take(&changes.pids, &mut resources.pids);
    take(&changes.block_io, &mut resources.block_io);
    take(&changes.network, &mut resources.network);
    if !changes.hugepage_limits.is_empty() {
        resources
            .hugepage_limits
            .clone_from(&changes.hugepage_limits);
    }
    for (key, value) in &changes.unified {
        resources.unified.insert(key.clone(), value.clone());
    }
    for (key, value) in &changes.rdma {
        resources.rdma.insert(key.clone(), *value);
    }
}

/// Whether the container has a namespace of pids, so that all end with its first process.
fn has_own_pids(dir: &StateDir) -> Result<bool> {
    let config = dir.read_config()?;
    let spec = Spec::parse(&config)?;
    let linux = spec.linux.as_ref();
    Ok(linux.is_some_and(|linux| linux.namespace(spec::NamespaceType::Pid).is_some()))
}

fn send_to_all(members: &[Pid], signal: i32) -> Result<()> {
    for pid in members {
        if let Some(pidfd) = process::open(*pid)? {
            process::send(&pidfd, signal)?;
        }
    }
    Ok(())
}

fn wrong_state(verb: &str, id: &str, status: Status) -> Error {
    Error::new(
        Kind::WrongState,
        format!("cannot {verb} a container that is {}: {id}", status.name()),
    )
}
