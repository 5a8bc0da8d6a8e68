//! What is done to the processes of a cgroup, and removing it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};
use sys::{Errno, OwnedFd};

use super::{Target, open};
use crate::control::{Deadline, processes_below};
use crate::controller::Controller;
use crate::error::{Error, Result};
use crate::file;
use crate::lower::{Leaf, Version};
use crate::remove::remove;
use crate::tree::Group;
use crate::walk;

impl Target {
    /// The processes in it and below it, in any of its hierarchies, in ascending order.
    ///
    /// # Errors
    /// When a list cannot be read.
    pub fn processes(&self) -> Result<Vec<u32>> {
        let mut all = Vec::new();
        for leaf in &self.leaves {
            let dir = open(leaf)?;
            all.extend(processes_below(&dir, &leaf.dir())?.into_iter().map(number));
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Moves a process into it, in every of its hierarchies.
    ///
    /// # Errors
    /// `ESRCH` when there is no such process, and what the kernel refuses; what was moved before stays moved.
    pub fn take(&self, pid: u32) -> Result<()> {
        self.open()?.join(pid)
    }

    /// Stops all of its processes, and returns when they stand still.
    ///
    /// # Errors
    /// When one of them is this process, some cannot be frozen here, or do not come to a stop in time.
    pub fn freeze(&self, deadline: &Deadline) -> Result<()> {
        self.not_root("frozen")?;
        self.without_this_process("frozen")?;
        let frozen = self.freeze_all(deadline);
        if frozen.is_err() {
            _ = self.thaw(&Deadline::after(1000));
        }
        frozen
    }

    fn freeze_all(&self, deadline: &Deadline) -> Result<()> {
        let freezers = self.freezers()?;
        if freezers.is_empty() {
            return Err(
                Error::state(format!("{}: not in a hierarchy that can freeze", self.name))
                    .hint("v2's, or v1's freezer: `stockade cgroup create --controllers freezer`"),
            );
        }
        // v2 first: what v1 holds does not get to where v2 would stop it. The rest, which is in v1's alone,
        // follows.
        let mut left = self.processes()?;
        for (i, leaf) in freezers.iter().enumerate() {
            let group = Group::open(Vec::from([(*leaf).clone()]))?;
            let its = processes_below(&group.dirs[0], &leaf.dir())?;
            let its: Vec<u32> = its.into_iter().map(number).collect();
            if i == 0 || left.iter().any(|pid| its.contains(pid)) {
                group.freeze(deadline.clone())?;
            }
            left.retain(|pid| !its.contains(pid));
        }
        let escaped = left.iter().filter(|pid| lives(**pid)).count();
        match escaped {
            0 => Ok(()),
            n => Err(Error::state(format!(
                "{}: {n} of its processes are in other hierarchies alone, which cannot freeze",
                self.name
            ))
            .hint("`stockade cgroup move` puts them into all of its hierarchies")),
        }
    }

    /// Lets all of its processes go on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn thaw(&self, deadline: &Deadline) -> Result<()> {
        self.not_root("thawed")?;
        for leaf in self.freezers()?.into_iter().rev() {
            let group = Group::open(Vec::from([leaf.clone()]))?;
            if group.frozen()? {
                group.thaw(deadline.clone())?;
            }
        }
        Ok(())
    }

    /// Whether it is frozen, or about to be.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub fn frozen(&self) -> Result<bool> {
        for leaf in self.freezers()?.into_iter().filter(|l| !l.path.is_empty()) {
            if Group::open(Vec::from([leaf.clone()]))?.frozen()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn freezers(&self) -> Result<Vec<&Leaf>> {
        let can =
            |leaf: &&Leaf| leaf.version == Version::V2 || leaf.controllers.has(Controller::Freezer);
        Ok(self.leaves.iter().filter(can).collect())
    }

    /// Kills all of its processes, however fast they fork, and waits for their end.
    ///
    /// # Errors
    /// When one of them is this process, or some are still there at the deadline.
    pub fn kill(&self, deadline: &Deadline) -> Result<()> {
        self.not_root("killed")?;
        self.without_this_process("killed")?;
        loop {
            for leaf in &self.leaves {
                kill_leaf(leaf)?;
            }
            let left = self.processes()?;
            let Some(first) = left.first() else {
                return Ok(());
            };
            if deadline.left().is_none() {
                return Err(Error::state(format!(
                    "{}: {} of its processes have not ended in time",
                    self.name,
                    left.len()
                )));
            }
            wait_for(*first, deadline);
        }
    }

    fn without_this_process(&self, what: &str) -> Result<()> {
        let own = number(getpid());
        match self.processes()?.contains(&own) {
            true => Err(Error::state(format!(
                "{}: cannot be {what}: this process is in it",
                self.name
            ))),
            false => Ok(()),
        }
    }

    /// Removes it from all of its hierarchies, with what is below it where `below`.
    ///
    /// # Errors
    /// When it has processes, or cgroups below it that are not to go; nothing is removed then.
    pub fn remove(&self, below: bool) -> Result<()> {
        self.not_root("removed")?;
        match self.processes()?.len() {
            0 => {}
            n => {
                return Err(Error::state(format!(
                    "{}: {n} process(es) are in it, or below it",
                    self.name
                ))
                .hint("`stockade cgroup kill` ends them"));
            }
        }
        if !below {
            for leaf in &self.leaves {
                self.without_children(leaf)?;
            }
        }
        let dirs: Vec<String> = self.leaves.iter().map(Leaf::dir).collect();
        let mut errors = remove(&dirs, &self.leaves, Deadline::after(2000)).into_iter();
        errors.next().map_or(Ok(()), Err)
    }

    fn without_children(&self, leaf: &Leaf) -> Result<()> {
        let path = leaf.dir();
        let dir = sys::file::open(&path, walk::FLAGS)?;
        let children = walk::children(&dir);
        let children = children.map_err(|errno| file::error("read", ".", &path, errno))?;
        match children.first() {
            None => Ok(()),
            Some(name) => Err(Error::state(format!(
                "{}: has cgroups below it: {}",
                self.name,
                name.to_string_lossy()
            ))
            .hint("-r removes them, too")),
        }
    }
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

fn process(pid: u32) -> Option<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn lives(pid: u32) -> bool {
    process(pid).is_some_and(|fd| !sys::process::wait_ended(&fd, Some(0)).unwrap_or(false))
}

/// One hierarchy's part: v2 has a file for it, and where v1's freezer is its list is held true by that.
fn kill_leaf(leaf: &Leaf) -> Result<()> {
    let can_be_whole = leaf.version == Version::V2 || leaf.controllers.has(Controller::Freezer);
    if can_be_whole {
        return Group::open(Vec::from([leaf.clone()]))?.kill();
    }
    for pid in processes_below(&open(leaf)?, &leaf.dir())? {
        let sent =
            pidfd_open(pid, PidfdFlags::empty()).and_then(|fd| pidfd_send_signal(fd, Signal::KILL));
        match sent {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => {
                let object = format!("to process {}", number(pid));
                return Err(sys::Error::new("pidfd_send_signal", &object, errno).into());
            }
        }
    }
    Ok(())
}

fn wait_for(pid: u32, deadline: &Deadline) {
    if let (Some(fd), Some(_)) = (process(pid), deadline.left()) {
        _ = sys::process::wait_ended(&fd, Some(100));
    }
    // A process tells of its end shortly before it leaves its cgroup.
    crate::control::pause(200_000);
}
