//! The directories that are the container's own.

use std::ffi::CString;
use std::path::Path;

use sys::rustix::fs::{AtFlags, FileType, Mode, chmodat, mkdirat, symlinkat};
use sys::{Errno, OwnedFd};

use super::entries::{self, Entry, failed};
use super::etc::make_directory;
use super::fingerprint::Fingerprint;
use super::shared::Shared;
use crate::error::Parsed;

/// Directories every root has, and their modes.
const OWN: [(&str, u32); 31] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("run/lock", 0o1777),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/backups", 0o755),
    ("var/cache", 0o755),
    ("var/cache/apt", 0o755),
    ("var/cache/apt/archives", 0o755),
    ("var/cache/apt/archives/partial", 0o755),
    ("var/lib", 0o755),
    ("var/lib/apt", 0o755),
    ("var/lib/apt/lists", 0o755),
    ("var/lib/apt/lists/partial", 0o755),
    ("var/local", 0o755),
    ("var/log", 0o755),
    ("var/mail", 0o775),
    ("var/opt", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
    ("var/lib/misc", 0o755),
];

/// Links every root has.
const LINKS: [(&str, &str); 3] = [
    ("var/run", "/run"),
    ("var/lock", "/run/lock"),
    ("etc/mtab", "/proc/self/mounts"),
];

/// Directories of `/var` whose own directories are made too, empty: installed services expect them.
const STATE: [&str; 4] = ["cache", "lib", "log", "spool"];

/// The host's directories of services: one of [`STATE`], and the directories in it.
type Services = Vec<(&'static str, Vec<Entry>)>;

/// Reads the names of the services' directories.
fn services(host: &Path) -> Parsed<Services> {
    let mut services = Services::new();
    for name in STATE {
        let Ok(directory) = entries::open_path(&host.join("var").join(name)) else {
            continue;
        };
        let is_directory =
            |entry: &Entry| FileType::from_raw_mode(entry.stat.st_mode) == FileType::Directory;
        services.push((
            name,
            entries::list(&directory)?
                .into_iter()
                .filter(is_directory)
                .collect(),
        ));
    }
    Ok(services)
}

/// Takes into a fingerprint all that [`make`] looks at.
pub(super) fn fingerprint(
    host: &Path,
    shared: &Shared,
    fingerprint: &mut Fingerprint,
) -> Parsed<()> {
    fingerprint.add(&shared.links);
    for overlay in &shared.overlays {
        fingerprint.add(&overlay.target);
    }
    for (name, mut entries) in services(host)? {
        fingerprint.add(&name);
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for entry in &entries {
            fingerprint.node(&entry.name, &entry.stat);
        }
    }
    Ok(())
}

/// Makes the directories and links in the empty directory `to`.
pub(super) fn make(host: &Path, shared: &Shared, to: &OwnedFd) -> Parsed<()> {
    for (path, mode) in OWN {
        directory(to, path, mode)?;
    }
    for (name, target) in &shared.links {
        let name = CString::new(name.as_str()).unwrap_or_default();
        symlinkat(target.as_str(), to, &name).map_err(failed("symlinkat", &name))?;
    }
    for (name, entries) in services(host)? {
        let parent = CString::new(format!("var/{name}")).unwrap_or_default();
        let parent = entries::open(to, &parent)?;
        for entry in &entries {
            match make_directory(&parent, &entry.name, &entry.stat) {
                // Made above, with a mode that is known to be right.
                Err(error) if error.errno == Errno::EXIST => {}
                other => other?,
            }
        }
    }
    for overlay in &shared.overlays {
        above(to, &overlay.target)?;
    }
    Ok(())
}

/// Makes the mount point `path` and what is missing above it, unless it is inside another overlay.
fn above(to: &OwnedFd, path: &str) -> Parsed<()> {
    for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
        directory(to, &path[..end], 0o755)?;
    }
    Ok(())
}

fn directory(to: &OwnedFd, path: &str, mode: u32) -> Parsed<()> {
    match mkdirat(to, path, Mode::RWXU) {
        Ok(()) => {
            let mode = Mode::from_raw_mode(mode);
            let call = |errno| sys::Error::new("fchmodat", path, errno);
            Ok(chmodat(to, path, mode, AtFlags::empty()).map_err(call)?)
        }
        Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(sys::Error::new("mkdirat", path, errno).into()),
    }
}

/// Makes the links, but those that the copy of `/etc` brought.
pub(super) fn links(to: &OwnedFd) -> Parsed<()> {
    for (path, target) in LINKS {
        match symlinkat(target, to, path) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(sys::Error::new("symlinkat", path, errno).into()),
        }
    }
    Ok(())
}
