//! Volumes: directories that outlive the containers that use them.
//!
//! ```text
//!  DATA/volumes/NAME/volume.json   what it is
//!                    _data         what is in it
//! ```

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use sys::error::OnCall;
use sys::root::entry::names;
use sys::rustix::fs::{
    CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, mkdirat, renameat_with,
};
use sys::rustix::io::retry_on_intr;
use sys::{Errno, OwnedFd, file};

use crate::directory::Directory;
use crate::store::Store;

const RECORD: &str = "volume.json";
const DATA: &str = "_data";

/// What a volume is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// Its name; of one that nobody named 64 hexadecimal digits.
    pub name: String,
    /// When it was made: RFC 3339, UTC.
    pub created: String,
    /// Nobody named it: it goes with its container.
    pub anonymous: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// That a container uses a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeUse {
    /// The volume.
    pub name: String,
    /// Where it is mounted.
    pub destination: String,
    /// It goes with the container.
    pub anonymous: bool,
}

impl Store {
    /// Keeps everybody else from making and removing volumes. Whoever makes a container holds it until
    /// the container's record tells what it uses.
    ///
    /// # Errors
    /// The kernel's.
    pub fn lock_volumes(&self) -> Result<OwnedFd> {
        let path = self.volumes_path();
        match mkdirat(CWD, path.as_str(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(sys::Error::new("mkdir", &path, errno).into()),
        }
        let lock = file::open(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive)).on("flock", &path)?;
        Ok(lock)
    }

    /// Where volumes are.
    pub fn volumes_path(&self) -> String {
        format!("{}/volumes", self.data)
    }

    fn volume_path(&self, name: &str) -> String {
        format!("{}/volumes/{name}", self.data)
    }

    /// Where what is in a volume is.
    pub fn volume_data(&self, name: &str) -> String {
        format!("{}/{DATA}", self.volume_path(name))
    }

    /// Makes a volume where there is none of its name; says whether it made one.
    ///
    /// # Errors
    /// The kernel's, or `BadConfig` for what can be no name.
    pub fn make_volume(&self, volume: &Volume) -> Result<bool> {
        check(&volume.name)?;
        let path = self.volume_path(&volume.name);
        match mkdirat(CWD, path.as_str(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(sys::Error::new("mkdir", &path, errno).into()),
        }
        let directory = Directory::open(&path)?;
        let data = self.volume_data(&volume.name);
        if directory.read_json::<Volume>(RECORD)?.is_some() {
            return Ok(false);
        }
        match mkdirat(CWD, data.as_str(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(sys::Error::new("mkdir", &data, errno).into()),
        }
        let made = file::open(&data, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)?;
        sys::rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755)).on("fchmod", &data)?;
        // Last, as what makes it one.
        directory.write_json(RECORD, volume)?;
        Ok(true)
    }

    /// The volume of this name.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn volume(&self, name: &str) -> Result<Volume> {
        let none = || Error::new(Kind::NotFound, format!("no such volume: {name}"));
        check(name).map_err(|_| none())?;
        let directory = Directory::open(&self.volume_path(name)).map_err(|_| none())?;
        directory.read_json(RECORD)?.ok_or_else(none)
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// The kernel's.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        let path = self.volumes_path();
        let directory = match file::open(&path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(error) if error.errno == Errno::NOENT => return Ok(Vec::new()),
            other => other?,
        };
        let mut found: Vec<Volume> = names(&directory, &path)?
            .into_iter()
            .filter_map(|name| String::from_utf8(name).ok())
            // One that is just being made or removed is none.
            .filter_map(|name| self.volume(&name).ok())
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Removes a volume, which nobody may use.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        self.retire_volume(name)?;
        self.clear(&gone_name(name))
    }

    /// Takes a volume out of sight; what is in it is there until its [`gone_name`] is cleared.
    fn retire_volume(&self, name: &str) -> Result<()> {
        check(name)?;
        self.make_gone()?;
        let (from, to) = (self.volume_path(name), self.gone_path(&gone_name(name)));
        match renameat_with(CWD, from.as_str(), CWD, to.as_str(), RenameFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(sys::Error::new("rename", &from, errno).into()),
        }
    }

    /// Removes the volumes that nobody named of a container that is gone.
    pub fn remove_anonymous(&self, volumes: &[VolumeUse]) {
        for name in anonymous(volumes) {
            // What cannot be removed now is found by `volume prune`.
            let _ = self.remove_volume(name);
        }
    }

    /// Takes them out of sight.
    pub(crate) fn retire_anonymous(&self, volumes: &[VolumeUse]) {
        for name in anonymous(volumes) {
            let _ = self.retire_volume(name);
        }
    }

    /// Removes what was in them.
    pub(crate) fn clear_anonymous(&self, volumes: &[VolumeUse]) {
        for name in anonymous(volumes) {
            let _ = self.clear(&gone_name(name));
        }
    }
}

fn anonymous(volumes: &[VolumeUse]) -> impl Iterator<Item = &str> {
    let volumes = volumes.iter().filter(|volume| volume.anonymous);
    volumes.map(|volume| volume.name.as_str())
}

/// The name of a retired volume, among those of containers.
fn gone_name(name: &str) -> String {
    format!("volume-{name}")
}

fn check(name: &str) -> Result<()> {
    let right = spec::id::check(name).is_ok() && !name.starts_with(['_', '.', '-']);
    if right && name.len() > 1 {
        return Ok(());
    }
    let message =
        format!("invalid volume name {name:?}: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    Err(Error::new(Kind::BadConfig, message))
}
