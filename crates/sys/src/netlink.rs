//! rtnetlink(7): links, their addresses, and where they are.

use alloc::vec::Vec;

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use crate::error::{Error, OnCall, Result};

mod assigned;
mod pair;

pub use assigned::Assigned;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
/// `NLM_F_DUMP`: all there are.
const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`, `NLM_F_EXCL`.
const CREATE: u16 = 0x600;
const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;
const IFF_UP: u32 = 1;
const IFA_F_PERMANENT: u8 = 0x80;
const HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
/// Longer than any message that the kernel makes for one link.
const LONGEST: usize = 32 * 1024;

/// A connection to the kernel's routing tables of one network namespace.
#[derive(Debug)]
pub struct Route {
    socket: OwnedFd,
}

/// A network device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in the namespace.
    pub index: u32,
    /// Whether it is up.
    pub up: bool,
}

/// An address of a link, as it came: family, prefix, flags, scope, and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    header: [u8; 4],
    attributes: Vec<u8>,
}

/// A request in the making.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(header);
        Self(bytes)
    }

    /// An attribute; `value` is short.
    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let len = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&len.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn finish(mut self) -> Vec<u8> {
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        self.0
    }
}

/// `struct ifinfomsg` (rtnetlink(7)).
fn link_header(index: u32, flags: u32, change: u32) -> [u8; LINK_HEADER] {
    let mut header = [0; LINK_HEADER];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&change.to_ne_bytes());
    header
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    u32::from_ne_bytes(word.unwrap_or_default())
}

fn half(bytes: &[u8], at: usize) -> u16 {
    let half = bytes.get(at..at + 2).and_then(|half| half.try_into().ok());
    u16::from_ne_bytes(half.unwrap_or_default())
}

fn name_bytes(name: &str) -> Vec<u8> {
    let mut bytes = Vec::from(name.as_bytes());
    bytes.push(0);
    bytes
}

impl Route {
    /// Connects to the namespace that the calling thread is in.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> Result<Self> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        // NETLINK_ROUTE is protocol 0, the default.
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None);
        Ok(Self {
            socket: socket.on("socket", "rtnetlink")?,
        })
    }

    /// The link of this name.
    ///
    /// # Errors
    /// `ENODEV` where there is none.
    pub fn link(&self, name: &str) -> Result<Link> {
        let message = Message::new(RTM_GETLINK, REQUEST, &link_header(0, 0, 0));
        let message = message.attribute(IFLA_IFNAME, &name_bytes(name));
        let mut found = None;
        self.ask(message, name, |kind, body| {
            if kind == RTM_NEWLINK {
                let (index, flags) = (word(body, 4), word(body, 8));
                found = Some(Link {
                    index,
                    up: flags & IFF_UP != 0,
                });
            }
        })?;
        found.ok_or_else(|| Error::new("rtnetlink", name, Errno::NODEV))
    }

    /// The addresses of a link that somebody gave it and that are meant for beyond it: those that a
    /// protocol gave it are its to give again.
    ///
    /// # Errors
    /// The kernel's.
    pub fn addresses(&self, link: Link) -> Result<Vec<Address>> {
        let message = Message::new(RTM_GETADDR, REQUEST | DUMP, &[0; ADDRESS_HEADER]);
        let mut found = Vec::new();
        self.ask(message, "addresses", |kind, body| {
            let Some((header, attributes)) = body.split_at_checked(ADDRESS_HEADER) else {
                return;
            };
            let (flags, scope) = (header[2], header[3]);
            let kept = flags & IFA_F_PERMANENT != 0 && scope == 0;
            if kind == RTM_NEWADDR && word(header, 4) == link.index && kept {
                found.push(Address {
                    header: [header[0], header[1], flags, scope],
                    attributes: settable(attributes),
                });
            }
        })?;
        Ok(found)
    }

    /// Moves a link into another network namespace, under a name of its own there; it is down then, and has
    /// no address.
    ///
    /// # Errors
    /// `EEXIST` where the name is taken there, `EPERM` without rights over either namespace, `EINVAL` for a
    /// link that cannot move.
    pub fn move_to(&self, link: Link, namespace: impl AsFd, name: &str) -> Result<()> {
        let namespace = namespace.as_fd().as_raw_fd().to_ne_bytes();
        let message = Message::new(RTM_NEWLINK, REQUEST | ACK, &link_header(link.index, 0, 0))
            .attribute(IFLA_NET_NS_FD, &namespace)
            .attribute(IFLA_IFNAME, &name_bytes(name));
        self.ask(message, name, |_, _| {})
    }

    /// Takes a link down, so that it can be renamed, or brings it up.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_up(&self, link: Link, up: bool) -> Result<()> {
        let flags = if up { IFF_UP } else { 0 };
        let header = link_header(link.index, flags, IFF_UP);
        let message = Message::new(RTM_NEWLINK, REQUEST | ACK, &header);
        self.ask(message, "link", |_, _| {})
    }

    /// Gives a link an address that [`Route::addresses`] has shown.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add_address(&self, link: Link, address: &Address) -> Result<()> {
        let mut header = [0; ADDRESS_HEADER];
        header[..4].copy_from_slice(&address.header);
        header[4..].copy_from_slice(&link.index.to_ne_bytes());
        let mut message = Message::new(RTM_NEWADDR, REQUEST | ACK | CREATE, &header);
        message.0.extend_from_slice(&address.attributes);
        self.ask(message, "address", |_, _| {})
    }

    fn ask(&self, message: Message, object: &str, mut each: impl FnMut(u16, &[u8])) -> Result<()> {
        let message = message.finish();
        let dump = half(&message, 6) & DUMP == DUMP;
        let acknowledged = dump || half(&message, 6) & ACK != 0;
        send(&self.socket, &message, SendFlags::empty()).on("send(rtnetlink)", object)?;
        let mut buffer = alloc::vec![0; LONGEST];
        loop {
            let (got, _) = recv(&self.socket, &mut buffer[..], RecvFlags::empty())
                .on("recv(rtnetlink)", object)?;
            let mut rest = buffer.get(..got).unwrap_or(&[]);
            while rest.len() >= HEADER {
                let (len, kind) = (word(rest, 0), half(rest, 4));
                let len = usize::try_from(len).unwrap_or(0);
                let body = rest.get(HEADER..len).unwrap_or(&[]);
                match kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return outcome(body, object),
                    kind => each(kind, body),
                }
                if !acknowledged {
                    return Ok(());
                }
                rest = rest
                    .get(len.max(HEADER).next_multiple_of(4)..)
                    .unwrap_or(&[]);
            }
        }
    }
}

fn outcome(body: &[u8], object: &str) -> Result<()> {
    match i32::from_ne_bytes(word(body, 0).to_ne_bytes()) {
        0 => Ok(()),
        errno => {
            let errno = Errno::from_raw_os_error(errno.wrapping_neg());
            Err(Error::new("rtnetlink", object, errno))
        }
    }
}

/// The attributes of an address but for what the kernel alone says: its use, and its label, which begins
/// with the link's old name.
fn settable(attributes: &[u8]) -> Vec<u8> {
    const IFA_LABEL: u16 = 3;
    const IFA_CACHEINFO: u16 = 6;
    let mut kept = Vec::new();
    let mut rest = attributes;
    while rest.len() >= 4 {
        let len = usize::from(half(rest, 0)).max(4);
        let end = len.next_multiple_of(4).min(rest.len());
        if !matches!(half(rest, 2), IFA_LABEL | IFA_CACHEINFO) {
            kept.extend_from_slice(&rest[..end]);
        }
        rest = &rest[end..];
    }
    kept
}
