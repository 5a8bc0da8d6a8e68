//! What `ps`, `inspect`, `logs`, `stats`, `top`, `update` and `rename` say and do about containers that
//! really run. Needs root and a static busybox.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long something may take that takes a moment on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with a root and a store of its own; all of it goes when this does.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("stockade-listing-{}-{count}", std::process::id());
        let place = Self(std::env::temp_dir().join(name));
        let root = place.root();
        for name in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
        for name in ["sh", "sleep", "echo", "cat"] {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        place
    }

    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stockade"));
        command
            .arg("--root")
            .arg(self.0.join("store"))
            .args(words)
            .stdin(Stdio::null());
        command
    }

    fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a command prints that has to succeed.
    fn ok(&self, words: &[&str]) -> String {
        let output = self.output(words);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {err}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command complains of that has to fail, with exit code 1.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.output(words);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {err}");
        err
    }

    /// Runs a shell's script in the background.
    fn run(&self, name: &str, options: &[&str], script: &str) -> String {
        let root = self.root();
        let words = [
            &["run", "-d", "--name", name],
            options,
            &[root.to_str().unwrap(), "sh", "-c", script],
        ];
        self.ok(&words.concat()).trim().to_owned()
    }

    fn field(&self, name: &str, template: &str) -> String {
        self.ok(&["inspect", "--format", template, name])
            .trim_end()
            .to_owned()
    }

    fn pid(&self, name: &str) -> u32 {
        self.field(name, "{{.State.Pid}}").parse().unwrap()
    }

    fn inspected(&self, name: &str) -> Value {
        let array: Value = serde_json::from_str(&self.ok(&["inspect", name])).unwrap();
        array[0].clone()
    }

    fn wait_for(&self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: {}",
                self.ok(&["ps", "-a"])
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_status(&self, name: &str, status: &str) {
        self.wait_for(status, || self.field(name, "{{.State.Status}}") == status);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let ids = self.output(&["ps", "-aq"]).stdout;
        let ids = String::from_utf8_lossy(&ids);
        let words: Vec<&str> = ["rm", "-f"].into_iter().chain(ids.lines()).collect();
        if words.len() > 2 {
            let _ = self.output(&words);
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn parent_of(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap();
    line.trim().parse().unwrap()
}

fn kill(pid: u32) {
    assert!(
        Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// The file of a container's cgroup that holds the limit of its tasks.
fn pids_max(pid: u32) -> String {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = |prefix: &str| {
        groups
            .lines()
            .find_map(|line| line.split_once(prefix))
            .map(|(_, path)| path)
    };
    let v1 = path(":pids:").map(|path| format!("/sys/fs/cgroup/pids{path}/pids.max"));
    let file = v1.unwrap_or_else(|| format!("/sys/fs/cgroup{}/pids.max", path("0::").unwrap()));
    fs::read_to_string(file).unwrap().trim().to_owned()
}

#[test]
fn ps_tells_every_state() {
    let place = Place::new();
    assert_eq!(place.ok(&["ps", "-aq"]), "");
    let running = place.run("running", &["--label", "tier=web"], "sleep 1000");
    place.run("paused", &[], "sleep 1000");
    place.ok(&["pause", "paused"]);
    place.run("exited", &[], "exit 3");
    place.ok(&[
        "create",
        "--name",
        "created",
        place.root().to_str().unwrap(),
        "sh",
    ]);
    place.wait_for_status("exited", "exited");

    let names = |words: &[&str]| {
        let words = [&["ps", "--format", "{{.Names}}:{{.State}}"], words].concat();
        place
            .ok(&words)
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["paused:paused", "running:running"]);
    assert_eq!(
        names(&["-a"]),
        [
            "created:created",
            "exited:exited",
            "paused:paused",
            "running:running"
        ]
    );
    assert_eq!(names(&["-l"]), ["created:created"]);
    assert_eq!(names(&["-n", "2"]), ["created:created", "exited:exited"]);
    assert_eq!(names(&["--filter", "status=exited"]), ["exited:exited"]);
    assert_eq!(names(&["--filter", "exited=3"]), ["exited:exited"]);
    assert_eq!(names(&["-a", "--filter", "exited=0"]), [""; 0]);
    assert_eq!(names(&["--filter", "label=tier=web"]), ["running:running"]);
    assert_eq!(
        names(&["-a", "--filter", "before=paused"]),
        ["running:running"]
    );
    assert_eq!(
        place.ok(&["ps", "-q", "--filter", "name=running"]).trim(),
        &running[..12]
    );
    assert_eq!(
        place
            .ok(&["ps", "-q", "--no-trunc", "--filter", "name=running"])
            .trim(),
        running
    );

    let table = place.ok(&["ps", "-a"]);
    let lines: Vec<&str> = table.lines().collect();
    let headings: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        headings,
        [
            "CONTAINER",
            "ID",
            "IMAGE",
            "COMMAND",
            "CREATED",
            "STATUS",
            "PORTS",
            "NAMES"
        ]
    );
    assert!(
        lines[2].contains("Exited (3) ") && lines[3].contains("(Paused)"),
        "{table}"
    );

    let row: Value =
        serde_json::from_str(place.ok(&["ps", "--format", "json", "-l"]).trim()).unwrap();
    assert_eq!(
        (&row["Names"], &row["Command"]),
        (&"created".into(), &"\"sh\"".into())
    );
    assert!(
        place
            .refused(&["ps", "--filter", "colour=red"])
            .contains("there is no such filter")
    );
    assert!(
        place
            .refused(&["ps", "--format", "{{.Colour}}"])
            .contains("no field .Colour")
    );
}

#[test]
fn a_size_is_what_was_written() {
    let place = Place::new();
    place.run(
        "web",
        &["--ephemeral"],
        "cat /bin/busybox > /copy; sleep 1000",
    );
    let bytes = fs::metadata("/usr/bin/busybox").unwrap().len();
    place.wait_for("a copy", || {
        place
            .ok(&["inspect", "-s", "-f", "{{.SizeRw}}", "web"])
            .trim()
            == bytes.to_string()
    });
    assert!(place.ok(&["ps", "-s"]).contains(" (virtual "));
}

#[test]
fn inspect_prints_those_that_are_there() {
    let place = Place::new();
    place.run(
        "web",
        &[
            "--memory",
            "64m",
            "--cpus",
            "0.5",
            "-v",
            "/usr:/data:ro",
            "--tmpfs",
            "/scratch",
        ],
        "sleep 1000",
    );
    let web = place.inspected("web");
    assert_eq!(
        (&web["Path"], &web["Args"][0]),
        (&"sh".into(), &"-c".into())
    );
    assert_eq!(web["HostConfig"]["Memory"], 64 << 20);
    assert_eq!(web["HostConfig"]["NanoCpus"], 500_000_000);
    assert_eq!(web["Config"]["Cmd"][2], "sleep 1000");
    let mounts: Vec<(&Value, &Value, &Value)> = web["Mounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| (&mount["Type"], &mount["Source"], &mount["RW"]))
        .collect();
    assert_eq!(
        mounts,
        [
            (&"bind".into(), &"/usr".into(), &false.into()),
            (&"tmpfs".into(), &"".into(), &true.into()),
        ]
    );
    let pid = place.pid("web");
    assert_eq!(
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .unwrap()
            .trim(),
        "sleep"
    );

    let output = place.output(&["inspect", "none", "web", "-f", "{{.Name}}"]);
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(1), &b"/web\n"[..])
    );
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("no such container: none")
    );
    assert_eq!(place.output(&["inspect", "none"]).stdout, b"[]\n");
}

#[test]
fn logs_keep_streams_and_lines_apart() {
    let place = Place::new();
    place.run(
        "web",
        &[],
        "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three; printf prompt",
    );
    place.wait_for_status("web", "exited");
    let output = place.output(&["logs", "web"]);
    assert_eq!(output.stdout, b"one\nthree\nprompt");
    assert_eq!(output.stderr, b"two\n");
    assert_eq!(place.ok(&["logs", "--tail", "2", "web"]), "three\nprompt");
    assert_eq!(place.ok(&["logs", "-n", "0", "web"]), "");
    assert_eq!(
        place.ok(&["logs", "--tail", "all", "web"]),
        "one\nthree\nprompt"
    );
    assert_eq!(place.ok(&["logs", "--until", "1h", "web"]), "");
    assert_eq!(
        place.ok(&["logs", "--since", "1h", "web"]),
        "one\nthree\nprompt"
    );
    let stamped = place.ok(&["logs", "-t", "web"]);
    let (time, text) = stamped.lines().next().unwrap().split_once(' ').unwrap();
    assert_eq!(
        (text, time.len()),
        ("one", "2026-11-23T18:20:19.500000000Z".len())
    );
    let from = place.ok(&[
        "logs",
        "--since",
        stamped.lines().nth(1).unwrap().split_once(' ').unwrap().0,
        "web",
    ]);
    assert_eq!(from, "three\nprompt");
    assert!(
        place
            .refused(&["logs", "--tail", "few", "web"])
            .contains("no number of lines")
    );
    assert!(
        place
            .refused(&["logs", "--since", "noon", "web"])
            .contains("no time")
    );

    // A monitor that is killed may leave half a line.
    let path = place.field("web", "{{.LogPath}}");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    assert_eq!(place.ok(&["logs", "web"]), "one\nthree\n");
    fs::write(&path, format!("{}{whole}", &whole[..whole.len() - 20])).unwrap();
    assert_eq!(place.ok(&["logs", "web"]), "one\nthree\none\nthree\nprompt");
}

#[test]
fn long_logs_have_an_end_too() {
    let place = Place::new();
    place.run(
        "web",
        &[],
        "i=0; while [ $i -lt 9000 ]; do echo line $i; i=$((i+1)); done; cat /bin/busybox >&2",
    );
    place.wait_for_status("web", "exited");
    let lines: String = (8000..9000)
        .map(|count| format!("line {count}\n"))
        .collect();
    let all = place.ok(&["logs", "web"]);
    assert!(
        all.starts_with("line 0\n") && all.ends_with(&lines),
        "{}",
        all.len()
    );
    let mut head = place
        .command(&["logs", "web"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((head.stdout.take(), head.stderr.take()));
    assert!(head.wait().unwrap().success());
}

#[test]
fn a_log_that_grows_is_shown_as_it_was() {
    let place = Place::new();
    place.run(
        "web",
        &[],
        "while :; do echo a line that is printed over and over; done",
    );
    let start = Instant::now();
    for _ in 0..3 {
        assert!(place.ok(&["logs", "-n", "3", "web"]).lines().count() <= 3);
    }
    place.ok(&["kill", "web"]);
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn following_ends_with_the_container() {
    let place = Place::new();
    place.run(
        "web",
        &[],
        "echo one; while [ ! -e /go ]; do sleep 0.05; done; echo two",
    );
    let follower = place
        .command(&["logs", "-f", "web"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(400));
    fs::write(place.root().join("go"), "").unwrap();
    assert_eq!(follower.wait_with_output().unwrap().stdout, b"one\ntwo\n");
    assert_eq!(place.ok(&["logs", "-f", "web"]), "one\ntwo\n");
}

#[test]
fn stats_show_use_and_limits() {
    let place = Place::new();
    place.run("busy", &["--memory", "64m"], "while :; do :; done");
    place.run("idle", &[], "sleep 1000");
    place.ok(&[
        "create",
        "--name",
        "created",
        place.root().to_str().unwrap(),
        "sh",
    ]);
    let text = place.ok(&["stats", "--no-stream", "--format", "json"]);
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&Value> = rows.iter().map(|row| &row["Name"]).collect();
    assert_eq!(names, ["idle", "busy"]);
    let percent = |row: &Value| {
        row["CPUPerc"]
            .as_str()
            .unwrap()
            .trim_end_matches('%')
            .parse::<f64>()
            .unwrap()
    };
    assert!(percent(&rows[1]) > 5.0 && percent(&rows[0]) < 5.0, "{text}");
    assert!(
        rows[1]["MemUsage"].as_str().unwrap().ends_with(" / 64MiB"),
        "{text}"
    );
    assert_eq!(
        (&rows[0]["PIDs"], &rows[0]["NetIO"]),
        (&"1".into(), &"0B / 0B".into())
    );
    let one = place.ok(&[
        "stats",
        "--no-stream",
        "--format",
        "{{.Name}} {{.PIDs}}",
        "created",
    ]);
    assert_eq!(one, "created --\n");
    assert!(
        place
            .refused(&["stats", "--no-stream", "none"])
            .contains("no such container")
    );
}

#[test]
fn top_lists_a_containers_processes_only() {
    let place = Place::new();
    place.run("web", &[], "sleep 1001 & sleep 1002 & wait");
    let pid = place.pid("web").to_string();
    place.wait_for("three processes", || {
        place.ok(&["top", "web"]).lines().count() == 4
    });
    let table = place.ok(&["top", "web", "-o", "pid,args"]);
    assert!(
        table.contains("sleep 1001") && table.contains("sleep 1002") && table.contains(&pid),
        "{table}"
    );
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(
        place
            .refused(&["top", "web", "-o", "args"])
            .contains("no column PID")
    );
    // Without ps(1) the table is our own.
    let own = place
        .command(&["top", "web"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let own = String::from_utf8(own.stdout).unwrap();
    let headings: Vec<&str> = own.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        headings,
        ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    );
    assert!(
        own.lines().count() == 4 && own.contains("sleep 1002"),
        "{own}"
    );
    place.ok(&["kill", "web"]);
    place.wait_for_status("web", "exited");
    assert!(place.refused(&["top", "web"]).contains("is not running"));
}

#[test]
fn updated_limits_hold_now_and_after_a_restart() {
    let place = Place::new();
    place.run(
        "web",
        &["--pids-limit", "9", "--memory", "64m"],
        "sleep 1000",
    );
    assert_eq!(place.ok(&["update", "--pids-limit", "7", "web"]), "web\n");
    assert_eq!(pids_max(place.pid("web")), "7");
    let limits = "{{.HostConfig.PidsLimit}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}";
    assert_eq!(place.field("web", limits), format!("7 {} 0", 64 << 20));
    place.ok(&["update", "--memory", "32m", "--cpus", "1", "web"]);
    place.ok(&["restart", "-t", "0", "web"]);
    assert_eq!(
        place.field("web", limits),
        format!("7 {} 1000000000", 32 << 20)
    );
    assert_eq!(pids_max(place.pid("web")), "7");
    place.ok(&["update", "--memory", "0", "web"]);
    assert_eq!(place.field("web", limits), "7 0 1000000000");

    for (words, what) in [
        (&["update", "web"][..], "no limit is given"),
        (&["update", "--memory", "much", "web"], "--memory much"),
        (
            &["update", "--memory-swap", "1g", "web"],
            "needs --memory too",
        ),
        (
            &["update", "--cpus", "1", "--cpu-quota", "5000", "web"],
            "conflicts",
        ),
        (&["update", "--restart", "often", "web"], "--restart often"),
        (
            &["update", "--pids-limit", "7", "none"],
            "no such container",
        ),
    ] {
        assert!(place.refused(words).contains(what), "{words:?}");
    }
    assert_eq!(place.field("web", limits), "7 0 1000000000");
}

#[test]
fn an_updated_restart_policy_counts_at_once() {
    let place = Place::new();
    place.run("web", &[], "sleep 1000");
    place.ok(&["update", "--restart", "on-failure:1", "web"]);
    let first = place.pid("web");
    kill(first);
    place.wait_for("a restart", || {
        let pid = place.pid("web");
        pid != 0 && pid != first
    });
    assert_eq!(
        place.field(
            "web",
            "{{.RestartCount}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}"
        ),
        "1 1"
    );
    kill(place.pid("web"));
    place.wait_for_status("web", "exited");
    assert_eq!(place.field("web", "{{.State.ExitCode}}"), "137");
}

#[test]
fn names_change_hands() {
    let place = Place::new();
    place.run("one", &[], "sleep 1000");
    place.run("two", &[], "sleep 1000");
    place.ok(&["rename", "one", "first"]);
    assert!(
        place
            .refused(&["inspect", "one"])
            .contains("no such container")
    );
    assert_eq!(place.field("first", "{{.Name}}"), "/first");
    assert!(
        place
            .refused(&["rename", "first", "two"])
            .contains("already in use")
    );
    assert!(
        place
            .refused(&["rename", "first", "../x"])
            .contains("invalid container name")
    );
    place.ok(&["rename", "two", "one"]);
}

#[test]
fn the_truth_is_told_when_a_monitor_was_killed() {
    let place = Place::new();
    place.run("web", &[], "echo before; sleep 1000");
    place.wait_for("a line", || place.ok(&["logs", "web"]) == "before\n");
    let pid = place.pid("web");
    kill(parent_of(pid));
    assert_eq!(
        place.field("web", "{{.State.Status}} {{.State.Pid}}"),
        format!("running {pid}")
    );
    assert_eq!(place.ok(&["logs", "-f", "web"]), "before\n");
    assert_eq!(place.ok(&["top", "web"]).lines().count(), 2);
    kill(pid);
    place.wait_for_status("web", "exited");
    assert_eq!(place.field("web", "{{.State.ExitCode}}"), "255");
    assert!(
        place
            .field("web", "{{.State.Error}}")
            .contains("monitor was killed")
    );
    assert!(place.ok(&["ps", "-a"]).contains("Exited (255)"));
}

#[test]
fn what_ran_when_the_machine_stopped_has_ended() {
    let place = Place::new();
    place.run("web", &[], "exit 3");
    place.wait_for_status("web", "exited");
    assert_eq!(place.field("web", "{{.State.ExitCode}}"), "3");
    // As if it had been started again after that, and nothing of that start were left.
    let log = PathBuf::from(place.field("web", "{{.LogPath}}"));
    let socket = log.with_file_name("attach.sock");
    assert!(
        Command::new("touch")
            .arg(&socket)
            .status()
            .unwrap()
            .success()
    );
    let state = "{{.State.Status}} {{.State.ExitCode}}";
    assert_eq!(place.field("web", state), "exited 255");
    fs::remove_file(log.with_file_name("ending.json")).unwrap();
    assert_eq!(place.field("web", state), "exited 255");
    fs::remove_file(socket).unwrap();
    assert_eq!(place.field("web", state), "created 0");
}

#[test]
fn a_damaged_container_hides_no_others() {
    let place = Place::new();
    place.run("web", &[], "sleep 1000");
    let id = place.run("bad", &[], "exit 0");
    place.wait_for_status("bad", "exited");
    let path = place
        .0
        .join("store/containers")
        .join(&id)
        .join("container.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, "{").unwrap();
    let output = place.output(&["ps", "--format", "{{.Names}}"]);
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(1), &b"web\n"[..])
    );
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("is damaged")
    );
    fs::write(Path::new(&path), whole).unwrap();
}
