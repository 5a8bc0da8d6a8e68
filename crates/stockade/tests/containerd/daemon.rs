//! A containerd of a test's own: in namespaces of its own for processes, mounts and the network, so that nothing of
//! it is left when the test ends, however it does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long something may take that takes a moment on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The image that is there.
const IMAGE: &str = "test/busybox:1";

/// Makes namespaces: a `/run` of its own, where shims' sockets and containers' states are; then it stays, as their
/// first process, and reaps.
const SETUP: &str = r#"
set -e
ip link set lo up
mount -t tmpfs tmpfs /run
mkdir /run/root /run/state /run/bin
cp "$1/config.toml" /run/config.toml
ln -s "$2" /run/bin/containerd-shim-stockade-v2
touch "$1/ready"
while :; do sleep 86400 & wait $!; done
"#;

const CONFIG: &str = r#"
version = 2
root = "/run/root"
state = "/run/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.internal.v1.tracing", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "/run/containerd.sock"
[ttrpc]
  address = "/run/containerd.sock.ttrpc"
"#;

/// An image layout of one layer, by hand: no registry.
const PACK: &str = r#"
set -e
cd "$1"
mkdir -p root/bin root/proc root/sys root/dev root/etc root/tmp layout/blobs/sha256
cp /usr/bin/busybox root/bin/busybox
for name in sh sleep echo cat id true tail stty stat readlink grep; do ln -s busybox root/bin/$name; done
blob() { sum=$(sha256sum "$1" | cut -d' ' -f1); size=$(stat -c %s "$1"); mv "$1" layout/blobs/sha256/$sum; }
tar -C root -cf layer.tar .
blob layer.tar; layer=$sum layer_size=$size
machine=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
cat > file <<E
{"architecture":"$machine","os":"linux","config":{"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
E
blob file; config=$sum config_size=$size
type=application/vnd.oci.image
cat > file <<E
{"schemaVersion":2,"mediaType":"$type.manifest.v1+json",
 "config":{"mediaType":"$type.config.v1+json","digest":"sha256:$config","size":$config_size},
 "layers":[{"mediaType":"$type.layer.v1.tar","digest":"sha256:$layer","size":$layer_size}]}
E
blob file
cat > layout/index.json <<E
{"schemaVersion":2,"manifests":[{"mediaType":"$type.manifest.v1+json","digest":"sha256:$sum","size":$size,
 "annotations":{"io.containerd.image.name":"$2"}}]}
E
echo '{"imageLayoutVersion":"1.0.0"}' > layout/oci-layout
tar -C layout -cf image.tar .
"#;

/// A containerd, and all that it starts.
pub(crate) struct Daemon {
    directory: PathBuf,
    /// Holds the namespaces; with it goes everything in them.
    holder: Child,
    inside: String,
    containerd: Option<Child>,
    namespace: String,
}

impl Daemon {
    /// Starts one, with an image of busybox.
    pub(crate) fn start() -> Self {
        let name = format!("stockade-containerd-{}", std::process::id());
        let directory = std::env::temp_dir().join(&name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("config.toml"), CONFIG).unwrap();
        let holder = Command::new("unshare")
            .args([
                "--net",
                "--pid",
                "--mount",
                "--fork",
                "--mount-proc",
                "--kill-child",
            ])
            .args(["--propagation", "private", "sh", "-c", SETUP, "sh"])
            .arg(&directory)
            .arg(env!("CARGO_BIN_EXE_stockade"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut daemon = Self {
            directory,
            holder,
            inside: String::new(),
            containerd: None,
            namespace: name,
        };
        let ready = daemon.directory.join("ready");
        until("the namespaces", || ready.exists());
        let holder = daemon.holder.id();
        let children = fs::read_to_string(format!("/proc/{holder}/task/{holder}/children"));
        daemon.inside = children.unwrap().trim().to_owned();
        daemon.start_containerd();
        daemon.import();
        daemon
    }

    /// Runs a program inside.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.inside, "--net", "--pid", "--mount"])
            .args(["timeout", "--foreground", "-k", "1", "40"])
            .args(words)
            .env("CONTAINERD_ADDRESS", "/run/containerd.sock")
            .env("CONTAINERD_NAMESPACE", &self.namespace)
            .stdin(Stdio::null());
        command
    }

    /// Has the shims find a criu of version 4: the one that scripts/setup has put where it is, if it has.
    pub(crate) fn with_criu(&self) -> bool {
        let home = std::env::var("HOME").unwrap_or_default();
        let criu = format!("{home}/.cache/stockade-criu/criu");
        if !Path::new(&criu).is_file() {
            eprintln!("skipped: no criu of version 4 or later (scripts/setup brings one)");
            return false;
        }
        let linked = self.command(&["ln", "-s", &criu, "/run/bin/criu"]).status();
        linked.is_ok_and(|status| status.success())
    }

    pub(crate) fn start_containerd(&mut self) {
        let log = fs::File::create(self.directory.join("containerd.log")).unwrap();
        let path = format!("/run/bin:{}", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.inside, "--net", "--pid", "--mount"])
            .args(["containerd", "--config", "/run/config.toml"])
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.containerd = Some(command.spawn().unwrap());
        until("containerd", || self.ran(&["version"]).status.success());
    }

    /// Kills containerd, as a crash would.
    pub(crate) fn kill_containerd(&mut self) {
        let [pid] = self.pids_of("containerd --config")[..] else {
            panic!("not one containerd");
        };
        assert!(
            self.command(&["kill", "-KILL", &pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
        self.containerd.take().unwrap().wait().unwrap();
    }

    fn import(&self) {
        let pack = Command::new("sh")
            .args(["-c", PACK, "sh"])
            .arg(&self.directory)
            .arg(IMAGE)
            .output()
            .unwrap();
        assert!(pack.status.success(), "{pack:?}");
        let image = self.directory.join("image.tar");
        self.ok(&["image", "import", image.to_str().unwrap()]);
    }

    /// Runs `ctr`.
    pub(crate) fn ran(&self, words: &[&str]) -> Output {
        self.command(&[&["ctr"], words].concat()).output().unwrap()
    }

    /// What `ctr` prints, which has to succeed.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.ran(words);
        assert!(
            output.status.success(),
            "{words:?}: {output:?}\n{}",
            self.log()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// `ctr run OPTIONS IMAGE ID sh -c SCRIPT`.
    pub(crate) fn run(&self, options: &[&str], id: &str, script: &str) -> Output {
        self.ran(&run_words(options, id, script))
    }

    /// The same, which has to succeed.
    pub(crate) fn run_ok(&self, options: &[&str], id: &str, script: &str) -> String {
        self.ok(&run_words(options, id, script))
    }

    /// The status of a task, such as `RUNNING`; empty where there is none.
    pub(crate) fn status(&self, id: &str) -> String {
        self.task(id).map_or(String::new(), |(_, status)| status)
    }

    /// The number of a task's first process, inside.
    pub(crate) fn pid(&self, id: &str) -> u32 {
        self.task(id).unwrap().0
    }

    fn task(&self, id: &str) -> Option<(u32, String)> {
        let table = self.ok(&["task", "ls"]);
        let row = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        row.filter(|row| row.first() == Some(&id))
            .map(|row| (row[1].parse().unwrap(), row[2].to_owned()))
            .next()
    }

    pub(crate) fn until_status(&self, id: &str, status: &str) {
        until(&format!("{id} {status}"), || self.status(id) == status);
    }

    /// Ends, waits for and removes a task and its container; gives the exit status that `ctr` tells.
    pub(crate) fn remove(&self, id: &str) -> String {
        self.until_status(id, "STOPPED");
        let output = self.ran(&["task", "rm", id]);
        assert!(output.status.success(), "{output:?}");
        self.ok(&["container", "rm", id]);
        // `… exit with non-zero exit code 7"`
        let words = String::from_utf8(output.stderr).unwrap();
        let code = words.trim_end().trim_end_matches('"').rsplit(' ').next();
        code.unwrap_or("").to_owned()
    }

    /// The shims that run.
    pub(crate) fn shims(&self) -> Vec<u32> {
        self.pids_of("containerd-shim-stockade-v2 -namespace")
    }

    /// Processes inside whose command line begins so.
    pub(crate) fn pids_of(&self, start: &str) -> Vec<u32> {
        let script = r#"for p in /proc/[0-9]*; do case "$(tr '\0' ' ' < $p/cmdline)" in "$1"*) echo ${p#/proc/};; esac; done"#;
        let output = self
            .command(&["sh", "-c", script, "sh", start])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Listens to events of tasks from now on; they are what the file of this name holds.
    pub(crate) fn listen(&self, name: &str) -> Child {
        let out = fs::File::create(self.directory.join(name)).unwrap();
        let mut command = self.command(&["ctr", "events"]);
        let child = command.stdout(out).stderr(Stdio::null()).spawn().unwrap();
        // It says nothing when it is ready: an event of our own does.
        let marker = format!("marker-{name}");
        until("events", || {
            self.ok(&["namespace", "create", &marker]);
            self.ok(&["namespace", "remove", &marker]);
            self.text(name).contains(&marker)
        });
        child
    }

    /// The topics and fields of the tasks' events that came, in their order.
    pub(crate) fn events(&self, name: &str) -> Vec<String> {
        let text = self.text(name);
        let tasks = text.lines().filter_map(|line| line.split_once(" /tasks/"));
        tasks.map(|(_, event)| event.to_owned()).collect()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }

    /// A path that is the same inside and outside.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// Fails if anything of any container is left.
    pub(crate) fn assert_nothing_left(&self) {
        until("the last shim's end", || self.shims().is_empty());
        let script = r#"ls -A /run/containerd/s /run/state/io.containerd.runtime.v2.task/* /run/containerd/stockade/*/ 2>/dev/null |
            grep -v -e : -e '^$'; grep -o ' /run/state[^ ]*' /proc/self/mountinfo; true"#;
        let output = self.command(&["sh", "-c", script]).output().unwrap();
        let left = String::from_utf8(output.stdout).unwrap();
        let ours: Vec<_> = left.lines().filter(|line| *line != ".seccomp").collect();
        assert!(ours.is_empty(), "left: {ours:?}");
    }

    /// What containerd and its shims logged.
    pub(crate) fn log(&self) -> String {
        self.text("containerd.log")
    }
}

fn run_words<'w>(options: &[&'w str], id: &'w str, script: &'w str) -> Vec<&'w str> {
    let runtime = ["run", "--runtime", "io.containerd.stockade.v2"];
    [&runtime[..], options, &[IMAGE, id, "sh", "-c", script]].concat()
}

/// Waits for something that comes soon.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        if let Some(mut containerd) = self.containerd.take() {
            let _ = containerd.wait();
        }
        remove_cgroups(&self.namespace);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The cgroup that the containers' are in has containerd's namespace for a name.
fn remove_cgroups(name: &str) {
    let hierarchies = fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten();
    for hierarchy in hierarchies
        .map(|entry| entry.path())
        .chain([PathBuf::from("/sys/fs/cgroup")])
    {
        let start = Instant::now();
        while remove_tree(&hierarchy.join(name)).is_err()
            && start.elapsed() < Duration::from_secs(5)
        {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn remove_tree(path: &Path) -> std::io::Result<()> {
    let Ok(entries) = fs::read_dir(path) else {
        return Ok(());
    };
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        remove_tree(&entry.path())?;
    }
    fs::remove_dir(path)
}

/// The binary by a shim's name, for what needs no containerd.
pub(crate) fn shim_link(directory: &Path) -> PathBuf {
    let link = directory.join("containerd-shim-stockade-v2");
    symlink(env!("CARGO_BIN_EXE_stockade"), &link).unwrap();
    link
}
