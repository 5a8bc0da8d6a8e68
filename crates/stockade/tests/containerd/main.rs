//! containerd's shim, by Debian's containerd itself.

mod checkpoint;
mod daemon;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use daemon::{Daemon, shim_link, until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_container_runs_and_its_status_and_streams_are_ctrs_own() {
    let daemon = Daemon::start();
    let script = "echo out; echo error >&2; readlink /proc/self/root; exit 7";
    let ran = daemon.run(&["--rm"], "c", script);
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    assert_eq!(text(&ran.stdout), "out\n/\n");
    assert_eq!(text(&ran.stderr), "error\n");
    let mut child = daemon
        .command(&[
            "ctr",
            "run",
            "--rm",
            "--runtime",
            "io.containerd.stockade.v2",
            "test/busybox:1",
            "i",
            "cat",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&[b'x'; 200_000])
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout.len(), 200_000);
    let ran = daemon.ran(&[
        "run",
        "--rm",
        "--runtime",
        "io.containerd.stockade.v2",
        "test/busybox:1",
        "n",
        "/nosuch",
    ]);
    assert_ne!(ran.status.code(), Some(0));
    assert!(
        text(&ran.stderr).contains("/nosuch: no such file or directory"),
        "{ran:?}"
    );
    daemon.assert_nothing_left();
}

#[test]
fn exec_pause_kill_and_the_events_of_all_of_it() {
    let daemon = Daemon::start();
    let mut listener = daemon.listen("events");
    daemon.run_ok(
        &["-d"],
        "c",
        "trap 'exit 3' TERM; while :; do sleep 0.1; done",
    );
    let ran = daemon.ran(&[
        "task",
        "exec",
        "--exec-id",
        "e",
        "c",
        "sh",
        "-c",
        "echo in; exit 5",
    ]);
    assert_eq!((ran.status.code(), &*text(&ran.stdout)), (Some(5), "in\n"));
    let ran = daemon.ran(&["task", "exec", "--exec-id", "f", "c", "/nosuch"]);
    assert!(
        text(&ran.stderr).contains("no such file or directory"),
        "{ran:?}"
    );
    assert!(
        daemon
            .ok(&["task", "ps", "c"])
            .contains(&daemon.pid("c").to_string())
    );
    daemon.ok(&["task", "pause", "c"]);
    assert_eq!(daemon.status("c"), "PAUSED");
    assert!(
        !daemon
            .ran(&["task", "exec", "--exec-id", "g", "c", "true"])
            .status
            .success()
    );
    daemon.ok(&["task", "resume", "c"]);
    assert_eq!(daemon.status("c"), "RUNNING");
    let failed = daemon.ran(&["task", "checkpoint", "c"]);
    assert!(
        text(&failed.stderr).contains("OCI runtime checkpoint failed: "),
        "{failed:?}"
    );
    assert_eq!(daemon.status("c"), "RUNNING");
    let refused = daemon.ran(&["task", "rm", "c"]);
    assert!(
        text(&refused.stderr).contains("must be stopped"),
        "{refused:?}"
    );
    daemon.ok(&["task", "kill", "-s", "TERM", "c"]);
    assert_eq!(daemon.remove("c"), "3");
    until("the last event", || {
        daemon
            .events("events")
            .iter()
            .any(|event| event.starts_with("delete"))
    });
    let topics: Vec<_> = daemon
        .events("events")
        .iter()
        .map(|event| event.split(' ').next().unwrap().to_owned())
        .collect();
    // `ctr` itself pauses what it wants a checkpoint of.
    let wanted = [
        "create",
        "start",
        "exec-added",
        "exec-started",
        "exit",
        "exec-added",
        "paused",
        "resumed",
        "paused",
        "resumed",
        "exit",
        "delete",
    ];
    assert_eq!(topics, wanted);
    let end = &daemon.events("events")[10];
    assert!(
        end.contains(r#""id":"c""#) && end.contains(r#""exit_status":3"#),
        "{end}"
    );
    listener.kill().unwrap();
    listener.wait().unwrap();
    daemon.assert_nothing_left();
}

#[test]
fn a_terminal_has_the_users_size_and_an_end() {
    let daemon = Daemon::start();
    let on_terminal = |inner: &str| {
        let line = format!("stty rows 33 cols 77; {inner}");
        let output = daemon
            .command(&["script", "-qec", &line, "/dev/null"])
            .output()
            .unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let run = "ctr run --rm -t --runtime io.containerd.stockade.v2 test/busybox:1";
    let (code, out) = on_terminal(&format!("{run} c sh -c 'sleep 1; stty size; exit 4'"));
    assert!(code == Some(4) && out.contains("33 77"), "{code:?} {out}");
    daemon.run_ok(&["-d"], "d", "sleep 100");
    let (code, out) =
        on_terminal("ctr task exec -t --exec-id e d sh -c 'sleep 1; stty size; exit 6'");
    assert!(code == Some(6) && out.contains("33 77"), "{code:?} {out}");
    daemon.ok(&["task", "kill", "-s", "KILL", "d"]);
    assert_eq!(daemon.remove("d"), "137");
    daemon.assert_nothing_left();
}

#[test]
fn containers_outlive_containerd_and_are_found_again() {
    let mut daemon = Daemon::start();
    daemon.run_ok(&["-d"], "lives", "sleep 1000");
    daemon.run_ok(&["-d"], "ends", "sleep 1; exit 9");
    daemon.kill_containerd();
    until("its end", || daemon.pids_of("sleep 1 ").is_empty());
    daemon.start_containerd();
    assert_eq!(daemon.status("lives"), "RUNNING");
    let ran = daemon.ran(&["task", "exec", "--exec-id", "e", "lives", "echo", "still"]);
    assert_eq!(text(&ran.stdout), "still\n", "{ran:?}");
    assert_eq!(daemon.remove("ends"), "9");
    let mut listener = daemon.listen("events");
    daemon.ok(&["task", "kill", "-s", "KILL", "lives"]);
    assert_eq!(daemon.remove("lives"), "137");
    let has = |topic: &str, name: &str| {
        let events = daemon.events("events");
        events
            .iter()
            .any(|event| event.starts_with(topic) && event.contains(name))
    };
    until("the events", || {
        has("exit", r#""id":"lives""#) && has("delete", r#""container_id":"lives""#)
    });
    listener.kill().unwrap();
    listener.wait().unwrap();
    daemon.assert_nothing_left();
}

#[test]
fn what_a_killed_shim_leaves_is_removed() {
    let daemon = Daemon::start();
    daemon.run_ok(&["-d"], "c", "sleep 1000");
    for shim in daemon.shims() {
        let killed = daemon
            .command(&["kill", "-KILL", &shim.to_string()])
            .status();
        assert!(killed.unwrap().success());
    }
    until("the task's end", || daemon.status("c").is_empty());
    until("the payload's end", || {
        daemon.pids_of("sleep 1000").is_empty()
    });
    daemon.ok(&["container", "rm", "c"]);
    daemon.assert_nothing_left();
}

#[test]
fn a_pod_has_one_shim_which_ends_with_the_last_container() {
    let daemon = Daemon::start();
    let pod = ["-d", "--annotation", "io.kubernetes.cri.sandbox-id=pod"];
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        daemon.run_ok(&pod, name, "sleep 1000");
    }
    daemon.run_ok(&["-d"], "other", "sleep 1000");
    assert_eq!(daemon.shims().len(), 2);
    for name in names {
        assert_eq!(daemon.status("other"), "RUNNING");
        daemon.ok(&["task", "kill", "-s", "KILL", name]);
        assert_eq!(daemon.remove(name), "137");
    }
    until("the pod's shim's end", || daemon.shims().len() == 1);
    daemon.ok(&["task", "kill", "-s", "KILL", "other"]);
    daemon.remove("other");
    daemon.assert_nothing_left();
}

#[test]
fn logs_go_to_files_and_programs() {
    let daemon = Daemon::start();
    let log = daemon.path("deep/down/x.log");
    let uri = format!("file://{log}");
    daemon.run_ok(&["-d", "--log-uri", &uri], "f", "echo out; echo error >&2");
    daemon.remove("f");
    assert_eq!(fs::read_to_string(log).unwrap(), "out\nerror\n");
    let (program, out) = (daemon.path("logger"), daemon.path("logged"));
    let script = format!(
        "#!/bin/sh\necho $CONTAINER_ID $* > {out}\nexec 5>&-\ncat <&3 >> {out}\ncat <&4 >> {out}\necho end >> {out}\n"
    );
    fs::write(&program, script).unwrap();
    let made = Command::new("chmod").args(["755", &program]).status();
    assert!(made.unwrap().success());
    let uri = format!("binary://{program}?key=a%20b");
    daemon.run_ok(&["-d", "--log-uri", &uri], "p", "echo out; echo error >&2");
    until("the log", || {
        fs::read_to_string(&out)
            .unwrap_or_default()
            .ends_with("end\n")
    });
    daemon.remove("p");
    assert_eq!(
        fs::read_to_string(out).unwrap(),
        "p key a b\nout\nerror\nend\n"
    );
    let ran = daemon.run(&["-d", "--log-uri", "binary:///nosuch/logger"], "n", "true");
    assert!(
        text(&ran.stderr).contains("/nosuch/logger: No such file"),
        "{ran:?}"
    );
    daemon.assert_nothing_left();
}

#[test]
fn out_of_memory_is_told_before_the_end() {
    let daemon = Daemon::start();
    let mut listener = daemon.listen("events");
    let limit = ["-d", "--memory-limit", "20000000"];
    daemon.run_ok(&limit, "c", "sleep 0.5; tail /dev/zero");
    let figures = daemon.ok(&["task", "metrics", "c"]);
    assert!(
        figures.contains("19996672") || figures.contains("20000000"),
        "{figures}"
    );
    assert_eq!(daemon.remove("c"), "137");
    until("the last event", || {
        daemon
            .events("events")
            .iter()
            .any(|event| event.starts_with("delete"))
    });
    let events = daemon.events("events");
    let place = |topic: &str| events.iter().position(|event| event.starts_with(topic));
    assert!(
        place("oom").is_some() && place("oom") < place("exit"),
        "{events:?}"
    );
    listener.kill().unwrap();
    listener.wait().unwrap();
    daemon.assert_nothing_left();
}

/// containerd before 1.3 told shims of no socket for events, and who starts one by hand need not.
#[test]
fn events_go_by_containerds_program_where_no_socket_is_told_of() {
    let daemon = Daemon::start();
    let script = "cd /run/bin && mkdir real && mv containerd-shim-stockade-v2 real/ && \
        printf '#!/bin/sh\\nunset TTRPC_ADDRESS\\nexec /run/bin/real/containerd-shim-stockade-v2 \"$@\"\\n' \
        >containerd-shim-stockade-v2 && chmod 755 containerd-shim-stockade-v2";
    let made = daemon.command(&["sh", "-c", script]).status();
    assert!(made.unwrap().success());
    let mut listener = daemon.listen("events");
    daemon.run_ok(&["-d"], "c", "exit 5");
    assert_eq!(daemon.remove("c"), "5");
    let topics = || -> Vec<String> {
        let events = daemon.events("events");
        let topic = |event: &String| event.split(' ').next().unwrap().to_owned();
        events.iter().map(topic).collect()
    };
    until("the last event", || {
        topics().iter().any(|topic| topic == "delete")
    });
    assert_eq!(topics(), ["create", "start", "exit", "delete"]);
    listener.kill().unwrap();
    listener.wait().unwrap();
    daemon.assert_nothing_left();
}

#[test]
fn streams_have_the_owner_that_is_asked_for() {
    let daemon = Daemon::start();
    let path = daemon.path("options.toml");
    fs::write(&path, "IoUid = 1234\nIoGid = 5678\n").unwrap();
    let options = ["--rm", "--runtime-config-path", &path];
    let ran = daemon.run(
        &options,
        "c",
        "stat -L -c %u:%g /proc/self/fd/1 /proc/self/fd/2",
    );
    assert_eq!(text(&ran.stdout), "1234:5678\n1234:5678\n", "{ran:?}");
    daemon.assert_nothing_left();
}

#[test]
fn many_at_once_and_one_after_the_other_leave_nothing_and_a_shim_does_not_grow() {
    let daemon = Daemon::start();
    daemon.run_ok(&["-d"], "c", "sleep 1000");
    let [shim] = daemon.shims()[..] else {
        panic!("not one shim");
    };
    let private = || {
        let path = format!("/proc/{shim}/smaps_rollup");
        let text = daemon.command(&["cat", &path]).output().unwrap();
        let text = String::from_utf8(text.stdout).unwrap();
        let line = text.lines().find(|line| line.starts_with("Anonymous:"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u32>()
            .unwrap()
    };
    let exec = |round: u32| {
        let id = format!("e{round}");
        daemon.ok(&["task", "exec", "--exec-id", &id, "c", "true"]);
    };
    (0..10).for_each(exec);
    let before = private();
    (10..40).for_each(exec);
    // The heap takes its pages by 32 KiB.
    assert!(private() <= before + 40, "{before} KiB, then {}", private());
    assert!(before < 400, "an idle shim has {before} KiB of its own");
    std::thread::scope(|scope| {
        for one in 0..6 {
            let daemon = &daemon;
            scope.spawn(move || daemon.run_ok(&["--rm"], &format!("m{one}"), "true"));
        }
    });
    daemon.ok(&["task", "kill", "-s", "KILL", "c"]);
    daemon.remove("c");
    daemon.assert_nothing_left();
}

#[test]
fn options_that_are_not_known_are_refused_by_name() {
    let directory = std::env::temp_dir().join(format!("stockade-shim-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let shim = shim_link(&directory);
    let ran = |words: &[&str]| {
        Command::new(&shim)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    for (words, wanted) in [
        (&["-nonsense", "x"][..], "unknown option -nonsense"),
        (&["-id", "x", "start"], "-namespace: needed"),
        (&["-namespace", "n", "dance"], "dance: no such verb"),
        (
            &["-namespace", "n", "-id", "../x", "delete"],
            "no container's name",
        ),
    ] {
        let output = ran(words);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains(wanted),
            "{words:?}: {output:?}"
        );
    }
    let info = ran(&["-info"]);
    assert!(info.status.success());
    let out = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(
        out.contains("io.containerd.stockade.v2") && out.contains("ociVersionMax"),
        "{out}"
    );
    assert!(text(&ran(&["-v"]).stdout).contains(env!("CARGO_PKG_VERSION")));
    fs::remove_dir_all(directory).unwrap();
}
