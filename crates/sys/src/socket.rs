//! Unix sockets: messages with descriptors.

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fchmod, open};
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect,
    listen, recvmsg, sendmsg, socket_with, socketpair,
};

use crate::error::{OnCall, Result};

/// A message: how many bytes came, and the descriptor that came with them.
#[derive(Debug)]
pub struct Message {
    /// Bytes; 0 when the other side is gone.
    pub len: usize,
    /// The first descriptor, close-on-exec; more are closed.
    pub descriptor: Option<OwnedFd>,
}

/// Two connected sockets that keep message boundaries, close-on-exec.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .on("socketpair", "")
}

/// Receives one message.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> Result<Message> {
    let (len, mut descriptors) = receive_all(socket, bytes)?;
    Ok(Message {
        len,
        descriptor: descriptors.next(),
    })
}

/// Receives one message with all of its descriptors (at most four), close-on-exec.
pub fn receive_all(
    socket: impl AsFd,
    bytes: &mut [u8],
) -> Result<(usize, alloc::vec::IntoIter<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = retry_on_intr(|| {
        let mut vector = [IoSliceMut::new(bytes)];
        recvmsg(
            socket.as_fd(),
            &mut vector,
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    });
    let len = match got {
        Ok(got) => got.bytes,
        // The other side ended with bytes unread.
        Err(Errno::CONNRESET) => 0,
        Err(errno) => return Err(errno).on("recvmsg", ""),
    };
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok((len, descriptors.into_iter()))
}

/// Sends bytes and, where given, descriptors. A receiver that is gone is `EPIPE`, never a signal.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    retry_on_intr(|| {
        sendmsg(
            socket.as_fd(),
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
    })
    .map(drop)
    .on("sendmsg", "")
}

/// A listening socket at `path`, for nobody but its owner, whatever the umask.
pub fn listen_at(path: &str, kind: SocketType) -> Result<OwnedFd> {
    let socket =
        socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).on("socket", path)?;
    // The mode of the name that bind(2) makes is that of the socket.
    fchmod(&socket, Mode::RUSR | Mode::WUSR).on("fchmod", path)?;
    let name = Name::of(path)?;
    bind(&socket, &name.address).on("bind", path)?;
    listen(&socket, 8).on("listen", path)?;
    Ok(socket)
}

/// A socket connected to the one at `path`.
pub fn connect_to(path: &str, kind: SocketType) -> Result<OwnedFd> {
    let socket =
        socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).on("socket", path)?;
    let name = Name::of(path)?;
    retry_on_intr(|| connect(&socket, &name.address)).on("connect", path)?;
    Ok(socket)
}

/// A socket's address, and what it stands on.
struct Name {
    address: SocketAddrUnix,
    /// The directory that the address names by its number.
    _directory: Option<OwnedFd>,
}

impl Name {
    /// The address of `path`. The kernel's field holds 107 bytes; a longer path, such as those below an
    /// engine's own state root, goes by its directory's descriptor.
    fn of(path: &str) -> Result<Self> {
        if let Ok(address) = SocketAddrUnix::new(path) {
            return Ok(Self {
                address,
                _directory: None,
            });
        }
        let (parent, name) = path
            .rsplit_once('/')
            .ok_or(Errno::NAMETOOLONG)
            .on("bind", path)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(parent, flags, Mode::empty()).on("open", parent)?;
        let short = alloc::format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
        Ok(Self {
            address: SocketAddrUnix::new(&*short).on("bind", path)?,
            _directory: Some(directory),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn a_path_may_be_longer_than_an_address() {
        let dir = std::env::temp_dir().join(std::format!("sys-socket-{}", std::process::id()));
        let deep = dir.join("d".repeat(120));
        std::fs::create_dir_all(&deep).unwrap();
        let path = String::from(deep.join("sock").to_str().unwrap());
        let listener = listen_at(&path, SocketType::SEQPACKET).unwrap();
        let client = connect_to(&path, SocketType::SEQPACKET).unwrap();
        let server = rustix::net::accept(&listener).unwrap();
        send(&client, b"x", &[]).unwrap();
        assert_eq!(receive(&server, &mut [0; 4]).unwrap().len, 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
