//! The templates in the store: found by fingerprint, made once, removed when nothing uses them.
//!
//! A template is made under another name and renamed when it is complete; the store's lock is held
//! meanwhile, so what is there under such a name, while one holds the lock, was left by a crash.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sys::OwnedFd;
use sys::rustix::fs::Mode;

use super::fingerprint::Fingerprint;
use super::shared::Shared;
use super::{entries, etc, skeleton};
use crate::error::{About, Parsed, Result};

/// The name of a template in the making.
const UNFINISHED: &str = ".unfinished";

/// The template of the machine as it is now; made when it is not there.
pub(super) fn current(host: &Path, store: &Path, shared: &Shared) -> Result<PathBuf> {
    let source = entries::open_path(&host.join("etc")).about(|| "/etc".to_owned())?;
    let template = name(host, &source, shared)
        .map(|name| store.join(name))
        .about(|| "/etc".to_owned())?;
    if template.is_dir() {
        return Ok(template);
    }
    let place = || store.display().to_string();
    make_store(store).about(place)?;
    let _lock = lock(store).about(place)?;
    if !template.is_dir() {
        make(host, &source, shared, store, &template).about(place)?;
    }
    Ok(template)
}

/// Whether the template of the machine as it is now is there. Nothing is written.
///
/// # Errors
/// When `/etc` cannot be read.
pub fn exists(store: &Path) -> Result<bool> {
    let host = Path::new("/");
    let shared = super::shared::find(host).of("ROOT", "host")?;
    let source = entries::open_path(&host.join("etc")).about(|| "/etc".to_owned())?;
    let name = name(host, &source, &shared).about(|| "/etc".to_owned())?;
    Ok(store.join(name).is_dir())
}

fn name(host: &Path, etc: &OwnedFd, shared: &Shared) -> Parsed<String> {
    let mut fingerprint = Fingerprint::new();
    fingerprint.tree(etc)?;
    skeleton::fingerprint(host, shared, &mut fingerprint)?;
    Ok(fingerprint.name())
}

/// Makes the store, which only root may enter: a template has files of the mode 0640, too.
fn make_store(store: &Path) -> Parsed<()> {
    if let Some(above) = store.parent() {
        fs::create_dir_all(above)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(store) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

/// Waits for the store's lock, which goes with the file.
fn lock(store: &Path) -> Parsed<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(store.join(".lock"))?;
    file.lock()?;
    Ok(file)
}

fn make(host: &Path, etc: &OwnedFd, shared: &Shared, store: &Path, template: &Path) -> Parsed<()> {
    let unfinished = store.join(UNFINISHED);
    remove(&unfinished)?;
    let made =
        fill(host, etc, shared, &unfinished).and_then(|()| Ok(fs::rename(&unfinished, template)?));
    if made.is_err() {
        // The first failure is the one to tell.
        _ = remove(&unfinished);
    }
    made
}

fn fill(host: &Path, source: &OwnedFd, shared: &Shared, to: &Path) -> Parsed<()> {
    fs::create_dir(to)?;
    let root = entries::open_path(to)?;
    let mode = Mode::from_raw_mode(0o755);
    sys::rustix::fs::fchmod(&root, mode)
        .map_err(|errno| sys::Error::new("fchmod", UNFINISHED, errno))?;
    skeleton::make(host, shared, &root)?;
    etc::copy(source, &entries::open_path(&to.join("etc"))?)?;
    skeleton::links(&root)
}

fn remove(path: &Path) -> Parsed<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Removes the templates that are in none of `used`, and what a crash left; returns how many went.
///
/// The caller holds its own lock against containers being made at the same time.
pub fn remove_unused(store: &Path, used: &[&str]) -> Result<usize> {
    let place = || store.display().to_string();
    if !store.is_dir() {
        return Ok(0);
    }
    let _lock = lock(store).about(place)?;
    let mut removed = 0;
    for entry in fs::read_dir(store).about(place)? {
        let path = entry.about(place)?.path();
        let unused = !used.iter().any(|used| Path::new(used) == path);
        if unused && path.is_dir() {
            remove(&path).about(|| path.display().to_string())?;
            removed += 1;
        }
    }
    Ok(removed)
}
