//! Shared addresses: given to interfaces while their jail lives, and what the jail's sockets are confined to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use engine::Engine;
use front::jail::{Family, Network, Permissions, Values};
use net::alias::{self, Alias};
use net::shared::{Addresses, Confinement};
use net::{Address, Prefixed};
use sys::rustix::fs::OFlags;

use super::shelf::{Held, Made};
use crate::app::{Failure, Outcome};

/// A jail's addresses, with the interfaces that get them.
pub(super) struct Wanted {
    pub(super) aliases: Vec<Alias>,
    four: Option<Vec<Prefixed<Ipv4Addr>>>,
    six: Option<Vec<Prefixed<Ipv6Addr>>>,
}

impl From<net::Error> for Failure {
    fn from(error: net::Error) -> Self {
        Self {
            hint: error.hint.map(str::to_owned),
            ..Self::new(error.message)
        }
    }
}

impl Wanted {
    /// What a jail's network asks for; none where its addresses are not confined.
    pub(super) fn of(values: &Values, network: &Network) -> Outcome<Option<Self>> {
        let Network::Shared { four, six } = network else {
            return Ok(None);
        };
        let mut aliases = Vec::new();
        let four = family(values, "ip4.addr", four, &mut aliases)?;
        let six = family(values, "ip6.addr", six, &mut aliases)?;
        let prefixed4 = four.map(|list| {
            only(&list, |address| match address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
        });
        let prefixed6 = six.map(|list| {
            only(&list, |address| match address {
                IpAddr::V6(address) => Some(address),
                IpAddr::V4(_) => None,
            })
        });
        let wanted = Self {
            aliases,
            four: prefixed4.transpose()?,
            six: prefixed6.transpose()?,
        };
        wanted.confinement(values).check()?;
        Ok(Some(wanted))
    }

    fn confinement(&self, values: &Values) -> Confinement<'_> {
        let raw = Permissions::of(values).allows("allow.raw_sockets");
        Confinement {
            v4: addresses(self.four.as_deref()),
            v6: addresses(self.six.as_deref()),
            raw,
            icmp: raw,
        }
    }

    /// Confines a jail of which nothing runs yet.
    pub(super) fn confine(&self, engine: &Engine, id: &str, values: &Values) -> Outcome<()> {
        let (directory, path) = leaf(engine, id)?;
        let parking = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        Ok(net::shared::confine(
            &directory,
            &path,
            parking,
            &self.confinement(values),
        )?)
    }

    /// Confines a jail that lives to these addresses from now on.
    pub(super) fn change(&self, engine: &Engine, id: &str, values: &Values) -> Outcome<()> {
        let (directory, path) = leaf(engine, id)?;
        Ok(net::shared::change(
            &directory,
            &path,
            &self.confinement(values),
        )?)
    }
}

fn addresses<A>(list: Option<&[Prefixed<A>]>) -> Addresses<'_, A> {
    match list {
        None => Addresses::Inherit,
        Some([]) => Addresses::Disable,
        Some(list) => Addresses::Only(list),
    }
}

fn only<A: Address>(
    list: &[Alias],
    one: impl Fn(IpAddr) -> Option<A>,
) -> Outcome<Vec<Prefixed<A>>> {
    let prefixed = list
        .iter()
        .filter_map(|alias| Some((one(alias.address)?, alias.length)));
    prefixed
        .map(|(address, length)| Ok(Prefixed::new(address, length)?))
        .collect()
}

/// The addresses of a family; none where it is inherited.
fn family(
    values: &Values,
    name: &str,
    family: &Family,
    aliases: &mut Vec<Alias>,
) -> Outcome<Option<Vec<Alias>>> {
    let Family::Only(list) = family else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for text in list {
        let alias = Alias::parse(text, values.text("interface"))
            .map_err(|error| about(name, error.into()))?;
        if alias.address.is_ipv4() != (name == "ip4.addr") {
            return Err(Failure::new(format!(
                "{name} {text}: an address of the other family"
            )));
        }
        if alias.interface.is_none() && !alias.is_there()? {
            return Err(Failure {
                hint: Some("say interface=…, or INTERFACE|ADDRESS".to_owned()),
                ..Failure::new(format!(
                    "{name} {text}: this machine does not have the address"
                ))
            });
        }
        found.push(alias.clone());
        aliases.push(alias);
    }
    Ok(Some(found))
}

fn about(name: &str, failure: Failure) -> Failure {
    Failure {
        message: format!("{name} {}", failure.message),
        ..failure
    }
}

/// The jail's cgroup of the v2 hierarchy.
fn leaf(engine: &Engine, id: &str) -> Outcome<(sys::OwnedFd, String)> {
    let (record, _) = engine.inspect(id)?;
    let leaf = record.cgroups.iter().find(|one| one.version == 2);
    let leaf = leaf.ok_or_else(|| {
        Failure::new(
            "ip4.addr: confining addresses takes a cgroup of version 2, which is not mounted",
        )
    })?;
    let path = leaf.leaf().dir();
    let directory = sys::file::open(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    Ok((directory, path))
}

/// Gives an address to its interface, and writes down first that it will be.
pub(super) fn give(held: &mut Held<'_>, alias: &Alias) -> Outcome<()> {
    let Some(interface) = &alias.interface else {
        return Ok(());
    };
    let address = alias.address.to_string();
    held.jail.made.push(Made::Alias {
        interface: interface.clone(),
        address: address.clone(),
    });
    held.save()?;
    held.use_address(interface, &address)?;
    if let Err(error) = alias.give(interface) {
        // Somebody else's: it is not ours to take away.
        held.jail.made.pop();
        held.release_address(interface, &address);
        held.save()?;
        let failure = Failure::from(error);
        return Err(about("ip4.addr, ip6.addr:", failure));
    }
    Ok(())
}

/// Takes an address from its interface, unless another jail has it, too.
pub(super) fn take(held: &Held<'_>, interface: &str, address: &str) -> Outcome<()> {
    if !held.release_address(interface, address) {
        return Ok(());
    }
    let parsed: IpAddr = address
        .parse()
        .map_err(|error| Failure::new(format!("{address}: {error}")))?;
    Ok(alias::take(interface, parsed)?)
}

/// With `ip_hostname`, the addresses of the host name are among the jail's.
pub(super) fn resolved(values: &Values) -> Outcome<Values> {
    let mut values = values.clone();
    if !values.flag("ip_hostname", false) {
        return Ok(values);
    }
    let name = values
        .text("host.hostname")
        .ok_or_else(|| Failure::new("ip_hostname: there is no host.hostname"))?
        .to_owned();
    let failed = |why: &str| Failure::new(format!("ip_hostname: {name}: {why}"));
    // The resolver is the machine's own, with whatever it looks into.
    let output = Command::new("getent").args(["ahosts", &name]).output();
    let output = output.map_err(|error| failed(&format!("getent: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut found = false;
    for word in text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        let Ok(address) = word.parse::<IpAddr>() else {
            continue;
        };
        found = true;
        let parameter = if address.is_ipv4() {
            "ip4.addr"
        } else {
            "ip6.addr"
        };
        let known = values.list(parameter).any(|one| {
            let one = one.rsplit('|').next().unwrap_or(one);
            one.split('/').next() == Some(word)
        });
        if !known {
            values.set(parameter, Some(vec![word.to_owned()]), true, "")?;
        }
    }
    if found {
        Ok(values)
    } else {
        Err(failed("no addresses found"))
    }
}
