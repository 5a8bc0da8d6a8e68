//! What is mounted: the kernel's file systems, the container's own files, and what the person asks for.

use spec::{Mount, Str};

use super::namespaces::Spaces;
use super::{Asked, Extras, Origins, WantedVolume, files, security};
use crate::app::value::mount::{self as grammar, Bind, MountRequest, Recursion, VolumeMount, What};
use crate::app::value::name;
use crate::app::value::namespace::{Ipc, Net, Userns};
use crate::app::value::number::size;
use crate::error::{About, Fault, Result, asked as said};

/// The size of `/dev/shm` when nothing is said: 64 MiB.
const SHM_SIZE: u64 = 64 << 20;

/// The group of terminals on every distribution.
const TTY_GROUP: u32 = 5;

/// A mount and what asked for it.
struct Placed {
    mount: Mount<'static>,
    origin: Option<String>,
}

/// The mounts in their order: the shallow before the deep, of one depth the defaults first.
pub(super) fn lower(
    asked: &Asked<'_>,
    spaces: &Spaces,
    extras: &mut Extras,
    origins: &mut Origins,
) -> Result<Vec<Mount<'static>>> {
    let wanted = requested(asked, spaces, extras)?;
    let mut mounts = defaults(asked, spaces)?;
    mounts.extend(own_files(asked, spaces));
    mounts.retain(|default| {
        !wanted
            .iter()
            .any(|other| replaces(&other.mount, &default.mount))
    });
    mounts.extend(wanted);
    mounts.sort_by_key(|placed| placed.mount.destination.matches('/').count());
    for (index, placed) in mounts.iter().enumerate() {
        if let Some(origin) = &placed.origin {
            origins.text(format!("mounts[{index}]"), origin.clone());
        }
    }
    Ok(mounts.into_iter().map(|placed| placed.mount).collect())
}

/// Whether what the person mounts takes the place of a default. Who brings a `/dev` of their own
/// brings what is in it too, as Docker has it.
fn replaces(wanted: &Mount<'_>, default: &Mount<'_>) -> bool {
    let all_of_dev = *wanted.destination == *"/dev" && default.destination.starts_with("/dev/");
    wanted.destination == default.destination || all_of_dev
}

fn mount(destination: &str, fstype: &'static str, source: &str, options: &[&str]) -> Placed {
    let options = options
        .iter()
        .map(|option| Str::from((*option).to_owned()))
        .collect();
    let mount = Mount {
        destination: destination.to_owned().into(),
        fstype: Some(fstype.into()),
        source: Some(source.to_owned().into()),
        options,
        ..Mount::default()
    };
    Placed {
        mount,
        origin: None,
    }
}

fn defaults(asked: &Asked<'_>, spaces: &Spaces) -> Result<Vec<Placed>> {
    let writable_sys = asked.options.privileged && !asked.options.read_only;
    let writable_cgroups = security::writable_cgroups(asked)?;
    let mut mounts = vec![
        proc(spaces),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        pts(spaces),
        sys(spaces, writable_sys),
        cgroup(spaces, writable_cgroups),
    ];
    mounts.extend(ipc(asked, spaces)?);
    Ok(mounts)
}

/// A new procfs; with the host's processes in a user namespace of one's own the kernel refuses that.
fn proc(spaces: &Spaces) -> Placed {
    let options = ["nosuid", "noexec", "nodev"];
    if spaces.pid_is_hosts && spaces.userns != Userns::Host {
        return mount(
            "/proc",
            "bind",
            "/proc",
            &["rbind", "rprivate", "nosuid", "noexec", "nodev"],
        );
    }
    mount("/proc", "proc", "proc", &options)
}

/// Terminals; the group is left out where the container's ids do not have it.
fn pts(spaces: &Spaces) -> Placed {
    let all = [
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
        "gid=5",
    ];
    let known = match &spaces.userns {
        Userns::Host => true,
        Userns::Own { .. } => false,
        Userns::Auto { size } => *size > TTY_GROUP,
        Userns::Maps(maps) => maps
            .iter()
            .any(|map| (map.container..map.container + map.size).contains(&TTY_GROUP)),
    };
    mount(
        "/dev/pts",
        "devpts",
        "devpts",
        if known { &all } else { &all[..5] },
    )
}

/// The kernel gives a new sysfs only to the owner of the network namespace; else the host's is bound.
fn sys(spaces: &Spaces, writable: bool) -> Placed {
    let foreign = matches!(spaces.net, Net::Host | Net::Joined);
    let mut placed = if foreign && spaces.userns != Userns::Host {
        mount(
            "/sys",
            "bind",
            "/sys",
            &["rbind", "rslave", "nosuid", "noexec", "nodev", "rro"],
        )
    } else {
        mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", "ro"],
        )
    };
    if writable {
        placed.mount.options.retain(|option| *option != "ro");
    }
    placed
}

fn cgroup(spaces: &Spaces, writable: bool) -> Placed {
    let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
    // Without a cgroup namespace what is writable is the host's (CVE-2022-0492).
    let writable = writable && !spaces.cgroup_is_hosts;
    mount(
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        if writable { &options[..4] } else { &options },
    )
}

/// Message queues and shared memory.
fn ipc(asked: &Asked<'_>, spaces: &Spaces) -> Result<Vec<Placed>> {
    let size = match &asked.options.shm_size {
        Some(text) => size(text).and_then(positive).of("--shm-size", text)?,
        None => SHM_SIZE,
    };
    let size = format!("size={size}");
    let bind = ["rbind", "rprivate", "nosuid", "noexec", "nodev"];
    let queues = mount(
        "/dev/mqueue",
        "mqueue",
        "mqueue",
        &["nosuid", "noexec", "nodev"],
    );
    let mut memory = mount(
        "/dev/shm",
        "tmpfs",
        "shm",
        &["nosuid", "noexec", "nodev", "mode=1777", &size],
    );
    memory.origin = asked
        .options
        .shm_size
        .as_ref()
        .map(|text| said("--shm-size", text));
    Ok(match spaces.ipc {
        Ipc::Private => vec![queues, memory],
        Ipc::None => vec![queues],
        Ipc::Host if spaces.userns == Userns::Host => {
            vec![queues, mount("/dev/shm", "bind", "/dev/shm", &bind)]
        }
        Ipc::Host => {
            // The kernel gives a new one only to the owner of the IPC namespace.
            let queues = mount("/dev/mqueue", "bind", "/dev/mqueue", &bind);
            let hosts = asked.machine.message_queues.then_some(queues);
            hosts
                .into_iter()
                .chain([mount("/dev/shm", "bind", "/dev/shm", &bind)])
                .collect()
        }
    })
}

fn positive(size: u64) -> std::result::Result<u64, Fault> {
    if size == 0 {
        Err(Fault::usage("must be more than 0"))
    } else {
        Ok(size)
    }
}

/// The container's own `/etc/hostname`, `/etc/hosts`, `/etc/resolv.conf`, which its root may write.
fn own_files<'a>(asked: &'a Asked<'_>, spaces: &Spaces) -> impl Iterator<Item = Placed> + 'a {
    let options: &[&str] = match spaces.userns {
        Userns::Host => &["bind", "rprivate"],
        // Translating owners takes root.
        _ if asked.machine.ordinary_user.is_some() => &["bind", "rprivate"],
        _ => &["bind", "rprivate", "idmap"],
    };
    let directory = spaces.joined.clone();
    let directory = directory.unwrap_or_else(|| asked.machine.dir.clone());
    files::MOUNTED.iter().map(move |(name, destination)| {
        mount(destination, "bind", &format!("{directory}/{name}"), options)
    })
}

/// What options and image ask for. Two options for one place are a contradiction; an option takes the
/// place of the image's volume.
fn requested(asked: &Asked<'_>, spaces: &Spaces, extras: &mut Extras) -> Result<Vec<Placed>> {
    let mut placed: Vec<Placed> = Vec::new();
    for (option, text, request) in requests(asked)? {
        let origin = said(option, text);
        let twice = |other: &Placed| *other.mount.destination == request.destination;
        if placed.iter().any(twice) {
            return Err(
                Fault::usage(format!("{} is mounted twice", request.destination)).at(origin),
            );
        }
        idle(asked, &request, &origin, extras)?;
        let mount = lowered(asked, spaces, &request, extras).of(option, text)?;
        placed.push(Placed {
            mount,
            origin: Some(origin),
        });
    }
    for text in asked.image.map_or(&[][..], |image| &image.volumes) {
        let destination = name::absolute(text).of("image config Volumes", text)?;
        let known = placed
            .iter()
            .any(|other| *other.mount.destination == destination);
        if destination != "/" && !known {
            let request = MountRequest {
                destination,
                what: What::Volume(VolumeMount::ANONYMOUS),
                idle: Vec::new(),
            };
            let origin = Some("image config Volumes".to_owned());
            let mount = lowered(asked, spaces, &request, extras);
            let mount = mount.of("image config Volumes", text)?;
            placed.push(Placed { mount, origin });
        }
    }
    Ok(placed)
}

/// The options in the order of their kinds, parsed.
fn requests<'a>(asked: &Asked<'a>) -> Result<Vec<(&'static str, &'a str, MountRequest)>> {
    type Grammar = fn(&str) -> crate::error::Parsed<MountRequest>;
    let options = asked.options;
    let kinds: [(&'static str, &'a [String], Grammar); 3] = [
        ("--volume", &options.volume, grammar::volume),
        ("--mount", &options.mount, grammar::mount),
        ("--tmpfs", &options.tmpfs, grammar::tmpfs),
    ];
    let mut requests = Vec::new();
    for (option, texts, parse) in kinds {
        for text in texts {
            requests.push((option, text.as_str(), parse(text).of(option, text)?));
        }
    }
    Ok(requests)
}

/// Says what changes nothing here, and refuses what would elsewhere.
fn idle(
    asked: &Asked<'_>,
    request: &MountRequest,
    origin: &str,
    extras: &mut Extras,
) -> Result<()> {
    for option in &request.idle {
        if matches!(option.as_str(), "z" | "Z") && asked.machine.selinux {
            return Err(
                Fault::unsupported(format!("{option}: SELinux labels are not built yet"))
                    .at(origin),
            );
        }
        let why = if matches!(option.as_str(), "z" | "Z") {
            "there is no SELinux to label for"
        } else {
            "it has no meaning on Linux binds"
        };
        extras
            .notes
            .push(format!("{origin}: {option} changes nothing: {why}"));
    }
    Ok(())
}

/// The mount of a request.
fn lowered(
    asked: &Asked<'_>,
    spaces: &Spaces,
    request: &MountRequest,
    extras: &mut Extras,
) -> crate::error::Parsed<Mount<'static>> {
    let to = request.destination.as_str();
    Ok(match &request.what {
        What::Bind(bind) => bound(asked, spaces, to, bind)?,
        What::Tmpfs(options) => {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            mount(to, "tmpfs", "tmpfs", &options).mount
        }
        What::Volume(volume) => volume_mount(asked, spaces, to, volume, extras),
    })
}

/// A volume is made, and filled, before the container is.
fn volume_mount(
    asked: &Asked<'_>,
    spaces: &Spaces,
    to: &str,
    volume: &VolumeMount,
    extras: &mut Extras,
) -> Mount<'static> {
    let own_name = || {
        let number = extras.volumes.len();
        format!("{}{number:04x}", asked.machine.id.get(..60).unwrap_or(""))
    };
    let wanted = WantedVolume {
        name: volume.name.clone().unwrap_or_else(own_name),
        destination: to.to_owned(),
        anonymous: volume.name.is_none(),
        copy: volume.copy,
    };
    let source = format!("{}/{}/_data", asked.machine.volumes, wanted.name);
    let mut options = vec!["bind", "rprivate"];
    options.extend(volume.read_only.then_some("ro"));
    options.extend((spaces.userns != Userns::Host).then_some("idmap"));
    extras.volumes.push(wanted);
    mount(to, "bind", &source, &options).mount
}

fn bound(
    asked: &Asked<'_>,
    spaces: &Spaces,
    to: &str,
    bind: &Bind,
) -> crate::error::Parsed<Mount<'static>> {
    let source = asked.machine.absolute(&bind.source);
    if let Err(error) = std::fs::metadata(&source) {
        return Err(
            Fault::not_found(format!("source {source}: {}", crate::error::words(&error)))
                .hint("make it first"),
        );
    }
    let mut options = vec![if bind.recursion == Recursion::Disabled {
        "bind"
    } else {
        "rbind"
    }];
    options.push(bind.propagation.name());
    match (bind.read_only, bind.recursion) {
        (true, Recursion::Enabled) => options.push("rro"),
        (true, _) => options.push("ro"),
        (false, _) => {}
    }
    // With ids of its own the container's owners are those on the disk, as in its root.
    if spaces.userns != Userns::Host && bind.translated {
        options.push(match bind.recursion {
            Recursion::Disabled => "idmap",
            _ => "ridmap",
        });
    }
    Ok(mount(to, "bind", &source, &options).mount)
}
