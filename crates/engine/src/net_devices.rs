//! `linux.netDevices`: network devices of the host that move into the container.
//!
//! The kernel keeps a device's hardware address and MTU when it moves, but takes it down and forgets its
//! addresses; those that somebody gave it are given again. When the container ends, so does its namespace:
//! what is hardware comes back by itself, what is not ends with it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use spec::Linux;
use sys::namespace::NetworkNamespace;
use sys::netlink::{Address, Link, Route};
use sys::rustix::fs::OFlags;
use sys::{Errno, OwnedFd, file, process};

use crate::error::{Error, Result};

/// Devices that have moved, and where to.
pub(crate) struct Moved {
    namespace: OwnedFd,
    host: OwnedFd,
    there: Route,
    devices: Vec<Device>,
}

struct Device {
    outside: String,
    inside: String,
    up: bool,
    addresses: Vec<Address>,
}

/// Moves the devices into the network namespace of the process `pid`. When one cannot, those before it come
/// back.
pub(crate) fn move_in(pid: u32, linux: &Linux<'_>) -> Result<Moved> {
    let path = process::namespace_path(pid, "net");
    let namespace = file::open(&path, OFlags::RDONLY)?;
    let inside = NetworkNamespace::enter(&namespace)?;
    // A socket stays with the namespace that it was made in.
    let there = Route::open()?;
    let host = inside.leave()?;
    let mut moved = Moved {
        namespace,
        host,
        there,
        devices: Vec::new(),
    };
    for (outside, device) in &linux.net_devices {
        let inside = device.name.as_ref().unwrap_or(outside);
        if let Err(error) = move_one(&mut moved, outside, inside) {
            moved.back();
            let at = format!("config.json: linux.netDevices[{:?}]", outside.as_str());
            return Err(error.at(&at));
        }
    }
    Ok(moved)
}

fn move_one(moved: &mut Moved, outside: &str, inside: &str) -> Result<()> {
    let here = Route::open()?;
    let link = here.link(outside).map_err(|error| match error.errno {
        Errno::NODEV => Error::from(error).hint("the host has no network device of this name"),
        _ => error.into(),
    })?;
    let addresses = here.addresses(link)?;
    if moved.there.link(inside).is_ok() {
        // The kernel would move it first, and then fail to rename it.
        let taken = sys::Error::new("rtnetlink", inside, Errno::EXIST);
        return Err(Error::from(taken).hint("the container has a device of this name"));
    }
    here.move_to(link, &moved.namespace, inside)?;
    moved.devices.push(Device {
        outside: outside.into(),
        inside: inside.into(),
        up: link.up,
        addresses: addresses.clone(),
    });
    let link = moved.there.link(inside)?;
    give_addresses(&moved.there, link, &addresses)?;
    Ok(moved.there.set_up(link, true)?)
}

fn give_addresses(route: &Route, link: Link, addresses: &[Address]) -> Result<()> {
    for address in addresses {
        match route.add_address(link, address) {
            Err(error) if error.errno == Errno::EXIST => {}
            other => other?,
        }
    }
    Ok(())
}

impl Moved {
    /// Brings the devices back as they were, as far as that goes: the container did not come to be.
    pub(crate) fn back(&self) {
        for device in &self.devices {
            let _ = self.one_back(device);
        }
    }

    fn one_back(&self, device: &Device) -> Result<()> {
        let link = self.there.link(&device.inside)?;
        self.there.move_to(link, &self.host, &device.outside)?;
        let here = Route::open()?;
        let link = here.link(&device.outside)?;
        give_addresses(&here, link, &device.addresses)?;
        Ok(here.set_up(link, device.up)?)
    }
}
