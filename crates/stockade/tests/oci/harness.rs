//! Bundles on the real kernel: each with a root of busybox, a state root and a cgroup parent of its own,
//! so that tests run side by side; and the search for what a runtime must not leave behind.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sys::OwnedFd;
use sys::rustix::net::{SocketType, accept};
use sys::rustix::process::{Pid, Signal, geteuid, kill_process};

/// No command of these tests takes that long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// The same on a machine that is slower by the factor `STOCKADE_TEST_SLOW`.
fn patience() -> Duration {
    let factor = std::env::var("STOCKADE_TEST_SLOW").ok();
    PATIENCE * factor.and_then(|text| text.parse().ok()).unwrap_or(1)
}

const APPLETS: &[&str] = &[
    "sh",
    "cat",
    "ls",
    "id",
    "mount",
    "umount",
    "stat",
    "sleep",
    "echo",
    "grep",
    "hostname",
    "mknod",
    "touch",
    "mkdir",
    "readlink",
    "ps",
    "kill",
    "true",
    "false",
    "head",
    "tail",
    "dd",
    "wc",
    "cut",
    "sort",
    "tr",
    "env",
    "pwd",
    "tty",
    "stty",
    "ip",
    "rm",
    "chmod",
    "chown",
    "nproc",
    "test",
    "dnsdomainname",
    "awk",
    "find",
    "ln",
    "tee",
    "ulimit",
    "printf",
    "date",
    "ionice",
];

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The binary under test: `STOCKADE`, or the one that was built with the tests.
pub fn program() -> PathBuf {
    let built = option_env!("CARGO_BIN_EXE_stockade").map(PathBuf::from);
    std::env::var_os("STOCKADE")
        .map(PathBuf::from)
        .or(built)
        .expect("a binary to test")
}

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status; 128 + signal for a process that was killed.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Outcome {
    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "failed: {self:?}");
        self
    }

    /// Asserts a failure whose one line of words contains `text`.
    #[track_caller]
    pub fn fails(self, text: &str) -> Self {
        assert_ne!(self.code, 0, "did not fail: {self:?}");
        assert!(self.err.contains(text), "{text:?} is not in {:?}", self.err);
        let lines = self
            .err
            .lines()
            .filter(|line| !line.starts_with("hint: "))
            .count();
        assert_eq!(lines, 1, "more than one line: {:?}", self.err);
        self
    }

    /// Asserts that the payload failed and that its words contain `text`.
    #[track_caller]
    pub fn fails_inside(self, text: &str) {
        assert_ne!(self.code, 0, "did not fail: {self:?}");
        assert!(self.err.contains(text), "{text:?} is not in {:?}", self.err);
    }

    /// Standard output's lines.
    pub fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }
}

/// Whether the host has v2 cgroups only.
pub fn unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Whether the kernel is of this version or later.
pub fn kernel_is_from(major: u32, minor: u32) -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel's release");
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

/// A bundle, and the one container that is made of it.
pub struct Bundle {
    /// The container's name.
    pub id: String,
    /// The bundle's directory; `rootfs` and `state` are below it.
    pub dir: PathBuf,
    /// What `config.json` is going to be.
    pub config: Value,
    parent: String,
    calls: AtomicUsize,
}

impl Bundle {
    /// A bundle of the default configuration without a terminal; nothing where tests cannot be root.
    pub fn new() -> Option<Self> {
        if !geteuid().is_root() {
            eprintln!("skipped: containers of these tests take root");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("stockade-test-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(&unique);
        fs::create_dir(&dir).expect("a new directory");
        make_rootfs(&dir.join("rootfs"));
        let parent = format!("/{unique}");
        let id = format!("c{}-{number}", std::process::id());
        let mut bundle = Self {
            id,
            dir,
            config: Value::Null,
            parent,
            calls: AtomicUsize::new(0),
        };
        bundle.call(&["spec", "--bundle", bundle.path()]).ok();
        let text = fs::read(bundle.dir.join("config.json")).expect("the default configuration");
        bundle.config = serde_json::from_slice(&text).expect("JSON");
        bundle.config["process"]["terminal"] = json!(false);
        bundle.config["linux"]["cgroupsPath"] = json!(bundle.cgroup());
        bundle.write_config();
        Some(bundle)
    }

    /// A writable root, every capability, no read-only or hidden paths: nothing but what a test adds.
    pub fn permissive() -> Option<Self> {
        let mut bundle = Self::new()?;
        bundle.config["root"]["readonly"] = json!(false);
        Some(bundle)
    }

    /// The bundle's directory as text.
    pub fn path(&self) -> &str {
        self.dir.to_str().expect("the path is ASCII")
    }

    /// A path below the bundle's directory, as text.
    pub fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.path())
    }

    /// The container's cgroup, below each hierarchy's root.
    pub fn cgroup(&self) -> String {
        format!("{}/{}", self.parent, self.id)
    }

    /// The payload's arguments.
    pub fn args(&mut self, args: &[&str]) -> &mut Self {
        self.config["process"]["args"] = json!(args);
        self
    }

    /// The payload as a shell script.
    pub fn sh(&mut self, script: &str) -> &mut Self {
        self.args(&["sh", "-c", script])
    }

    /// Adds an element to a list of the configuration, given by a JSON pointer. A namespace takes the place of one
    /// of its type: on a unified host a container has one of cgroups from the start.
    pub fn push(&mut self, pointer: &str, element: Value) -> &mut Self {
        if let ("/linux/namespaces", Some(kind)) = (pointer, element["type"].as_str()) {
            self.without_namespace(kind);
        }
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        let holder = self.config.pointer_mut(parent).expect("the list's holder");
        if holder.get(name).is_none() {
            holder[name] = json!([]);
        }
        holder[name].as_array_mut().expect("a list").push(element);
        self
    }

    /// Adds a mount.
    pub fn mount(
        &mut self,
        kind: &str,
        source: &str,
        destination: &str,
        options: &[&str],
    ) -> &mut Self {
        let mount =
            json!({"type": kind, "source": source, "destination": destination, "options": options});
        self.push("/mounts", mount)
    }

    /// Removes the namespace of a type.
    pub fn without_namespace(&mut self, kind: &str) -> &mut Self {
        let list = self.config["linux"]["namespaces"]
            .as_array_mut()
            .expect("a list");
        list.retain(|namespace| namespace["type"] != kind);
        self
    }

    /// Gives the container a user namespace of `size` ids from `first` on, and hands it the root.
    pub fn map_users(&mut self, first: u32, size: u32) -> &mut Self {
        let map = json!([{"containerID": 0, "hostID": first, "size": size}]);
        self.push("/linux/namespaces", json!({"type": "user"}));
        self.config["linux"]["uidMappings"] = map.clone();
        self.config["linux"]["gidMappings"] = map;
        self
    }

    /// Sets the five capability sets to these names.
    pub fn capabilities(&mut self, names: &[&str]) -> &mut Self {
        for set in [
            "bounding",
            "effective",
            "permitted",
            "inheritable",
            "ambient",
        ] {
            self.config["process"]["capabilities"][set] = json!(names);
        }
        self
    }

    /// Writes `config.json`.
    pub fn write_config(&self) {
        fs::write(self.dir.join("config.json"), self.config.to_string()).expect("config.json");
    }

    /// A command of the runtime, in the bundle's directory.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .current_dir(&self.dir)
            .arg("oci")
            .arg("--root")
            .arg(self.dir.join("state"));
        command.args(words).stdin(Stdio::null());
        command
    }

    /// Runs a command of the runtime to its end. What it leaves running keeps the output files only.
    #[track_caller]
    pub fn call(&self, words: &[&str]) -> Outcome {
        self.finish(self.command(words))
    }

    /// Runs any command to its end.
    #[track_caller]
    pub fn finish(&self, command: Command) -> Outcome {
        self.begin(command).wait()
    }

    /// Starts any command, its output going to files.
    pub fn begin(&self, mut command: Command) -> Running {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let (out, err) = (
            self.dir.join(format!("out.{call}")),
            self.dir.join(format!("err.{call}")),
        );
        // For root of a user namespace, too: a restored process opens what it writes to anew.
        let create = |path| {
            let file = File::create(path).expect("a file");
            let all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
            file.set_permissions(all).expect("chmod");
            file
        };
        command.stdout(create(&out)).stderr(create(&err));
        Running {
            child: command.spawn().expect("it starts"),
            out,
            err,
        }
    }

    /// `run` in the foreground.
    #[track_caller]
    pub fn run(&self) -> Outcome {
        self.run_with(&[])
    }

    /// `run` with more options.
    #[track_caller]
    pub fn run_with(&self, options: &[&str]) -> Outcome {
        self.write_config();
        self.call(&[&["run"], options, &[&self.id]].concat())
    }

    /// `run --detach`.
    #[track_caller]
    pub fn detach(&self) -> Outcome {
        self.run_with(&["--detach"])
    }

    /// `create`.
    #[track_caller]
    pub fn create(&self) -> Outcome {
        self.write_config();
        self.call(&["create", &self.id])
    }

    /// A verb on the container.
    #[track_caller]
    pub fn verb(&self, verb: &str) -> Outcome {
        self.call(&[verb, &self.id])
    }

    /// `exec` of a shell script.
    #[track_caller]
    pub fn exec_sh(&self, script: &str) -> Outcome {
        self.call(&["exec", &self.id, "sh", "-c", script])
    }

    /// The container's state.
    #[track_caller]
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.verb("state").ok().out).expect("JSON")
    }

    /// The container's status.
    #[track_caller]
    pub fn status(&self) -> String {
        self.state()["status"].as_str().expect("a text").to_string()
    }

    /// The first process's number on the host.
    pub fn pid(&self) -> u64 {
        self.state()["pid"].as_u64().expect("a number")
    }

    /// Waits until `done`, or fails.
    #[track_caller]
    pub fn wait_until(&self, what: &str, done: impl Fn() -> bool) {
        let end = Instant::now() + patience();
        while !done() {
            assert!(Instant::now() < end, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a status.
    #[track_caller]
    pub fn wait_for(&self, status: &str) {
        self.wait_until(status, || self.status() == status);
    }

    /// What of this container is still on the machine, one line each.
    pub fn leftovers(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        found.extend(
            mounts
                .lines()
                .filter(|line| line.contains(self.path()))
                .map(|line| format!("mount: {line}")),
        );
        found.extend(
            self.cgroup_dirs()
                .iter()
                .map(|dir| format!("cgroup: {}", dir.display())),
        );
        found.extend(
            self.processes()
                .into_iter()
                .map(|pid| format!("process: {pid} {}", describe(pid))),
        );
        let state = self.dir.join("state").join(&self.id);
        if state.exists() {
            let files = fs::read_dir(&state)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name());
            found.push(format!("state: {:?}", files.collect::<Vec<_>>()));
        }
        if self.dir.join("pid").exists() {
            found.push("pid file".into());
        }
        found
    }

    /// Takes the pid file away if it is the caller's: once the container was made.
    pub fn take_pid_file(&self) {
        let state = self.dir.join("state").join(&self.id).join("state.json");
        let path = self.below("pid");
        if !fs::read_to_string(state).is_ok_and(|text| text.contains(&path)) {
            let _ = fs::remove_file(path);
        }
    }

    /// Asserts that nothing is left.
    #[track_caller]
    pub fn assert_nothing_left(&self, after: &str) {
        let mut left = self.leftovers();
        // A process that was killed may take a moment to be gone for the kernel's last file.
        let end = Instant::now() + Duration::from_millis(500);
        while left.iter().any(|line| line.starts_with("process")) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
            left = self.leftovers();
        }
        assert!(left.is_empty(), "left after {after}: {left:#?}");
    }

    fn hierarchies() -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let below = fs::read_dir(root)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        below
            .filter(|path| path.is_dir())
            .chain([root.to_path_buf()])
            .collect()
    }

    /// The directories of the container's cgroups.
    pub fn cgroup_dirs(&self) -> Vec<PathBuf> {
        let name = &self.cgroup()[1..];
        Self::hierarchies()
            .into_iter()
            .map(|root| root.join(name))
            .filter(|dir| dir.exists())
            .collect()
    }

    /// A file of the container's cgroup in the hierarchy of `controller`, which is no other than the one on a
    /// unified host.
    pub fn cgroup_file(&self, controller: &str, file: &str) -> String {
        let hierarchy = if unified() { "" } else { controller };
        let path = format!("/sys/fs/cgroup/{hierarchy}{}/{file}", self.cgroup());
        fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{path}: {error}"))
            .trim()
            .to_string()
    }

    /// Living processes in the container's cgroups, or whose directories are the bundle's.
    pub fn processes(&self) -> Vec<u32> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| *pid != std::process::id() && self.owns(*pid) && !is_dead(*pid))
            .collect()
    }

    fn owns(&self, pid: u32) -> bool {
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
        let here = |name: &str| link(name).is_some_and(|path| path.starts_with(&self.dir));
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        groups.contains(&self.parent) || here("cwd") || here("root") || here("exe")
    }
}

fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_none_or(|rest| rest.is_empty() || rest.starts_with(['Z', 'X']))
}

fn describe(pid: u32) -> String {
    let text = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    format!("{:?} {:?}", text("cmdline"), text("cgroup"))
}

/// A command that runs.
pub struct Running {
    /// The process.
    pub child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        let end = Instant::now() + patience();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if Instant::now() > end {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("hangs: {:?} {:?}", read(&self.out), read(&self.err));
            }
            std::thread::sleep(Duration::from_micros(500));
        };
        Outcome {
            code: code(status),
            out: read(&self.out),
            err: read(&self.err),
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// What it has written up to now.
    pub fn output(&self) -> String {
        read(&self.out)
    }
}

/// Sends a signal to a process.
pub fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let mut delete = self.command(&["delete", "--force", &self.id]);
        let _ = delete.stdout(Stdio::null()).stderr(Stdio::null()).status();
        for pid in self.processes() {
            send(pid, Signal::KILL);
        }
        for root in Self::hierarchies() {
            remove_cgroup(&root.join(&self.parent[1..]));
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for line in mounts
            .lines()
            .rev()
            .filter(|line| line.contains(self.path()))
        {
            if let Some(target) = line.split(' ').nth(1) {
                let _ = Command::new("umount").arg("-l").arg(target).status();
            }
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A socket that takes descriptors as a console socket does.
pub struct Console(OwnedFd);

impl Console {
    /// Listens at `path`.
    pub fn listen(path: &str) -> Self {
        Self(sys::socket::listen_at(path, SocketType::STREAM).expect("a socket"))
    }

    /// The descriptor that comes over the next connection, and the bytes with it.
    pub fn take(&self) -> (Option<OwnedFd>, String) {
        let connection = accept(&self.0).expect("a connection");
        let mut bytes = [0; 4096];
        let message = sys::socket::receive(connection, &mut bytes).expect("a message");
        (
            message.descriptor,
            String::from_utf8_lossy(&bytes[..message.len]).into_owned(),
        )
    }
}

fn remove_cgroup(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    for _ in 0..200 {
        match fs::remove_dir(dir) {
            Err(error) if error.raw_os_error() == Some(16) => {
                std::thread::sleep(Duration::from_millis(5))
            }
            _ => return,
        }
    }
}

fn make_rootfs(root: &Path) {
    for dir in ["bin", "dev", "etc", "proc", "sys", "tmp", "usr/bin", "mnt"] {
        fs::create_dir_all(root.join(dir)).expect("a directory");
    }
    let found = ["/usr/bin/busybox", "/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let busybox = found.expect("busybox (Debian: busybox-static)");
    fs::copy(busybox, root.join("bin/busybox")).expect("a copy of busybox");
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).expect("a link");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("a file");
    fs::write(root.join("etc/hidden"), "hidden\n").expect("a file");
}
