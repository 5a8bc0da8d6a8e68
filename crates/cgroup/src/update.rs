//! Other limits for a container that runs.

use alloc::vec::Vec;

use sys::Errno;

use crate::control::{Deadline, processes_below};
use crate::error::{Error, Result};
use crate::file;
use crate::lower::{Leaf, Lowered, Setting, Version, decimal};
use crate::tree::{Group, enable_controllers};

/// How long a container is waited for to stand still, in milliseconds.
const PATIENCE_MS: u32 = 2000;

impl Group {
    /// Gives a running container other limits: `lowered` comes of all its resources, the changed and the
    /// unchanged ones.
    ///
    /// Where they need a hierarchy that it is not in yet, that is made and all processes are moved there;
    /// what they used before is not charged to it.
    ///
    /// # Errors
    /// The first thing that the kernel refuses; what was done before stays. [`Group::leaves`] and
    /// [`Group::made`] tell the truth also then.
    pub fn update(&mut self, lowered: &Lowered<'_>) -> Result<()> {
        let here: Vec<usize> = lowered
            .leaves
            .iter()
            .map(|leaf| self.leaf_for(leaf))
            .collect::<Result<_>>()?;
        let settings = lowered.settings.iter().cloned().map(|mut setting| {
            setting.leaf = here[setting.leaf];
            setting
        });
        let (devices, others): (Vec<_>, Vec<_>) =
            settings.partition(|setting| setting.file.starts_with("devices."));
        self.apply(&others)?;
        for index in here {
            self.gather(index)?;
        }
        self.rewrite_devices(&devices)?;
        self.replace_devices(&lowered.devices)
    }

    /// Writes the device policy of v1 anew. That takes several writes, the first of which denies
    /// everything: nothing may run until the last.
    fn rewrite_devices(&self, settings: &[Setting<'_>]) -> Result<()> {
        let Some(first) = settings.first() else {
            return Ok(());
        };
        let (leaf, dir) = (&self.leaves[first.leaf], &self.dirs[first.leaf]);
        let list = file::read(dir, "devices.list")
            .map_err(|errno| file::error("read", "devices.list", &leaf.dir(), errno))?;
        if is_in_force(&list, settings) {
            return Ok(());
        }
        let paused = self.frozen()?;
        if !paused {
            self.freeze(Deadline::after(PATIENCE_MS))?;
        }
        let written = self.apply(settings);
        if !paused {
            self.thaw(Deadline::after(PATIENCE_MS))?;
        }
        written
    }

    /// The number of this group's leaf in the same hierarchy as `wanted`, made if there is none.
    fn leaf_for(&mut self, wanted: &Leaf) -> Result<usize> {
        let found = self
            .leaves
            .iter()
            .position(|leaf| leaf.mount == wanted.mount);
        let Some(index) = found else {
            self.leaves.push(wanted.clone());
            return match self.make() {
                Ok(()) => Ok(self.leaves.len() - 1),
                Err(error) => {
                    self.leaves.pop();
                    Err(error)
                }
            };
        };
        if wanted.version == Version::V2 {
            let leaf = &mut self.leaves[index];
            leaf.controllers = leaf.controllers.and(wanted.controllers);
            enable_controllers(leaf, &self.dirs[index])?;
        }
        Ok(index)
    }

    /// Moves the container's processes into a leaf that they are not in. What they fork meanwhile is
    /// born in one place or the other, so this goes on until a look finds nothing to do.
    fn gather(&self, index: usize) -> Result<()> {
        const ROUNDS: u32 = 100;
        let (leaf, dir) = (&self.leaves[index], &self.dirs[index]);
        for _ in 0..ROUNDS {
            let there = processes_below(dir, &leaf.dir())?;
            let missing: Vec<_> = self
                .processes()?
                .into_iter()
                .filter(|pid| !there.contains(pid))
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            for pid in missing {
                let number = decimal(pid.as_raw_nonzero().get().unsigned_abs().into());
                match file::write(dir, "cgroup.procs", &number) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => {
                        return Err(file::write_error(
                            "cgroup.procs",
                            &number,
                            &leaf.dir(),
                            errno,
                        ));
                    }
                }
            }
        }
        Err(Error::state(
            [
                "cgroup: the container forks faster than it can be moved to ",
                &leaf.dir(),
            ]
            .concat(),
        )
        .hint("pause it first"))
    }
}

/// Whether a `devices.list` says already what these writes would make it say.
fn is_in_force(list: &str, settings: &[Setting<'_>]) -> bool {
    let allowed = |setting: &&Setting<'_>| setting.file == "devices.allow";
    let mut wanted: Vec<&str> = settings
        .iter()
        .filter(allowed)
        .map(|setting| &*setting.value)
        .collect();
    let mut there: Vec<&str> = list.lines().collect();
    wanted.sort_unstable();
    there.sort_unstable();
    // A denied device of a cgroup that allows the others does not show in its list.
    wanted == there || (wanted == ["a"] && there == ["a *:* rwm"] && settings.len() == 1)
}
