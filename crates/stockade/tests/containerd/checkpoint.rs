//! Checkpoints as containerd's clients make them, and containers made of them.

use std::fs;

use crate::daemon::{Daemon, until};

/// Counts, and tells how far it is when it is asked: in a file outside, which is open for that moment only, as what
/// is open has to be as it was when it comes back. Another file tells how often it began.
const COUNTS: &str = "echo >> /data/begun; trap 'echo $i >> /data/n' USR1; \
    i=0; while :; do i=$((i+1)); sleep 0.05; done";

fn number(daemon: &Daemon) -> u64 {
    let told = || fs::read_to_string(daemon.path("data/n")).unwrap_or_default();
    let before = told().len();
    daemon.ok(&["task", "kill", "-s", "USR1", "c"]);
    until("its answer", || {
        told().len() > before && told().ends_with('\n')
    });
    told().lines().last().unwrap().parse().unwrap()
}

fn counts_on_from(daemon: &Daemon, from: u64) {
    until("it counts on", || number(daemon) > from + 3);
}

fn counting(daemon: &Daemon) {
    fs::create_dir_all(daemon.path("data")).unwrap();
    let source = daemon.path("data");
    let mount = format!("type=bind,src={source},dst=/data,options=rbind:rw");
    daemon.run_ok(&["-d", "--mount", &mount], "c", COUNTS);
    until("its beginning", || {
        fs::read_to_string(daemon.path("data/begun")).is_ok()
    });
    std::thread::sleep(std::time::Duration::from_millis(300));
    counts_on_from(daemon, 0);
}

#[test]
fn a_task_is_saved_and_restored() {
    let daemon = Daemon::start();
    if !daemon.with_criu() {
        return;
    }
    let mut listener = daemon.listen("events");
    counting(&daemon);
    daemon.ok(&[
        "container",
        "checkpoint",
        "--image",
        "--task",
        "c",
        "test/saved:1",
    ]);
    // It was paused meanwhile, and runs on.
    assert_eq!(daemon.status("c"), "RUNNING");
    counts_on_from(&daemon, number(&daemon));
    let saved = number(&daemon);
    daemon.ok(&["task", "kill", "-s", "KILL", "c"]);
    assert_eq!(daemon.remove("c"), "137");
    daemon.ok(&["container", "restore", "--live", "c", "test/saved:1"]);
    daemon.until_status("c", "RUNNING");
    counts_on_from(&daemon, saved);
    let ran = daemon.ok(&["task", "exec", "--exec-id", "e", "c", "cat", "/data/begun"]);
    assert_eq!(ran, "\n", "it began once");
    daemon.ok(&["task", "kill", "-s", "KILL", "c"]);
    assert_eq!(daemon.remove("c"), "137");
    until("the last event", || {
        let all = daemon.events("events");
        all.iter()
            .filter(|event| event.starts_with("delete"))
            .count()
            == 2
    });
    let topics: Vec<_> = daemon
        .events("events")
        .iter()
        .map(|event| event.split(' ').next().unwrap().to_owned())
        .collect();
    let wanted = [
        "create",
        "start",
        "paused",
        "checkpointed",
        "resumed",
        "exit",
        "delete",
        "create",
        "start",
        "exec-added",
        "exec-started",
        "exit",
        "exit",
        "delete",
    ];
    assert_eq!(topics, wanted);
    listener.kill().unwrap();
    listener.wait().unwrap();
    daemon.assert_nothing_left();
}
