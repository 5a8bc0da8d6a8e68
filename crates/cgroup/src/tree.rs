//! A container's cgroups: making them, setting their limits, entering and removing them.
//!
//! Paths here are built of a mount point and a checked path, and cgroup file systems have no symbolic
//! links, so they are safe to use as they stand. What a container made below its own cgroup is walked
//! by descriptor only.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

use sys::rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use sys::rustix::io::{retry_on_intr, write};
use sys::{Errno, OwnedFd};

use crate::controller::{Controller, Controllers};
use crate::error::{Error, Result};
use crate::file;
use crate::lower::{Absent, Leaf, Lowered, Setting, Version};
use crate::remove;

/// A container's cgroups, open.
#[derive(Debug)]
pub struct Group {
    pub(crate) leaves: Vec<Leaf>,
    /// One `O_PATH` descriptor for each leaf.
    pub(crate) dirs: Vec<OwnedFd>,
    made: Vec<String>,
    /// The file that was written last, for the many lines of a v1 device policy.
    written: RefCell<Option<Written>>,
    /// Whether a leaf was there before, so that an earlier container's device program may be, too.
    pub(crate) taken_over: bool,
}

/// A control file, still open.
#[derive(Debug)]
struct Written {
    leaf: usize,
    name: String,
    file: OwnedFd,
}

impl Group {
    /// A group of which nothing is made yet; [`Group::make`] follows for each leaf, in order.
    pub fn planned(leaves: Vec<Leaf>) -> Self {
        Self {
            dirs: Vec::with_capacity(leaves.len()),
            leaves,
            made: Vec::new(),
            written: RefCell::new(None),
            taken_over: false,
        }
    }

    /// Makes the directories of `leaves`, with their ancestors, and enables the controllers they need.
    /// When anything fails, what was made is removed again.
    ///
    /// # Errors
    /// As for [`Group::make`].
    pub fn create(leaves: Vec<Leaf>) -> Result<Self> {
        let mut group = Self::planned(leaves);
        for _ in 0..group.leaves.len() {
            if let Err(error) = group.make() {
                remove::undo(&group.made);
                return Err(error);
            }
        }
        Ok(group)
    }

    /// As [`Group::create`], where systemd has made the cgroups and put a process in them: what is missing is
    /// made, and nothing is refused for being in use.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn adopt(leaves: Vec<Leaf>) -> Result<Self> {
        let mut group = Self::planned(leaves);
        for _ in 0..group.leaves.len() {
            group.make_next(false)?;
        }
        Ok(group)
    }

    /// As [`Group::create`], beside what is there: an existing leaf is used as it is.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn create_beside(leaves: Vec<Leaf>) -> Result<Self> {
        let mut group = Self::planned(leaves);
        for _ in 0..group.leaves.len() {
            if let Err(error) = group.make_next(false) {
                remove::undo(&group.made);
                return Err(error);
            }
        }
        Ok(group)
    }

    /// Makes the next leaf, with its ancestors, and enables the controllers it needs.
    ///
    /// A directory that is there already is taken over if it is empty and not frozen. What was made up to
    /// a failure is in [`Group::made`].
    ///
    /// # Errors
    /// When the kernel refuses, or an existing cgroup is in use ("container's cgroup is not empty").
    pub fn make(&mut self) -> Result<()> {
        self.make_next(true)
    }

    fn make_next(&mut self, unused: bool) -> Result<()> {
        let Some(leaf) = self.leaves.get(self.dirs.len()) else {
            return Ok(());
        };
        let path = leaf.dir();
        let existed = make_dirs(leaf, &path, &mut self.made)?;
        let dir = open_dir(&path)?;
        if existed && unused {
            check_unused(leaf, &dir)?;
        }
        self.taken_over |= existed;
        if leaf.version == Version::V2 {
            enable_controllers(leaf, &dir)?;
        } else if leaf.controllers.has(Controller::Cpuset) {
            inherit_cpuset(leaf)?;
        }
        self.dirs.push(dir);
        Ok(())
    }

    /// Makes everything of `lowered`: directories, limits, device policy. When anything fails, what was
    /// made is removed again.
    ///
    /// # Errors
    /// As for [`Group::create`], [`Group::apply`] and [`Group::restrict_devices`].
    pub fn set_up(lowered: &Lowered<'_>) -> Result<Self> {
        let group = Self::create(lowered.leaves.clone())?;
        let limited = group
            .apply(&lowered.settings)
            .and_then(|()| group.restrict_devices(&lowered.devices));
        match limited {
            Ok(()) => Ok(group),
            Err(error) => {
                remove::undo(&group.made);
                Err(error)
            }
        }
    }

    /// Opens the cgroups of a container that exists.
    ///
    /// # Errors
    /// `ENOENT` when one is gone.
    pub fn open(leaves: Vec<Leaf>) -> Result<Self> {
        let dirs = leaves
            .iter()
            .map(|leaf| open_dir(&leaf.dir()))
            .collect::<Result<_>>()?;
        Ok(Self {
            leaves,
            dirs,
            made: Vec::new(),
            written: RefCell::new(None),
            taken_over: false,
        })
    }

    /// The directories that [`Group::create`] made, in that order, but for shared ancestors: what has to
    /// be removed, in reverse.
    pub fn made(&self) -> &[String] {
        &self.made
    }

    /// Its cgroup in each hierarchy.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// The first write that the kernel refuses, with the field that asked for it.
    pub fn apply(&self, settings: &[Setting<'_>]) -> Result<()> {
        let mut again = Vec::new();
        for setting in settings {
            match self.write(setting) {
                Err(error) if setting.interlocked && error.is(Errno::INVAL) => again.push(setting),
                done => done?,
            }
        }
        // The refused half of a pair is tried once more now that the other half is in place.
        again
            .into_iter()
            .try_for_each(|setting| self.write(setting))
    }

    /// Makes one write. On a new cgroup, in the order of [`Lowered::settings`], that is all there is to
    /// it; on one that has limits, [`Group::apply`] knows when to try again.
    ///
    /// # Errors
    /// When the kernel refuses; the error names the field that asked for it.
    pub fn write(&self, setting: &Setting<'_>) -> Result<()> {
        let place = Some(setting.place);
        if let Some(used) = setting.above {
            self.check_use(setting, used)?;
        }
        let (mut file, mut value) = (&*setting.file, &*setting.value);
        let mut done = self.write_to(setting.leaf, file, value);
        match &setting.absent {
            Absent::Ignored if done == Err(Errno::NOENT) || done == Err(Errno::OPNOTSUPP) => {
                return Ok(());
            }
            Absent::Instead {
                file: other,
                value: its,
            } if done == Err(Errno::NOENT) => {
                (file, value) = (other, its);
                done = self.write_to(setting.leaf, file, value);
            }
            _ => {}
        }
        done.map_err(|errno| {
            let error = file::write_error(file, value, &self.leaves[setting.leaf].dir(), errno);
            error.from_place(place)
        })
    }

    /// Writes `value` by one write(2).
    fn write_to(&self, leaf: usize, name: &str, value: &str) -> core::result::Result<(), Errno> {
        let mut written = self.written.borrow_mut();
        let same = written
            .take()
            .filter(|last| last.leaf == leaf && last.name == name);
        let open = match same {
            Some(last) => last,
            None => Written {
                leaf,
                name: name.into(),
                file: file::open(&self.dirs[leaf], name, OFlags::WRONLY)?,
            },
        };
        let done = retry_on_intr(|| write(&open.file, value.as_bytes()));
        *written = Some(open);
        done.map(drop)
    }

    /// Refuses a limit that is below what is used now.
    fn check_use(&self, setting: &Setting<'_>, used: &'static str) -> Result<()> {
        let leaf = &self.leaves[setting.leaf];
        let now = file::read(&self.dirs[setting.leaf], used).map_err(|errno| {
            file::error("read", used, &leaf.dir(), errno).from_place(Some(setting.place))
        })?;
        let number = |text: &str| text.trim().parse::<u64>().unwrap_or(u64::MAX);
        if number(&now) <= number(&setting.value) {
            return Ok(());
        }
        let words = [
            &setting.file,
            " ",
            &setting.value,
            " is less than what is used: ",
            now.trim(),
        ];
        Err(Error::state(words.concat()).from_place(Some(setting.place)))
    }
}

fn open_dir(path: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    Ok(sys::file::open(path, flags)?)
}

fn mkdir(path: &str) -> core::result::Result<(), Errno> {
    mkdirat(CWD, path, Mode::from_raw_mode(0o755))
}

/// Makes the directory of a leaf, and its ancestors where they are missing; notes what was made. Says
/// whether it was there before.
fn make_dirs(leaf: &Leaf, path: &str, made: &mut Vec<String>) -> Result<bool> {
    // Somebody may remove an empty ancestor between its making and its use.
    for _ in 0..8 {
        match mkdir(path) {
            Ok(()) => {
                made.push(path.into());
                return Ok(false);
            }
            Err(Errno::EXIST) => return Ok(true),
            Err(Errno::NOENT) => make_ancestors(leaf, made)?,
            Err(errno) => return Err(mkdir_error(path, errno)),
        }
    }
    Err(mkdir_error(path, Errno::NOENT))
}

fn make_ancestors(leaf: &Leaf, made: &mut Vec<String>) -> Result<()> {
    let ends = leaf.path.match_indices('/').map(|(at, _)| at).skip(1);
    for (i, end) in ends.enumerate() {
        let path = [&leaf.mount, &leaf.path[..end]].concat();
        match mkdir(&path) {
            Ok(()) if i < leaf.shared => {}
            Ok(()) => made.push(path),
            Err(Errno::EXIST) => {}
            // Its parent has just gone: the caller starts again.
            Err(Errno::NOENT) if i > 0 => return Ok(()),
            Err(errno) => return Err(mkdir_error(&path, errno)),
        }
    }
    Ok(())
}

fn mkdir_error(path: &str, errno: Errno) -> Error {
    let error = Error::from(sys::Error::new("mkdir", path, errno));
    match errno {
        Errno::ROFS => error.hint("cgroups are mounted read-only here"),
        Errno::ACCESS | Errno::PERM => {
            error.hint("cgroups are made by root, or below one that was delegated")
        }
        Errno::AGAIN => {
            error.hint("an ancestor's cgroup.max.depth or cgroup.max.descendants is reached")
        }
        _ => error,
    }
}

/// Refuses a cgroup that was there before and holds processes, or would freeze them.
fn check_unused(leaf: &Leaf, dir: &OwnedFd) -> Result<()> {
    let frozen = match leaf.version {
        Version::V2 => file::read(dir, "cgroup.freeze").is_ok_and(|text| text.trim() == "1"),
        Version::V1 => file::read(dir, "freezer.state").is_ok_and(|text| text.trim() != "THAWED"),
    };
    if frozen {
        return Err(Error::state(
            ["container's cgroup unexpectedly frozen: ", &leaf.dir()].concat(),
        ));
    }
    let count = crate::control::processes_below(dir, &leaf.dir())?.len();
    if count > 0 {
        let count = crate::lower::decimal(count.try_into().unwrap_or(u64::MAX));
        let words = [
            "container's cgroup is not empty: ",
            &count,
            " process(es) found in ",
            &leaf.dir(),
        ];
        return Err(Error::state(words.concat()));
    }
    Ok(())
}

/// Sees to it that the leaf has the controllers it needs, by enabling them in all its ancestors.
pub(crate) fn enable_controllers(leaf: &Leaf, dir: &OwnedFd) -> Result<()> {
    if leaf.controllers.is_empty() {
        return Ok(());
    }
    let there = file::read(dir, "cgroup.controllers")
        .map_err(|errno| file::error("read", "cgroup.controllers", &leaf.dir(), errno))?;
    let missing = leaf.controllers.without(Controllers::parse(&there, ' '));
    if missing.is_empty() {
        return Ok(());
    }
    let mut line = String::new();
    for one in missing.iter() {
        line.push_str(if line.is_empty() { "+" } else { " +" });
        line.push_str(one.v2_name());
    }
    for (end, _) in leaf.path.match_indices('/') {
        let parent = [&leaf.mount, &leaf.path[..end]].concat();
        match enable_in(&parent, &line) {
            // Whoever has delegated a cgroup has enabled what is to be had there.
            Err(error) if error.is(Errno::ACCESS) && enables(&parent, missing) => {}
            done => done?,
        }
    }
    Ok(())
}

/// Whether the children of a cgroup have these controllers.
fn enables(parent: &str, controllers: Controllers) -> bool {
    let list = sys::file::read_text(&[parent, "/cgroup.subtree_control"].concat());
    list.is_ok_and(|list| {
        controllers
            .without(Controllers::parse(&list, ' '))
            .is_empty()
    })
}

fn enable_in(parent: &str, line: &str) -> Result<()> {
    let file = [parent, "/cgroup.subtree_control"].concat();
    let done =
        retry_on_intr(|| openat(CWD, &*file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()))
            .and_then(|file| retry_on_intr(|| write(&file, line.as_bytes())));
    done.map(drop).map_err(|errno| {
        let error = file::write_error("cgroup.subtree_control", line, parent, errno);
        match errno {
            Errno::BUSY => error.hint(
                "that cgroup has processes of its own, so its children can have no controllers: \
                move them to a child, or choose another parent",
            ),
            Errno::NOENT | Errno::INVAL => {
                error.hint("a controller is not available there: see its cgroup.controllers")
            }
            Errno::OPNOTSUPP => error.hint("that cgroup is threaded: see its cgroup.type"),
            _ => error,
        }
    })
}

/// A new v1 cpuset has neither processors nor memory nodes, and nothing can enter it: it takes its
/// parent's, from the top down.
fn inherit_cpuset(leaf: &Leaf) -> Result<()> {
    let ends = leaf
        .path
        .match_indices('/')
        .map(|(at, _)| at)
        .skip(1)
        .chain([leaf.path.len()]);
    let mut parent = open_dir(&leaf.mount)?;
    for end in ends {
        let path = [&leaf.mount, &leaf.path[..end]].concat();
        let dir = open_dir(&path)?;
        for name in ["cpuset.cpus", "cpuset.mems"] {
            let own =
                file::read(&dir, name).map_err(|errno| file::error("read", name, &path, errno))?;
            if own.trim().is_empty() {
                let theirs =
                    file::read(&parent, name).map_err(|e| file::error("read", name, &path, e))?;
                file::write(&dir, name, theirs.trim())
                    .map_err(|errno| file::write_error(name, theirs.trim(), &path, errno))?;
            }
        }
        parent = dir;
    }
    Ok(())
}
