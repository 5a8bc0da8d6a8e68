//! Configurations that between them have every kind of step.

use serde_json::json;

use crate::harness::Bundle;

/// What engines write for a plain container: limits, seccomp, many mounts, hidden paths.
pub fn like_an_engine(bundle: &mut Bundle) {
    bundle.push("/linux/namespaces", json!({"type": "cgroup"}));
    bundle.mount(
        "bind",
        bundle_etc(bundle),
        "/etc/hostname",
        &["bind", "ro", "rprivate"],
    );
    bundle.mount(
        "tmpfs",
        "tmpfs",
        "/tmp",
        &["nosuid", "nodev", "tmpcopyup", "size=1m"],
    );
    bundle.mount(
        "cgroup",
        "cgroup",
        "/sys/fs/cgroup",
        &["ro", "nosuid", "noexec", "nodev"],
    );
    bundle.config["linux"]["resources"] = json!({
        "devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
        ],
        "memory": {"limit": 64 << 20},
        "cpu": {"shares": 512, "quota": 50000, "period": 100_000},
        "pids": {"limit": 50},
    });
    bundle.config["linux"]["devices"] =
        json!([{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666}]);
    bundle.config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "0"});
    bundle.config["linux"]["seccomp"] = filter(bundle, "SCMP_ACT_ERRNO");
    bundle.config["domainname"] = json!("example.org");
    bundle.config["process"]["user"] = json!({"uid": 7, "gid": 8, "additionalGids": [9]});
    bundle.config["process"]["oomScoreAdj"] = json!(100);
}

fn bundle_etc(_: &Bundle) -> &'static str {
    "rootfs/etc/passwd"
}

fn filter(_: &Bundle, action: &str) -> serde_json::Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": action, "errnoRet": 1}],
    })
}

/// A user namespace, and a mount whose owners are translated.
pub fn with_a_user_namespace(bundle: &mut Bundle) {
    bundle.map_users(100_000, 1000);
    std::fs::create_dir(bundle.below("shared")).expect("a directory");
    let mount = json!({
        "type": "bind", "source": "shared", "destination": "/mnt", "options": ["bind", "idmap"],
        "uidMappings": [{"containerID": 0, "hostID": 100_000, "size": 1000}],
        "gidMappings": [{"containerID": 0, "hostID": 100_000, "size": 1000}],
    });
    bundle.push("/mounts", mount);
}

/// Namespaces that are joined, and a time namespace.
pub fn joining(bundle: &mut Bundle) {
    bundle.without_namespace("network").without_namespace("ipc");
    bundle.push(
        "/linux/namespaces",
        json!({"type": "network", "path": "/proc/self/ns/net"}),
    );
    bundle.push(
        "/linux/namespaces",
        json!({"type": "ipc", "path": "/proc/self/ns/ipc"}),
    );
    bundle.push("/linux/namespaces", json!({"type": "time"}));
    bundle.config["linux"]["timeOffsets"] = json!({"monotonic": {"secs": 1000, "nanosecs": 0}});
}

/// Hooks of every kind.
pub fn with_hooks(bundle: &mut Bundle) {
    for kind in [
        "prestart",
        "createRuntime",
        "createContainer",
        "poststart",
        "poststop",
    ] {
        bundle.config["hooks"][kind] = json!([{"path": "/bin/true"}, {"path": "/bin/true"}]);
    }
    bundle.config["hooks"]["startContainer"] = json!([{"path": "/bin/true"}]);
}

/// A terminal, which whoever listens at `console` takes.
pub fn with_a_terminal(bundle: &mut Bundle) {
    bundle.config["process"]["terminal"] = json!(true);
    bundle.config["process"]["consoleSize"] = json!({"height": 33, "width": 99});
}
