//! System call filters, and the agents that they ask.

use serde_json::json;

use crate::harness::{Bundle, Console};

fn filter(rules: serde_json::Value) -> serde_json::Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules})
}

#[test]
fn seccomp_gives_errno_kills_and_looks_at_arguments() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    for privileges in [true, false] {
        bundle.config["process"]["noNewPrivileges"] = json!(privileges);
        bundle.config["linux"]["seccomp"] = filter(
            json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]),
        );
        bundle
            .sh("mkdir /tmp/x")
            .run()
            .fails_inside("No space left on device");
        bundle.config["linux"]["seccomp"] =
            filter(json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]));
        assert_eq!(bundle.args(&["mkdir", "/tmp/x"]).run().code, 128 + 31);
        let no_777 = json!({"index": 1, "value": 0o777, "op": "SCMP_CMP_EQ"});
        bundle.config["linux"]["seccomp"] = filter(json!([
            {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13, "args": [no_777]}
        ]));
        bundle
            .sh("chmod 700 /tmp && echo fine; chmod 777 /tmp")
            .run()
            .fails_inside("chmod: /tmp: Permission denied");
        let out = bundle
            .sh("grep Seccomp: /proc/self/status | cut -f2")
            .run()
            .ok()
            .out;
        assert_eq!(out, "2\n");
    }
    bundle.config["linux"]["seccomp"] =
        filter(json!([{"names": ["banana"], "action": "SCMP_ACT_BANANA"}]));
    bundle.run().fails("linux.seccomp.syscalls[0].action");
}

/// What the runtime itself does inside is no part of what the payload may do: the filter comes after it.
#[test]
fn the_filter_is_loaded_last() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let calls = [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "mknodat",
        "symlinkat",
        "open_tree",
        "move_mount",
        "openat2",
        "sethostname",
        "setsid",
        "setgroups",
        "setresuid",
        "setresgid",
        "setuid",
        "setgid",
        "capset",
        "keyctl",
        "chdir",
        "fchdir",
        "unshare",
        "setns",
        "umask",
        "close_range",
    ];
    bundle.config["process"]["noNewPrivileges"] = json!(true);
    bundle.config["linux"]["seccomp"] =
        filter(json!([{"names": calls, "action": "SCMP_ACT_KILL_PROCESS"}]));
    bundle.args(&["true"]).run().ok();
    assert_eq!(
        bundle
            .args(&["mount", "-t", "tmpfs", "x", "/tmp"])
            .run()
            .code,
        128 + 31
    );
    bundle.args(&["sleep", "100"]).detach().ok();
    bundle.call(&["exec", &bundle.id, "true"]).ok();
}

#[test]
fn exec_is_under_the_same_filter() {
    let Some(mut bundle) = Bundle::permissive() else {
        return;
    };
    bundle.config["linux"]["seccomp"] = filter(
        json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]),
    );
    bundle.sh("sleep 100").detach().ok();
    bundle
        .exec_sh("mkdir /tmp/x")
        .fails_inside("No space left on device");
}

#[test]
fn a_seccomp_agent_gets_the_listener_and_the_state() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let agent = Console::listen(&bundle.below("agent"));
    bundle.config["linux"]["seccomp"] =
        filter(json!([{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]));
    bundle.config["linux"]["seccomp"]["listenerPath"] = json!(bundle.below("agent"));
    bundle.config["linux"]["seccomp"]["listenerMetadata"] = json!("words");
    let taker = std::thread::spawn(move || agent.take());
    bundle.sh("sleep 100").detach().ok();
    let (listener, text) = taker.join().unwrap();
    assert!(listener.is_some());
    let state: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(state["metadata"], "words");
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!(state["state"]["id"], bundle.id.as_str());
    assert_eq!(state["pid"], bundle.pid());
}

#[test]
fn an_agent_that_is_not_there_is_told() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["seccomp"] =
        filter(json!([{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]));
    bundle.config["linux"]["seccomp"]["listenerPath"] = json!("/no/agent");
    bundle.sh("true").run().fails("listenerPath");
    bundle.assert_nothing_left("run");
    bundle.config["linux"]["seccomp"]
        .as_object_mut()
        .unwrap()
        .remove("listenerPath");
    bundle.run().fails("listenerPath");
}

/// A container whose filter asks an agent about some calls, and refuses others.
fn with_an_agent(asked: &[&str], refused: &[&str]) -> Option<(Bundle, Console)> {
    let mut bundle = Bundle::new()?;
    let agent = Console::listen(&bundle.below("agent"));
    bundle.config["linux"]["seccomp"] = filter(json!([
        {"names": asked, "action": "SCMP_ACT_NOTIFY"},
        {"names": refused, "action": "SCMP_ACT_ERRNO"}
    ]));
    bundle.config["linux"]["seccomp"]["listenerPath"] = json!(bundle.below("agent"));
    bundle.sh("sleep 100");
    Some((bundle, agent))
}

/// The runtime's own calls after the filter is loaded must not be among those that it decides.
#[test]
fn the_listener_arrives_whatever_the_filter_says_of_sending_it() {
    let every = ["sendmsg", "sendto", "recvfrom", "recvmsg", "accept4"];
    for (asked, refused) in [(&every[..], &["mkdir"][..]), (&["mkdir"], &every)] {
        for privileges in [true, false] {
            let Some((mut bundle, agent)) = with_an_agent(asked, refused) else {
                return;
            };
            bundle.config["process"]["noNewPrivileges"] = json!(privileges);
            let taker = std::thread::spawn(move || agent.take());
            bundle.detach().ok();
            let (listener, text) = taker.join().unwrap();
            assert_eq!(bundle.status(), "running", "{text}");
            let listener = listener.expect("a descriptor");
            let number = sys::AsRawFd::as_raw_fd(&listener);
            let name = format!("/proc/self/fd/{number}");
            let name = std::fs::read_link(name).unwrap();
            assert_eq!(name.to_str(), Some("anon_inode:seccomp notify"));
        }
    }
}

/// Between `create` and `start` there is no runtime that could take it.
#[test]
fn the_listener_of_a_created_container_arrives_with_start() {
    let Some((bundle, agent)) = with_an_agent(&["sendmsg", "mkdir"], &["accept4"]) else {
        return;
    };
    bundle.create().ok();
    let taker = std::thread::spawn(move || agent.take());
    bundle.verb("start").ok();
    let (listener, text) = taker.join().unwrap();
    assert!(listener.is_some(), "{text}");
    let state: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(state["pid"], bundle.pid());
    assert_eq!(state["state"]["status"], "created");
    assert_eq!(bundle.status(), "running");
}

#[test]
fn a_start_whose_agent_is_gone_stops_the_container() {
    let Some((bundle, agent)) = with_an_agent(&["mkdir"], &["rmdir"]) else {
        return;
    };
    bundle.create().ok();
    drop(agent);
    std::fs::remove_file(bundle.below("agent")).unwrap();
    bundle
        .verb("start")
        .fails("config.json: linux.seccomp.listenerPath");
    bundle.wait_for("stopped");
    bundle.verb("delete").ok();
    bundle.assert_nothing_left("delete");
}

#[test]
fn processes_of_exec_have_listeners_of_their_own() {
    let Some((bundle, agent)) = with_an_agent(&["sendmsg", "mkdir"], &["accept4"]) else {
        return;
    };
    let taker = std::thread::spawn(move || (agent.take(), agent.take()));
    bundle.detach().ok();
    let out = bundle.exec_sh("echo $$").ok().out;
    let (first, second) = taker.join().unwrap();
    assert!(first.0.is_some() && second.0.is_some());
    let state: serde_json::Value = serde_json::from_str(&second.1).unwrap();
    assert_eq!(state["state"]["status"], "running");
    assert_ne!(state["pid"], bundle.pid(), "the process of exec: {out}");
    assert_eq!(state["state"]["pid"], bundle.pid());
}

#[test]
fn flags_that_the_kernel_knows_are_set_and_others_refused() {
    let Some((mut bundle, agent)) = with_an_agent(&["mkdir"], &["rmdir"]) else {
        return;
    };
    bundle.config["linux"]["seccomp"]["flags"] = json!(["SECCOMP_FILTER_FLAG_BANANA"]);
    bundle.run().fails("config.json: linux.seccomp.flags[0]");
    bundle.config["linux"]["seccomp"]["flags"] = json!([
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        "SECCOMP_FILTER_FLAG_LOG"
    ]);
    if sys::seccomp::knows_flags(1 << 5 | 1 << 3) {
        let taker = std::thread::spawn(move || agent.take());
        bundle.detach().ok();
        assert!(taker.join().unwrap().0.is_some());
    } else {
        bundle.run().fails("config.json: linux.seccomp.flags[0]");
    }
}

#[test]
fn names_that_are_no_system_call_are_told_to_who_debugs() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["seccomp"] =
        filter(json!([{"names": ["mkdir", "banana"], "action": "SCMP_ACT_ERRNO"}]));
    bundle.sh("true").write_config();
    let log = bundle.below("log");
    bundle
        .call(&["--debug", "--log", &log, "run", &bundle.id])
        .ok();
    let log = std::fs::read_to_string(log).unwrap();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("no system call"))
        .collect();
    assert!(lines.len() == 1 && lines[0].contains("banana"), "{log}");
}
