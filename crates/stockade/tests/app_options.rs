//! What the options of `run` do, as the payload sees it. Needs root and a static busybox.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::app::{Place, assert_no_cgroup, until};

#[test]
fn environment() {
    let place = Place::new();
    let file = place.path("env");
    fs::write(&file, "X=1\n# not this\nY=a b\n").unwrap();
    let out = place.says(&["--env-file", &file, "-e", "X=2", "-e", "Z="], "env");
    for line in ["X=2", "Y=a b", "Z=", "HOME=/root", "container=stockade"] {
        assert!(out.lines().any(|found| found == line), "{line}: {out}");
    }
    assert!(
        out.contains("PATH=/usr/local/sbin:/usr/local/bin:"),
        "{out}"
    );
    assert_eq!(
        place.says(&["-e", "HOSTNAME=mine"], "echo $HOSTNAME"),
        "mine\n"
    );
    let mut command = place.command(&["run", "--rm", "-e", "FROM_HERE", &place.root(), "env"]);
    let output = command.env("FROM_HERE", "given").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("FROM_HERE=given\n"));
}

#[test]
fn users_are_the_roots_own() {
    let place = Place::new();
    let id = |options: &[&str]| place.says(options, "id");
    assert_eq!(
        id(&["-u", "ann"]),
        "uid=1000(ann) gid=1000(ann) groups=10(wheel),1000(ann)\n"
    );
    assert_eq!(
        id(&["-u", "1000:10"]),
        "uid=1000(ann) gid=10(wheel) groups=10(wheel)\n"
    );
    let out = id(&["-u", "5000", "--group-add", "wheel", "--group-add", "77"]);
    assert_eq!(out, "uid=5000 gid=0(root) groups=0(root),10(wheel),77\n");
    assert_eq!(
        place.says(&["-u", "ann"], "echo $HOME; grep CapEff /proc/self/status"),
        "/home/ann\nCapEff:\t0000000000000000\n"
    );
}

#[test]
fn names_and_directories() {
    let place = Place::new();
    let out = place.says(
        &["--hostname", "foo"],
        "hostname; cat /etc/hostname; grep -c foo /etc/hosts",
    );
    assert_eq!(out, "foo\nfoo\n1\n");
    assert_eq!(place.says(&["-w", "/made/here"], "pwd"), "/made/here\n");
    assert_eq!(place.says(&["--entrypoint", "echo"], "x"), "sh -c x\n");
}

#[test]
fn volumes_mounts_and_read_only_roots() {
    let place = Place::new();
    let volume = place.path("volume");
    fs::create_dir(&volume).unwrap();
    fs::write(place.path("volume/f"), "from outside").unwrap();
    let at = |options: &str| format!("{volume}:/mnt{options}");
    assert_eq!(
        place.says(&["-v", &at("")], "cat /mnt/f; echo in >/mnt/g"),
        "from outside"
    );
    assert_eq!(fs::read_to_string(place.path("volume/g")).unwrap(), "in\n");
    let ran = place.run(&["-v", &at(":ro")], "echo x >/mnt/h");
    assert!(
        ran.code == 1 && ran.err.contains("Read-only file system"),
        "{}",
        ran.err
    );
    let mount = format!("type=bind,src={volume},dst=/mnt,readonly");
    assert_eq!(place.run(&["--mount", &mount], "echo x >/mnt/h").code, 1);
    let missing = place.path("missing");
    assert_eq!(
        place.run(&["-v", &format!("{missing}:/mnt")], "true").code,
        125
    );
    assert!(
        !fs::exists(&missing).unwrap(),
        "a missing source is not made"
    );

    let tmpfs = [
        "--tmpfs",
        "/t:size=64k,mode=700",
        "--mount",
        "type=tmpfs,dst=/u,tmpfs-size=1m",
    ];
    let out = place.says(
        &tmpfs,
        "df -k /t /u | grep -c tmpfs; df -k /t | tail -n1 | grep -q ' 64 ' && echo 64; stat -c %a /t",
    );
    assert_eq!(out, "2\n64\n700\n");

    let script = "touch /x && echo writable; touch /run/x && touch /dev/shm/x && echo but here";
    assert_eq!(
        place.says(&["--read-only", "--tmpfs", "/run"], script),
        "but here\n"
    );
}

#[test]
fn capabilities_are_exact() {
    let place = Place::new();
    let status =
        "grep -E 'CapInh|CapPrm|CapEff|CapBnd|CapAmb' /proc/self/status | cut -f2 | sort -u";
    let sets = |options: &[&str]| place.says(options, &status.replace(" | sort -u", ""));
    let five = |held: &str| {
        let none = "0000000000000000";
        format!("{none}\n{held}\n{held}\n{held}\n{none}\n")
    };
    assert_eq!(sets(&[]), five("00000000a80425fb"));
    assert_eq!(
        sets(&[
            "--cap-drop",
            "all",
            "--cap-add",
            "net_raw",
            "--cap-add",
            "CAP_CHOWN"
        ]),
        five("0000000000002001")
    );
    assert_eq!(sets(&["--cap-drop", "ALL"]), five("0000000000000000"));
    assert_eq!(sets(&["--cap-drop", "MKNOD"]), five("00000000a00425fb"));
}

#[test]
fn security() {
    let place = Place::new();
    let status = "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status | cut -f2";
    assert_eq!(place.says(&[], status), "0\n2\n");
    assert_eq!(
        place.says(&["--security-opt", "no-new-privileges"], status),
        "1\n2\n"
    );
    assert_eq!(
        place.says(&["--security-opt", "seccomp=unconfined"], status),
        "0\n0\n"
    );
    assert_eq!(place.says(&["--privileged"], status), "0\n0\n");
    let profile = place.path("profile.json");
    let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":11}]}"#;
    fs::write(&profile, text).unwrap();
    let ran = place.run(
        &["--security-opt", &format!("seccomp={profile}")],
        "mkdir /tmp/d",
    );
    assert!(
        ran.code == 1 && ran.err.contains("temporarily unavailable"),
        "{}",
        ran.err
    );

    // Masked, read-only and absent.
    let script = "cat /proc/timer_list /proc/keys; touch /proc/sys/x /sys/x; mount -t tmpfs x /tmp; \
        mknod /tmp/disk b 8 0 && dd if=/tmp/disk of=/dev/null count=1; echo end";
    let ran = place.run(&[], script);
    assert_eq!(ran.out, "end\n", "{}", ran.err);
    let ran = place.run(
        &["--privileged"],
        "mount -t tmpfs x /tmp && touch /proc/sys/kernel/domainname && echo can",
    );
    assert_eq!(ran.out, "can\n", "{}", ran.err);
}

#[test]
fn devices_sysctls_and_limits_of_processes() {
    let place = Place::new();
    let out = place.says(&["--device", "/dev/fuse"], "stat -c %t:%T /dev/fuse");
    assert_eq!(out, "a:e5\n");
    let ran = place.run(
        &["--device", "/dev/zero:/dev/mine:r"],
        "head -c 2 /dev/mine | wc -c",
    );
    assert_eq!(ran.out.trim(), "2", "{}", ran.err);
    let out = place.says(
        &["--sysctl", "net.ipv4.ip_forward=1"],
        "cat /proc/sys/net/ipv4/ip_forward",
    );
    assert_eq!(out, "1\n");
    let out = place.says(
        &["--ulimit", "nofile=100:200", "--ulimit", "core=0"],
        "ulimit -n; ulimit -Hn; ulimit -c",
    );
    assert_eq!(out, "100\n200\n0\n");
}

#[test]
fn namespaces() {
    let place = Place::new();
    let own = |kind: &str| {
        fs::read_link(format!("/proc/self/ns/{kind}"))
            .unwrap()
            .display()
            .to_string()
    };
    let of = |options: &[&str], kind: &str| {
        place
            .says(options, &format!("readlink /proc/self/ns/{kind}"))
            .trim()
            .to_owned()
    };
    for kind in ["pid", "ipc", "uts", "net", "mnt", "cgroup"] {
        assert_ne!(of(&[], kind), own(kind), "{kind}");
    }
    for (option, kind) in [
        ("--pid", "pid"),
        ("--ipc", "ipc"),
        ("--uts", "uts"),
        ("--net", "net"),
    ] {
        assert_eq!(of(&[option, "host"], kind), own(kind), "{option} host");
    }
    for mode in ["none", "private"] {
        let out = place.says(&["--net", mode], "ls /sys/class/net; ip addr show lo");
        assert!(
            out.starts_with("lo\n") && out.contains("LOOPBACK,UP") && out.contains("127.0.0.1/8"),
            "{out}"
        );
    }
    place.background("base", &[], "sleep 100");
    let out = place.says(
        &["--pid", "container:base"],
        "ps -o pid,args | grep -c 'sleep 10[0]'",
    );
    assert_eq!(out, "1\n");
    let theirs = place.ok(&["exec", "base", "readlink", "/proc/self/ns/pid"]);
    assert_eq!(of(&["--pid", "container:base"], "pid"), theirs.trim());
}

#[test]
fn memory_runs_out() {
    let place = Place::new();
    let script = "x=$(head -c 60000000 /dev/zero | tr '\\0' a); echo ${#x}";
    let ran = place.ran(&[
        "run",
        "--name",
        "oom",
        "-m",
        "16m",
        &place.root(),
        "sh",
        "-c",
        script,
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (137, ""), "{}", ran.err);
    assert_eq!(
        place.field("oom", "{{.State.OOMKilled}} {{.State.ExitCode}}"),
        "true 137"
    );
    place.ok(&["rm", "oom"]);
}

#[test]
fn processors_and_processes_are_limited() {
    let place = Place::new();
    let script = "timeout 0.6 sh -c 'while :; do :; done'; cat /sys/fs/cgroup/cpu/cpu.stat";
    let out = place.run(&["--cpus", "0.2"], script).out;
    let throttled = out
        .lines()
        .find_map(|line| line.strip_prefix("nr_throttled "))
        .unwrap();
    assert!(throttled.parse::<u32>().unwrap() > 1, "{out}");
    let out = place.says(
        &["--cpuset-cpus", "0"],
        "grep Cpus_allowed_list /proc/self/status | cut -f2; nproc",
    );
    assert_eq!(out, "0\n1\n");
    let script = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; echo all";
    let ran = place.run(&["--pids-limit", "5"], script);
    assert!(
        ran.code == 2 && ran.err.contains("can't fork"),
        "{} {}",
        ran.out,
        ran.err
    );
}

#[test]
fn a_cgroup_below_another_parent() {
    let place = Place::new();
    let parent = format!("/stockade-app-{}", std::process::id());
    let id = place.background("under", &["--cgroup-parent", &parent], "sleep 100");
    let pid = place.field("under", "{{.State.Pid}}");
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(
        groups.contains(&format!("memory:{parent}/{id}\n")),
        "{groups}"
    );
    place.ok(&["rm", "-f", "under"]);
    for hierarchy in common::app::names("/sys/fs/cgroup".as_ref()) {
        let dir = format!("/sys/fs/cgroup/{hierarchy}{parent}");
        assert!(
            !fs::exists(format!("{dir}/{id}")).unwrap(),
            "left: {dir}/{id}"
        );
        // What the user named is the user's.
        let _ = fs::remove_dir(dir);
    }
    assert_no_cgroup(&id);
}

#[test]
fn stop_signal_and_timeout() {
    let place = Place::new();
    let script = "trap 'echo usr1; exit 9' USR1; touch /tmp/set; while :; do sleep 0.05; done";
    place.background(
        "st",
        &["--stop-signal", "USR1", "--stop-timeout", "5"],
        script,
    );
    until("the trap is set", || {
        fs::exists(place.path("root/tmp/set")).unwrap()
    });
    place.ok(&["stop", "st"]);
    assert_eq!(place.ok(&["wait", "st"]), "9\n");
    assert_eq!(place.ok(&["logs", "st"]), "usr1\n");
    place.background("deaf", &["--stop-timeout", "0"], "trap '' TERM; sleep 100");
    place.ok(&["stop", "deaf"]);
    assert_eq!(place.field("deaf", "{{.State.ExitCode}}"), "137");
}

#[test]
fn files_of_the_store_are_private() {
    let place = Place::new();
    place.background("private", &[], "sleep 100");
    for path in ["store/containers", "store/run"] {
        let mode = fs::metadata(place.path(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path}: {mode:o}");
    }
}

#[test]
fn limits_that_are_not_given_are_not_the_callers() {
    let place = Place::new();
    let script = "ulimit -c; ulimit -n; ulimit -s; ulimit -l; ulimit -q; ulimit -n 999";
    let defaults = "0\n1024\n8192\n8192\n819200\n";
    assert_eq!(place.says(&[], script), defaults);
    // Whoever starts a container may have other ones.
    let words = place.command(&["run", "--rm", &place.root(), "sh", "-c", script]);
    let mut command = std::process::Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -c unlimited; ulimit -Sn 512; ulimit -Ss 4096; \"$@\"",
            "sh",
        ])
        .arg(words.get_program())
        .args(words.get_args());
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), defaults);
    assert_eq!(
        place.says(&["--ulimit", "nofile=100:200"], "ulimit -n; ulimit -s"),
        "100\n8192\n"
    );
}

#[test]
fn podmans_profile_is_understood() {
    // As /usr/share/containers/seccomp.json begins: each errno by name and by number.
    let place = Place::new();
    let file = place.path("seccomp.json");
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW",
        "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},
                   {"architecture":"SCMP_ARCH_AARCH64","subArchitectures":[]}],
        "syscalls":[{"names":["sethostname"],"action":"SCMP_ACT_ERRNO","args":[],"comment":"",
                     "includes":{},"excludes":{},"errnoRet":22,"errno":"EINVAL"}]}"#;
    fs::write(&file, profile).unwrap();
    let option = format!("seccomp={file}");
    let ran = place.run(
        &["--cap-add", "SYS_ADMIN", "--security-opt", &option],
        "hostname other 2>&1",
    );
    assert!(
        ran.out.contains("Invalid argument"),
        "{}{}",
        ran.out,
        ran.err
    );
}
