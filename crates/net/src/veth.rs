//! A tunnel between two network namespaces: a pair of virtual Ethernet devices, one in each.

use alloc::format;
use core::net::IpAddr;

use sys::namespace::NetworkNamespace;
use sys::netlink::{Assigned, Route};
use sys::{Errno, OwnedFd};

use crate::alias::is_name;
use crate::error::{Error, Result};

/// One end of a tunnel.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// The network namespace.
    pub namespace: &'a OwnedFd,
    /// The device's name there.
    pub name: &'a str,
    /// Its address and the length of its network's prefix.
    pub address: Option<(IpAddr, u8)>,
}

/// Makes a tunnel, both of its ends up. Nothing of it is left after a failure. It goes with either of its ends, and
/// each of those with its namespace.
///
/// # Errors
/// A name or address that is no good or taken, no rights over a namespace.
pub fn connect(one: &End<'_>, other: &End<'_>) -> Result<()> {
    for name in [one.name, other.name] {
        if !is_name(name) {
            return Err(Error::new(format!(
                "{name:?}: not the name of an interface"
            )));
        }
    }
    let here = open_in(one)?;
    here.add_pair(one.name, other.namespace, other.name)
        .map_err(|error| match error.errno {
            Errno::EXIST => {
                Error::from(error).hint("one of the two namespaces has a device of this name")
            }
            Errno::OPNOTSUPP => Error::from(error).hint("it takes a kernel with CONFIG_VETH"),
            _ => error.into(),
        })?;
    let finish = || -> Result<()> {
        set_up(&here, one)?;
        set_up(&open_in(other)?, other)
    };
    finish().inspect_err(|_| {
        _ = here.link(one.name).and_then(|link| here.remove(link));
    })
}

/// The routing tables of an end's namespace.
fn open_in(end: &End<'_>) -> Result<Route> {
    let _inside = NetworkNamespace::enter(end.namespace)?;
    // A socket stays with the namespace that it was made in.
    Ok(Route::open()?)
}

fn set_up(route: &Route, end: &End<'_>) -> Result<()> {
    let link = route.link(end.name)?;
    if let Some((address, length)) = end.address {
        route.assign(&Assigned {
            address,
            length,
            link: link.index,
            giver: 0,
        })?;
    }
    Ok(route.set_up(link, true)?)
}
