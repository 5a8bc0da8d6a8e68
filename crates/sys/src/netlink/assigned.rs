//! Addresses of links, one by one: given, taken away, looked for.

use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::io::Errno;

use super::{
    ACK, ADDRESS_HEADER, CREATE, DUMP, Message, REQUEST, RTM_GETADDR, RTM_NEWADDR, Route, half,
    word,
};
use crate::error::Result;

const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_PROTO: u16 = 11;
/// No search for others with the address: it can be used at once.
const IFA_F_NODAD: u8 = 0x02;
const RTA_DST: u16 = 1;
const RTN_LOCAL: u8 = 2;
const ROUTE_HEADER: usize = 12;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// An address that a link has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The address.
    pub address: IpAddr,
    /// How many bits its network's prefix has.
    pub length: u8,
    /// The link's number.
    pub link: u32,
    /// Who gave it (`IFA_PROTO`, since Linux 5.18); 0 where nobody said.
    pub giver: u8,
}

/// The family's number, and the address's bytes.
fn parts(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (AF_INET, address.octets().into()),
        IpAddr::V6(address) => (AF_INET6, address.octets().into()),
    }
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

fn header(family: u8, length: u8, flags: u8, link: u32) -> [u8; ADDRESS_HEADER] {
    let [a, b, c, d] = link.to_ne_bytes();
    [family, length, flags, 0, a, b, c, d]
}

impl Assigned {
    fn parse(body: &[u8]) -> Option<Self> {
        let (header, mut rest) = body.split_at_checked(ADDRESS_HEADER)?;
        let (mut address, mut giver) = (None, 0);
        while rest.len() >= 4 {
            let len = usize::from(half(rest, 0)).max(4);
            let value = rest.get(4..len).unwrap_or(&[]);
            match half(rest, 2) {
                // The other end's, where that differs; then the local one follows.
                IFA_ADDRESS => address = address.or(address_of(value)),
                IFA_LOCAL => address = address_of(value),
                IFA_PROTO => giver = value.first().copied().unwrap_or(0),
                _ => {}
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        }
        Some(Self {
            address: address?,
            length: header[1],
            link: word(header, 4),
            giver,
        })
    }
}

impl Route {
    /// Gives a link an address, to be used at once. `giver` is a mark by which it is known again.
    ///
    /// # Errors
    /// `EEXIST` where the link has it, `EPERM` without CAP_NET_ADMIN.
    pub fn assign(&self, to: &Assigned) -> Result<()> {
        let (family, bytes) = parts(to.address);
        let flags = if family == AF_INET6 { IFA_F_NODAD } else { 0 };
        let header = header(family, to.length, flags, to.link);
        let message = Message::new(RTM_NEWADDR, REQUEST | ACK | CREATE, &header)
            .attribute(IFA_LOCAL, &bytes)
            .attribute(IFA_ADDRESS, &bytes)
            .attribute(IFA_PROTO, &[to.giver]);
        self.ask(message, &format!("{}", to.address), |_, _| {})
    }

    /// Takes an address away.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` where the link does not have it.
    pub fn take(&self, from: &Assigned) -> Result<()> {
        let (family, bytes) = parts(from.address);
        let header = header(family, from.length, 0, from.link);
        let message = Message::new(RTM_DELADDR, REQUEST | ACK, &header)
            .attribute(IFA_LOCAL, &bytes)
            .attribute(IFA_ADDRESS, &bytes);
        self.ask(message, &format!("{}", from.address), |_, _| {})
    }

    /// Every address of the namespace, of one family or, where `like` is none, of both.
    ///
    /// # Errors
    /// The kernel's.
    pub fn assigned(&self, like: Option<IpAddr>) -> Result<Vec<Assigned>> {
        let family = like.map_or(0, |like| parts(like).0);
        let message = Message::new(RTM_GETADDR, REQUEST | DUMP, &header(family, 0, 0, 0));
        let mut found = Vec::new();
        self.ask(message, "addresses", |kind, body| {
            if kind == RTM_NEWADDR {
                found.extend(Assigned::parse(body));
            }
        })?;
        Ok(found)
    }

    /// Whether packets to the address stay on this machine. One look, however many addresses there are.
    ///
    /// # Errors
    /// The kernel's; that there is no route at all is none.
    pub fn is_local(&self, address: IpAddr) -> Result<bool> {
        let (family, bytes) = parts(address);
        let mut header = [0; ROUTE_HEADER];
        header[0] = family;
        header[1] = if family == AF_INET { 32 } else { 128 };
        let message = Message::new(RTM_GETROUTE, REQUEST, &header).attribute(RTA_DST, &bytes);
        let mut local = false;
        let asked = self.ask(message, &format!("{address}"), |kind, body| {
            local |= kind == RTM_NEWROUTE && body.get(7) == Some(&RTN_LOCAL);
        });
        match asked {
            Err(error) if matches!(error.errno, Errno::NETUNREACH | Errno::HOSTUNREACH) => {
                Ok(false)
            }
            other => other.map(|()| local),
        }
    }
}
