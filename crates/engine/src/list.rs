//! How containers are: asked of the kernel, not of files.

use alloc::format;
use alloc::vec::Vec;

use cgroup::Group;
use spec::state::{State, Status};
use sys::rustix::fs::{CWD, readlinkat};

use crate::error::{Error, Kind, Result};
use crate::record::Record;
use crate::state_dir::StateDir;
use crate::{Engine, hooks, teardown};

impl Engine {
    /// How a container is now.
    ///
    /// # Errors
    /// When `/proc` or its cgroup cannot be read.
    pub fn status(&self, dir: &StateDir, record: &Record) -> Result<Status> {
        let _ = dir;
        let lives = teardown::living_first(record)?.is_some();
        Ok(status_of(record, lives))
    }

    /// A container's record and status.
    ///
    /// # Errors
    /// `NotFound`, or a damaged record.
    pub fn inspect(&self, id: &str) -> Result<(Record, Status)> {
        let dir = self.open_state_dir(id)?;
        let record = match dir.read() {
            // Whoever makes it has not written all of its record yet.
            Err(_) if dir.is_locked() => return Ok((Record::new(id), Status::Creating)),
            other => other?,
        };
        let status = self.status(&dir, &record)?;
        Ok((record, status))
    }

    /// The OCI state of a container, as JSON.
    pub fn state_json(&self, id: &str) -> Result<Vec<u8>> {
        let (record, status) = self.inspect(id)?;
        let state: State<'_> = hooks::state(&record, status);
        Ok(state.to_json_pretty())
    }

    /// A container's first process; none where that has ended.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn first_process(&self, record: &Record) -> Result<Option<sys::OwnedFd>> {
        teardown::living_first(record)
    }

    /// A container's cgroups, open.
    ///
    /// # Errors
    /// When one is gone.
    pub fn group(&self, record: &Record) -> Result<Group> {
        Group::open(record.leaves()).map_err(|error| {
            Error::new(
                Kind::WrongState,
                format!("container {}: {error}", record.id),
            )
        })
    }
}

/// How a container is whose first process lives, or not.
pub(crate) fn status_of(record: &Record, lives: bool) -> Status {
    match (record.status, lives) {
        // Whoever makes it holds its lock; when nobody does, it was killed at it.
        (Status::Creating, _) => Status::Creating,
        (_, false) => Status::Stopped,
        (Status::Created, _) if waits_for_start(record.pid) => Status::Created,
        // It was frozen before it was started.
        (Status::Paused, _) => Status::Paused,
        _ if is_frozen(record) => Status::Paused,
        _ => Status::Running,
    }
}

/// Until it executes the payload, the first process runs the child program from its memory file.
pub(crate) fn waits_for_start(pid: u32) -> bool {
    let link = readlinkat(CWD, format!("/proc/{pid}/exe"), Vec::new());
    link.is_ok_and(|link| link.to_bytes().starts_with(b"/memfd:stockade-child"))
}

fn is_frozen(record: &Record) -> bool {
    Group::open(record.leaves())
        .and_then(|group| group.frozen())
        .unwrap_or(false)
}
