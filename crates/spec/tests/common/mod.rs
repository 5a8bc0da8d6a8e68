//! Documents that several tests read.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use serde_json::{Value, json};

/// What `runc spec` writes.
pub const RUNC: &str = include_str!("../data/runc-1.1.5.json");
/// What `runc spec --rootless` writes.
pub const RUNC_ROOTLESS: &str = include_str!("../data/runc-1.1.5-rootless.json");
/// What `crun spec` writes.
pub const CRUN: &str = include_str!("../data/crun.json");
/// What podman makes of a container with limits, a volume, a device and its default seccomp profile.
pub const PODMAN: &str = include_str!("../data/podman-4.3.1.json");

/// Every document that a program of others wrote.
pub const REAL: [(&str, &str); 4] = [
    ("runc", RUNC),
    ("runc rootless", RUNC_ROOTLESS),
    ("crun", CRUN),
    ("podman", PODMAN),
];

/// A document that has every field that we know, with a value that is not its default, and that passes
/// all checks.
pub fn everything() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "process": process(),
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "box",
        "domainname": "example.org",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
            {
                "destination": "/data", "type": "none", "source": "/srv/data", "options": ["rbind", "idmap"],
                "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
                "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
            },
        ],
        "hooks": {
            "prestart": [{"path": "/a", "args": ["a", "b"], "env": ["A=b"], "timeout": 5}],
            "createRuntime": [{"path": "/b"}],
            "createContainer": [{"path": "/c"}],
            "startContainer": [{"path": "/d"}],
            "poststart": [{"path": "/e"}],
            "poststop": [{"path": "/f"}],
        },
        "annotations": {"org.example.a/b": "c \"quoted\" \u{e9}", "x": ""},
        "linux": linux(),
    })
}

fn process() -> Value {
    json!({
        "terminal": true,
        "consoleSize": {"height": 25, "width": 80},
        "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5, 6]},
        "args": ["sh", "-c", "echo \u{1F600}\n"],
        "env": ["TERM=xterm", "EMPTY="],
        "cwd": "/root",
        "capabilities": {
            "bounding": ["CAP_BPF", "CAP_KILL"],
            "effective": ["CAP_KILL"],
            "inheritable": ["CAP_KILL"],
            "permitted": ["CAP_KILL"],
            "ambient": ["CAP_KILL"],
        },
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": u64::MAX, "soft": 1024}],
        "noNewPrivileges": true,
        "apparmorProfile": "profile",
        "oomScoreAdj": -100,
        "scheduler": {
            "policy": "SCHED_DEADLINE", "nice": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"],
            "runtime": 10_000, "deadline": 30_000, "period": 30_000,
        },
        "selinuxLabel": "system_u:system_r:svirt_lxc_net_t:s0:c124,c675",
        "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 4},
        "execCPUAffinity": {"initial": "0-3", "final": "7"},
    })
}

fn linux() -> Value {
    json!({
        "uidMappings": [{"containerID": 0, "hostID": 100_000, "size": 65536}],
        "gidMappings": [{"containerID": 0, "hostID": 100_000, "size": 65536}],
        "sysctl": {"net.ipv4.ip_forward": "1", "kernel.shmmax": "1000"},
        "resources": resources(),
        "cgroupsPath": "/a/b",
        "namespaces": [
            {"type": "pid", "path": "/proc/1/ns/pid"}, {"type": "network"}, {"type": "mount"}, {"type": "ipc"},
            {"type": "uts"}, {"type": "user"}, {"type": "cgroup"}, {"type": "time"},
        ],
        "devices": [
            {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 1, "gid": 2},
        ],
        "netDevices": {"eth0": {"name": "eth1"}},
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "/run/agent",
            "listenerMetadata": "data",
            "syscalls": [{
                "names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
                "args": [{"index": 0, "value": 8, "valueTwo": 8, "op": "SCMP_CMP_MASKED_EQ"}],
            }],
        },
        "rootfsPropagation": "slave",
        "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "mountLabel": "system_u:object_r:svirt_sandbox_file_t:s0",
        "intelRdt": {
            "closID": "gold", "schemata": ["L3:0=f"], "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20",
            "enableMonitoring": true,
        },
        "memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
        "personality": {"domain": "LINUX32"},
        "timeOffsets": {"monotonic": {"secs": 172_800}, "boottime": {"secs": -5, "nanosecs": 7}},
    })
}

fn resources() -> Value {
    json!({
        "devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"},
        ],
        "memory": {
            "limit": 1 << 30, "reservation": 1 << 29, "swap": 1_i64 << 31, "kernel": -1, "kernelTCP": 1 << 20,
            "swappiness": 10, "disableOOMKiller": false, "useHierarchy": true, "checkBeforeUpdate": true,
        },
        "cpu": {
            "shares": 1024, "quota": 50_000, "burst": 1000, "period": 100_000, "realtimeRuntime": 9000,
            "realtimePeriod": 10_000, "cpus": "0-1,3", "mems": "0", "idle": 1,
        },
        "pids": {"limit": 100},
        "blockIO": {
            "weight": 10, "leafWeight": 1000,
            "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
            "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
            "throttleWriteBpsDevice": [{"major": 8, "minor": 16, "rate": 601}],
            "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 602}],
            "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 603}],
        },
        "hugepageLimits": [{"pageSize": "2MB", "limit": 9_223_372_036_854_771_712_u64}],
        "network": {"classID": 1_048_577, "priorities": [{"name": "eth0", "priority": 500}]},
        "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10_000}},
        "unified": {"memory.high": "100000", "io.max": "8:0 rbps=1\n8:16 rbps=2"},
    })
}

/// Sets the value at a path of keys and indices.
pub fn replace(document: &mut Value, path: &[Step], value: Value) {
    let mut at = document;
    for step in path {
        at = match step {
            Step::Key(key) => &mut at[key.as_str()],
            Step::Index(index) => &mut at[*index],
        };
    }
    *at = value;
}

/// One step of a path in a document.
#[derive(Clone, Debug)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// The paths of everything in a document but the document itself.
pub fn paths(value: &Value) -> Vec<Vec<Step>> {
    let mut all = Vec::new();
    walk(value, &mut Vec::new(), &mut all);
    all
}

fn walk(value: &Value, at: &mut Vec<Step>, all: &mut Vec<Vec<Step>>) {
    if !at.is_empty() {
        all.push(at.clone());
    }
    let children: Vec<(Step, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (Step::Key(key.clone()), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, value)| (Step::Index(index), value))
            .collect(),
        _ => Vec::new(),
    };
    for (step, value) in children {
        at.push(step);
        walk(value, at, all);
        at.pop();
    }
}

/// A path as an error names it.
pub fn place(path: &[Step]) -> String {
    let mut place = String::new();
    for step in path {
        match step {
            Step::Index(index) => place += &format!("[{index}]"),
            Step::Key(key) if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                if !place.is_empty() {
                    place.push('.');
                }
                place += key;
            }
            Step::Key(key) => place += &format!("[{key:?}]"),
        }
    }
    place
}
