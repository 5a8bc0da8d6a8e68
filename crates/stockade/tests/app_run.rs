//! What `run` does with its payload: exit status, streams, signals, init, names, and what is left.
//! Needs root and a static busybox.

mod common;

use std::fs;
use std::io::{Read, Write};

use common::app::{Place, Ran, assert_no_cgroup, children, signal, until};

#[test]
fn exit_codes() {
    let place = Place::new();
    let root = place.root();
    assert_eq!(place.run(&[], "exit 7").code, 7);
    assert_eq!(place.run(&["--init"], "kill -9 $$").code, 137);
    assert_eq!(place.run(&["--init"], "kill -TERM $$").code, 143);
    let refused = |words: &[&str], code: i32, text: &str| {
        let ran = place.ran(&[&["run", "--rm", &root], words].concat());
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (code, ""),
            "{words:?}: {}",
            ran.err
        );
        assert!(
            ran.err.contains(text) && ran.err.lines().count() == 1,
            "{words:?}: {}",
            ran.err
        );
    };
    refused(
        &["nosuch"],
        127,
        "exec: \"nosuch\": executable file not found in $PATH",
    );
    refused(
        &["/no/such"],
        127,
        "exec /no/such: no such file or directory",
    );
    refused(&["/etc/passwd"], 126, "exec /etc/passwd: permission denied");
    refused(&["/etc"], 126, "permission denied");
    place.assert_empty();
}

#[test]
fn streams_are_kept_apart_and_whole() {
    let place = Place::new();
    let ran = place.run(&[], "echo out; echo err >&2; seq 20000");
    assert_eq!(ran.err, "err\n");
    assert!(ran.out.starts_with("out\n1\n2\n") && ran.out.ends_with("\n20000\n"));
    assert_eq!(ran.out.lines().count(), 20001);
}

#[test]
fn input_reaches_the_payload_to_its_end() {
    let place = Place::new();
    let root = place.root();
    let mut child = place.start(&["run", "--rm", "-i", &root, "wc", "-c"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![b'x'; 300_000]).unwrap();
    drop(input);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.trim()), (0, "300000"), "{}", ran.err);

    let mut without = place.start(&["run", "--rm", &root, "wc", "-c"]);
    let mut input = without.stdin.take().unwrap();
    let _ = input.write_all(b"nobody reads this");
    let ran = Ran::from(without.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out.trim()), (0, "0"));
}

#[test]
fn a_payload_that_does_not_read_ends_all_the_same() {
    let place = Place::new();
    let child = place.start(&["run", "--rm", "-i", &place.root(), "sh", "-c", "exit 5"]);
    // The input is still open.
    let (input, mut child) = {
        let mut child = child;
        (child.stdin.take(), child)
    };
    assert_eq!(child.wait().unwrap().code(), Some(5));
    drop(input);
}

#[test]
fn signals_go_to_the_payload() {
    let place = Place::new();
    let script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = place.start(&["run", "--rm", &place.root(), "sh", "-c", script]);
    let mut out = child.stdout.take().unwrap();
    let mut text = [0u8; 6];
    out.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"ready\n");
    signal(children(child.id())[0], "TERM");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "got\n");
    assert_eq!(child.wait().unwrap().code(), Some(9));
    place.assert_empty();
}

#[test]
fn a_client_that_is_killed_leaves_its_container_running() {
    let place = Place::new();
    let script = "echo ready; sleep 100";
    let mut child = place.start(&["run", "--name", "on", &place.root(), "sh", "-c", script]);
    let mut text = [0u8; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut text)
        .unwrap();
    signal(children(child.id())[0], "KILL");
    child.wait().unwrap();
    assert_eq!(place.field("on", "{{.State.Status}}"), "running");
    assert_eq!(place.ok(&["exec", "on", "echo", "lives"]), "lives\n");
    assert_eq!(place.ok(&["rm", "-f", "on"]), "on\n");
    place.assert_empty();
}

#[test]
fn init_reaps_and_forwards_and_without_it_the_payload_is_pid_1() {
    let place = Place::new();
    assert_eq!(place.says(&[], "echo $$"), "1\n");
    assert_eq!(place.says(&["--init"], "echo $$"), "2\n");
    // An orphan that ended is no zombie for long.
    let orphans = "sh -c 'sleep 0.05 & sleep 0.05 &'; sleep 0.4; ps -o stat | grep -c Z";
    assert_eq!(place.run(&["--init"], orphans).out, "0\n");
    // PID 1 ignores what it has no handler for, even SIGKILL of its own.
    assert_eq!(
        place.says(&[], "kill -TERM $$; kill -KILL $$; echo alive"),
        "alive\n"
    );

    place.background(
        "fwd",
        &["--init"],
        "trap 'exit 11' USR1; while :; do sleep 0.05; done",
    );
    until("the trap is set", || {
        place
            .ran(&["exec", "fwd", "grep", "SigCgt:.*[^0]", "/proc/2/status"])
            .code
            == 0
    });
    place.ok(&["kill", "-s", "USR1", "fwd"]);
    assert_eq!(place.ok(&["wait", "fwd"]), "11\n");
}

#[test]
fn nothing_is_left_of_a_container_that_removes_itself() {
    let place = Place::new();
    for options in [
        &[][..],
        &["--init"],
        &["--ephemeral"],
        &["-m", "32m", "--pids-limit", "9"],
    ] {
        place.says(options, "touch /tmp/x");
        place.assert_empty();
    }
    let id = place.background("gone", &["--rm"], "exit 3");
    until("it is removed", || {
        place.ran(&["inspect", "gone"]).code != 0
    });
    until("its directory is removed", || {
        !place.0.join("store/names/gone").exists()
    });
    place.assert_empty();
    assert_no_cgroup(&id);
}

#[test]
fn names_and_ids() {
    let place = Place::new();
    let id = place.background("one", &[], "sleep 100");
    assert_eq!(id.len(), 64);
    let again = place.ran(&["run", "-d", "--name", "one", &place.root(), "true"]);
    assert_eq!(again.code, 125);
    let words = format!("the container name \"one\" is already in use by container {id}");
    assert!(again.err.contains(&words), "{}", again.err);
    assert_eq!(place.ok(&["rename", "one", "two"]), "");
    assert_eq!(place.ok(&["exec", &id[..12], "echo", "by id"]), "by id\n");
    assert_eq!(place.ok(&["rm", "-f", "two"]), "two\n");
    let cid = place.path("cid");
    let ran = place.run(&["--cidfile", &cid], "hostname");
    assert_eq!(ran.out.trim(), &fs::read_to_string(&cid).unwrap()[..12]);
    let ran = place.run(&["--cidfile", &cid], "hostname");
    assert_eq!(
        ran.code, 125,
        "a cidfile that is there is kept: {}",
        ran.err
    );
    place.assert_empty();
}

#[test]
fn wrong_input_is_one_line_and_leaves_nothing() {
    let place = Place::new();
    let wrong: [(&[&str], &str); 27] = [
        (&["--nosuch"], "unknown option --nosuch"),
        (&["--user", "nobody"], "--user nobody"),
        (&["--user", "4294967295"], "--user"),
        (&["--user", "-1"], "-1"),
        (&["--volume", "/no/such:/mnt"], "/no/such"),
        (&["--volume", "rel/ative:/mnt"], "--volume rel/ative:/mnt"),
        (&["--mount", "type=banana,dst=/x"], "--mount"),
        (&["--memory", "banana"], "--memory banana"),
        (&["--memory", "4k"], "--memory 4k"),
        (&["--cpus", "-1"], "-1"),
        (&["--cpuset-cpus", "99"], "--cpuset-cpus 99:"),
        (
            &["--ulimit", "nofile=4:4000000000"],
            "--ulimit nofile=4:4000000000:",
        ),
        (&["--pids-limit", "x"], "--pids-limit x"),
        (&["--cap-add", "nosuch"], "--cap-add nosuch"),
        (&["--security-opt", "nosuch"], "--security-opt nosuch"),
        (&["--security-opt", "seccomp=/no/such"], "/no/such"),
        (&["--device", "/dev/nosuch"], "--device /dev/nosuch"),
        (&["--sysctl", "kernel.panic=1"], "--sysctl kernel.panic=1"),
        (&["--ulimit", "nosuch=1"], "--ulimit nosuch=1"),
        (&["--stop-signal", "nosuch"], "--stop-signal nosuch"),
        (&["--pid", "container:nosuch"], "no such container: nosuch"),
        (&["--net", "bridge"], "--net bridge"),
        (&["--userns", "banana"], "--userns banana"),
        (&["--env-file", "/no/such"], "/no/such"),
        (&["--hostname", "-bad-"], "--hostname -bad-"),
        (&["--name", "../x"], "../x"),
        (&["--restart", "sometimes"], "--restart sometimes"),
    ];
    for (options, text) in wrong {
        let ran = place.run(options, "echo must not run");
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (125, ""),
            "{options:?}: {}",
            ran.err
        );
        let complaint = ran.err.lines().filter(|line| !line.starts_with("hint:"));
        assert_eq!(complaint.count(), 1, "{options:?}: {}", ran.err);
        assert!(ran.err.contains(text), "{options:?}: {}", ran.err);
        place.assert_empty();
    }
    let ran = place.ran(&["run", "--rm", "/no/such/root", "true"]);
    assert!(
        ran.code == 125 && ran.err.contains("/no/such/root"),
        "{}",
        ran.err
    );
    let ran = place.ran(&["run", "--rm", &place.root()]);
    assert!(
        ran.code == 125 && ran.err.contains("no command given"),
        "{}",
        ran.err
    );
    place.assert_empty();
}
