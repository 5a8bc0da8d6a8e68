//! What a plan is made from.

use alloc::string::String;
use alloc::vec::Vec;

use spec::Spec;

/// What is to become of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The payload is executed at once.
    Run,
    /// The payload waits for `start`.
    Create,
}

/// Where the root file system comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// A directory of the host, absolute.
    Directory(String),
    /// An overlay that is mounted on a directory of the host.
    Overlay(Overlay),
}

/// An overlay mount: mount(2) takes one page of options, so that the paths in them may be relative to
/// `base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Where it is mounted: a path of the host for a root, of the container else.
    pub target: String,
    /// overlayfs options, such as `lowerdir=a:b,upperdir=c,workdir=d`.
    pub options: String,
    /// The directory of the host that relative paths start from; may be empty.
    pub base: String,
}

/// A seccomp program as the kernel takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program<'a> {
    /// 8-byte instructions in the machine's byte order.
    pub instructions: &'a [u8],
    /// `SECCOMP_FILTER_FLAG_…`.
    pub flags: u64,
    /// Whether a listener comes of it.
    pub listener: bool,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The container's name.
    pub id: &'a str,
    /// The configuration, checked.
    pub spec: &'a Spec<'a>,
    /// The bundle's directory, absolute: relative mount sources start there.
    pub bundle: &'a str,
    /// The root file system.
    pub root: Root,
    /// More overlays, mounted over the root before everything else.
    pub overlays: Vec<Overlay>,
    /// Run or create.
    pub act: Act,
    /// The cgroup, lowered.
    pub cgroup: &'a cgroup::Lowered<'a>,
    /// The unit that systemd makes the cgroup for.
    pub unit: Option<&'a str>,
    /// The seccomp program of `linux.seccomp`, compiled.
    pub seccomp: Option<Program<'a>>,
    /// Whether somebody takes the terminal's master, where `process.terminal` asks for one.
    pub terminal: bool,
    /// `--console-socket`
    pub console_socket: Option<&'a str>,
    /// `--pid-file`
    pub pid_file: Option<&'a str>,
    /// `--no-pivot`
    pub no_pivot: bool,
    /// `--no-new-keyring`
    pub no_new_keyring: bool,
    /// `--preserve-fds`: how many descriptors from 3 up the payload keeps.
    pub preserve_fds: u32,
    /// How many of those are sockets of LISTEN_FDS, of which the payload's environment tells it.
    pub listen_fds: u32,
    /// Run the built-in init as PID 1.
    pub init: bool,
    /// There is no payload: the first process keeps the container for those that join it, and `/dev` is made only where it is
    /// mounted.
    pub keeper: bool,
    /// Keep processes away from abstract sockets that others made in the network namespace.
    pub scoped: bool,
    /// Bring up the loopback interface of a new network namespace.
    pub loopback: bool,
    /// Translate the root's owners by the user namespace's maps.
    pub translate_root: bool,
    /// Make the working directory where it is missing.
    pub make_work_dir: bool,
    /// Directories inside that are made where they are missing, absolute.
    pub directories: Vec<String>,
}

/// What `exec` runs in a container that is there.
#[derive(Clone, Debug)]
pub struct Exec<'a> {
    /// The process; its user, environment, privileges.
    pub process: &'a spec::Process<'a>,
    /// The container's `linux`: what is set for each of its processes.
    pub linux: Option<&'a spec::Linux<'a>>,
    /// Namespaces to join, as `CLONE_NEW…` flags.
    pub namespaces: u64,
    /// Become root of the user namespace that is joined.
    pub become_root: bool,
    /// Keep it away from abstract sockets that others made in the network namespace.
    pub scoped: bool,
    /// The container's seccomp program.
    pub seccomp: Option<Program<'a>>,
    /// Cgroup v1 hierarchies to enter, by index and name.
    pub cgroups: Vec<(usize, &'static str)>,
    /// Descriptors that the process keeps from 3 up.
    pub preserve_fds: u32,
    /// How many of those are sockets of LISTEN_FDS, of which the payload's environment tells it.
    pub listen_fds: u32,
    /// Keyring name, or none.
    pub keyring: Option<&'a str>,
}

/// What this host and process can do: found by few system calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// The capabilities that the runtime itself may use: it can give no others.
    pub permitted: spec::CapSet,
    /// Whether it has CAP_SYS_ADMIN where it is: it may make namespaces without a user namespace.
    pub administers: bool,
    /// Whether it may copy mounts of its mount namespace. Looked at only for a container with a user
    /// namespace.
    pub copies_mounts: bool,
    /// AppArmor is enabled; not looked at unless a profile is asked for.
    pub apparmor: bool,
    /// SELinux is enabled; not looked at unless a label is asked for.
    pub selinux: bool,
}
