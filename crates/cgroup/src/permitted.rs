//! What is left of a container's cgroups for somebody who may not make all of them: an ordinary user,
//! or root of a user namespace.
//!
//! As all runtimes do it: a hierarchy that may not be written to is done without, and a limit that it
//! would have to hold is refused. A device policy alone is no reason to refuse: whoever may not set one
//! may not make device nodes either.

use alloc::vec::Vec;

use sys::Errno;
use sys::rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::error::{Error, Result};
use crate::lower::{Leaf, Lowered, Setting, Version};

impl Lowered<'_> {
    /// Leaves out the hierarchies in which this process may not make the container's cgroup.
    ///
    /// # Errors
    /// When one of them would have to hold a limit; the error names its field.
    pub fn keep_permitted(&mut self) -> Result<()> {
        let permitted: Vec<bool> = self.leaves.iter().map(may_make).collect();
        let refused = self
            .settings
            .iter()
            .find(|setting| !permitted[setting.leaf] && !setting.is_device_rule());
        if let Some(setting) = refused {
            let leaf = &self.leaves[setting.leaf];
            let name = setting.file.split('.').next().unwrap_or("cgroup");
            let words = [
                "cannot set ",
                name,
                " limit: container could not join or create cgroup ",
                &leaf.dir(),
                ": permission denied",
            ];
            return Err(Error::unsupported(setting.place, words.concat()).hint(
                "rootless needs no limits + no cgrouppath when no permission is granted for \
                 cgroups: leave the limit out, or have a cgroup delegated (systemd: Delegate=yes)",
            ));
        }
        if !self.has_permitted_unified(&permitted) {
            self.devices.clear();
            self.device_policy.clear();
        }
        self.drop_leaves(&permitted);
        Ok(())
    }

    fn has_permitted_unified(&self, permitted: &[bool]) -> bool {
        let mut leaves = self.leaves.iter().zip(permitted);
        leaves.any(|(leaf, permitted)| *permitted && leaf.version == Version::V2)
    }

    fn drop_leaves(&mut self, permitted: &[bool]) {
        let left = |leaf: usize| permitted[..leaf].iter().filter(|kept| **kept).count();
        self.settings.retain(|setting| permitted[setting.leaf]);
        for setting in &mut self.settings {
            setting.leaf = left(setting.leaf);
        }
        let mut index = 0;
        self.leaves.retain(|_| {
            index += 1;
            permitted[index - 1]
        });
    }
}

impl Setting<'_> {
    /// Whether it is a line of a v1 device policy.
    pub fn is_device_rule(&self) -> bool {
        self.place.field == "linux.resources.devices"
    }
}

/// Whether this process may make the leaf, and have processes in it.
fn may_make(leaf: &Leaf) -> bool {
    let mut path = leaf.dir();
    match access(&path, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => return access(&[&path, "/cgroup.procs"].concat(), Access::WRITE_OK).is_ok(),
        Err(Errno::NOENT) => {}
        Err(_) => return false,
    }
    while path.len() > leaf.mount.len() {
        path.truncate(path.rfind('/').unwrap_or(0));
        match access(&path, Access::WRITE_OK | Access::EXEC_OK) {
            Err(Errno::NOENT) => {}
            done => return done.is_ok(),
        }
    }
    false
}

fn access(path: &str, how: Access) -> core::result::Result<(), Errno> {
    accessat(CWD, path, how, AtFlags::EACCESS)
}
