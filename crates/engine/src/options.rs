//! What a container is made from.

use alloc::string::String;
use alloc::vec::Vec;

use plan::{Overlay, Root};
use spec::Spec;

/// The parent of cgroups that nobody gave a path.
pub(crate) const CGROUP_PARENT: &str = "stockade";

/// What [`Engine::kill`](crate::Engine::kill) tells a first process that keeps a container ([`Options::keeper`]).
pub mod keeper {
    /// End, as soon as no other process is left: SIGUSR1.
    pub const LEAVE: i32 = 10;
    /// Stay, even alone: SIGUSR2.
    pub const STAY: i32 = 12;
    /// A process whose parent is outside has ended: SIGCONT.
    pub const LOOK: i32 = 18;
}

/// Who takes the terminal's master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terminal<'a> {
    /// Nobody; a configuration that asks for a terminal is refused.
    #[default]
    None,
    /// The caller, from [`crate::Launched::terminal`].
    Caller,
    /// The caller, who does not show it on a terminal: lines end in a newline alone.
    Plain,
    /// Whoever listens on this Unix socket (`--console-socket`).
    Socket(&'a str),
}

/// What a container is made from.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// Its name.
    pub id: &'a str,
    /// The bundle's absolute path.
    pub bundle: &'a str,
    /// The configuration.
    pub spec: &'a Spec<'a>,
    /// The configuration's text, of which a copy is kept.
    pub config: &'a [u8],
    /// The root, where it is not `root.path` of the configuration.
    pub root: Option<Root>,
    /// Overlays over the root.
    pub overlays: Vec<Overlay>,
    /// Translate the root's owners by the user namespace's maps.
    pub translate_root: bool,
    /// Who takes the terminal.
    pub terminal: Terminal<'a>,
    /// Where the pid is written.
    pub pid_file: Option<&'a str>,
    /// Do not use pivot_root.
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// How many descriptors from 3 up the payload keeps.
    pub preserve_fds: u32,
    /// How many of those are sockets of LISTEN_FDS, of which the payload is told.
    pub listen_fds: u32,
    /// Run the built-in init as PID 1.
    pub init: bool,
    /// There is no payload: the first process keeps the container for those of `exec`, until it is alone and was told
    /// not to stay ([`crate::keeper`]).
    pub keeper: bool,
    /// Keep its processes away from abstract sockets that others made, where the kernel can (Linux 6.12): for those
    /// that share the host's network.
    pub scoped: bool,
    /// Bring up the loopback interface of a new network namespace.
    pub loopback: bool,
    /// Make the working directory where it is missing.
    pub make_work_dir: bool,
    /// The parent of cgroups whose path the configuration does not give, without slashes around it.
    pub cgroup_parent: &'a str,
    /// Have systemd make the cgroup: `linux.cgroupsPath` is `slice:prefix:name` then.
    pub systemd: bool,
    /// Directories inside that are made where they are missing.
    pub directories: Vec<String>,
    /// Enter the hierarchies that count memory, processor time and processes, even without limits.
    pub count_use: bool,
    /// Return only when the payload was executed, or failed to be.
    pub await_exec: bool,
    /// A fault to act out, for crash tests.
    pub fault: crate::fault::Fault,
}

impl<'a> Options<'a> {
    /// Options with every switch off.
    pub fn new(id: &'a str, bundle: &'a str, spec: &'a Spec<'a>, config: &'a [u8]) -> Self {
        Self {
            id,
            bundle,
            spec,
            config,
            root: None,
            overlays: Vec::new(),
            translate_root: false,
            terminal: Terminal::None,
            pid_file: None,
            no_pivot: false,
            no_new_keyring: false,
            preserve_fds: 0,
            listen_fds: 0,
            init: false,
            keeper: false,
            scoped: false,
            loopback: false,
            make_work_dir: false,
            cgroup_parent: CGROUP_PARENT,
            systemd: false,
            directories: Vec::new(),
            count_use: false,
            await_exec: false,
            fault: crate::fault::Fault::default(),
        }
    }

    /// The root's directory on the host, absolute.
    pub(crate) fn root_path(&self) -> String {
        let path = self
            .spec
            .root
            .as_ref()
            .map_or("", |root| root.path.as_str());
        if path.starts_with('/') {
            return String::from(path);
        }
        alloc::format!("{}/{path}", self.bundle.trim_end_matches('/'))
    }
}
