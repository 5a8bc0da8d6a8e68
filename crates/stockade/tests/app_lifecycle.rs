//! Containers over several commands: create, start, stop, exec, attach, restart; and what the commands
//! say when one of our own processes was killed. Needs root and a static busybox.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::app::{Place, Ran, assert_no_cgroup, parent, signal, until};

fn pid(place: &Place, name: &str) -> u32 {
    place.field(name, "{{.State.Pid}}").parse().unwrap()
}

fn status(place: &Place, name: &str) -> String {
    place.field(name, "{{.State.Status}} {{.State.ExitCode}}")
}

const COUNTER: &str = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done";

#[test]
fn create_start_stop_start_remove() {
    let place = Place::new();
    let root = place.root();
    let script =
        "echo run >>/tmp/log; trap 'exit 6' TERM; touch /tmp/set; while :; do sleep 0.05; done";
    let id = place.ok(&["create", "--name", "one", &root, "sh", "-c", script]);
    let id = id.trim();
    assert_eq!(status(&place, "one"), "created 0");
    assert_no_cgroup(id);
    let set = place.path("root/tmp/set");
    for round in 1..=2 {
        assert_eq!(place.ok(&["start", "one"]), "one\n");
        until("the trap is set", || fs::exists(&set).unwrap());
        fs::remove_file(&set).unwrap();
        assert_eq!(status(&place, "one"), "running 0");
        assert_eq!(
            place.ok(&["start", "one"]),
            "one\n",
            "starting twice is nothing new"
        );
        let refused = place.ran(&["rm", "one"]);
        assert!(
            refused.code == 1 && refused.err.contains("cannot remove"),
            "{}",
            refused.err
        );
        assert_eq!(place.ok(&["stop", "one"]), "one\n");
        assert_eq!(status(&place, "one"), "exited 6");
        assert_eq!(
            place.ok(&["stop", "one"]),
            "one\n",
            "stopping twice is nothing new"
        );
        let log = fs::read_to_string(place.path("root/tmp/log")).unwrap();
        assert_eq!(log, "run\n".repeat(round));
        assert_no_cgroup(id);
    }
    assert_eq!(place.ok(&["rm", "one"]), "one\n");
    place.assert_empty();
}

#[test]
fn stop_waits_and_then_kills() {
    let place = Place::new();
    place.background(
        "deaf",
        &[],
        "trap '' TERM; touch /tmp/set; while :; do sleep 0.1; done",
    );
    until("the trap is set", || {
        fs::exists(place.path("root/tmp/set")).unwrap()
    });
    let start = Instant::now();
    place.ok(&["stop", "-t", "1", "deaf"]);
    assert!(start.elapsed() >= Duration::from_secs(1) && start.elapsed() < Duration::from_secs(5));
    assert_eq!(status(&place, "deaf"), "exited 137");
    place.ok(&["restart", "-t", "0", "deaf"]);
    assert_eq!(status(&place, "deaf"), "running 0");
    // Paused, it is stopped all the same.
    place.ok(&["pause", "deaf"]);
    assert_eq!(status(&place, "deaf"), "paused 0");
    place.ok(&["stop", "-t", "0", "deaf"]);
    assert_eq!(status(&place, "deaf"), "exited 137");
    for verb in [&["kill"][..], &["pause"], &["unpause"], &["exec"]] {
        let command: &[&str] = if verb == ["exec"] { &["true"] } else { &[] };
        let ran = place.ran(&[verb, &["deaf"], command].concat());
        assert!(
            ran.code != 0 && ran.err.contains("is not running"),
            "{verb:?}: {}",
            ran.err
        );
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
    for verb in [
        "start", "stop", "kill", "restart", "rm", "wait", "pause", "attach",
    ] {
        let ran = place.ran(&[verb, "nosuch"]);
        assert!(
            ran.code != 0 && ran.err.contains("no such container: nosuch"),
            "{verb}: {}",
            ran.err
        );
    }
    // One that fails does not keep the others from their turn.
    place.background("other", &[], "sleep 100");
    let ran = place.ran(&["rm", "-f", "nosuch", "other"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "other\n"));
}

#[test]
fn kill_wait_and_pause() {
    let place = Place::new();
    place.background("one", &[], COUNTER);
    place.ok(&["pause", "one"]);
    let lines = || place.ok(&["logs", "one"]).lines().count();
    std::thread::sleep(Duration::from_millis(50));
    let before = lines();
    std::thread::sleep(Duration::from_millis(400));
    assert!(lines() <= before + 1, "a paused container prints nothing");
    let ran = place.ran(&["exec", "one", "true"]);
    assert!(ran.err.contains("paused"), "{}", ran.err);
    place.ok(&["unpause", "one"]);
    until("it goes on", || lines() > before + 1);
    let waiting = place.start(&["wait", "one"]);
    place.ok(&["kill", "one"]);
    let waited = Ran::from(waiting.wait_with_output().unwrap());
    assert_eq!(waited.out, "137\n", "{}", waited.err);
    for _ in 0..5 {
        place.ok(&["start", "one"]);
        place.ok(&["kill", "one"]);
        assert_eq!(place.ok(&["wait", "one"]), "137\n");
    }
    let ran = place.ran(&["kill", "-s", "NOSUCH", "one"]);
    assert!(ran.err.contains("invalid signal: NOSUCH"), "{}", ran.err);
}

#[test]
fn exec_runs_beside_the_payload() {
    let place = Place::new();
    place.background(
        "one",
        &["-e", "OF=run", "-m", "64m", "--cap-drop", "CHOWN"],
        "sleep 100",
    );
    let exec = |options: &[&str], script: &str| {
        place.ran(&[&["exec"], options, &["one", "sh", "-c", script]].concat())
    };
    let ran = exec(&[], "echo out; echo err >&2; exit 3");
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (3, "out\n", "err\n")
    );
    assert_eq!(exec(&[], "kill -9 $$").code, 137);
    let out = exec(
        &["-e", "A=b", "-w", "/tmp", "-u", "ann"],
        "echo $A $OF; pwd; id; echo $HOME",
    )
    .out;
    assert_eq!(
        out,
        "b run\n/tmp\nuid=1000(ann) gid=1000(ann) groups=10(wheel),1000(ann)\n/home/ann\n"
    );
    let same = "grep -E 'CapBnd|Seccomp:|NoNewPrivs' /proc/self/status; cat /proc/self/cgroup; readlink /proc/self/ns/*";
    let theirs = exec(&[], &same.replace("/self/", "/1/")).out;
    assert_eq!(exec(&[], same).out, theirs);
    assert!(theirs.contains("CapBnd:\t00000000a80425fa"), "{theirs}");
    let held = exec(&["--privileged"], "grep CapEff /proc/self/status").out;
    assert_ne!(held.trim(), "CapEff:\t00000000a80425fa");

    let mut child = place.start(&["exec", "-i", "one", "wc", "-c"]);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&vec![b'x'; 200_000])
        .unwrap();
    assert_eq!(
        Ran::from(child.wait_with_output().unwrap()).out.trim(),
        "200000"
    );

    assert_eq!(exec(&["-d"], "sleep 0.1; echo late >/tmp/late").code, 0);
    until("it has run", || {
        fs::read_to_string(place.path("root/tmp/late")).is_ok_and(|text| text == "late\n")
    });

    for (words, code, text) in [
        (&["nosuch"][..], 127, "executable file not found in $PATH"),
        (&["/etc"], 126, "permission denied"),
        (&["/no/such"], 127, "no such file or directory"),
    ] {
        let ran = place.ran(&[&["exec", "one"], words].concat());
        assert!(
            ran.code == code && ran.err.contains(text),
            "{words:?}: {}",
            ran.err
        );
    }
    let ran = place.ran(&["exec", "-u", "nobody", "one", "true"]);
    assert!(
        ran.code != 0 && ran.err.contains("--user nobody"),
        "{}",
        ran.err
    );
}

#[test]
fn attach_shows_what_comes_from_now_on() {
    let place = Place::new();
    place.background("count", &[], COUNTER);
    until("it has counted", || {
        place.ok(&["logs", "count"]).contains("3\n")
    });
    let mut child = place.start(&["attach", "--sig-proxy=false", "count"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: u32 = lines.next().unwrap().unwrap().parse().unwrap();
    assert!(first > 3, "{first}");
    let second = lines.next().unwrap().unwrap();
    assert_eq!(second, (first + 1).to_string());
    place.ok(&["kill", "count"]);
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(137));

    // Input goes in by whoever is attached.
    place.background("asks", &["-i"], "read line; echo got $line; exit 4");
    let mut child = place.start(&["attach", "asks"]);
    child.stdin.take().unwrap().write_all(b"this\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (4, "got this\n"),
        "{}",
        ran.err
    );
    let ran = place.ran(&["attach", "asks"]);
    assert!(
        ran.code != 0 && ran.err.contains("does not run"),
        "{}",
        ran.err
    );
}

#[test]
fn start_attached() {
    let place = Place::new();
    place.ok(&[
        "create",
        "-i",
        "--name",
        "one",
        &place.root(),
        "sh",
        "-c",
        "cat; echo end >&2; exit 8",
    ]);
    let mut child = place.start(&["start", "-a", "-i", "one"]);
    child.stdin.take().unwrap().write_all(b"text\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    let seen = (ran.code, ran.out.as_str(), ran.err.as_str());
    assert_eq!(seen, (8, "text\n", "end\n"));
}

#[test]
fn restart_policies() {
    let place = Place::new();
    place.background("twice", &["--restart", "on-failure:2"], "echo run; exit 3");
    until("it gave up", || status(&place, "twice") == "exited 3");
    assert_eq!(place.ok(&["logs", "twice"]), "run\n".repeat(3));
    assert_eq!(place.field("twice", "{{.RestartCount}}"), "2");
    place.background("once", &["--restart", "on-failure"], "echo run; exit 0");
    until("it ended", || status(&place, "once") == "exited 0");
    assert_eq!(place.ok(&["logs", "once"]), "run\n");

    place.background("always", &["--restart", "always"], "echo run; exit 0");
    let runs = || place.ok(&["logs", "always"]).lines().count();
    until("it ran twice", || runs() >= 2);
    place.ok(&["stop", "always"]);
    let ended = runs();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(
        (runs(), status(&place, "always").as_str()),
        (ended, "exited 0")
    );
    place.ok(&["start", "always"]);
    until("it runs again", || runs() >= ended + 2);
    place.ok(&["rm", "-f", "always"]);

    // One that somebody else kills comes back; one that is killed by us does not.
    place.background("back", &["--restart", "always"], "echo run; sleep 100");
    let first = pid(&place, "back");
    signal(first, "KILL");
    until("it is back", || {
        status(&place, "back") == "running 0" && pid(&place, "back") != first
    });
    place.ok(&["kill", "back"]);
    assert_eq!(place.ok(&["wait", "back"]), "137\n");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(status(&place, "back"), "exited 137");
}

#[test]
fn a_first_process_that_is_killed_from_outside() {
    let place = Place::new();
    let id = place.background("one", &[], "sleep 100");
    signal(pid(&place, "one"), "KILL");
    until("it is known", || status(&place, "one") == "exited 137");
    assert_no_cgroup(&id);
    place.ok(&["start", "one"]);
    place.ok(&["rm", "-f", "one"]);
    place.assert_empty();
}

#[test]
fn a_monitor_that_is_killed_leaves_a_container_that_can_be_used() {
    let place = Place::new();
    let id = place.background(
        "one",
        &[],
        "trap 'exit 5' TERM; while :; do sleep 0.05; done",
    );
    let monitor = parent(pid(&place, "one"));
    let name = fs::read_to_string(format!("/proc/{monitor}/cmdline")).unwrap();
    assert!(name.contains("monitor") && name.contains(&id), "{name}");
    signal(monitor, "KILL");
    until("it is gone", || {
        !fs::read_to_string(format!("/proc/{monitor}/cmdline")).is_ok_and(|text| !text.is_empty())
    });
    assert_eq!(status(&place, "one"), "running 0");
    assert_eq!(place.ok(&["ps", "-q", "--no-trunc"]).trim(), id);
    assert_eq!(place.ok(&["exec", "one", "echo", "lives"]), "lives\n");
    let ran = place.ran(&["attach", "one"]);
    assert!(
        ran.code != 0 && ran.err.contains("monitor is gone"),
        "{}",
        ran.err
    );
    place.ok(&["stop", "-t", "1", "one"]);
    assert!(status(&place, "one").starts_with("exited"));
    assert_no_cgroup(&id);
    place.ok(&["start", "one"]);
    assert_eq!(status(&place, "one"), "running 0");

    // Both at once: nobody was there to see the end.
    let first = pid(&place, "one");
    signal(parent(first), "KILL");
    signal(first, "KILL");
    until("it is known", || {
        status(&place, "one").starts_with("exited")
    });
    assert_eq!(place.ok(&["ps", "-q"]), "");
    place.ok(&["start", "one"]);
    let first = pid(&place, "one");
    signal(parent(first), "KILL");
    place.ok(&["rm", "-f", "one"]);
    place.assert_empty();
    assert_no_cgroup(&id);
}

#[test]
fn an_attached_client_learns_that_the_monitor_was_killed() {
    let place = Place::new();
    let mut child = place.start(&[
        "run",
        "--name",
        "one",
        &place.root(),
        "sh",
        "-c",
        "echo ready; sleep 100",
    ]);
    let mut text = [0u8; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut text)
        .unwrap();
    signal(parent(pid(&place, "one")), "KILL");
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(
        ran.code == 125 && ran.err.contains("monitor was killed"),
        "{} {}",
        ran.code,
        ran.err
    );
    assert_eq!(status(&place, "one"), "running 0");
}

#[test]
fn many_at_once() {
    let place = Place::new();
    let root = place.root();
    let children: Vec<_> = (0..8)
        .map(|n| {
            let mut command = place.command(&[
                "run",
                "--rm",
                &root,
                "sh",
                "-c",
                &format!("echo {n}; exit {n}"),
            ]);
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for (n, child) in (0..).zip(children) {
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(
            (ran.code, ran.out.trim()),
            (n, n.to_string().as_str()),
            "{}",
            ran.err
        );
    }
    place.assert_empty();
}
