//! What older kernels miss is named. The suite itself runs as on Linux 5.10, too (`scripts/test`); here are
//! the refusals that make some of its tests no tests of such a kernel (docs/kernels.md).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{Bundle, Outcome, program};

/// The filter of `crates/sys/examples/old-kernel.rs`, which lies beside the tests once it is built.
fn filter() -> PathBuf {
    let own = std::env::current_exe().expect("this test's program");
    let built = own.ancestors().nth(2).expect("the profile's directory");
    let filter = built.join("examples/old-kernel");
    if !filter.exists() {
        let target = built.ancestors().nth(2).expect("the target directory");
        let words = [
            "build",
            "--quiet",
            "--package",
            "stockade-sys",
            "--example",
            "old-kernel",
        ];
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(words).arg("--target-dir").arg(target);
        cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
        assert!(cargo.status().expect("cargo").success());
    }
    filter
}

/// `run` as on that version of Linux.
fn run_on(version: &str, bundle: &Bundle) -> Outcome {
    bundle.write_config();
    let mut command = Command::new(filter());
    command
        .args([version.as_ref(), program().as_os_str()])
        .args(["oci", "--root", &bundle.below("state"), "run", &bundle.id])
        .current_dir(&bundle.dir)
        .stdin(Stdio::null());
    bundle.finish(command)
}

#[test]
fn an_ordinary_container_is_the_same_on_5_10() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    crate::configs::like_an_engine(&mut bundle);
    std::fs::create_dir(bundle.below("data")).expect("a directory");
    bundle.mount(
        "bind",
        "data",
        "/mnt",
        &["rbind", "rro", "nosuid", "noatime"],
    );
    bundle.sh("cut -d' ' -f 4- /proc/self/mountinfo | sed 's/ [a-z]*:[0-9]*//'; ls /proc/self/fd; grep -v pid: /proc/self/status | grep -E '^(Cap|No|Umask|Groups)'");
    let now = bundle.run().ok().out;
    let then = run_on("5.10", &bundle).ok().out;
    assert_eq!(then, now);
    assert!(then.contains(" /mnt ro,nosuid,noatime"), "{then}");
    bundle.assert_nothing_left("both");
}

#[test]
fn a_change_of_several_mounts_takes_5_12() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    bundle.mount("tmpfs", "tmpfs", "/a", &[]);
    bundle.mount("tmpfs", "tmpfs", "/a/b", &[]);
    bundle.mount("bind", "/a", "/a", &["remount", "rbind", "rro"]);
    let outcome = run_on("5.10", bundle.sh("true"));
    outcome
        .fails("config.json: mounts[")
        .fails("takes Linux 5.12");
    bundle.assert_nothing_left("a refusal");
}

#[test]
fn translated_owners_take_5_12() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    crate::configs::with_a_user_namespace(&mut bundle);
    let outcome = run_on("5.10", bundle.sh("true"));
    outcome.fails("(idmap)").fails("take Linux 5.12");
    bundle.assert_nothing_left("a refusal");
    bundle.config["mounts"]
        .as_array_mut()
        .expect("a list")
        .pop();
    run_on("5.10", &bundle).ok();
    bundle.assert_nothing_left("a container without them");
}

#[test]
fn a_flag_of_seccomp_that_is_newer_is_named() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        "listenerPath": bundle.below("agent"),
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
    });
    run_on("5.10", bundle.sh("true")).fails("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV");
    bundle.assert_nothing_left("a refusal");
}

#[test]
fn kernels_before_5_10_are_refused() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("true");
    for version in ["5.4", "4.18"] {
        run_on(version, &bundle)
            .fails("(ENOSYS)")
            .fails("(Linux 5.10 or later is needed");
        bundle.assert_nothing_left(version);
    }
}
