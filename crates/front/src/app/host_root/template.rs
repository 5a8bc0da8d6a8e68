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
use super::secrets::{self, Secrets};
use super::shared::Shared;
use super::{entries, etc, skeleton};
use crate::error::{About, Parsed, Result};

/// The names of a template's two parts in the making.
const UNFINISHED: &str = ".unfinished";
const UNFINISHED_HIDDEN: &str = ".unfinished-hidden";

/// What stands after a template's name in that of the layers that go with it.
const HIDDEN: &str = "-hidden";

/// A machine's template.
pub(super) struct Template {
    /// What is the container's own, under its writable layer.
    pub(super) root: PathBuf,
    /// Layers over the shared directories, by their numbers.
    pub(super) hidden: PathBuf,
    /// What these hide.
    pub(super) secrets: Secrets,
}

/// The template of the machine as it is now; made when it is not there.
pub(super) fn current(host: &Path, store: &Path, shared: &Shared) -> Result<Template> {
    let place = || store.display().to_string();
    make_store(store).about(place)?;
    let source = entries::open_path(&host.join("etc")).about(|| "/etc".to_owned())?;
    let secrets = secrets::find(host, store, shared).about(|| "/usr".to_owned())?;
    let name = name(host, &source, shared, &secrets).about(|| "/etc".to_owned())?;
    let template = Template {
        root: store.join(&name),
        hidden: store.join(name + HIDDEN),
        secrets,
    };
    if template.root.is_dir() {
        return Ok(template);
    }
    let _lock = lock(store).about(place)?;
    if !template.root.is_dir() {
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
    if !secrets::are_known(host, store, &shared).about(|| "/usr".to_owned())? {
        return Ok(false);
    }
    let source = entries::open_path(&host.join("etc")).about(|| "/etc".to_owned())?;
    let secrets = secrets::find(host, store, &shared).about(|| "/usr".to_owned())?;
    let name = name(host, &source, &shared, &secrets).about(|| "/etc".to_owned())?;
    Ok(store.join(name).is_dir())
}

fn name(host: &Path, etc: &OwnedFd, shared: &Shared, secrets: &Secrets) -> Parsed<String> {
    let mut fingerprint = Fingerprint::new();
    fingerprint.tree(etc)?;
    fingerprint.add(secrets);
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
pub(super) fn lock(store: &Path) -> Parsed<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(store.join(".lock"))?;
    file.lock()?;
    Ok(file)
}

fn make(
    host: &Path,
    etc: &OwnedFd,
    shared: &Shared,
    store: &Path,
    template: &Template,
) -> Parsed<()> {
    let unfinished = [store.join(UNFINISHED), store.join(UNFINISHED_HIDDEN)];
    let [root, hidden] = &unfinished;
    unfinished.iter().try_for_each(|path| remove(path))?;
    // Without its root a template is none, and what is hidden for one is of no use.
    remove(&template.hidden)?;
    let made = fill(host, etc, shared, root)
        .and_then(|()| fill_hidden(host, shared, &template.secrets, hidden))
        .and_then(|()| Ok(fs::rename(hidden, &template.hidden)?))
        .and_then(|()| Ok(fs::rename(root, &template.root)?));
    if made.is_err() {
        // The first failure is the one to tell.
        _ = unfinished.iter().try_for_each(|path| remove(path));
    }
    made
}

fn fill_hidden(host: &Path, shared: &Shared, secrets: &Secrets, to: &Path) -> Parsed<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    secrets::make_layers(host, shared, secrets, &entries::open_path(to)?)
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
        let text = path.to_string_lossy();
        let root = text.strip_suffix(HIDDEN).unwrap_or(&text);
        if used.contains(&root) || text.ends_with(".lock") {
            continue;
        }
        if path.is_dir() {
            remove(&path).about(|| path.display().to_string())?;
            removed += usize::from(root == text);
        } else {
            fs::remove_file(&path).about(|| path.display().to_string())?;
        }
    }
    Ok(removed)
}
