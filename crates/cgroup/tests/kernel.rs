//! Cgroups on the real kernel: as root, on whatever layout this host has.
//!
//! Every test makes cgroups of its own name and removes them, also when it fails.
//! The rigs run the same tests on v2 with all controllers.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cgroup::{
    Controller, Controllers, Deadline, Group, Layout, Lowered, Request, Version, lower, remove,
    wanted,
};
use spec::{
    Access, BlockIo, Cpu, DeviceRule, DeviceRuleType, HugepageLimit, Memory, Pids, Resources,
    ThrottleDevice,
};

const WAIT: u32 = 5000;

/// A container's cgroups that go when the test ends, however it ends.
struct Cgroup {
    group: Group,
    children: Vec<Child>,
}

impl Cgroup {
    fn with(resources: &Resources<'_>) -> Self {
        Self::try_with(&fresh_path(), resources).expect("cgroups")
    }

    fn try_with(path: &str, resources: &Resources<'_>) -> cgroup::Result<Self> {
        let group = lowered(path, resources, Group::set_up)?;
        Ok(Self {
            group,
            children: Vec::new(),
        })
    }

    /// Runs a shell script inside, from its first instruction on.
    fn run(&mut self, script: &str) -> u32 {
        let mut enter = String::new();
        for leaf in self.group.leaves() {
            let file = if leaf.version == Version::V2 {
                "cgroup.procs"
            } else {
                "tasks"
            };
            enter += &format!("echo 0 > {}/{file} && ", leaf.dir());
        }
        let child = Command::new("/bin/sh")
            .args(["-c", &format!("{enter} echo in && {{ {script}\n}}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let id = child.id();
        self.children.push(child);
        let out = self
            .children
            .last_mut()
            .and_then(|child| child.stdout.as_mut())
            .expect("stdout");
        let mut line = [0; 3];
        std::io::Read::read_exact(out, &mut line).expect("the child has entered");
        id
    }

    /// Runs a script inside to its end, and gives its exit status.
    fn status(&mut self, script: &str) -> std::process::ExitStatus {
        self.run(script);
        self.children.pop().expect("a child").wait().expect("wait")
    }

    fn dir(&self, name: &str) -> String {
        self.group
            .leaves()
            .iter()
            .find(|leaf| leaf.name() == name)
            .expect("a leaf")
            .dir()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        _ = self.group.kill();
        for child in &mut self.children {
            _ = child.wait();
        }
        let errors = remove(
            self.group.made(),
            self.group.leaves(),
            Deadline::after(WAIT),
        );
        assert!(errors.is_empty() || std::thread::panicking(), "{errors:?}");
    }
}

fn fresh_path() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "/stockade-test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn lowered<T>(path: &str, resources: &Resources<'_>, act: impl FnOnce(&Lowered<'_>) -> T) -> T {
    let request = Request {
        path,
        shared: 0,
        beside_own: false,
        resources,
        counted: Controllers::NONE,
    };
    let layout = Layout::find(wanted(&request)).expect("a layout");
    act(&lower(&request, &layout).expect("lowered"))
}

fn eventually(what: &str, check: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !check() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_container_without_limits_is_made_and_removed() {
    let dirs: Vec<String> = {
        let cgroup = Cgroup::with(&Resources::default());
        cgroup
            .group
            .leaves()
            .iter()
            .map(cgroup::Leaf::dir)
            .inspect(|dir| assert!(fs::metadata(dir).is_ok()))
            .collect()
    };
    assert!(!dirs.is_empty());
    for dir in dirs {
        assert!(fs::metadata(&dir).is_err(), "{dir} is left");
    }
}

#[test]
fn kill_ends_a_tree_of_processes_and_cgroups_below() {
    let mut cgroup = Cgroup::with(&Resources::default());
    let first = cgroup.group.leaves()[0].dir();
    let file = if cgroup.group.leaves()[0].version == Version::V2 {
        "cgroup.procs"
    } else {
        "tasks"
    };
    cgroup.run(&format!(
        "mkdir -p {first}/a/b {first}/c && (sh -c 'echo 0 > {first}/a/b/{file}; sleep 100 & sleep 100') & sleep 100"
    ));
    eventually("all processes", || {
        cgroup.group.processes().expect("a list").len() >= 3
    });
    assert!(cgroup.group.populated().expect("populated"));
    cgroup.group.kill().expect("kill");
    cgroup
        .children
        .pop()
        .expect("a child")
        .wait()
        .expect("wait");
    cgroup
        .group
        .wait_empty(Deadline::after(WAIT))
        .expect("empty");
    assert!(!cgroup.group.populated().expect("populated"));
}

#[test]
fn kill_ends_a_fork_bomb() {
    let pids = Some(Pids { limit: Some(100) });
    let mut cgroup = Cgroup::with(&Resources {
        pids,
        ..Resources::default()
    });
    cgroup.run("f() { f | f & f; }; f 2>/dev/null; sleep 100");
    cgroup.group.kill().expect("kill");
    cgroup
        .children
        .pop()
        .expect("a child")
        .wait()
        .expect("wait");
    cgroup
        .group
        .wait_empty(Deadline::after(WAIT))
        .expect("empty");
}

#[test]
fn frozen_processes_stand_still() {
    let mut cgroup = Cgroup::with(&Resources::default());
    let pid = cgroup.run("while :; do :; done");
    cgroup.group.freeze(Deadline::after(WAIT)).expect("freeze");
    assert!(cgroup.group.frozen().expect("frozen"));
    let used = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
        let fields: Vec<String> = stat.split(' ').map(str::to_owned).collect();
        (fields[13].clone(), fields[14].clone())
    };
    let before = used();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(used(), before);
    cgroup.group.thaw(Deadline::after(WAIT)).expect("thaw");
    assert!(!cgroup.group.frozen().expect("frozen"));
    eventually("it runs again", || used() != before);
}

#[test]
fn a_cgroup_with_processes_is_not_taken_over() {
    let path = fresh_path();
    let mut first = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    drop(Cgroup::try_with(&path, &Resources::default()).expect("an empty one is taken over"));
    first.run("exec sleep 100");
    let error = Cgroup::try_with(&path, &Resources::default())
        .map(drop)
        .expect_err("not empty");
    assert!(
        error
            .to_string()
            .starts_with("container's cgroup is not empty: 1 process(es)"),
        "{error}"
    );
}

#[test]
fn a_cgroup_that_is_taken_over_has_one_device_policy() {
    let path = fresh_path();
    let _first = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    let everything = DeviceRule {
        allow: true,
        access: Access::ALL,
        ..DeviceRule::default()
    };
    let open = Resources {
        devices: vec![everything],
        ..Resources::default()
    };
    let mut second = Cgroup::try_with(&path, &open).expect("taken over");
    let dir = std::env::temp_dir().join(format!("stockade-test-{}-over", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let status = second.status(&format!(
        "cd {} && mknod kmsg c 1 11 && : < kmsg",
        dir.display()
    ));
    fs::remove_dir_all(&dir).expect("the directory goes");
    assert!(status.success(), "{status:?}");
}

#[test]
fn a_container_that_froze_itself_is_killed() {
    let mut cgroup = Cgroup::with(&Resources::default());
    let freezer = cgroup
        .group
        .leaves()
        .iter()
        .find(|leaf| ["unified", "freezer"].contains(&leaf.name()));
    let leaf = freezer.expect("a freezer");
    let (dir, file, state) = match leaf.version {
        Version::V2 => (leaf.dir(), "cgroup.procs", "cgroup.freeze"),
        Version::V1 => (leaf.dir(), "tasks", "freezer.state"),
    };
    let value = if leaf.version == Version::V2 {
        "1"
    } else {
        "FROZEN"
    };
    cgroup.run(&format!(
        "mkdir {dir}/x && {{ sh -c 'echo 0 > {dir}/x/{file}; echo {value} > {dir}/x/{state}; sleep 100' & exec sleep 100; }}"
    ));
    eventually("it has frozen itself", || {
        fs::read_to_string(format!("{dir}/x/{state}")).is_ok_and(|now| now.trim() == value)
    });
    cgroup.group.kill().expect("kill");
    cgroup
        .children
        .pop()
        .expect("a child")
        .wait()
        .expect("wait");
    cgroup
        .group
        .wait_empty(Deadline::after(WAIT))
        .expect("empty");
}

#[test]
fn entry_follows_a_process_below() {
    let mut cgroup = Cgroup::with(&Resources::default());
    let leaf = cgroup.group.leaves()[0].clone();
    let (dir, file) = (
        leaf.dir(),
        if leaf.version == Version::V2 {
            "cgroup.procs"
        } else {
            "tasks"
        },
    );
    let pid = cgroup.run(&format!(
        "mkdir {dir}/x && echo 0 > {dir}/x/{file} && exec sleep 100"
    ));
    let leaves = cgroup.group.leaves().to_vec();
    eventually("it has moved", || {
        let group = Group::open_where(leaves.clone(), pid).expect("cgroups");
        group.leaves()[0].path == format!("{}/x", leaf.path)
    });
    assert!(Group::open_below(vec![leaf.clone()], "x").is_ok());
    assert!(
        Group::open_below(vec![leaf.clone()], "y").is_err_and(|error| error.is(sys::Errno::NOENT))
    );
    assert!(Group::open_below(vec![leaf], "../x").is_err());
}

#[test]
fn a_frozen_cgroup_is_not_taken_over() {
    let path = fresh_path();
    let first = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    first.group.freeze(Deadline::after(WAIT)).expect("freeze");
    let error = Cgroup::try_with(&path, &Resources::default())
        .map(drop)
        .expect_err("frozen");
    assert!(error.to_string().contains("unexpectedly frozen"), "{error}");
    first.group.thaw(Deadline::after(WAIT)).expect("thaw");
}

#[test]
fn ancestors_go_with_who_made_them_unless_they_are_in_use() {
    let top = fresh_path();
    let first = Cgroup::try_with(&format!("{top}/a/x"), &Resources::default()).expect("cgroups");
    let second = Cgroup::try_with(&format!("{top}/a/y"), &Resources::default()).expect("cgroups");
    let mounts: Vec<_> = first
        .group
        .leaves()
        .iter()
        .map(|leaf| leaf.mount.clone())
        .collect();
    drop(first);
    assert!(fs::metadata(format!("{}{top}/a/y", mounts[0])).is_ok());
    drop(second);
    // The second found them there, so that they are not its own to remove.
    for mount in mounts {
        for dir in ["/a", ""] {
            fs::remove_dir(format!("{mount}{top}{dir}")).expect("an empty ancestor");
        }
    }
    let third = Cgroup::try_with(&format!("{top}/a/x"), &Resources::default()).expect("cgroups");
    let mount = third.group.leaves()[0].mount.clone();
    drop(third);
    assert!(fs::metadata(format!("{mount}{top}")).is_err());
}

#[test]
fn the_pids_limit_refuses() {
    let pids = Some(Pids { limit: Some(4) });
    let mut cgroup = Cgroup::with(&Resources {
        pids,
        ..Resources::default()
    });
    let status = cgroup.status("exec 2>/dev/null; (sleep 3 & sleep 3 & sleep 3 & sleep 3 & true)");
    assert!(!status.success());
}

#[test]
fn the_memory_limit_kills() {
    let memory = Memory {
        limit: Some(16 << 20),
        swap: Some(16 << 20),
        ..Memory::default()
    };
    let mut cgroup = Cgroup::with(&Resources {
        memory: Some(memory),
        ..Resources::default()
    });
    let status = cgroup.status("head -c 64m /dev/zero | tail -c 64m > /dev/null");
    assert_eq!(status.code(), Some(128 + 9), "{status:?}");
}

#[test]
fn every_cpu_setting_is_taken() {
    let cpu = Cpu {
        shares: Some(512),
        quota: Some(20_000),
        period: Some(50_000),
        burst: Some(10_000),
        cpus: Some("0".into()),
        mems: Some("0".into()),
        ..Cpu::default()
    };
    let cgroup = Cgroup::with(&Resources {
        cpu: Some(cpu),
        ..Resources::default()
    });
    let leaves = cgroup.group.leaves();
    let read = |leaf: &cgroup::Leaf, file: &str| {
        fs::read_to_string(format!("{}/{file}", leaf.dir())).unwrap_or_default()
    };
    let some_has =
        |file: &str, value: &str| leaves.iter().any(|leaf| read(leaf, file).trim() == value);
    if some_has("cpu.max", "20000 50000") {
        assert!(some_has("cpu.weight", "59") && some_has("cpu.max.burst", "10000"));
    } else {
        assert!(some_has("cpu.shares", "512") && some_has("cpu.cfs_quota_us", "20000"));
        assert!(some_has("cpu.cfs_period_us", "50000") && some_has("cpu.cfs_burst_us", "10000"));
    }
    assert!(some_has("cpuset.cpus", "0") && some_has("cpuset.mems", "0"));
}

#[test]
fn a_refused_write_names_field_value_file_and_directory() {
    let cpu = Cpu {
        cpus: Some("500".into()),
        ..Cpu::default()
    };
    let path = fresh_path();
    let error = Cgroup::try_with(
        &path,
        &Resources {
            cpu: Some(cpu),
            ..Resources::default()
        },
    )
    .map(drop);
    let error = error.expect_err("no such processor").to_string();
    assert!(
        error.starts_with(
            "linux.resources.cpu.cpus: cgroup: write cpuset.cpus \"500\" in /sys/fs/cgroup"
        ),
        "{error}"
    );
    assert!(error.contains(&path), "{error}");
    for leaf in Layout::find_all().expect("a layout").v1 {
        assert!(
            fs::metadata(leaf.dir(&path)).is_err(),
            "{} is left",
            leaf.dir(&path)
        );
    }
}

#[test]
fn devices_follow_the_policy() {
    let rule = |allow, kind, major, minor, access: &str| DeviceRule {
        allow,
        kind,
        major,
        minor,
        access: Access::from_letters(access).expect("letters"),
    };
    let devices = vec![
        rule(false, DeviceRuleType::All, None, None, "rwm"),
        rule(true, DeviceRuleType::Char, Some(1), Some(11), "r"),
    ];
    let dir = std::env::temp_dir().join(format!("stockade-test-{}-devices", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let mut cgroup = Cgroup::with(&Resources {
        devices,
        ..Resources::default()
    });
    let script = format!(
        "cd {} && mknod kmsg c 1 11 && mknod mem c 1 1 && mknod null c 1 3 && mknod loop b 7 0 || exit 9
         : < kmsg || exit 1
         ( : > kmsg ) 2>/dev/null && exit 2
         ( : < mem ) 2>/dev/null && exit 3
         ( : < loop ) 2>/dev/null && exit 4
         : > null || exit 5",
        dir.display()
    );
    let status = cgroup.status(&script);
    fs::remove_dir_all(&dir).expect("the directory goes");
    assert!(status.success(), "{status:?}");
}

#[test]
fn an_update_reaches_processes_that_were_in_no_such_cgroup() {
    let path = fresh_path();
    let mut cgroup = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    cgroup.run("exec sleep 100");
    cgroup.run("sleep 100 & exec sleep 100");
    let pids = Some(Pids { limit: Some(50) });
    let resources = Resources {
        pids,
        ..Resources::default()
    };
    lowered(&path, &resources, |lowered| cgroup.group.update(lowered)).expect("updated");
    let has = |leaf: &cgroup::Leaf| {
        fs::read_to_string(format!("{}/pids.current", leaf.dir())).is_ok_and(|n| n == "3\n")
    };
    eventually("all three are counted", || {
        cgroup.group.leaves().iter().any(has)
    });
    let stats = cgroup.group.stats().expect("figures");
    assert_eq!(
        stats.pids.map(|pids| (pids.current, pids.limit)),
        Some((3, Some(50)))
    );
}

#[test]
fn an_update_raises_and_lowers_memory_and_swap_together() {
    let path = fresh_path();
    let limits = |limit, swap| {
        let memory = Memory {
            limit: Some(limit),
            swap: Some(swap),
            ..Memory::default()
        };
        Resources {
            memory: Some(memory),
            ..Resources::default()
        }
    };
    let mut cgroup = Cgroup::try_with(&path, &limits(16 << 20, 32 << 20)).expect("cgroups");
    for (limit, swap) in [
        (64 << 20, 128 << 20),
        (16 << 20, 20 << 20),
        (100 << 20, 100 << 20),
    ] {
        let resources = limits(limit, swap);
        lowered(&path, &resources, |lowered| cgroup.group.update(lowered)).expect("updated");
        let memory = cgroup
            .group
            .stats()
            .expect("figures")
            .memory
            .expect("memory");
        assert_eq!(memory.limit, u64::try_from(limit).ok());
        // Where the kernel cannot swap there is no such limit.
        assert!(
            memory
                .swap_limit
                .is_none_or(|n| i64::try_from(n) == Ok(swap - limit)),
            "{memory:?}"
        );
    }
}

#[test]
fn an_update_replaces_the_device_policy() {
    let path = fresh_path();
    let mut cgroup = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    let dir = std::env::temp_dir().join(format!("stockade-test-{}-replaced", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let script = format!(
        "cd {} && rm -f kmsg && mknod kmsg c 1 11 && : < kmsg",
        dir.display()
    );
    let before = cgroup.status(&format!("exec 2>/dev/null; {script}"));
    let kmsg = DeviceRule {
        allow: true,
        kind: DeviceRuleType::Char,
        major: Some(1),
        minor: Some(11),
        access: Access::ALL,
    };
    let resources = Resources {
        devices: vec![kmsg],
        ..Resources::default()
    };
    lowered(&path, &resources, |lowered| cgroup.group.update(lowered)).expect("updated");
    let after = cgroup.status(&script);
    lowered(&path, &Resources::default(), |lowered| {
        cgroup.group.update(lowered)
    })
    .expect("updated");
    let again = cgroup.status(&format!("exec 2>/dev/null; {script}"));
    fs::remove_dir_all(&dir).expect("the directory goes");
    assert_eq!(
        (before.success(), after.success(), again.success()),
        (false, true, false)
    );
}

#[test]
fn a_parked_device_program_restricts_as_well() {
    let parent = fresh_path();
    let resources = Resources::default();
    let mount = Layout::find(Controllers::NONE)
        .expect("a layout")
        .unified
        .map(|unified| unified.mount);
    let Some(mount) = mount else { return };
    fs::create_dir(format!("{mount}{parent}")).expect("the parent");
    let mut outcomes = Vec::new();
    for name in ["loads", "takes"] {
        let path = format!("{parent}/{name}");
        let group = lowered(&path, &resources, |lowered| {
            let group = Group::create(lowered.leaves.clone())?;
            group
                .restrict_devices_from(lowered, &parent)
                .map(|()| group)
        });
        let mut cgroup = Cgroup {
            group: group.expect("cgroups"),
            children: Vec::new(),
        };
        let dir = std::env::temp_dir().join(format!("stockade-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let script = format!(
            "cd {} && mknod mem c 1 1 && : > /dev/null && ! (exec < mem) 2>/dev/null",
            dir.display()
        );
        outcomes.push(cgroup.status(&script));
        fs::remove_dir_all(&dir).expect("the directory goes");
    }
    let parked: Vec<_> = fs::read_dir(format!("{mount}{parent}"))
        .expect("the parent")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("devices-"))
        .collect();
    for entry in &parked {
        fs::remove_dir(entry.path()).expect("the parking goes");
    }
    fs::remove_dir(format!("{mount}{parent}")).expect("the parent goes");
    assert_eq!(parked.len(), 1);
    assert!(
        outcomes.iter().all(std::process::ExitStatus::success),
        "{outcomes:?}"
    );
}

#[test]
fn an_out_of_memory_kill_is_noticed() {
    let memory = Memory {
        limit: Some(16 << 20),
        swap: Some(16 << 20),
        ..Memory::default()
    };
    let mut cgroup = Cgroup::with(&Resources {
        memory: Some(memory),
        ..Resources::default()
    });
    let mut watch = cgroup.group.watch_oom().expect("a watch");
    assert_eq!(watch.kills(), Ok(0));
    let quiet = cgroup.status("true");
    assert!(quiet.success());
    cgroup.status("head -c 64m /dev/zero | tail -c 64m > /dev/null");
    let mut polled = [sys::rustix::event::PollFd::new(&watch, watch.interest())];
    let timeout = sys::rustix::event::Timespec {
        tv_sec: 5,
        tv_nsec: 0,
    };
    assert_eq!(sys::rustix::event::poll(&mut polled, Some(&timeout)), Ok(1));
    // One, or more where the shell is killed with its pipe.
    let kills = watch.kills().expect("a number");
    assert!(kills >= 1);
    let memory = cgroup
        .group
        .stats()
        .expect("figures")
        .memory
        .expect("memory");
    assert_eq!((memory.oom_kills, memory.limit), (kills, Some(16 << 20)));
    // Not `limit_hits`: v1 of recent kernels counts none here.
    assert!(memory.peak.is_some_and(|peak| peak > 8 << 20), "{memory:?}");
}

#[test]
fn figures_of_a_busy_container() {
    let cpu = Cpu {
        quota: Some(20_000),
        period: Some(100_000),
        ..Cpu::default()
    };
    let mut cgroup = Cgroup::with(&Resources {
        cpu: Some(cpu),
        ..Resources::default()
    });
    cgroup.run("while :; do :; done");
    eventually("it is throttled", || {
        let cpu = cgroup
            .group
            .stats()
            .expect("figures")
            .cpu
            .expect("processor time");
        cpu.throttling
            .is_some_and(|t| t.throttled_periods > 0 && t.throttled > 0)
    });
    let stats = cgroup.group.stats().expect("figures");
    let unified = cgroup
        .group
        .leaves()
        .iter()
        .any(|leaf| leaf.version == Version::V2);
    if unified {
        assert!(stats.cpu.is_some_and(|cpu| cpu.usage > 0), "{stats:?}");
        assert!(stats.pressure.cpu.is_some(), "{stats:?}");
    }
}

#[test]
fn huge_pages_are_limited_where_they_are_counted() {
    let limit = HugepageLimit {
        page_size: "2MB".into(),
        limit: 4 << 20,
    };
    let resources = Resources {
        hugepage_limits: vec![limit],
        ..Resources::default()
    };
    if !has(Controller::Hugetlb) {
        return;
    }
    let cgroup = Cgroup::with(&resources);
    let stats = cgroup.group.stats().expect("figures");
    let of_2mb = stats
        .hugetlb
        .iter()
        .find(|one| one.size == "2MB")
        .expect("2 MB pages");
    assert_eq!((of_2mb.usage, of_2mb.limit), (0, Some(4 << 20)));
}

#[test]
fn controllers_below_a_cgroup_with_processes_are_refused_with_advice() {
    let layout = Layout::find_all().expect("a layout");
    // Some controller of a v2 hierarchy, whichever this host has there.
    let limit = HugepageLimit {
        page_size: "2MB".into(),
        limit: 4 << 20,
    };
    let resources = Resources {
        hugepage_limits: vec![limit],
        ..Resources::default()
    };
    if layout.unified_with(Controller::Hugetlb).is_none() {
        return;
    }
    let path = fresh_path();
    let mut parent = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    parent.run("exec sleep 100");
    let error = Cgroup::try_with(&format!("{path}/c"), &resources)
        .map(drop)
        .expect_err("processes");
    assert!(error.is(sys::Errno::BUSY), "{error}");
    assert!(
        error
            .hint
            .as_ref()
            .is_some_and(|hint| hint.contains("has processes of its own")),
        "{error:?}"
    );
    let leaf = parent.group.leaves()[0].dir();
    assert!(
        fs::metadata(format!("{leaf}/c")).is_err(),
        "the child is left"
    );
}

#[test]
fn rates_of_block_devices() {
    let numbers = || {
        let devices = fs::read_dir("/sys/block").ok()?.flatten();
        let mut found =
            devices.filter_map(|entry| fs::read_to_string(entry.path().join("dev")).ok());
        let text = found.find(|text| !text.starts_with("7:") && !text.starts_with("1:"))?;
        let (major, minor) = text.trim().split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let Some((major, minor)) = numbers().filter(|_| has(Controller::Io)) else {
        return;
    };
    let rate = ThrottleDevice {
        major,
        minor,
        rate: 1 << 20,
    };
    let io = BlockIo {
        throttle_read_bps_device: vec![rate],
        throttle_write_iops_device: vec![rate],
        ..BlockIo::default()
    };
    let cgroup = Cgroup::with(&Resources {
        block_io: Some(io),
        ..Resources::default()
    });
    let read = |file: &str| {
        let dirs = cgroup.group.leaves().iter().map(cgroup::Leaf::dir);
        dirs.filter_map(|dir| fs::read_to_string(format!("{dir}/{file}")).ok())
            .collect::<String>()
    };
    let number = format!("{major}:{minor}");
    let v1 = read("blkio.throttle.read_bps_device") + &read("blkio.throttle.write_iops_device");
    assert!(
        v1 == format!("{number} 1048576\n{number} 1048576\n")
            || read("io.max")
                == format!("{number} rbps=1048576 wbps=max riops=max wiops=1048576\n"),
        "{v1:?} {:?}",
        read("io.max")
    );
    assert!(cgroup.group.stats().expect("figures").io.is_some());
}

#[test]
fn raw_keys_of_v2_are_written() {
    if Layout::find_all().expect("a layout").unified.is_none() {
        return;
    }
    let unified = [("cgroup.max.depth".into(), "3".into())]
        .into_iter()
        .collect();
    let cgroup = Cgroup::with(&Resources {
        unified,
        ..Resources::default()
    });
    assert_eq!(
        fs::read_to_string(cgroup.dir("unified") + "/cgroup.max.depth").expect("a file"),
        "3\n"
    );
}

fn has(controller: Controller) -> bool {
    let layout = Layout::find_all().expect("a layout");
    layout
        .v1_with(controller)
        .or(layout.unified_with(controller))
        .is_some()
}

#[test]
fn limits_are_at_the_leaf_named() {
    let pids = Some(Pids { limit: Some(7) });
    let cgroup = Cgroup::with(&Resources {
        pids,
        ..Resources::default()
    });
    let leaf = cgroup.group.leaves().last().expect("a leaf").name();
    assert_eq!(
        fs::read_to_string(cgroup.dir(leaf) + "/pids.max").expect("pids.max"),
        "7\n"
    );
}
