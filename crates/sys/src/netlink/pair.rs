//! Pairs of virtual Ethernet devices (veth(4)).

use alloc::vec::Vec;

use rustix::fd::{AsFd, AsRawFd};

use super::{
    ACK, CREATE, IFLA_IFNAME, IFLA_NET_NS_FD, Link, Message, REQUEST, RTM_NEWLINK, Route,
    link_header, name_bytes,
};
use crate::error::Result;

const RTM_DELLINK: u16 = 17;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

/// Attributes inside an attribute.
fn nested(attributes: &[(u16, &[u8])], begin: &[u8]) -> Vec<u8> {
    let mut message = Message(Vec::from(begin));
    for (kind, value) in attributes {
        message = message.attribute(*kind, value);
    }
    message.0
}

impl Route {
    /// Makes two devices that are connected to each other: one here, the other in the network namespace
    /// `there`. Both are down.
    ///
    /// # Errors
    /// `EEXIST` where either name is taken, `EPERM` without rights over either namespace, `EOPNOTSUPP` where
    /// the kernel has no such devices.
    pub fn add_pair(&self, name: &str, there: impl AsFd, peer: &str) -> Result<()> {
        let namespace = there.as_fd().as_raw_fd().to_ne_bytes();
        let peer_name = name_bytes(peer);
        let peer_part = nested(
            &[(IFLA_IFNAME, &peer_name), (IFLA_NET_NS_FD, &namespace)],
            &link_header(0, 0, 0),
        );
        let data = nested(&[(VETH_INFO_PEER, &peer_part)], &[]);
        let info = nested(&[(IFLA_INFO_KIND, b"veth"), (IFLA_INFO_DATA, &data)], &[]);
        let message = Message::new(RTM_NEWLINK, REQUEST | ACK | CREATE, &link_header(0, 0, 0))
            .attribute(IFLA_IFNAME, &name_bytes(name))
            .attribute(IFLA_LINKINFO, &info);
        self.ask(message, name, |_, _| {})
    }

    /// Removes a device; with one of a pair goes the other.
    ///
    /// # Errors
    /// `ENODEV` where it is gone.
    pub fn remove(&self, link: Link) -> Result<()> {
        let header = link_header(link.index, 0, 0);
        let message = Message::new(RTM_DELLINK, REQUEST | ACK, &header);
        self.ask(message, "link", |_, _| {})
    }
}
