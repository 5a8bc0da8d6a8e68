//! What the payload may do: users, capabilities, limits, and nothing of the runtime's own.

use serde_json::json;

use crate::harness::Bundle;

const STATUS: &str = "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid|Umask)' /proc/self/status | tr -d ' ' | tr '\\t' ' '";

fn field(text: &str, name: &str) -> String {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {text:?}"))
        .trim()
        .to_string()
}

fn bits(names: &[u32]) -> String {
    format!(
        "{:016x}",
        names.iter().fold(0u64, |set, bit| set | 1 << bit)
    )
}

const CHOWN: u32 = 0;
const KILL: u32 = 5;
const NET_BIND: u32 = 10;

#[test]
fn capability_sets_are_exactly_those_asked_for() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["capabilities"] = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_KILL"],
        "inheritable": ["CAP_KILL"],
        "ambient": ["CAP_KILL"],
    });
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let out = bundle.sh(STATUS).run().ok().out;
    assert_eq!(field(&out, "CapBnd"), bits(&[CHOWN, KILL, NET_BIND]));
    // After execve of a program without capabilities by another user than root only the ambient ones stay.
    assert_eq!(field(&out, "CapEff"), bits(&[KILL]));
    assert_eq!(field(&out, "CapPrm"), bits(&[KILL]));
    assert_eq!(field(&out, "CapInh"), bits(&[KILL]));
    assert_eq!(field(&out, "CapAmb"), bits(&[KILL]));
}

#[test]
fn root_gets_its_bounding_set_and_no_more() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["capabilities"] =
        json!({"bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"]});
    let out = bundle.sh(STATUS).run().ok().out;
    for set in ["CapBnd", "CapEff", "CapPrm"] {
        assert_eq!(field(&out, set), bits(&[CHOWN]), "{set}");
    }
    assert_eq!(
        (field(&out, "CapInh"), field(&out, "CapAmb")),
        (bits(&[]), bits(&[]))
    );
}

#[test]
fn no_capabilities_at_all() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["capabilities"] = json!({});
    let out = bundle.sh(STATUS).run().ok().out;
    for set in ["CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb"] {
        assert_eq!(field(&out, set), bits(&[]), "{set}");
    }
    bundle.config["process"]
        .as_object_mut()
        .unwrap()
        .remove("capabilities");
    let out = bundle.run().ok().out;
    assert_eq!(field(&out, "CapEff"), bits(&[]), "none asked for");
}

#[test]
fn users_groups_and_umask() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["user"] =
        json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 1234], "umask": 0o027});
    let out = bundle.sh(&format!("{STATUS}; umask")).run().ok().out;
    assert_eq!(field(&out, "Uid"), "1000 1000 1000 1000");
    assert_eq!(field(&out, "Gid"), "1001 1001 1001 1001");
    // STATUS takes blanks away.
    assert_eq!(field(&out, "Groups"), "51234");
    assert_eq!(bundle.sh("id -G").run().ok().out.trim(), "1001 5 1234");
    assert_eq!(bundle.sh("umask").run().ok().out.trim(), "0027");
    bundle.config["process"]["user"] = json!({"uid": 0, "gid": 0});
    assert_eq!(bundle.sh("id -G; umask").run().ok().out, "0\n0022\n");
}

#[test]
fn no_new_privileges_and_none() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    for wanted in [true, false] {
        bundle.config["process"]["noNewPrivileges"] = json!(wanted);
        let out = bundle.sh(STATUS).run().ok().out;
        assert_eq!(field(&out, "NoNewPrivs"), u8::from(wanted).to_string());
    }
}

#[test]
fn resource_limits() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["rlimits"] = json!([
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]);
    assert_eq!(
        bundle
            .sh("ulimit -Sn; ulimit -Hn; ulimit -c")
            .run()
            .ok()
            .out,
        "100\n200\n0\n"
    );
    bundle.config["process"]["rlimits"] = json!([
        {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1}, {"type": "RLIMIT_NOFILE", "soft": 2, "hard": 2}
    ]);
    bundle.run().fails("config.json: process.rlimits[1]");
}

#[test]
fn the_oom_score() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["oomScoreAdj"] = json!(777);
    assert_eq!(
        bundle.sh("cat /proc/self/oom_score_adj").run().ok().out,
        "777\n"
    );
    bundle.config["process"]["oomScoreAdj"] = json!(1001);
    bundle.run().fails("process.oomScoreAdj");
}

#[test]
fn nothing_of_the_runtime_is_inherited() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["env"] = json!(["PATH=/bin", "ONE=1"]);
    bundle.args(&["env"]).write_config();
    let mut command = bundle.command(&["run", &bundle.id]);
    command.env("SECRET", "1");
    assert_eq!(
        bundle.finish(command).ok().out,
        "PATH=/bin\nONE=1\nHOME=/root\n"
    );
    let masks = "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'";
    let out = bundle.sh(masks).run().ok().out;
    assert_eq!(out, "SigBlk:0000000000000000\nSigIgn:0000000000000000\n");
    // The payload leads a session; no terminal of the caller is its own.
    let out = bundle
        .sh("cut -d' ' -f1,6,7 /proc/self/stat; echo; cat /proc/1/stat | cut -d' ' -f1,6,7")
        .run()
        .ok()
        .out;
    assert!(out.ends_with("1 1 0\n"), "{out}");
}

/// Only a key that one possesses can be read, and the caller's are possessed through the session's keyring.
#[test]
fn the_session_keyring_is_the_containers_own() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["linux"]["maskedPaths"] = json!([]);
    let name = format!("_ses.{}", bundle.id);
    // First, as a keyring outlives who had it for a while.
    let kept = bundle.sh("cat /proc/keys");
    let kept = kept.run_with(&["--no-new-keyring"]).ok().out;
    assert!(!kept.contains(&name), "{kept}");
    let out = bundle.run().ok().out;
    assert!(out.contains(&name), "{out}");
    bundle.sh("sleep 100").detach().ok();
    let out = bundle.exec_sh("cat /proc/keys").ok().out;
    assert!(out.contains(&name), "{out}");
}

#[test]
fn the_payload_never_shows_the_runtimes_program() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").create().ok();
    let exe = std::fs::read_link(format!("/proc/{}/exe", bundle.pid())).unwrap();
    assert!(exe.to_str().unwrap().starts_with("/memfd:"), "{exe:?}");
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", bundle.pid())).unwrap();
    assert!(!maps.contains("/stockade"), "{maps}");
}

#[test]
fn the_payloads_scheduling() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 5});
    let out = bundle
        .sh("cut -d' ' -f19,41 /proc/self/stat")
        .run()
        .ok()
        .out;
    assert_eq!(out, "5 3\n");
    bundle.config["process"]
        .as_object_mut()
        .unwrap()
        .remove("scheduler");
}

#[test]
fn the_affinity_of_exec_is_not_the_first_process_s() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["execCPUAffinity"] = json!({"final": "0"});
    let show = "grep Cpus_allowed_list /proc/self/status | cut -f2";
    let ours = std::fs::read_to_string("/proc/self/status").unwrap();
    let ours = ours
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:\t"));
    let first = bundle.sh(show).run().ok().out;
    assert_eq!(Some(first.trim_end()), ours);
    bundle.sh("sleep 100").create().ok();
    bundle.verb("start").ok();
    assert_eq!(bundle.exec_sh(show).ok().out, "0\n");
}

/// A label is worth nothing where no module enforces it, so that the container must not run.
#[test]
fn labels_without_their_module_fail_closed() {
    let enabled =
        |file: &str| std::fs::read_to_string(file).is_ok_and(|text| text.starts_with('Y'));
    let apparmor = enabled("/sys/module/apparmor/parameters/enabled");
    let selinux = std::path::Path::new("/sys/fs/selinux/enforce").exists();
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").detach().ok();
    let exec = |key: &str| {
        let process =
            json!({"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}, key: "a-label"});
        let path = bundle.below("process.json");
        std::fs::write(&path, process.to_string()).unwrap();
        bundle.call(&["exec", "--process", &path, &bundle.id])
    };
    if !apparmor {
        exec("apparmorProfile").fails("process.apparmorProfile");
    }
    if !selinux {
        exec("selinuxLabel").fails("process.selinuxLabel");
    }
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    let default = bundle.config.clone();
    for (there, pointer, key) in [
        (apparmor, "/process", "apparmorProfile"),
        (selinux, "/process", "selinuxLabel"),
        (selinux, "/linux", "mountLabel"),
    ] {
        if there {
            continue;
        }
        bundle.config = default.clone();
        *bundle
            .config
            .pointer_mut(pointer)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .entry(key)
            .or_insert(json!("")) = json!("a-label");
        bundle
            .run()
            .fails(&format!("config.json: {}.{key}", &pointer[1..]));
        bundle.assert_nothing_left(key);
        bundle.config[&pointer[1..]][key] = json!("");
        bundle.sh("true").run().ok();
    }
}
