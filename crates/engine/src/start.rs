//! `start`: the word that a created container waits for.

use plan::HookKind;
use spec::Spec;
use spec::state::Status;
use sys::rustix::net::SocketType;
use sys::rustix::process::Signal;
use sys::{OwnedFd, process, socket};

use crate::error::{Error, Kind, Result};
use crate::hooks::Inside;
use crate::listener::Loading;
use crate::record::Record;
use crate::report::{self, Report};
use crate::state_dir::{START_SOCKET, StateDir};
use crate::{Engine, hooks, list, seccomp_cache, teardown};

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
        if record.hooks {
            self.start_hooks(&dir, &record, first.as_ref())
                .map_err(|error| stop(first.as_ref(), error))?;
        }
        let socket = socket::connect_to(&dir.file(START_SOCKET), SocketType::SEQPACKET)?;
        // The word waits for the container's first process: it wakes once, and goes on.
        socket::send(&socket, b"g", &[])?;
        let handed = socket::receive(&socket, &mut [0u8; 1])?;
        // The other end closes at execve, or with the process.
        let mut request = [0u8; 4];
        if socket::receive(&socket, &mut request)?.len != 0 {
            let (Some(script), Some(first)) = (&handed.descriptor, &first) else {
                return Err(Error::new(Kind::Bug, "a request without a process"));
            };
            let loading = Loading {
                pidfd: Some(first),
                pid: record.pid,
                script,
                socket: &socket,
            };
            hand_listener_over(&dir, &record, &loading, request)
                .map_err(|error| stop(Some(first), error))?;
            socket::receive(&socket, &mut request)?;
        }
        if let Some(script) = handed.descriptor {
            check_executed(&dir, &script)?;
        }
        record.status = Status::Running;
        dir.write(&record)?;
        if record.hooks {
            poststart_hooks(&dir, &record).map_err(|error| stop(first.as_ref(), error))?;
        }
        Ok(())
    }

    /// Runs the hooks in the container, confined as its payload is going to be.
    fn start_hooks(&self, dir: &StateDir, record: &Record, target: Option<&OwnedFd>) -> Result<()> {
        let config = dir.read_config()?;
        let spec = Spec::parse(&config)?;
        let none = |hooks: &spec::Hooks<'_>| hooks.start_container.is_empty();
        if spec.hooks.as_ref().is_none_or(none) {
            return Ok(());
        }
        let group = self.group(record)?;
        let linux = spec.linux.as_ref();
        let filter = linux.and_then(|linux| linux.seccomp.as_ref());
        let filter = filter
            .map(|profile| seccomp_cache::program(&self.state_root, profile))
            .transpose()?;
        let inside = Inside {
            target,
            group: Some(&group),
            filter: filter.as_ref(),
        };
        let state = hooks::state(record, record.status);
        hooks::run_all(HookKind::StartContainer, &spec, &state, inside)
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

/// The one thing that a process asks of `start`.
fn hand_listener_over(
    dir: &StateDir,
    record: &Record,
    loading: &Loading<'_>,
    asked: [u8; 4],
) -> Result<()> {
    if u32::from_ne_bytes(asked) != plan::Answer::Listener.request() {
        return Err(Error::new(
            Kind::Bug,
            "the child asked start for something else",
        ));
    }
    let config = dir.read_config()?;
    let spec = Spec::parse(&config)?;
    loading.hand_over(&spec, hooks::state(record, record.status))
}

fn poststart_hooks(dir: &StateDir, record: &Record) -> Result<()> {
    let config = dir.read_config()?;
    let spec = Spec::parse(&config)?;
    let state = hooks::state(record, record.status);
    hooks::run_all(HookKind::Poststart, &spec, &state, Inside::default())
}

/// What kept the payload from being executed, if anything did.
fn check_executed(dir: &StateDir, script: &OwnedFd) -> Result<()> {
    if Report::read(script).is_none_or(|report| report.errno == 0) {
        return Ok(());
    }
    let config = dir.read_config()?;
    report::check_script(script, &Spec::parse(&config)?)
}
