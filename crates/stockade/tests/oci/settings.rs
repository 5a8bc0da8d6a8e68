//! Kernel settings, limits and filters: what is asked for holds.

use std::path::Path;

use serde_json::json;

use crate::harness::{Bundle, unified};

#[test]
fn sysctls_of_the_containers_namespaces() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let before = std::fs::read_to_string("/proc/sys/kernel/shmmni").unwrap();
    bundle.config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1", "kernel.shmmni": "1234", "net/ipv4/conf/lo/forwarding": "1"});
    let script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni /proc/sys/net/ipv4/conf/lo/forwarding";
    assert_eq!(bundle.sh(script).run().ok().out, "1\n1234\n1\n");
    assert_eq!(
        std::fs::read_to_string("/proc/sys/kernel/shmmni").unwrap(),
        before
    );
    for key in [
        "kernel.panic",
        "vm.swappiness",
        "net.ipv4.no_such",
        "kernel.shmmni.x",
        "../x",
        "net.ipv4.../../../kernel/panic",
    ] {
        bundle.config["linux"]["sysctl"] = json!({key: "1"});
        bundle.run().fails("config.json: linux.sysctl");
    }
    bundle.without_namespace("network");
    bundle.config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
    bundle.run().fails("config.json: linux.sysctl");
    bundle.assert_nothing_left("refusals");
}

#[test]
fn a_limit_on_processes_refuses_the_next_one() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 5});
    let out = bundle
        .sh("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; true")
        .run();
    assert!(out.err.contains("can't fork"), "{out:?}");
    bundle.assert_nothing_left("run");
}

#[test]
fn a_limit_on_memory_kills() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 8 << 20, "swap": 8 << 20});
    let outcome = bundle
        .args(&["dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"])
        .run();
    assert_eq!(outcome.code, 137, "{outcome:?}");
    bundle.assert_nothing_left("a kill for memory");
}

#[test]
fn a_limit_on_processor_time_throttles() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["resources"]["cpu"] =
        json!({"quota": 5000, "period": 50000, "shares": 512});
    bundle.sh("while true; do :; done").detach().ok();
    bundle.wait_until("throttling", || {
        let stat = bundle.cgroup_file("cpu", "cpu.stat");
        let throttled = stat
            .lines()
            .find_map(|line| line.strip_prefix("nr_throttled "));
        throttled.is_some_and(|count| count != "0")
    });
    let (file, weight) = if unified() {
        ("cpu.weight", "59")
    } else {
        ("cpu.shares", "512")
    };
    assert_eq!(bundle.cgroup_file("cpu", file), weight);
}

#[test]
fn limits_change_while_the_container_runs() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let memory = if unified() {
        "memory.max"
    } else {
        "memory.limit_in_bytes"
    };
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 50});
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20});
    bundle.sh("sleep 100").detach().ok();
    bundle
        .call(&[
            "update",
            "--pids-limit",
            "77",
            "--memory",
            "128m",
            &bundle.id,
        ])
        .ok();
    assert_eq!(bundle.cgroup_file("pids", "pids.max"), "77");
    assert_eq!(
        bundle.cgroup_file("memory", memory),
        (128 << 20).to_string()
    );
    std::fs::write(bundle.below("limits"), r#"{"pids": {"limit": 33}}"#).unwrap();
    bundle
        .call(&["update", "-r", &bundle.below("limits"), &bundle.id])
        .ok();
    assert_eq!(bundle.cgroup_file("pids", "pids.max"), "33");
    assert_eq!(
        bundle.cgroup_file("memory", memory),
        (128 << 20).to_string()
    );
    bundle
        .call(&["update", "--memory", "banana", &bundle.id])
        .fails("--memory");
    bundle
        .call(&["update", "--pids-limit", "1x", &bundle.id])
        .fails("--pids-limit");
}

#[test]
fn devices_that_are_not_allowed_cannot_be_opened() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.capabilities(&["CAP_MKNOD", "CAP_SYS_ADMIN"]);
    bundle.config["process"]["noNewPrivileges"] = json!(false);
    bundle.mount("tmpfs", "tmpfs", "/tmp", &["dev"]);
    bundle.config["linux"]["resources"]["devices"] = json!([
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "r"},
        {"allow": true, "type": "c", "major": 1, "access": "m"},
    ]);
    // As with every runtime, any node may be made; what counts is opening it.
    let script = "mknod /tmp/kmsg c 1 11; mknod /tmp/zero c 1 5; mknod /tmp/loop b 7 0; \
        head -c1 /tmp/kmsg; head -c1 /tmp/loop; head -c1 /tmp/zero | wc -c; echo x > /dev/null && echo fine";
    let outcome = bundle.sh(script).run();
    assert_eq!(outcome.out, "1\nfine\n", "{outcome:?}");
    for refused in [
        "/tmp/kmsg: Operation not permitted",
        "/tmp/loop: Operation not permitted",
    ] {
        assert!(outcome.err.contains(refused), "{refused} in {outcome:?}");
    }
    bundle.sh("sleep 100").detach().ok();
    let outcome = bundle.exec_sh("mknod /tmp/kmsg c 1 11; head -c1 /tmp/kmsg");
    assert!(
        outcome.err.contains("Operation not permitted"),
        "exec has the same policy: {outcome:?}"
    );
}

#[test]
fn a_cgroup_in_use_is_refused() {
    let (Some(mut first), Some(mut second)) = (Bundle::new(), Bundle::new()) else {
        return;
    };
    first.sh("sleep 100").detach().ok();
    second.config["linux"]["cgroupsPath"] = json!(first.cgroup());
    second
        .sh("true")
        .run()
        .fails("container's cgroup is not empty");
    assert_eq!(first.status(), "running");
    first.verb("pause").ok();
    second.run().fails("cgroup");
    assert_eq!(first.status(), "paused");
}

/// An engine that names a cgroup counts on it: a pod's limit, on the cgroup above, holds for a container
/// that has none, and use is read where the name says.
#[test]
fn a_named_cgroup_is_below_its_parent_in_every_hierarchy_with_limits() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let pids = Path::new("/sys/fs/cgroup/pids");
    if !pids.exists() {
        return;
    }
    let cgroup = bundle.cgroup();
    let pod = cgroup.rsplit_once('/').expect("a parent").0;
    let pod = pids.join(&pod[1..]);
    std::fs::create_dir(&pod).expect("the pod's cgroup");
    std::fs::write(pod.join("pids.max"), "2").expect("its limit");
    bundle.config["linux"]["resources"] = json!({});
    bundle
        .sh("sleep 1 & sleep 1 & sleep 1 & wait")
        .run()
        .fails_inside("can't fork");
    bundle.sh("sleep 100").detach().ok();
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", bundle.pid())).unwrap();
    for controller in [
        "memory",
        "cpu",
        "cpuacct",
        "cpuset",
        "blkio",
        "name=systemd",
    ] {
        let path = path_in(&groups, controller);
        assert_eq!(path, Some(cgroup.as_str()), "{controller}: {groups}");
    }
}

/// The path in the v1 hierarchy of a controller, by the lines of `/proc/PID/cgroup`.
fn path_in<'g>(groups: &'g str, controller: &str) -> Option<&'g str> {
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        names
            .split(',')
            .any(|name| name == controller)
            .then_some(path)
    })
}

/// A key is written where the check of its name says, whichever separator it uses: `lo` stands for an
/// interface whose name has a dot, which a new network namespace does not have.
#[test]
fn a_sysctl_of_either_form_is_the_same_file() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    for key in ["net.ipv4.conf.lo.forwarding", "net/ipv4/conf/lo/forwarding"] {
        bundle.config["linux"]["sysctl"] = json!({key: "1"});
        let out = bundle
            .sh("cat /proc/sys/net/ipv4/conf/lo/forwarding")
            .run()
            .ok()
            .out;
        assert_eq!(out, "1\n", "{key}");
    }
    bundle.config["linux"]["sysctl"] = json!({"net.ipv4.conf.lo/1.forwarding": "1"});
    bundle
        .sh("true")
        .run()
        .fails("net/ipv4/conf/lo.1/forwarding");
}

#[test]
fn personality_and_memory_policy_are_set() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["personality"] = json!({"domain": "LINUX32"});
    let out = bundle.sh("cat /proc/self/personality").run().ok().out;
    assert_eq!(out.trim(), "00000008");
    bundle.config["linux"]["memoryPolicy"] = json!({"mode": "MPOL_BIND", "nodes": "0"});
    let maps = bundle.sh("cat /proc/self/numa_maps").run().ok().out;
    assert!(maps.contains(" bind:0 "), "{maps}");
}

#[test]
fn limits_of_huge_pages_and_raw_files_of_v2() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let size = std::path::Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB");
    let unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .map(|dir| std::path::Path::new(dir).join("cgroup.controllers"));
    let controllers = unified
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    if !size.exists() || !controllers.is_some_and(|all| all.contains("hugetlb")) {
        eprintln!("skipped: no huge pages in a cgroup v2");
        return;
    }
    bundle.push("/linux/namespaces", json!({"type": "cgroup"}));
    bundle.config["linux"]["resources"]["hugepageLimits"] =
        json!([{"pageSize": "2MB", "limit": 4_194_304}]);
    bundle.config["linux"]["resources"]["unified"] = json!({"cgroup.max.descendants": "7"});
    let show = "for f in hugetlb.2MB.max hugetlb.2MB.rsvd.max cgroup.max.descendants; do \
        cat $(find /sys/fs/cgroup -name $f); done";
    let out = bundle.sh(show).run().ok().out;
    assert_eq!(out, "4194304\n4194304\n7\n");
    bundle.assert_nothing_left("run");
}

#[test]
fn resources_that_this_host_cannot_hold_are_refused_by_name() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let default = bundle.config["linux"]["resources"].clone();
    for (field, value, place) in [
        (
            "rdma",
            json!({"no-such-device": {"hcaHandles": 1}}),
            "linux.resources.rdma",
        ),
        (
            "unified",
            json!({"banana.max": "1"}),
            "linux.resources.unified",
        ),
        (
            "unified",
            json!({"misc.max": "no-such-resource 1"}),
            "linux.resources.unified",
        ),
        (
            "unified",
            json!({"../memory.max": "1"}),
            "linux.resources.unified",
        ),
        (
            "hugepageLimits",
            json!([{"pageSize": "3MB", "limit": 0}]),
            "linux.resources.hugepageLimits[0]",
        ),
        (
            "hugepageLimits",
            json!([{"pageSize": "x/y", "limit": 0}]),
            "linux.resources.hugepageLimits[0]",
        ),
    ] {
        bundle.config["linux"]["resources"] = default.clone();
        bundle.config["linux"]["resources"][field] = value;
        bundle.sh("true").run().fails(place);
        bundle.assert_nothing_left(place);
    }
    bundle.config["linux"]["resources"] = default;
    bundle.config["linux"]["intelRdt"] = json!({"closID": "c", "l3CacheSchema": "L3:0=f"});
    bundle.run().fails("config.json: linux.intelRdt");
    bundle.assert_nothing_left("linux.intelRdt");
}

/// What `features` promises is what the verbs then take.
#[test]
fn features_are_those_that_are_built() {
    let Some(bundle) = Bundle::new() else {
        return;
    };
    let out = bundle.call(&["features"]).ok().out;
    let features: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let linux = &features["linux"];
    for (pointer, built) in [
        ("/netDevices/enabled", true),
        ("/mountExtensions/idmap/enabled", true),
        ("/seccomp/enabled", true),
        ("/apparmor/enabled", true),
        ("/selinux/enabled", true),
        ("/intelRdt/enabled", false),
    ] {
        assert_eq!(linux.pointer(pointer), Some(&json!(built)), "{pointer}");
    }
    for option in [
        "idmap",
        "ridmap",
        "rro",
        "rnosymfollow",
        "tmpcopyup",
        "runbindable",
    ] {
        let options = features["mountOptions"].as_array().expect("a list");
        assert!(options.contains(&json!(option)), "{option}");
    }
}

#[test]
fn updated_limits_make_room_for_one_another() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 32 << 20, "swap": 64 << 20});
    bundle.config["linux"]["resources"]["cpu"] = json!({"shares": 100});
    bundle.sh("exec sleep 100").detach().ok();
    let update = |words: &[&str]| {
        let mut all = vec!["update"];
        all.extend(words);
        all.push(&bundle.id);
        bundle.call(&all).ok()
    };
    update(&["--memory", "-1"]);
    if !unified() {
        let limit = bundle.cgroup_file("memory", "memory.memsw.limit_in_bytes");
        assert!(limit.trim().parse::<u64>().unwrap() > 1 << 60, "{limit}");
    }
    for idle in ["1", "0", "1"] {
        update(&["--cpu-idle", idle]);
        assert_eq!(bundle.cgroup_file("cpu", "cpu.idle").trim(), idle);
    }
    update(&["--cpu-period", "10000"]);
    assert_eq!(bundle.cgroup_file("cpu", "cpu.idle").trim(), "1");
}
