//! What takes too long for every change: many random kills of the runtime, and many whole lives of a
//! container, with a look at what the machine has kept of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::cargo;

type Result<T> = std::result::Result<T, String>;

/// `cargo xtask soak WHAT COUNT`.
pub(crate) fn run(what: &str, count: &str) -> Result<()> {
    let count = count
        .parse()
        .map_err(|_| format!("{count}: not a number"))?;
    let bundle = Bundle::new()?;
    match what {
        "kills" => kills(&bundle, count),
        "cycles" => cycles(&bundle, count),
        _ => Err(format!("{what}: kills or cycles")),
    }
}

/// A bundle of busybox with its own state and its own cgroup; all of it goes when this does.
struct Bundle {
    program: PathBuf,
    dir: PathBuf,
    name: String,
}

impl Bundle {
    fn new() -> Result<Self> {
        let program = program()?;
        let name = format!("stockade-soak-{}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        let bundle = Self { program, dir, name };
        said(fs::create_dir(&bundle.dir), &bundle.dir)?;
        let bin = bundle.dir.join("rootfs/bin");
        said(fs::create_dir_all(&bin), &bin)?;
        said(
            fs::copy("/bin/busybox", bin.join("busybox")),
            Path::new("/bin/busybox"),
        )?;
        for applet in ["sh", "sleep", "true"] {
            said(
                std::os::unix::fs::symlink("busybox", bin.join(applet)),
                &bin,
            )?;
        }
        bundle.configure()?;
        Ok(bundle)
    }

    /// The default configuration, with limits and without a terminal.
    fn configure(&self) -> Result<()> {
        let made = self.command(&["spec"]).status();
        said(made, &self.program)?;
        let path = self.dir.join("config.json");
        let text = said(fs::read(&path), &path)?;
        let mut config: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["sleep", "100"]);
        config["linux"]["cgroupsPath"] = json!(format!("/{0}/{0}", self.name));
        config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20});
        config["linux"]["resources"]["pids"] = json!({"limit": 50});
        said(fs::write(&path, config.to_string()), &path)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.dir);
        command.arg("oci").arg("--root").arg(self.dir.join("state"));
        command.args(words).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn begin(&self, words: &[&str]) -> Result<Child> {
        said(self.command(words).spawn(), &self.program)
    }

    /// Runs a command that must succeed.
    fn call(&self, words: &[&str]) -> Result<()> {
        let mut command = self.command(words);
        let output = said(command.stderr(Stdio::inherit()).status(), &self.program)?;
        match output.success() {
            true => Ok(()),
            false => Err(format!("{words:?}: {output}")),
        }
    }

    fn delete(&self) -> Result<()> {
        self.call(&["delete", "--force", &self.name])
    }

    /// What is still on the machine, one line each.
    fn leftovers(&self) -> Vec<String> {
        let path = self.dir.to_str().unwrap_or(&self.name);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mounts = mounts.lines().filter(|line| line.contains(path));
        let mut left: Vec<String> = mounts.map(|line| format!("mount: {line}")).collect();
        let groups = self
            .cgroups()
            .into_iter()
            .map(|group| group.join(&self.name));
        let groups = groups.filter(|group| group.exists());
        left.extend(groups.map(|group| format!("cgroup: {}", group.display())));
        left.extend(self.processes().iter().map(|pid| format!("process: {pid}")));
        let state = self.dir.join("state").join(&self.name);
        left.extend(
            state
                .exists()
                .then(|| format!("state: {}", state.display())),
        );
        left
    }

    /// The same, once what was killed had a moment to be gone.
    fn nothing_left(&self, after: &str) -> Result<()> {
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

    /// The directories above the container's cgroups.
    fn cgroups(&self) -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let each = fs::read_dir(root).into_iter().flatten().flatten();
        let all = each.map(|entry| entry.path()).chain([root.to_path_buf()]);
        all.map(|dir| dir.join(&self.name))
            .filter(|dir| dir.exists())
            .collect()
    }

    /// Living processes of the container, and of the runtime.
    fn processes(&self) -> Vec<u32> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid != std::process::id() && self.owns(*pid))
            .collect()
    }

    fn owns(&self, pid: u32) -> bool {
        let text =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let here =
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|dir| dir.starts_with(&self.dir));
        let dead = text("stat")
            .rsplit(") ")
            .next()
            .is_none_or(|rest| rest.is_empty() || rest.starts_with(['Z', 'X']));
        !dead && (here || text("cgroup").contains(&self.name))
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force", &self.name]).status();
        for group in self.cgroups() {
            let _ = fs::remove_dir(group);
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The release binary, built now, or the one that `STOCKADE` names.
fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("STOCKADE") {
        return Ok(path.into());
    }
    cargo(&["build", "--release", "--package", "stockade"])?;
    // Ours lies in the target directory as well.
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let built = own
        .parent()
        .map(|debug| debug.with_file_name("release").join("stockade"));
    built.ok_or_else(|| "no target directory".into())
}

fn said<T>(outcome: std::io::Result<T>, path: &Path) -> Result<T> {
    outcome.map_err(|error| format!("{}: {error}", path.display()))
}

/// Small pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Kills a verb at some moment of its life; true if it was not at its end by then.
fn kill(bundle: &Bundle, words: &[&str], random: &mut Random) -> Result<bool> {
    // Most verbs take a few milliseconds.
    let mut child = bundle.begin(words)?;
    std::thread::sleep(Duration::from_micros(random.below(8_000)));
    let ended = said(child.try_wait(), &bundle.program)?.is_some();
    let _ = child.kill();
    said(child.wait(), &bundle.program)?;
    Ok(!ended)
}

fn kills(bundle: &Bundle, count: u32) -> Result<()> {
    const VERBS: [&str; 5] = ["create", "start", "run", "exec", "delete"];
    let seed = u64::from(std::process::id()) | 1;
    println!("seed {seed}");
    let (mut random, mut hit) = (Random(seed), [0; VERBS.len()]);
    let (begun, id) = (Instant::now(), bundle.name.as_str());
    for round in 0..count {
        let which = usize::try_from(random.below(5)).unwrap_or_default();
        let words: &[&str] = match VERBS[which] {
            "create" => &["create", id],
            "start" => {
                bundle.call(&["create", id])?;
                &["start", id]
            }
            "run" => &["run", id],
            "exec" => {
                bundle.call(&["run", "-d", id])?;
                &["exec", id, "true"]
            }
            _ => {
                bundle.call(&["run", "-d", id])?;
                &["delete", "--force", id]
            }
        };
        hit[which] += u32::from(kill(bundle, words, &mut random)?);
        bundle.delete()?;
        bundle.nothing_left(&format!("round {round}, {words:?}"))?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{count} kills in {seconds:.1} s: nothing left; amid their work:");
    for (verb, hit) in VERBS.iter().zip(hit) {
        println!("  {verb:6} {hit}");
    }
    Ok(())
}

/// What of the machine could grow.
fn figures(bundle: &Bundle) -> Vec<(&'static str, u64)> {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let meminfo = text("/proc/meminfo");
    let kib = |name: &str| -> u64 {
        let line = meminfo.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let groups: u64 = text("/proc/cgroups")
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok())
        .sum();
    let files = text("/proc/sys/fs/file-nr");
    let files = files.split_whitespace().next();
    let lines = |path: &str| u64::try_from(text(path).lines().count()).unwrap_or(0);
    vec![
        ("unreclaimable slab, KiB", kib("SUnreclaim:")),
        ("per-cpu memory, KiB", kib("Percpu:")),
        ("mounts", lines("/proc/self/mountinfo")),
        ("cgroups of all controllers", groups),
        (
            "open files",
            files.and_then(|n| n.parse().ok()).unwrap_or(0),
        ),
        (
            "processes",
            u64::try_from(bundle.processes().len()).unwrap_or(0),
        ),
    ]
}

fn cycles(bundle: &Bundle, count: u32) -> Result<()> {
    let id = bundle.name.as_str();
    let life = || {
        bundle.call(&["create", id])?;
        bundle.call(&["start", id])?;
        bundle.delete()
    };
    // Caches fill first.
    for _ in 0..count.min(100) {
        life()?;
    }
    let (before, begun) = (figures(bundle), Instant::now());
    for round in 1..=count {
        life()?;
        if round % 1000 == 0 {
            println!("{round}: {:?}", figures(bundle));
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    bundle.nothing_left("the last")?;
    // What the kernel frees only after a grace period or two.
    std::thread::sleep(Duration::from_secs(3));
    println!("{count} times create, start, delete in {seconds:.1} s");
    for ((name, before), (_, after)) in before.iter().zip(figures(bundle)) {
        println!("  {name:28} {before:>8} -> {after:>8}");
    }
    Ok(())
}
