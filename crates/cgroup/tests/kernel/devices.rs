//! The policy of devices.

use std::fs;

use cgroup::{Controllers, Group, Layout};
use spec::{Access, DeviceRule, DeviceRuleType, Resources};

use crate::rig::{Cgroup, fresh_path, lowered};

#[test]
fn a_cgroup_that_is_taken_over_has_one_device_policy() {
    let path = fresh_path();
    let _first = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    let everything = DeviceRule {
        allow: true,
        access: Access::ALL,
        ..DeviceRule::default()
    };
    let open = Resources {
        devices: vec![everything],
        ..Resources::default()
    };
    let mut second = Cgroup::try_with(&path, &open).expect("taken over");
    let dir = std::env::temp_dir().join(format!("stockade-test-{}-over", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let status = second.status(&format!(
        "cd {} && mknod kmsg c 1 11 && : < kmsg",
        dir.display()
    ));
    fs::remove_dir_all(&dir).expect("the directory goes");
    assert!(status.success(), "{status:?}");
}

#[test]
fn devices_follow_the_policy() {
    let rule = |allow, kind, major, minor, access: &str| DeviceRule {
        allow,
        kind,
        major,
        minor,
        access: Access::from_letters(access).expect("letters"),
    };
    let devices = vec![
        rule(false, DeviceRuleType::All, None, None, "rwm"),
        rule(true, DeviceRuleType::Char, Some(1), Some(11), "r"),
    ];
    let dir = std::env::temp_dir().join(format!("stockade-test-{}-devices", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let mut cgroup = Cgroup::with(&Resources {
        devices,
        ..Resources::default()
    });
    let script = format!(
        "cd {} && mknod kmsg c 1 11 && mknod mem c 1 1 && mknod null c 1 3 && mknod loop b 7 0 || exit 9
         : < kmsg || exit 1
         ( : > kmsg ) 2>/dev/null && exit 2
         ( : < mem ) 2>/dev/null && exit 3
         ( : < loop ) 2>/dev/null && exit 4
         : > null || exit 5",
        dir.display()
    );
    let status = cgroup.status(&script);
    fs::remove_dir_all(&dir).expect("the directory goes");
    assert!(status.success(), "{status:?}");
}

#[test]
fn an_update_replaces_the_device_policy() {
    let path = fresh_path();
    let mut cgroup = Cgroup::try_with(&path, &Resources::default()).expect("cgroups");
    let dir = std::env::temp_dir().join(format!("stockade-test-{}-replaced", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let script = format!(
        "cd {} && rm -f kmsg && mknod kmsg c 1 11 && : < kmsg",
        dir.display()
    );
    let before = cgroup.status(&format!("exec 2>/dev/null; {script}"));
    let kmsg = DeviceRule {
        allow: true,
        kind: DeviceRuleType::Char,
        major: Some(1),
        minor: Some(11),
        access: Access::ALL,
    };
    let resources = Resources {
        devices: vec![kmsg],
        ..Resources::default()
    };
    lowered(&path, &resources, |lowered| cgroup.group.update(lowered)).expect("updated");
    let after = cgroup.status(&script);
    lowered(&path, &Resources::default(), |lowered| {
        cgroup.group.update(lowered)
    })
    .expect("updated");
    let again = cgroup.status(&format!("exec 2>/dev/null; {script}"));
    fs::remove_dir_all(&dir).expect("the directory goes");
    assert_eq!(
        (before.success(), after.success(), again.success()),
        (false, true, false)
    );
}

#[test]
fn a_parked_device_program_restricts_as_well() {
    let parent = fresh_path();
    let resources = Resources::default();
    let mount = Layout::find(Controllers::NONE)
        .expect("a layout")
        .unified
        .map(|unified| unified.mount);
    let Some(mount) = mount else { return };
    fs::create_dir(format!("{mount}{parent}")).expect("the parent");
    let mut outcomes = Vec::new();
    for name in ["loads", "takes"] {
        let path = format!("{parent}/{name}");
        let group = lowered(&path, &resources, |lowered| {
            let group = Group::create(lowered.leaves.clone())?;
            group
                .restrict_devices_from(lowered, &parent)
                .map(|()| group)
        });
        let mut cgroup = Cgroup {
            group: group.expect("cgroups"),
            children: Vec::new(),
        };
        let dir = std::env::temp_dir().join(format!("stockade-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory");
        let script = format!(
            "cd {} && mknod mem c 1 1 && : > /dev/null && ! (exec < mem) 2>/dev/null",
            dir.display()
        );
        outcomes.push(cgroup.status(&script));
        fs::remove_dir_all(&dir).expect("the directory goes");
    }
    let parked: Vec<_> = fs::read_dir(format!("{mount}{parent}"))
        .expect("the parent")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("devices-"))
        .collect();
    for entry in &parked {
        fs::remove_dir(entry.path()).expect("the parking goes");
    }
    fs::remove_dir(format!("{mount}{parent}")).expect("the parent goes");
    assert_eq!(parked.len(), 1);
    assert!(
        outcomes.iter().all(std::process::ExitStatus::success),
        "{outcomes:?}"
    );
}
