//! A bundle of its own for a soak, and the search for what is left of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Result, make_root, said};

/// A bundle of busybox with its own state and its own cgroup; all of it goes when this does.
pub(super) struct Bundle {
    program: PathBuf,
    dir: PathBuf,
    /// The container's name, and the name of all that is its own on the machine.
    pub(super) name: String,
}

impl Bundle {
    pub(super) fn new(program: PathBuf) -> Result<Self> {
        let name = format!("stockade-soak-{}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        let bundle = Self { program, dir, name };
        said(fs::create_dir(&bundle.dir), &bundle.dir)?;
        make_root(&bundle.dir.join("rootfs"), &["sh", "sleep", "true"])?;
        bundle.configure()?;
        Ok(bundle)
    }

    /// The default configuration, with limits and without a terminal; in `short`, one whose payload ends at once.
    fn configure(&self) -> Result<()> {
        let made = self.command(&["spec"]).status();
        said(made, &self.program)?;
        let path = self.dir.join("config.json");
        let text = said(fs::read(&path), &path)?;
        let mut config: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["sleep", "100"]);
        config["root"]["path"] = json!(self.dir.join("rootfs"));
        config["linux"]["cgroupsPath"] = json!(format!("/{0}/{0}", self.name));
        // A hybrid host's unified hierarchy, seen alone, has no such controllers.
        let unified = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
        if unified.map_or(true, |controllers| controllers.contains("memory")) {
            config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20});
            config["linux"]["resources"]["pids"] = json!({"limit": 50});
        }
        said(fs::write(&path, config.to_string()), &path)?;
        config["process"]["args"] = json!(["true"]);
        let short = self.dir.join("short");
        said(fs::create_dir(&short), &short)?;
        let path = short.join("config.json");
        said(fs::write(&path, config.to_string()), &path)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.dir);
        command.arg("oci").arg("--root").arg(self.state());
        command.args(words).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts a command.
    pub(super) fn begin(&self, words: &[&str]) -> Result<Child> {
        said(self.command(words).spawn(), &self.program)
    }

    /// Runs a command that must succeed.
    pub(super) fn call(&self, words: &[&str]) -> Result<()> {
        let mut command = self.command(words);
        let status = said(command.stderr(Stdio::inherit()).status(), &self.program)?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("{words:?}: {status}")),
        }
    }

    /// `delete --force`, which must succeed whatever there is.
    pub(super) fn delete(&self) -> Result<()> {
        self.call(&["delete", "--force", &self.name])
    }

    /// The directory of all containers' states.
    fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Whether the container has a state directory.
    pub(super) fn has_state(&self) -> bool {
        self.state().join(&self.name).exists()
    }

    /// What is still on the machine, one line each.
    fn leftovers(&self) -> Vec<String> {
        let path = self.dir.to_str().unwrap_or(&self.name);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mounts = mounts.lines().filter(|line| line.contains(path));
        let mut left: Vec<String> = mounts.map(|line| format!("mount: {line}")).collect();
        // What the runtime keeps on purpose lies beside the container's: emptied device cgroups, cached programs.
        let groups = self.cgroups().into_iter().flat_map(|dir| entries(&dir));
        let groups = groups.filter(|path| path.is_dir() && !begins(path, "devices-"));
        left.extend(groups.map(|group| format!("cgroup: {}", group.display())));
        left.extend(self.processes().iter().map(|pid| format!("process: {pid}")));
        let states = entries(&self.state()).into_iter();
        let states = states.filter(|path| !begins(path, "."));
        left.extend(states.map(|state| format!("state: {}", state.display())));
        left
    }

    /// The same, once what was killed had a moment to be gone.
    pub(super) fn nothing_left(&self, after: &str) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(1);
        loop {
            let left = self.leftovers();
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("left after {after}: {left:#?}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The directories above the container's cgroups, in every hierarchy.
    fn cgroups(&self) -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let all = entries(root).into_iter().chain([root.to_path_buf()]);
        all.map(|dir| dir.join(&self.name))
            .filter(|dir| dir.exists())
            .collect()
    }

    /// Living processes of the container, and of the runtime.
    pub(super) fn processes(&self) -> Vec<u32> {
        let pids = entries(Path::new("/proc")).into_iter();
        let pids = pids.filter_map(|path| path.file_name()?.to_str()?.parse().ok());
        pids.filter(|pid| *pid != std::process::id() && self.owns(*pid))
            .collect()
    }

    fn owns(&self, pid: u32) -> bool {
        let text =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let here = |name: &str| {
            fs::read_link(format!("/proc/{pid}/{name}"))
                .is_ok_and(|path| path.starts_with(&self.dir))
        };
        let dead = text("stat")
            .rsplit(") ")
            .next()
            .is_none_or(|rest| rest.is_empty() || rest.starts_with(['Z', 'X']));
        !dead && (here("cwd") || here("exe") || text("cgroup").contains(&self.name))
    }

    /// Files and directories that there are in the runtime's directory.
    pub(super) fn state_files(&self) -> usize {
        let below = |path: PathBuf| 1 + entries(&path).len();
        entries(&self.state()).into_iter().map(below).sum()
    }
}

/// What is in a directory; nothing where there is none.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).into_iter().flatten().flatten();
    all.map(|entry| entry.path()).collect()
}

fn begins(path: &Path, with: &str) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with(with)
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force", &self.name]).status();
        for group in self.cgroups() {
            for parked in entries(&group).into_iter().filter(|path| path.is_dir()) {
                let _ = fs::remove_dir(parked);
            }
            let _ = fs::remove_dir(group);
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
