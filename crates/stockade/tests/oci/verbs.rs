//! The life of a container, verb by verb, and what is said when a verb cannot be.

use serde_json::json;

use crate::harness::Bundle;

#[test]
fn a_container_lives_from_create_to_delete() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("echo started; sleep 100");
    bundle.create().ok();
    assert_eq!(bundle.status(), "created");
    let state = bundle.state();
    assert_eq!(state["bundle"], bundle.path());
    assert_eq!(state["id"], bundle.id.as_str());
    bundle.verb("start").ok();
    assert_eq!(bundle.status(), "running");
    bundle
        .call(&["start", &bundle.id])
        .fails("cannot start a container that is running");
    bundle
        .call(&["delete", &bundle.id])
        .fails("that is not stopped: running");
    bundle.call(&["kill", &bundle.id, "KILL"]).ok();
    bundle.wait_for("stopped");
    bundle
        .call(&["kill", &bundle.id])
        .fails("container not running");
    bundle
        .call(&["exec", &bundle.id, "true"])
        .fails("cannot exec in a stopped container");
    bundle.verb("delete").ok();
    bundle.verb("state").fails("container does not exist");
    bundle.assert_nothing_left("delete");
}

#[test]
fn run_gives_the_payloads_status_and_leaves_nothing() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let outcome = bundle.sh("echo out; echo err >&2; exit 7").run();
    assert_eq!(
        (outcome.code, outcome.out.as_str(), outcome.err.as_str()),
        (7, "out\n", "err\n")
    );
    assert_eq!(
        bundle.sh("kill -9 $$; sleep 1; exit 3").run().code,
        3,
        "PID 1 does not kill itself"
    );
    bundle.assert_nothing_left("run");
}

#[test]
fn verbs_on_what_is_not_there() {
    let Some(bundle) = Bundle::new() else { return };
    for verb in [
        "state", "start", "kill", "pause", "resume", "delete", "ps", "update",
    ] {
        bundle
            .call(&[verb, "nobody"])
            .fails("container does not exist");
    }
    bundle
        .call(&["exec", "nobody", "true"])
        .fails("container does not exist");
    bundle.call(&["delete", "--force", "nobody"]).ok();
}

#[test]
fn names_that_can_be_none() {
    let Some(bundle) = Bundle::new() else { return };
    bundle.write_config();
    let long = "a".repeat(1100);
    for name in [
        "",
        ".",
        "..",
        "a/b",
        "/etc",
        "../x",
        "a b",
        "a\nb",
        "-",
        long.as_str(),
    ] {
        for verb in [
            "run",
            "create",
            "state",
            "start",
            "kill",
            "delete",
            "pause",
            "resume",
            "ps",
            "update",
            "events",
            "checkpoint",
        ] {
            bundle
                .call(&[verb, "--", name])
                .fails("invalid container ID");
        }
        bundle
            .call(&["exec", name, "true"])
            .fails("invalid container ID");
        bundle
            .call(&["restore", "--image-path", bundle.path(), "--", name])
            .fails("invalid container ID");
        bundle
            .call(&["delete", "--force", "--", name])
            .fails("invalid container ID");
    }
}

#[test]
fn a_name_is_taken_once() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").detach().ok();
    bundle
        .create()
        .fails("container with given ID already exists");
    bundle.run().fails("container with given ID already exists");
    assert_eq!(bundle.status(), "running", "the first one lives on");
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("delete --force");
}

#[test]
fn pause_and_resume() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle
        .sh("while true; do echo x; sleep 0.01; done")
        .detach()
        .ok();
    bundle
        .verb("resume")
        .fails("cannot resume a container that is running");
    bundle.verb("pause").ok();
    assert_eq!(bundle.status(), "paused");
    bundle
        .verb("pause")
        .fails("cannot pause a container that is paused");
    bundle
        .call(&["exec", &bundle.id, "true"])
        .fails("cannot exec in a paused container");
    bundle.verb("resume").ok();
    assert_eq!(bundle.status(), "running");
    bundle.verb("pause").ok();
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("delete --force of a paused container");
}

/// `start` does not wait for a process that cannot hear it.
#[test]
fn a_created_container_is_paused_and_goes_on() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").create().ok();
    bundle.verb("pause").ok();
    assert_eq!(bundle.status(), "paused");
    bundle
        .verb("start")
        .fails("cannot start a container that is paused");
    bundle.verb("resume").ok();
    assert_eq!(bundle.status(), "created");
    bundle.verb("start").ok();
    assert_eq!(bundle.status(), "running");
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.create().ok();
    bundle.verb("pause").ok();
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("delete --force of a created, paused container");
}

#[test]
fn kill_takes_names_and_numbers_and_all() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle
        .sh("trap 'echo hup' HUP; trap 'exit 5' TERM; echo ready; while true; do sleep 0.02; done");
    bundle.write_config();
    let running = bundle.begin(bundle.command(&["run", &bundle.id]));
    bundle.wait_until("ready", || running.output().contains("ready"));
    bundle.call(&["kill", &bundle.id, "SIGHUP"]).ok();
    bundle.wait_until("the first", || running.output().matches("hup").count() == 1);
    bundle.call(&["kill", &bundle.id, "1"]).ok();
    bundle.wait_until("the second", || {
        running.output().matches("hup").count() == 2
    });
    bundle
        .call(&["kill", &bundle.id, "BOGUS"])
        .fails("unknown signal");
    bundle.call(&["kill", &bundle.id]).ok();
    assert_eq!(running.wait().code, 5, "TERM is the default");
    bundle.sh("sleep 100 & sleep 100 & wait").detach().ok();
    bundle.call(&["kill", "--all", &bundle.id, "KILL"]).ok();
    bundle.wait_until("all to end", || bundle.processes().is_empty());
}

#[test]
fn signals_to_run_reach_the_payload() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle
        .sh("trap 'exit 9' TERM; echo ready; while true; do sleep 0.02; done")
        .write_config();
    let running = bundle.begin(bundle.command(&["run", &bundle.id]));
    bundle.wait_until("ready", || running.output().contains("ready"));
    running.signal(sys::rustix::process::Signal::TERM);
    assert_eq!(running.wait().code, 9);
    bundle.assert_nothing_left("run that got a signal");
}

#[test]
fn list_and_ps() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.call(&["list"]).fails("no such file or directory");
    std::fs::create_dir(bundle.dir.join("state")).unwrap();
    assert_eq!(
        bundle.call(&["list"]).ok().out,
        "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n"
    );
    assert_eq!(bundle.call(&["list", "-q"]).ok().out, "");
    bundle.sh("sleep 100").detach().ok();
    assert_eq!(
        bundle.call(&["list", "-q"]).ok().out,
        format!("{}\n", bundle.id)
    );
    let table = bundle.call(&["list"]).ok().out;
    assert!(
        table.contains("running") && table.contains(bundle.path()),
        "{table}"
    );
    let rows: serde_json::Value =
        serde_json::from_str(&bundle.call(&["list", "--format", "json"]).ok().out).unwrap();
    assert_eq!(rows[0]["status"], "running");
    assert_eq!(rows[0]["owner"], "root");
    let pids: Vec<u64> = serde_json::from_str(
        &bundle
            .call(&["ps", "--format", "json", &bundle.id])
            .ok()
            .out,
    )
    .unwrap();
    assert!(pids.contains(&bundle.pid()), "{pids:?}");
    bundle
        .call(&["list", "--format", "xml"])
        .fails("invalid format option");
}

#[test]
fn the_pid_file_names_the_first_process() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").write_config();
    bundle
        .call(&["run", "-d", "--pid-file", &bundle.below("pid"), &bundle.id])
        .ok();
    let written = std::fs::read_to_string(bundle.below("pid")).unwrap();
    assert_eq!(written, bundle.pid().to_string());
    bundle.call(&["delete", "-f", &bundle.id]).ok();
    // It is the caller's, who may look for it after the end.
    std::fs::remove_file(bundle.below("pid")).unwrap();
    bundle.assert_nothing_left("delete --force");
}

#[test]
fn commands_that_are_not_there() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let text = "executable file not found in $PATH";
    assert_eq!(bundle.args(&["nothing"]).run().fails(text).code, 1);
    bundle.assert_nothing_left("run");
    assert_eq!(
        bundle
            .args(&["/bin/nothing"])
            .run()
            .fails("exec /bin/nothing: no such file or directory")
            .code,
        1
    );
    assert_eq!(
        bundle
            .args(&["/etc/passwd"])
            .run()
            .fails("exec /etc/passwd: permission denied")
            .code,
        1
    );
    assert_eq!(
        bundle
            .args(&["/bin"])
            .run()
            .fails("exec /bin: permission denied")
            .code,
        1
    );
    assert_eq!(bundle.args(&["nothing"]).create().fails(text).code, 1);
    assert_eq!(bundle.args(&["nothing"]).detach().fails(text).code, 1);
    bundle.assert_nothing_left("detached run of nothing");
    let script = bundle.dir.join("rootfs/bin/script");
    std::fs::write(&script, "#!/no/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bundle
        .args(&["/bin/script"])
        .run()
        .fails("exec /bin/script: no such file or directory");
    bundle
        .detach()
        .fails("exec /bin/script: no such file or directory");
    bundle.create().ok();
    bundle
        .verb("start")
        .fails("exec /bin/script: no such file or directory");
    bundle.wait_for("stopped");
    bundle.verb("delete").ok();
    bundle.assert_nothing_left("delete after a start that failed");
}

#[test]
fn the_working_directory() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["cwd"] = json!("/usr/bin");
    assert_eq!(bundle.sh("pwd").run().ok().out, "/usr/bin\n");
    bundle.config["process"]["cwd"] = json!("/missing");
    bundle
        .run()
        .fails("config.json: process.cwd: change directory to /missing: No such file or directory");
    bundle.config["process"]["cwd"] = json!("relative");
    bundle.run().fails("config.json: process.cwd");
    bundle.assert_nothing_left("runs that failed");
}

#[test]
fn descriptors_are_kept_only_where_asked_for() {
    use std::os::fd::AsRawFd;
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("ls /proc/self/fd | tr '\\n' ' '; cat <&3 2>/dev/null; true");
    bundle.write_config();
    std::fs::write(bundle.below("kept"), "kept").unwrap();
    let file = std::fs::File::open(bundle.below("kept")).unwrap();
    let shell = |options: &str| {
        let mut command = std::process::Command::new("sh");
        let root = bundle.below("state");
        let words = format!(
            "exec {} oci --root {root} run {options} {} 3</proc/{}/fd/{} 4</dev/null",
            crate::harness::program().display(),
            bundle.id,
            std::process::id(),
            file.as_raw_fd()
        );
        command
            .current_dir(&bundle.dir)
            .args(["-c", &words])
            .stdin(std::process::Stdio::null());
        bundle.finish(command).ok().out
    };
    assert_eq!(shell(""), "0 1 2 3 ", "3 is the directory that ls reads");
    assert_eq!(shell("--preserve-fds 1"), "0 1 2 3 4 kept");
    assert_eq!(shell("--preserve-fds=2"), "0 1 2 3 4 5 kept");
}

#[test]
fn sockets_of_listen_fds_are_handed_on() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.push("/process/env", "LISTEN_FDS=9".into());
    let payload = "echo $LISTEN_FDS $LISTEN_PID; \
                   for n in 3 4 5; do [ ! -e /proc/$$/fd/$n ] || echo $n; done";
    bundle
        .sh(&format!("{payload}; exec sleep 100"))
        .write_config();
    let root = bundle.below("state");
    let program = crate::harness::program();
    let call = |bundle: &Bundle, set: &str, words: &str| {
        let mut command = std::process::Command::new("sh");
        let words = format!(
            "{set} exec {} oci --root {root} {words} 3</dev/null 4</dev/null 5</dev/null",
            program.display(),
        );
        command.current_dir(&bundle.dir).args(["-c", &words]);
        command.stdin(std::process::Stdio::null());
        bundle.finish(command).ok().out.replace('\n', " ")
    };
    let exec = |bundle: &Bundle, set: &str, options: &str| {
        let words = format!("exec {options} {} sh -c '{payload}'", bundle.id);
        call(bundle, set, &words)
    };
    let run = format!("run {}", bundle.id);
    let detached = format!("run -d {} >/dev/null 2>&1", bundle.id);
    call(&bundle, "", &detached);
    let ours = "LISTEN_PID=$$ LISTEN_FDS=2";
    assert_eq!(exec(&bundle, ours, ""), "2 1 3 4 ");
    assert_eq!(exec(&bundle, ours, "--preserve-fds 1"), "2 1 3 4 5 ");
    assert_eq!(exec(&bundle, "LISTEN_PID=1 LISTEN_FDS=2", ""), "9 ");
    assert_eq!(exec(&bundle, "LISTEN_PID=$$ LISTEN_FDS=x", ""), "9 ");
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.sh(payload).write_config();
    assert_eq!(call(&bundle, ours, &run), "2 1 3 4 ");
    assert_eq!(call(&bundle, "", &run), "9 ");
    bundle.assert_nothing_left("run with LISTEN_FDS");
}

#[test]
fn nonsense_in_a_configuration_is_one_line_with_its_field() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let good = bundle.config.clone();
    let mut wrong = |pointer: &str, value: serde_json::Value, text: &str| {
        bundle.config = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        eprintln!("{pointer}: {value}");
        bundle.config.pointer_mut(parent).unwrap()[name] = value;
        bundle.run().fails(text);
        bundle.assert_nothing_left(pointer);
    };
    wrong("/ociVersion", json!("7.0"), "ociVersion");
    wrong("/process/args", json!([]), "process.args");
    wrong(
        "/process/user",
        json!({"uid": 4_294_967_295u32, "gid": 0}),
        "process.user.uid",
    );
    wrong("/process/env", json!(["NOEQUALS\u{0}"]), "process.env[0]");
    wrong(
        "/process/rlimits",
        json!([{"type": "RLIMIT_BANANA", "soft": 1, "hard": 1}]),
        "process.rlimits[0].type",
    );
    wrong(
        "/linux/namespaces",
        json!([{"type": "banana"}]),
        "linux.namespaces[0].type",
    );
    wrong(
        "/linux/rootfsPropagation",
        json!("banana"),
        "linux.rootfsPropagation",
    );
    wrong(
        "/linux/sysctl",
        json!({"kernel.core_pattern": "|/evil"}),
        "linux.sysctl",
    );
    wrong("/root/path", json!("missing"), "root.path");
    wrong("/hostname", json!("x".repeat(65)), "hostname");
    wrong(
        "/mounts",
        json!([{"destination": "/tmp", "type": "tmpfs", "options": ["size=banana"]}]),
        "config.json: mounts[0]: mount tmpfs on /tmp (size=banana): Invalid argument (EINVAL)",
    );
    wrong(
        "/mounts",
        json!([{"destination": "/tmp", "type": "banana"}]),
        "mounts[0]",
    );
    wrong(
        "/linux/cgroupsPath",
        json!("/../../etc"),
        "linux.cgroupsPath",
    );
    wrong(
        "/process/apparmorProfile",
        json!("banana"),
        "process.apparmorProfile",
    );
    wrong(
        "/process/selinuxLabel",
        json!("banana"),
        "process.selinuxLabel",
    );
}

#[test]
fn documents_that_are_none() {
    let Some(bundle) = Bundle::new() else { return };
    for text in [
        "",
        "{",
        "[]",
        "null",
        "{\"ociVersion\": 1}",
        "\u{0}",
        "{\"a\":{\"a\":{\"a\":",
    ] {
        std::fs::write(bundle.dir.join("config.json"), text).unwrap();
        bundle.call(&["run", &bundle.id]).fails("config.json");
    }
    std::fs::remove_file(bundle.dir.join("config.json")).unwrap();
    bundle.call(&["run", &bundle.id]).fails("config.json");
    bundle
        .call(&["run", "--bundle", "/nowhere", &bundle.id])
        .fails("/nowhere");
    bundle.assert_nothing_left("documents that are none");
}

#[test]
fn options_that_are_none() {
    let Some(bundle) = Bundle::new() else { return };
    bundle
        .call(&["run", "--banana", &bundle.id])
        .fails("--banana");
    bundle
        .call(&["run"])
        .fails("requires exactly 1 argument(s)");
    bundle
        .call(&["run", "a", "b"])
        .fails("requires exactly 1 argument(s)");
    bundle
        .call(&["run", "--preserve-fds", "-1", &bundle.id])
        .fails("--preserve-fds");
    bundle
        .call(&["run", "--fault", "banana", &bundle.id])
        .fails("--fault");
    bundle.call(&["banana"]).fails("no such command: banana");
}

#[test]
fn errors_go_to_the_log_in_runcs_formats() {
    let Some(bundle) = Bundle::new() else { return };
    let log = bundle.below("log");
    let mut command = bundle.command(&[]);
    command.args(["--log", &log, "--log-format", "json", "state", "nobody"]);
    bundle.finish(command).fails("container does not exist");
    let line: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&log).unwrap()).unwrap();
    assert_eq!(line["level"], "error");
    assert_eq!(line["msg"], "container does not exist: nobody");
    assert!(line["time"].as_str().unwrap().starts_with("20"));
}

#[test]
fn a_command_that_takes_the_library_is_logged_once() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").detach().ok();
    let log = bundle.below("log");
    bundle
        .call(&["--debug", "--log", &log, "ps", &bundle.id])
        .ok();
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches("states in").count(), 1, "{text}");
}

#[test]
fn names_of_the_keyring_and_the_bundle_may_be_strange() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.id = "a_B+c.d-9".into();
    assert_eq!(bundle.sh("echo fine").run().ok().out, "fine\n");
}

#[test]
fn signals_and_execs_wait_for_a_container_that_is_being_made() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let making = bundle.below("making");
    let script = format!("touch {making}; sleep 0.1");
    bundle.config["hooks"]["createRuntime"] =
        json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    bundle.sh("sleep 100").write_config();
    // One that came a moment early would be in the container's namespaces, and in the host's root.
    for _ in 0..20 {
        let running = bundle.begin(bundle.command(&["run", &bundle.id]));
        bundle.wait_until("the hook", || std::fs::exists(&making).unwrap());
        assert_eq!(bundle.status(), "creating");
        let outcome = bundle.exec_sh("cat /etc/hidden").ok();
        assert_eq!(outcome.out, "hidden\n");
        bundle.call(&["kill", &bundle.id, "KILL"]).ok();
        assert_eq!(running.wait().code, 137);
        bundle.assert_nothing_left("run of a container that was waited for");
        std::fs::remove_file(&making).unwrap();
    }
}
