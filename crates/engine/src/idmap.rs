//! User namespaces' maps.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use plan::{Answer, ChildAct, Launch, Origin, Plan, Step};
use spec::{IdMap, Linux, Place, Spec};
use sys::rustix::fs::OFlags;
use sys::rustix::process::Signal;
use sys::{OwnedFd, file, process, socket};

use crate::error::{Error, Kind, Result};
use crate::launching::{SlotTable, Spawn, spawn};

const CLONE_NEWUSER: u64 = 0x1000_0000;

/// The two maps of a user namespace.
pub(crate) struct Maps<'m> {
    users: Cow<'m, [IdMap]>,
    groups: Cow<'m, [IdMap]>,
}

/// The maps of one of `mounts`, or (for the root, or a mount without its own) the container's.
pub(crate) fn maps_for<'m>(spec: &'m Spec<'_>, mount: Option<usize>) -> Result<Maps<'m>> {
    let own = mount
        .and_then(|index| spec.mounts.get(index))
        .filter(|m| !m.uid_mappings.is_empty());
    if let Some(mount) = own {
        let (users, groups) = (
            Cow::Borrowed(&*mount.uid_mappings),
            Cow::Borrowed(&*mount.gid_mappings),
        );
        return Ok(Maps { users, groups });
    }
    match spec
        .linux
        .as_ref()
        .filter(|linux| !linux.uid_mappings.is_empty())
    {
        Some(linux) => Ok(Maps {
            users: Cow::Borrowed(&*linux.uid_mappings),
            groups: Cow::Borrowed(&*linux.gid_mappings),
        }),
        None => Err(Error::new(
            Kind::BadConfig,
            "there are no maps to translate owners by",
        )),
    }
}

/// Writes the container's maps for its first process.
pub(crate) fn write(pid: u32, linux: Option<&Linux<'_>>) -> Result<()> {
    let Some(linux) = linux else { return Ok(()) };
    let (users, groups) = (&linux.uid_mappings, &linux.gid_mappings);
    write_one(pid, "uid_map", users, "linux.uidMappings")?;
    write_one(pid, "gid_map", groups, "linux.gidMappings")
}

fn write_one(pid: u32, name: &str, maps: &[IdMap], field: &'static str) -> Result<()> {
    let mut text = String::new();
    for map in maps {
        text.push_str(&format!("{} {} {}\n", map.container, map.host, map.size));
    }
    file::write_kernel(&format!("/proc/{pid}/{name}"), text.as_bytes())
        .map_err(|error| Error::from(error).at(&format!("config.json: {}", Place::field(field))))
}

/// A user namespace with these maps and no process in it: a process is started in one, and ended once
/// the namespace is open.
pub(crate) fn user_namespace(maps: &Maps<'_>) -> Result<OwnedFd> {
    let mut plan = Plan::default();
    let act = ChildAct::Ask(Answer::IdMaps);
    plan.child.push(Step {
        origin: Origin::Always("owners are translated by a user namespace"),
        act,
    });
    let launch = Launch {
        namespaces: CLONE_NEWUSER,
        ..Launch::default()
    };
    let how = Spawn {
        launch,
        with_socket: true,
        ..Spawn::default()
    };
    let spawned = spawn(&plan, &SlotTable::default(), &how)?;
    let namespace = mapped(&spawned, maps);
    let _ = process::signal(&spawned.started.pidfd, Signal::KILL);
    process::reap(&spawned.started.pidfd);
    namespace
}

fn mapped(spawned: &crate::launching::Spawned, maps: &Maps<'_>) -> Result<OwnedFd> {
    if let Some(socket) = &spawned.socket {
        socket::receive(socket, &mut [0u8; 4])?;
    }
    let pid = spawned.started.pid.as_raw_nonzero().get().unsigned_abs();
    write_one(pid, "uid_map", &maps.users, "uidMappings")?;
    write_one(pid, "gid_map", &maps.groups, "gidMappings")?;
    Ok(file::open(
        &process::namespace_path(pid, "user"),
        OFlags::RDONLY,
    )?)
}
