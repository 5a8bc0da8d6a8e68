//! `ns veth`: a tunnel between two network namespaces.

use std::net::IpAddr;

use net::veth::{End, connect};
use sys::OwnedFd;
use sys::rustix::fs::OFlags;

use super::failure::{Failure, Outcome};
use crate::cli;

const NAMES: &str = "veth0,veth0";

/// `ns veth`.
pub(crate) fn veth(request: &cli::NamespaceVeth) -> Outcome<()> {
    let names = request.names.as_deref().unwrap_or(NAMES);
    let names = names
        .split_once(',')
        .ok_or_else(|| Failure::new(format!("--names {names}: must be NAME,NAME")))?;
    let addresses = request.addresses.as_deref().map(addresses).transpose()?;
    let (one, other) = (namespace(&request.one)?, namespace(&request.other)?);
    let end = |namespace, name, address| End {
        namespace,
        name,
        address,
    };
    Ok(connect(
        &end(&one, names.0, addresses.map(|both| both.0)),
        &end(&other, names.1, addresses.map(|both| both.1)),
    )?)
}

type Address = (IpAddr, u8);

fn addresses(text: &str) -> Outcome<(Address, Address)> {
    let fault = || {
        Failure::new(format!(
            "--addresses {text}: must be such as 192.0.2.1/24,192.0.2.2/24"
        ))
    };
    let address = |text: &str| {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let plain = length.bytes().all(|b| b.is_ascii_digit());
        let length = length.parse::<u8>().ok().filter(|n| plain && *n <= most)?;
        Some((address, length))
    };
    let (one, other) = text.split_once(',').ok_or_else(fault)?;
    let both = address(one).zip(address(other));
    both.ok_or_else(fault)
}

/// The network namespace of a process, or one that is pinned to a file.
fn namespace(text: &str) -> Outcome<OwnedFd> {
    let path = match text {
        "." => "/proc/self/ns/net".to_owned(),
        path if path.contains('/') => path.to_owned(),
        pid if !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit()) => {
            format!("/proc/{pid}/ns/net")
        }
        _ => {
            return Err(Failure::new(format!(
                "{text}: neither a process number nor a path"
            )));
        }
    };
    sys::file::open(&path, OFlags::RDONLY).map_err(|error| match error.errno {
        sys::Errno::NOENT | sys::Errno::SRCH if !text.contains('/') => {
            Failure::new(format!("{text}: no such process"))
        }
        _ => error.into(),
    })
}
