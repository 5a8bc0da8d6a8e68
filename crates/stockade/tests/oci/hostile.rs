//! Roots that lie in wait for the runtime: each of these once was a way out of somebody's containers.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use sys::rustix;

use crate::harness::{Bundle, Console};

/// A bundle whose `/dev` is the image's own, with a directory outside that nobody may touch.
fn with_own_dev() -> Option<(Bundle, String)> {
    let mut bundle = Bundle::permissive()?;
    let outside = bundle.below("outside");
    fs::create_dir(&outside).expect("a directory");
    fs::write(bundle.below("outside/file"), "untouched").expect("a file");
    bundle.config["mounts"] = json!([{"destination": "/proc", "type": "proc", "source": "proc"}]);
    Some((bundle, outside))
}

fn assert_untouched(bundle: &Bundle) {
    let names: Vec<_> = fs::read_dir(bundle.below("outside"))
        .unwrap()
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(names, ["file"]);
    assert_eq!(
        fs::read_to_string(bundle.below("outside/file")).unwrap(),
        "untouched"
    );
}

#[test]
fn masks_never_come_from_the_image() {
    let Some((mut bundle, _)) = with_own_dev() else {
        return;
    };
    for fake in [
        "/proc/sys/kernel/core_pattern",
        "/etc/passwd",
        "../../outside/file",
    ] {
        let null = bundle.dir.join("rootfs/dev/null");
        let _ = fs::remove_file(&null);
        symlink(fake, &null).unwrap();
        bundle.sh("true").run().fails("/dev/null");
        bundle.assert_nothing_left(fake);
        fs::remove_file(&null).unwrap();
        fs::write(&null, "a file").unwrap();
        bundle.run().fails("/dev/null");
    }
    assert_untouched(&bundle);
}

#[test]
fn the_console_never_lands_outside() {
    let Some((mut bundle, outside)) = with_own_dev() else {
        return;
    };
    bundle.config["process"]["terminal"] = json!(true);
    bundle.push(
        "/mounts",
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
        "options": ["newinstance", "ptmxmode=0666", "mode=0620"]}),
    );
    let console = Console::listen(&bundle.below("console"));
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        loop {
            kept.push(console.take());
        }
    });
    let socket = bundle.below("console");
    let target = bundle.dir.join("rootfs/dev/console");
    for link in [
        "/proc/sys/kernel/core_pattern",
        "/etc/passwd",
        &format!("{outside}/file"),
        &format!("{outside}/new"),
    ] {
        let _ = fs::remove_file(&target);
        symlink(link, &target).unwrap();
        let outcome = bundle
            .sh("true")
            .run_with(&["-d", "--console-socket", &socket]);
        assert_untouched(&bundle);
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        bundle.assert_nothing_left(&format!("{link} {outcome:?}"));
    }
    assert_eq!(
        fs::read_to_string(bundle.below("rootfs/etc/hidden")).unwrap(),
        "hidden\n"
    );
}

#[test]
fn a_terminal_takes_no_file_of_the_image_for_a_ptmx() {
    let Some((mut bundle, _)) = with_own_dev() else {
        return;
    };
    bundle.config["process"]["terminal"] = json!(true);
    fs::create_dir(bundle.below("rootfs/dev/pts")).unwrap();
    fs::write(bundle.below("rootfs/dev/pts/ptmx"), "").unwrap();
    let _console = Console::listen(&bundle.below("console"));
    let socket = bundle.below("console");
    bundle
        .sh("true")
        .run_with(&["-d", "--console-socket", &socket])
        .fails("terminal");
    fs::remove_file(bundle.below("rootfs/dev/pts/ptmx")).unwrap();
    symlink("/dev/pts/ptmx", bundle.dir.join("rootfs/dev/pts/ptmx")).unwrap();
    bundle
        .run_with(&["-d", "--console-socket", &socket])
        .fails("terminal");
    bundle.assert_nothing_left("refusals");
}

/// Says whether a working directory is the container's root and nothing else.
const IS_ROOT: &str =
    "test $(stat -c %d:%i .) = $(stat -c %d:%i /) && test $(pwd) = / && echo root";

#[test]
fn no_descriptor_of_the_runtime_is_a_working_directory() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    for fd in 0..24 {
        for base in ["/proc/self/fd", "/proc/thread-self/fd", "/dev/fd"] {
            bundle.config["process"]["cwd"] = json!(format!("{base}/{fd}"));
            let outcome = bundle.sh(IS_ROOT).run();
            assert!(
                outcome.code != 0 || outcome.out == "root\n",
                "{base}/{fd}: {outcome:?}"
            );
        }
    }
    bundle.config["process"]["cwd"] = json!("/");
    bundle.sh("sleep 100").detach().ok();
    for fd in 3..24 {
        let cwd = format!("/proc/self/fd/{fd}");
        let outcome = bundle.call(&["exec", "--cwd", &cwd, &bundle.id, "sh", "-c", IS_ROOT]);
        assert!(
            outcome.code != 0 || outcome.out == "root\n",
            "{cwd}: {outcome:?}"
        );
    }
}

/// The runtime says that there is no program, or none that may be executed.
fn not_executed(outcome: &crate::harness::Outcome) -> bool {
    outcome.code == 1 && outcome.err.starts_with("stockade: ")
}

#[test]
fn no_descriptor_of_the_runtime_is_executed() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    for fd in 3..24 {
        let outcome = bundle.args(&[&format!("/proc/self/fd/{fd}")]).run();
        assert!(not_executed(&outcome), "{fd}: {outcome:?}");
        // The container's own root may be among them; what is found there is the container's.
        let path = format!("/proc/self/fd/{fd}/bin/sh");
        let outcome = bundle.args(&[&path, "-c", "readlink /proc/$$/exe"]).run();
        let found = not_executed(&outcome) || outcome.out == "/bin/busybox\n";
        assert!(found, "{path}: {outcome:?}");
        let path = format!("/proc/self/fd/{fd}/usr/bin/env");
        assert!(
            not_executed(&bundle.args(&[&path]).run()),
            "{path} is the host's"
        );
    }
    let outcome = bundle.args(&["/proc/self/exe"]).run();
    assert_ne!(outcome.code, 0, "{outcome:?}");
}

#[test]
fn a_waiting_process_cannot_be_read_from_inside() {
    let (Some(mut first), Some(mut second)) = (Bundle::new(), Bundle::new()) else {
        return;
    };
    // Both in one pid namespace; the second one waits, as the runtime's program still.
    first.sh("sleep 100").detach().ok();
    second.without_namespace("pid");
    second.push(
        "/linux/namespaces",
        json!({"type": "pid", "path": format!("/proc/{}/ns/pid", first.pid())}),
    );
    second.sh("true").create().ok();
    let script = "for p in /proc/[0-9]*; do test $p = /proc/1 || test $p = /proc/$$ || readlink $p/exe; done";
    let outcome = first.exec_sh(script);
    assert!(!outcome.out.contains("memfd"), "{outcome:?}");
}

#[test]
fn links_as_targets_of_masks_stay_inside() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    let outside = bundle.below("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(bundle.below("outside/file"), "untouched").unwrap();
    symlink(&outside, bundle.dir.join("rootfs/link")).unwrap();
    symlink("../../../../../../../..", bundle.dir.join("rootfs/up")).unwrap();
    bundle.config["linux"]["maskedPaths"] =
        json!(["/link", "/link/file", format!("/up{outside}/file")]);
    bundle.config["linux"]["readonlyPaths"] = json!(["/link", format!("/up{outside}")]);
    bundle.sh("sleep 100").detach().ok();
    assert_untouched(&bundle);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&outside), "{mounts}");
}

#[test]
fn large_configurations() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    for number in 0..2000 {
        bundle.push(
            "/process/env",
            json!(format!("V{number}={}", "x".repeat(20))),
        );
    }
    for number in 0..150 {
        bundle.mount("tmpfs", "tmpfs", &format!("/m/{number}"), &["size=4k"]);
    }
    bundle.config["annotations"] = json!({"big": "y".repeat(500_000)});
    assert_eq!(
        bundle
            .sh("env | grep -c ^V; grep -c ' /m/' /proc/self/mounts")
            .run()
            .ok()
            .out,
        "2000\n150\n"
    );
    bundle.assert_nothing_left("run");
    bundle.config["process"]["args"] = json!(["true", "z".repeat(300_000)]);
    bundle.run().fails("exec true: argument list too long");
    bundle.assert_nothing_left("an argument that is too long");
}

#[test]
fn standard_streams_are_never_given_away() {
    use std::os::unix::fs::MetadataExt;
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let before = fs::metadata("/dev/null").unwrap();
    bundle.config["process"]["user"] = json!({"uid": 12345, "gid": 12345});
    bundle.sh("true").run().ok();
    bundle.map_users(100_000, 65_536).run().ok();
    let after = fs::metadata("/dev/null").unwrap();
    assert_eq!(
        (before.uid(), before.gid(), before.mode()),
        (after.uid(), after.gid(), after.mode())
    );
    let file = fs::metadata(bundle.below("out.1")).unwrap();
    assert_eq!(file.uid(), rustix::process::geteuid().as_raw());
}

#[test]
fn state_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").write_config();
    let mut shell = std::process::Command::new("sh");
    let program = crate::harness::program();
    let words = format!(
        "umask 0; exec {} oci --root {} create {}",
        program.display(),
        bundle.below("state"),
        bundle.id
    );
    shell
        .current_dir(&bundle.dir)
        .args(["-c", &words])
        .stdin(std::process::Stdio::null());
    bundle.finish(shell).ok();
    let mode = |path: &str| {
        fs::metadata(bundle.below(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    let own = format!("state/{}", bundle.id);
    assert_eq!(mode("state"), 0o700);
    assert_eq!(mode(&own), 0o700);
    for name in ["state.json", "config.json"] {
        assert_eq!(mode(&format!("{own}/{name}")), 0o600, "{name}");
    }
}

/// A target that only begins like `/proc` is looked at like any other.
#[test]
fn a_link_to_proc_beside_proc_is_no_target() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let source = bundle.below("outside");
    fs::create_dir(&source).expect("a directory");
    for name in ["procdata", "data"] {
        symlink("/proc/sys", bundle.dir.join("rootfs").join(name)).unwrap();
        let mount = json!({"destination": format!("/{name}"), "type": "bind", "source": source, "options": ["bind"]});
        let mounts = bundle.config["mounts"].as_array_mut().unwrap();
        mounts.push(mount);
        bundle.sh("true").run().fails("check: ");
        bundle.config["mounts"].as_array_mut().unwrap().pop();
        bundle.assert_nothing_left(name);
    }
}

/// Somebody inside exchanges a directory for a link, again and again, while the runtime makes a mount's
/// target below it: the mount, and what is made for it, is in the root or nowhere.
#[test]
fn a_target_that_changes_while_it_is_made_stays_in_the_root() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let Some((mut bundle, outside)) = with_own_dev() else {
        return;
    };
    fs::create_dir(bundle.below("rootfs/a")).unwrap();
    symlink(&outside, bundle.below("rootfs/b")).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/a/deep/target", &[]);
    bundle.mount("bind", "/etc/hostname", "/a/file", &["bind"]);
    bundle.sh("true").write_config();
    let done = AtomicBool::new(false);
    let (one, other) = (bundle.below("rootfs/a"), bundle.below("rootfs/b"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = rustix::fs::RenameFlags::EXCHANGE;
            while !done.load(Ordering::Relaxed) {
                let _ = rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &*one,
                    rustix::fs::CWD,
                    &*other,
                    exchange,
                );
            }
        });
        for _ in 0..40 {
            // It may fail: the link leads nowhere in the root.
            let _ = bundle.call(&["run", &bundle.id]);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_untouched(&bundle);
    bundle.assert_nothing_left("races");
}

/// What is at `/proc` in a root never gets what the runtime writes to procfs.
#[test]
fn writes_to_procfs_go_to_no_other_proc() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    let files = [
        "sys/net/ipv4/ip_forward",
        "self/oom_score_adj",
        "thread-self/attr/exec",
    ];
    for file in files {
        let path = bundle.dir.join("fake").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "untouched").unwrap();
    }
    let fake = bundle.below("fake");
    bundle.config["mounts"][0] =
        json!({"destination": "/proc", "type": "bind", "source": fake, "options": ["bind"]});
    for list in ["maskedPaths", "readonlyPaths"] {
        bundle.config["linux"][list] = json!([]);
    }
    bundle.config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
    bundle.config["process"]["oomScoreAdj"] = json!(300);
    // The real procfs, mounted by the payload, tells that they have arrived.
    bundle.capabilities(&["CAP_SYS_ADMIN"]);
    let show =
        "mount -t proc proc /mnt && cat /mnt/sys/net/ipv4/ip_forward /mnt/self/oom_score_adj";
    assert_eq!(bundle.sh(show).run().ok().out, "1\n300\n");
    for file in files {
        let path = bundle.dir.join("fake").join(file);
        assert_eq!(fs::read_to_string(path).unwrap(), "untouched", "{file}");
    }
}

/// Neither limits nor a `release_agent` can be written by who has no cgroup namespace and no delegation.
#[test]
fn cgroups_are_read_only_with_and_without_a_namespace() {
    for namespace in [false, true] {
        let Some(mut bundle) = Bundle::new() else {
            return;
        };
        bundle.without_namespace("cgroup");
        if namespace {
            bundle.push("/linux/namespaces", json!({"type": "cgroup"}));
        }
        bundle.config["linux"]["resources"]["pids"] = json!({"limit": 50});
        let script = "cd /sys/fs/cgroup; find . -name cgroup.procs | wc -l; find . -name release_agent; \
            for f in $(find . -type f); do (echo 0 > $f) 2>/dev/null && echo wrote $f; done; \
            for d in $(find . -type d); do mkdir $d/x 2>/dev/null && echo made $d/x; done; true";
        let out = bundle.sh(script).run().ok().out;
        let (count, rest) = out.split_once('\n').unwrap();
        assert_ne!(count, "0", "nothing to try: {out}");
        let agents = rest.lines().filter(|line| line.ends_with("release_agent"));
        assert!(
            namespace || agents.count() == 0,
            "the container's own is no root: {out}"
        );
        assert!(!rest.contains("wrote") && !rest.contains("made"), "{out}");
    }
}

/// A name that is in no directory can be reached by whoever shares the host's network.
/// CVE-2019-5736: whoever gets hold of the program of a process that enters a container cannot change it.
#[test]
fn the_program_that_enters_a_container_is_sealed() {
    use rustix::fs::{SealFlags, fcntl_get_seals};
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").create().ok();
    let exe = format!("/proc/{}/exe", bundle.pid());
    let program = sys::file::open(&exe, rustix::fs::OFlags::RDONLY).unwrap();
    let all = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    assert!(fcntl_get_seals(&program).unwrap().contains(all));
    assert!(fs::OpenOptions::new().write(true).open(&exe).is_err());
}

#[test]
fn no_socket_is_abstract() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").create().ok();
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let ours: Vec<_> = sockets
        .lines()
        .filter(|line| line.contains(bundle.path()) || line.contains(&bundle.id))
        .filter_map(|line| line.split_whitespace().nth(7))
        .collect();
    assert!(!ours.is_empty(), "there is one for start");
    assert!(ours.iter().all(|name| name.starts_with('/')), "{ours:?}");
    let mode = fs::metadata(bundle.dir.join("state").join(&bundle.id)).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o700
    );
}
