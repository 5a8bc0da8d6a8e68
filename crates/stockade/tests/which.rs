//! `stockade which`. Needs root and a static busybox.

mod common;

use std::process::Command;

use common::app::{Place, Ran, until};

#[test]
fn a_process_is_told_its_container() {
    let place = Place::new();
    let id = place.background("web", &[], "sleep 1000 & wait");
    let first: u32 = place.field("web", "{{.State.Pid}}").parse().unwrap();
    until("a child", || !common::app::children(first).is_empty());
    let second = common::app::children(first)[0];
    for pid in [first, second] {
        let row = place.ok(&["which", "--format", "json", &pid.to_string()]);
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        assert_eq!(row["ID"], id.as_str());
        assert_eq!((&row["Kind"], &row["Name"]), (&"run".into(), &"web".into()));
    }
    let names = [
        "which",
        "--format",
        "{{.Name}}",
        &first.to_string(),
        &second.to_string(),
    ];
    assert_eq!(place.ok(&names), "web\nweb\n");
    // Also one that went into its namespaces from outside, by its ancestors or its namespace.
    let root = place.root();
    let entered = Command::new("nsenter")
        .args([
            "-t",
            &first.to_string(),
            "-p",
            "-m",
            "-r",
            "/bin/sleep",
            "1000",
        ])
        .current_dir(&root)
        .spawn();
    let mut entered = entered.unwrap();
    until("a child", || {
        !common::app::children(entered.id()).is_empty()
    });
    let inside = common::app::children(entered.id())[0];
    let row = place.ok(&[
        "which",
        "--format",
        "{{.Name}} {{.Evidence}}",
        &inside.to_string(),
    ]);
    assert_eq!(row, "web process namespace\n");
    place.ok(&["rm", "-f", "web"]);
    entered.wait().unwrap();
    place.assert_empty();
}

#[test]
fn a_process_in_no_container_is_1() {
    let place = Place::new();
    let own = std::process::id().to_string();
    let ran: Ran = place.ran(&["which", &own]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("in no container"), "{}", ran.err);
    for (pid, told) in [
        ("4194999", "no such process"),
        ("x", "not a process number"),
    ] {
        let ran = place.ran(&["which", pid]);
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains(told), "{}", ran.err);
    }
}

#[test]
fn a_jail_is_told_by_its_name() {
    let place = Place::new();
    let path = format!("path={}", place.root());
    place.ok(&["jail", "-qc", &path, "name=www", "persist"]);
    let seconds = (1_000_000 + std::process::id()).to_string();
    let wanted = format!("/bin/sleep\0{seconds}\0");
    let mut inside = place.start(&["jexec", "www", "/bin/sleep", &seconds]);
    let sleeping = || {
        let all = common::app::names(std::path::Path::new("/proc"));
        let is_it = |pid: &String| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line == wanted.as_bytes()
        };
        all.into_iter().find(is_it)
    };
    until("a process in the jail", || sleeping().is_some());
    let pid = sleeping().unwrap();
    let told = place.ok(&["which", "--format", "{{.Kind}} {{.Name}}", &pid]);
    assert_eq!(told, "jail www\n");
    place.ok(&["jail", "-r", "www"]);
    inside.wait().unwrap();
}
