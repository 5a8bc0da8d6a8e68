//! A store and a root of their own for a test, and the binary that is run on them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long something may take that takes a moment on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(20);

const APPLETS: [&str; 40] = [
    "sh", "sleep", "echo", "cat", "id", "ls", "ps", "grep", "env", "hostname", "pwd", "touch",
    "true", "false", "kill", "head", "tr", "readlink", "mount", "df", "stat", "ip", "wc", "chown",
    "rm", "stty", "test", "seq", "yes", "timeout", "mkdir", "date", "nproc", "printf", "sed",
    "cut", "tail", "mknod", "dd", "ping",
];

/// A directory with a root and a store of its own; all of it goes when this does.
pub(crate) struct Place(pub(crate) PathBuf);

/// How a command went.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) out: String,
    /// What it complained of.
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Place {
    /// A root with busybox, users `root` and `ann`, and an empty store.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("stockade-app-{}-{count}", std::process::id());
        let place = Self(std::env::temp_dir().join(name));
        let root = PathBuf::from(place.root());
        for name in [
            "bin", "dev", "etc", "home/ann", "proc", "root", "run", "sys", "tmp",
        ] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::set_permissions(&place.0, fs::Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
        for name in APPLETS {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        let users = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        fs::write(root.join("etc/passwd"), users).unwrap();
        fs::write(
            root.join("etc/group"),
            "root:x:0:\nann:x:1000:\nwheel:x:10:ann\n",
        )
        .unwrap();
        place
    }

    /// The path of the root.
    pub(crate) fn root(&self) -> String {
        self.path("root")
    }

    /// The path of something of this test's.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The binary with these arguments, which ends in any case.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command
            .args(["--foreground", "-k", "1", "30"])
            .arg(program())
            .args(["--root", &self.path("store")])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command.
    pub(crate) fn ran(&self, words: &[&str]) -> Ran {
        self.command(words).output().unwrap().into()
    }

    /// What a command prints that has to succeed.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let ran = self.ran(words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
        ran.out
    }

    /// `run --rm OPTIONS ROOT sh -c SCRIPT`.
    pub(crate) fn run(&self, options: &[&str], script: &str) -> Ran {
        let root = self.root();
        self.ran(&[&["run", "--rm"], options, &[&root, "sh", "-c", script]].concat())
    }

    /// What a script prints that has to succeed.
    pub(crate) fn says(&self, options: &[&str], script: &str) -> String {
        let ran = self.run(options, script);
        assert_eq!(ran.code, 0, "{options:?} {script}: {}{}", ran.out, ran.err);
        ran.out
    }

    /// `run -d --name NAME OPTIONS ROOT sh -c SCRIPT`: the id.
    pub(crate) fn background(&self, name: &str, options: &[&str], script: &str) -> String {
        let root = self.root();
        let words = [
            &["run", "-d", "--name", name],
            options,
            &[&root, "sh", "-c", script],
        ];
        self.ok(&words.concat()).trim().to_owned()
    }

    /// Starts a command with pipes.
    pub(crate) fn start(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// A field of `inspect`.
    pub(crate) fn field(&self, name: &str, template: &str) -> String {
        self.ok(&["inspect", "--format", template, name])
            .trim()
            .to_owned()
    }

    /// Fails unless there is no container, name, record and cgroup.
    pub(crate) fn assert_empty(&self) {
        for part in ["containers", "names", "run"] {
            let left = names(&self.0.join("store").join(part));
            let left: Vec<_> = left.iter().filter(|name| !name.starts_with('.')).collect();
            assert!(left.is_empty(), "left in {part}: {left:?}");
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = self.path("");
        assert!(!mounts.contains(&own), "left mounted: {mounts}");
    }
}

/// The binary: the one that was built, or where a rig has put it.
pub(crate) fn program() -> String {
    std::env::var("STOCKADE").unwrap_or_else(|_| env!("CARGO_BIN_EXE_stockade").to_owned())
}

impl Drop for Place {
    fn drop(&mut self) {
        for id in names(&self.0.join("store/containers")) {
            let _ = self.ran(&["rm", "--force", &id]);
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Fails unless no hierarchy has a cgroup of this container.
pub(crate) fn assert_no_cgroup(id: &str) {
    for hierarchy in names(Path::new("/sys/fs/cgroup")) {
        let left = format!("/sys/fs/cgroup/{hierarchy}/stockade/{id}");
        assert!(!Path::new(&left).exists(), "left: {left}");
    }
}

/// The names in a directory; none where there is none.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal by kill(1).
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -s {name} {pid}");
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap();
    line.trim().parse().unwrap()
}
