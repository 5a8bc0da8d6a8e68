//! The layers as a container sees them: an overlay that is mounted nowhere, so that it vanishes with
//! its descriptor.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sys::rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};
use sys::{AsRawFd, OwnedFd};

/// A mounted overlay.
pub struct Overlay {
    mount: OwnedFd,
}

impl Overlay {
    /// Stacks `layers`, topmost first, over the directory `bottom`, which is empty.
    pub fn new(layers: &[PathBuf], bottom: &Path) -> Self {
        fs::create_dir_all(bottom).unwrap();
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        for layer in layers.iter().map(PathBuf::as_path).chain([bottom]) {
            fsconfig_set_string(&context, "lowerdir+", layer.as_os_str().as_bytes()).unwrap();
        }
        fsconfig_create(&context).unwrap();
        let flags = FsMountFlags::FSMOUNT_CLOEXEC;
        Self {
            mount: fsmount(&context, flags, MountAttrFlags::MOUNT_ATTR_RDONLY).unwrap(),
        }
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.mount.as_raw_fd()))
    }

    pub fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// Everything in it: path to a description.
    pub fn view(&self) -> BTreeMap<String, String> {
        let mut view = BTreeMap::new();
        describe(&self.path(), "", &mut view);
        view
    }
}

fn describe(directory: &Path, prefix: &str, view: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        // A name that is listed must be there: a whiteout that shows would not be.
        let metadata = entry
            .metadata()
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        let kind = metadata.file_type();
        let text = if kind.is_symlink() {
            format!("-> {}", fs::read_link(entry.path()).unwrap().display())
        } else if kind.is_dir() {
            "dir".to_owned()
        } else if kind.is_file() {
            format!(
                "file {}",
                String::from_utf8_lossy(&fs::read(entry.path()).unwrap())
            )
        } else if kind.is_fifo() {
            "fifo".to_owned()
        } else {
            format!("node {:x}", metadata.rdev())
        };
        view.insert(path.clone(), text);
        if kind.is_dir() {
            describe(&entry.path(), &format!("{path}/"), view);
        }
    }
}
