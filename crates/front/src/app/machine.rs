//! What lowering needs to know of the host and of the person at it; gathered once, then plain data.

use std::collections::BTreeMap;
use std::path::Path;

use spec::CapSet;

use crate::error::{About, Parsed, Result};

/// The host and the caller, as far as options refer to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The container's id: 64 hexadecimal digits.
    pub id: String,
    /// The container's own directory on the host; the files of [`super::Extras::files`] go there.
    pub dir: String,
    /// The caller's environment, for `--env NAME`.
    pub environment: BTreeMap<String, String>,
    /// The caller's working directory, for relative paths.
    pub directory: String,
    /// The host's name.
    pub hostname: String,
    /// How many processors the host has.
    pub cpus: u32,
    /// Whether SELinux is in force, so that `:z` would mean something.
    pub selinux: bool,
    /// Whether the host has message queues mounted, at `/dev/mqueue`.
    pub message_queues: bool,
    /// The capabilities that this process has, and can give.
    pub capabilities: CapSet,
    /// Whether the kernel can limit swap.
    pub swap_limit: bool,
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
}

/// There are none: every name is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContainers;

impl Containers for NoContainers {
    fn namespace(&self, container: &str, _kind: &str) -> Parsed<String> {
        Err(crate::Fault::not_found(format!(
            "no such container: {container}"
        )))
    }
}

impl Machine {
    /// Asks the host. `id` and `dir` are those of the container to be made.
    ///
    /// # Errors
    /// When the working directory is gone or is not UTF-8.
    pub fn read(id: &str, dir: &str) -> Result<Self> {
        let directory = std::env::current_dir().about(|| "working directory".to_owned())?;
        let text = |path: &str| {
            std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Self {
            id: id.to_owned(),
            dir: dir.to_owned(),
            environment: environment(),
            directory: directory.to_string_lossy().into_owned(),
            hostname: text("/proc/sys/kernel/hostname")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            cpus: cpus(),
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            message_queues: Path::new("/dev/mqueue").is_dir(),
            capabilities: capabilities(&text("/proc/self/status").unwrap_or_default()),
            swap_limit: swap_limit(),
            hosts: text("/etc/hosts").unwrap_or_default(),
            resolv_conf: text("/etc/resolv.conf").unwrap_or_default(),
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
        let machine = Machine::read("0123456789abcdef", "/x").unwrap();
        assert!(
            machine.cpus > 0 && !machine.hostname.is_empty() && machine.directory.starts_with('/')
        );
        assert_eq!(machine.short_id(), "0123456789ab");
        assert_eq!(machine.absolute("./a"), format!("{}/a", machine.directory));
    }
}
