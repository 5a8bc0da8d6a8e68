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
