//! What is in the shared directories that not everybody may read: it is hidden from containers, whose root
//! would be this machine's.
//!
//! Looking at every file of `/usr` takes longer than starting a container. So what packages bring is looked
//! at once for each state of the package database, and the answer is kept; `/opt`, `/usr/local` and
//! what else is shared are looked at every time.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sys::OwnedFd;
use sys::rustix::fs::{
    AtFlags, FileType, Mode, Stat, XattrFlags, chmodat, fsetxattr, mkdirat, mknodat,
};

use super::entries::{self, Entry, failed};
use super::etc::{EVERYBODY_ENTERS, make_directory};
use super::fingerprint::Fingerprint;
use super::shared::{PACKAGES, Shared};
use super::template;
use crate::error::Parsed;

/// The permission bit of a file that everybody may read.
const EVERYBODY_READS: u32 = 0o004;

/// What packages bring.
const PACKAGED: [&str; 3] = ["bin", "sbin", "usr"];

/// What no package brings, below [`PACKAGED`].
const LOCAL: &str = "usr/local";

/// The files and directories that change when a package does.
const DATABASES: [&str; 5] = [
    "var/lib/dpkg/status",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages",
    "var/lib/pacman/local",
    "lib/apk/db/installed",
];

/// The paths to hide, below the machine's root, sorted.
pub(super) type Secrets = Vec<String>;

/// Finds what is to be hidden. Where the answer about packages is not known yet, it is kept in `store`,
/// if that is there.
pub(super) fn find(host: &Path, store: &Path, shared: &Shared) -> Parsed<Secrets> {
    let mut secrets = match known(host, store, shared)? {
        Some(known) => known,
        None => look_at_packaged(host, store, shared)?,
    };
    for top in tops(shared) {
        if !is_packaged(top) {
            look(&entries::open_path(&host.join(top))?, top, &mut secrets)?;
        }
    }
    if let Ok(local) = entries::open_path(&host.join(LOCAL)) {
        look(&local, LOCAL, &mut secrets)?;
    }
    secrets.sort_unstable();
    Ok(secrets)
}

/// Whether packages were looked at already as they are now.
pub(super) fn are_known(host: &Path, store: &Path, shared: &Shared) -> Parsed<bool> {
    Ok(known(host, store, shared)?.is_some())
}

/// The shared directories that are not inside of another, without the package databases, which
/// programs lock by files that root alone may open.
fn tops(shared: &Shared) -> impl Iterator<Item = &str> {
    let targets = || {
        shared
            .overlays
            .iter()
            .map(|overlay| overlay.target.as_str())
    };
    targets().filter(move |target| {
        let inside = |other: &str| *target != other && Path::new(target).starts_with(other);
        !PACKAGES.contains(target) && !targets().any(inside)
    })
}

fn is_packaged(top: &str) -> bool {
    PACKAGED.contains(&top) || top.starts_with("lib")
}

/// The file with the answer about packages as they are now.
fn answer(host: &Path, store: &Path, shared: &Shared) -> Parsed<std::path::PathBuf> {
    let mut fingerprint = Fingerprint::new();
    let mut take = |path: &str| {
        if let Ok(what) = fs::metadata(host.join(path)) {
            let identity = (what.dev(), what.ino(), what.size());
            fingerprint.add(&(path, identity, what.ctime(), what.ctime_nsec()));
        }
    };
    DATABASES.into_iter().for_each(&mut take);
    for top in tops(shared).filter(|top| is_packaged(top)) {
        take(top);
        let directory = entries::open_path(&host.join(top))?;
        for (name, kind) in entries::names(&directory)? {
            if kind == FileType::Directory {
                take(&format!("{top}/{}", name.to_string_lossy()));
            }
        }
    }
    Ok(store.join(format!("secrets-{}", fingerprint.name())))
}

fn known(host: &Path, store: &Path, shared: &Shared) -> Parsed<Option<Secrets>> {
    match fs::read_to_string(answer(host, store, shared)?) {
        Ok(text) => Ok(Some(
            text.split_terminator('\0').map(str::to_owned).collect(),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn look_at_packaged(host: &Path, store: &Path, shared: &Shared) -> Parsed<Secrets> {
    // One looks, and the others take its answer.
    let lock = store.is_dir().then(|| template::lock(store)).transpose()?;
    if let Some(known) = known(host, store, shared)? {
        return Ok(known);
    }
    let file = answer(host, store, shared)?;
    let mut secrets = Secrets::new();
    for top in tops(shared).filter(|top| is_packaged(top)) {
        look(&entries::open_path(&host.join(top))?, top, &mut secrets)?;
    }
    if lock.is_some() {
        let text: String = secrets.iter().map(|path| format!("{path}\0")).collect();
        let next = store.join(".unfinished-secrets");
        fs::write(&next, text)?;
        fs::rename(&next, &file)?;
    }
    Ok(secrets)
}

/// Looks at everything in a directory. What has a name that is no text cannot be hidden, so the
/// directory is.
fn look(directory: &OwnedFd, path: &str, secrets: &mut Secrets) -> Parsed<()> {
    for Entry { name, stat } in entries::list(directory)? {
        let Ok(text) = name.to_str() else {
            secrets.push(path.to_owned());
            return Ok(());
        };
        let below = format!("{path}/{text}");
        let mode = stat.st_mode;
        match FileType::from_raw_mode(mode) {
            FileType::Directory if below == LOCAL => {}
            FileType::Directory if mode & EVERYBODY_ENTERS == EVERYBODY_ENTERS => {
                match entries::open(directory, &name) {
                    Err(error) if error.errno == sys::Errno::NOENT => {}
                    opened => look(&opened?, &below, secrets)?,
                }
            }
            // One that everybody may pass through but not list shows what is in it to those who
            // know its name.
            FileType::Directory => secrets.push(below),
            FileType::Symlink => {}
            _ if mode & EVERYBODY_READS == 0 => secrets.push(below),
            _ => {}
        }
    }
    Ok(())
}

/// The layers that hide things, one for each overlay that has any: numbers of overlays, as names of
/// directories in `to`.
pub(super) fn make_layers(
    host: &Path,
    shared: &Shared,
    secrets: &Secrets,
    to: &OwnedFd,
) -> Parsed<()> {
    for (number, target, paths) in by_overlay(shared, secrets) {
        let name = CString::new(number.to_string()).unwrap_or_default();
        let source = entries::open_path(&host.join(target))?;
        let own = sys::rustix::fs::fstat(&source).map_err(failed("fstat", &name))?;
        make_directory(to, &name, &own)?;
        let layer = entries::open(to, &name)?;
        for path in paths {
            hide(&source, &layer, path)?;
        }
    }
    Ok(())
}

/// The overlays that have something to hide: number, target, and the paths below it.
pub(super) fn by_overlay<'s>(
    shared: &'s Shared,
    secrets: &'s Secrets,
) -> Vec<(usize, &'s str, Vec<&'s str>)> {
    let mut found: Vec<(usize, &str, Vec<&str>)> = Vec::new();
    for secret in secrets {
        // The one that is mounted last, of those that it is inside of.
        let below = |target: &str| {
            let rest = secret.strip_prefix(target)?;
            rest.strip_prefix('/').filter(|rest| !rest.is_empty())
        };
        let holder = shared.overlays.iter().enumerate().rev();
        let holder = holder.filter_map(|(number, overlay)| {
            Some((number, overlay.target.as_str(), below(&overlay.target)?))
        });
        let Some((number, target, path)) = holder.max_by_key(|(_, target, _)| target.len()) else {
            continue;
        };
        match found.iter_mut().find(|(known, ..)| *known == number) {
            Some((_, _, paths)) => paths.push(path),
            None => found.push((number, target, vec![path])),
        }
    }
    found
}

/// Makes a whiteout for a file, an empty directory for one; the directories above look like the host's,
/// since the topmost layer's are what is seen.
fn hide(source: &OwnedFd, layer: &OwnedFd, path: &str) -> Parsed<()> {
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    let again = |fd: &OwnedFd| entries::open(fd, &c".".to_owned());
    let (mut from, mut to) = (again(source)?, again(layer)?);
    for part in above.split('/').filter(|part| !part.is_empty()) {
        let name = CString::new(part).unwrap_or_default();
        let Some(stat) = entries::stat(&from, &name)? else {
            return Ok(());
        };
        made_already(make_directory(&to, &name, &stat))?;
        (from, to) = (entries::open(&from, &name)?, entries::open(&to, &name)?);
    }
    let name = CString::new(last).unwrap_or_default();
    match entries::stat(&from, &name)? {
        Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            make_empty(&to, &name, &stat)
        }
        Some(_) => Ok(made_already(whiteout(&to, &name))?),
        None => Ok(()),
    }
}

fn whiteout(to: &OwnedFd, name: &CString) -> sys::Result<()> {
    let mode = Mode::empty();
    mknodat(to, name, FileType::CharacterDevice, mode, 0).map_err(failed("mknodat", name))
}

/// An empty directory that shows nothing of what is below it.
fn make_empty(to: &OwnedFd, name: &CString, like: &Stat) -> Parsed<()> {
    mkdirat(to, name, Mode::RWXU).map_err(failed("mkdirat", name))?;
    let made = entries::open(to, name)?;
    // The second is what overlayfs looks for with `userxattr`, as an ordinary user mounts it.
    let mark = match sys::initial::effective_user() {
        0 => "trusted.overlay.opaque",
        _ => "user.overlay.opaque",
    };
    fsetxattr(&made, mark, b"y", XattrFlags::empty()).map_err(failed("fsetxattr", name))?;
    let mode = Mode::from_raw_mode(like.st_mode & 0o7777);
    Ok(chmodat(to, name, mode, AtFlags::empty()).map_err(failed("fchmodat", name))?)
}

fn made_already(made: sys::Result<()>) -> sys::Result<()> {
    match made {
        Err(error) if error.errno == sys::Errno::EXIST => Ok(()),
        other => other,
    }
}
