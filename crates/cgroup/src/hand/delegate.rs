//! Handing a cgroup to an ordinary user, who may then make cgroups below it (cgroups(7), "Delegation").

use alloc::string::String;
use alloc::vec::Vec;

use sys::rustix::fs::{AtFlags, Gid, Uid, chownat};
use sys::{Errno, OwnedFd};

use super::Target;
use crate::error::{Error, Result};
use crate::lower::Version;

/// Where newer kernels say which files of v2 go with a directory.
const LIST: &str = "/sys/kernel/cgroup/delegate";

impl Target {
    /// Makes a user and group the owner of its directories, and of the files by which processes are moved and
    /// controllers enabled, but of no limit.
    ///
    /// # Errors
    /// Those of chown(2).
    pub fn give_to(&self, user: u32, group: u32) -> Result<()> {
        let opened = self.open()?;
        let v2 = sys::file::read_text(LIST).unwrap_or_else(|_| {
            String::from("cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n")
        });
        for (leaf, dir) in opened.leaves.iter().zip(&opened.dirs) {
            let names: Vec<&str> = match leaf.version {
                Version::V2 => v2.lines().collect(),
                Version::V1 => Vec::from(["cgroup.procs", "tasks"]),
            };
            for name in names.iter().copied().chain([""]) {
                own(dir, name, user, group).map_err(|errno| {
                    Error::from(sys::Error::new(
                        "chown",
                        &[&leaf.dir(), "/", name].concat(),
                        errno,
                    ))
                })?;
            }
        }
        Ok(())
    }
}

fn own(dir: &OwnedFd, name: &str, user: u32, group: u32) -> core::result::Result<(), Errno> {
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    match chownat(dir, name, Some(user), Some(group), AtFlags::EMPTY_PATH) {
        // Files of controllers that are not enabled here.
        Err(Errno::NOENT) if !name.is_empty() => Ok(()),
        done => done,
    }
}
