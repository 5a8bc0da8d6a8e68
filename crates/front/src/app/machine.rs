//! What lowering needs to know of the host and of the person at it; gathered once, then plain data.

use std::collections::BTreeMap;
use std::path::Path;

use spec::{CapSet, RlimitKind};
use sys::rustix::fs::OFlags;
use sys::rustix::process::{Resource, getrlimit};

use super::options::RunOptions;

use crate::error::{About, Parsed, Result};

/// The host and the caller, as far as options refer to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The container's id: 64 hexadecimal digits.
    pub id: String,
    /// The container's own directory on the host; the files of [`super::Extras::files`] go there.
    pub dir: String,
    /// Where an overlay root is mounted, in the container's own mount namespace.
    pub mountpoint: String,
    /// Where volumes are kept.
    pub volumes: String,
    /// The caller's environment, for `--env NAME`.
    pub environment: BTreeMap<String, String>,
    /// The caller's working directory, for relative paths.
    pub directory: String,
    /// The host's name.
    pub hostname: String,
    /// How many processors the host has; 0 where no option is about them.
    pub cpus: u32,
    /// Whether SELinux is in force, so that `:z` would mean something.
    pub selinux: bool,
    /// Whether the host has message queues mounted, at `/dev/mqueue`.
    pub message_queues: bool,
    /// The capabilities that this process has, and can give.
    pub capabilities: CapSet,
    /// The hard resource limits of this process.
    pub hard_limits: Vec<(RlimitKind, u64)>,
    /// Whether the kernel can limit swap.
    pub swap_limit: bool,
    /// The caller's user and group, where that is not root.
    pub ordinary_user: Option<(u32, u32)>,
    /// The host's `/etc/hosts`.
    pub hosts: String,
    /// The host's `/etc/resolv.conf`.
    pub resolv_conf: String,
}

/// The containers that others can join.
pub trait Containers {
    /// A file that stands for a namespace (`pid`, …) of the running container with this name or id,
    /// such as `/proc/4711/ns/pid`.
    fn namespace(&self, container: &str, kind: &str) -> Parsed<String>;

    /// The directory of the container with this name or id, where its host files are.
    fn directory(&self, container: &str) -> Parsed<String>;
}

/// There are none: every name is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContainers;

impl Containers for NoContainers {
    fn namespace(&self, container: &str, _kind: &str) -> Parsed<String> {
        self.directory(container)
    }

    fn directory(&self, container: &str) -> Parsed<String> {
        Err(crate::Fault::not_found(format!(
            "no such container: {container}"
        )))
    }
}

impl Machine {
    /// Asks the host what these options are about; what they do not refer to is left empty.
    ///
    /// `id` and `dir` are those of the container to be made.
    ///
    /// # Errors
    /// When the working directory is gone or is not UTF-8.
    pub fn read(id: &str, dir: &str, options: &RunOptions) -> Result<Self> {
        let directory = std::env::current_dir().about(|| "working directory".to_owned())?;
        let uname = sys::rustix::system::uname();
        let hosts_net = options.net.as_deref() == Some("host");
        let hosts_text = |path| match hosts_net {
            true => text(path),
            false => String::new(),
        };
        Ok(Self {
            id: id.to_owned(),
            dir: dir.to_owned(),
            mountpoint: String::new(),
            volumes: String::new(),
            environment: environment(),
            directory: directory.to_string_lossy().into_owned(),
            hostname: uname.nodename().to_string_lossy().into_owned(),
            cpus: options.cpus.as_ref().map_or(0, |_| cpus()),
            selinux: names_volumes(options) && Path::new("/sys/fs/selinux/enforce").exists(),
            message_queues: options.ipc.is_some() && Path::new("/dev/mqueue").is_dir(),
            capabilities: capabilities(&text("/proc/self/status")),
            hard_limits: hard_limits(),
            swap_limit: options.memory.is_some() && swap_limit(),
            ordinary_user: ordinary_user(),
            hosts: hosts_text("/etc/hosts"),
            resolv_conf: hosts_text("/etc/resolv.conf"),
        })
    }

    /// The first twelve digits of the id: the default host name.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// A path of the host, made absolute.
    pub fn absolute(&self, path: &str) -> String {
        let below = path.strip_prefix("./").unwrap_or(path);
        if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{below}", self.directory)
        }
    }
}

/// The text of a file; none where it cannot be read.
fn text(path: &str) -> String {
    const LARGEST: usize = 16 << 20;
    let read = sys::file::open(path, OFlags::RDONLY)
        .and_then(|file| sys::file::read_all(&file, LARGEST, path));
    read.map_or(String::new(), |bytes| {
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn names_volumes(options: &RunOptions) -> bool {
    !(options.volume.is_empty() && options.mount.is_empty())
}

/// The caller's user and group; none for root. Root's costs nothing: the kernel has told it.
fn ordinary_user() -> Option<(u32, u32)> {
    let user = sys::initial::effective_user();
    (user != 0).then(|| (user, sys::rustix::process::getegid().as_raw()))
}

/// The caller's variables that are text.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect()
}

/// The processors that are there at all, not only those that this process may use.
fn cpus() -> u32 {
    let range = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let count = |part: &str| match part.split_once('-') {
        Some((low, high)) => Some(high.parse::<u32>().ok()?.checked_sub(low.parse().ok()?)? + 1),
        None => part.parse::<u32>().ok().map(|_| 1),
    };
    range
        .trim()
        .split(',')
        .map(count)
        .sum::<Option<u32>>()
        .filter(|n| *n > 0)
        .unwrap_or(1)
}

/// What is both in the permitted and in the bounding set, from proc_pid_status(5).
fn capabilities(status: &str) -> CapSet {
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
            .map_or(CapSet::EMPTY, CapSet)
    };
    set("CapPrm:").intersection(set("CapBnd:"))
}

fn hard_limits() -> Vec<(RlimitKind, u64)> {
    let kinds = [
        (RlimitKind::As, Resource::As),
        (RlimitKind::Core, Resource::Core),
        (RlimitKind::Cpu, Resource::Cpu),
        (RlimitKind::Data, Resource::Data),
        (RlimitKind::Fsize, Resource::Fsize),
        (RlimitKind::Locks, Resource::Locks),
        (RlimitKind::Memlock, Resource::Memlock),
        (RlimitKind::Msgqueue, Resource::Msgqueue),
        (RlimitKind::Nice, Resource::Nice),
        (RlimitKind::Nofile, Resource::Nofile),
        (RlimitKind::Nproc, Resource::Nproc),
        (RlimitKind::Rss, Resource::Rss),
        (RlimitKind::Rtprio, Resource::Rtprio),
        (RlimitKind::Rttime, Resource::Rttime),
        (RlimitKind::Sigpending, Resource::Sigpending),
        (RlimitKind::Stack, Resource::Stack),
    ];
    kinds
        .into_iter()
        .map(|(kind, resource)| (kind, getrlimit(resource).maximum.unwrap_or(u64::MAX)))
        .collect()
}

/// Whether a cgroup has a file to limit swap with. The root of the unified hierarchy has none, so we
/// look at one below it.
fn swap_limit() -> bool {
    if Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists() {
        return true;
    }
    let children = std::fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten();
    children
        .map(|child| child.path())
        .any(|child| child.join("memory.swap.max").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_of_a_process() {
        let status = "Name:\tx\nCapInh:\t0\nCapPrm:\t000000000000000f\nCapBnd:\t00000000a80425fa\n";
        assert_eq!(capabilities(status), CapSet(0xa));
        assert_eq!(capabilities(""), CapSet::EMPTY);
    }

    #[test]
    fn this_machine() {
        let options = RunOptions {
            cpus: Some("1".to_owned()),
            ..RunOptions::default()
        };
        let machine = Machine::read("0123456789abcdef", "/x", &options).unwrap();
        assert!(
            machine.cpus > 0 && !machine.hostname.is_empty() && machine.directory.starts_with('/')
        );
        assert_eq!(machine.short_id(), "0123456789ab");
        assert_eq!(machine.absolute("./a"), format!("{}/a", machine.directory));
    }
}
