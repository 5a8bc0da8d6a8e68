//! Namespaces: new ones are new, joined ones are the ones that were named, and those left out are the
//! runtime's own.

use std::fs;

use serde_json::json;

use crate::harness::Bundle;

const TYPES: [(&str, &str); 7] = [
    ("mount", "mnt"),
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

fn own(file: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{file}"))
        .unwrap()
        .to_str()
        .unwrap()
        .to_string()
}

fn inside(bundle: &mut Bundle) -> Vec<String> {
    let out = bundle
        .sh("cd /proc/self/ns; for n in mnt pid net ipc uts cgroup time user; do readlink $n; done")
        .run()
        .ok()
        .out;
    out.lines().map(str::to_string).collect()
}

#[test]
fn new_namespaces_are_new() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.push("/linux/namespaces", json!({"type": "cgroup"}));
    bundle.push("/linux/namespaces", json!({"type": "time"}));
    let found = inside(&mut bundle);
    for ((kind, file), inside) in TYPES.iter().zip(&found) {
        assert_ne!(*inside, own(file), "{kind}");
    }
    assert_eq!(found[7], own("user"), "user was not asked for");
}

#[test]
fn namespaces_left_out_are_the_hosts() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle
        .without_namespace("network")
        .without_namespace("ipc")
        .without_namespace("uts")
        .without_namespace("cgroup");
    bundle.config.as_object_mut().unwrap().remove("hostname");
    let found = inside(&mut bundle);
    for (index, (kind, file)) in TYPES.iter().enumerate() {
        let shared = matches!(*kind, "network" | "ipc" | "uts" | "cgroup" | "time");
        assert_eq!(found[index] == own(file), shared, "{kind}");
    }
}

#[test]
fn joined_namespaces_are_those_named() {
    let (Some(mut first), Some(mut second)) = (Bundle::new(), Bundle::new()) else {
        return;
    };
    first.push("/linux/namespaces", json!({"type": "cgroup"}));
    first.sh("sleep 100").detach().ok();
    let pid = first.pid();
    second.config["linux"]["namespaces"] = json!([{"type": "mount"}]);
    for (kind, file) in TYPES
        .iter()
        .filter(|(kind, _)| !matches!(*kind, "mount" | "time"))
    {
        let path = format!("/proc/{pid}/ns/{file}");
        second.push("/linux/namespaces", json!({"type": kind, "path": path}));
    }
    second.config.as_object_mut().unwrap().remove("hostname");
    let found = inside(&mut second);
    for (index, (kind, file)) in TYPES
        .iter()
        .enumerate()
        .filter(|(_, (kind, _))| *kind != "time")
    {
        let theirs = fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap();
        let joined = *kind != "mount";
        assert_eq!(found[index] == theirs.to_str().unwrap(), joined, "{kind}");
    }
    let out = second
        .sh("hostname; test $$ != 1 && echo yes")
        .run()
        .ok()
        .out;
    assert_eq!(
        out, "runc\nyes\n",
        "the other's name, and not its first process"
    );
}

#[test]
fn a_namespace_of_another_kind_is_refused() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.without_namespace("network");
    bundle.push(
        "/linux/namespaces",
        json!({"type": "network", "path": "/proc/self/ns/uts"}),
    );
    let namespaces = bundle.config["linux"]["namespaces"].as_array().unwrap();
    let place = format!("config.json: linux.namespaces[{}]", namespaces.len() - 1);
    bundle.run().fails(&place);
    bundle.push(
        "/linux/namespaces",
        json!({"type": "network", "path": "/nowhere"}),
    );
    bundle.run().fails(&place);
    bundle.push(
        "/linux/namespaces",
        json!({"type": "network", "path": "/etc/passwd"}),
    );
    bundle.run().fails(&place);
    bundle.assert_nothing_left("refusals");
}

#[test]
fn clocks_of_a_time_namespace() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.push("/linux/namespaces", json!({"type": "time"}));
    bundle.config["linux"]["timeOffsets"] =
        json!({"monotonic": {"secs": 86_400_000}, "boottime": {"secs": 86_400_000}});
    let out = bundle.sh("cut -d. -f1 /proc/uptime").run().ok().out;
    assert!(out.trim().parse::<u64>().unwrap() >= 86_400_000, "{out}");
}

/// A container that waits for its start is in its time namespace already, and so is whoever joins it.
#[test]
fn a_time_namespace_is_entered_before_the_start_and_by_all_that_join() {
    for mapped in [false, true] {
        let (Some(mut first), Some(mut second)) = (Bundle::new(), Bundle::new()) else {
            return;
        };
        first.push("/linux/namespaces", json!({"type": "time"}));
        first.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 86_400_000}});
        let hook = first.below("hook");
        let script = format!("#!/bin/sh\nreadlink /proc/self/ns/time >{hook}.ns\n");
        fs::write(&hook, script).unwrap();
        fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        if mapped {
            first.map_users(100_000, 1000);
        } else {
            first.config["hooks"] = json!({"createContainer": [{"path": hook}]});
        }
        first.sh("sleep 100").create().ok();
        let link = |pid: u64| fs::read_link(format!("/proc/{pid}/ns/time")).unwrap();
        let namespace = link(first.pid());
        assert_ne!(namespace, link(u64::from(std::process::id())));
        if !mapped {
            let told = fs::read_to_string(first.below("hook.ns")).unwrap();
            assert_eq!(told.trim(), namespace.to_str().unwrap());
        }
        for started in [false, true] {
            if started {
                first.verb("start").ok();
            }
            assert_eq!(link(first.pid()), namespace, "started: {started}");
            let script = "readlink /proc/self/ns/time; cut -d. -f1 /proc/uptime; echo $PPID";
            let out = first.exec_sh(script).ok().out;
            let lines: Vec<_> = out.lines().collect();
            assert_eq!(lines[0], namespace.to_str().unwrap(), "started: {started}");
            assert!(lines[1].parse::<u64>().unwrap() >= 86_400_000, "{out}");
            assert_eq!(lines[2], "0", "{out}");
        }
        let path = format!("/proc/{}/ns/time", first.pid());
        second.push("/linux/namespaces", json!({"type": "time", "path": path}));
        let out = second.sh("readlink /proc/self/ns/time").run().ok().out;
        assert_eq!(out.trim(), namespace.to_str().unwrap());
        second.assert_nothing_left("run");
        first.call(&["delete", "--force", &first.id]).ok();
        first.assert_nothing_left("delete");
    }
}

#[test]
fn the_payload_is_process_1_and_the_network_is_empty() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let out = bundle
        .sh("echo $$; ls /proc | grep -c '^[0-9]'; ip -o link | wc -l")
        .run()
        .ok()
        .out;
    assert_eq!(out.lines().next(), Some("1"));
    assert_eq!(out.lines().last(), Some("1"), "only the loopback: {out}");
}

#[test]
fn the_name_of_the_machine() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["hostname"] = json!("box-1");
    bundle.config["domainname"] = json!("example.org");
    let out = bundle
        .sh("hostname; cat /proc/sys/kernel/domainname")
        .run()
        .ok()
        .out;
    assert_eq!(out, "box-1\nexample.org\n");
    bundle.without_namespace("uts");
    bundle.run().fails("hostname");
    assert_ne!(
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        "box-1\n"
    );
}

#[test]
fn user_namespaces_map_ids() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.map_users(100_000, 1000);
    std::os::unix::fs::chown(
        bundle.below("rootfs/etc/hidden"),
        Some(100_000),
        Some(100_007),
    )
    .unwrap();
    let out = bundle.sh("cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; id -u; stat -c '%u:%g' /etc/hidden /etc/passwd").run().ok().out;
    assert_eq!(out, " 0 100000 1000\n 0 100000 1000\n0\n0:7\n65534:65534\n");
    bundle.sh("sleep 100").detach().ok();
    let status = fs::read_to_string(format!("/proc/{}/status", bundle.pid())).unwrap();
    assert!(
        status.contains("Uid:\t100000\t100000\t100000\t100000"),
        "{status}"
    );
    assert!(
        status.contains("Groups:\t \n"),
        "no groups of the caller's: {status}"
    );
    assert_eq!(
        bundle
            .exec_sh("id -u; readlink /proc/self/ns/user")
            .ok()
            .out
            .lines()
            .next(),
        Some("0")
    );
}

#[test]
fn user_namespaces_get_their_devices_and_file_systems() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.map_users(100_000, 1000);
    let out = bundle.sh("echo x > /dev/null; head -c4 /dev/zero | wc -c; stat -c '%t:%T' /dev/null; echo y > /dev/shm/f; cat /dev/shm/f; ls -d /dev/pts/ptmx").run().ok().out;
    assert_eq!(out, "4\n1:3\ny\n/dev/pts/ptmx\n");
}

#[test]
fn mounts_with_translated_owners() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.map_users(100_000, 1000).capabilities(&["CAP_CHOWN"]);
    fs::create_dir(bundle.below("shared")).unwrap();
    fs::write(bundle.below("shared/file"), "x").unwrap();
    std::os::unix::fs::chown(bundle.below("shared/file"), Some(5), Some(6)).unwrap();
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    let mount = json!({
        "type": "bind", "source": "shared", "destination": "/mnt", "options": ["bind"],
        "uidMappings": maps, "gidMappings": maps,
    });
    bundle.push("/mounts", mount);
    let out = bundle.sh("stat -c '%u:%g' /mnt/file; touch /mnt/new; chown 3:4 /mnt/new; stat -c '%u:%g' /mnt/new").run().ok().out;
    assert_eq!(out, "5:6\n3:4\n");
    let made = fs::metadata(bundle.below("shared/new")).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        (made.uid(), made.gid()),
        (3, 4),
        "on the host the owner is the container's number"
    );
}

#[test]
fn a_user_namespace_without_maps_is_refused() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.push("/linux/namespaces", json!({"type": "user"}));
    bundle.run().fails("linux.uidMappings");
    bundle.without_namespace("user");
    bundle.config["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
    bundle.run().fails("linux.uidMappings");
}

/// A pod's containers: the first one's user namespace, and others that belong to it.
#[test]
fn a_user_namespace_is_joined() {
    let (Some(mut first), Some(mut second)) = (Bundle::new(), Bundle::permissive()) else {
        return;
    };
    first.map_users(100_000, 1000).sh("sleep 100").detach().ok();
    let pid = first.pid();
    std::os::unix::fs::chown(second.below("rootfs"), Some(100_000), Some(100_000)).unwrap();
    fs::create_dir(second.below("volume")).unwrap();
    std::os::unix::fs::chown(second.below("volume"), Some(5), Some(5)).unwrap();
    second.mount("bind", "volume", "/volume", &["bind", "idmap"]);
    let path = format!("/proc/{pid}/ns/user");
    second.push("/linux/namespaces", json!({"type": "user", "path": path}));
    second.push("/linux/namespaces", json!({"type": "cgroup"}));
    second.push("/linux/namespaces", json!({"type": "time"}));
    second.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 86_400_000}});
    second.without_namespace("network");
    let network = format!("/proc/{pid}/ns/net");
    second.push(
        "/linux/namespaces",
        json!({"type": "network", "path": network}),
    );
    let found = inside(&mut second);
    let theirs = |name: &str| {
        let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
        link.to_str().unwrap().to_string()
    };
    for (index, name) in ["mnt", "pid", "net", "ipc", "uts", "cgroup", "time", "user"]
        .into_iter()
        .enumerate()
    {
        let joined = matches!(name, "net" | "user");
        assert_eq!(found[index] == theirs(name), joined, "{name}");
        assert_ne!(found[index], own(name), "{name}");
    }
    let out = second
        .sh("echo $$; id -u; cut -d. -f1 /proc/uptime; tr -s ' ' </proc/self/uid_map; stat -c %u /volume; \
             ls -l /dev/null | cut -c1; mount -t tmpfs none /tmp 2>/dev/null || echo confined")
        .run()
        .ok()
        .out;
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..2], ["1", "0"], "{out}");
    assert!(lines[2].parse::<u64>().unwrap() >= 86_400_000, "{out}");
    assert_eq!(
        lines[3..],
        [" 0 100000 1000", "5", "c", "confined"],
        "{out}"
    );
    second.assert_nothing_left("run");
}

#[test]
fn containers_in_a_joined_user_namespace_live_from_create_to_delete() {
    let (Some(mut first), Some(mut second)) = (Bundle::new(), Bundle::permissive()) else {
        return;
    };
    first.map_users(100_000, 1000).sh("sleep 100").detach().ok();
    let pid = first.pid();
    let path = format!("/proc/{pid}/ns/user");
    second.push("/linux/namespaces", json!({"type": "user", "path": path}));
    second.config["linux"]["uidMappings"] =
        json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    second.config["linux"]["gidMappings"] = second.config["linux"]["uidMappings"].clone();
    second.sh("sleep 100").create().ok();
    assert_eq!(second.status(), "created");
    second.verb("start").ok();
    assert_eq!(second.exec_sh("id -u; echo $PPID").ok().out, "0\n0\n");
    let owner = fs::metadata(format!("/proc/{}", second.pid())).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), 100_000);
    second.call(&["delete", "--force", &second.id]).ok();
    second.assert_nothing_left("delete");
    second.config["linux"]["gidMappings"][0]["size"] = json!(999);
    second.create().fails("config.json: linux.gidMappings");
    second.config["linux"]["namespaces"]
        .as_array_mut()
        .unwrap()
        .pop();
    second.push(
        "/linux/namespaces",
        json!({"type": "user", "path": "/proc/self/ns/uts"}),
    );
    let namespaces = second.config["linux"]["namespaces"].as_array().unwrap();
    let place = format!("config.json: linux.namespaces[{}]", namespaces.len() - 1);
    second.create().fails(&place);
    second.assert_nothing_left("refusals");
}

#[test]
fn as_many_lines_of_maps_as_the_kernel_takes() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let lines = |count: u32| {
        let line = |n| json!({"containerID": n, "hostID": 1000 + 2 * n, "size": 1});
        json!((0..count).map(line).collect::<Vec<_>>())
    };
    bundle.push("/linux/namespaces", json!({"type": "user"}));
    bundle.config["linux"]["uidMappings"] = lines(340);
    bundle.config["linux"]["gidMappings"] = lines(340);
    let out = bundle.sh("wc -l < /proc/self/uid_map; wc -l < /proc/self/gid_map");
    assert_eq!(out.run().ok().out, "340\n340\n");
    bundle.config["linux"]["gidMappings"] = lines(341);
    bundle.run().fails("linux.gidMappings");
    bundle.assert_nothing_left("a map that is too long");
}
