//! Addresses as people write them: `192.0.2.10`, `192.0.2.10/24`, `192.0.2.10/255.255.255.0`, `2001:db8::1/64`.

use alloc::format;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Result};

/// An address and the length of its network's prefix, in bits, at most as many as it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefixed<A> {
    address: A,
    length: u8,
}

/// Addresses that have prefixes.
pub trait Address: Copy + fmt::Display {
    /// How many bits one has.
    const BITS: u8;
}

impl Address for Ipv4Addr {
    const BITS: u8 = 32;
}

impl Address for Ipv6Addr {
    const BITS: u8 = 128;
}

impl<A: Address> Prefixed<A> {
    /// An address with a prefix of this length.
    ///
    /// # Errors
    /// When the address has fewer bits.
    pub fn new(address: A, length: u8) -> Result<Self> {
        if length > A::BITS {
            return Err(Error::new(format!(
                "{address}/{length}: a prefix has at most {} bits",
                A::BITS
            )));
        }
        Ok(Self { address, length })
    }

    /// An address that is alone in its network.
    pub fn alone(address: A) -> Self {
        Self {
            address,
            length: A::BITS,
        }
    }

    /// The address.
    pub fn address(self) -> A {
        self.address
    }

    /// The length of its network's prefix.
    pub fn length(self) -> u8 {
        self.length
    }
}

impl<A: Address> fmt::Display for Prefixed<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Prefixed<Ipv4Addr> {
    /// Reads `ADDRESS`, `ADDRESS/BITS` or `ADDRESS/NETMASK`; alone where neither is there.
    ///
    /// # Errors
    /// What is none of them.
    pub fn parse(text: &str) -> Result<Self> {
        let (address, mask) = split(text);
        let wrong = || Error::new(format!("{text}: not an IPv4 address"));
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let Some(mask) = mask else {
            return Ok(Self::alone(address));
        };
        match mask.parse::<Ipv4Addr>() {
            Ok(mask) => Self::new(address, netmask(mask).ok_or_else(|| bad_mask(text))?),
            Err(_) => Self::new(address, bits(mask).ok_or_else(|| bad_mask(text))?),
        }
    }
}

impl Prefixed<Ipv6Addr> {
    /// Reads `ADDRESS` or `ADDRESS/BITS`; alone where there are no bits.
    ///
    /// # Errors
    /// What is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let (address, mask) = split(text);
        let wrong = || Error::new(format!("{text}: not an IPv6 address"));
        let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
        match mask {
            None => Ok(Self::alone(address)),
            Some(mask) => Self::new(address, bits(mask).ok_or_else(|| bad_mask(text))?),
        }
    }
}

/// Reads an address of either family.
///
/// # Errors
/// What is neither.
pub fn parse(text: &str) -> Result<(IpAddr, u8)> {
    if text.contains(':') {
        let read = Prefixed::<Ipv6Addr>::parse(text)?;
        return Ok((read.address.into(), read.length));
    }
    let read = Prefixed::<Ipv4Addr>::parse(text)?;
    Ok((read.address.into(), read.length))
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    }
}

/// Digits only: no sign, no zero in front.
fn bits(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = plain && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// The length of a mask whose bits are together at its front.
fn netmask(mask: Ipv4Addr) -> Option<u8> {
    let mask = mask.to_bits();
    let length = mask.leading_ones();
    (mask.count_ones() == length)
        .then(|| u8::try_from(length).ok())
        .flatten()
}

fn bad_mask(text: &str) -> Error {
    Error::new(format!("{text}: not a length of a prefix or a netmask"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let read = |text| Prefixed::<Ipv4Addr>::parse(text).map(|read| read.to_string());
        for (text, is) in [
            ("192.0.2.10", "192.0.2.10/32"),
            ("192.0.2.10/24", "192.0.2.10/24"),
            ("192.0.2.10/0", "192.0.2.10/0"),
            ("192.0.2.10/255.255.255.128", "192.0.2.10/25"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(is));
        }
        for text in [
            "",
            "192.0.2",
            "192.0.2.10/",
            "192.0.2.10/33",
            "192.0.2.10/+8",
            "192.0.2.10/08",
            "192.0.2.10/255.0.255.0",
            "192.0.2.10/24/24",
            "192.0.2.010",
            " 192.0.2.1",
            "::1",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let read = |text| Prefixed::<Ipv6Addr>::parse(text).map(|read| read.to_string());
        assert_eq!(read("2001:db8::1/64").as_deref(), Ok("2001:db8::1/64"));
        assert_eq!(read("2001:db8::1").as_deref(), Ok("2001:db8::1/128"));
        for text in ["2001:db8::1/129", "fe80::1%eth0", "192.0.2.1", "::/ffff::"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
