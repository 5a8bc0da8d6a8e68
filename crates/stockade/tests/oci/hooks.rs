//! Hooks: when they run, what they read, where they are, and what their failure means.

use serde_json::{Value, json};

use crate::harness::Bundle;

const HOST_KINDS: [&str; 4] = ["prestart", "createRuntime", "poststart", "poststop"];

/// A hook that writes its name and its state's status to the log.
fn logging(bundle: &Bundle, name: &str) -> Value {
    let log = bundle.below("log");
    let script = format!(
        "s=$(tr -d ' \\n' | sed 's/.*\"status\":\"\\([a-z]*\\)\".*/\\1/'); echo {name} $s >> {log}"
    );
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]})
}

fn log(bundle: &Bundle) -> Vec<String> {
    let text = std::fs::read_to_string(bundle.below("log")).unwrap_or_default();
    text.lines().map(str::to_string).collect()
}

#[test]
fn hooks_run_in_order_with_the_state() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    for kind in HOST_KINDS.into_iter().chain(["createContainer"]) {
        bundle.config["hooks"][kind] = json!([
            logging(&bundle, &format!("{kind}1")),
            logging(&bundle, &format!("{kind}2"))
        ]);
    }
    bundle.sh("true").create().ok();
    let create = [
        "prestart1 creating",
        "prestart2 creating",
        "createRuntime1 creating",
        "createRuntime2 creating",
        "createContainer1 creating",
        "createContainer2 creating",
    ];
    assert_eq!(log(&bundle), create);
    bundle.verb("start").ok();
    assert_eq!(
        log(&bundle)[6..],
        ["poststart1 running", "poststart2 running"]
    );
    bundle.wait_for("stopped");
    bundle.verb("delete").ok();
    assert_eq!(
        log(&bundle)[8..],
        ["poststop1 stopped", "poststop2 stopped"]
    );
    std::fs::remove_file(bundle.below("log")).unwrap();
    bundle.run().ok();
    assert_eq!(log(&bundle).len(), 10, "run is create, start, delete");
}

#[test]
fn hooks_read_the_whole_state() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let script = format!("cat > {}", bundle.below("log"));
    bundle.config["annotations"] = json!({"org.example.key": "x".repeat(100_000)});
    bundle.config["hooks"]["createRuntime"] =
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    bundle.sh("sleep 100").detach().ok();
    let state: Value =
        serde_json::from_str(&std::fs::read_to_string(bundle.below("log")).unwrap()).unwrap();
    assert_eq!(state["id"], bundle.id.as_str());
    assert_eq!(state["bundle"], bundle.path());
    assert_eq!(state["pid"], bundle.pid());
    assert_eq!(
        state["annotations"]["org.example.key"]
            .as_str()
            .unwrap()
            .len(),
        100_000
    );
}

#[test]
fn hooks_are_where_they_belong() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    let name = |file: &str| {
        format!("readlink /proc/self/ns/net > {file}; readlink /proc/self/ns/mnt >> {file}")
    };
    let outside = bundle.below("outside");
    bundle.config["hooks"]["createRuntime"] =
        json!([{"path": "/bin/sh", "args": ["sh", "-c", name(&outside)]}]);
    bundle.config["hooks"]["createContainer"] =
        json!([{"path": "/bin/sh", "args": ["sh", "-c", name(&bundle.below("between"))]}]);
    bundle.config["hooks"]["startContainer"] =
        json!([{"path": "/bin/sh", "args": ["sh", "-c", name("/inside")]}]);
    let out = bundle
        .sh("readlink /proc/self/ns/net; readlink /proc/self/ns/mnt")
        .run()
        .ok()
        .out;
    let read = |path: String| std::fs::read_to_string(path).unwrap();
    let net = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert!(
        read(outside).starts_with(net.to_str().unwrap()),
        "createRuntime is on the host"
    );
    assert_eq!(
        read(bundle.below("between")),
        out,
        "createContainer is in the namespaces, at the host's root"
    );
    assert_eq!(
        read(bundle.below("rootfs/inside")),
        out,
        "startContainer is in the container"
    );
}

#[test]
fn failures_before_start_undo_everything() {
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
    ] {
        let Some(mut bundle) = Bundle::new() else {
            return;
        };
        bundle.config["hooks"][kind] = json!([{"path": "/bin/true"}, {"path": "/bin/false"}]);
        bundle.config["hooks"]["poststop"] = json!([logging(&bundle, "poststop")]);
        let text = format!("error running {kind} hook #1:");
        bundle.sh("true").run().fails(&text);
        bundle.assert_nothing_left(kind);
        bundle.config["hooks"][kind] = json!([{"path": "/no/such/hook"}]);
        bundle
            .run()
            .fails(&format!("error running {kind} hook #0:"));
        bundle.assert_nothing_left(kind);
    }
}

#[test]
fn a_hook_that_takes_too_long_is_killed() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["hooks"]["createRuntime"] =
        json!([{"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}]);
    bundle
        .sh("true")
        .run()
        .fails("error running createRuntime hook #0: /bin/sleep: no end within its timeout of 1 s");
    bundle.assert_nothing_left("a timeout");
    bundle.config["hooks"]["createRuntime"][0]["timeout"] = json!(0);
    bundle.run().fails("hooks.createRuntime[0].timeout");
}

#[test]
fn a_failing_poststop_hook_is_no_failure() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["hooks"]["poststop"] =
        json!([{"path": "/bin/false"}, logging(&bundle, "second")]);
    bundle.sh("true").run().ok();
    assert_eq!(log(&bundle), ["second stopped"], "the others still run");
    bundle.assert_nothing_left("run");
}

/// The program of a `startContainer` hook is the image's, so that it must not be freer than the payload.
#[test]
fn start_hooks_are_confined_as_the_payload_is() {
    for create in [false, true] {
        let Some(mut bundle) = Bundle::permissive() else {
            return;
        };
        let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid)' /proc/self/status; cat /proc/self/cgroup; \
            ulimit -n; pwd; umask; cd /proc/self/ns; for n in mnt pid net ipc uts cgroup user; do readlink $n; done";
        // So that cgroups have their whole names.
        bundle.without_namespace("cgroup");
        bundle.config["hooks"]["startContainer"] = json!([{"path": "/bin/sh",
            "args": ["sh", "-c", format!("cat >/dev/null; ({script}) > /tmp/hook")], "env": ["PATH=/bin"]}]);
        bundle.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]});
        bundle.config["process"]["user"] =
            json!({"uid": 7, "gid": 8, "umask": 0o027, "additionalGids": [9]});
        std::fs::create_dir_all(bundle.below("rootfs/tmp")).unwrap();
        std::fs::set_permissions(
            bundle.below("rootfs/tmp"),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .unwrap();
        bundle.sh(&format!("({script}) > /tmp/payload"));
        if create {
            bundle.create().ok();
            bundle.verb("start").ok();
            bundle.wait_for("stopped");
        } else {
            bundle.run().ok();
        }
        let read = |name| std::fs::read_to_string(bundle.below(name)).unwrap();
        let payload = read("rootfs/tmp/payload");
        assert!(payload.contains(&bundle.cgroup()), "{payload}");
        assert_eq!(read("rootfs/tmp/hook"), payload, "create: {create}");
    }
}
