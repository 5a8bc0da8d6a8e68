//! Cgroup views of one host, each in a private mount namespace.
//!
//! A hybrid host (v1 controllers beside an empty cgroup2) is refused by some runtimes and read as v1 by
//! others. Given a view that shows one of the two alone, all of them do the same work.

use crate::Result;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

const CGROUP_ROOT: &str = "/sys/fs/cgroup";
const NOTHING: Option<&str> = None;

/// Which cgroup mounts the measured runtimes see.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum View {
    /// The v1 hierarchies without cgroup2.
    V1,
    /// cgroup2 alone at `/sys/fs/cgroup`.
    V2,
    /// Whatever the host has.
    Host,
}

impl View {
    /// The name used on the command line and in results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            View::V1 => "v1",
            View::V2 => "v2",
            View::Host => "host",
        }
    }

    /// The view called `name`.
    pub(crate) fn named(name: &str) -> Result<Self> {
        match name {
            "v1" => Ok(View::V1),
            "v2" => Ok(View::V2),
            "host" => Ok(View::Host),
            _ => Err(format!("--view: {name:?} is none of v1, v2, host").into()),
        }
    }

    /// The views that this host's mounts can be arranged to.
    pub(crate) fn present() -> Result<Vec<Self>> {
        let mounts = cgroup_mounts()?;
        let mut views = vec![View::Host];
        if mounts.iter().any(|mount| !mount.unified) {
            views.push(View::V1);
        }
        if mounts.iter().any(|mount| mount.unified) {
            views.push(View::V2);
        }
        Ok(views)
    }
}

impl fmt::Display for View {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// One mounted hierarchy.
pub(crate) struct CgroupMount {
    pub(crate) path: PathBuf,
    pub(crate) unified: bool,
}

/// The hierarchies that this process sees mounted, in mount order.
pub(crate) fn cgroup_mounts() -> Result<Vec<CgroupMount>> {
    let mut mounts = Vec::new();
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(path), Some(kind)) = (left.split(' ').nth(4), right.split(' ').next()) else {
            continue;
        };
        if matches!(kind, "cgroup" | "cgroup2") && path.starts_with(CGROUP_ROOT) {
            mounts.push(CgroupMount {
                path: path.into(),
                unified: kind == "cgroup2",
            });
        }
    }
    Ok(mounts)
}

/// Where everything of one view is kept: bundles, state directories, podman's store.
pub(crate) struct Place {
    /// A tmpfs that only this process's mount namespace has.
    pub(crate) work: PathBuf,
    /// The start of every container's and cgroup's name.
    pub(crate) prefix: String,
}

/// Moves this process into a new mount namespace that shows `view` and has a work directory.
pub(crate) fn enter(view: View) -> Result<Place> {
    let Place { work, prefix } = Place::of(std::process::id());
    fs::create_dir(&work)?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("a mount namespace: {error}"))?;
    mount(
        NOTHING,
        "/",
        NOTHING,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        NOTHING,
    )?;
    mount(
        Some("tmpfs"),
        &work,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=0755"),
    )?;
    match view {
        View::V1 => show_v1(&work.join("cgroup"))?,
        View::V2 => show_v2(&work.join("cgroup"))?,
        View::Host => {}
    }
    Ok(Place { work, prefix })
}

fn bind(source: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target)?;
    mount(Some(source), target, NOTHING, MsFlags::MS_BIND, NOTHING).map_err(|error| {
        format!("bind {} on {}: {error}", source.display(), target.display()).into()
    })
}

/// Puts the mount at `staged` in the place of everything at `/sys/fs/cgroup`.
fn replace_cgroup_root(staged: &Path) -> Result<()> {
    umount2(CGROUP_ROOT, MntFlags::MNT_DETACH)?;
    mount(
        Some(staged),
        CGROUP_ROOT,
        NOTHING,
        MsFlags::MS_MOVE,
        NOTHING,
    )?;
    Ok(())
}

fn show_v1(staged: &Path) -> Result<()> {
    let mounts = cgroup_mounts()?;
    if !mounts.iter().any(|mount| mount.unified) {
        return Ok(());
    }
    fs::create_dir(staged)?;
    mount(
        Some("tmpfs"),
        staged,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=0755"),
    )?;
    for hierarchy in mounts.iter().filter(|mount| !mount.unified) {
        bind(
            &hierarchy.path,
            &staged.join(hierarchy.path.strip_prefix(CGROUP_ROOT)?),
        )?;
    }
    replace_cgroup_root(staged)
}

fn show_v2(staged: &Path) -> Result<()> {
    let mounts = cgroup_mounts()?;
    let unified = mounts
        .iter()
        .find(|mount| mount.unified)
        .ok_or("no cgroup2 is mounted")?;
    if unified.path == Path::new(CGROUP_ROOT) {
        return Ok(());
    }
    bind(&unified.path, staged)?;
    replace_cgroup_root(staged)
}

impl Place {
    /// The place of the driver process `pid`.
    pub(crate) fn of(pid: u32) -> Self {
        let prefix = format!("skbench{pid}");
        Self {
            work: std::env::temp_dir().join(&prefix),
            prefix,
        }
    }

    /// A container id that no other call gets.
    pub(crate) fn id(&self, contender: &str, number: usize) -> String {
        format!("{}-{contender}-{number}", self.prefix)
    }

    /// Kills and removes what is left in cgroups named after this run, and says which there were.
    pub(crate) fn sweep(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        for hierarchy in cgroup_mounts().unwrap_or_default() {
            collect_named(&hierarchy.path, &self.prefix, 3, &mut left);
        }
        for cgroup in &left {
            kill_members(cgroup);
        }
        for cgroup in &left {
            remove_soon(cgroup);
        }
        left
    }

    /// Takes away what outlives a driver's mount namespace, however the driver ended: cgroups with their
    /// processes, and the mount point of the work directory.
    pub(crate) fn clear(&self) {
        for cgroup in self.sweep() {
            eprintln!("left behind and removed: {}", cgroup.display());
        }
        let _ = fs::remove_dir(&self.work);
    }
}

/// Finds cgroups whose name contains `name`, deepest first.
fn collect_named(directory: &Path, name: &str, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let ours = entry.file_name().to_string_lossy().contains(name);
        if ours || depth > 0 {
            collect_named(
                &entry.path(),
                if ours { "" } else { name },
                depth.saturating_sub(1),
                found,
            );
        }
        if ours {
            found.push(entry.path());
        }
    }
}

fn kill_members(cgroup: &Path) {
    let members = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|line| line.parse().ok()) {
        // One that is gone already is what was wanted.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Removes an empty cgroup, waiting up to a second for its members' end.
fn remove_soon(cgroup: &Path) {
    for _ in 0..100 {
        if fs::remove_dir(cgroup).is_ok() || !cgroup.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
