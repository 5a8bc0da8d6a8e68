//! What is of the container but comes from outside it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use spec::{Mount, NamespaceType, Spec};
use sys::error::OnCall;
use sys::rustix::fs::{CWD, OFlags, readlinkat, stat};
use sys::{AsFd, AsRawFd, file, root};

use crate::error::{Error, Kind, Result};
use crate::record::Record;

const NULL: &str = "/dev/null";

/// A line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MountLine<'t> {
    /// The mount's number.
    pub(super) id: &'t str,
    /// The number of its file system.
    device: &'t str,
    /// What of its file system it shows.
    root: &'t str,
    /// Where it is, as the process sees it.
    pub(super) at: String,
    /// Its file system.
    pub(super) fstype: &'t str,
}

/// The lines of a mountinfo.
pub(super) fn mount_lines(text: &str) -> Vec<MountLine<'_>> {
    text.lines().filter_map(mount_line).collect()
}

fn mount_line(line: &str) -> Option<MountLine<'_>> {
    let (before, after) = line.split_once(" - ")?;
    let mut words = before.split(' ');
    Some(MountLine {
        id: words.next()?,
        device: words.nth(1)?,
        root: words.next()?,
        at: unescaped(words.next()?),
        fstype: after.split(' ').next()?,
    })
}

/// Spaces, tabs, newlines and backslashes are octal there.
fn unescaped(text: &str) -> String {
    let pairs = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    pairs.iter().fold(String::from(text), |text, (from, to)| {
        text.replace(from, to)
    })
}

/// Where a mount's destination is beneath `root`.
pub(super) fn destination(root: impl AsFd, mount: &Mount<'_>) -> String {
    resolved(root, &mount.destination)
}

/// A path beneath `root`, as the kernel resolves it. One that is not there is on another mount, and taken by its
/// words.
fn resolved(root: impl AsFd, path: &str) -> String {
    let words = format!("/{}", path.trim_matches('/'));
    let found = root::open(&root, &words, OFlags::PATH).ok().and_then(|at| {
        let link = |fd| readlinkat(CWD, format!("/proc/self/fd/{fd}"), Vec::new()).ok();
        let top = link(root.as_fd().as_raw_fd())?.into_string().ok()?;
        let path = link(at.as_raw_fd())?.into_string().ok()?;
        let below = path.strip_prefix(top.trim_end_matches('/'))?;
        below.starts_with('/').then(|| String::from(below))
    });
    found.unwrap_or(words)
}

/// The bind mounts of a configuration.
pub(super) fn binds<'s>(spec: &'s Spec<'s>) -> impl Iterator<Item = &'s Mount<'s>> {
    spec.mounts
        .iter()
        .filter(|mount| mount.parsed_options().bind.is_some())
}

/// The devices of a configuration that may be the host's nodes, by their paths in the container and on the host:
/// root of a user namespace makes none, so that those are bound. What hides a file is the host's null device, too.
pub(super) fn devices<'s>(spec: &'s Spec<'s>) -> Vec<(&'s str, &'s str)> {
    let linux = spec.linux.as_ref();
    let asked = linux.map_or(&[][..], |linux| &linux.devices);
    let masked = linux.map_or(&[][..], |linux| &linux.masked_paths);
    let always = plan::DEFAULT_DEVICES.iter().map(|(path, _, _)| *path);
    let asked = asked.iter().map(|device| device.path.as_str());
    let same = always.chain(asked).map(|path| (path, path));
    let masked = masked.iter().map(|path| (path.as_str(), NULL));
    same.chain(masked).collect()
}

/// The mounts that are devices of the host's: each with the device's path there.
pub(super) fn device_mounts<'l>(
    root: impl AsFd,
    spec: &'l Spec<'_>,
    lines: &'l [MountLine<'_>],
) -> Vec<(&'l MountLine<'l>, &'l str)> {
    // What shows a part of a file system of the container's own criu knows how to make.
    let is_whole = |of: &MountLine<'_>| {
        let mut all = lines.iter();
        all.any(|line| line.device == of.device && line.root == "/")
    };
    let foreign: Vec<_> = lines.iter().filter(|line| !is_whole(line)).collect();
    if foreign.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (path, source) in devices(spec) {
        let at = resolved(&root, path);
        found.extend(
            foreign
                .iter()
                .filter(|line| line.at == at)
                .map(|line| (*line, source)),
        );
    }
    found
}

/// The name under which criu keeps a device of the host's.
pub(super) fn device_key(path: &str) -> String {
    format!("device:{path}")
}

/// Where a bind mount's source is on this host.
pub(super) fn source(record: &Record, mount: &Mount<'_>) -> String {
    let source = mount.source.as_deref().unwrap_or("");
    if source.starts_with('/') {
        return String::from(source);
    }
    format!("{}/{source}", record.bundle)
}

/// Refuses the annotation by which runc has criu read a file of options, programs to execute among them:
/// clients take annotations over from images, and those are nobody's to trust.
pub(super) fn refuse_criu_config(spec: &Spec<'_>) -> Result<()> {
    let named = spec
        .annotations
        .iter()
        .any(|(key, file)| key.as_str() == "org.criu.config" && !file.is_empty());
    if !named {
        return Ok(());
    }
    let message =
        "config.json: annotations: org.criu.config is not followed: an image may have set it";
    Err(Error::new(Kind::Unsupported, message).hint("criu itself reads /etc/criu/default.conf"))
}

/// Refuses what criu 4.1 saves and cannot restore: a cgroup namespace is made while the process is nobody in its user
/// namespace yet, and says who it is, which the kernel only takes where nobody's id is one of the namespace's.
pub(super) fn refuse_lone_ids(spec: &Spec<'_>) -> Result<()> {
    const NOBODY: u64 = 65_534;
    let Some(linux) = spec.linux.as_ref() else {
        return Ok(());
    };
    let covers = |maps: &[spec::IdMap]| {
        maps.iter().any(|map| {
            let first = u64::from(map.container);
            (first..first + u64::from(map.size)).contains(&NOBODY)
        })
    };
    let maps = [
        ("uidMappings", &linux.uid_mappings),
        ("gidMappings", &linux.gid_mappings),
    ];
    let own = linux.namespace(NamespaceType::Cgroup).is_some();
    for (field, map) in maps {
        if own && !map.is_empty() && !covers(map) {
            let message = format!(
                "config.json: linux.{field}: without id {NOBODY} criu could not restore the cgroup namespace"
            );
            return Err(Error::new(Kind::Unsupported, message));
        }
    }
    Ok(())
}

/// Whether this is a mount of cgroups, which are the host's.
pub(super) fn is_cgroup(fstype: &str) -> bool {
    matches!(fstype, "cgroup" | "cgroup2")
}

/// The name of a namespace that was joined, as runc has it.
pub(super) const fn namespace_key(kind: NamespaceType) -> Option<(&'static str, &'static str)> {
    match kind {
        NamespaceType::Network => Some(("net", "extRootNetNS")),
        NamespaceType::Pid => Some(("pid", "extRootPidNS")),
        _ => None,
    }
}

/// What a container's standard streams are, as criu names them; empty for one that is the container's own.
pub(super) fn streams(pid: u32, lines: &[MountLine<'_>]) -> Result<[String; 3]> {
    let mut keys = [const { String::new() }; 3];
    for (number, key) in keys.iter_mut().enumerate() {
        let path = format!("/proc/{pid}/fd/{number}");
        let Ok(link) = readlinkat(CWD, path.as_str(), Vec::new()) else {
            continue;
        };
        let link = String::from_utf8_lossy(link.to_bytes()).into_owned();
        if link.starts_with("pipe:") {
            *key = link;
        } else if link.starts_with('/') && !link.starts_with("/dev/pts/") {
            let info = file::read_text(&format!("/proc/{pid}/fdinfo/{number}"))?;
            let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
            let id = id.map_or("", str::trim);
            if lines.iter().all(|line| line.id != id) {
                let inode = stat(path.as_str()).on("stat", &path)?.st_ino;
                let id: u32 = id.parse().map_err(|_| unreadable(&path))?;
                *key = format!("file[{id:x}:{inode:x}]");
            }
        }
    }
    Ok(keys)
}

fn unreadable(path: &str) -> Error {
    Error::new(
        Kind::Bug,
        format!("{path}: the number of its mount is not told"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read() {
        let text =
            "73 72 0:38 /a /sys/fs\\040x ro,nosuid master:3 - cgroup2 cgroup2 rw\nnonsense\n";
        let lines = mount_lines(text);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].id, "73");
        assert_eq!(lines[0].at, "/sys/fs x");
        assert!(is_cgroup(lines[0].fstype));
    }
}
