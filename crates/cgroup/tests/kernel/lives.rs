//! How cgroups are made, taken over, frozen, killed and removed.

use std::fs;
use std::time::Duration;

use cgroup::{Deadline, Group, Version};
use spec::{Pids, Resources};

use crate::rig::{Cgroup, WAIT, eventually, fresh_path};

#[test]
fn a_container_without_limits_is_made_and_removed() {
    let dirs: Vec<String> = {
        let cgroup = Cgroup::with(&Resources::default());
        cgroup
            .group
            .leaves()
            .iter()
            .map(cgroup::Leaf::dir)
            .inspect(|dir| assert!(fs::metadata(dir).is_ok()))
            .collect()
    };
    assert!(!dirs.is_empty());
    for dir in dirs {
        assert!(fs::metadata(&dir).is_err(), "{dir} is left");
    }
}

#[test]
fn kill_ends_a_tree_of_processes_and_cgroups_below() {
    let mut cgroup = Cgroup::with(&Resources::default());
    let first = cgroup.group.leaves()[0].dir();
    let file = if cgroup.group.leaves()[0].version == Version::V2 {
        "cgroup.procs"
    } else {
        "tasks"
    };
    cgroup.run(&format!(
        "mkdir -p {first}/a/b {first}/c && (sh -c 'echo 0 > {first}/a/b/{file}; sleep 100 & sleep 100') & sleep 100"
    ));
    eventually("all processes", || {
        cgroup.group.processes().expect("a list").len() >= 3
    });
    assert!(cgroup.group.populated().expect("populated"));
    cgroup.group.kill().expect("kill");
    cgroup
        .children
        .pop()
        .expect("a child")
        .wait()
        .expect("wait");
    cgroup
        .group
        .wait_empty(Deadline::after(WAIT))
        .expect("empty");
    assert!(!cgroup.group.populated().expect("populated"));
}

#[test]
fn nobody_is_killed_in_a_cgroup_that_has_been_removed() {
    let cgroup = Cgroup::with(&Resources::default());
    for leaf in cgroup.group.leaves() {
        fs::remove_dir(leaf.dir()).expect("an empty cgroup");
    }
    cgroup.group.kill().expect("kill");
}

#[test]
fn kill_ends_a_fork_bomb() {
    let pids = Some(Pids { limit: Some(100) });
    let mut cgroup = Cgroup::with(&Resources {
        pids,
        ..Resources::default()
    });
    cgroup.run("f() { f | f & f; }; f 2>/dev/null; sleep 100");
    cgroup.group.kill().expect("kill");
    cgroup
        .children
        .pop()
        .expect("a child")
        .wait()
        .expect("wait");
    cgroup
        .group
        .wait_empty(Deadline::after(WAIT))
        .expect("empty");
}

#[test]
fn frozen_processes_stand_still() {
    let mut cgroup = Cgroup::with(&Resources::default());
    let pid = cgroup.run("while :; do :; done");
    cgroup.group.freeze(Deadline::after(WAIT)).expect("freeze");
    assert!(cgroup.group.frozen().expect("frozen"));
    let used = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
        let fields: Vec<String> = stat.split(' ').map(str::to_owned).collect();
        (fields[13].clone(), fields[14].clone())
    };
    let before = used();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(used(), before);
    cgroup.group.thaw(Deadline::after(WAIT)).expect("thaw");
    assert!(!cgroup.group.frozen().expect("frozen"));
    eventually("it runs again", || used() != before);
}

#[test]
fn a_cgroup_with_processes_is_not_taken_over() {
    let path = fresh_path();
    let mut first = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    drop(Cgroup::try_with(&path, &Resources::default()).expect("an empty one is taken over"));
    first.run("exec sleep 100");
    let error = Cgroup::try_with(&path, &Resources::default())
        .map(drop)
        .expect_err("not empty");
    assert!(
        error
            .to_string()
            .starts_with("container's cgroup is not empty: 1 process(es)"),
        "{error}"
    );
}

#[test]
fn a_container_that_froze_itself_is_killed() {
    let mut cgroup = Cgroup::with(&Resources::default());
    let freezer = cgroup
        .group
        .leaves()
        .iter()
        .find(|leaf| ["unified", "freezer"].contains(&leaf.name()));
    let leaf = freezer.expect("a freezer");
    let (dir, file, state) = match leaf.version {
        Version::V2 => (leaf.dir(), "cgroup.procs", "cgroup.freeze"),
        Version::V1 => (leaf.dir(), "tasks", "freezer.state"),
    };
    let value = if leaf.version == Version::V2 {
        "1"
    } else {
        "FROZEN"
    };
    cgroup.run(&format!(
        "mkdir {dir}/x && {{ sh -c 'echo 0 > {dir}/x/{file}; echo {value} > {dir}/x/{state}; sleep 100' & exec sleep 100; }}"
    ));
    eventually("it has frozen itself", || {
        fs::read_to_string(format!("{dir}/x/{state}")).is_ok_and(|now| now.trim() == value)
    });
    cgroup.group.kill().expect("kill");
    cgroup
        .children
        .pop()
        .expect("a child")
        .wait()
        .expect("wait");
    cgroup
        .group
        .wait_empty(Deadline::after(WAIT))
        .expect("empty");
}

#[test]
fn entry_follows_a_process_below() {
    let mut cgroup = Cgroup::with(&Resources::default());
    let leaf = cgroup.group.leaves()[0].clone();
    let (dir, file) = (
        leaf.dir(),
        if leaf.version == Version::V2 {
            "cgroup.procs"
        } else {
            "tasks"
        },
    );
    let pid = cgroup.run(&format!(
        "mkdir {dir}/x && echo 0 > {dir}/x/{file} && exec sleep 100"
    ));
    let leaves = cgroup.group.leaves().to_vec();
    eventually("it has moved", || {
        let group = Group::open_where(leaves.clone(), pid).expect("cgroups");
        group.leaves()[0].path == format!("{}/x", leaf.path)
    });
    assert!(Group::open_below(vec![leaf.clone()], "x").is_ok());
    assert!(
        Group::open_below(vec![leaf.clone()], "y").is_err_and(|error| error.is(sys::Errno::NOENT))
    );
    assert!(Group::open_below(vec![leaf], "../x").is_err());
}

#[test]
fn a_frozen_cgroup_is_not_taken_over() {
    let path = fresh_path();
    let first = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    first.group.freeze(Deadline::after(WAIT)).expect("freeze");
    let error = Cgroup::try_with(&path, &Resources::default())
        .map(drop)
        .expect_err("frozen");
    assert!(error.to_string().contains("unexpectedly frozen"), "{error}");
    first.group.thaw(Deadline::after(WAIT)).expect("thaw");
}

#[test]
fn ancestors_go_with_who_made_them_unless_they_are_in_use() {
    let top = fresh_path();
    let first = Cgroup::try_with(&format!("{top}/a/x"), &Resources::default()).expect("cgroups");
    let second = Cgroup::try_with(&format!("{top}/a/y"), &Resources::default()).expect("cgroups");
    let mounts: Vec<_> = first
        .group
        .leaves()
        .iter()
        .map(|leaf| leaf.mount.clone())
        .collect();
    drop(first);
    assert!(fs::metadata(format!("{}{top}/a/y", mounts[0])).is_ok());
    drop(second);
    // The second found them there, so that they are not its own to remove.
    for mount in mounts {
        for dir in ["/a", ""] {
            fs::remove_dir(format!("{mount}{top}{dir}")).expect("an empty ancestor");
        }
    }
    let third = Cgroup::try_with(&format!("{top}/a/x"), &Resources::default()).expect("cgroups");
    let mount = third.group.leaves()[0].mount.clone();
    drop(third);
    assert!(fs::metadata(format!("{mount}{top}")).is_err());
}
