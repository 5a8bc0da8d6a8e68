//! The command line, as runc's users and clients know it.

use serde_json::{Value, json};

use crate::harness::{Bundle, Console, Outcome};

fn json_of(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.ok().out).expect("JSON")
}

#[test]
fn help_goes_by_command() {
    let Some(bundle) = Bundle::new() else {
        return;
    };
    for verb in ["create", "events", "exec", "update", "checkpoint"] {
        let page = bundle.call(&[verb, "--help"]).ok().out;
        let start = format!("NAME:\n   stockade oci {verb} - ");
        assert!(page.starts_with(&start), "{page}");
    }
    bundle
        .call(&["fly", "--help"])
        .fails("No help topic for 'fly'");
    bundle
        .call(&["state"])
        .fails("\"state\" requires exactly 1 argument(s)");
}

#[test]
fn events_tell_figures_and_end_with_the_container() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").write_config();
    bundle.call(&["run", "-d", &bundle.id]).ok();
    let event = json_of(bundle.call(&["events", "--stats", &bundle.id]));
    assert_eq!(event["type"], "stats");
    assert_eq!(event["id"], json!(bundle.id));
    // A cgroup that was named is there in each hierarchy that counts, limits or not.
    assert_eq!(event["data"]["pids"]["current"], 1, "{event}");
    assert!(
        event["data"]["memory"]["usage"]["usage"].as_u64() > Some(0),
        "{event}"
    );
    let words = ["events", "--interval", "50ms", &bundle.id];
    let running = bundle.begin(bundle.command(&words));
    while running.output().lines().count() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    let told = running.wait().ok();
    let first = told.lines()[0];
    assert!(first.starts_with("{\"type\":\"stats\",\"id\":"), "{first}");
    bundle
        .call(&["events", &bundle.id])
        .fails("container does not exist");
    bundle
        .call(&["events", "--interval", "0s", &bundle.id])
        .fails("--interval");
}

#[test]
fn memory_that_is_out_is_told() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 16 << 20, "swap": 16 << 20});
    bundle.sh("sleep 100").write_config();
    if bundle.call(&["run", "-d", &bundle.id]).code != 0 {
        eprintln!("skipped: this host does not limit swap");
        return;
    }
    let running = bundle.begin(bundle.command(&["events", "--interval", "20ms", &bundle.id]));
    while running.output().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let hog = "x=0123456789abcdef; while true; do x=$x$x; done";
    assert_ne!(bundle.call(&["exec", &bundle.id, "sh", "-c", hog]).code, 0);
    let line = format!("{{\"type\":\"oom\",\"id\":\"{}\"}}", bundle.id);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !running.output().contains(&line) && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    let told = running.wait().out;
    assert!(told.contains(&line), "{told}");
}

#[test]
fn ps_takes_options_of_ps() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100 & sleep 101").write_config();
    bundle.call(&["run", "-d", &bundle.id]).ok();
    let pid = bundle.pid().to_string();
    let all = bundle.call(&["ps", &bundle.id]).ok().out;
    assert!(all.starts_with("UID "), "{all}");
    assert!(all.lines().skip(1).any(|line| line.contains(&pid)), "{all}");
    let few = bundle
        .call(&["ps", &bundle.id, "-e", "-o", "pid,comm"])
        .ok()
        .out;
    assert!(
        few.lines().all(|line| line.split_whitespace().count() == 2),
        "{few}"
    );
    assert!(few.contains("sleep") && few.contains(&pid), "{few}");
    bundle
        .call(&["ps", &bundle.id, "-e", "-o", "comm"])
        .fails("PID");
}

#[test]
fn home_is_the_users() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    let accounts = "root:x:0:0::/root:/bin/sh\nnone\nann:x:1000:1000::/home/ann:/bin/sh\nbad:x:7:7::no/slash:\n";
    std::fs::create_dir_all(bundle.dir.join("rootfs/etc")).unwrap();
    std::fs::write(bundle.dir.join("rootfs/etc/passwd"), accounts).unwrap();
    bundle.sh("env; sleep 100").write_config();
    for (env, uid, home) in [
        (json!(["PATH=/bin"]), 0, "/root"),
        (json!(["PATH=/bin", "HOME="]), 1000, "/home/ann"),
        (json!(["PATH=/bin", "HOME=/x", "HOME="]), 1000, "/home/ann"),
        (json!(["PATH=/bin", "HOME=/x"]), 1000, "/x"),
        (json!(["PATH=/bin"]), 7, "/"),
        (json!(["PATH=/bin"]), 12345, "/"),
    ] {
        bundle.config["process"]["env"] = env;
        bundle.config["process"]["user"]["uid"] = json!(uid);
        let out = bundle.sh("env").run().ok().out;
        let homes: Vec<_> = out
            .lines()
            .filter(|line| line.starts_with("HOME="))
            .collect();
        assert_eq!(homes, [format!("HOME={home}")], "{uid}");
    }
    // Whatever the image has there, nobody waits for it.
    std::fs::remove_file(bundle.dir.join("rootfs/etc/passwd")).unwrap();
    sys::rustix::fs::mknodat(
        sys::rustix::fs::CWD,
        bundle.below("rootfs/etc/passwd").as_str(),
        sys::rustix::fs::FileType::Fifo,
        sys::rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert_eq!(bundle.sh("echo $HOME").run().ok().out, "/\n");
}

#[test]
fn of_a_variable_given_twice_the_last_one_is_meant() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["env"] = json!(["A=1", "HOME=/", "PATH=/bin", "A=2", "A="]);
    let out = bundle.args(&["env"]).run().ok().out;
    assert_eq!(out, "HOME=/\nPATH=/bin\nA=\n");
}

#[test]
fn the_callers_own_processors_are_not_the_payloads() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let all = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("Cpus_allowed_list"));
        line.unwrap_or_default().to_owned()
    };
    bundle
        .sh("grep Cpus_allowed_list /proc/self/status")
        .write_config();
    let run = bundle.command(&["run", &bundle.id]);
    let mut command = std::process::Command::new("taskset");
    command
        .args(["-c", "0"])
        .arg(run.get_program())
        .args(run.get_args());
    command.current_dir(&bundle.dir);
    let out = command.output().unwrap();
    assert_eq!(
        list(&String::from_utf8_lossy(&out.stdout)),
        list(&all),
        "{out:?}"
    );
}

#[test]
fn a_terminal_of_run_passes_the_status_and_plain_lines() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["terminal"] = json!(true);
    let outcome = bundle.sh("tty; exit 7").run();
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (7, "/dev/pts/0\n"),
        "{outcome:?}"
    );
    bundle.config["process"]["terminal"] = json!(false);
    bundle.sh("sleep 100").write_config();
    bundle.call(&["run", "-d", &bundle.id]).ok();
    let outcome = bundle.call(&["exec", "-t", &bundle.id, "sh", "-c", "echo x; exit 9"]);
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (9, "x\n"),
        "{outcome:?}"
    );
}

#[test]
fn what_exec_cannot_run_is_255() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").write_config();
    bundle.call(&["run", "-d", &bundle.id]).ok();
    for words in [
        &["exec", &bundle.id, "/no/such"][..],
        &["exec", &bundle.id],
        &["exec", "--pid-file", "/no/such/file", &bundle.id, "true"],
        &["exec", "nobody", "true"],
    ] {
        assert_eq!(bundle.call(words).code, 255, "{words:?}");
    }
    assert_eq!(
        bundle
            .call(&["exec", &bundle.id, "sh", "-c", "exit 3"])
            .code,
        3
    );
}

#[test]
fn kill_asks_and_forgives() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.without_namespace("pid");
    bundle.sh("sleep 100 & sleep 101").write_config();
    bundle.call(&["run", "-d", &bundle.id]).ok();
    bundle.call(&["kill", &bundle.id, "0"]).ok();
    assert_eq!(bundle.status(), "running");
    // Without a namespace of pids nothing else ends those that live on.
    bundle.call(&["kill", &bundle.id, "KILL"]).ok();
    bundle.wait_for("stopped");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !bundle.processes().is_empty() && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(bundle.processes(), [0; 0]);
    for signal in ["0", "KILL"] {
        bundle
            .call(&["kill", &bundle.id, signal])
            .fails("container not running");
        bundle.call(&["kill", "--all", &bundle.id, signal]).ok();
    }
    bundle.verb("delete").ok();
}

#[test]
fn a_pidfd_goes_to_who_asks() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").write_config();
    let path = bundle.below("pidfd");
    bundle
        .call(&["create", "--pidfd-socket", &path, &bundle.id])
        .fails("--pidfd-socket");
    bundle.assert_nothing_left("a socket that is not there");
    let console = Console::listen(&path);
    let take = || console.take().0.expect("a descriptor");
    bundle
        .call(&["create", "--pidfd-socket", &path, &bundle.id])
        .ok();
    let named = sys::process::number(take()).unwrap().as_raw_nonzero().get();
    assert_eq!(u64::try_from(named), Ok(bundle.pid()));
    bundle.verb("start").ok();
    let words = [
        "exec",
        "-d",
        "--pidfd-socket",
        &path,
        &bundle.id,
        "sleep",
        "50",
    ];
    bundle.call(&words).ok();
    let pidfd = take();
    assert!(sys::process::send(&pidfd, 9).unwrap());
    assert_eq!(bundle.status(), "running");
}

#[test]
fn debug_lines_go_to_the_log() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.args(&["true"]).write_config();
    let log = bundle.below("log");
    let words = ["--debug", "--log", &log, "--log-format", "json"];
    let outcome = bundle
        .call(&[&words[..], &["run", &bundle.id]].concat())
        .ok();
    assert_eq!(outcome.err, "");
    let text = std::fs::read_to_string(&log).unwrap();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["level"], "debug");
    }
    assert!(text.contains("container: mount proc on /proc"), "{text}");
    let outcome = bundle.call(&["--debug", "run", &bundle.id]).ok();
    assert!(
        outcome.err.contains("level=debug msg=\"host: "),
        "{outcome:?}"
    );
    bundle
        .call(&["--log", "/no/such/log", "list"])
        .fails("--log: ");
}

#[test]
fn a_start_container_hook_has_the_payloads_environment() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    bundle.config["process"]["env"] = json!(["PATH=/bin", "ONE=two"]);
    let hook = |env: Value| json!([{"path": "/bin/sh", "args": ["sh", "-c", "echo \"[$ONE$HOME]\" > /told"], "env": env}]);
    bundle.config["hooks"] = json!({"startContainer": hook(json!([]))});
    assert_eq!(bundle.sh("cat /told").run().ok().out, "[two/root]\n");
    bundle.config["hooks"] = json!({"startContainer": hook(json!(["ONE=own"]))});
    assert_eq!(bundle.sh("cat /told").run().ok().out, "[own]\n");
}

#[test]
fn exec_goes_to_a_cgroup_below() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").write_config();
    bundle.call(&["run", "-d", &bundle.id]).ok();
    let hierarchy = std::path::Path::new("/sys/fs/cgroup/pids");
    if !hierarchy.exists() {
        eprintln!("skipped: no hierarchy of pids alone");
        return;
    }
    let below = format!("{}{}/below", hierarchy.display(), bundle.cgroup());
    std::fs::create_dir(below).unwrap();
    let exec = |cgroup: &str| {
        let words = [
            "exec",
            "--cgroup",
            cgroup,
            &bundle.id,
            "cat",
            "/proc/self/cgroup",
        ];
        bundle.call(&words)
    };
    let line = format!(":pids:{}/below\n", bundle.cgroup());
    assert!(exec("pids:/below").ok().out.contains(&line));
    exec("pids:..").fails("bad sub cgroup path");
    exec("pids:missing").fails("o such file or directory");
    exec("banana:/").fails("unknown controller");
    exec("/").ok();
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("a cgroup that was made below");
}
