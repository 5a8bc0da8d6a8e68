//! What people read, word by word: one change to a document that is right, and what is said about it.

mod common;

use serde_json::{Value, json};
use spec::{Error, Spec};

fn parse_and_check(text: &[u8]) -> Result<(), Error> {
    Spec::parse(text)?.check()
}

/// Changes one value of [`common::everything`]; `null` removes it.
fn said_about(pointer: &str, value: Value) -> String {
    let mut document = common::everything();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    match (document.pointer_mut(parent).expect(pointer), value) {
        (Value::Object(fields), Value::Null) => _ = fields.remove(field).expect(pointer),
        (Value::Object(fields), value) => _ = fields.insert(field.replace("~1", "/"), value),
        (Value::Array(items), value) => items[field.parse::<usize>().expect(pointer)] = value,
        _ => panic!("{pointer} is neither in an object nor in a list"),
    }
    parse_and_check(document.to_string().as_bytes())
        .map_or_else(|error| error.to_string(), |()| "fine".to_owned())
}

fn expect<const N: usize>(table: [(&str, Value, &str); N]) {
    for (pointer, value, message) in table {
        assert_eq!(
            said_about(pointer, value.clone()),
            message,
            "{pointer} = {value}"
        );
    }
}

#[test]
fn types_and_names() {
    expect([
        (
            "/process/user/uid",
            json!(-1),
            "process.user.uid: expected an integer from 0 to 4294967295, not -1",
        ),
        (
            "/process/user/uid",
            json!("0"),
            "process.user.uid: expected an integer from 0 to 4294967295, not the string \"0\"",
        ),
        (
            "/process/user/uid",
            json!(4_294_967_296_u64),
            "process.user.uid: expected an integer from 0 to 4294967295, not 4294967296",
        ),
        (
            "/process/terminal",
            json!(1),
            "process.terminal: expected `true` or `false`, not 1",
        ),
        (
            "/process/args",
            json!("sh"),
            "process.args: expected a list, not the string \"sh\"",
        ),
        (
            "/process/args/1",
            json!(true),
            "process.args[1]: expected a string, not true",
        ),
        (
            "/process/cwd",
            Value::Null,
            "process.cwd: required, but missing",
        ),
        (
            "/root/path",
            Value::Null,
            "root.path: required, but missing",
        ),
        (
            "/ociVersion",
            Value::Null,
            "ociVersion: required, but missing",
        ),
        (
            "/mounts/1/destination",
            Value::Null,
            "mounts[1].destination: required, but missing",
        ),
        (
            "/hooks/poststop/0/timeout",
            json!(-1),
            "hooks.poststop[0].timeout: expected an integer from 0 to 4294967295, not -1",
        ),
        ("/linux", json!([]), "linux: expected an object, not a list"),
        (
            "/mounts/0",
            json!([]),
            "mounts[0]: expected an object, not a list",
        ),
        (
            "/linux/timeOffsets/realtime",
            json!({}),
            "linux.timeOffsets.realtime: unknown field `realtime`, expected `monotonic` or `boottime`",
        ),
        (
            "/linux/namespaces/0/type",
            json!("pidd"),
            "linux.namespaces[0].type: unknown namespace type `pidd`, expected one of pid, network, mount, ipc, uts, user, cgroup, time",
        ),
        (
            "/linux/resources/devices/0/access",
            json!("rwx"),
            "linux.resources.devices[0].access: unknown device access `rwx`, expected some of the letters `r`, `w` and `m`",
        ),
    ]);
}

#[test]
fn the_document() {
    for (text, message) in [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        (
            "\u{feff}{}",
            "the file begins with a byte order mark, which is not JSON",
        ),
        ("{}", "ociVersion: required, but missing"),
        ("[]", "expected an object, not a list"),
        ("1", "expected an object, not 1"),
        (
            "{\"ociVersion\": \"1.0.0\"} x",
            "not JSON: trailing characters (line 1, column 25)",
        ),
        (
            "{\"ociVersion\": \"1.0.0\",\n \"root\": {\"path\" \"x\"}}",
            "root.path: not JSON: expected `:` (line 2, column 18)",
        ),
        (
            "{\"ociVersion\": \"1.0.0\", \"ociVersion\": \"1.0.0\"}",
            "ociVersion: given twice",
        ),
        (
            "{\"ociVersion\": \"1\", \"annotations\": {\"a\": \"\", \"a\": \"\"}}",
            "annotations.a: duplicate key `a`",
        ),
        (
            "{\"ociVersion\": \"1.0.0\"",
            "ociVersion: not JSON: the file ends within an object (line 1, column 22)",
        ),
    ] {
        let said = Spec::parse(text.as_bytes()).expect_err(text).to_string();
        assert_eq!(said, message, "{text}");
    }
    let said = Spec::parse(b"{\"ociVersion\": \"1.0.0\", \"root\": \"\xff\"}")
        .expect_err("not UTF-8")
        .to_string();
    assert_eq!(said, "root: not UTF-8 (byte 33 of the file)");
    let large = vec![b' '; spec::parse::MAX_LEN + 1];
    let said = Spec::parse(&large).expect_err("too large").to_string();
    assert_eq!(
        said,
        "16777217 bytes are more than the 16777216 that are read"
    );
}

#[test]
fn process() {
    expect([
        (
            "/process/args",
            json!([]),
            "process.args: needs at least the command",
        ),
        (
            "/process/cwd",
            json!("root"),
            "process.cwd: `root` is not an absolute path",
        ),
        (
            "/process/cwd",
            json!(""),
            "process.cwd: `` is not an absolute path",
        ),
        (
            "/process/env/1",
            json!("NAME"),
            "process.env[1]: `NAME` is not NAME=VALUE",
        ),
        (
            "/process/env/1",
            json!("=VALUE"),
            "process.env[1]: `=VALUE` is not NAME=VALUE",
        ),
        (
            "/process/user/uid",
            json!(u32::MAX),
            "process.user.uid: 4294967295 is not an id",
        ),
        (
            "/process/user/gid",
            json!(65536),
            "process.user.gid: 65536 is not in linux.gidMappings",
        ),
        (
            "/process/user/additionalGids/1",
            json!(70_000),
            "process.user.additionalGids[1]: 70000 is not in linux.gidMappings",
        ),
        (
            "/process/user/umask",
            json!(512),
            "process.user.umask: 512 (0o1000) is more than 511 (0o777)",
        ),
        (
            "/process/oomScoreAdj",
            json!(1001),
            "process.oomScoreAdj: 1001 is not between -1000 and 1000",
        ),
        (
            "/process/ioPriority/priority",
            json!(8),
            "process.ioPriority.priority: 8 is not between 0 and 7",
        ),
        (
            "/process/rlimits/0/hard",
            json!(1023),
            "process.rlimits[0].soft: RLIMIT_NOFILE's 1024 is more than its hard limit, 1023",
        ),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_AS", "hard": 1, "soft": 1}, {"type": "RLIMIT_AS", "hard": 1, "soft": 1}]),
            "process.rlimits[1].type: RLIMIT_AS is there twice",
        ),
        (
            "/process/scheduler/nice",
            json!(20),
            "process.scheduler.nice: 20 is not between -20 and 19",
        ),
        (
            "/process/scheduler/policy",
            json!("SCHED_FIFO"),
            "process.scheduler.priority: 0 is not between 1 and 99",
        ),
        (
            "/process/scheduler/policy",
            json!("SCHED_OTHER"),
            "process.scheduler.runtime: SCHED_OTHER has no runtime",
        ),
        (
            "/process/scheduler/priority",
            json!(1),
            "process.scheduler.priority: SCHED_DEADLINE has no priority",
        ),
        (
            "/process/scheduler/period",
            json!(29_999),
            "process.scheduler.period: is less than the deadline",
        ),
        (
            "/process/execCPUAffinity/final",
            json!("3-1"),
            "process.execCPUAffinity.final: `3-1` is not a list such as 0-3,7",
        ),
    ]);
}

#[test]
fn root_names_mounts_and_hooks() {
    expect([
        ("/root", Value::Null, "root: required, but missing"),
        ("/root/path", json!(""), "root.path: may not be empty"),
        (
            "/hostname",
            json!("x".repeat(65)),
            "hostname: 65 bytes are more than the 64 that Linux has for it",
        ),
        (
            "/mounts/0/destination",
            json!(""),
            "mounts[0].destination: may not be empty",
        ),
        ("/mounts/0/destination", json!("proc"), "fine"),
        (
            "/mounts/0/type",
            Value::Null,
            "mounts[0].type: required, but missing",
        ),
        (
            "/mounts/1/source",
            Value::Null,
            "mounts[1].source: a bind mount needs a source",
        ),
        (
            "/mounts/1/options/1",
            json!("size=5"),
            "mounts[1].options: `size=5` is an option of a file system, which a bind mount does not take",
        ),
        (
            "/mounts/1/gidMappings",
            Value::Null,
            "mounts[1].gidMappings: required beside uidMappings",
        ),
        (
            "/mounts/1/uidMappings/0/size",
            json!(0),
            "mounts[1].uidMappings[0].size: must be at least 1",
        ),
        (
            "/hooks/poststop/0/path",
            json!("f"),
            "hooks.poststop[0].path: `f` is not an absolute path",
        ),
        (
            "/hooks/prestart/0/timeout",
            json!(0),
            "hooks.prestart[0].timeout: must be at least 1 second",
        ),
        (
            "/ociVersion",
            json!("1.0"),
            "ociVersion: `1.0` is not a semantic version, such as 1.3.0",
        ),
        (
            "/ociVersion",
            json!("2.0.0"),
            "ociVersion: version 2.0.0 of the specification is not supported, only 1.x.y is",
        ),
        ("/ociVersion", json!("1.0.2-dev"), "fine"),
        ("/ociVersion", json!("1.2.0-rc.1+dev-5"), "fine"),
        (
            "/ociVersion",
            json!("01.2.0"),
            "ociVersion: `01.2.0` is not a semantic version, such as 1.3.0",
        ),
        (
            "/ociVersion",
            json!("1.2.0-01"),
            "ociVersion: `1.2.0-01` is not a semantic version, such as 1.3.0",
        ),
    ]);
}

#[test]
fn linux() {
    let machine = "would be set for the whole machine: there is no";
    let without = |kind: &str| {
        let mut all = common::everything()["linux"]["namespaces"].take();
        all.as_array_mut()
            .unwrap()
            .retain(|namespace| namespace["type"] != kind);
        all
    };
    expect([
        (
            "/linux/namespaces",
            without("uts"),
            &format!("hostname: {machine} `uts` in linux.namespaces"),
        ),
        (
            "/linux/namespaces",
            without("ipc"),
            &format!("linux.sysctl[\"kernel.shmmax\"]: {machine} `ipc` in linux.namespaces"),
        ),
        (
            "/linux/namespaces",
            without("network"),
            &format!(
                "linux.sysctl[\"net.ipv4.ip_forward\"]: {machine} `network` in linux.namespaces"
            ),
        ),
        (
            "/linux/namespaces",
            without("user"),
            "linux.uidMappings: there is no `user` in linux.namespaces that it could be for",
        ),
        (
            "/linux/namespaces",
            without("time"),
            "linux.timeOffsets: there is no new `time` in linux.namespaces that they could be for",
        ),
        (
            "/linux/namespaces/0/type",
            json!("mount"),
            "linux.namespaces[2].type: `mount` is there twice",
        ),
        (
            "/linux/namespaces/0/path",
            json!("proc/1"),
            "linux.namespaces[0].path: `proc/1` is not an absolute path",
        ),
        (
            "/linux/uidMappings/0/hostID",
            json!(4_294_901_761_u32),
            "linux.uidMappings[0].hostID: 65536 ids from 4294901761 go beyond the last one, 4294967294",
        ),
        (
            "/linux/gidMappings",
            json!([{"containerID": 0, "hostID": 0, "size": 10}, {"containerID": 9, "hostID": 100, "size": 10}]),
            "linux.gidMappings[1]: overlaps [0] by its containerID",
        ),
        (
            "/linux/gidMappings",
            json!([{"containerID": 20, "hostID": 0, "size": 10}, {"containerID": 0, "hostID": 9, "size": 10}]),
            "linux.gidMappings[1]: overlaps [0] by its hostID",
        ),
        (
            "/linux/sysctl/kernel.core_pattern",
            json!("|/x"),
            "linux.sysctl[\"kernel.core_pattern\"]: belongs to no namespace: it would be set for the whole machine",
        ),
        (
            "/linux/sysctl/net~1..~1kernel~1core_pattern",
            json!("|/x"),
            "linux.sysctl[\"net/../kernel/core_pattern\"]: not the name of a kernel parameter",
        ),
        (
            "/linux/sysctl/net~1ipv4~1ip_forward",
            json!("0"),
            "linux.sysctl[\"net/ipv4/ip_forward\"]: is given twice, in two ways to write it",
        ),
        (
            "/linux/sysctl/kernel.hostname",
            json!("x"),
            "linux.sysctl[\"kernel.hostname\"]: is given by a field of its own, too",
        ),
        (
            "/linux/cgroupsPath",
            json!("/a/../b"),
            "linux.cgroupsPath: `/a/../b` has a `..` in it",
        ),
        (
            "/linux/devices/0/path",
            json!("dev/x"),
            "linux.devices[0].path: `dev/x` is not an absolute path",
        ),
        (
            "/linux/devices/0/major",
            json!(4096),
            "linux.devices[0].major: 4096 is not between 0 and 4095",
        ),
        (
            "/linux/devices/0/minor",
            json!(-1),
            "linux.devices[0].minor: expected an integer from 0 to 4294967295, not -1",
        ),
        ("/linux/devices/0/fileMode", json!(8630), "fine"),
        (
            "/linux/devices/0/fileMode",
            json!(0o060_666),
            "linux.devices[0].fileMode: 25014 (0o60666) is not a mode of a device of type `c`",
        ),
        (
            "/linux/netDevices/eth7",
            json!({"name": "eth1"}),
            "linux.netDevices.eth7: another one is called `eth1` inside, too",
        ),
        (
            "/linux/netDevices/eth0",
            json!({"name": "a/b"}),
            "linux.netDevices.eth0: `a/b` is not the name of a network interface",
        ),
        (
            "/linux/maskedPaths/0",
            json!("proc"),
            "linux.maskedPaths[0]: `proc` is not an absolute path",
        ),
        (
            "/linux/readonlyPaths/0",
            json!(""),
            "linux.readonlyPaths[0]: `` is not an absolute path",
        ),
        (
            "/linux/intelRdt/closID",
            json!("../x"),
            "linux.intelRdt.closID: `../x` is not one component of a path",
        ),
        (
            "/linux/intelRdt/memBwSchema",
            json!("L3:0=1"),
            "linux.intelRdt.memBwSchema: must begin with `MB:`",
        ),
        (
            "/linux/memoryPolicy/mode",
            json!("MPOL_LOCAL"),
            "linux.memoryPolicy.nodes: MPOL_LOCAL takes none",
        ),
        (
            "/linux/memoryPolicy/nodes",
            Value::Null,
            "linux.memoryPolicy.nodes: required by MPOL_INTERLEAVE",
        ),
        (
            "/linux/personality/flags",
            json!(["X"]),
            "linux.personality.flags: the specification defines no flag",
        ),
        (
            "/linux/timeOffsets/boottime/nanosecs",
            json!(1_000_000_000),
            "linux.timeOffsets.boottime.nanosecs: 1000000000 is not between 0 and 999999999",
        ),
    ]);
}

#[test]
fn resources() {
    expect([
        (
            "/linux/resources/devices/0/access",
            Value::Null,
            "linux.resources.devices[0].access: needs at least one of the letters `r`, `w` and `m`",
        ),
        (
            "/linux/resources/devices/0/major",
            json!(1),
            "linux.resources.devices[0].major: a rule for all types of devices cannot have a number",
        ),
        ("/linux/resources/devices/0/major", json!(-1), "fine"),
        (
            "/linux/resources/devices/1/minor",
            json!(-2),
            "linux.resources.devices[1].minor: -2 is not between -1 and 1048575",
        ),
        (
            "/linux/resources/memory/limit",
            json!(-2),
            "linux.resources.memory.limit: must be a number of bytes, or -1 for no limit",
        ),
        (
            "/linux/resources/memory/limit",
            json!(3_i64 << 30),
            "linux.resources.memory.swap: is less than the limit of memory, 3221225472",
        ),
        (
            "/linux/resources/memory/limit",
            Value::Null,
            "linux.resources.memory.swap: the limit of memory and swap needs one of memory, too",
        ),
        (
            "/linux/resources/memory/limit",
            json!(-1),
            "linux.resources.memory.swap: is less than the limit of memory, which is none",
        ),
        ("/linux/resources/memory/swap", json!(-1), "fine"),
        (
            "/linux/resources/memory/swappiness",
            json!(101),
            "linux.resources.memory.swappiness: 101 is not between 0 and 100",
        ),
        (
            "/linux/resources/cpu/shares",
            json!(1),
            "linux.resources.cpu.shares: 1 is not between 2 and 262144",
        ),
        ("/linux/resources/cpu/shares", json!(0), "fine"),
        (
            "/linux/resources/cpu/quota",
            json!(999),
            "linux.resources.cpu.quota: must be at least 1000 microseconds, or -1 for no limit",
        ),
        (
            "/linux/resources/cpu/period",
            json!(1_000_001),
            "linux.resources.cpu.period: 1000001 is not between 1000 and 1000000",
        ),
        (
            "/linux/resources/cpu/burst",
            json!(50_001),
            "linux.resources.cpu.burst: is more than the quota, 50000",
        ),
        (
            "/linux/resources/cpu/realtimeRuntime",
            json!(10_001),
            "linux.resources.cpu.realtimeRuntime: is more than the realtimePeriod, 10000",
        ),
        (
            "/linux/resources/cpu/cpus",
            json!("0,a"),
            "linux.resources.cpu.cpus: `0,a` is not a list such as 0-3,7",
        ),
        (
            "/linux/resources/cpu/idle",
            json!(2),
            "linux.resources.cpu.idle: 2 is not between 0 and 1",
        ),
        (
            "/linux/resources/pids/limit",
            json!(-2),
            "linux.resources.pids.limit: -2 is not between -1 and 4194304",
        ),
        (
            "/linux/resources/blockIO/weight",
            json!(9),
            "linux.resources.blockIO.weight: 9 is not between 10 and 1000",
        ),
        (
            "/linux/resources/blockIO/weightDevice/0/leafWeight",
            json!(1001),
            "linux.resources.blockIO.weightDevice[0].leafWeight: 1001 is not between 10 and 1000",
        ),
        (
            "/linux/resources/blockIO/throttleReadIOPSDevice/0/major",
            json!(4096),
            "linux.resources.blockIO.throttleReadIOPSDevice[0].major: 4096 is not between 0 and 4095",
        ),
        (
            "/linux/resources/hugepageLimits/0/pageSize",
            json!("02MB"),
            "linux.resources.hugepageLimits[0].pageSize: `02MB` is not a size such as 64KB, 2MB or 1GB",
        ),
        (
            "/linux/resources/hugepageLimits",
            json!([{"pageSize": "1MB", "limit": 0}, {"pageSize": "1024KB", "limit": 0}]),
            "linux.resources.hugepageLimits[1].pageSize: 1024KB is there twice",
        ),
        (
            "/linux/resources/network/priorities/0/name",
            json!(""),
            "linux.resources.network.priorities[0].name: `` is not the name of a network interface",
        ),
        (
            "/linux/resources/unified/a~1b.c",
            json!(""),
            "linux.resources.unified[\"a/b.c\"]: not the name of a cgroup's file, such as memory.high",
        ),
        (
            "/linux/resources/unified/cgroup.procs",
            json!("1"),
            "linux.resources.unified[\"cgroup.procs\"]: is the runtime's to write",
        ),
    ]);
}

#[test]
fn hints_say_what_to_do() {
    for (text, hint) in [
        (
            r#"{"ociVersion":"1.0.0","root":{"path":"r"},"hostname":"a"}"#,
            Some("add that namespace, or leave this out"),
        ),
        (
            r#"{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"resources":{"memory":{"swap":1}}}}"#,
            Some("swap is the sum of memory and swap; -1 is no limit"),
        ),
        ("\u{feff}{}", Some("save it as UTF-8 without a BOM")),
        ("{}", None),
    ] {
        let error = parse_and_check(text.as_bytes()).expect_err(text);
        assert_eq!(error.hint, hint, "{error}");
    }
}

#[test]
fn a_process_and_resources_alone() {
    let error = spec::Process::parse(br#"{"cwd": "/", "args": ["a"], "user": {"uid": "x"}}"#)
        .expect_err("a wrong uid");
    assert_eq!(error.place, "user.uid");
    let process = spec::Process::parse(br#"{"cwd": "/"}"#).expect("a process");
    assert_eq!(
        process.check(None).expect_err("no command").place,
        "process.args"
    );
    let resources = spec::Resources::parse(br#"{"pids": {"limit": -5}}"#).expect("resources");
    assert_eq!(
        resources.check().expect_err("a wrong limit").place,
        "linux.resources.pids.limit"
    );
}
