//! A container's directory.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Error, Kind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sys::error::OnCall;
use sys::root::entry::Entry;
use sys::rustix::fs::{
    Access, AtFlags, CWD, FlockOperation, Mode, OFlags, accessat, flock, mkdirat, openat, renameat,
};
use sys::rustix::io::retry_on_intr;
use sys::rustix::thread::{Timespec, nanosleep};
use sys::{AsFd, Errno, OwnedFd, file};

use crate::ending::Ending;
use crate::settings::Settings;

const SETTINGS: &str = "container.json";
const CONFIG: &str = "config.json";
const ENDING: &str = "ending.json";
const STOPPED: &str = "stopped";
const LARGEST: usize = 16 << 20;

/// The log's name.
pub(crate) const LOG: &str = "container.log";
/// The socket's name.
pub(crate) const SOCKET: &str = "attach.sock";

/// A container's directory, open.
#[derive(Debug)]
pub struct Directory {
    /// Its absolute path.
    pub path: String,
    fd: OwnedFd,
}

impl Directory {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &str) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).on("open", path)?;
        Ok(Self {
            path: path.into(),
            fd,
        })
    }

    /// Makes the directory of a new container.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make(path: &str) -> Result<Self> {
        mkdirat(CWD, path, Mode::RWXU).on("mkdir", path)?;
        Self::open(path)
    }

    /// The absolute path of something in it.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Where its log is.
    pub fn log_path(&self) -> String {
        self.file(LOG)
    }

    /// Where its monitor listens, or the last one did.
    pub fn socket_path(&self) -> String {
        self.file(SOCKET)
    }

    /// Its descriptor.
    pub fn as_dir(&self) -> sys::BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What the container is.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn settings(&self) -> Result<Settings> {
        let settings: Settings = self.read_json(SETTINGS)?.ok_or_else(|| {
            let message = format!("{}: there is no container.json", self.path);
            Error::new(Kind::NotFound, message)
        })?;
        if self.path.rsplit('/').next() != Some(&settings.id) {
            let file = self.file(SETTINGS);
            let message = format!("{file} is damaged: it is another container's");
            return Err(Error::new(Kind::Bug, message));
        }
        Ok(settings)
    }

    /// Writes down what it is, at once or not at all.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write_settings(&self, settings: &Settings) -> Result<()> {
        self.write_json(SETTINGS, settings)
    }

    /// Its OCI configuration.
    ///
    /// # Errors
    /// The kernel's.
    pub fn config(&self) -> Result<Vec<u8>> {
        self.read(CONFIG)?.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("{}: there is no config.json", self.path),
            )
        })
    }

    /// Writes the OCI configuration of a container in the making, which has none yet.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make_config(&self, config: &[u8]) -> Result<()> {
        let path = self.file(CONFIG);
        Ok(file::write_all(self.create(CONFIG)?, config, &path)?)
    }

    /// Writes its OCI configuration in place of the one it has.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write_config(&self, config: &[u8]) -> Result<()> {
        self.write(CONFIG, config)
    }

    /// How it ended last; none when it never did.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn ending(&self) -> Result<Option<Ending>> {
        self.read_json(ENDING)
    }

    /// Writes down how it ended.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write_ending(&self, ending: &Ending) -> Result<()> {
        self.write_json(ENDING, ending)
    }

    /// Says that somebody wants it stopped (it is not started again then), or that it may run.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_stopped(&self, stopped: bool) -> Result<()> {
        if stopped {
            return self.write(STOPPED, b"");
        }
        self.clear(STOPPED)
    }

    /// Whether somebody wants it stopped.
    pub fn is_stopped(&self) -> bool {
        accessat(&self.fd, STOPPED, Access::EXISTS, AtFlags::empty()).is_ok()
    }

    /// Takes the monitor's lock; says whether it was free. Those who look whether it is held hold it
    /// themselves for a moment, so one look is not enough.
    pub(crate) fn lock_as_monitor(&self) -> bool {
        const LOOKS: u32 = 20;
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        (0..LOOKS).any(|look| {
            if look > 0 {
                let _ = nanosleep(&moment);
            }
            flock(&self.fd, FlockOperation::NonBlockingLockExclusive).is_ok()
        })
    }

    /// Takes the lock if it is free this moment.
    pub(crate) fn lock_at_once(&self) -> bool {
        flock(&self.fd, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// Whether a monitor lives.
    pub fn has_monitor(&self) -> bool {
        match flock(&self.fd, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                let _ = flock(&self.fd, FlockOperation::Unlock);
                false
            }
            Err(_) => true,
        }
    }

    /// Waits until no monitor lives.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait_for_monitor(&self) -> Result<()> {
        retry_on_intr(|| flock(&self.fd, FlockOperation::LockShared)).on("flock", &self.path)?;
        let _ = flock(&self.fd, FlockOperation::Unlock);
        Ok(())
    }

    /// Writes a file of the container's own, mode 0644: it may be mounted inside.
    ///
    /// # Errors
    /// The kernel's, or a name that is not one component.
    pub fn write_own_file(&self, name: &str, content: &[u8]) -> Result<()> {
        if name.contains('/') || matches!(name, "" | "." | "..") {
            return Err(Error::new(
                Kind::Bug,
                format!("{name:?} is not a file's name"),
            ));
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = self.file(name);
        let made = openat(&self.fd, name, flags, Mode::from_raw_mode(0o644)).on("open", &path)?;
        sys::rustix::fs::fchmod(&made, Mode::from_raw_mode(0o644)).on("fchmod", &path)?;
        Ok(file::write_all(&made, content, &path)?)
    }

    /// Removes whatever has this name.
    fn clear(&self, name: &str) -> Result<()> {
        Ok(Entry::named(&self.fd, name.as_bytes())?.remove_tree()?)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.file(name);
        // A FIFO in its place must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        match file::open_at(&self.fd, name, flags, &path) {
            Ok(opened) => Ok(Some(file::read_all(&opened, LARGEST, &path)?)),
            Err(error) if error.errno == Errno::NOENT => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let next = format!("{name}.next");
        let path = self.file(name);
        let opened = match self.create(&next) {
            // Of somebody who was killed.
            Err(error) if error.errno == Errno::EXIST => {
                self.clear(&next)?;
                self.create(&next)
            }
            other => other,
        }?;
        file::write_all(&opened, bytes, &path)?;
        let rename = || renameat(&self.fd, next.as_str(), &self.fd, name);
        match rename() {
            // Nothing of ours is a directory.
            Err(Errno::ISDIR) => {
                self.clear(name)?;
                Ok(rename().on("rename", &path)?)
            }
            other => Ok(other.on("rename", &path)?),
        }
    }

    fn create(&self, name: &str) -> sys::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        file::open_at(&self.fd, name, flags, &self.file(name))
    }

    pub(crate) fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.read(name)? else {
            return Ok(None);
        };
        let parsed = serde_json::from_slice(&text);
        parsed.map(Some).map_err(|error| {
            Error::new(
                Kind::Bug,
                format!("{} is damaged: {error}", self.file(name)),
            )
        })
    }

    pub(crate) fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let text = serde_json::to_vec_pretty(value)
            .map_err(|error| Error::new(Kind::Bug, format!("{name} cannot be written: {error}")))?;
        self.write(name, &text)
    }
}
