//! The seccomp listener: taken from the process that loads the filter, and handed to the agent that is going
//! to decide in the kernel's place (`seccomp_unotify(2)`).

use alloc::borrow::ToOwned;

use child::op::request;
use spec::seccomp::Seccomp;
use spec::state::{OCI_VERSION, ProcessState, SECCOMP_FD, State};
use spec::{Spec, Str};
use sys::error::OnCall;
use sys::rustix::io::{pread, pwrite};
use sys::rustix::net::SocketType;
use sys::{AsFd, Errno, OwnedFd, process, socket};

use crate::error::{Error, Kind, Result};

/// Where the script's header has `listener` and `taken`.
const LISTENER: u64 = 40;
const TAKEN: u64 = 44;

/// A process that has said that it is about to load a filter.
pub(crate) struct Loading<'l> {
    /// The process, unless it is not the one that loads the filter.
    pub pidfd: Option<&'l OwnedFd>,
    /// Its number on the host.
    pub pid: u32,
    /// Its script.
    pub script: &'l OwnedFd,
    /// The connection to it.
    pub socket: &'l OwnedFd,
}

impl Loading<'_> {
    /// Answers [`request::TAKE_LISTENER`]: takes the listener, hands it to the agent of the profile, and lets
    /// the process go on.
    ///
    /// # Errors
    /// When there is no agent, or the process has failed to load the filter.
    pub(crate) fn hand_over(&self, spec: &Spec<'_>, state: State<'_>) -> Result<()> {
        let linux = spec.linux.as_ref();
        let Some(profile) = linux.and_then(|linux| linux.seccomp.as_ref()) else {
            return Err(Error::new(Kind::Bug, "a listener without a profile"));
        };
        let agent = agent(profile)?;
        let pidfd = self.pidfd.filter(|pidfd| process::may_take_from(pidfd));
        let (listener, last) = match pidfd {
            Some(pidfd) => (self.take(pidfd)?, None),
            None => self.receive()?,
        };
        let message = ProcessState {
            oci_version: Str::new(OCI_VERSION),
            fds: [Str::new(SECCOMP_FD)].into(),
            pid: self.pid,
            metadata: profile.listener_metadata.as_deref().map(Str::new),
            state,
        };
        socket::send(&agent, &message.to_json(), &[listener.as_fd()])?;
        match last {
            Some(answer) => Ok(socket::send(self.socket, answer, &[])?),
            None => {
                let one = 1u32.to_ne_bytes();
                pwrite(self.script, &one, TAKEN).on("pwrite", "script")?;
                Ok(())
            }
        }
    }

    /// By its number, from the process that waits without a system call.
    fn take(&self, pidfd: &OwnedFd) -> Result<OwnedFd> {
        socket::send(self.socket, &0i32.to_ne_bytes(), &[])?;
        loop {
            let ended = process::wait_ended(pidfd, Some(1))?;
            let mut word = [0u8; 4];
            pread(self.script, &mut word, LISTENER).on("pread", "script")?;
            if let Some(number) = u32::from_ne_bytes(word).checked_sub(1) {
                return Ok(process::take_descriptor(pidfd, number)?);
            }
            if ended {
                let message = "the process ended before it had loaded the filter";
                return Err(Error::new(Kind::WrongState, message));
            }
        }
    }

    /// From the process itself, whose filter has to let it through.
    fn receive(&self) -> Result<(OwnedFd, Option<&'static [u8]>)> {
        let declined = Errno::OPNOTSUPP.raw_os_error();
        socket::send(self.socket, &declined.to_ne_bytes(), &[])?;
        let mut asked = [0u8; 4];
        let message = socket::receive(self.socket, &mut asked)?;
        match message.descriptor {
            Some(listener) if u32::from_ne_bytes(asked) == request::LISTENER => {
                Ok((listener, Some(&[0; 4])))
            }
            _ => {
                let message = "the process ended before it had sent the filter's listener";
                Err(Error::new(Kind::WrongState, message))
            }
        }
    }
}

/// Connects to the agent of `linux.seccomp.listenerPath`.
fn agent(profile: &Seccomp<'_>) -> Result<OwnedFd> {
    let Some(path) = profile.listener_path.as_deref() else {
        let message =
            "config.json: linux.seccomp.listenerPath: missing, and an action is SCMP_ACT_NOTIFY";
        return Err(Error::new(Kind::BadConfig, message.to_owned()));
    };
    socket::connect_to(path, SocketType::STREAM)
        .map_err(|error| Error::from(error).at(&"config.json: linux.seccomp.listenerPath"))
}
