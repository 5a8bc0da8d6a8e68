//! The store: layers unpacked once, found again by the digests that they were verified against.
//!
//! ```text
//! DIR/            0700
//!   lock          flock: shared while a layer is looked for, made or about to be used; exclusive
//!                 while something is removed
//!   layers/ALG-HEX/diff, layer.json    an unpacked layer, by chain id
//!   images/ALG-HEX.json                an image, by its digest: its layers, names, configuration
//!   blobs/ALG-HEX                      manifests and configurations, as they were
//!   sources/DEV-INO.json               what an unchanged file was found to hold
//!   tmp/                               what is being made; removed by the next import when its
//!                                      maker, who holds its flock, is dead
//!   empty/                             the layer of an image without layers
//! ```
//!
//! Everything gets its name by one rename, when it is complete and on the disk.

mod collect;
mod import;
mod records;
mod temporary;
mod verify;

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sys::OwnedFd;
use sys::error::OnCall;
use sys::root::entry::Entry;
use sys::rustix::fs::{self, FlockOperation, Mode, OFlags, fchmod, fstat};
use sys::rustix::io::retry_on_intr;

use crate::config::ImageConfig;
use crate::digest::Digest;
use crate::error::{Error, Kind, Of, Result};
use crate::limits::Limits;
use crate::platform::Platform;

pub use collect::Summary;

/// A store of images. Any number of processes may use one at the same time.
#[derive(Debug)]
pub struct Store {
    directory: OwnedFd,
    path: PathBuf,
    limits: Limits,
}

/// Which image is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// An OCI layout directory, an OCI archive or a Docker archive.
    pub source: &'a Path,
    /// The image's name or digest; needed when the source has several.
    pub reference: Option<&'a str>,
    /// The platform; this machine's when nothing is said.
    pub platform: Option<&'a Platform>,
}

impl<'a> Request<'a> {
    /// The only image of `source`, for this machine.
    pub fn of(source: &'a Path) -> Self {
        Self {
            source,
            reference: None,
            platform: None,
        }
    }
}

/// An image whose layers are unpacked.
///
/// While this lives, nothing of the store is removed: keep it until whoever uses the image is known, see
/// [`Store::remove`].
#[derive(Debug)]
pub struct Image {
    /// The digest of its manifest; of its configuration when it came from a Docker archive.
    pub digest: Digest,
    /// The digest of its configuration, Docker's image ID.
    pub config_digest: Digest,
    /// What to run in it.
    pub config: ImageConfig,
    /// The machine that it is for.
    pub platform: Platform,
    /// When it was built, as it says.
    pub created: Option<String>,
    /// The names that its source gave it.
    pub names: Vec<String>,
    /// The directories that overlayfs stacks, topmost first as `lowerdir=` wants them; at least one.
    pub layers: Vec<PathBuf>,
    _in_use: Use,
}

/// The store's lock, held shared: nothing is removed from under the holder.
#[derive(Debug)]
struct Use(#[expect(dead_code, reason = "held for its lock")] OwnedFd);

impl Store {
    /// Opens the store at `path`, which is made with all its parents when it is missing. Whatever
    /// the umask, nobody but its owner can enter it.
    ///
    /// # Errors
    /// When it belongs to another user.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, Limits::default())
    }

    /// Opens the store at `path`, with other limits for what is imported.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(path: &Path, limits: Limits) -> Result<Self> {
        let shown = path.display();
        let directory = match open_directory(path) {
            Err(sys::Errno::NOENT) => {
                let mut builder = std::fs::DirBuilder::new();
                builder
                    .recursive(true)
                    .mode(0o700)
                    .create(path)
                    .of(|| format!("mkdir {shown}"))?;
                open_directory(path)
            }
            other => other,
        };
        let directory = directory.on("open", &shown.to_string())?;
        let stat = fstat(&directory).on("fstat", &shown.to_string())?;
        if stat.st_uid != sys::rustix::process::geteuid().as_raw() {
            return Err(Error::new(Kind::Denied, "the store belongs to another user").of(shown));
        }
        if stat.st_mode & 0o7777 != 0o700 {
            fchmod(&directory, Mode::from_raw_mode(0o700)).on("fchmod", &shown.to_string())?;
        }
        let path = std::path::absolute(path)?;
        Ok(Self {
            directory,
            path,
            limits,
        })
    }

    /// Where the store is; absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A part of the store, made when it is missing.
    fn part(&self, name: &str) -> Result<OwnedFd> {
        let slot = Entry::named(&self.directory, name.as_bytes())?;
        match slot.open_directory() {
            Err(error) if error.errno == sys::Errno::NOENT => {}
            other => return Ok(other?),
        }
        match slot.make_directory() {
            Err(error) if error.errno != sys::Errno::EXIST => return Err(error.into()),
            _ => {}
        }
        let part = slot.open_directory()?;
        // The umask may have taken bits; the empty layer is an image's root directory.
        let mode = if name == "empty" { 0o755 } else { 0o700 };
        fchmod(&part, Mode::from_raw_mode(mode)).on("fchmod", name)?;
        Ok(part)
    }

    /// Keeps everything in the store until the answer is dropped.
    fn share(&self) -> Result<Use> {
        let lock = self.lock_file()?;
        retry_on_intr(|| fs::flock(&lock, FlockOperation::LockShared)).on("flock", "lock")?;
        Ok(Use(lock))
    }

    /// Waits until nobody uses the store and keeps everybody out until the answer is dropped.
    fn exclude(&self) -> Result<Use> {
        let lock = self.lock_file()?;
        retry_on_intr(|| fs::flock(&lock, FlockOperation::LockExclusive)).on("flock", "lock")?;
        Ok(Use(lock))
    }

    fn lock_file(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW;
        Ok(sys::file::open_at(&self.directory, "lock", flags, "lock")?)
    }

    /// Where the unpacked layer of this chain id is.
    fn layer_path(&self, chain: &Digest) -> PathBuf {
        self.path
            .join("layers")
            .join(chain.file_name())
            .join("diff")
    }
}

fn open_directory(path: &Path) -> std::result::Result<OwnedFd, sys::Errno> {
    crate::file::open_path(path, OFlags::RDONLY | OFlags::DIRECTORY)
}
