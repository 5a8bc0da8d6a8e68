//! The layer that is being made, seen together with the layers below it.
//!
//! An entry's path means what it would mean in a container of this image: `lib/x` goes to `usr/lib/x`
//! where a lower layer has `lib -> usr/lib`. Yet only this layer's directory may be written to. So
//! the path is resolved here as overlayfs and the kernel would, one component at a time: each is
//! looked up in this layer and then in those below, by a descriptor of a directory and a single name
//! that is never followed; symbolic links are expanded within the root. Mounting an overlay instead
//! would need a mount for each layer, and turn a replaced directory or an opaque mark into as many
//! whiteouts as it has entries.

use std::collections::VecDeque;
use std::rc::Rc;

use sys::OwnedFd;
use sys::root::entry::Entry;
use sys::rustix::fs::{FileType, Stat};

use super::path::{is_reserved, split};
use crate::error::{Error, Result, shown};

/// Symbolic links on the way to one path, as the kernel bounds them.
const MOST_LINKS: u32 = 40;
/// The mark of a directory that hides what lower layers have in it.
/// overlayfs takes the second one with `userxattr`, which is for those who may not set the first.
fn opaque_xattr() -> &'static str {
    if super::attributes::is_roots() {
        "trusted.overlay.opaque"
    } else {
        "user.overlay.opaque"
    }
}

/// The layer that is being made over its lower layers.
pub(super) struct Union {
    upper: Rc<OwnedFd>,
    /// Topmost first.
    lowers: Vec<Rc<OwnedFd>>,
    path_bytes: usize,
}

/// One directory of the union: those directories of the layers that are merged in it, topmost first.
#[derive(Clone)]
pub(super) struct Merged {
    upper: Option<Rc<OwnedFd>>,
    lowers: Vec<Rc<OwnedFd>>,
}

/// What a name stands for in a directory of the union.
pub(super) enum Found {
    Missing,
    Directory(Merged),
    Symlink(Vec<u8>),
    /// Anything else.
    Other,
}

/// What is found beneath the layer that is being made: the directory that has it, and what it is.
pub(super) struct Below {
    pub(super) directory: Rc<OwnedFd>,
    pub(super) stat: Stat,
}

impl Union {
    pub(super) fn new(upper: OwnedFd, lowers: Vec<Rc<OwnedFd>>, path_bytes: usize) -> Self {
        Self {
            upper: Rc::new(upper),
            lowers,
            path_bytes,
        }
    }

    /// The root directory of the layer that is being made.
    pub(super) fn upper(&self) -> &Rc<OwnedFd> {
        &self.upper
    }

    /// Whether there are layers below.
    pub(super) fn has_lowers(&self) -> bool {
        !self.lowers.is_empty()
    }

    /// From now on nothing is seen of the layers below.
    pub(super) fn hide_lowers(&mut self) {
        self.lowers.clear();
    }

    pub(super) fn root(&self) -> Merged {
        Merged {
            upper: Some(Rc::clone(&self.upper)),
            lowers: self.lowers.clone(),
        }
    }

    /// Resolves the directory `path` to one without symbolic links. It need not exist, or not all of
    /// it: what is missing stands as it is written.
    ///
    /// # Errors
    /// When something on the way is neither a directory nor a link, at too many links, or when the
    /// path becomes too long.
    pub(super) fn resolve(&self, path: &[&[u8]]) -> Result<Vec<Vec<u8>>> {
        let mut todo: VecDeque<Vec<u8>> = path.iter().map(|part| part.to_vec()).collect();
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut at = Some(self.root());
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == b".." {
                done.pop();
                at = self.walk(&done)?;
                continue;
            }
            let found = match &at {
                None => Found::Missing,
                Some(directory) => directory.look_up(&name)?,
            };
            match found {
                Found::Missing => at = None,
                Found::Directory(next) => at = Some(next),
                Found::Other => return Err(not_a_directory(&done, &name)),
                Found::Symlink(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Error::bad("path: too many symbolic links"));
                    }
                    if target.starts_with(b"/") {
                        done.clear();
                        at = Some(self.root());
                    }
                    for part in split(&target).collect::<Vec<_>>().into_iter().rev() {
                        todo.push_front(part.to_vec());
                    }
                    continue;
                }
            }
            done.push(name);
            self.check_length(&done)?;
        }
        Ok(done)
    }

    fn check_length(&self, path: &[Vec<u8>]) -> Result<()> {
        let length: usize = path.iter().map(|part| part.len() + 1).sum();
        if length > self.path_bytes {
            return Err(Error::too_large(format!(
                "path: resolves to more than {} bytes",
                self.path_bytes
            )));
        }
        Ok(())
    }

    /// The directory at a path without symbolic links, or nothing when it is missing.
    fn walk(&self, path: &[Vec<u8>]) -> Result<Option<Merged>> {
        let mut at = self.root();
        for name in path {
            match at.look_up(name)? {
                Found::Directory(next) => at = next,
                _ => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Makes sure that the layer has the directory at `path`, which has no symbolic links, and all
    /// above it. `made` is told each directory that is new: itself, its path, and the lower
    /// directory that it is merged with, whose attributes it should have.
    pub(super) fn ensure(
        &self,
        path: &[Vec<u8>],
        mut made: impl FnMut(&OwnedFd, &[Vec<u8>], Option<&OwnedFd>) -> Result<()>,
    ) -> Result<Rc<OwnedFd>> {
        let mut directory = Rc::clone(&self.upper);
        let mut at = Some(self.root());
        for (depth, name) in path.iter().enumerate() {
            let found = at.map(|merged| merged.look_up(name)).transpose()?;
            at = match found {
                Some(Found::Directory(next)) => Some(next),
                _ => None,
            };
            let existing = at.as_ref().and_then(|merged| merged.upper.clone());
            directory = match existing {
                Some(existing) => existing,
                None => {
                    let fresh = Rc::new(make(&directory, name)?);
                    let lower = at.as_ref().and_then(|merged| merged.lowers.first());
                    made(&fresh, &path[..=depth], lower.map(|lower| &**lower))?;
                    if let Some(merged) = &mut at {
                        merged.upper = Some(Rc::clone(&fresh));
                    }
                    fresh
                }
            };
        }
        Ok(directory)
    }

    /// What the layers below have at `name` in the directory `parent`, itself not followed.
    pub(super) fn below(&self, parent: &[Vec<u8>], name: &[u8]) -> Result<Option<Below>> {
        match self.walk(parent)? {
            None => Ok(None),
            Some(merged) => merged.below(name),
        }
    }
}

impl Merged {
    /// The topmost directory of the layers below that is merged in it.
    pub(super) fn lower(&self) -> Option<Rc<OwnedFd>> {
        self.lowers.first().cloned()
    }

    /// Looks a name up as overlayfs does: the topmost layer that has it decides, directories merge
    /// down to the first that is opaque or that something else lies under.
    pub(super) fn look_up(&self, name: &[u8]) -> Result<Found> {
        let mut merged = Self {
            upper: None,
            lowers: Vec::new(),
        };
        for (layer, is_upper) in self.layers() {
            let entry = Entry::named(&**layer, name)?;
            let Some(stat) = entry.stat()? else { continue };
            let nothing_yet = merged.upper.is_none() && merged.lowers.is_empty();
            match kind(&stat) {
                FileType::Directory => {
                    let directory = entry.open_directory()?;
                    let last = is_opaque(&directory)?;
                    if is_upper {
                        merged.upper = Some(Rc::new(directory));
                    } else {
                        merged.lowers.push(Rc::new(directory));
                    }
                    if last {
                        break;
                    }
                }
                _ if !nothing_yet || is_whiteout(&stat) => break,
                FileType::Symlink => return Ok(Found::Symlink(entry.read_link()?)),
                _ => return Ok(Found::Other),
            }
        }
        if merged.upper.is_none() && merged.lowers.is_empty() {
            return Ok(Found::Missing);
        }
        Ok(Found::Directory(merged))
    }

    fn below(&self, name: &[u8]) -> Result<Option<Below>> {
        for layer in &self.lowers {
            let Some(stat) = Entry::named(&**layer, name)?.stat()? else {
                continue;
            };
            let there = !is_whiteout(&stat);
            return Ok(there.then(|| Below {
                directory: Rc::clone(layer),
                stat,
            }));
        }
        Ok(None)
    }

    fn layers(&self) -> impl Iterator<Item = (&Rc<OwnedFd>, bool)> {
        let upper = self.upper.iter().map(|layer| (layer, true));
        upper.chain(self.lowers.iter().map(|layer| (layer, false)))
    }
}

/// Makes the directory `name`. A whiteout may stand there: what it hides must stay hidden.
fn make(parent: &Rc<OwnedFd>, name: &[u8]) -> Result<OwnedFd> {
    if is_reserved(name) {
        return Err(Error::bad("path: leads through a whiteout"));
    }
    let entry = Entry::named(&**parent, name)?;
    let hidden = entry.stat()?.is_some();
    if hidden {
        entry.unlink()?;
    }
    entry.make_directory()?;
    let directory = entry.open_directory()?;
    if hidden {
        set_opaque(&directory)?;
    }
    Ok(directory)
}

/// Hides what lower layers have in this directory.
pub(super) fn set_opaque(directory: &OwnedFd) -> Result<()> {
    let flags = sys::rustix::fs::XattrFlags::empty();
    let name = opaque_xattr();
    sys::rustix::fs::fsetxattr(directory, name, b"y", flags)
        .map_err(|errno| sys::Error::new("fsetxattr", name, errno).into())
}

fn is_opaque(directory: &OwnedFd) -> Result<bool> {
    match sys::root::entry::xattr(directory, opaque_xattr().as_bytes(), opaque_xattr()) {
        Ok(value) => Ok(value == b"y"),
        Err(error) if matches!(error.errno, sys::Errno::NODATA | sys::Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What a name stands for, from its mode.
pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Whether this is overlayfs' mark of a name that is hidden: a character device 0/0.
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    kind(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn not_a_directory(above: &[Vec<u8>], name: &[u8]) -> Error {
    let mut path = above.join(&b'/');
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    Error::bad(format!("path: {} is not a directory", shown(&path)))
}
