//! A container's directory below the state root, and its lock.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use cgroup::control::Deadline;
use spec::state::Status;
use sys::error::OnCall;
use sys::file;
use sys::root::entry::Entry;
use sys::rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, RawDir, flock, fstat, mkdirat, openat, renameat,
    statat, unlinkat,
};
use sys::rustix::thread::{Timespec, nanosleep};
use sys::{AsFd, Errno, OwnedFd};

use crate::Engine;
use crate::error::{Error, Kind, Result};
use crate::record::Record;

const RECORD: &str = "state.json";
const CONFIG: &str = "config.json";
/// The name of the socket on which `start` says the word.
pub(crate) const START_SOCKET: &str = "start.sock";
const LARGEST: usize = 16 << 20;
/// How long others wait for a container that is being made, in milliseconds.
pub(crate) const MAKING_MS: u32 = 2_000;
/// Between two looks at it.
pub(crate) const MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 2_000_000,
};

/// A container's state directory, open.
#[derive(Debug)]
pub struct StateDir {
    /// The container's name.
    pub id: String,
    /// Its absolute path.
    pub path: String,
    dir: OwnedFd,
}

impl Engine {
    /// Makes the directory of a new container and locks it for as long as the value lives.
    ///
    /// # Errors
    /// `Busy` when there is one of this name.
    pub(crate) fn make_state_dir(&self, id: &str) -> Result<StateDir> {
        let path = format!("{}/{id}", self.state_root);
        match mkdirat(CWD, &path, Mode::RWXU) {
            Err(Errno::NOENT) => {
                self.make_state_root()?;
                mkdirat(CWD, &path, Mode::RWXU)
            }
            other => other,
        }
        .map_err(|errno| match errno {
            Errno::EXIST => taken(id),
            errno => sys::Error::new("mkdir", &path, errno).into(),
        })?;
        self.lock_new(id).map_err(|error| match error.kind {
            Kind::NotFound => taken(id),
            _ => error,
        })
    }

    /// Locks a directory that was made a moment ago. Somebody who found it before it was locked may
    /// have taken it for a dead one's: then it is gone, or it is theirs and has a record.
    fn lock_new(&self, id: &str) -> Result<StateDir> {
        let dir = self.open_state_dir(id)?;
        dir.lock()?;
        if dir.has_record() {
            return Err(taken(id));
        }
        Ok(dir)
    }

    fn make_state_root(&self) -> Result<()> {
        let mut at = 0;
        while let Some(slash) = self.state_root[at + 1..]
            .find('/')
            .map(|found| at + 1 + found)
        {
            let _ = mkdirat(CWD, &self.state_root[..slash], Mode::from_raw_mode(0o755));
            at = slash;
        }
        match mkdirat(CWD, self.state_root.as_str(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(sys::Error::new("mkdir", &self.state_root, errno).into()),
        }
    }

    /// Opens the directory of a container that exists.
    ///
    /// # Errors
    /// `NotFound` where there is none; `BadConfig` for a name that can be none.
    pub fn open_state_dir(&self, id: &str) -> Result<StateDir> {
        spec::id::check(id).map_err(|invalid| {
            Error::new(
                Kind::BadConfig,
                format!("invalid container ID {id:?}: {invalid}"),
            )
        })?;
        let path = format!("{}/{id}", self.state_root);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(CWD, &path, flags, Mode::empty()) {
            Ok(dir) => Ok(StateDir {
                id: id.into(),
                path,
                dir,
            }),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(Error::new(
                Kind::NotFound,
                format!("container does not exist: {id}"),
            )),
            Err(errno) => Err(sys::Error::new("open", &path, errno).into()),
        }
    }

    /// The names of all containers, in no order.
    pub fn ids(&self) -> Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = match openat(CWD, self.state_root.as_str(), flags, Mode::empty()) {
            Ok(root) => root,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(sys::Error::new("open", &self.state_root, errno).into()),
        };
        names_in(&root, &self.state_root)
    }
}

fn names_in(root: &OwnedFd, path: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut space = Vec::with_capacity(8192);
    let mut entries = RawDir::new(root, space.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.on("getdents64", path)?;
        if let Ok(name) = entry.file_name().to_str()
            && spec::id::check(name).is_ok()
        {
            names.push(name.into());
        }
    }
    Ok(names)
}

fn taken(id: &str) -> Error {
    Error::new(
        Kind::Busy,
        format!("container with given ID already exists: {id}"),
    )
}

impl StateDir {
    /// Locks the container for this process, waiting for whoever holds it. The lock ends with the
    /// value, or with the process, however it ends.
    ///
    /// # Errors
    /// `NotFound` when the container was removed meanwhile: its name may be another's now.
    pub fn lock(&self) -> Result<()> {
        sys::rustix::io::retry_on_intr(|| flock(&self.dir, FlockOperation::LockExclusive))
            .on("flock", &self.path)?;
        if fstat(&self.dir).on("fstat", &self.path)?.st_nlink == 0 {
            return Err(Error::new(
                Kind::NotFound,
                format!("container does not exist: {}", self.id),
            ));
        }
        Ok(())
    }

    /// When the record was written last, in nanoseconds since 1970.
    pub(crate) fn record_time(&self) -> Option<i64> {
        let status = statat(&self.dir, RECORD, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let rest = i64::try_from(status.st_mtime_nsec).ok()?;
        status
            .st_mtime
            .checked_mul(1_000_000_000)?
            .checked_add(rest)
    }

    /// Whether there is a record, readable or not.
    pub(crate) fn has_record(&self) -> bool {
        statat(&self.dir, RECORD, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Whether there is a copy of the configuration, which comes after the record and goes before it.
    pub(crate) fn has_config(&self) -> bool {
        statat(&self.dir, CONFIG, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Lets others at the container, while its directory stays open.
    pub(crate) fn unlock(&self) {
        let _ = flock(&self.dir, FlockOperation::Unlock);
    }

    /// Whether somebody else is at work on the container right now.
    pub fn is_locked(&self) -> bool {
        match flock(&self.dir, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                let _ = flock(&self.dir, FlockOperation::Unlock);
                false
            }
            Err(_) => true,
        }
    }

    /// The record of a container that is made: the payload may run before its maker has written what
    /// became of it. Nobody waits for longer than [`MAKING_MS`], as a hook of that container may be who asks.
    pub(crate) fn read_made(&self) -> Result<Record> {
        let is_made = |record: &Result<Record>| {
            record
                .as_ref()
                .is_ok_and(|record| record.status != Status::Creating)
        };
        let mut record = self.read();
        let deadline = Deadline::after(MAKING_MS);
        while !is_made(&record) && deadline.left().is_some() {
            let making = self.is_locked();
            record = self.read();
            if !making {
                break;
            }
            let _ = nanosleep(&MOMENT);
        }
        record
    }

    /// Writes the first record, into a directory that nobody reads yet.
    pub(crate) fn write_first(&self, record: &Record) -> Result<()> {
        self.write_new(RECORD, &record.to_json()?)
    }

    /// Replaces the record, at once or not at all.
    pub(crate) fn write(&self, record: &Record) -> Result<()> {
        self.replace("state.json.next", RECORD, &record.to_json()?)
    }

    /// Replaces the copy of the configuration, at once or not at all.
    pub(crate) fn replace_config(&self, config: &[u8]) -> Result<()> {
        self.replace("config.json.next", CONFIG, config)
    }

    fn replace(&self, next: &str, name: &str, bytes: &[u8]) -> Result<()> {
        if self.write_new(next, bytes).is_err() {
            // Somebody who was killed may have left one.
            let _ = unlinkat(&self.dir, next, AtFlags::empty());
            self.write_new(next, bytes)?;
        }
        renameat(&self.dir, next, &self.dir, name).on("rename", &self.file(name))?;
        Ok(())
    }

    /// Keeps a copy of the configuration.
    pub(crate) fn write_config(&self, config: &[u8]) -> Result<()> {
        self.write_new(CONFIG, config)
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let file = file::open_at(&self.dir, name, flags, name)?;
        file::write_all(&file, bytes, name)?;
        Ok(())
    }

    /// Reads the record.
    ///
    /// # Errors
    /// When it is damaged or not there: whoever made the container was killed very early.
    pub fn read(&self) -> Result<Record> {
        match self.read_file(RECORD) {
            Err(error) if error.kind == Kind::Kernel(Errno::NOENT) && self.is_record_lost() => {
                Err(crate::record::damaged(&self.id, &"it is gone"))
            }
            text => Record::parse(&self.id, &text?),
        }
    }

    /// Whether there ought to be a record: seen between two looks at what is there only while one is, so it is
    /// neither being made nor being removed.
    fn is_record_lost(&self) -> bool {
        self.has_config() && !self.has_record() && self.has_config()
    }

    /// Reads the copy of the configuration.
    pub fn read_config(&self) -> Result<Vec<u8>> {
        self.read_file(CONFIG)
    }

    fn read_file(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.file(name);
        // A FIFO in its place must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = file::open_at(&self.dir, name, flags, &path)?;
        Ok(file::read_all(&file, LARGEST, &path)?)
    }

    /// The absolute path of a file in it.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// The directory's descriptor.
    pub fn as_dir(&self) -> impl AsFd + '_ {
        self.dir.as_fd()
    }

    /// Removes the directory and all in it, the record last. What is gone is no error.
    pub(crate) fn remove(&self) -> Result<()> {
        for name in [CONFIG, START_SOCKET, RECORD] {
            let _ = unlinkat(&self.dir, name, AtFlags::empty());
        }
        match unlinkat(CWD, self.path.as_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            // Of somebody who was killed, or what stands in a file's place.
            Err(Errno::NOTEMPTY) => self.remove_tree(),
            Err(errno) => Err(sys::Error::new("rmdir", &self.path, errno).into()),
        }
    }

    fn remove_tree(&self) -> Result<()> {
        let at = self.path.len() - self.id.len();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, &self.path[..at], flags, Mode::empty()).on("open", &self.path)?;
        Ok(Entry::named(&root, self.id.as_bytes())?.remove_tree()?)
    }
}

pub(crate) fn names_in_all(dir: &OwnedFd) -> Result<Vec<alloc::ffi::CString>> {
    let mut names = Vec::new();
    let mut space = Vec::with_capacity(2048);
    let mut entries = RawDir::new(dir, space.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.on("getdents64", "state directory")?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().into());
        }
    }
    Ok(names)
}
