//! A number that changes when anything does that a template is made from.

use std::ffi::CString;
use std::hash::{DefaultHasher, Hash, Hasher};
use sys::OwnedFd;

use sys::rustix::fs::{FileType, Stat, fstat};

use super::entries;
use super::etc::EVERYBODY_ENTERS;
use crate::error::Parsed;

/// The form of templates; changes when this program makes them differently.
const FORM: u32 = 2;

/// The number so far.
pub(super) struct Fingerprint(DefaultHasher);

impl Fingerprint {
    pub(super) fn new() -> Self {
        // The default hasher has fixed keys; a new compiler may change it, which costs one copy.
        let mut hasher = DefaultHasher::new();
        FORM.hash(&mut hasher);
        // A template is not flushed to the disk, so it is not taken after a reboot (or a power cut).
        std::fs::read("/proc/sys/kernel/random/boot_id")
            .unwrap_or_default()
            .hash(&mut hasher);
        Self(hasher)
    }

    /// Takes in any value.
    pub(super) fn add(&mut self, value: &impl Hash) {
        value.hash(&mut self.0);
    }

    /// Takes in a name and what decides about it, without times.
    pub(super) fn node(&mut self, name: &CString, stat: &Stat) {
        (name, stat.st_mode, stat.st_uid, stat.st_gid).hash(&mut self.0);
    }

    /// Takes in a directory with all below it, down to the last change of every file.
    ///
    /// The time of the last change covers content, mode and owner, and cannot be set back. A directory's
    /// covers the names in it, and with them the links, which never change.
    pub(super) fn tree(&mut self, directory: &OwnedFd) -> Parsed<()> {
        let own = fstat(directory).map_err(|errno| sys::Error::new("fstat", "", errno))?;
        (own.st_ino, own.st_ctime, own.st_ctime_nsec).hash(&mut self.0);
        for (name, kind) in entries::names(directory)? {
            if kind == FileType::Symlink {
                continue;
            }
            let Some(stat) = entries::stat(directory, &name)? else {
                continue;
            };
            self.node(&name, &stat);
            (stat.st_ino, stat.st_size, stat.st_ctime, stat.st_ctime_nsec).hash(&mut self.0);
            let below = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if below && stat.st_mode & EVERYBODY_ENTERS == EVERYBODY_ENTERS {
                self.tree(&entries::open(directory, &name)?)?;
            }
        }
        // The end of a directory, so that moving a file up or down is a change.
        0xff_u8.hash(&mut self.0);
        Ok(())
    }

    /// The number as a name: 16 hexadecimal digits.
    pub(super) fn name(&self) -> String {
        format!("{:016x}", self.0.finish())
    }
}
