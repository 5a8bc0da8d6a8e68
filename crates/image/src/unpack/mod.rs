//! Entries of a layer's archive made into a directory that overlayfs takes as a lower layer.
//!
//! The form of the result is overlayfs' own: a whiteout is a character device 0/0, a directory that
//! hides what is below it has the xattr `trusted.overlay.opaque`. Nothing that the archive says can
//! produce either but a whiteout entry.
//!
//! What an entry replaces is removed first, and everything is created exclusively: no entry can write
//! through another one, whatever links it made before.
//!
//! Device nodes are made as the archive has them (old base images ship `/dev/null` and the like), but
//! they open nothing: on the host nobody but root can enter the store, and in a container `/dev` is
//! the runtime's own and devices start from deny-all. Only a character device 0/0 is refused, as it
//! would be a whiteout. Set-user-id bits and file capabilities are kept for the same reason.

mod attributes;
mod copy;
mod path;
mod union;

use std::collections::BTreeMap;
use std::rc::Rc;

use sys::OwnedFd;
use sys::root::entry::{Entry as Slot, names};
use sys::rustix::fs::{FileType, Stat, Timespec, makedev};

use crate::error::{Error, Of, Result, shown};
use crate::limits::Limits;
use crate::tar::{Archive, Entry, Input, Kind};
use attributes::Notes;
use path::{Place, components, place};
use union::{Union, is_whiteout, kind, set_opaque};

/// Bytes of the paths of a layer's directories, which are kept in memory until its end.
const MOST_DIRECTORY_BYTES: usize = 256 << 20;

/// What has been unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// Entries of the archive.
    pub(crate) entries: u64,
    /// Bytes of its files.
    pub(crate) bytes: u64,
    /// Nothing of the layers below is to be seen.
    pub(crate) opaque: bool,
}

/// Unpacks `archive` into the empty directory `upper`, a layer over `lowers` (topmost first).
///
/// `budget` bytes of files may be made. `note` hears what was left out on purpose.
///
/// # Errors
/// For anything malformed, hostile or not supported; `upper` then holds part of the layer.
pub(crate) fn layer<R: Input>(
    archive: &mut Archive<'_, R>,
    upper: OwnedFd,
    lowers: Vec<Rc<OwnedFd>>,
    limits: &Limits,
    budget: u64,
    note: &mut dyn FnMut(&str),
) -> Result<Unpacked> {
    let mut layer = Layer {
        union: Union::new(upper, lowers, limits.path_bytes),
        times: BTreeMap::new(),
        time_bytes: 0,
        last: None,
        whiteouts: false,
        bytes: 0,
        budget,
        opaque: false,
        notes: Notes::new(note),
    };
    layer.inherit_root()?;
    while let Some(entry) = archive.next_entry()? {
        layer.apply(archive, &entry).of(|| shown(&entry.path))?;
    }
    layer.set_times()?;
    Ok(Unpacked {
        entries: archive.entries(),
        bytes: layer.bytes,
        opaque: layer.opaque,
    })
}

/// A layer that is being made.
struct Layer<'n> {
    union: Union,
    /// The modification times that directories get when nothing is put into them any more.
    times: BTreeMap<Vec<u8>, Timespec>,
    time_bytes: usize,
    /// The directory that was used last, which the next entry is most often in as well.
    last: Option<Parent>,
    /// Whether this layer has whiteouts.
    whiteouts: bool,
    bytes: u64,
    budget: u64,
    opaque: bool,
    notes: Notes<'n>,
}

/// A directory of the layer.
#[derive(Clone)]
struct Parent {
    directory: Rc<OwnedFd>,
    /// As the archive has it.
    written: Vec<u8>,
    /// Where it is: without symbolic links.
    resolved: Vec<u8>,
}

impl Parent {
    fn child(&self, name: &[u8]) -> Vec<u8> {
        join(&self.resolved, name)
    }
}

impl Layer<'_> {
    /// A root that the archive does not describe is as the layer below has it: overlayfs shows the
    /// topmost one's.
    fn inherit_root(&mut self) -> Result<()> {
        let Some(lower) = self.union.root().lower() else {
            return Ok(());
        };
        let time = attributes::copy(&lower, self.union.upper())?;
        self.keep_time(Vec::new(), time)
    }

    fn apply<R: Input>(&mut self, archive: &mut Archive<'_, R>, entry: &Entry) -> Result<()> {
        match place(&entry.path)? {
            Place::Root if entry.kind == Kind::Directory => {
                let root = Rc::clone(self.union.upper());
                self.directory_attributes(&root, entry, b"", false)
            }
            Place::Root => Err(Error::bad("path: the root is not a directory")),
            Place::Opaque { directory } => {
                check_whiteout(entry)?;
                self.hide_directory(&directory)
            }
            Place::Whiteout { parent, name } => {
                check_whiteout(entry)?;
                self.hide(&parent, name)
            }
            Place::Entry { parent, name } => {
                let parent = self.parent(&parent)?;
                self.make(archive, entry, &parent, name)
            }
        }
    }

    /// The directory that an entry is in, made when it is missing.
    fn parent(&mut self, path: &[&[u8]]) -> Result<Parent> {
        let written = path.join(&b'/');
        if let Some(last) = self.last.as_ref().filter(|last| last.written == written) {
            return Ok(last.clone());
        }
        let parent = self.find_parent(path, written)?;
        // One that was reached through links could be redirected by an entry that adds something;
        // real directories of this layer only by one that removes something.
        self.last = (parent.written == parent.resolved).then(|| parent.clone());
        Ok(parent)
    }

    fn find_parent(&mut self, path: &[&[u8]], written: Vec<u8>) -> Result<Parent> {
        if path.is_empty() {
            let directory = Rc::clone(self.union.upper());
            return Ok(Parent {
                directory,
                resolved: Vec::new(),
                written,
            });
        }
        // What this layer has as real directories all the way is what the union has.
        if let Ok(directory) = sys::root::open_directory(&**self.union.upper(), &written) {
            let directory = Rc::new(directory);
            return Ok(Parent {
                directory,
                resolved: written.clone(),
                written,
            });
        }
        let resolved = self.union.resolve(path)?;
        let directory = self.ensure(&resolved)?;
        Ok(Parent {
            directory,
            written,
            resolved: resolved.join(&b'/'),
        })
    }

    /// Makes a directory that the archive has not named, as the layers below have it.
    fn ensure(&mut self, path: &[Vec<u8>]) -> Result<Rc<OwnedFd>> {
        let mut times = Vec::new();
        let directory = self.union.ensure(path, |made, path, lower| {
            let time = match lower {
                Some(lower) => Some(attributes::copy(lower, made)?),
                None => attributes::plain_directory(made).map(|()| None)?,
            };
            times.extend(time.map(|time| (path.join(&b'/'), time)));
            Ok(())
        })?;
        for (path, time) in times {
            self.keep_time(path, time)?;
        }
        Ok(directory)
    }

    fn make<R: Input>(
        &mut self,
        archive: &mut Archive<'_, R>,
        entry: &Entry,
        parent: &Parent,
        name: &[u8],
    ) -> Result<()> {
        let slot = Slot::named(&*parent.directory, name)?;
        match entry.kind {
            // Every container has the usual ones, and could use no others.
            Kind::CharacterDevice | Kind::BlockDevice if !attributes::is_roots() => return Ok(()),
            Kind::Directory => return self.directory(entry, parent, &slot, name),
            Kind::File => self.file(archive, entry, &slot)?,
            Kind::HardLink => return self.hard_link(entry, &slot),
            Kind::Symlink => self.fresh(&slot, |slot| slot.make_symlink(&entry.link))?,
            Kind::Fifo => self.fresh(&slot, |slot| slot.make_node(FileType::Fifo, 0))?,
            Kind::CharacterDevice => self.device(entry, &slot, FileType::CharacterDevice)?,
            Kind::BlockDevice => self.device(entry, &slot, FileType::BlockDevice)?,
        }
        match entry.kind {
            Kind::File => Ok(()),
            _ => attributes::set_unopened(&slot, entry, &mut self.notes),
        }
    }

    /// Makes something where nothing of this layer may be: what is there is removed first.
    fn fresh<T>(
        &mut self,
        slot: &Slot<'_>,
        make: impl Fn(&Slot<'_>) -> sys::Result<T>,
    ) -> Result<T> {
        match make(slot) {
            Err(error) if error.errno == sys::Errno::EXIST => {
                // The directory used last may be in what goes.
                self.last = None;
                slot.remove_tree()?;
                Ok(make(slot)?)
            }
            other => Ok(other?),
        }
    }

    fn directory(
        &mut self,
        entry: &Entry,
        parent: &Parent,
        slot: &Slot<'_>,
        name: &[u8],
    ) -> Result<()> {
        let mut existed = false;
        let mut replaced = false;
        if let Err(error) = slot.make_directory() {
            if error.errno != sys::Errno::EXIST {
                return Err(error.into());
            }
            existed = slot
                .stat()?
                .is_some_and(|stat| kind(&stat) == FileType::Directory);
            if !existed {
                // It was removed, or a file for a while: what lower layers have in it stays hidden.
                slot.unlink()?;
                slot.make_directory()?;
                replaced = true;
            }
        }
        let directory = Rc::new(slot.open_directory()?);
        if replaced && self.union.has_lowers() {
            set_opaque(&directory)?;
        }
        let resolved = parent.child(name);
        self.directory_attributes(&directory, entry, &resolved, existed)?;
        let parent = Parent {
            directory,
            written: join(&parent.written, name),
            resolved,
        };
        self.last = (parent.written == parent.resolved).then_some(parent);
        Ok(())
    }

    fn directory_attributes(
        &mut self,
        directory: &OwnedFd,
        entry: &Entry,
        resolved: &[u8],
        existed: bool,
    ) -> Result<()> {
        if existed {
            attributes::remove_xattrs(directory)?;
        }
        attributes::set_opened(directory, entry, &mut self.notes)?;
        self.keep_time(resolved.to_vec(), attributes::time(entry))
    }

    fn keep_time(&mut self, path: Vec<u8>, time: Timespec) -> Result<()> {
        self.time_bytes += path.len();
        if self.time_bytes > MOST_DIRECTORY_BYTES {
            return Err(Error::too_large("too many directories with long paths"));
        }
        self.times.insert(path, time);
        Ok(())
    }

    /// Gives the directories their times. One that was replaced since by something else has none.
    fn set_times(&mut self) -> Result<()> {
        for (path, time) in &self.times {
            let path = if path.is_empty() { &b"."[..] } else { path };
            if let Ok(directory) = sys::root::open_directory(&**self.union.upper(), path) {
                attributes::set_time(&directory, *time).of(|| shown(path))?;
            }
        }
        Ok(())
    }

    fn file<R: Input>(
        &mut self,
        archive: &mut Archive<'_, R>,
        entry: &Entry,
        slot: &Slot<'_>,
    ) -> Result<()> {
        self.charge(entry.file_size())?;
        let file = self.fresh(slot, |slot| slot.create())?;
        let mut write = |bytes: &[u8]| Ok(sys::file::write_all(&file, bytes, "")?);
        match &entry.sparse {
            None => archive.data(entry.size, write)?,
            Some(sparse) => {
                for region in &sparse.regions {
                    copy::seek(&file, region.offset)?;
                    archive.data(region.length, &mut write)?;
                }
                copy::set_length(&file, sparse.size)?;
            }
        }
        attributes::set_opened(&file, entry, &mut self.notes)?;
        attributes::set_time(&file, attributes::time(entry))
    }

    /// Counts bytes that are about to be put on the disk.
    fn charge(&mut self, bytes: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.budget {
            return Err(Error::too_large(format!(
                "unpacks to more than the {} bytes allowed",
                self.budget
            )));
        }
        Ok(())
    }

    fn device(&mut self, entry: &Entry, slot: &Slot<'_>, kind: FileType) -> Result<()> {
        let (major, minor) = entry.device;
        if kind == FileType::CharacterDevice && (major, minor) == (0, 0) {
            return Err(Error::bad("a character device 0/0 is overlayfs' whiteout"));
        }
        if major >= 1 << 12 || minor >= 1 << 20 {
            return Err(Error::bad(format!("device {major}/{minor}: out of range")));
        }
        self.fresh(slot, |slot| slot.make_node(kind, makedev(major, minor)))
    }

    /// A hard link, to what this layer has or to a copy of what a lower layer has: each layer is a
    /// directory of its own, so the file is copied up first, as overlayfs would.
    fn hard_link(&mut self, entry: &Entry, slot: &Slot<'_>) -> Result<()> {
        let missing = || {
            Error::bad(format!(
                "hard link to {}: not in this layer nor below it",
                shown(&entry.link)
            ))
        };
        let mut parent = components(&entry.link)?;
        let Some(name) = parent.pop() else {
            return Err(missing());
        };
        let resolved = self.union.resolve(&parent)?;
        let directory = match sys::root::open_directory(&**self.union.upper(), &dot(&resolved)) {
            Ok(directory) => Rc::new(directory),
            Err(_) if self.union.below(&resolved, name)?.is_none() => return Err(missing()),
            Err(_) => self.ensure(&resolved)?,
        };
        let target = Slot::named(&*directory, name)?;
        let stat = match target.stat()? {
            Some(stat) if is_whiteout(&stat) => return Err(missing()),
            Some(stat) => stat,
            None => {
                let below = self.union.below(&resolved, name)?.ok_or_else(missing)?;
                self.copy_up(&below, &target, name)?
            }
        };
        if kind(&stat) == FileType::Directory {
            return Err(Error::bad("hard link to a directory"));
        }
        let already = slot.stat()?.is_some_and(|here| same(&here, &stat));
        if already {
            return Ok(());
        }
        self.fresh(slot, |slot| slot.make_link(&target))
    }

    fn copy_up(&mut self, below: &union::Below, target: &Slot<'_>, name: &[u8]) -> Result<Stat> {
        let size = u64::try_from(below.stat.st_size).unwrap_or(0);
        if kind(&below.stat) == FileType::RegularFile {
            self.charge(size)?;
        }
        let lower = Slot::named(&*below.directory, name)?;
        copy::entry(&lower, &below.stat, target)?;
        target
            .stat()?
            .ok_or_else(|| Error::bad("hard link: its target vanished"))
    }

    /// Hides what lower layers have by a name; what this layer has there stays.
    fn hide(&mut self, parent: &[&[u8]], name: &[u8]) -> Result<()> {
        let resolved = self.union.resolve(parent)?;
        if self.union.below(&resolved, name)?.is_none() {
            return Ok(());
        }
        let directory = self.ensure(&resolved)?;
        let slot = Slot::named(&*directory, name)?;
        match slot.stat()? {
            None => {
                self.whiteouts = true;
                Ok(slot.make_node(FileType::CharacterDevice, 0)?)
            }
            Some(stat) if kind(&stat) == FileType::Directory => {
                self.make_opaque(&slot.open_directory()?)
            }
            // Another kind hides it by being there.
            Some(_) => Ok(()),
        }
    }

    fn hide_directory(&mut self, path: &[&[u8]]) -> Result<()> {
        if !self.union.has_lowers() {
            return Ok(());
        }
        let parent = self.parent(path)?;
        if parent.resolved.is_empty() {
            // overlayfs has no such mark for the root: the layers below are not used at all.
            self.purge_whiteouts(&parent.directory)?;
            self.union.hide_lowers();
            self.opaque = true;
            return Ok(());
        }
        self.make_opaque(&parent.directory)
    }

    fn make_opaque(&mut self, directory: &OwnedFd) -> Result<()> {
        self.purge_whiteouts(directory)?;
        set_opaque(directory)
    }

    /// Removes whiteouts beneath a directory that is no longer merged with anything: overlayfs would
    /// list them.
    fn purge_whiteouts(&mut self, top: &OwnedFd) -> Result<()> {
        let mut todo: Vec<Vec<u8>> = Vec::new();
        let mut next = self.whiteouts.then(|| b".".to_vec());
        while let Some(path) = next {
            let directory = sys::root::open_directory(top, &path)
                .map_err(|errno| sys::Error::new("openat2", &shown(&path), errno))?;
            for name in names(&directory, "")? {
                let slot = Slot::named(&directory, &name)?;
                match slot.stat()? {
                    Some(stat) if is_whiteout(&stat) => slot.unlink()?,
                    Some(stat) if kind(&stat) == FileType::Directory => {
                        todo.push(join(&path, &name));
                    }
                    _ => {}
                }
            }
            next = todo.pop();
        }
        Ok(())
    }
}

fn same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// A path for openat2(2), which takes no empty one.
fn dot(path: &[Vec<u8>]) -> Vec<u8> {
    if path.is_empty() {
        b".".to_vec()
    } else {
        path.join(&b'/')
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        name.to_vec()
    } else {
        [directory, name].join(&b'/')
    }
}

/// A whiteout is an empty file; old ones were hard links to one.
fn check_whiteout(entry: &Entry) -> Result<()> {
    match entry.kind {
        Kind::File if entry.file_size() == 0 => Ok(()),
        Kind::HardLink => Ok(()),
        _ => Err(Error::bad("whiteout: not an empty file")),
    }
}
