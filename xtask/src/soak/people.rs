//! Many lives of people's containers beside one that stays, and what its monitor has grown by.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Result, make_root, print_growth, said};

/// The container that stays.
const STAYS: &str = "stays";
const WARM: u32 = 20;

/// A store and a root; both go when this does.
struct Place {
    program: PathBuf,
    dir: PathBuf,
}

impl Place {
    fn new(program: &Path) -> Result<Self> {
        let name = format!("stockade-soak-people-{}", std::process::id());
        let place = Self {
            program: program.to_owned(),
            dir: std::env::temp_dir().join(name),
        };
        said(fs::create_dir(&place.dir), &place.dir)?;
        make_root(&place.dir.join("root"), &["sh", "sleep", "true", "echo"])?;
        Ok(place)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(self.dir.join("store"));
        command.args(words).stdin(Stdio::null());
        command
    }

    fn output(&self, words: &[&str]) -> Result<String> {
        let mut command = self.command(words);
        command.stderr(Stdio::inherit());
        let output = said(command.output(), &self.program)?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(format!("{words:?}: {}", output.status)),
        }
    }

    /// A container in the background.
    fn run(&self, name: &str, words: &[&str]) -> Result<String> {
        let root = self.dir.join("root");
        let root = root.to_str().ok_or("a directory whose name is no text")?;
        let options = ["run", "-d", "--name", name, root];
        self.output(&[&options, words].concat())
    }

    /// One life beside the other container, which is used, too.
    fn life(&self) -> Result<()> {
        self.run("goes", &["sleep", "100"])?;
        self.output(&["exec", STAYS, "true"])?;
        self.output(&["logs", STAYS])?;
        self.output(&["ps"])?;
        self.output(&["rm", "--force", "goes"]).map(drop)
    }

    /// How many entries a directory of the store has, but for the names with a dot.
    fn entries(&self, name: &str) -> u64 {
        let all = fs::read_dir(self.dir.join("store").join(name));
        let all = all.into_iter().flatten().flatten();
        let shown = all.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
        u64::try_from(shown.count()).unwrap_or(u64::MAX)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for name in ["goes", STAYS] {
            let _ = self.command(&["rm", "--force", name]).output();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// So many lives.
pub(super) fn run(program: &Path, count: u32) -> Result<()> {
    let place = Place::new(program)?;
    let id = place.run(
        STAYS,
        &["sh", "-c", "while true; do echo line; sleep 0.01; done"],
    )?;
    let monitor = monitor_of(&id).ok_or("the container has no monitor")?;
    for _ in 0..WARM {
        place.life()?;
    }
    let (before, begun) = (figures(&place, monitor), Instant::now());
    for _ in 0..count {
        place.life()?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{count} times run, exec, logs, ps, rm in {seconds:.1} s, beside a container that stays"
    );
    print_growth(&before, &figures(&place, monitor));
    Ok(())
}

/// The process that has the container's id among its arguments, and `monitor` as the first.
fn monitor_of(id: &str) -> Option<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0).skip(1);
        words.next() == Some(b"monitor") && words.any(|word| word == id.as_bytes())
    })
}

fn figures(place: &Place, monitor: u32) -> Vec<(&'static str, u64)> {
    let rollup = fs::read_to_string(format!("/proc/{monitor}/smaps_rollup")).unwrap_or_default();
    let kib = |name: &str| {
        let line = rollup.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let files = fs::read_dir(format!("/proc/{monitor}/fd"))
        .into_iter()
        .flatten();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    vec![
        ("the monitor's memory, KiB", kib("Rss:")),
        ("of it private, KiB", kib("Private_Dirty:")),
        ("the monitor's open files", count(files.count())),
        ("mounts", count(mounts.lines().count())),
        ("containers", place.entries("containers")),
        ("names", place.entries("names")),
        ("removed, not yet empty", place.entries("gone")),
        ("states", place.entries("run")),
    ]
}
