//! What is being made: under `tmp/`, locked by its maker, gone when its maker is.
//!
//! A lock belongs to an open file, so it ends with its process however that ends. Who gets the lock
//! of something in `tmp/` that still has its name knows that its maker is dead.

use std::sync::atomic::{AtomicU64, Ordering};

use sys::OwnedFd;
use sys::error::OnCall;
use sys::root::entry::{Entry, names};
use sys::rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, fstat};
use sys::rustix::io::retry_on_intr;

use super::Store;
use crate::digest::Digest;
use crate::error::Result;

/// A layer's directory.
pub(super) enum Claim {
    /// It is complete.
    Ready(OwnedFd),
    /// It is ours to make.
    Ours(TemporaryLayer),
}

/// A layer's directory that is being made. Dropping it removes it.
pub(super) struct TemporaryLayer {
    parent: OwnedFd,
    name: String,
    /// Holds the lock.
    pub(super) directory: OwnedFd,
    persisted: bool,
}

impl Store {
    /// Takes the layer `chain` to make it, or the finished one. Where another process is making it,
    /// `waiting` is called and then waited for.
    ///
    /// Nobody can wait in a circle: a chain id stands for all layers below it too, so who holds one
    /// holds or has all below it, and waits only for one above.
    pub(super) fn claim(&self, chain: &Digest, mut waiting: impl FnMut()) -> Result<Claim> {
        let name = chain.file_name();
        let parent = self.part("tmp")?;
        loop {
            if let Some(layer) = self.layer(chain)? {
                return Ok(Claim::Ready(layer));
            }
            let slot = Entry::named(&parent, name.as_bytes())?;
            match slot.make_directory() {
                Err(error) if error.errno != sys::Errno::EXIST => return Err(error.into()),
                _ => {}
            }
            let Some(directory) = open_present(&slot)? else {
                continue;
            };
            if !try_lock(&directory)? {
                waiting();
                retry_on_intr(|| flock(&directory, FlockOperation::LockExclusive))
                    .on("flock", &name)?;
            }
            if !is_at(&directory, &slot)? {
                continue;
            }
            // Empty, or a dead process's, or one whose maker has just finished.
            let ours = TemporaryLayer {
                parent: self.part("tmp")?,
                name,
                directory,
                persisted: false,
            };
            if let Some(layer) = self.layer(chain)? {
                return Ok(Claim::Ready(layer));
            }
            ours.clear()?;
            return Ok(Claim::Ours(ours));
        }
    }

    /// The finished layer of this chain id.
    pub(super) fn layer(&self, chain: &Digest) -> Result<Option<OwnedFd>> {
        let layers = self.part("layers")?;
        open_present(&Entry::named(&layers, chain.file_name().as_bytes())?)
    }

    /// Removes what dead processes have left.
    pub(super) fn sweep(&self) -> Result<()> {
        let parent = self.part("tmp")?;
        for name in names(self.part("tmp")?, "tmp")? {
            let slot = Entry::named(&parent, &name)?;
            let left = match slot.open(OFlags::RDONLY | OFlags::NONBLOCK) {
                Ok(left) => left,
                Err(error) if error.errno == sys::Errno::NOENT => continue,
                Err(error) => return Err(error.into()),
            };
            if try_lock(&left)? && is_at(&left, &slot)? {
                slot.remove_tree()?;
            }
        }
        Ok(())
    }
}

impl TemporaryLayer {
    /// Removes what is in it.
    fn clear(&self) -> Result<()> {
        fchmod(&self.directory, Mode::from_raw_mode(0o700)).on("fchmod", &self.name)?;
        let again = Entry::named(&self.parent, self.name.as_bytes())?.open_directory()?;
        for name in names(&again, &self.name)? {
            Entry::named(&self.directory, &name)?.remove_tree()?;
        }
        Ok(())
    }

    /// Gives the complete layer its name in `layers`.
    pub(super) fn persist(&mut self, layers: &OwnedFd) -> Result<()> {
        let name = self.name.as_bytes();
        Entry::named(&self.parent, name)?.rename(&Entry::named(layers, name)?)?;
        self.persisted = true;
        Ok(())
    }
}

impl Drop for TemporaryLayer {
    fn drop(&mut self) {
        if !self.persisted
            && let Ok(slot) = Entry::named(&self.parent, self.name.as_bytes())
        {
            // What cannot be removed now is removed by the next import.
            let _ = slot.remove_tree();
        }
    }
}

/// A small file that is being written. Dropping it removes it.
pub(super) struct TemporaryFile {
    parent: OwnedFd,
    name: String,
    file: OwnedFd,
    persisted: bool,
}

impl TemporaryFile {
    pub(super) fn new(store: &Store) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let parent = store.part("tmp")?;
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("file-{}-{count}", std::process::id());
            let slot = Entry::named(&parent, name.as_bytes())?;
            let file = match slot.create() {
                // Of a process that died long ago and had our number.
                Err(error) if error.errno == sys::Errno::EXIST => continue,
                other => other?,
            };
            // Between these two steps another process may take it for a dead one's.
            if try_lock(&file)? && is_at(&file, &slot)? {
                fchmod(&file, Mode::from_raw_mode(0o600)).on("fchmod", &name)?;
                return Ok(Self {
                    parent: store.part("tmp")?,
                    name,
                    file,
                    persisted: false,
                });
            }
        }
    }

    pub(super) fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Gives the file its name, in place of the one that may have it.
    pub(super) fn persist(mut self, slot: &Entry<'_>) -> Result<()> {
        Entry::named(&self.parent, self.name.as_bytes())?.replace(slot)?;
        self.persisted = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.persisted
            && let Ok(slot) = Entry::named(&self.parent, self.name.as_bytes())
        {
            let _ = slot.unlink();
        }
    }
}

fn open_present(slot: &Entry<'_>) -> Result<Option<OwnedFd>> {
    match slot.open_directory() {
        Ok(directory) => Ok(Some(directory)),
        Err(error) if error.errno == sys::Errno::NOENT => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn try_lock(file: &OwnedFd) -> Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(sys::Errno::WOULDBLOCK | sys::Errno::INTR) => Ok(false),
        Err(errno) => Err(sys::Error::new("flock", "tmp", errno).into()),
    }
}

/// Whether the name still stands for what was opened by it.
fn is_at(file: &OwnedFd, slot: &Entry<'_>) -> Result<bool> {
    let ours = fstat(file).on("fstat", "tmp")?;
    let there = slot.stat()?;
    Ok(there.is_some_and(|there| (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)))
}
