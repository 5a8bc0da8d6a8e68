//! User namespaces' maps.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use plan::{Answer, ChildAct, Launch, Origin, Plan, Slot, Step};
use spec::{IdMap, Linux, Place, Spec};
use sys::error::OnCall;
use sys::rustix::fs::{OFlags, stat};
use sys::rustix::process::{Signal, getegid};
use sys::{Errno, OwnedFd, file, process, socket};

use crate::error::{Error, Kind, Result};
use crate::launching::{SlotTable, Spawn, spawn};
use crate::mapping_program;

const CLONE_NEWUSER: u64 = 0x1000_0000;

/// A map is written at once, and is shorter than a page (`user_namespaces(7)`).
const MAP_BYTES: usize = 4096;

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
    let path = format!("/proc/{pid}/{name}");
    let written = match file::write_kernel(&path, text.as_bytes()) {
        Err(error) if error.errno == Errno::PERM => {
            rootless_map(pid, name, maps, &path, text.as_bytes())
        }
        other => other.map_err(Error::from),
    };
    written.map_err(|error| {
        let error = error.at(&format!("config.json: {}", Place::field(field)));
        if text.len() >= MAP_BYTES {
            return error.hint("the kernel takes a map as a text of less than 4096 bytes");
        }
        error
    })
}

/// An ordinary user writes a map of the own id alone, for groups once the right to set them is given up;
/// for ranges there are shadow's programs.
fn rootless_map(pid: u32, name: &str, maps: &[IdMap], path: &str, text: &[u8]) -> Result<()> {
    let own = |map: &IdMap| map.size == 1 && map.host == getegid().as_raw();
    if name == "gid_map" && maps.len() == 1 && own(&maps[0]) {
        file::write_kernel(&format!("/proc/{pid}/setgroups"), b"deny")?;
        return Ok(file::write_kernel(path, text)?);
    }
    let program = match name {
        "uid_map" => "newuidmap",
        _ => "newgidmap",
    };
    mapping_program::run(program, pid, maps)
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

/// Maps that are given for a user namespace that is joined must be those that it has: a process in it shows
/// them.
pub(crate) fn check_joined(namespace: &OwnedFd, linux: Option<&Linux<'_>>) -> Result<()> {
    let Some(linux) = linux.filter(|linux| !linux.uid_mappings.is_empty()) else {
        return Ok(());
    };
    let mut plan = Plan::default();
    let origin = Origin::Always("the maps of a user namespace are shown by a process in it");
    let join = ChildAct::Join {
        slot: Slot::Namespace(0),
        types: CLONE_NEWUSER,
    };
    for act in [join, ChildAct::Ask(Answer::IdMaps)] {
        plan.child.push(Step { origin, act });
    }
    let mut slots = SlotTable::default();
    slots
        .namespaces
        .push(namespace.try_clone().on("dup", "user namespace")?);
    let how = Spawn {
        with_socket: true,
        ..Spawn::default()
    };
    let spawned = spawn(&plan, &slots, &how)?;
    let same = compare(&spawned, linux);
    let _ = process::signal(&spawned.started.pidfd, Signal::KILL);
    process::reap(&spawned.started.pidfd);
    same
}

fn compare(spawned: &crate::launching::Spawned, linux: &Linux<'_>) -> Result<()> {
    if let Some(socket) = &spawned.socket {
        socket::receive(socket, &mut [0u8; 4])?;
    }
    let pid = spawned.started.pid.as_raw_nonzero().get().unsigned_abs();
    match other_map(pid, linux)? {
        None => Ok(()),
        Some(field) => {
            let message =
                format!("config.json: {field}: not the maps of the user namespace that is joined");
            Err(Error::new(Kind::BadConfig, message)
                .hint("leave the maps out: the namespace has its own"))
        }
    }
}

/// The saved files are not believed about whose ids a restored process has: they must be those of the
/// configuration, or this process's own.
pub(crate) fn check_restored(pid: u32, linux: Option<&Linux<'_>>) -> Result<()> {
    let field = match linux.filter(|linux| !linux.uid_mappings.is_empty()) {
        Some(linux) => other_map(pid, linux)?,
        None => {
            let user =
                |pid: &str| stat(format!("/proc/{pid}/ns/user").as_str()).map(|at| at.st_ino);
            let same = user("self") == user(&format!("{pid}"));
            (!same).then_some("linux.namespaces: user")
        }
    };
    let Some(field) = field else { return Ok(()) };
    let message = format!("config.json: {field}: the container was saved with another");
    Err(Error::new(Kind::BadConfig, message))
}

/// The field whose maps are not those that a process has.
fn other_map(pid: u32, linux: &Linux<'_>) -> Result<Option<&'static str>> {
    let given = [
        ("uid_map", "linux.uidMappings", &linux.uid_mappings),
        ("gid_map", "linux.gidMappings", &linux.gid_mappings),
    ];
    for (file, field, maps) in given {
        let text = file::read_text(&format!("/proc/{pid}/{file}"))?;
        if !same_maps(&text, maps) {
            return Ok(Some(field));
        }
    }
    Ok(None)
}

/// Whether a map as the kernel shows it is the one given, in whatever order.
fn same_maps(text: &str, maps: &[IdMap]) -> bool {
    let shown = |line: &str, map: &IdMap| {
        let numbers = [map.container, map.host, map.size];
        let words = line.split_ascii_whitespace();
        words.map(str::parse).eq(numbers.map(Ok))
    };
    text.lines().count() == maps.len()
        && maps
            .iter()
            .all(|map| text.lines().any(|line| shown(line, map)))
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
