//! A machine within the machine: namespaces, cgroups and a file system of its own, in which daemons run as
//! on a host of theirs. Its first process takes everything with it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use sys::rustix::process::geteuid;

/// How long a daemon may take to come up on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where clients are; not `/usr/local`, which may have others.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// The image that every client has, by the name that all of them understand.
pub const IMAGE: &str = "docker.io/library/box:latest";

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Enters the rig's own cgroup in each v1 hierarchy and the v2 one, and makes it where it is missing. A
/// process that writes itself into `tasks` does not wait.
const ENTER: &str = r#"
for hierarchy in /sys/fs/cgroup/*; do
    own=$hierarchy/$RIG
    if [ -e "$hierarchy/tasks" ]; then file=tasks; elif [ -e "$hierarchy/cgroup.procs" ]; then file=cgroup.procs; else continue; fi
    if [ ! -d "$own" ]; then
        mkdir "$own"
        for set in cpuset.mems cpuset.cpus; do [ ! -e "$hierarchy/$set" ] || cat "$hierarchy/$set" > "$own/$set"; done
    fi
    echo 0 > "$own/$file"
done
"#;

/// What the rig's first process does: shows its cgroups as a host's, gets a /run and a store of its own,
/// and reaps.
const INSIDE: &str = r#"
set -e
busybox ip link set lo up
mkdir view
mount -t tmpfs -o mode=755 view view
for hierarchy in /sys/fs/cgroup/*; do
    name=${hierarchy##*/}
    [ -d "$hierarchy/$RIG" ] || continue
    mkdir "view/$name"
    if [ -e "$hierarchy/tasks" ]; then
        case $name in systemd) what=none,name=systemd ;; *) what=$name ;; esac
        mount -t cgroup -o "$what" cgroup "view/$name"
    else
        mount -t cgroup2 cgroup "view/$name"
    fi
done
if [ -n "$(ls view)" ]; then
    mount -o remount,ro,bind view
    mount --rbind view /sys/fs/cgroup
fi
mount -t tmpfs run /run
mkdir /run/lock data
mount -t tmpfs data data
echo $$ > ready
while :; do sleep 1; done
"#;

/// A machine within the machine.
pub struct Rig {
    /// Its directory, the same inside and outside; `bin` has the binary under its names, `data` is a file
    /// system of the rig's own.
    pub dir: PathBuf,
    name: String,
    first: Child,
}

/// A daemon of a rig. It ends with the rig, if not before.
pub struct Daemon(Child);

impl Daemon {
    /// Waits for an end that was brought about.
    pub fn wait(mut self) {
        self.0.wait().expect("a child");
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status; -1 when it was killed.
    pub code: i32,
    /// Standard output, without the white space around it.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Rig {
    /// A rig for `programs`; nothing where tests cannot be root, or where a program is missing and this is
    /// not CI.
    pub fn new(programs: &[&str]) -> Option<Self> {
        if !geteuid().is_root() {
            eprintln!("skipped: clients of these tests take root");
            return None;
        }
        if Path::new("/sys/fs/cgroup/cgroup.procs").exists() {
            eprintln!("skipped: a rig is made of v1 hierarchies; see rigs/ for unified ones");
            return None;
        }
        let missing: Vec<_> = programs.iter().filter(|name| !is_there(name)).collect();
        if !missing.is_empty() {
            let words = format!("{missing:?} not installed; `scripts/setup test` does it");
            assert!(std::env::var_os("CI").is_none(), "{words}");
            eprintln!("skipped: {words}");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("stockade-clients-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir(&dir).expect("a new directory");
        link_binary(&dir.join("bin"));
        make_archive(&dir);
        let rig = Self {
            first: first_process(&name, &dir),
            name,
            dir,
        };
        rig.wait_until("the rig", || rig.dir.join("ready").exists());
        Some(rig)
    }

    /// The path of the binary under one of its names.
    pub fn runtime(&self, name: &str) -> String {
        self.path(&format!("bin/{name}"))
    }

    /// A path below the rig's directory.
    pub fn path(&self, below: &str) -> String {
        let path = self.dir.join(below);
        path.to_str().expect("the path is ASCII").to_string()
    }

    /// Writes a file below the rig's directory.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.join(name), text).expect("a file");
    }

    /// A shell script inside, in the rig's directory.
    fn script(&self, script: &str) -> Command {
        let inside = format!(
            "{ENTER}\nexec nsenter --target {} --mount --net --pid --cgroup --ipc --uts sh -c \"$SCRIPT\"",
            self.first_inside()
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", &inside])
            .env_clear()
            .envs([("PATH", PATH), ("HOME", "/root"), ("RIG", &self.name)])
            .envs([
                ("SCRIPT", &*format!("cd $DIR; {script}")),
                ("IMAGE", IMAGE),
                ("DIR", &self.path("")),
                ("TERM", "xterm"),
            ])
            .stdin(Stdio::null());
        command
    }

    /// The number of the rig's first process outside: the only child of `unshare`.
    fn first_inside(&self) -> String {
        let id = self.first.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        children.expect("the rig").trim().to_string()
    }

    /// Runs a shell script inside, for a minute at most.
    #[track_caller]
    pub fn run(&self, script: &str) -> Outcome {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (
            self.dir.join(format!("out.{number}")),
            self.dir.join(format!("err.{number}")),
        );
        let mut command = self.script(script);
        command
            .stdout(File::create(&out).expect("a file"))
            .stderr(File::create(&err).expect("a file"));
        let mut child = command.spawn().expect("a shell");
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().expect("a child") {
                break status;
            }
            if Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                panic!(
                    "{script:?} hangs: {:?} {:?}\n{}",
                    read(&out),
                    read(&err),
                    self.logs()
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Outcome {
            code: status.code().unwrap_or(-1),
            out: read(&out).trim().to_string(),
            err: read(&err),
        }
    }

    /// Runs a script that succeeds; gives its output.
    #[track_caller]
    pub fn ok(&self, script: &str) -> String {
        let outcome = self.run(script);
        assert_eq!(outcome.code, 0, "{script:?}: {outcome:#?}\n{}", self.logs());
        outcome.out
    }

    /// Runs a script that fails with this status, and complains with these words.
    #[track_caller]
    pub fn fails(&self, script: &str, code: i32, words: &str) {
        let outcome = self.run(script);
        assert_eq!(outcome.code, code, "{script:?}: {outcome:#?}");
        let told = outcome.err.contains(words) || outcome.out.contains(words);
        assert!(told, "{words:?}: {outcome:#?}");
    }

    /// Runs a script again until its output is `wanted`.
    #[track_caller]
    pub fn until(&self, script: &str, wanted: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let outcome = self.run(script);
            if outcome.out == wanted {
                return;
            }
            assert!(Instant::now() < end, "{script:?}: {outcome:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts a daemon inside, and waits until `probe` succeeds. Its words go to `NAME.log`.
    #[track_caller]
    pub fn daemon(&self, name: &str, script: &str, probe: &str) -> Daemon {
        let log = File::create(self.dir.join(format!("{name}.log"))).expect("a log");
        let mut command = self.script(script);
        command
            .stdout(log.try_clone().expect("the log again"))
            .stderr(log);
        let mut child = command.spawn().expect("a shell");
        let end = Instant::now() + PATIENCE;
        while self.run(probe).code != 0 {
            let ended = child.try_wait().expect("a child");
            assert!(
                ended.is_none() && Instant::now() < end,
                "{name} does not come up ({ended:?}): {}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Daemon(child)
    }

    /// The ends of the daemons' logs.
    fn logs(&self) -> String {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let logs = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "log"));
        logs.map(|path| {
            let text = read(&path);
            let lines: Vec<_> = text.lines().collect();
            let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or(&[]);
            format!("{}:\n{}\n", path.display(), last.join("\n"))
        })
        .collect()
    }

    /// Waits until `done`, or fails.
    #[track_caller]
    pub fn wait_until(&self, what: &str, done: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done() {
            assert!(
                Instant::now() < end,
                "waited in vain: {what}{}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the runtime has in a directory of states (of the rig's own /run): a name for each container.
    pub fn states(&self, directory: &str) -> String {
        self.ok(&format!("ls {directory} 2>/dev/null || true"))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // unshare kills the rig's first process when it ends, and the kernel then all the others.
        let _ = self.first.kill();
        let _ = self.first.wait();
        for hierarchy in fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
        {
            remove_cgroup(&hierarchy.path().join(&self.name));
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn first_process(name: &str, dir: &Path) -> Child {
    let outside = format!(
        "set -e\n{ENTER}\nexec unshare --mount --net --pid --cgroup --ipc --uts --fork \
         --kill-child --propagation private --mount-proc sh -c \"$INSIDE\""
    );
    let log = File::create(dir.join("rig.log")).expect("a log");
    Command::new("sh")
        .args(["-c", &outside])
        .current_dir(dir)
        .env_clear()
        .envs([("PATH", PATH), ("RIG", name), ("INSIDE", INSIDE)])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log again"))
        .stderr(log)
        .spawn()
        .expect("a shell")
}

fn is_there(program: &str) -> bool {
    PATH.split(':')
        .any(|dir| Path::new(dir).join(program).exists())
}

/// The binary under test, by each name that matters.
fn link_binary(bin: &Path) {
    let built = option_env!("CARGO_BIN_EXE_stockade").map(PathBuf::from);
    let program = std::env::var_os("STOCKADE")
        .map(PathBuf::from)
        .or(built)
        .expect("a binary to test");
    fs::create_dir(bin).expect("a directory");
    let shim = "containerd-shim-stockade-v2";
    for name in ["stockade", "stockade-oci", "runc", "crun", shim] {
        symlink(&program, bin.join(name)).expect("a link");
    }
}

/// An image of busybox as `docker save` would write it: every client can load it.
fn make_archive(dir: &Path) {
    let root = dir.join("image/root");
    for name in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "var"] {
        fs::create_dir_all(root.join(name)).expect("a directory");
    }
    fs::copy("/usr/bin/busybox", root.join("bin/busybox")).expect("busybox (busybox-static)");
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n",
    )
    .expect("a file");
    fs::write(root.join("etc/group"), "root:x:0:\nann:x:1000:\n").expect("a file");
    let applets = shell(&root, "bin/busybox --list | grep -v ^busybox$");
    for applet in applets.lines() {
        let _ = symlink("busybox", root.join("bin").join(applet));
    }
    shell(dir, "tar -C image/root -cf image/layer.tar .");
    let digest = shell(dir, "sha256sum image/layer.tar | cut -d' ' -f1");
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Cmd": ["sleep", "1000"], "Env": [format!("PATH={PATH}")]},
        "history": [{"created_by": "stockade's tests"}],
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest.trim())]},
    });
    let manifest = json!([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]);
    fs::write(dir.join("image/config.json"), config.to_string()).expect("a file");
    fs::write(dir.join("image/manifest.json"), manifest.to_string()).expect("a file");
    shell(
        dir,
        "tar -C image -cf box.tar manifest.json config.json layer.tar",
    );
    fs::remove_dir_all(dir.join("image")).expect("it goes");
}

fn shell(dir: &Path, script: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(dir)
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{script}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Removes a cgroup and those below it, which may take a moment to be empty.
fn remove_cgroup(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    for _ in 0..200 {
        match fs::remove_dir(dir) {
            Err(error) if error.raw_os_error() == Some(16) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            _ => return,
        }
    }
}
