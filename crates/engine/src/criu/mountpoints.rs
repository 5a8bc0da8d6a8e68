//! What mounts stand on: criu mounts where something is, and a root may be new.

use alloc::format;
use alloc::string::String;

use spec::{Mount, Spec};
use sys::error::OnCall;
use sys::namespace::PrivateMounts;
use sys::rustix::fs::{FileType, Mode, OFlags, mkdirat, openat, stat};
use sys::{AsFd, Errno, OwnedFd, mount, root};

use super::external;
use super::service::directory;
use crate::error::Result;
use crate::record::Record;

/// Makes what is missing, with the bind mounts in place, as one may be for another to stand on. These go with
/// the namespace that they are made in.
pub(super) fn make(record: &Record, spec: &Spec<'_>) -> Result<()> {
    let _mounts = PrivateMounts::enter()?;
    let top = directory(&record.rootfs)?;
    for mount in &spec.mounts {
        let at = format!("/{}", mount.destination.trim_matches('/'));
        if is_on_tmpfs(&at, spec) || mount.fstype.as_deref().is_some_and(external::is_cgroup) {
            continue;
        }
        let bound = mount.parsed_options().bind.is_some();
        let source = bound.then(|| external::source(record, mount));
        let found = found(&top, &at, source.as_deref())?;
        if let Some(source) = source {
            mount::attach(&mount::detached(&source, true)?, &found, &at)?;
        }
    }
    Ok(())
}

/// criu saves a tmpfs with what is in it.
fn is_on_tmpfs(at: &str, spec: &Spec<'_>) -> bool {
    let is_above = |mount: &Mount<'_>| {
        let above = format!("/{}/", mount.destination.trim_matches('/'));
        mount.fstype.as_deref() == Some("tmpfs") && at.starts_with(&above)
    };
    spec.mounts.iter().any(is_above)
}

/// The mountpoint, made where it is missing: a file for a source that is no directory.
fn found(top: &OwnedFd, at: &str, source: Option<&str>) -> Result<OwnedFd> {
    match root::open(top, at, OFlags::PATH) {
        Err(error) if error.errno == Errno::NOENT => {}
        other => return Ok(other?),
    }
    let is_file = match source {
        Some(path) => {
            let kind = FileType::from_raw_mode(stat(path).on("stat", path)?.st_mode);
            kind != FileType::Directory
        }
        None => false,
    };
    let (parent, name) = at.rsplit_once('/').unwrap_or(("", at));
    let above = made_directories(top, parent)?;
    let done = if is_file {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(&above, name, flags, Mode::from_raw_mode(0o644)).map(drop)
    } else {
        mkdirat(&above, name, Mode::from_raw_mode(0o755))
    };
    done.on("make mountpoint", at)?;
    Ok(root::open(top, at, OFlags::PATH)?)
}

/// Each directory is made in one that was opened beneath the root, so that no link leads out.
fn made_directories(top: &OwnedFd, path: &str) -> Result<OwnedFd> {
    let mut done = String::new();
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut above =
        openat(top.as_fd(), ".", flags | OFlags::CLOEXEC, Mode::empty()).on("open", path)?;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        done.push('/');
        done.push_str(name);
        above = match root::open(top, &done, flags) {
            Err(error) if error.errno == Errno::NOENT => {
                mkdirat(&above, name, Mode::from_raw_mode(0o755)).on("mkdir", &done)?;
                root::open(top, &done, flags)?
            }
            other => other?,
        };
    }
    Ok(above)
}
