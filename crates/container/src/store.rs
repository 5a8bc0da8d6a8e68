//! All containers: by id, by name.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Engine, Error, Kind, Result};
use sys::error::OnCall;
use sys::initial::{effective_user, variable};
use sys::root::entry::Entry;
use sys::rustix::fs::{
    Access, AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, accessat, mkdirat, openat,
    readlinkat, renameat_with, symlinkat, unlinkat,
};
use sys::{Errno, OwnedFd};

use crate::directory::Directory;

/// Where the directories of removed containers are until they are empty.
const GONE: &str = "gone";
/// The directory on which overlay roots are mounted: by each container in its own mount namespace, so
/// that one will do for all.
const MOUNTPOINT: &str = "/rootfs";

/// Where containers are kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// What outlives a restart of the machine.
    pub data: String,
    /// The engine, whose records do not.
    pub engine: Engine,
}

impl Default for Store {
    /// Root's, or the ordinary user's own: below `XDG_DATA_HOME` and `XDG_RUNTIME_DIR`.
    fn default() -> Self {
        let user = effective_user() != 0;
        match own_data().filter(|_| user) {
            Some(data) => Self {
                engine: Engine::new(Engine::default_state_root(
                    &format!("{data}/run"),
                    "stockade",
                )),
                data,
            },
            None => Self {
                data: String::from("/var/lib/stockade"),
                engine: Engine::new("/run/stockade"),
            },
        }
    }
}

/// Where an ordinary user's data are (the XDG base directory specification).
fn own_data() -> Option<String> {
    match (variable("XDG_DATA_HOME"), variable("HOME")) {
        (Some(data), _) if data.starts_with('/') => Some(format!("{data}/stockade")),
        (_, Some(home)) if home.starts_with('/') => Some(format!("{home}/.local/share/stockade")),
        _ => None,
    }
}

impl Store {
    /// Everything below one directory (`--root`).
    pub fn below(root: &str) -> Self {
        Self {
            data: root.into(),
            engine: Engine::new(format!("{root}/run")),
        }
    }

    /// Makes the directories that are missing.
    ///
    /// # Errors
    /// The kernel's.
    pub fn prepare(&self) -> Result<()> {
        // The directory that is made last.
        let last = self.mountpoint();
        if accessat(CWD, last.as_str(), Access::EXISTS, AtFlags::empty()).is_ok() {
            return Ok(());
        }
        let mut at = 0;
        while let Some(slash) = self.data[at + 1..].find('/').map(|found| at + 1 + found) {
            let _ = mkdirat(CWD, &self.data[..slash], Mode::from_raw_mode(0o755));
            at = slash;
        }
        for name in ["", "/containers", "/names", MOUNTPOINT] {
            let path = format!("{}{name}", self.data);
            match mkdirat(CWD, path.as_str(), Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(sys::Error::new("mkdir", &path, errno).into()),
            }
        }
        Ok(())
    }

    /// Keeps everybody else who asks from making containers, for as long as the value lives: for what
    /// depends on all of them, such as a free range of ids.
    ///
    /// # Errors
    /// The kernel's.
    pub fn lock(&self) -> Result<OwnedFd> {
        let path = format!("{}/names", self.data);
        let names = open_dir(&path)?.ok_or_else(|| sys::Error::new("open", &path, Errno::NOENT))?;
        sys::rustix::io::retry_on_intr(|| {
            sys::rustix::fs::flock(&names, FlockOperation::LockExclusive)
        })
        .on("flock", &path)?;
        Ok(names)
    }

    /// The directory of the container with this id.
    pub fn path(&self, id: &str) -> String {
        format!("{}/containers/{id}", self.data)
    }

    /// Where an overlay root is mounted, in the container's own mount namespace.
    pub fn mountpoint(&self) -> String {
        format!("{}{MOUNTPOINT}", self.data)
    }

    /// Opens the container with this id.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn open(&self, id: &str) -> Result<Directory> {
        Directory::open(&self.path(id)).map_err(|error| match error.kind {
            Kind::Kernel(Errno::NOENT) => no_such(id),
            _ => error,
        })
    }

    /// The ids of all containers.
    ///
    /// # Errors
    /// The kernel's.
    pub fn ids(&self) -> Result<Vec<String>> {
        let path = format!("{}/containers", self.data);
        let mut ids: Vec<String> = match open_dir(&path)? {
            Some(dir) => sys::root::entry::names(&dir, &path)?
                .into_iter()
                .filter_map(|name| String::from_utf8(name).ok())
                .filter(|name| is_id(name))
                .collect(),
            None => Vec::new(),
        };
        ids.sort_unstable();
        Ok(ids)
    }

    /// The id that a name, an id, or the unambiguous start of an id stands for.
    ///
    /// # Errors
    /// `NotFound`, or `BadConfig` when several ids start so.
    pub fn find(&self, given: &str) -> Result<String> {
        if let Some(id) = self.named(given) {
            return Ok(id);
        }
        if given.is_empty() || !given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(no_such(given));
        }
        let mut found = self.ids()?.into_iter().filter(|id| id.starts_with(given));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (None, _) => Err(no_such(given)),
            (Some(_), Some(_)) => Err(Error::new(
                Kind::BadConfig,
                format!("several containers' ids start with {given}"),
            )),
        }
    }

    fn named(&self, name: &str) -> Option<String> {
        spec::id::check(name).ok()?;
        let link = readlinkat(CWD, self.name_path(name), Vec::new()).ok()?;
        link.to_str().ok().filter(|id| is_id(id)).map(String::from)
    }

    /// The name that is this container's, as the names tell it.
    fn name_of(&self, id: &str) -> Option<String> {
        let path = format!("{}/names", self.data);
        let names = sys::root::entry::names(&open_dir(&path).ok()??, &path).ok()?;
        let mut names = names
            .into_iter()
            .filter_map(|name| String::from_utf8(name).ok());
        names.find(|name| self.named(name).as_deref() == Some(id))
    }

    fn name_path(&self, name: &str) -> String {
        format!("{}/names/{name}", self.data)
    }

    /// Takes a name for a container: the link either is made by us, or somebody has the name.
    ///
    /// # Errors
    /// `Busy` when the name is taken, `BadConfig` for what can be no name.
    pub fn take_name(&self, name: &str, id: &str) -> Result<()> {
        check_name(name)?;
        let path = self.name_path(name);
        match symlinkat(id, CWD, path.as_str()) {
            Err(Errno::EXIST) => {
                if self
                    .named(name)
                    .is_none_or(|holder| self.open(&holder).is_ok())
                {
                    let holder = self.named(name).unwrap_or_default();
                    let message = format!(
                        "the container name {name:?} is already in use by container {holder}"
                    );
                    return Err(Error::new(Kind::Busy, message)
                        .hint("remove or rename that container to be able to use the name again"));
                }
                // Its holder was killed before it had made its container, or after it had removed it.
                let _ = unlinkat(CWD, path.as_str(), AtFlags::empty());
                Ok(symlinkat(id, CWD, path.as_str()).on("symlink", &path)?)
            }
            other => Ok(other.on("symlink", &path)?),
        }
    }

    /// Gives a name back, if it is this container's.
    pub fn give_name_back(&self, name: &str, id: &str) {
        if self.named(name).as_deref() == Some(id) {
            let _ = unlinkat(CWD, self.name_path(name), AtFlags::empty());
        }
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// As [`Store::take_name`].
    pub fn rename(&self, id: &str, to: &str) -> Result<()> {
        check_name(to)?;
        let directory = self.open(id)?;
        let mut settings = directory.settings()?;
        let (old, new) = (self.name_path(&settings.name), self.name_path(to));
        match renameat_with(CWD, old.as_str(), CWD, new.as_str(), RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                return Err(Error::new(
                    Kind::Busy,
                    format!("the container name {to:?} is already in use"),
                ));
            }
            Err(errno) => return Err(sys::Error::new("rename", &old, errno).into()),
        }
        settings.name = to.into();
        directory.write_settings(&settings)
    }

    /// Removes a container's directory and name. It must not run.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self, id: &str) -> Result<()> {
        let directory = self.open(id);
        let mut name = String::new();
        if let Ok(directory) = &directory {
            // What is locked is left alone by those who sweep.
            directory.lock_at_once();
            let told = directory.settings().map(|settings| settings.name);
            let own = told
                .ok()
                .filter(|name| self.named(name).as_deref() == Some(id));
            name = own.or_else(|| self.name_of(id)).unwrap_or_default();
        }
        self.retire(id, &name)?;
        self.clear(id)
    }

    /// Takes a container out of sight: from now on there is none of this id and name. What it kept is
    /// there until [`Store::clear`].
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn retire(&self, id: &str, name: &str) -> Result<()> {
        let (path, gone) = (self.path(id), self.gone_path(id));
        let rename = || renameat_with(CWD, path.as_str(), CWD, gone.as_str(), RenameFlags::empty());
        match rename() {
            // The first one that goes, or one that was removed already.
            Err(Errno::NOENT) => {
                self.make_gone()?;
                match rename() {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(sys::Error::new("rename", &path, errno).into()),
                }
            }
            other => other.on("rename", &path)?,
        }
        self.give_name_back(name, id);
        Ok(())
    }

    /// Removes what a retired container kept.
    ///
    /// # Errors
    /// The kernel's; what could be removed is gone.
    pub(crate) fn clear(&self, id: &str) -> Result<()> {
        let Some(parent) = open_dir(&format!("{}/{GONE}", self.data))? else {
            return Ok(());
        };
        let entry = Entry::named(&parent, id.as_bytes())?;
        entry
            .remove_tree()
            .map_err(|error| Error::from(error).at(&self.gone_path(id)))
    }

    /// Removes what those have left who were killed while they removed a container.
    ///
    /// # Errors
    /// The kernel's.
    pub fn sweep(&self) -> Result<()> {
        let path = format!("{}/{GONE}", self.data);
        let Some(parent) = open_dir(&path)? else {
            return Ok(());
        };
        for name in sys::root::entry::names(&parent, &path)? {
            let id = core::str::from_utf8(&name).unwrap_or_default();
            // Who removes it holds its lock.
            if let Ok(directory) = Directory::open(&self.gone_path(id))
                && directory.lock_at_once()
            {
                self.clear(id)?;
            }
        }
        Ok(())
    }

    pub(crate) fn make_gone(&self) -> Result<()> {
        let path = format!("{}/{GONE}", self.data);
        match mkdirat(CWD, path.as_str(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(sys::Error::new("mkdir", &path, errno).into()),
        }
    }

    pub(crate) fn gone_path(&self, id: &str) -> String {
        format!("{}/{GONE}/{id}", self.data)
    }
}

fn open_dir(path: &str) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(sys::Error::new("open", path, errno).into()),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn check_name(name: &str) -> Result<()> {
    let right = spec::id::check(name).is_ok() && !name.starts_with('_') && !name.contains('+');
    if right && name.len() > 1 {
        return Ok(());
    }
    let message =
        format!("invalid container name {name:?}: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    Err(Error::new(Kind::BadConfig, message))
}

fn no_such(given: &str) -> Error {
    Error::new(Kind::NotFound, format!("no such container: {given}"))
}
