//! The configuration that `spec` writes for a start.

use alloc::vec;
use alloc::vec::Vec;

use crate::state::OCI_VERSION;
use crate::{
    Access, CapSet, Capabilities, DeviceRule, Linux, Mount, Namespace, NamespaceType, Process,
    Resources, Rlimit, RlimitKind, Root, Spec, Str, User,
};

/// What `spec` writes, and what every engine's users start from: a shell on a terminal, three
/// capabilities, the namespaces and file systems that programs expect.
///
/// Byte for byte what runc 1.5 writes. On a host with unified cgroups it adds a cgroup namespace.
pub fn default_spec() -> Spec<'static> {
    Spec {
        oci_version: OCI_VERSION.into(),
        process: Some(process()),
        root: Some(Root {
            path: "rootfs".into(),
            readonly: true,
        }),
        hostname: Some("runc".into()),
        mounts: mounts(),
        linux: Some(linux()),
        ..Spec::default()
    }
}

fn process() -> Process<'static> {
    let names = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    let caps = names
        .into_iter()
        .filter_map(CapSet::from_name)
        .fold(CapSet::EMPTY, CapSet::union);
    Process {
        terminal: true,
        user: User::default(),
        args: strings(&["sh"]),
        env: strings(&[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TERM=xterm",
        ]),
        cwd: "/".into(),
        capabilities: Some(Capabilities {
            bounding: caps,
            effective: caps,
            permitted: caps,
            ..Capabilities::default()
        }),
        rlimits: vec![Rlimit {
            kind: RlimitKind::Nofile,
            hard: 1024,
            soft: 1024,
        }],
        no_new_privileges: true,
        ..Process::default()
    }
}

fn mounts() -> Vec<Mount<'static>> {
    let quiet = ["nosuid", "noexec", "nodev"];
    let with = |more: &[&'static str]| [quiet.as_slice(), more].concat();
    vec![
        mount("/proc", "proc", "proc", &[]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &with(&["mode=1777", "size=65536k"]),
        ),
        mount("/dev/mqueue", "mqueue", "mqueue", &quiet),
        mount("/sys", "sysfs", "sysfs", &with(&["ro"])),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &with(&["relatime", "ro"]),
        ),
    ]
}

fn mount(
    destination: &'static str,
    fstype: &'static str,
    source: &'static str,
    options: &[&'static str],
) -> Mount<'static> {
    Mount {
        destination: destination.into(),
        fstype: Some(fstype.into()),
        source: Some(source.into()),
        options: strings(options),
        ..Mount::default()
    }
}

fn linux() -> Linux<'static> {
    use NamespaceType::{Ipc, Mount, Network, Pid, Uts};
    let deny_all = DeviceRule {
        access: Access::ALL,
        ..DeviceRule::default()
    };
    Linux {
        resources: Some(Resources {
            devices: vec![deny_all],
            ..Resources::default()
        }),
        namespaces: [Pid, Network, Ipc, Uts, Mount].map(Namespace::new).into(),
        masked_paths: MASKED_PATHS
            .iter()
            .filter(|path| **path != POWER_METERS)
            .map(|path| Str::new(path))
            .collect(),
        readonly_paths: strings(READONLY_PATHS),
        ..Linux::default()
    }
}

/// What of `/proc` and `/sys` says too much about the host.
pub const MASKED_PATHS: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    POWER_METERS,
    "/proc/scsi",
];

/// Tells what others compute (CVE-2020-8694); not among what `spec` writes, as runc's does not have it.
const POWER_METERS: &str = "/sys/devices/virtual/powercap";

/// What of `/proc` would let a container change the host.
pub const READONLY_PATHS: &[&str] = &[
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

fn strings(texts: &[&'static str]) -> Vec<Str<'static>> {
    texts.iter().copied().map(Str::new).collect()
}
