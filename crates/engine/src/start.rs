//! `start`: the word that a created container waits for.

use plan::HookKind;
use spec::Spec;
use spec::state::Status;
use sys::rustix::net::SocketType;
use sys::socket;

use crate::error::{Error, Kind, Result};
use crate::launching::START_SOCKET;
use crate::report;
use crate::{Engine, hooks, teardown};

impl Engine {
    /// Lets a created container's payload be executed, and returns when it was.
    ///
    /// # Errors
    /// `WrongState` unless it is created; what kept the payload from being executed.
    pub fn start(&self, id: &str) -> Result<()> {
        let dir = self.open_state_dir(id)?;
        dir.lock()?;
        let mut record = dir.read()?;
        match self.status(&dir, &record)? {
            Status::Created => {}
            status => {
                let message =
                    alloc::format!("cannot start a container that is {}: {id}", status.name());
                return Err(Error::new(Kind::WrongState, message));
            }
        }
        let config = dir.read_config()?;
        let spec = Spec::parse(&config)?;
        if let Some(pidfd) = teardown::living_first(&record)? {
            let state = hooks::state(&record, Status::Created);
            hooks::run_all(HookKind::StartContainer, &spec, &state, Some(&pidfd))?;
        }
        let socket = socket::connect_to(&dir.file(START_SOCKET), SocketType::SEQPACKET)?;
        let handed = socket::receive(&socket, &mut [0u8; 1])?;
        socket::send(&socket, b"g", &[])?;
        // The other end closes at execve, or with the process.
        socket::receive(&socket, &mut [0u8; 1])?;
        if let Some(script) = handed.descriptor {
            report::check_script(&script, &spec)?;
        }
        record.status = Status::Running;
        dir.write(&record)?;
        hooks::run_all(
            HookKind::Poststart,
            &spec,
            &hooks::state(&record, Status::Running),
            None,
        )
    }
}
