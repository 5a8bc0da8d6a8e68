//! What a jail may do, as its programs read it: one value of fixed size for each cgroup.

use alloc::format;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::address::{Address, Prefixed};
use crate::error::{Error, Result};

/// How many addresses of one family a jail can have.
pub const MOST: usize = 64;

/// The addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses<'a, A> {
    /// The host's: nothing is confined (`ip4=inherit`).
    Inherit,
    /// None: the family is not there (`ip4=disable`).
    Disable,
    /// These and no others (`ip4.addr`). The first is what wildcards and loopback come to. The prefix says
    /// from which of several to connect to an address: the first in whose network it is, or else the first.
    Only(&'a [Prefixed<A>]),
}

/// What sockets of a jail may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confinement<'a> {
    /// Its IPv4 addresses.
    pub v4: Addresses<'a, Ipv4Addr>,
    /// Its IPv6 addresses.
    pub v6: Addresses<'a, Ipv6Addr>,
    /// Whether raw sockets may be made (who makes one needs CAP_NET_RAW all the same).
    pub raw: bool,
    /// Whether ICMP sockets may be made, which send echo requests only (the host's
    /// `net.ipv4.ping_group_range` has to allow them, too).
    pub icmp: bool,
}

// Flags. All of them missing, as in a value that nobody has written yet, nothing is allowed.
pub(super) const V4_ANY: i32 = 1;
pub(super) const V4_SOME: i32 = 2;
pub(super) const V6_ANY: i32 = 4;
pub(super) const V6_SOME: i32 = 8;
pub(super) const RAW: i32 = 16;
pub(super) const ICMP: i32 = 32;
/// No family is confined, so protocols that no program looks into do no harm.
pub(super) const ANY_PROTOCOL: i32 = 64;
/// The jail has addresses in 127.0.0.0/8 itself; so of that network 127.0.0.1 alone means the jail.
pub(super) const IN_LOOPBACK: i32 = 128;

// Where things are in the value, in bytes.
pub(super) const FLAGS: i16 = 0;
pub(super) const COUNT4: i16 = 4;
pub(super) const COUNT6: i16 = 8;
/// Addresses, each with its mask.
pub(super) const LIST4: i16 = 16;
pub(super) const STEP4: i16 = 8;
pub(super) const LIST6: i16 = LIST4 + STEP4 * MOST as i16;
pub(super) const STEP6: i16 = 32;
/// The size of the value.
pub(super) const SIZE: i16 = LIST6 + STEP6 * MOST as i16;

impl Confinement<'_> {
    /// Whether it confines nothing at all.
    pub fn is_none(&self) -> bool {
        self.inherits_both() && self.raw && self.icmp
    }

    fn inherits_both(&self) -> bool {
        self.v4 == Addresses::Inherit && self.v6 == Addresses::Inherit
    }

    /// Looks for what cannot be confined to.
    ///
    /// # Errors
    /// Too many addresses, the same one twice, or one that is nobody's own.
    pub fn check(&self) -> Result<()> {
        if let Addresses::Only(list) = self.v4 {
            check(list, |address| {
                address.is_unspecified() || address.is_multicast() || address.is_broadcast()
            })?;
        }
        if let Addresses::Only(list) = self.v6 {
            check(list, |address| {
                let mapped = address.to_ipv4_mapped().is_some();
                // Such an address is one of an interface, which the programs do not see.
                let local = address.is_unicast_link_local();
                address.is_unspecified() || address.is_multicast() || mapped || local
            })?;
        }
        Ok(())
    }

    /// The value.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = alloc::vec![0; usize::from(SIZE.unsigned_abs())];
        let mut flags = 0;
        let mut counts = [0u32; 2];
        match self.v4 {
            Addresses::Inherit => flags |= V4_ANY,
            Addresses::Disable => {}
            Addresses::Only(list) => {
                flags |= V4_SOME;
                counts[0] = count(list);
                if list.iter().any(|it| it.address().is_loopback()) {
                    flags |= IN_LOOPBACK;
                }
                let parts = list.iter().flat_map(|it| {
                    let mask = u32::MAX.checked_shl(32 - u32::from(it.length()));
                    [it.address().octets(), mask.unwrap_or(0).to_be_bytes()]
                });
                fill(&mut value, LIST4, parts);
            }
        }
        match self.v6 {
            Addresses::Inherit => flags |= V6_ANY,
            Addresses::Disable => {}
            Addresses::Only(list) => {
                flags |= V6_SOME;
                counts[1] = count(list);
                let parts = list.iter().flat_map(|it| {
                    let mask = u128::MAX.checked_shl(128 - u32::from(it.length()));
                    [it.address().octets(), mask.unwrap_or(0).to_be_bytes()]
                });
                fill(&mut value, LIST6, parts);
            }
        }
        for (set, flag) in [
            (self.raw, RAW),
            (self.icmp, ICMP),
            (self.inherits_both(), ANY_PROTOCOL),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let words = [
            flags.to_ne_bytes(),
            counts[0].to_ne_bytes(),
            counts[1].to_ne_bytes(),
        ];
        fill(&mut value, FLAGS, words.into_iter());
        value
    }
}

fn count<A>(list: &[A]) -> u32 {
    u32::try_from(list.len().min(MOST)).unwrap_or(0)
}

fn fill<const N: usize>(value: &mut [u8], at: i16, parts: impl Iterator<Item = [u8; N]>) {
    let place = value.get_mut(usize::from(at.unsigned_abs())..);
    for (to, from) in place.unwrap_or_default().chunks_exact_mut(N).zip(parts) {
        to.copy_from_slice(&from);
    }
}

fn check<A: Address + PartialEq>(list: &[Prefixed<A>], is_nobodys: fn(&A) -> bool) -> Result<()> {
    if list.len() > MOST {
        let count = list.len();
        let message = format!("{count} addresses: a jail has at most {MOST} of a family");
        return Err(Error::new(message));
    }
    for (place, one) in list.iter().enumerate() {
        let address = one.address();
        if is_nobodys(&address) {
            let message = format!("{address}: not an address that a jail can have as its own");
            return Err(Error::new(message));
        }
        if list[..place].iter().any(|other| other.address() == address) {
            return Err(Error::new(format!("{address}: twice in the list")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn only6(text: &str) -> Result<()> {
        let list = [Prefixed::<Ipv6Addr>::parse(text).unwrap()];
        let confinement = Confinement {
            v4: Addresses::Disable,
            v6: Addresses::Only(&list),
            raw: false,
            icmp: false,
        };
        confinement.check()
    }

    #[test]
    fn a_value_of_zeros_allows_nothing() {
        let nothing = Confinement {
            v4: Addresses::Disable,
            v6: Addresses::Disable,
            raw: false,
            icmp: false,
        };
        assert!(nothing.encode().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn masks_follow_addresses() {
        let list = ["192.0.2.1/24", "10.0.0.1/0", "127.0.0.5"];
        let list = list.map(|text| Prefixed::<Ipv4Addr>::parse(text).unwrap());
        let confinement = Confinement {
            v4: Addresses::Only(&list),
            v6: Addresses::Inherit,
            raw: false,
            icmp: true,
        };
        let value = confinement.encode();
        let flags = V4_SOME | V6_ANY | ICMP | IN_LOOPBACK;
        assert_eq!(value[..4], flags.to_ne_bytes());
        assert_eq!(value[4..8], 3u32.to_ne_bytes());
        assert_eq!(
            value[16..40],
            [
                192, 0, 2, 1, 255, 255, 255, 0, 10, 0, 0, 1, 0, 0, 0, 0, 127, 0, 0, 5, 255, 255,
                255, 255
            ]
        );
    }

    #[test]
    fn what_is_nobodys_own_is_refused() {
        for text in ["::", "ff02::1", "fe80::1", "::ffff:192.0.2.1"] {
            assert!(only6(text).is_err(), "{text}");
        }
        assert!(only6("2001:db8::1").is_ok() && only6("::1").is_ok());
        let many = std::vec![Prefixed::alone(Ipv4Addr::new(192, 0, 2, 1)); 2];
        let twice = Confinement {
            v4: Addresses::Only(&many),
            v6: Addresses::Inherit,
            raw: false,
            icmp: false,
        };
        assert_eq!(
            twice.check().unwrap_err().to_string(),
            "192.0.2.1: twice in the list"
        );
    }
}
