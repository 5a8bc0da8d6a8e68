//! An address that an interface has for as long as a jail lives: `eth0|192.0.2.10/24`.

use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

use sys::Errno;
use sys::netlink::{Assigned, Route};

use crate::address;
use crate::error::{Error, Result};

/// The mark that our addresses have in the kernel (`IFA_PROTO`; `ip -d address` shows it, since Linux 5.18).
const OURS: u8 = 0x53;

/// An address of a jail, and where it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The interface that gets it; with none it has to be there.
    pub interface: Option<String>,
    /// The address.
    pub address: IpAddr,
    /// The length of its network's prefix; all of it where nothing was said.
    pub length: u8,
}

/// What became of an address that was to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// The interface has it now, with a prefix of this length: the one that was asked for, or all of it where
    /// another address of the interface is in the same network. (It would be a secondary one, and go with the
    /// other.)
    Added(u8),
    /// It was there, given by us, for another jail or one that was not cleaned up after.
    WasOurs,
}

impl Alias {
    /// Reads `[INTERFACE|]ADDRESS[/BITS|/NETMASK]`. `interface` is for those that name none.
    ///
    /// # Errors
    /// What is not of this form.
    pub fn parse(text: &str, interface: Option<&str>) -> Result<Self> {
        let (named, rest) = match text.split_once('|') {
            Some((named, rest)) => (Some(named), rest),
            None => (interface, text),
        };
        if let Some(word) = rest.split_once(' ').map(|(_, words)| words) {
            return Err(Error::new(format!(
                "{text}: {word}: parameters of interfaces are not taken"
            )));
        }
        if let Some(name) = named.filter(|name| !is_name(name)) {
            return Err(Error::new(format!(
                "{text}: {name:?}: not the name of an interface"
            )));
        }
        let (address, length) = address::parse(rest)?;
        Ok(Self {
            interface: named.map(String::from),
            address,
            length,
        })
    }

    /// Gives the address to its interface.
    ///
    /// # Errors
    /// There is no such interface, or the address is somebody else's.
    pub fn give(&self, interface: &str) -> Result<Given> {
        let route = Route::open()?;
        let link = route.link(interface).map_err(|error| match error.errno {
            Errno::NODEV => Error::from(error).hint("there is no interface of this name"),
            _ => error.into(),
        })?;
        // Looking at all addresses is for those who need it: there may be many.
        let crowded = self.length < full(self.address);
        let taken = route.is_local(self.address)?;
        let mut length = self.length;
        if crowded || taken {
            let all = route.assigned(Some(self.address))?;
            if let Some(one) = all.iter().find(|one| one.address == self.address) {
                return self.known(one, link.index, interface);
            }
            let near = |one: &&Assigned| one.link == link.index && one.length == self.length;
            if (all.iter().filter(near)).any(|one| same_network(one.address, self.address, length))
            {
                length = full(self.address);
            }
        }
        route.assign(&Assigned {
            address: self.address,
            length,
            link: link.index,
            giver: OURS,
        })?;
        Ok(Given::Added(length))
    }

    fn known(&self, one: &Assigned, link: u32, interface: &str) -> Result<Given> {
        if one.giver == OURS && one.link == link {
            return Ok(Given::WasOurs);
        }
        let address = self.address;
        let message = format!("{address}: {interface} cannot have it: this machine has it already");
        Err(Error::new(message).hint("say the address without an interface to use it as it is"))
    }

    /// Whether this machine has the address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn is_there(&self) -> Result<bool> {
        Ok(Route::open()?.is_local(self.address)?)
    }
}

/// Takes an address that [`Alias::give`] has given from its interface. That either is gone is no error, nor that
/// somebody else has given it since.
///
/// # Errors
/// The kernel's.
pub fn take(interface: &str, address: IpAddr) -> Result<()> {
    let route = Route::open()?;
    let link = match route.link(interface) {
        Err(error) if error.errno == Errno::NODEV => return Ok(()),
        other => other?,
    };
    let all = route.assigned(Some(address))?;
    let mine = |one: &&Assigned| one.address == address && one.link == link.index;
    let Some(one) = all.iter().find(mine).filter(|one| is_ours(one)) else {
        return Ok(());
    };
    match route.take(one) {
        Err(error) if error.errno == Errno::ADDRNOTAVAIL => Ok(()),
        other => Ok(other?),
    }
}

/// Before Linux 5.18 nothing has a mark; there the caller's record has to do.
fn is_ours(one: &Assigned) -> bool {
    matches!(one.giver, OURS | 0)
}

fn full(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn same_network(one: IpAddr, other: IpAddr, length: u8) -> bool {
    let shift = u32::from(full(one) - length.min(full(one)));
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let differ = one.to_bits() ^ other.to_bits();
            differ.checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let differ = one.to_bits() ^ other.to_bits();
            differ.checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// As the kernel has it (dev_valid_name).
pub(crate) fn is_name(name: &str) -> bool {
    let right = |byte: u8| byte > b' ' && !matches!(byte, b'/' | b':' | 0x7f);
    !name.is_empty() && name.len() < 16 && !matches!(name, "." | "..") && name.bytes().all(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn aliases_are_read_as_jail_conf_has_them() {
        let read = |text, interface| {
            let alias = Alias::parse(text, interface).map_err(|error| error.to_string())?;
            Ok::<_, String>(format!(
                "{}|{}/{}",
                alias.interface.as_deref().unwrap_or("-"),
                alias.address,
                alias.length
            ))
        };
        for (text, interface, is) in [
            ("192.0.2.10", None, "-|192.0.2.10/32"),
            ("192.0.2.10", Some("em0"), "em0|192.0.2.10/32"),
            ("eth0|192.0.2.10/24", Some("em0"), "eth0|192.0.2.10/24"),
            ("eth0|192.0.2.10/255.255.0.0", None, "eth0|192.0.2.10/16"),
            ("eth0|2001:db8::1/64", None, "eth0|2001:db8::1/64"),
        ] {
            assert_eq!(read(text, interface).as_deref(), Ok(is));
        }
        for text in [
            "|192.0.2.1",
            "a/b|192.0.2.1",
            "averyverylongname|192.0.2.1",
            "eth0|",
            "eth0|192.0.2.1 vhid 5",
            "eth0|eth1|192.0.2.1",
        ] {
            assert!(read(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_prefixes() {
        let same = |one: &str, other: &str, length| {
            same_network(one.parse().unwrap(), other.parse().unwrap(), length)
        };
        assert!(same("192.0.2.1", "192.0.2.200", 24) && !same("192.0.2.1", "192.0.2.200", 25));
        assert!(same("192.0.2.1", "10.0.0.1", 0) && !same("192.0.2.1", "::1", 0));
        assert!(same("2001:db8::1", "2001:db8::2", 64) && same("2001:db8::1", "::", 0));
    }
}
