//! Overlays of layers whose owners are translated.
//!
//! overlayfs cannot itself be mounted with translated owners, but its lower layers can be (Linux 5.19):
//! each is a detached copy of its mount, with a user namespace's maps, and reaches overlayfs by its
//! descriptor. The upper layer is as it is: overlayfs makes files in it with the ids that it is asked
//! for, and the work directory with those of whoever mounts, which are in no such map.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use crate::error::{OnCall, Result};
use crate::mount;

/// The most bytes that fsconfig(2) takes as one value.
const LONGEST_VALUE: usize = 255;

/// Mounts an overlay, attached nowhere, whose lower layers' owners are translated by the maps of
/// `user_namespace`. `options` are those of mount(8): `lowerdir=a:b,upperdir=c/u,workdir=c/w`; relative
/// paths start from `base`.
///
/// # Errors
/// `EINVAL` where a layer's file system cannot translate.
pub fn translated(base: &str, options: &str, user_namespace: impl AsFd) -> Result<OwnedFd> {
    let mut layers = Layers {
        base,
        namespace: Some(user_namespace.as_fd()),
        opened: Vec::new(),
    };
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).on("fsopen", "overlay")?;
    for option in split(options, b',') {
        layers.configure(&overlay, option)?;
    }
    fsconfig_create(&overlay).on("fsconfig(create)", options)?;
    let attributes = MountAttrFlags::empty();
    fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, attributes).on("fsmount", options)
}

/// Mounts an overlay of at least two layers to read from, attached nowhere. The topmost one is the first.
///
/// # Errors
/// The kernel's.
pub fn read_only(layers: &[String]) -> Result<OwnedFd> {
    let mut opened = Layers {
        base: "",
        namespace: None,
        opened: Vec::new(),
    };
    let paths: Vec<String> = layers
        .iter()
        .map(|path| opened.open(path))
        .collect::<Result<_>>()?;
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).on("fsopen", "overlay")?;
    set_lower(&overlay, &paths, "the layers of a root")?;
    fsconfig_create(&overlay).on("fsconfig(create)", "the layers of a root")?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY;
    fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .on("fsmount", "the layers of a root")
}

/// The layers, which must be there until the overlay is.
struct Layers<'l> {
    base: &'l str,
    namespace: Option<BorrowedFd<'l>>,
    opened: Vec<OwnedFd>,
}

impl Layers<'_> {
    fn configure(&mut self, overlay: &OwnedFd, option: &str) -> Result<()> {
        let set = |key: &str, value: &str| {
            fsconfig_set_string(overlay, key, value).on("fsconfig(string)", option)
        };
        match option.split_once('=') {
            Some(("lowerdir", list)) => self.lower(overlay, list),
            Some((key @ ("upperdir" | "workdir"), path)) => {
                let path = self.open(&unescaped(path))?;
                set(key, &path)
            }
            Some((key, value)) => set(key, value),
            None => fsconfig_set_flag(overlay, option).on("fsconfig(flag)", option),
        }
    }

    fn lower(&mut self, overlay: &OwnedFd, list: &str) -> Result<()> {
        let mut paths = Vec::new();
        for layer in split(list, b':') {
            paths.push(self.translated(&unescaped(layer))?);
        }
        set_lower(overlay, &paths, list)
    }

    /// The descriptor's path of a directory, translated.
    fn translated(&mut self, path: &str) -> Result<String> {
        let Some(namespace) = self.namespace else {
            return self.open(path);
        };
        let path = self.absolute(path);
        let tree = mount::detached(&path, false)?;
        mount::translate(&tree, &path, namespace, false)?;
        Ok(self.keep(tree))
    }

    /// The descriptor's path of a directory as it is.
    fn open(&mut self, path: &str) -> Result<String> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = self.absolute(path);
        let opened = openat(CWD, &*path, flags, Mode::empty()).on("openat", &path)?;
        Ok(self.keep(opened))
    }

    fn absolute<'p>(&self, path: &'p str) -> Cow<'p, str> {
        if path.starts_with('/') {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(format!("{}/{path}", self.base))
        }
    }

    fn keep(&mut self, fd: OwnedFd) -> String {
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        self.opened.push(fd);
        path
    }
}

/// One value where it fits: `lowerdir+` is Linux 6.7's.
fn set_lower(overlay: &OwnedFd, paths: &[String], list: &str) -> Result<()> {
    let joined = paths.join(":");
    if joined.len() <= LONGEST_VALUE {
        return fsconfig_set_string(overlay, "lowerdir", &*joined).on("fsconfig(lowerdir)", list);
    }
    for path in paths {
        fsconfig_set_string(overlay, "lowerdir+", path).on("fsconfig(lowerdir+)", list)?;
    }
    Ok(())
}

/// The parts of `text` between separators that no backslash stands before.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |c: char| {
        let found = !escaped && c == char::from(separator);
        escaped = !escaped && c == '\\';
        found
    })
}

/// Without the backslashes that protect what follows them.
fn unescaped(text: &str) -> String {
    let mut escaped = false;
    let kept = text.chars().filter(|c| {
        escaped = !escaped && *c == '\\';
        !escaped
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_that_are_part_of_a_path() {
        let parts: Vec<&str> = split("a\\,b,c\\\\,d", b',').collect();
        assert_eq!(parts, ["a\\,b", "c\\\\", "d"]);
        assert_eq!(unescaped("a\\,b\\:c\\\\d"), "a,b:c\\d");
    }
}
