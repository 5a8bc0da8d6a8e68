//! `stockade cgroup` on the machine's own cgroups, v1, hybrid or v2. Needs root.
//!
//! Every test has a cgroup of its own name, which goes with it however it ends.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use common::app::{Ran, program as stockade, until};

/// A number that no machine gives to anybody.
const USER: u32 = 1_894_022;

/// Whether this machine has v2 alone.
fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Whether this machine has v2 beside v1.
fn is_hybrid() -> bool {
    Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists()
}

/// What v1 or v2 says.
fn pick<'t>(v1: &'t str, v2: &'t str) -> &'t str {
    if is_v2() { v2 } else { v1 }
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--foreground", "-k", "1", "120"])
        .arg(stockade())
        .arg("cgroup")
        .args(words)
        .stdin(Stdio::null());
    command
}

fn ran(words: &[&str]) -> Ran {
    command(words).output().unwrap().into()
}

#[track_caller]
fn ok(words: &[&str]) -> String {
    let ran = ran(words);
    assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
    ran.out
}

/// What a command complains of that has to fail.
#[track_caller]
fn fails(words: &[&str]) -> String {
    let ran = ran(words);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (1, ""),
        "{words:?}: {}",
        ran.err
    );
    ran.err
}

/// Takes 64 megabytes, as tail(1) keeps what it is to print.
const HUNGRY: &str = "head -c 64M /dev/zero | tail -c 64M >/dev/null";

/// A cgroup of a test's, and processes that were started in it.
struct Cgroup {
    name: String,
    children: Vec<Child>,
}

impl Cgroup {
    /// A name; nothing is made yet.
    fn named() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("stockade-test-hand-{}-{count}", std::process::id()),
            children: Vec::new(),
        }
    }

    fn made(settings: &[&str]) -> Self {
        let cgroup = Self::named();
        ok(&[&["create", "-q", &cgroup.name], settings].concat());
        cgroup
    }

    fn below(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    /// Its directory in the hierarchy of a controller.
    fn dir(&self, controller: &str) -> String {
        match is_v2() {
            true => format!("/sys/fs/cgroup/{}", self.name),
            false => format!("/sys/fs/cgroup/{controller}/{}", self.name),
        }
    }

    /// What one of its files says.
    fn file(&self, controller: &str, name: &str) -> String {
        let path = format!("{}/{name}", self.dir(controller));
        let text = fs::read_to_string(&path);
        text.unwrap_or_else(|error| panic!("{path}: {error}"))
            .trim()
            .to_owned()
    }

    /// A process in `path`: its number.
    fn process(&mut self, path: &str, script: &str) -> u32 {
        let child = Command::new("sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id();
        self.children.push(child);
        ok(&["move", path, &pid.to_string()]);
        let child = self.children.last_mut().unwrap();
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, b"go\n").unwrap();
        pid
    }

    /// Waits for every process that was started here.
    fn reap(&mut self) {
        for child in &mut self.children {
            child.wait().unwrap();
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = ran(&["kill", &self.name]);
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = ran(&["rm", "-r", &self.name]);
        for hierarchy in common::app::names(Path::new("/sys/fs/cgroup")) {
            let left = format!("/sys/fs/cgroup/{hierarchy}/{}", self.name);
            let left = Path::new(&left).exists();
            assert!(!left || std::thread::panicking(), "left: {}", self.name);
        }
    }
}

#[test]
fn a_cgroup_is_made_in_every_hierarchy_and_goes_from_all() {
    let cgroup = Cgroup::named();
    let path = cgroup.below("a/b");
    ok(&["create", &path]);
    assert!(fails(&["create", &path]).contains("is there already"));
    let rows = ok(&["ls", "-q", &cgroup.name]);
    assert_eq!(rows, format!("{0}\n{0}/a\n{0}/a/b\n", cgroup.name));
    for controller in ["memory", "cpu", "pids", "freezer"] {
        assert!(Path::new(&cgroup.dir(controller)).exists(), "{controller}");
    }
    assert!(fails(&["rm", &cgroup.name]).contains("has cgroups below it: a"));
    ok(&["rm", &path]);
    ok(&["rm", "--recursive", &cgroup.name]);
    assert!(!Path::new(&cgroup.dir("memory")).exists());
    assert!(fails(&["rm", &cgroup.name]).contains("no such cgroup"));
    assert!(fails(&["rm", "/"]).contains("the root cannot be removed"));
    assert!(fails(&["create", "a/../b"]).contains("\"..\" is not allowed"));
}

#[test]
fn orthogonal_hierarchies_are_chosen_by_controller() {
    let cgroup = Cgroup::named();
    ok(&[
        "create",
        "-c",
        "memory,pids",
        &cgroup.name,
        "memory.max=32M",
    ]);
    if is_v2() {
        assert!(cgroup.file("", "cgroup.controllers").contains("memory"));
        return;
    }
    let hierarchies = common::app::names(Path::new("/sys/fs/cgroup"));
    let mut made: Vec<_> = hierarchies
        .into_iter()
        .filter(|name| Path::new(&cgroup.dir(name)).exists())
        .collect();
    made.sort();
    assert_eq!(made, ["memory", "pids"]);
    let refused = fails(&["set", &cgroup.name, "cpu.weight=5"]);
    assert!(refused.contains("not in the hierarchy of cpu"), "{refused}");
    // The directory in a file system is that hierarchy's cgroup alone.
    let dir = cgroup.dir("memory");
    let shown = ok(&["show", "--format", "json", &dir]);
    assert!(shown.contains("\"memory.max\":\"33554432\""), "{shown}");
    assert!(!shown.contains("pids"), "{shown}");
}

#[test]
fn what_is_refused_while_it_is_made_leaves_nothing() {
    let cgroup = Cgroup::named();
    let error = fails(&[
        "create",
        "-q",
        &cgroup.below("a"),
        "memory.max=1G",
        "pids.max=x",
    ]);
    assert!(
        error.contains("pids.max=x: must be max or a number"),
        "{error}"
    );
    assert!(fails(&["ls", &cgroup.name]).contains("no such cgroup"));
}

/// A setting, what `set` says on v1, the file of either version, and what it says afterwards.
type Case<'c> = (&'c str, &'c str, (&'c str, &'c str), (&'c str, &'c str));

#[test]
fn settings_have_v2s_names_and_it_says_what_they_became() {
    let cgroup = Cgroup::made(&[]);
    let cases: [Case<'_>; 9] = [
        (
            "memory.max=64M",
            "memory.max -> memory.limit_in_bytes = 67108864\n",
            ("memory.limit_in_bytes", "67108864"),
            ("memory.max", "67108864"),
        ),
        (
            "memory.low=4M",
            "memory.low -> memory.soft_limit_in_bytes = 4194304\n",
            ("memory.soft_limit_in_bytes", "4194304"),
            ("memory.low", "4194304"),
        ),
        (
            "cpu.weight=50",
            "cpu.weight -> cpu.shares = 512\n",
            ("cpu.shares", "512"),
            ("cpu.weight", "50"),
        ),
        (
            "cpu.max=20000 50000",
            "cpu.max -> cpu.cfs_period_us = 50000\ncpu.max -> cpu.cfs_quota_us = 20000\n",
            ("cpu.cfs_quota_us", "20000"),
            ("cpu.max", "20000 50000"),
        ),
        (
            "cpu.max=max",
            "cpu.max -> cpu.cfs_quota_us = -1\n",
            ("cpu.cfs_quota_us", "-1"),
            ("cpu.max", "max 50000"),
        ),
        (
            "cpuset.cpus=0",
            "",
            ("cpuset.cpus", "0"),
            ("cpuset.cpus", "0"),
        ),
        ("pids.max=17", "", ("pids.max", "17"), ("pids.max", "17")),
        ("cpu.idle=1", "", ("cpu.idle", "1"), ("cpu.idle", "1")),
        (
            "memory.max=max",
            "memory.max -> memory.limit_in_bytes = -1\n",
            ("memory.limit_in_bytes", "9223372036854771712"),
            ("memory.max", "max"),
        ),
    ];
    for (setting, said, v1, v2) in cases {
        assert_eq!(
            ok(&["set", &cgroup.name, setting]),
            pick(said, ""),
            "{setting}"
        );
        let (file, value) = if is_v2() { v2 } else { v1 };
        let controller = setting.split('.').next().unwrap();
        assert_eq!(cgroup.file(controller, file), value, "{setting}");
    }
    assert_eq!(ok(&["set", "-q", &cgroup.name, "memory.max=1M"]), "");
}

#[test]
fn swap_is_limited_alone_whatever_the_host_counts() {
    let cgroup = Cgroup::made(&["memory.max=32M"]);
    if is_v2() {
        ok(&["set", &cgroup.name, "memory.swap.max=1M"]);
        assert_eq!(cgroup.file("memory", "memory.swap.max"), "1048576");
        return;
    }
    let both = || cgroup.file("memory", "memory.memsw.limit_in_bytes");
    ok(&["set", &cgroup.name, "memory.swap.max=1M"]);
    assert_eq!(both(), (33 << 20).to_string());
    // More memory, and then less: the same swap.
    for (memory, wanted) in [("64M", 65 << 20), ("16M", 17 << 20)] {
        ok(&["set", &cgroup.name, &format!("memory.max={memory}")]);
        assert_eq!(both(), wanted.to_string());
    }
    let error = fails(&["set", &cgroup.name, "memory.max=max"]);
    assert!(error.contains("set memory.swap.max=max first"), "{error}");
    ok(&["set", &cgroup.name, "memory.swap.max=max", "memory.max=max"]);
}

#[test]
fn what_a_version_does_not_have_is_refused_by_name() {
    let cgroup = Cgroup::made(&[]);
    let only_v2 = ["memory.high=1M", "memory.oom.group=1", "memory.min=1M"];
    let only_v1 = ["memory.limit_in_bytes=1M", "cpu.shares=5"];
    for setting in if is_v2() { &only_v1[..] } else { &only_v2 } {
        let key = setting.split('=').next().unwrap();
        let error = fails(&["set", &cgroup.name, setting]);
        assert!(error.contains(key) && error.contains("hint: "), "{error}");
    }
    for setting in if is_v2() { &only_v2[..1] } else { &only_v1 } {
        ok(&["set", &cgroup.name, setting]);
    }
    for (setting, told) in [
        ("nosuch.thing=1", "no controller is called nosuch"),
        ("memory.nosuch=1", "memory.nosuch"),
        ("cgroup.procs=1", "use `stockade cgroup move`"),
        ("cgroup.nosuch=1", "not a setting"),
        ("../x=1", "not the name of a setting"),
        ("memory.max", "not KEY=VALUE"),
        ("memory.max=-5", "must be max, or bytes"),
        ("cpu.weight=0", "must be a number from 1 to 10000"),
        ("cpuset.cpus=4000", "cpuset.cpus"),
    ] {
        let error = fails(&["set", &cgroup.name, setting]);
        assert!(error.contains(told), "{setting}: {error}");
    }
}

#[test]
fn limits_that_were_set_hold_and_failures_are_counted() {
    let mut cgroup = Cgroup::made(&["memory.max=8M", "pids.max=3"]);
    let name = cgroup.name.clone();
    cgroup.process(&name, HUNGRY);
    until("killed", || {
        let shown = ok(&["show", "--format", "json", &name]);
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        shown["Counters"]["memory.oom_kill"]["Failures"].as_u64() > Some(0)
            && shown["Counters"]["memory"]["Failures"].as_u64() > Some(0)
            && shown["Counters"]["memory"]["Peak"].as_u64() > Some(4 << 20)
    });
    // Who is being killed counts until it has been waited for; the next shell's first fork would be
    // refused, and nobody be left to make it three.
    cgroup.reap();
    until("empty", || {
        let row = ok(&["ls", "--format", "json", &name]);
        let row: serde_json::Value = serde_json::from_str(row.lines().next().unwrap()).unwrap();
        row["Tasks"] == "0"
    });
    cgroup.process(&name, "for i in 1 2 3 4; do sleep 50 & done; sleep 50");
    until("refused", || {
        let shown = ok(&["show", &name]);
        let line = shown
            .lines()
            .find(|line| line.starts_with("pids "))
            .unwrap();
        let cells: Vec<&str> = line.split_whitespace().collect();
        cells[1..4] == ["3", "3", "3"] && cells[4] != "0"
    });
}

#[test]
fn the_tree_tells_processes_and_use() {
    let mut cgroup = Cgroup::made(&[]);
    let path = cgroup.below("web");
    ok(&["create", &path]);
    let pid = cgroup.process(&path, "exec sleep 54321");
    until("executed", || {
        ok(&["ls", "-p", &path]).contains("sleep 54321")
    });
    let tree = ok(&["ls", "--processes", &cgroup.name]);
    let lines: Vec<&str> = tree.lines().collect();
    assert!(
        lines[0].starts_with("CGROUP") && lines[1].starts_with(&cgroup.name),
        "{tree}"
    );
    assert!(lines[2].starts_with("  web "), "{tree}");
    assert_eq!(lines[3].trim(), format!("[{pid}] sleep 54321"), "{tree}");
    let rows = ok(&["ls", "--format", "json", &cgroup.name]);
    let row: serde_json::Value = serde_json::from_str(rows.lines().nth(1).unwrap()).unwrap();
    assert_eq!(row["Cgroup"], path.as_str());
    assert_eq!(row["PIDs"], serde_json::json!([pid]));
    assert_eq!(row["Tasks"], "1");
    assert_eq!(
        ok(&["ls", "-q", "-L", "0", &cgroup.name]).lines().count(),
        1
    );
    assert!(ok(&["ls"]).contains(&cgroup.name));
}

/// Processor time of a process, in ticks.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit_once(") ").unwrap().1;
    rest.split(' ').nth(11).unwrap().parse().unwrap()
}

#[test]
fn a_tree_is_frozen_thawed_and_killed() {
    let mut cgroup = Cgroup::made(&[]);
    let (name, path) = (cgroup.name.clone(), cgroup.below("deep"));
    ok(&["create", &path]);
    let busy = cgroup.process(&path, "while :; do :; done");
    ok(&["freeze", &name]);
    assert!(ok(&["show", &name]).contains("1 process(es), frozen"));
    let before = ticks(busy);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(ticks(busy), before);
    ok(&["thaw", &name]);
    until("going on", || ticks(busy) > before);
    assert!(fails(&["rm", "-r", &name]).contains("1 process(es) are in it"));
    // Fast forks, and frozen ones, end too.
    cgroup.process(&path, "while :; do (sleep 0.01 &); done");
    ok(&["freeze", &path]);
    ok(&["kill", &name]);
    assert!(ok(&["show", &name]).contains(": 0 process(es), in"));
    ok(&["thaw", &path]);
    ok(&["rm", "-r", &name]);
}

#[test]
fn this_process_is_neither_frozen_nor_killed() {
    for verb in ["freeze", "kill"] {
        let inside = ran(&["run", &stockade(), "cgroup", verb, "."]);
        assert_eq!(inside.code, 1, "{}", inside.err);
        assert!(
            inside.err.contains("this process is in it"),
            "{}",
            inside.err
        );
    }
    assert!(fails(&["kill", "/"]).contains("the root cannot be killed"));
}

#[test]
fn moving_is_told_what_cannot_be_moved() {
    let cgroup = Cgroup::made(&[]);
    for (pid, told) in [
        ("x", "not a process number"),
        ("0", "not a process number"),
        ("4194999", "no such process"),
    ] {
        let error = fails(&["move", &cgroup.name, pid]);
        assert!(error.contains(told), "{error}");
    }
}

/// The cgroup that a script says it is in.
fn own_path(out: &str) -> String {
    let line = out.lines().find_map(|line| {
        let path = line.rsplit_once(':')?.1;
        path.contains("/stockade/run-").then_some(path)
    });
    line.unwrap_or_else(|| panic!("{out}")).to_owned()
}

#[test]
fn a_command_runs_in_a_cgroup_that_goes_with_it() {
    let script = "cat /proc/self/cgroup; sleep 1000 & exit 7";
    let ran_it = ran(&["run", "--memory", "32M", "--pids", "9", "sh", "-c", script]);
    assert_eq!((ran_it.code, ran_it.err.as_str()), (7, ""));
    let path = own_path(&ran_it.out);
    assert!(fails(&["ls", &path]).contains("no such cgroup"));
    for (words, code) in [
        (&["nosuch"][..], 127),
        (&["/etc/passwd"], 126),
        (&["--memory", "x", "true"], 125),
        (&["--cpus", "0", "true"], 125),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["--pids", "1", "--", "sh", "-c", "(true) 2>/dev/null"], 2),
    ] {
        let ran_it = ran(&[&["run"], words].concat());
        assert_eq!(ran_it.code, code, "{words:?}: {}", ran_it.err);
    }
    // Memory that is out kills; what cannot be had is refused before anything runs.
    let words = ["run", "-m", "16M", "--memory-swap", "0", "sh", "-c", HUNGRY];
    assert_eq!(ran(&words).code, 137);
    if !is_v2() {
        let refused = ran(&["run", "--memory-high", "1M", "echo", "ran"]);
        assert_eq!((refused.code, refused.out.as_str()), (125, ""));
        assert!(refused.err.contains("memory.high"), "{}", refused.err);
    }
}

#[test]
fn a_signal_to_run_reaches_the_command_and_its_cgroup_goes() {
    let mut run = Command::new(stockade())
        .args(["cgroup", "run", "sh", "-c"])
        .arg("trap 'echo got; exit 3' TERM; cat /proc/self/cgroup; while :; do sleep 0.05; done")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(run.stdout.take().unwrap());
    let mut lines = String::new();
    while !lines.contains("0::") {
        assert!(std::io::BufRead::read_line(&mut out, &mut lines).unwrap() > 0);
    }
    common::app::signal(run.id(), "TERM");
    assert_eq!(run.wait().unwrap().code(), Some(3));
    std::io::Read::read_to_string(&mut out, &mut lines).unwrap();
    assert!(lines.ends_with("got\n"), "{lines}");
    assert!(fails(&["ls", &own_path(&lines)]).contains("no such cgroup"));
}

#[test]
fn what_a_killed_run_has_left_goes_with_the_next() {
    let mut run = Command::new(stockade())
        .args([
            "cgroup",
            "run",
            "sh",
            "-c",
            "cat /proc/self/cgroup; echo $$; exec sleep 1000",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(run.stdout.take().unwrap());
    let mut lines = String::new();
    while lines
        .lines()
        .last()
        .is_none_or(|line| line.parse::<u32>().is_err())
    {
        assert!(std::io::BufRead::read_line(&mut out, &mut lines).unwrap() > 0);
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let path = own_path(&lines);
    // While its command lives nobody takes it away.
    assert_eq!(ran(&["run", "true"]).code, 0);
    ok(&["ls", &path]);
    ok(&["kill", &path]);
    assert_eq!(ran(&["run", "true"]).code, 0);
    assert!(fails(&["ls", &path]).contains("no such cgroup"));
}

/// As an ordinary user.
fn as_user(words: &[&str]) -> Ran {
    let id = USER.to_string();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
        .args(words)
        .stdin(Stdio::null());
    command.output().unwrap().into()
}

#[test]
fn a_cgroup_is_handed_to_a_user_but_not_its_limits() {
    let owner = format!("{USER}:{USER}");
    let cgroup = Cgroup::named();
    let error = fails(&["create", "--owner", "nosuch-user", &cgroup.name]);
    assert!(error.contains("no user"), "{error}");
    ok(&[
        "create",
        "-q",
        "--owner",
        &owner,
        &cgroup.name,
        "pids.max=50",
    ]);
    let dir = cgroup.dir("pids");
    assert_eq!(as_user(&["mkdir", &format!("{dir}/own")]).code, 0);
    let script = format!("echo 5 > {dir}/pids.max");
    assert_ne!(as_user(&["sh", "-c", &script]).code, 0);
    // A process of theirs that is below is moved by them.
    let script = format!(
        "echo 0 > {dir}/cgroup.procs && exec setpriv --reuid {USER} --regid {USER} \
        --clear-groups sh -c 'echo 0 > {dir}/own/cgroup.procs'"
    );
    let status = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert!(status.success());
    assert_eq!(cgroup.file("pids", "pids.max"), "50");
}

#[test]
fn a_hybrid_host_has_both_of_a_path() {
    if !is_hybrid() {
        return;
    }
    let cgroup = Cgroup::made(&["cgroup.max.depth=2", "hugetlb.2MB.max=4M"]);
    assert_eq!(cgroup.file("unified", "cgroup.max.depth"), "2");
    assert_eq!(cgroup.file("unified", "hugetlb.2MB.max"), "4194304");
    let shown = ok(&["show", &cgroup.name]);
    assert!(shown.contains("memory.limit_in_bytes") && shown.contains("cgroup.max.depth"));
}

/// Whether a process in there can open a device for reading: its answer by exit status.
fn opens(cgroup: &str, device: &str) -> bool {
    let script = format!("echo 0 >/dev/null; true <{device}");
    let words = [
        "run",
        "--name",
        &format!("{cgroup}/run"),
        "sh",
        "-c",
        &script,
    ];
    ran(&words).code == 0
}

#[test]
fn devices_are_allowed_and_denied() {
    for only in [&[][..], &["-c", "unified"]] {
        if !only.is_empty() && !is_hybrid() {
            continue;
        }
        let cgroup = Cgroup::made(&[]);
        let devices = |words: &[&str]| ok(&[&["devices"], only, &[&cgroup.name], words].concat());
        assert_eq!(devices(&[]), "allow a\n");
        assert!(opens(&cgroup.name, "/dev/zero"));
        devices(&["deny", "a", "allow", "c 1:3 rw", "allow", "/dev/urandom r"]);
        assert_eq!(devices(&[]), "deny a\nallow c 1:3 rw\nallow c 1:9 r\n");
        assert!(!opens(&cgroup.name, "/dev/zero") && opens(&cgroup.name, "/dev/urandom"));
        // Another is added to what is there.
        devices(&["allow", "c 1:5 r"]);
        assert!(opens(&cgroup.name, "/dev/zero") && !opens(&cgroup.name, "/dev/full"));
        devices(&["allow", "a"]);
        assert_eq!(devices(&[]), "allow a\n");
        assert!(opens(&cgroup.name, "/dev/full"));
    }
}

#[test]
fn devices_are_a_setting_too_and_what_is_no_rule_is_refused() {
    let cgroup = Cgroup::made(&["devices=deny a; allow c 1:3 rwm"]);
    let rules = "deny a\nallow c 1:3 rwm\n";
    assert_eq!(ok(&["devices", &cgroup.name]), rules);
    let shown = ok(&["show", &cgroup.name]);
    assert!(shown.contains("devices: allow c 1:3 rwm\n"), "{shown}");
    for (words, told) in [
        (&["allow"][..], "a rule is missing"),
        (&["permit", "a"], "must be allow or deny"),
        (&["allow", "c 1:x rwm"], "no rule for devices"),
        (&["allow", "/etc/passwd"], "no rule for devices"),
    ] {
        let error = fails(&[&["devices", &cgroup.name], words].concat());
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(ok(&["devices", &cgroup.name]), rules);
}

#[test]
fn a_containers_own_device_program_is_not_changed() {
    if !is_v2() && !is_hybrid() {
        return;
    }
    let place = common::app::Place::new();
    let id = place.background("dev", &[], "sleep 1000");
    let path = format!("/stockade/{id}");
    for words in [
        &["devices", "-c", "unified", &path][..],
        &["devices", "-c", "unified", &path, "allow", "a"],
    ] {
        let error = fails(words);
        assert!(
            error.contains("is not of `stockade cgroup devices`"),
            "{error}"
        );
    }
    place.ok(&["rm", "-f", "dev"]);
}

/// Lines of `cgroup watch --format json`, until it ends.
fn watched(words: &[&str], act: impl FnOnce()) -> Vec<serde_json::Value> {
    let words = [&["watch", "--format", "json"], words].concat();
    let child = command(&words).stdout(Stdio::piped()).spawn().unwrap();
    // Watching begins before it waits, which is told by nothing but its sleep.
    let pid = child.id();
    until("waiting", || {
        let inner = common::app::children(pid);
        let wchan = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/syscall"));
        let is_poll = |text: String| text.starts_with("7 ") || text.starts_with("271 ");
        inner.iter().any(|pid| wchan(pid).is_ok_and(is_poll))
    });
    act();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn events_of_memory_tasks_and_the_end_are_told() {
    let mut cgroup = Cgroup::made(&["memory.max=8M", "pids.max=3"]);
    let name = cgroup.name.clone();
    let events = watched(&["--time", "90", &name], || {
        let failed = |key: &str| {
            let shown = ok(&["show", "--format", "json", &name]);
            let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
            shown["Counters"][key]["Failures"].as_u64() > Some(0)
        };
        cgroup.process(&name, HUNGRY);
        until("killed", || failed("memory.oom_kill"));
        cgroup.process(&name, "for i in 1 2 3 4; do sleep 50 & done; sleep 50");
        until("refused", || failed("pids"));
        // Whatever looks only every second has looked by then.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        ok(&["kill", &name]);
        ok(&["rm", &name]);
    });
    let has = |file: &str, key: &str| {
        let mut all = events.iter();
        all.any(|one| one["File"] == file && one["Key"] == key && one["Cgroup"] == name.as_str())
    };
    assert!(
        has(pick("memory.oom_control", "memory.events"), "oom_kill"),
        "{events:?}"
    );
    assert!(has("pids.events", "max"), "{events:?}");
    assert!(has("cgroup", "removed"), "{events:?}");
    if is_v2() || is_hybrid() {
        assert!(has("cgroup.events", "populated"), "{events:?}");
    }
}

#[test]
fn pressure_that_passes_a_mark_is_told() {
    if !is_v2() && !is_hybrid() || !Path::new("/proc/pressure/cpu").exists() {
        return;
    }
    let mut cgroup = Cgroup::made(&["cpuset.cpus=0"]);
    let name = cgroup.name.clone();
    let words = [
        "--pressure",
        "cpu some 10ms 2s",
        "--time",
        "60",
        "-n",
        "2",
        &name,
    ];
    // One event is that it has processes now, the other the pressure of two that want one processor.
    let events = watched(&words, || {
        cgroup.process(&name, "while :; do :; done");
        cgroup.process(&name, "while :; do :; done");
    });
    let pressure = |one: &&serde_json::Value| one["File"] == "cpu.pressure";
    let found = events.iter().find(pressure);
    assert_eq!(
        found.map(|one| one["Key"].clone()),
        Some("some 10000 2000000".into()),
        "{events:?}"
    );
    let error = fails(&["watch", "--pressure", "cpu some 5 s", &name]);
    assert!(error.contains("must be such as"), "{error}");
}

#[test]
fn top_is_sorted_and_one_table_where_there_is_no_terminal() {
    let mut cgroup = Cgroup::made(&[]);
    let name = cgroup.name.clone();
    let (busy, idle) = (cgroup.below("busy"), cgroup.below("idle"));
    ok(&["create", &busy]);
    ok(&["create", &idle]);
    cgroup.process(&busy, "while :; do :; done");
    let table = |sort: &str| {
        let out = ok(&["top", "-s", sort, &name]);
        let paths = out
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().last());
        let paths: Vec<String> = paths.map(|path| path.unwrap().to_owned()).collect();
        (out, paths)
    };
    let (out, paths) = table("cpu");
    assert!(
        out.starts_with("CPU ") && paths.last() == Some(&idle),
        "{out}"
    );
    let line = out.lines().find(|line| line.ends_with(&busy)).unwrap();
    let share: f64 = line.split('%').next().unwrap().parse().unwrap();
    assert!(share > 5.0, "{out}");
    assert_eq!(table("name").1, [name.clone(), busy, idle]);
    assert!(fails(&["top", "-s", "x"]).contains("--sort x"));
}

#[test]
fn top_on_a_terminal_draws_sorts_and_gives_it_back() {
    let cgroup = Cgroup::made(&[]);
    // script(1) makes the terminal, and types what it reads.
    let line = format!(
        "stty rows 10 cols 110; {} cgroup top {}; stty -a",
        stockade(),
        cgroup.name
    );
    let mut script = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = script.stdin.take().unwrap();
    for key in [&b"m"[..], b"\x1b[B", b"q"] {
        std::thread::sleep(std::time::Duration::from_millis(1300));
        std::io::Write::write_all(&mut input, key).unwrap();
    }
    let out = script.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (shown, after) = text
        .split_once("\x1b[?1049l")
        .unwrap_or_else(|| panic!("{text}"));
    assert!(
        shown.contains("\x1b[?1049h") && shown.contains(&cgroup.name),
        "{text}"
    );
    assert!(
        shown.contains("GRAPH") && shown.contains("q quit"),
        "{text}"
    );
    assert!(
        after.contains(" icanon") && after.contains(" echo "),
        "{after}"
    );
}

/// A process of theirs is in a delegated cgroup; the command's own is made beside that one.
#[test]
fn an_ordinary_user_runs_commands_in_what_was_delegated() {
    if !is_v2() && !is_hybrid() {
        return;
    }
    let place = common::app::Place::new();
    let copy = place.path("stockade");
    fs::copy(stockade(), &copy).unwrap();
    let cgroup = Cgroup::named();
    let (owner, leaf) = (format!("{USER}:{USER}"), cgroup.below("leaf"));
    for path in [&cgroup.name, &leaf] {
        ok(&["create", "-q", "-c", "unified", "--owner", &owner, path]);
    }
    let limit = if is_v2() { "--pids 5" } else { "" };
    let script = format!(
        "{copy} cgroup move -c unified {leaf} $$ && exec setpriv --reuid {USER} --regid {USER} \
         --clear-groups {copy} cgroup run {limit} sh -c 'cat /proc/self/cgroup; exit 5'"
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let ran: Ran = output.into();
    assert_eq!(ran.code, 5, "{}", ran.err);
    let own = format!("0::/{}/run-", cgroup.name);
    assert!(
        ran.out.lines().any(|line| line.starts_with(&own)),
        "{}",
        ran.out
    );
    let left = ok(&["ls", "-q", "-c", "unified", &cgroup.name]);
    assert_eq!(left, format!("{0}\n{0}/leaf\n", cgroup.name));
    // Elsewhere nothing is theirs, and it is said what would help.
    let id = USER.to_string();
    let user = ["--reuid", &id, "--regid", &id, "--clear-groups", &copy];
    let mut refused = Command::new("setpriv");
    refused.args(user).args(["cgroup", "run", "true"]);
    let refused: Ran = refused.output().unwrap().into();
    assert_eq!(refused.code, 125);
    assert!(
        refused.err.contains("hint: an ordinary user needs"),
        "{}",
        refused.err
    );
}
