//! Mounts: their options, what is made for them, and roots that try to lead them astray.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::Bundle;

/// The options of the mount at `path`, as the payload sees them.
fn options(bundle: &mut Bundle, path: &str) -> String {
    let script =
        format!("awk '$5 == \"{path}\" {{print $6\" \"$0}}' /proc/self/mountinfo | tail -n1");
    bundle.sh(&script).run().ok().out
}

#[test]
fn attributes_of_new_mounts_and_binds() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    fs::create_dir(bundle.below("source")).unwrap();
    bundle.mount(
        "tmpfs",
        "tmpfs",
        "/a",
        &[
            "ro",
            "nosuid",
            "nodev",
            "noexec",
            "noatime",
            "size=64k",
            "mode=0700",
        ],
    );
    bundle.mount(
        "bind",
        "source",
        "/b",
        &["rbind", "ro", "nosuid", "nodev", "noexec", "nosymfollow"],
    );
    let a = options(&mut bundle, "/a");
    for option in ["ro", "nosuid", "nodev", "noexec", "noatime"] {
        assert!(
            a.split([' ', ',']).any(|word| word == option),
            "{option} in {a}"
        );
    }
    assert!(a.contains("size=64k") && a.contains("mode=700"), "{a}");
    let b = options(&mut bundle, "/b");
    for option in ["ro", "nosuid", "nodev", "noexec", "nosymfollow"] {
        assert!(
            b.split([' ', ',']).any(|word| word == option),
            "{option} in {b}"
        );
    }
    bundle
        .sh("touch /a/x")
        .run()
        .fails_inside("Read-only file system");
    bundle
        .sh("touch /b/x")
        .run()
        .fails_inside("Read-only file system");
}

#[test]
fn a_read_only_root_is_read_only_and_its_mounts_are_not() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.mount("tmpfs", "tmpfs", "/tmp", &[]);
    bundle
        .sh("touch /tmp/x && touch /dev/x && touch /x")
        .run()
        .fails_inside("/x: Read-only file system");
    bundle.config["root"]["readonly"] = json!(false);
    bundle.sh("touch /x").run().ok();
    assert!(bundle.dir.join("rootfs/x").exists());
}

#[test]
fn recursive_attributes_reach_submounts() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    // A tree with a submount, made by a first mount in the same configuration.
    bundle.mount("tmpfs", "tmpfs", "/a", &[]);
    bundle.mount("tmpfs", "tmpfs", "/a/b", &[]);
    bundle.mount("", "", "/a", &["remount", "rbind", "rro"]);
    let both = format!(
        "{}{}",
        options(&mut bundle, "/a"),
        options(&mut bundle, "/a/b")
    );
    assert_eq!(
        both.lines().filter(|line| line.starts_with("ro,")).count(),
        2,
        "{both}"
    );
}

#[test]
fn rro_binds_are_read_only_below() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.mount("bind", "/dev", "/hostdev", &["rbind", "rro"]);
    bundle
        .sh("touch /hostdev/shm/stockade-test")
        .run()
        .fails_inside("Read-only file system");
    bundle.config["mounts"].as_array_mut().unwrap().pop();
    bundle.mount("bind", "/dev", "/hostdev", &["rbind", "ro"]);
    bundle
        .sh("touch /hostdev/stockade-test")
        .run()
        .fails_inside("Read-only file system");
}

#[test]
fn missing_targets_are_made() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    fs::write(bundle.below("file"), "content").unwrap();
    bundle.mount("bind", "file", "/new/deep/file", &["bind"]);
    bundle.mount("tmpfs", "tmpfs", "/other/deep//dir/", &[]);
    let out = bundle
        .sh("cat /new/deep/file; stat -c '%F' /other/deep/dir; stat -f -c %T /other/deep/dir")
        .run()
        .ok()
        .out;
    assert_eq!(out, "contentdirectory\ntmpfs\n");
}

#[test]
fn tmpcopyup_keeps_what_was_there() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let etc = bundle.dir.join("rootfs/etc");
    fs::create_dir(etc.join("sub")).unwrap();
    fs::write(etc.join("sub/deep"), "deep").unwrap();
    symlink("passwd", etc.join("link")).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/etc", &["tmpcopyup"]);
    let out = bundle.sh("cat /etc/hidden /etc/sub/deep; readlink /etc/link; echo changed > /etc/hidden; cat /etc/hidden").run().ok().out;
    assert_eq!(out, "hidden\ndeeppasswd\nchanged\n");
    assert_eq!(fs::read_to_string(etc.join("hidden")).unwrap(), "hidden\n");
}

#[test]
fn tmpcopyup_keeps_owners_and_modes() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let file = bundle.dir.join("rootfs/etc/hidden");
    std::os::unix::fs::chown(&file, Some(12), Some(34)).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/etc", &["tmpcopyup"]);
    assert_eq!(
        bundle.sh("stat -c '%u:%g %a' /etc/hidden").run().ok().out,
        "12:34 640\n"
    );
}

#[test]
fn propagation() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.mount("tmpfs", "tmpfs", "/a", &["shared"]);
    bundle.mount("tmpfs", "tmpfs", "/b", &["private"]);
    bundle.mount("tmpfs", "tmpfs", "/c", &["unbindable"]);
    assert!(options(&mut bundle, "/a").contains("shared:"));
    assert!(!options(&mut bundle, "/b").contains("shared:"));
    assert!(options(&mut bundle, "/c").contains("unbindable"));
    bundle.config["mounts"][7]["options"] = json!(["banana"]);
    bundle.run().fails("config.json: mounts[7]");
}

#[test]
fn propagation_of_the_root() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    for (asked, found) in [
        ("private", ""),
        ("rprivate", ""),
        ("slave", ""),
        ("rslave", ""),
        ("shared", "shared:"),
        ("rshared", "shared:"),
        ("unbindable", "unbindable"),
        ("runbindable", "unbindable"),
    ] {
        bundle.config["linux"]["rootfsPropagation"] = json!(asked);
        let options = options(&mut bundle, "/");
        assert!(options.contains(found), "{asked}: {options}");
        let others = ["shared:", "unbindable", "master:"];
        let others = others.iter().filter(|other| **other != found);
        assert!(
            others.clone().all(|other| !options.contains(other)),
            "{asked}: {options}"
        );
    }
    bundle.config["linux"]["rootfsPropagation"] = json!("sideways");
    bundle.run().fails("linux.rootfsPropagation");
    bundle.config["linux"]["rootfsPropagation"] = json!("shared");
    bundle
        .run_with(&["--no-pivot"])
        .fails("linux.rootfsPropagation");
    bundle.assert_nothing_left("refusals");
}

/// Runs the container on a host all of whose mounts are shared, as systemd has it, after `before`; gives its
/// output and, after a line `host`, the host's mounts below the bundle.
fn on_a_shared_host(bundle: &Bundle, before: &str) -> crate::harness::Outcome {
    bundle.write_config();
    let dir = bundle.path();
    let script = format!(
        "mount --make-rshared / && {before} \"$0\" oci --root {dir}/state run {}; code=$?; \
         echo host; grep {dir} /proc/self/mountinfo | cut -d' ' -f5-; exit $code",
        bundle.id
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]);
    command.arg(crate::harness::program());
    command.current_dir(dir);
    bundle.finish(command)
}

const MOUNTS_INSIDE: &str = "mount -t tmpfs none /vol/in && mkdir -p /x && mount -t tmpfs none /x && grep -c ' /vol/in ' /proc/self/mountinfo";

/// A container that mounts over a volume of the host's.
fn with_a_volume(options: &[&str]) -> Option<Bundle> {
    let mut bundle = Bundle::permissive()?;
    std::fs::create_dir_all(bundle.below("vol/in")).unwrap();
    let volume = bundle.below("vol");
    bundle.mount("bind", &volume, "/vol", options);
    bundle.capabilities(&["CAP_SYS_ADMIN"]);
    bundle.sh(MOUNTS_INSIDE);
    Some(bundle)
}

#[test]
fn what_is_mounted_inside_reaches_no_host_that_shares() {
    for (users, root) in [
        (false, None),
        (false, Some("private")),
        (false, Some("shared")),
        (false, Some("unbindable")),
        (true, None),
        (true, Some("shared")),
    ] {
        let Some(mut bundle) = with_a_volume(&["rbind"]) else {
            return;
        };
        if users {
            bundle.map_users(100_000, 1000);
            for path in ["", "rootfs", "vol", "vol/in"] {
                let path = bundle.below(path);
                std::os::unix::fs::chown(path, Some(100_000), Some(100_000)).unwrap();
            }
        }
        if let Some(root) = root {
            bundle.config["linux"]["rootfsPropagation"] = json!(root);
        }
        let outcome = on_a_shared_host(&bundle, "").ok();
        assert_eq!(outcome.out, "1\nhost\n", "users: {users}, root: {root:?}");
    }
}

#[test]
fn translated_volumes_are_no_peers_of_the_hosts() {
    let Some(mut bundle) = with_a_volume(&["rbind", "ridmap"]) else {
        return;
    };
    let maps = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
    let last = bundle.config["mounts"].as_array().unwrap().len() - 1;
    bundle.config["mounts"][last]["uidMappings"] = maps.clone();
    bundle.config["mounts"][last]["gidMappings"] = maps;
    let outcome = on_a_shared_host(&bundle, "").ok();
    assert_eq!(outcome.out, "1\nhost\n");
}

#[test]
fn idmap_is_for_the_mount_and_ridmap_for_those_below_too() {
    if !crate::harness::kernel_is_from(6, 3) {
        eprintln!("skipped: tmpfs translates no owners before Linux 6.3");
        return;
    }
    for (option, owners) in [
        ("idmap", "1005\n7\n"),
        ("ridmap", "1005\n1007\n"),
        ("", "1005\n7\n"),
    ] {
        let Some(mut bundle) = with_a_volume(&["rbind", option]) else {
            return;
        };
        std::os::unix::fs::chown(bundle.below("vol"), Some(5), Some(5)).unwrap();
        let maps = json!([{"containerID": 0, "hostID": 1000, "size": 100}]);
        let mount = bundle.config["mounts"]
            .as_array_mut()
            .unwrap()
            .last_mut()
            .unwrap();
        mount["uidMappings"] = maps.clone();
        mount["gidMappings"] = maps;
        if option.is_empty() {
            mount["options"] = json!(["rbind"]);
        }
        bundle.sh("stat -c %u /vol /vol/in");
        let volume = bundle.below("vol");
        let before = format!("mount -t tmpfs none {volume}/in && chown 7:7 {volume}/in &&");
        let out = on_a_shared_host(&bundle, &before).ok().out;
        assert!(out.starts_with(owners), "{option}: {out}");
    }
    let Some(mut bundle) = with_a_volume(&["rbind", "idmap"]) else {
        return;
    };
    bundle.run().fails("mounts[7].uidMappings");
    bundle.config["mounts"][7]["uidMappings"] = json!([{"containerID": 0, "hostID": 1, "size": 0}]);
    bundle.config["mounts"][7]["gidMappings"] = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
    bundle.run().fails("mounts[7].uidMappings[0].size");
}

#[test]
fn a_shared_volume_is_shared_both_ways() {
    for (options, reaches) in [(["rbind", "rshared"], true), (["rbind", "rslave"], false)] {
        let Some(mut bundle) = with_a_volume(&options) else {
            return;
        };
        bundle.config["linux"]["rootfsPropagation"] = json!("rshared");
        let volume = bundle.below("vol");
        let before = format!(
            "mount --bind {volume} {volume} && mkdir {volume}/out && \
             {{ (while ! test -e {volume}/ready; do sleep 0.02; done; mount -t tmpfs none {volume}/out; touch {volume}/done) & }} &&"
        );
        bundle.sh(&format!(
            "{MOUNTS_INSIDE}; touch /vol/ready; while ! test -e /vol/done; do sleep 0.02; done; \
             grep -c ' /vol/out ' /proc/self/mountinfo"
        ));
        let outcome = on_a_shared_host(&bundle, &before).ok();
        let (inside, host) = outcome.out.split_once("host\n").unwrap();
        assert_eq!(inside, "1\n1\n", "events come in: {options:?}");
        let host: Vec<_> = host
            .lines()
            .filter(|line| line.contains("/vol/in "))
            .collect();
        assert_eq!(!host.is_empty(), reaches, "{options:?}: {host:?}");
    }
}

#[test]
fn nothing_of_the_host_is_left_in_the_tree() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let out = bundle
        .sh("cut -d' ' -f5 /proc/self/mountinfo")
        .run()
        .ok()
        .out;
    assert!(!out.contains("/tmp/") && !out.contains("rootfs"), "{out}");
    assert_eq!(out.lines().filter(|line| *line == "/").count(), 1, "{out}");
    let out = bundle.sh("ls /.. | sort | tr '\\n' ' '").run().ok().out;
    assert!(!out.contains("home"), "{out}");
}

#[test]
fn no_pivot_contains_too() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("ls / | sort | head -n1; cut -d' ' -f5 /proc/self/mountinfo | head -n1");
    let outcome = bundle.run_with(&["--no-pivot"]).ok();
    assert!(outcome.out.starts_with("bin\n"), "{outcome:?}");
    bundle.assert_nothing_left("run --no-pivot");
}

/// Where a procfs or a sysfs without covers is left in the namespace, the kernel gives whoever makes a user
/// namespace of his own another one, without the masks of the container's.
#[test]
fn no_pivot_leaves_no_bare_procfs_behind() {
    for users in [false, true] {
        let Some(mut bundle) = Bundle::new() else {
            return;
        };
        if users {
            bundle.map_users(100_000, 1000);
        }
        bundle.capabilities(&["CAP_SYS_ADMIN", "CAP_SETFCAP"]);
        for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys")] {
            let inner = format!("mkdir -p /dev/shm/x; mount -t {kind} none /dev/shm/x");
            bundle.sh(&format!(
                "awk '{{print $5}}' /proc/self/mountinfo; test -d {place} && \
                 unshare -Urmnpf sh -c '{inner} && echo bare; true'; echo done"
            ));
            for options in [&[][..], &["--no-pivot"]] {
                let outcome = bundle.run_with(options).ok();
                let lines = outcome.lines();
                assert!(
                    lines.contains(&"done") && !lines.contains(&"bare"),
                    "{users} {kind} {options:?}: {outcome:?}"
                );
                assert!(outcome.err.contains("ermi"), "{kind}: {outcome:?}");
            }
        }
        bundle.assert_nothing_left("run --no-pivot");
    }
}

#[test]
fn no_pivot_takes_no_mount_from_a_host_that_shares() {
    for users in [false, true] {
        let Some(mut bundle) = Bundle::new() else {
            return;
        };
        if users {
            bundle.map_users(100_000, 1000);
        }
        bundle.sh("true").write_config();
        let dir = bundle.path();
        let mut command = std::process::Command::new("unshare");
        let script = format!(
            "mount --make-rshared / && cat /proc/self/mountinfo >{dir}/before && \
             \"$0\" oci --root {dir}/state run --no-pivot {}; code=$?; \
             cmp {dir}/before /proc/self/mountinfo && echo same; exit $code",
            bundle.id
        );
        command.args(["-m", "sh", "-c", &script]);
        command.arg(crate::harness::program()).current_dir(dir);
        let outcome = bundle.finish(command).ok();
        assert_eq!(outcome.out, "same\n", "{users}: {outcome:?}");
    }
}

#[test]
fn links_in_a_root_stay_in_the_root() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    let outside = bundle.below("outside");
    fs::create_dir(&outside).unwrap();
    let root = bundle.dir.join("rootfs");
    symlink(&outside, root.join("absolute")).unwrap();
    symlink("../../../../../..", root.join("dots")).unwrap();
    symlink("/proc/self/cwd", root.join("magic")).unwrap();
    fs::write(bundle.below("file"), "content").unwrap();
    bundle.mount("bind", "file", "/absolute/made", &["bind"]);
    bundle.mount("tmpfs", "tmpfs", &format!("/dots{outside}/dir"), &[]);
    // Both are looked up inside the root, where the directories are missing and made.
    bundle.sh("true").run().ok();
    assert_eq!(
        fs::read_dir(&outside).unwrap().count(),
        0,
        "something was made outside"
    );
    let before = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!before.contains(&outside));
    bundle.mount("tmpfs", "tmpfs", "/magic/x", &[]);
    let outcome = bundle.run();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{outcome:?}");
}

#[test]
fn proc_sys_and_dev_are_no_links() {
    for name in ["proc", "sys", "dev"] {
        let Some(mut bundle) = Bundle::permissive() else {
            return;
        };
        let outside = bundle.below("outside");
        fs::create_dir(&outside).unwrap();
        let root = bundle.dir.join("rootfs");
        fs::create_dir(root.join("elsewhere")).unwrap();
        fs::remove_dir(root.join(name)).unwrap();
        for target in ["elsewhere", "/tmp", outside.as_str()] {
            symlink(target, root.join(name)).unwrap();
            bundle.sh("true").run().fails("config.json: mounts[");
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
            fs::remove_file(root.join(name)).unwrap();
        }
        bundle.assert_nothing_left(name);
    }
}

#[test]
fn a_link_for_the_parent_of_dev_pts_is_contained() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    let outside = bundle.below("outside");
    fs::create_dir(&outside).unwrap();
    // Without a tmpfs on /dev the nodes go where the image wants them, but inside the root.
    bundle.config["mounts"] = json!([{"destination": "/proc", "type": "proc", "source": "proc"}]);
    let root = bundle.dir.join("rootfs");
    fs::remove_dir(root.join("dev")).unwrap();
    symlink(&outside, root.join("dev")).unwrap();
    bundle.config["linux"]["maskedPaths"] = json!([]);
    bundle.sh("true").run();
    assert_eq!(
        fs::read_dir(&outside).unwrap().count(),
        0,
        "nodes were made outside"
    );
}

#[test]
fn nothing_is_mounted_inside_proc() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    for target in [
        "/proc/self",
        "/proc/sys",
        "/proc/../proc/sys",
        "//proc//1",
        "/proc/./sys",
        "/tmp/../proc/sys",
    ] {
        let good = bundle.config.clone();
        bundle.mount("tmpfs", "tmpfs", target, &[]);
        bundle.sh("true").run().fails("config.json: mounts[7]");
        bundle.config = good;
    }
    bundle.mount("tmpfs", "tmpfs", "/proc", &[]);
    bundle.run().fails("config.json: mounts[7].type");
}

#[test]
fn a_link_into_proc_is_refused() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    symlink("/proc/sys", bundle.dir.join("rootfs/innocent")).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/innocent", &[]);
    bundle.sh("true").run().fails("config.json: mounts[7]");
    bundle.assert_nothing_left("a refusal");
}

#[test]
fn hidden_and_read_only_paths() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    fs::create_dir(bundle.below("rootfs/secrets")).unwrap();
    fs::write(bundle.below("rootfs/secrets/key"), "key").unwrap();
    bundle.config["linux"]["maskedPaths"] = json!(["/etc/hidden", "/secrets", "/not/there"]);
    bundle.config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/tmp", "/not/there"]);
    let script = "cat /etc/hidden; ls -A /secrets; touch /secrets/x 2>/dev/null || echo no; \
        touch /tmp/x 2>/dev/null || echo no; echo x 2>/dev/null > /proc/sys/kernel/hostname || echo no; stat -c %F /etc/hidden";
    assert_eq!(
        bundle.sh(script).run().ok().out,
        "no\nno\nno\ncharacter special file\n"
    );
}

#[test]
fn device_nodes() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["devices"] = json!([
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 7, "gid": 8},
        {"path": "/dev/sub/block", "type": "b", "major": 7, "minor": 0, "fileMode": 0o600},
        {"path": "/dev/fifo", "type": "p", "fileMode": 0o666},
    ]);
    let format = "stat -c '%F %t:%T %a %u:%g'";
    let script = format!("{format} /dev/fuse /dev/sub/block /dev/fifo /dev/null /dev/tty");
    assert_eq!(
        bundle.sh(&script).run().ok().lines(),
        [
            "character special file a:e5 640 7:8",
            "block special file 7:0 600 0:0",
            "fifo 0:0 666 0:0",
            "character special file 1:3 666 0:0",
            "character special file 5:0 666 0:0",
        ]
    );
    let links = bundle
        .sh("cd /dev; for l in fd stdin stdout stderr ptmx; do readlink $l; done")
        .run()
        .ok()
        .out;
    assert_eq!(
        links,
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n"
    );
}

#[test]
fn a_missing_source_is_told() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.mount("bind", "/no/such/source", "/mnt", &["bind"]);
    bundle.sh("true").run().fails("config.json: mounts[7]: bind /no/such/source on /mnt: source: No such file or directory (ENOENT)");
}

#[test]
fn the_cgroup_mount_shows_only_the_containers_own() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.push("/linux/namespaces", json!({"type": "cgroup"}));
    let mounts = bundle.config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/sys/fs/cgroup");
    bundle.mount(
        "cgroup",
        "cgroup",
        "/sys/fs/cgroup",
        &["ro", "nosuid", "noexec", "nodev", "relatime"],
    );
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
    let out = bundle.sh("cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; mkdir /sys/fs/cgroup/pids/x 2>/dev/null || mkdir /sys/fs/cgroup/x 2>/dev/null || echo no; cat /proc/self/cgroup | grep -v ':/$' | grep pids").run();
    assert_eq!(out.out, "40\nno\n", "{out:?}");
}

#[test]
fn a_tmpfs_is_as_open_as_what_it_covers() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    use std::os::unix::fs::PermissionsExt;
    let there = bundle.dir.join("rootfs/there");
    std::fs::create_dir(&there).unwrap();
    std::fs::set_permissions(&there, PermissionsExt::from_mode(0o2710)).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/there", &["nosuid"]);
    bundle.mount("tmpfs", "tmpfs", "/made", &["nosuid", "size=64k"]);
    let out = bundle.sh("stat -c %a /there /made").run().ok().out;
    assert_eq!(out, "2710\n1777\n");
    bundle.mount("tmpfs", "tmpfs", "/there", &["mode=0700", "size=64k"]);
    let out = bundle
        .sh("stat -c %a /there; grep /there /proc/mounts")
        .run()
        .ok()
        .out;
    assert!(out.starts_with("700\n"), "{out}");
}

#[test]
fn a_path_that_is_masked_twice_has_one_mount() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["maskedPaths"] = json!(["/sys/firmware", "/proc/acpi", "/sys/firmware"]);
    bundle.sh("grep -c ' /sys/firmware ' /proc/self/mountinfo");
    assert_eq!(bundle.run().ok().out, "1\n");
}
