//! Where the OCI command sends a terminal's master: a socket in the bundle, known to the two alone.

use alloc::format;
use alloc::string::String;

use sys::error::OnCall;
use sys::rustix::fs::{AtFlags, unlinkat};
use sys::rustix::net::{SocketFlags, SocketType, accept_with};
use sys::{AsFd, AsRawFd, Errno, OwnedFd, socket};

/// A socket that waits for a terminal.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Its name in the bundle.
    pub(crate) name: String,
    socket: OwnedFd,
    directory: OwnedFd,
}

impl Listener {
    pub(crate) fn open(bundle: &OwnedFd, serial: u64) -> sys::Result<Self> {
        let name = format!("console-{serial}.sock");
        // The bundle's own path may be longer than a socket's may.
        let path = format!("/proc/self/fd/{}/{name}", bundle.as_raw_fd());
        let _ = unlinkat(bundle, &*name, AtFlags::empty()); // of a shim that was killed
        let socket = socket::listen_at(&path, SocketType::STREAM)?;
        let directory = bundle.as_fd().try_clone_to_owned().on("dup", &name)?;
        Ok(Self {
            name,
            socket,
            directory,
        })
    }

    /// The master, which was sent by now.
    pub(crate) fn receive(&self) -> sys::Result<OwnedFd> {
        use sys::rustix::fs::{OFlags, fcntl_setfl};
        fcntl_setfl(&self.socket, OFlags::NONBLOCK).on("fcntl", &self.name)?;
        let sender = accept_with(&self.socket, SocketFlags::CLOEXEC).on("accept", &self.name)?;
        let mut bytes = [0u8; 256];
        let message = socket::receive(&sender, &mut bytes)?;
        message
            .descriptor
            .ok_or(Errno::BADMSG)
            .on("recvmsg", &self.name)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = unlinkat(&self.directory, &*self.name, AtFlags::empty());
    }
}
