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
    for accepted in ["rprivate", "private", "rslave", "slave"] {
        bundle.config["linux"]["rootfsPropagation"] = json!(accepted);
        bundle.sh("true").run().ok();
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
    bundle.mount(
        "cgroup",
        "cgroup",
        "/sys/fs/cgroup",
        &["ro", "nosuid", "noexec", "nodev", "relatime"],
    );
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
    let out = bundle.sh("cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; mkdir /sys/fs/cgroup/pids/x 2>/dev/null || echo no; cat /proc/self/cgroup | grep -v ':/$' | grep pids").run();
    assert_eq!(out.out, "40\nno\n", "{out:?}");
}
