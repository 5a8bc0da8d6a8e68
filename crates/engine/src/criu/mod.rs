//! `checkpoint` and `restore`: criu(8) does the work, asked over its own protocol (`rpc.proto`).
//!
//! What is the container's own (its procfs, tmpfs, devpts) criu saves and makes again. What comes from outside
//! it is told by a name: bind mounts and cgroup mounts by their destination, namespaces that were joined
//! by their kind, the standard streams by what they are. Where such a thing is on this host is always taken
//! from the configuration and from this process, never from the saved files.

mod checkpoint;
mod external;
mod mountpoints;
mod program;
mod request;
mod restore;
mod service;

pub use restore::Restored;
#[cfg(fuzzing)]
pub use service::is_answer;

/// How far criu sees to cgroups (`--manage-cgroups-mode` of criu(8)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupsMode {
    /// Not at all.
    Ignore,
    /// Properties of those that it made itself.
    Soft,
    /// All properties.
    Full,
    /// All properties, and none of the cgroups may be there already.
    Strict,
}

impl CgroupsMode {
    /// The mode of this name, as runc takes it; empty is `soft`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" | "soft" => Self::Soft,
            "ignore" => Self::Ignore,
            "full" => Self::Full,
            "strict" => Self::Strict,
            _ => return None,
        })
    }

    /// `enum criu_cg_mode`.
    const fn number(self) -> u32 {
        match self {
            Self::Ignore => 0,
            Self::Soft => 3,
            Self::Full => 4,
            Self::Strict => 5,
        }
    }
}

/// What `checkpoint` and `restore` are told alike.
#[derive(Clone, Copy, Debug)]
pub struct CriuOptions<'a> {
    /// The directory of the saved files, absolute.
    pub images: &'a str,
    /// Where criu's log goes, absolute, if not into `images`.
    pub work: Option<&'a str>,
    /// Allow TCP connections.
    pub tcp_established: bool,
    /// Allow Unix sockets whose other end is outside.
    pub ext_unix_sk: bool,
    /// Allow a terminal of the caller's.
    pub shell_job: bool,
    /// Allow file locks.
    pub file_locks: bool,
    /// Take pages out of older images that newer ones have.
    pub auto_dedup: bool,
    /// How far criu sees to cgroups.
    pub cgroups: CgroupsMode,
}

/// What `checkpoint` is told.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointOptions<'a> {
    /// As for `restore`.
    pub criu: CriuOptions<'a>,
    /// An earlier pre-dump's directory, relative to `images`.
    pub parent: Option<&'a str>,
    /// Save memory only; the container runs on.
    pub pre_dump: bool,
    /// The container runs on.
    pub leave_running: bool,
    /// Leave out TCP connections that are not established yet.
    pub tcp_skip_in_flight: bool,
    /// Link files that were unlinked back while they are saved.
    pub link_remap: bool,
    /// A page server's address and port.
    pub page_server: Option<(&'a str, u16)>,
}

/// What `restore` is told.
#[derive(Clone, Copy, Debug)]
pub struct RestoreOptions<'a> {
    /// As for `checkpoint`.
    pub criu: CriuOptions<'a>,
    /// Another LSM profile, as `TYPE:NAME`.
    pub lsm_profile: Option<&'a str>,
    /// Another LSM context for mounts.
    pub lsm_mount_context: Option<&'a str>,
}
