//! From `mounts`, `devices` and the root's flags to steps.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use child::op::flag;
use spec::mount::{Attributes, Depth, Options, attribute};
use spec::{Device, DeviceType, Mount, NamespaceType, Place, Propagation};

use crate::error::Error;
use crate::labels;
use crate::order::Order;
use crate::step::{Bind, ChildAct, Copied, NewMount, Origin, Slot, Text};

/// Directories below `/proc` that other programs are known to mount over (LXCFS, systemd).
const PROC_TARGETS: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
];

/// The devices that every container has: path, major, minor.
pub const DEFAULT_DEVICES: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const S_IFMT: u32 = 0o170_000;
const S_IFIFO: u32 = 0o010_000;

const DEFAULT_LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// Adds the steps of all `mounts`.
pub(crate) fn add<'a>(order: &mut Order<'a, '_>) -> Result<(), Error> {
    let mounts: &'a [Mount<'a>] = &order.request.spec.mounts;
    for (index, mount) in mounts.iter().enumerate() {
        let place = Place::item("mounts", index);
        let options = mount.parsed_options();
        check_proc(mount, &options, place)?;
        if options.bind.is_some() || options.remount {
            add_bind(order, mount, &options, place, index)?;
        } else if matches!(mount.fstype.as_deref(), Some("cgroup" | "cgroup2")) {
            add_cgroup(order, mount, &options, place)?;
        } else {
            add_new(order, mount, &options, place)?;
        }
        add_changes(order, mount, &options, place);
    }
    Ok(())
}

fn target<'a>(mount: &'a Mount<'a>) -> Text<'a> {
    let path = mount.destination.as_str();
    if path.starts_with('/') {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(format!("/{path}"))
    }
}

/// What lies below `/proc` is the kernel's word to the container; only what is known to be put there
/// may be covered (SECURITY-RULES 2).
fn check_proc(mount: &Mount<'_>, options: &Options<'_>, place: Place) -> Result<(), Error> {
    let path = target(mount);
    let path = path.trim_end_matches('/');
    if path == "/proc" {
        let right = mount.fstype.as_deref() == Some("proc") || options.bind.is_some();
        return if right {
            Ok(())
        } else {
            Err(Error::bad(
                place.at("type"),
                "only procfs, or a bind of one, may be mounted on /proc",
            ))
        };
    }
    if !path.starts_with("/proc/") || PROC_TARGETS.contains(&path) {
        return Ok(());
    }
    Err(Error::bad(
        place.at("destination"),
        format!("{path} is inside /proc, where nothing may be mounted"),
    ))
}

fn op_flags(mount: &Mount<'_>) -> u32 {
    let path = target(mount);
    match path.trim_end_matches('/') {
        "/proc" => flag::REAL_DIRECTORY | flag::PROC_ALLOWED,
        "/sys" | "/dev" => flag::REAL_DIRECTORY,
        path if path.starts_with("/proc/") => flag::PROC_ALLOWED,
        _ => 0,
    }
}

/// `MS_…` for `MOUNT_ATTR_…`: mount(2) knows the same by other numbers.
fn mount_flags(attributes: Attributes, superblock: u64) -> u64 {
    const PAIRS: [(u64, u64); 8] = [
        (attribute::RDONLY, 1),
        (attribute::NOSUID, 2),
        (attribute::NODEV, 4),
        (attribute::NOEXEC, 8),
        (attribute::NOATIME, 1 << 10),
        (attribute::STRICTATIME, 1 << 24),
        (attribute::NODIRATIME, 1 << 11),
        (attribute::NOSYMFOLLOW, 1 << 8),
    ];
    let set = attributes.set;
    PAIRS
        .iter()
        .filter(|(attr, _)| set & attr != 0)
        .fold(superblock, |all, (_, ms)| all | ms)
}

fn add_new<'a>(
    order: &mut Order<'a, '_>,
    mount: &'a Mount<'a>,
    options: &Options<'_>,
    place: Place,
) -> Result<(), Error> {
    let Some(kind) = mount.fstype.as_deref() else {
        return Err(Error::bad(
            place.at("type"),
            "a mount that is no bind mount needs a type",
        ));
    };
    if options.idmap.is_some() || !mount.uid_mappings.is_empty() {
        return Err(Error::unsupported(
            place.at("uidMappings"),
            "owners are translated for bind mounts only",
        ));
    }
    let new = NewMount {
        kind: Cow::Borrowed(kind),
        source: Cow::Borrowed(mount.source.as_deref().unwrap_or(kind)),
        target: target(mount),
        flags: mount_flags(options.attributes, options.superblock.set),
        data: labels::with_context(kind, options.joined_data().unwrap_or_default(), order.linux),
        op_flags: op_flags(mount) | host_instead(kind, mount) | inherit_mode(kind, options),
        host_attributes: pack(options.attributes),
    };
    if options.copy_up && kind != "tmpfs" {
        let what = "`tmpcopyup` is for a mount of type tmpfs";
        return Err(Error::bad(place.at("options"), what));
    }
    let act = if options.copy_up {
        ChildAct::CopyUp(new)
    } else {
        ChildAct::Mount(new)
    };
    order.child(Origin::Config(place), act);
    Ok(())
}

/// Whoever owns not the network namespace, as a user namespace with the host's network, gets no sysfs of
/// its own; the host's shows the same network.
fn host_instead(kind: &str, mount: &Mount<'_>) -> u32 {
    let own = kind == "sysfs" && target(mount).trim_end_matches('/') == "/sys";
    if own { flag::HOST_INSTEAD } else { 0 }
}

/// A tmpfs whose mode nobody gave is as open as what it covers.
fn inherit_mode(kind: &str, options: &Options<'_>) -> u32 {
    let given = options
        .data
        .iter()
        .any(|option| option.starts_with("mode="));
    let inherits = kind == "tmpfs" && !given && !options.copy_up;
    if inherits { flag::INHERIT_MODE } else { 0 }
}

fn pack(attributes: Attributes) -> (u32, u32) {
    // The kernel's attribute bits are below 2^32.
    (
        u32::try_from(attributes.set).unwrap_or(0),
        u32::try_from(attributes.clear).unwrap_or(0),
    )
}

fn add_bind<'a>(
    order: &mut Order<'a, '_>,
    mount: &'a Mount<'a>,
    options: &Options<'_>,
    place: Place,
    index: usize,
) -> Result<(), Error> {
    let recursive = options.bind == Some(Depth::Tree);
    if options.remount {
        let (set, clear) = (options.attributes.set, options.attributes.clear);
        let act = ChildAct::Attributes {
            target: target(mount),
            set,
            clear,
            propagation: 0,
            recursive,
        };
        order.child(Origin::Config(place), act);
        return Ok(());
    }
    let Some(source) = mount.source.as_deref().filter(|s| !s.is_empty()) else {
        return Err(Error::bad(
            place.at("source"),
            "a bind mount needs a source",
        ));
    };
    let path = absolute(order.request.bundle, source);
    let own_maps = !mount.uid_mappings.is_empty();
    let owners = options.idmap.or(own_maps.then_some(Depth::One));
    let shared = order.shares_mounts() && asks_for_sharing(options);
    let copied = owners.is_some() || order.opens_trees();
    if copied {
        let copy = Copied {
            path: String::from(&*path),
            mount: Some(index),
            recursive,
            owners,
            shared,
        };
        order.copy_mount(copy, place);
    }
    let tree = copied.then_some(Slot::MountTree(index));
    let act = ChildAct::Bind(Bind {
        source: path,
        target: target(mount),
        tree,
        attributes: pack(options.attributes),
        recursive_attributes: pack(options.tree_attributes),
        op_flags: op_flags(mount) | if recursive { flag::RECURSIVE } else { 0 },
    });
    order.child(Origin::Config(place), act);
    // Where the root is shared, the copy is a peer of the host's mount until it says otherwise.
    if order.shares_mounts() && options.propagation.is_empty() && tree.is_none() {
        let loosened = ChildAct::Attributes {
            target: target(mount),
            set: 0,
            clear: 0,
            propagation: crate::propagation::flag(Propagation::Slave),
            recursive: true,
        };
        order.child(Origin::Config(place), loosened);
    }
    Ok(())
}

fn asks_for_sharing(options: &Options<'_>) -> bool {
    let asked = options.propagation.iter();
    asked
        .map(|one| one.single())
        .any(|one| one == Propagation::Shared)
}

fn absolute<'a>(bundle: &str, source: &'a str) -> Text<'a> {
    if source.starts_with('/') {
        Cow::Borrowed(source)
    } else {
        Cow::Owned(format!("{}/{source}", bundle.trim_end_matches('/')))
    }
}

/// What follows the mount itself: attributes of all below it, and propagation.
fn add_changes<'a>(
    order: &mut Order<'a, '_>,
    mount: &'a Mount<'a>,
    options: &Options<'_>,
    place: Place,
) {
    let tree = options.tree_attributes;
    if !tree.is_empty() && (options.bind.is_none() || options.remount) {
        let (set, clear) = (tree.set, tree.clear);
        let act = ChildAct::Attributes {
            target: target(mount),
            set,
            clear,
            propagation: 0,
            recursive: true,
        };
        order.child(Origin::Config(place), act);
    }
    for propagation in &options.propagation {
        order.child(
            Origin::Config(place),
            ChildAct::Attributes {
                target: target(mount),
                set: 0,
                clear: 0,
                propagation: crate::propagation::flag(*propagation),
                recursive: propagation.is_recursive(),
            },
        );
    }
}

/// The container's view of its cgroups: the hierarchies that it is in, and no others. Where that is
/// the v2 one alone, it is what is mounted; else there is a directory for each.
fn add_cgroup<'a>(
    order: &mut Order<'a, '_>,
    mount: &'a Mount<'a>,
    options: &Options<'_>,
    place: Place,
) -> Result<(), Error> {
    let flags = mount_flags(options.attributes, options.superblock.set);
    let own = order.namespaced(NamespaceType::Cgroup);
    let leaves = &order.request.cgroup.leaves;
    let only_v2 = leaves
        .iter()
        .all(|leaf| leaf.version == cgroup::Version::V2);
    if !own {
        return bind_cgroup(order, mount, options, place, only_v2);
    }
    let cgroup_mount = |name: &str, kind: &'static str, target: Text<'a>| {
        let data = if kind == "cgroup2" {
            String::new()
        } else {
            String::from(name)
        };
        ChildAct::Mount(NewMount {
            kind: Cow::Borrowed(kind),
            source: Cow::Borrowed("cgroup"),
            target,
            flags,
            data,
            op_flags: 0,
            host_attributes: (0, 0),
        })
    };
    if only_v2 {
        order.child(
            Origin::Config(place),
            cgroup_mount("", "cgroup2", target(mount)),
        );
        return Ok(());
    }
    order.child(Origin::Config(place), cgroup_directory(mount, flags & !1));
    for leaf in leaves {
        let name = leaf.mount.rsplit('/').next().unwrap_or("cgroup");
        let kind = if leaf.version == cgroup::Version::V2 {
            "cgroup2"
        } else {
            "cgroup"
        };
        let path = Cow::Owned(format!("{}/{name}", target(mount)));
        order.child(
            Origin::Config(place),
            cgroup_mount(&v1_data(leaf), kind, path),
        );
    }
    seal_cgroup_directory(order, mount, flags, place);
    Ok(())
}

/// A v1 hierarchy is mounted again by naming its controllers; systemd's has none, but a name.
fn v1_data(leaf: &cgroup::Leaf) -> String {
    if leaf.controllers.has(cgroup::Controller::Systemd) {
        return String::from("none,name=systemd");
    }
    let mut names = String::new();
    for controller in leaf.controllers.iter() {
        if !names.is_empty() {
            names.push(',');
        }
        names.push_str(controller.v1_name());
    }
    names
}

fn cgroup_directory<'a>(mount: &'a Mount<'a>, flags: u64) -> ChildAct<'a> {
    ChildAct::Mount(NewMount {
        kind: Cow::Borrowed("tmpfs"),
        source: Cow::Borrowed("cgroup"),
        target: target(mount),
        flags,
        data: String::from("mode=755,size=64k"),
        op_flags: 0,
        host_attributes: (0, 0),
    })
}

fn seal_cgroup_directory<'a>(
    order: &mut Order<'a, '_>,
    mount: &'a Mount<'a>,
    flags: u64,
    place: Place,
) {
    if flags & 1 != 0 {
        let (set, target) = (attribute::RDONLY, target(mount));
        let act = ChildAct::Attributes {
            target,
            set,
            clear: 0,
            propagation: 0,
            recursive: false,
        };
        order.child(Origin::Config(place), act);
    }
}

/// Without a cgroup namespace the container's own directories are bound, or it would see the host's.
fn bind_cgroup<'a>(
    order: &mut Order<'a, '_>,
    mount: &'a Mount<'a>,
    options: &Options<'_>,
    place: Place,
    only_v2: bool,
) -> Result<(), Error> {
    let flags = mount_flags(options.attributes, options.superblock.set);
    let bind = |dir: String, target: Text<'a>| {
        ChildAct::Bind(Bind {
            source: Cow::Owned(dir),
            target,
            tree: None,
            attributes: pack(options.attributes),
            recursive_attributes: (0, 0),
            op_flags: 0,
        })
    };
    let leaves = &order.request.cgroup.leaves;
    // One that has no cgroup of its own, because its runtime may make none, sees none.
    if let (true, Some(leaf)) = (only_v2, leaves.first()) {
        order.child(Origin::Config(place), bind(leaf.dir(), target(mount)));
        return Ok(());
    }
    order.child(Origin::Config(place), cgroup_directory(mount, flags & !1));
    for leaf in leaves {
        let name = leaf.mount.rsplit('/').next().unwrap_or("cgroup");
        let path = Cow::Owned(format!("{}/{name}", target(mount)));
        order.child(Origin::Config(place), bind(leaf.dir(), path));
    }
    seal_cgroup_directory(order, mount, flags, place);
    Ok(())
}

/// Adds the nodes and links that every container has in `/dev`, and those that `linux.devices` asks for.
pub(crate) fn add_devices<'a>(order: &mut Order<'a, '_>) -> Result<(), Error> {
    let always = Origin::Always("every container has these devices");
    let linux = order.request.spec.linux.as_ref();
    let asked = linux.map_or(&[][..], |linux| &linux.devices);
    for (path, major, minor) in DEFAULT_DEVICES {
        if !asked.iter().any(|device| device.path.as_str() == path) {
            let act = node(order, path, 0o020_666, (major, minor), (0, 0));
            order.child(always, act);
        }
    }
    for (index, device) in asked.iter().enumerate() {
        let place = Place::item("linux.devices", index);
        let act = device_node(order, device, place)?;
        order.child(Origin::Config(place), act);
    }
    for (path, text) in DEFAULT_LINKS {
        order.child(
            always,
            ChildAct::Link {
                path: Cow::Borrowed(path),
                text,
            },
        );
    }
    Ok(())
}

fn device_node<'a>(
    order: &Order<'a, '_>,
    device: &'a Device<'a>,
    place: Place,
) -> Result<ChildAct<'a>, Error> {
    let kind = match device.kind {
        DeviceType::Char | DeviceType::Unbuffered => 0o020_000,
        DeviceType::Block => 0o060_000,
        DeviceType::Fifo => S_IFIFO,
    };
    if device.path.starts_with("/proc/") || device.path.starts_with("/sys/") {
        return Err(Error::bad(
            place.at("path"),
            "no node may be made in /proc or /sys",
        ));
    }
    let mode = kind | device.permissions();
    let owner = (device.uid.unwrap_or(0), device.gid.unwrap_or(0));
    Ok(node(
        order,
        &device.path,
        mode,
        (device.major, device.minor),
        owner,
    ))
}

/// A user namespace may not make nodes of devices; the host's are bound there.
fn node<'a>(
    order: &Order<'a, '_>,
    path: &'a str,
    mode: u32,
    (major, minor): (u32, u32),
    (uid, gid): (u32, u32),
) -> ChildAct<'a> {
    ChildAct::Node {
        path: Cow::Borrowed(path),
        mode,
        major,
        minor,
        uid,
        gid,
        bound: order.in_user_namespace() && mode & S_IFMT != S_IFIFO,
    }
}
