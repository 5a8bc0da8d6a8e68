//! Signals, freezing and limits of a container that is there.

use alloc::format;
use alloc::vec::Vec;

use cgroup::control::Deadline;
use spec::Resources;
use spec::state::Status;
use sys::process;
use sys::rustix::process::Signal;

use crate::Engine;
use crate::error::{Error, Kind, Result};
use crate::teardown::living_first;

const PATIENCE_MS: u32 = 10_000;

impl Engine {
    /// Sends a signal to the container's first process, or to all of its processes.
    ///
    /// # Errors
    /// `WrongState` when it does not run.
    pub fn kill(&self, id: &str, signal: i32, all: bool) -> Result<()> {
        let dir = self.open_state_dir(id)?;
        let record = dir.read()?;
        let first = living_first(&record)?;
        if all {
            let group = self.group(&record)?;
            if signal == Signal::KILL.as_raw() {
                return Ok(group.kill()?);
            }
            return send_to_all(&group, signal);
        }
        let not_running = || Error::new(Kind::WrongState, format!("container not running: {id}"));
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
        let record = dir.read()?;
        match self.status(&dir, &record)? {
            Status::Running | Status::Created => {}
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
        let record = dir.read()?;
        match self.status(&dir, &record)? {
            Status::Paused => {}
            status => return Err(wrong_state("resume", id, status)),
        }
        Ok(self.group(&record)?.thaw(Deadline::after(PATIENCE_MS))?)
    }

    /// The host's numbers of the container's processes.
    ///
    /// # Errors
    /// When its cgroup cannot be read.
    pub fn processes(&self, id: &str) -> Result<Vec<u32>> {
        let (record, _) = self.inspect(id)?;
        let pids = self.group(&record)?.processes()?;
        Ok(pids
            .into_iter()
            .map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
            .collect())
    }

    /// Changes limits while the container runs; what is not given stays.
    ///
    /// # Errors
    /// A limit that this host's cgroups, or the hierarchies that the container is in, cannot hold.
    pub fn update(&self, id: &str, resources: &Resources<'_>) -> Result<()> {
        let dir = self.open_state_dir(id)?;
        dir.lock()?;
        let record = dir.read()?;
        let group = self.group(&record)?;
        let Some(first) = record.cgroups.first() else {
            return Err(Error::new(
                Kind::WrongState,
                format!("container {id} has no cgroup"),
            ));
        };
        let request = cgroup::Request {
            path: &first.path,
            shared: first.shared,
            resources,
            counted: cgroup::Controllers::NONE,
        };
        let layout = cgroup::Layout::find(cgroup::wanted(&request))?;
        let lowered = cgroup::lower(&request, &layout)?;
        let mut settings = Vec::new();
        for mut setting in lowered.settings {
            let wanted = &lowered.leaves[setting.leaf];
            let held = group
                .leaves()
                .iter()
                .position(|leaf| leaf.mount == wanted.mount);
            let Some(held) = held else {
                let message = format!(
                    "{}: container {id} was made without the {} hierarchy, so it has no such limit to change",
                    setting.place,
                    wanted.name()
                );
                return Err(Error::new(Kind::Unsupported, message)
                    .hint("set some limit of that kind when the container is made"));
            };
            setting.leaf = held;
            settings.push(setting);
        }
        Ok(group.apply(&settings)?)
    }
}

fn send_to_all(group: &cgroup::Group, signal: i32) -> Result<()> {
    for pid in group.processes()? {
        if let Some(pidfd) = process::open(pid)? {
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
