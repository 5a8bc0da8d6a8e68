//! The eight kinds of namespace.

/// A kind of namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in `/proc/PID/ns`.
    pub name: &'static str,
    /// The option's name.
    pub option: &'static str,
    /// The file in `/proc/PID/ns` that is the namespace of children to come, where that is another.
    pub of_children: &'static str,
    /// Its `CLONE_NEW…` flag (namespaces(7)).
    pub flag: u32,
}

const fn kind(name: &'static str, option: &'static str, flag: u32) -> Kind {
    Kind {
        name,
        option,
        of_children: name,
        flag,
    }
}

/// User namespaces.
pub const USER: Kind = kind("user", "user", 0x1000_0000);
/// Mount namespaces.
pub const MOUNT: Kind = kind("mnt", "mount", 0x2_0000);
/// Process namespaces.
pub const PID: Kind = Kind {
    of_children: "pid_for_children",
    ..kind("pid", "pid", 0x2000_0000)
};
/// Time namespaces.
pub const TIME: Kind = Kind {
    of_children: "time_for_children",
    ..kind("time", "time", 0x80)
};

/// All of them, in the order in which they are entered: the user namespace first, as it gives the right to
/// enter those that it owns; the mount namespace last but time's, as paths mean something else behind it.
pub const ALL: [Kind; 8] = [
    USER,
    kind("cgroup", "cgroup", 0x200_0000),
    kind("ipc", "ipc", 0x800_0000),
    kind("uts", "uts", 0x400_0000),
    kind("net", "net", 0x4000_0000),
    PID,
    MOUNT,
    TIME,
];
