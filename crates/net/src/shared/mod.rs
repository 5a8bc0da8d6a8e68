//! Jails that share the host's network: their sockets are confined to the jail's addresses, by programs of the
//! kernel's extended BPF that are attached to the jail's cgroup (v2, on hybrid hosts too).
//!
//! There is no network namespace, bridge, address translation or firewall rule. What is confined by which
//! program, and what Linux cannot do, is told in `docs/net.md`.

use alloc::format;

use sys::rustix::fs::fstat;
use sys::{Errno, OwnedFd};

mod hook;
mod names;
mod packets;
mod policy;
mod programs;
mod sockets;

use crate::error::{Error, Result};
pub use policy::{Addresses, Confinement, MOST};
use programs::Programs;

/// Address families that a jail's sockets may be of unless it is `allow.socket_af`: AF_UNIX, AF_INET,
/// AF_NETLINK, AF_INET6, as on FreeBSD (local, IPv4, route, IPv6). No program of a cgroup sees the making of others: a seccomp filter
/// has to refuse them in socket(2) and socketpair(2), and io_uring, which makes sockets past it.
pub const FAMILIES: [u16; 4] = [1, 2, 16, 10];

/// Confines the sockets that processes of a cgroup will make to a jail's addresses. `cgroup` is its
/// directory, of a v2 hierarchy, with nobody in it yet; `path` names it in errors. Loaded programs are kept
/// below the directory `parking`, a cgroup that is ours alone.
///
/// There is nothing to undo: all of it goes with the cgroup. Jails may be inside others, which then confine
/// as well.
///
/// # Errors
/// When a part of it cannot be done. The jail must not start then.
pub fn confine(
    cgroup: &OwnedFd,
    path: &str,
    parking: &str,
    confinement: &Confinement<'_>,
) -> Result<()> {
    confinement.check()?;
    if confinement.is_none() {
        return Ok(());
    }
    let programs = Programs::take_or_load(parking).map_err(failed)?;
    programs.attach(cgroup, path).map_err(failed)?;
    write(&programs, cgroup, path, confinement)
}

/// Confines a jail that has been [confined](confine) to other addresses, from one moment to the next. Sockets that
/// are bound already stay so, and neither send nor receive any more where the address is not the jail's.
///
/// # Errors
/// When it was not confined before, or the kernel refuses. Then all is as it was.
pub fn change(cgroup: &OwnedFd, path: &str, confinement: &Confinement<'_>) -> Result<()> {
    confinement.check()?;
    let missing = || {
        let message =
            format!("{path}: the addresses of this jail were not confined when it started");
        Error::new(message).hint("start it anew to confine them")
    };
    let programs = Programs::at(cgroup).ok_or_else(missing)?;
    write(&programs, cgroup, path, confinement)
}

fn write(
    programs: &Programs,
    cgroup: &OwnedFd,
    path: &str,
    confinement: &Confinement<'_>,
) -> Result<()> {
    let number = fstat(cgroup).map_err(|errno| sys::Error::new("fstat", path, errno))?;
    let value = confinement.encode();
    programs
        .storage
        .write(number.st_ino, &value, path)
        .map_err(failed)
}

fn failed(error: sys::Error) -> Error {
    let errno = error.errno;
    let error = Error::from(error);
    match errno {
        Errno::PERM => error.hint(
            "confining addresses needs CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN, on the host",
        ),
        Errno::NOSYS | Errno::INVAL => error.hint("it takes a kernel with CONFIG_CGROUP_BPF"),
        Errno::NOTDIR | Errno::BADF => error.hint("it takes a cgroup of a v2 hierarchy"),
        _ => error,
    }
}
