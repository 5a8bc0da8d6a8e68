//! Limits, where they are written, and what changes them.

use std::fs;

use cgroup::{Controller, Layout};
use spec::{BlockIo, Cpu, HugepageLimit, Memory, Pids, Resources, ThrottleDevice};

use crate::rig::{Cgroup, eventually, fresh_path, lowered};

#[test]
fn the_pids_limit_refuses() {
    let pids = Some(Pids { limit: Some(4) });
    let mut cgroup = Cgroup::with(&Resources {
        pids,
        ..Resources::default()
    });
    let status = cgroup.status("exec 2>/dev/null; (sleep 3 & sleep 3 & sleep 3 & sleep 3 & true)");
    assert!(!status.success());
}

#[test]
fn the_memory_limit_kills() {
    let memory = Memory {
        limit: Some(16 << 20),
        swap: Some(16 << 20),
        ..Memory::default()
    };
    let mut cgroup = Cgroup::with(&Resources {
        memory: Some(memory),
        ..Resources::default()
    });
    let status = cgroup.status("head -c 64m /dev/zero | tail -c 64m > /dev/null");
    assert_eq!(status.code(), Some(128 + 9), "{status:?}");
}

#[test]
fn every_cpu_setting_is_taken() {
    let cpu = Cpu {
        shares: Some(512),
        quota: Some(20_000),
        period: Some(50_000),
        burst: Some(10_000),
        cpus: Some("0".into()),
        mems: Some("0".into()),
        ..Cpu::default()
    };
    let cgroup = Cgroup::with(&Resources {
        cpu: Some(cpu),
        ..Resources::default()
    });
    let leaves = cgroup.group.leaves();
    let read = |leaf: &cgroup::Leaf, file: &str| {
        fs::read_to_string(format!("{}/{file}", leaf.dir())).unwrap_or_default()
    };
    let some_has =
        |file: &str, value: &str| leaves.iter().any(|leaf| read(leaf, file).trim() == value);
    if some_has("cpu.max", "20000 50000") {
        assert!(some_has("cpu.weight", "59") && some_has("cpu.max.burst", "10000"));
    } else {
        assert!(some_has("cpu.shares", "512") && some_has("cpu.cfs_quota_us", "20000"));
        assert!(some_has("cpu.cfs_period_us", "50000") && some_has("cpu.cfs_burst_us", "10000"));
    }
    assert!(some_has("cpuset.cpus", "0") && some_has("cpuset.mems", "0"));
}

#[test]
fn a_refused_write_names_field_value_file_and_directory() {
    let cpu = Cpu {
        cpus: Some("500".into()),
        ..Cpu::default()
    };
    let path = fresh_path();
    let error = Cgroup::try_with(
        &path,
        &Resources {
            cpu: Some(cpu),
            ..Resources::default()
        },
    )
    .map(drop);
    let error = error.expect_err("no such processor").to_string();
    assert!(
        error.starts_with(
            "linux.resources.cpu.cpus: cgroup: write cpuset.cpus \"500\" in /sys/fs/cgroup"
        ),
        "{error}"
    );
    assert!(error.contains(&path), "{error}");
    for leaf in Layout::find_all().expect("a layout").v1 {
        assert!(
            fs::metadata(leaf.dir(&path)).is_err(),
            "{} is left",
            leaf.dir(&path)
        );
    }
}

#[test]
fn an_update_reaches_processes_that_were_in_no_such_cgroup() {
    let path = fresh_path();
    let mut cgroup = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    cgroup.run("exec sleep 100");
    cgroup.run("sleep 100 & exec sleep 100");
    let pids = Some(Pids { limit: Some(50) });
    let resources = Resources {
        pids,
        ..Resources::default()
    };
    lowered(&path, &resources, |lowered| cgroup.group.update(lowered)).expect("updated");
    let has = |leaf: &cgroup::Leaf| {
        fs::read_to_string(format!("{}/pids.current", leaf.dir())).is_ok_and(|n| n == "3\n")
    };
    eventually("all three are counted", || {
        cgroup.group.leaves().iter().any(has)
    });
    let stats = cgroup.group.stats().expect("figures");
    assert_eq!(
        stats.pids.map(|pids| (pids.current, pids.limit)),
        Some((3, Some(50)))
    );
}

#[test]
fn an_update_raises_and_lowers_memory_and_swap_together() {
    let path = fresh_path();
    let limits = |limit, swap| {
        let memory = Memory {
            limit: Some(limit),
            swap: Some(swap),
            ..Memory::default()
        };
        Resources {
            memory: Some(memory),
            ..Resources::default()
        }
    };
    let mut cgroup = Cgroup::try_with(&path, &limits(16 << 20, 32 << 20)).expect("cgroups");
    for (limit, swap) in [
        (64 << 20, 128 << 20),
        (16 << 20, 20 << 20),
        (100 << 20, 100 << 20),
    ] {
        let resources = limits(limit, swap);
        lowered(&path, &resources, |lowered| cgroup.group.update(lowered)).expect("updated");
        let memory = cgroup
            .group
            .stats()
            .expect("figures")
            .memory
            .expect("memory");
        assert_eq!(memory.limit, u64::try_from(limit).ok());
        // Where the kernel cannot swap there is no such limit.
        assert!(
            memory
                .swap_limit
                .is_none_or(|n| i64::try_from(n) == Ok(swap - limit)),
            "{memory:?}"
        );
    }
}

#[test]
fn huge_pages_are_limited_where_they_are_counted() {
    let limit = HugepageLimit {
        page_size: "2MB".into(),
        limit: 4 << 20,
    };
    let resources = Resources {
        hugepage_limits: vec![limit],
        ..Resources::default()
    };
    if !has(Controller::Hugetlb) {
        return;
    }
    let cgroup = Cgroup::with(&resources);
    let stats = cgroup.group.stats().expect("figures");
    let of_2mb = stats
        .hugetlb
        .iter()
        .find(|one| one.size == "2MB")
        .expect("2 MB pages");
    assert_eq!((of_2mb.usage, of_2mb.limit), (0, Some(4 << 20)));
}

#[test]
fn controllers_below_a_cgroup_with_processes_are_refused_with_advice() {
    let layout = Layout::find_all().expect("a layout");
    // Some controller of a v2 hierarchy, whichever this host has there.
    let limit = HugepageLimit {
        page_size: "2MB".into(),
        limit: 4 << 20,
    };
    let resources = Resources {
        hugepage_limits: vec![limit],
        ..Resources::default()
    };
    if layout.unified_with(Controller::Hugetlb).is_none() {
        return;
    }
    let path = fresh_path();
    let mut parent = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    parent.run("exec sleep 100");
    let error = Cgroup::try_with(&format!("{path}/c"), &resources)
        .map(drop)
        .expect_err("processes");
    assert!(error.is(sys::Errno::BUSY), "{error}");
    assert!(
        error
            .hint
            .as_ref()
            .is_some_and(|hint| hint.contains("has processes of its own")),
        "{error:?}"
    );
    let leaf = parent.group.leaves()[0].dir();
    assert!(
        fs::metadata(format!("{leaf}/c")).is_err(),
        "the child is left"
    );
}

#[test]
fn rates_of_block_devices() {
    let numbers = || {
        let devices = fs::read_dir("/sys/block").ok()?.flatten();
        let mut found =
            devices.filter_map(|entry| fs::read_to_string(entry.path().join("dev")).ok());
        let text = found.find(|text| !text.starts_with("7:") && !text.starts_with("1:"))?;
        let (major, minor) = text.trim().split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let Some((major, minor)) = numbers().filter(|_| has(Controller::Io)) else {
        return;
    };
    let rate = ThrottleDevice {
        major,
        minor,
        rate: 1 << 20,
    };
    let io = BlockIo {
        throttle_read_bps_device: vec![rate],
        throttle_write_iops_device: vec![rate],
        ..BlockIo::default()
    };
    let cgroup = Cgroup::with(&Resources {
        block_io: Some(io),
        ..Resources::default()
    });
    let read = |file: &str| {
        let dirs = cgroup.group.leaves().iter().map(cgroup::Leaf::dir);
        dirs.filter_map(|dir| fs::read_to_string(format!("{dir}/{file}")).ok())
            .collect::<String>()
    };
    let number = format!("{major}:{minor}");
    let v1 = read("blkio.throttle.read_bps_device") + &read("blkio.throttle.write_iops_device");
    assert!(
        v1 == format!("{number} 1048576\n{number} 1048576\n")
            || read("io.max")
                == format!("{number} rbps=1048576 wbps=max riops=max wiops=1048576\n"),
        "{v1:?} {:?}",
        read("io.max")
    );
    assert!(cgroup.group.stats().expect("figures").io.is_some());
}

#[test]
fn raw_keys_of_v2_are_written() {
    if Layout::find_all().expect("a layout").unified.is_none() {
        return;
    }
    let unified = [("cgroup.max.depth".into(), "3".into())]
        .into_iter()
        .collect();
    let cgroup = Cgroup::with(&Resources {
        unified,
        ..Resources::default()
    });
    assert_eq!(
        fs::read_to_string(cgroup.dir("unified") + "/cgroup.max.depth").expect("a file"),
        "3\n"
    );
}

fn has(controller: Controller) -> bool {
    let layout = Layout::find_all().expect("a layout");
    layout
        .v1_with(controller)
        .or(layout.unified_with(controller))
        .is_some()
}

#[test]
fn limits_are_at_the_leaf_named() {
    let pids = Some(Pids { limit: Some(7) });
    let cgroup = Cgroup::with(&Resources {
        pids,
        ..Resources::default()
    });
    let leaf = cgroup.group.leaves().last().expect("a leaf").name();
    assert_eq!(
        fs::read_to_string(cgroup.dir(leaf) + "/pids.max").expect("pids.max"),
        "7\n"
    );
}
