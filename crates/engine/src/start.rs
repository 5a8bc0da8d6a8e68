//! `start`: the word that a created container waits for.

use plan::HookKind;
use spec::Spec;
use spec::state::Status;
use sys::rustix::net::SocketType;
use sys::rustix::process::Signal;
use sys::{OwnedFd, process, socket};

use crate::error::{Error, Kind, Result};
use crate::record::Record;
use crate::report::{self, Report};
use crate::state_dir::{START_SOCKET, StateDir};
use crate::{Engine, hooks, list, teardown};

impl Engine {
    /// Lets a created container's payload be executed, and returns when it was.
    ///
    /// # Errors
    /// `WrongState` unless it is created; what kept the payload from being executed.
    pub fn start(&self, id: &str) -> Result<()> {
        let dir = self.open_state_dir(id)?;
        dir.lock()?;
        let mut record = dir.read()?;
        let first = teardown::living_first(&record)?;
        match list::status_of(&record, first.is_some()) {
            Status::Created => {}
            status => {
                let message =
                    alloc::format!("cannot start a container that is {}: {id}", status.name());
                return Err(Error::new(Kind::WrongState, message));
            }
        }
        run_hooks(&dir, &record, HookKind::StartContainer, first.as_ref())
            .map_err(|error| stop(first.as_ref(), error))?;
        let socket = socket::connect_to(&dir.file(START_SOCKET), SocketType::SEQPACKET)?;
        let handed = socket::receive(&socket, &mut [0u8; 1])?;
        socket::send(&socket, b"g", &[])?;
        // The other end closes at execve, or with the process.
        socket::receive(&socket, &mut [0u8; 1])?;
        if let Some(script) = handed.descriptor {
            check_executed(&dir, &script)?;
        }
        record.status = Status::Running;
        dir.write(&record)?;
        run_hooks(&dir, &record, HookKind::Poststart, None)
            .map_err(|error| stop(first.as_ref(), error))
    }
}

/// A container whose hook failed is stopped (runtime-spec, "Lifecycle").
fn stop(first: Option<&OwnedFd>, error: Error) -> Error {
    if let Some(pidfd) = first {
        let _ = process::signal(pidfd, Signal::KILL);
        let _ = process::wait_ended(pidfd, None);
    }
    error
}

/// Runs hooks of the configuration's copy, which is not read where there are none.
fn run_hooks(
    dir: &StateDir,
    record: &Record,
    kind: HookKind,
    target: Option<&OwnedFd>,
) -> Result<()> {
    if !record.hooks {
        return Ok(());
    }
    let config = dir.read_config()?;
    let spec = Spec::parse(&config)?;
    hooks::run_all(kind, &spec, &hooks::state(record, record.status), target)
}

/// What kept the payload from being executed, if anything did.
fn check_executed(dir: &StateDir, script: &OwnedFd) -> Result<()> {
    if Report::read(script).is_none_or(|report| report.errno == 0) {
        return Ok(());
    }
    let config = dir.read_config()?;
    report::check_script(script, &Spec::parse(&config)?)
}
