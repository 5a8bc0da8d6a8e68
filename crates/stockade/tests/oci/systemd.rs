//! Cgroups that systemd makes. Where it does not run (`tests/rigs/suite -s` has a machine where it does) only
//! that is tested which does not need it.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{Bundle, Outcome, unified};

/// A bundle whose cgroup systemd makes, in a slice of its own; nothing where systemd does not run.
struct Scope {
    bundle: Bundle,
    slice: String,
    unit: String,
}

impl Scope {
    fn new() -> Option<Self> {
        let mut bundle = Bundle::new()?;
        if !Path::new("/run/systemd/system").exists() {
            eprintln!("skipped: systemd does not run here");
            return None;
        }
        // A dash in a slice's name makes a slice within a slice.
        let slice = format!("stockade-test{}.slice", bundle.id.replace('-', "_"));
        let unit = format!("scope-{}.scope", bundle.id);
        bundle.config["linux"]["cgroupsPath"] = json!(format!("{slice}:scope:{}", bundle.id));
        Some(Self {
            bundle,
            slice,
            unit,
        })
    }

    /// A command of the runtime, with systemd's cgroups.
    #[track_caller]
    fn call(&self, words: &[&str]) -> Outcome {
        self.bundle.write_config();
        self.bundle.call(&[&["--systemd-cgroup"], words].concat())
    }

    #[track_caller]
    fn run(&self) -> Outcome {
        self.call(&["run", &self.bundle.id])
    }

    #[track_caller]
    fn detach(&self) -> Outcome {
        self.call(&["run", "--detach", &self.bundle.id])
    }

    fn show(&self, property: &str) -> String {
        systemctl(&["show", "--value", "--property", property, &self.unit])
    }

    /// Below the hierarchy's root.
    fn cgroup(&self) -> String {
        format!("/stockade.slice/{}/{}", self.slice, self.unit)
    }

    fn file(&self, v1: &str, name: &str) -> String {
        let hierarchy = if unified() { "" } else { v1 };
        let path = format!("/sys/fs/cgroup/{hierarchy}{}/{name}", self.cgroup());
        let text = std::fs::read_to_string(&path);
        text.unwrap_or_else(|error| panic!("{path}: {error}"))
            .trim()
            .to_string()
    }

    #[track_caller]
    fn assert_nothing_left(&self, after: &str) {
        self.bundle.assert_nothing_left(after);
        let unit = self.show("LoadState");
        assert_eq!(unit, "not-found", "{} after {after}", self.unit);
        let below = ["", "systemd", "unified", "memory", "pids"];
        for hierarchy in below {
            let dir = format!("/sys/fs/cgroup/{hierarchy}{}", self.cgroup());
            assert!(!Path::new(&dir).exists(), "{dir} after {after}");
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let delete = ["delete", "--force", &self.bundle.id];
        let _ = self.bundle.command(&delete).output();
        systemctl(&["stop", &self.slice]);
    }
}

fn systemctl(words: &[&str]) -> String {
    let output = Command::new("systemctl").args(words).output();
    let output = output.expect("systemctl");
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

#[test]
fn a_scope_has_its_limits_and_keeps_them() {
    let Some(mut scope) = Scope::new() else {
        return;
    };
    scope.bundle.config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20});
    scope.bundle.config["linux"]["resources"]["pids"] = json!({"limit": 33});
    scope.bundle.config["linux"]["resources"]["cpu"] =
        json!({"shares": 512, "quota": 50_000, "period": 100_000});
    scope.bundle.config["annotations"] = json!({"org.systemd.property.TimeoutStopSec": "uint64 7"});
    scope.bundle.sh("sleep 100");
    scope.detach().ok();
    assert_eq!(scope.show("ActiveState"), "active");
    assert_eq!(scope.show("Delegate"), "yes");
    assert_eq!(scope.show("ControlGroup"), scope.cgroup());
    assert_eq!(scope.show("TasksMax"), "33");
    assert_eq!(scope.show("CPUQuotaPerSecUSec"), "500ms");
    assert_eq!(scope.show("TimeoutStopUSec"), "7s");
    assert_eq!(scope.show("DevicePolicy"), "strict");
    assert!(scope.show("DeviceAllow").contains("/dev/char/1:3 rwm"));
    assert_eq!(
        scope.file("systemd", "cgroup.procs"),
        scope.bundle.pid().to_string()
    );
    let memory = if unified() {
        "memory.max"
    } else {
        "memory.limit_in_bytes"
    };
    let limits = || (scope.file("memory", memory), scope.file("pids", "pids.max"));
    let expected = ((64 << 20).to_string(), "33".to_string());
    assert_eq!(limits(), expected);
    systemctl(&["daemon-reload"]);
    assert_eq!(limits(), expected, "after a reload");

    // Later commands know by themselves who made the cgroup.
    let update = [
        "update",
        "--memory",
        "128m",
        "--pids-limit",
        "44",
        &scope.bundle.id,
    ];
    scope.bundle.call(&update).ok();
    let expected = ((128 << 20).to_string(), "44".to_string());
    assert_eq!(limits(), expected);
    assert_eq!(scope.show("TasksMax"), "44");
    systemctl(&["daemon-reload"]);
    assert_eq!(limits(), expected, "after an update and a reload");
    let inside = scope.bundle.exec_sh("cat /proc/self/cgroup").ok().out;
    // Seen from the container's own cgroup namespace; elsewhere it would start with `/..`.
    assert!(inside.lines().any(|line| line.ends_with(":/")), "{inside}");
    assert!(!unified() || inside == "0::/\n", "{inside}");
    scope.bundle.verb("pause").ok();
    assert_eq!(scope.bundle.status(), "paused");
    scope.bundle.verb("resume").ok();
    scope
        .bundle
        .call(&["delete", "--force", &scope.bundle.id])
        .ok();
    scope.assert_nothing_left("delete");
}

#[test]
fn a_created_container_is_started_killed_and_deleted() {
    let Some(mut scope) = Scope::new() else {
        return;
    };
    scope.bundle.sh("mkdir -p /sys/fs/cgroup/deeper; sleep 100");
    scope.call(&["create", &scope.bundle.id]).ok();
    assert_eq!(
        scope.file("systemd", "cgroup.procs"),
        scope.bundle.pid().to_string()
    );
    scope.bundle.verb("start").ok();
    scope.bundle.call(&["kill", &scope.bundle.id, "KILL"]).ok();
    scope.bundle.wait_for("stopped");
    scope.bundle.verb("delete").ok();
    scope.assert_nothing_left("delete");
    // The name is free.
    scope.bundle.args(&["true"]);
    scope.run().ok();
    scope.assert_nothing_left("run");
}

#[test]
fn somebody_elses_unit_is_left_alone() {
    let Some(mut scope) = Scope::new() else {
        return;
    };
    scope.bundle.sh("sleep 100");
    scope.detach().ok();
    let other = format!("{}other", scope.bundle.id);
    let outcome = scope.call(&["run", "--detach", &other]);
    outcome.fails("config.json: linux.cgroupsPath: ");
    assert_eq!(scope.show("ActiveState"), "active");
    assert_eq!(scope.bundle.status(), "running");
    scope
        .bundle
        .call(&["state", &other])
        .fails("container does not exist");
}

#[test]
fn what_does_not_start_leaves_no_unit() {
    let Some(mut scope) = Scope::new() else {
        return;
    };
    scope.bundle.args(&["/no/such/program"]);
    scope.run().fails("/no/such/program");
    scope.assert_nothing_left("a program that is not there");
    scope.bundle.args(&["true"]);
    scope.bundle.config["annotations"] = json!({"org.systemd.property.Banana": "true"});
    scope.run().fails("Banana");
    scope.assert_nothing_left("a property that is none");
    scope.bundle.config["annotations"] = json!({"org.systemd.property.PIDs": "[1]"});
    scope.run().fails("annotations: org.systemd.property.PIDs");
    scope.assert_nothing_left("a property that is ours");
}

#[test]
fn a_container_killed_for_its_memory_leaves_no_failed_unit() {
    let Some(mut scope) = Scope::new() else {
        return;
    };
    scope.bundle.config["linux"]["resources"]["memory"] =
        json!({"limit": 8 << 20, "swap": 8 << 20});
    scope.bundle.sh("tail -c 64m /dev/zero; true");
    scope.run();
    scope.assert_nothing_left("running out of memory");
}

#[test]
fn whoever_is_killed_at_it_leaves_what_delete_removes() {
    let Some(mut scope) = Scope::new() else {
        return;
    };
    scope.bundle.args(&["true"]);
    for step in 0.. {
        let fault = format!("host:{step}:kill");
        let outcome = scope.call(&["run", "--fault", &fault, &scope.bundle.id]);
        if outcome.code == 0 {
            assert!(step > 3, "too few steps: {step}");
            break;
        }
        let delete = ["delete", "--force", &scope.bundle.id];
        scope.bundle.call(&delete).ok();
        scope.assert_nothing_left(&fault);
    }
}

#[test]
fn paths_that_are_none() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.args(&["true"]);
    for path in [
        "/a/path",
        "a.slice:p",
        "a:p:n",
        "a.slice:p:../n",
        "-.slice-:p:n",
    ] {
        bundle.config["linux"]["cgroupsPath"] = json!(path);
        bundle.write_config();
        let run = ["--systemd-cgroup", "run", &bundle.id];
        bundle.call(&run).fails("config.json: linux.cgroupsPath: ");
        bundle.assert_nothing_left(path);
    }
    bundle.config["linux"]["cgroupsPath"] = json!("system.slice:p:n");
    bundle.run().fails("--systemd-cgroup");
}

#[test]
fn a_host_without_systemd_is_told() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let sockets = ["/run/dbus/system_bus_socket", "/run/systemd/private"];
    if sockets.iter().any(|socket| Path::new(socket).exists()) {
        return;
    }
    bundle.args(&["true"]);
    bundle.config["linux"]["cgroupsPath"] = json!("system.slice:stockade:none");
    bundle.write_config();
    let outcome = bundle.call(&["--cgroup-manager", "systemd", "run", &bundle.id]);
    outcome.fails("/run/dbus/system_bus_socket");
    bundle.assert_nothing_left("a host without systemd");
}
