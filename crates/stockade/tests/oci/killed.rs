//! What random kills and races leave: nothing that one `delete --force` does not remove,
//! and never a second container of one name.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use sys::rustix::process::Signal;

use crate::configs;
use crate::harness::Bundle;

/// Small pseudo-random numbers; the seed is printed, so that a failure can be looked into.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let seed = u64::from(now.subsec_nanos()) | 1;
        eprintln!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Starts a verb and kills the runtime at some moment.
fn kill_at_random(bundle: &Bundle, words: &[&str], random: &mut Random) {
    let running = bundle.begin(bundle.command(words));
    std::thread::sleep(Duration::from_micros(random.below(20_000)));
    running.signal(Signal::KILL);
    running.wait();
}

#[test]
fn random_kills_of_the_runtime() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let mut random = Random::new();
    configs::like_an_engine(&mut bundle);
    bundle.sh("sleep 0.01").write_config();
    let id = bundle.id.clone();
    let pid_file = bundle.below("pid");
    for round in 0..100 {
        match round % 4 {
            0 => kill_at_random(&bundle, &["run", "--pid-file", &pid_file, &id], &mut random),
            1 => kill_at_random(&bundle, &["create", &id], &mut random),
            2 => {
                bundle.call(&["create", &id]).ok();
                kill_at_random(&bundle, &["start", &id], &mut random);
            }
            _ => {
                bundle.call(&["run", "-d", &id]).ok();
                kill_at_random(&bundle, &["delete", "--force", &id], &mut random);
            }
        }
        bundle.take_pid_file();
        bundle.call(&["delete", "--force", &id]).ok();
        bundle.assert_nothing_left(&format!("round {round}"));
    }
}

#[test]
fn what_a_kill_left_is_mended_by_the_next_command() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.args(&["true"]).write_config();
    let id = bundle.id.clone();
    for fault in [
        "host:0:kill",
        "host:1:kill",
        "host:2:kill",
        "child:5:kill-runtime",
        "child:30:kill-runtime",
    ] {
        assert_ne!(
            bundle.call(&["run", "--fault", fault, &id]).code,
            0,
            "{fault}"
        );
        bundle.call(&["run", &id]).ok();
        bundle.assert_nothing_left(fault);
    }
}

#[test]
fn of_many_creates_one_wins() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("echo works; sleep 100").write_config();
    for _ in 0..10 {
        let all: Vec<_> = (0..20)
            .map(|_| bundle.begin(bundle.command(&["create", &bundle.id])))
            .collect();
        let outcomes: Vec<_> = all.into_iter().map(crate::harness::Running::wait).collect();
        let (won, lost): (Vec<_>, Vec<_>) =
            outcomes.into_iter().partition(|outcome| outcome.code == 0);
        assert_eq!(won.len(), 1, "{lost:?}");
        for outcome in lost {
            outcome.fails("container with given ID already exists");
        }
        assert_eq!(bundle.status(), "created");
        bundle.verb("start").ok();
        assert_eq!(bundle.status(), "running");
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        bundle.assert_nothing_left("the one that won");
    }
}

#[test]
fn concurrent_verbs_on_one_container() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").write_config();
    for _ in 0..5 {
        bundle.create().ok();
        let verbs: &[&[&str]] = &[
            &["start"],
            &["start"],
            &["kill"],
            &["delete", "--force"],
            &["state"],
            &["ps"],
        ];
        let all: Vec<_> = verbs
            .iter()
            .map(|verb| bundle.begin(bundle.command(&[verb, &[bundle.id.as_str()][..]].concat())))
            .collect();
        for running in all {
            let outcome = running.wait();
            assert!(outcome.code == 0 || outcome.code == 1, "{outcome:?}");
        }
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        bundle.assert_nothing_left("verbs at once");
    }
}

#[test]
fn a_number_that_is_another_process_now_is_left_alone() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").detach().ok();
    let record = bundle.below(&format!("state/{}/state.json", bundle.id));
    let text = std::fs::read(&record).unwrap();
    bundle.call(&["kill", &bundle.id, "KILL"]).ok();
    bundle.wait_for("stopped");
    // The number is this test's own now, with the start time of the one that ended.
    let mut changed = engine::Record::parse(&bundle.id, &text).expect("a record");
    changed.pid = std::process::id();
    std::fs::write(&record, changed.to_json().expect("JSON")).unwrap();
    assert_eq!(bundle.status(), "stopped");
    bundle
        .call(&["kill", &bundle.id, "KILL"])
        .fails("container not running");
    bundle.verb("delete").ok();
    bundle.assert_nothing_left("delete");
}

#[test]
fn random_kills_of_exec_pause_and_update() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let mut random = Random::new();
    bundle.config["linux"]["resources"]["pids"] = serde_json::json!({"limit": 500});
    bundle.sh("while true; do sleep 0.01; done").detach().ok();
    let id = bundle.id.clone();
    for round in 0..40 {
        match round % 4 {
            0 => kill_at_random(&bundle, &["exec", &id, "true"], &mut random),
            1 => kill_at_random(
                &bundle,
                &["update", "--pids-limit", "400", &id],
                &mut random,
            ),
            2 => kill_at_random(&bundle, &["pause", &id], &mut random),
            _ => kill_at_random(&bundle, &["resume", &id], &mut random),
        }
        let status = bundle.status();
        assert!(status == "running" || status == "paused", "{status}");
    }
    if bundle.status() == "paused" {
        bundle.verb("resume").ok();
    }
    assert_eq!(bundle.exec_sh("echo fine").ok().out, "fine\n");
    bundle.call(&["delete", "--force", &id]).ok();
    bundle.assert_nothing_left("delete --force");
}

#[test]
fn who_is_in_one_hierarchy_alone_is_killed_too() {
    if crate::harness::unified() {
        eprintln!("skipped: there is one hierarchy alone");
        return;
    }
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    configs::like_an_engine(&mut bundle);
    bundle.sh("sleep 100").write_config();
    // The first process waits before it enters the v1 hierarchies, whose directories then go.
    let fault = "child:0:kill-runtime";
    assert_ne!(bundle.call(&["run", "--fault", fault, &bundle.id]).code, 0);
    for dir in bundle.cgroup_dirs() {
        let _ = std::fs::remove_dir(dir);
    }
    assert_eq!(bundle.cgroup_dirs().len(), 1, "only where the process is");
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("delete --force");
}

/// A runtime that was killed between writing down its cgroups and making them has none, and what its record
/// names may be another container's: one that was there before, or one that came later.
#[test]
fn a_cgroup_that_was_never_made_is_left_to_whoever_has_it() {
    for before in [true, false] {
        let (Some(mut first), Some(mut other)) = (Bundle::new(), Bundle::new()) else {
            return;
        };
        first.config["linux"]["cgroupsPath"] = json!(other.cgroup());
        first.sh("true").write_config();
        other.sh("sleep 100").write_config();
        let state = first.below("state");
        let start_other = || {
            let mut command = std::process::Command::new(crate::harness::program());
            command.args(["oci", "--root", &state, "run", "--detach", &other.id]);
            command.current_dir(&other.dir);
            command.stdin(std::process::Stdio::null());
            other.finish(command).ok();
        };
        if before {
            start_other();
            // Older than the record by more than a tick of the clock that processes' starts are told in.
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let outcome = first.call(&["create", "--fault", "host:1:kill", &first.id]);
        assert_eq!(outcome.code, 137, "{outcome:?}");
        if !before {
            start_other();
        }
        let status = || {
            let out = first.call(&["state", &other.id]).ok().out;
            let state: serde_json::Value = serde_json::from_str(&out).expect("JSON");
            state["status"].as_str().map(str::to_string)
        };
        first.call(&["delete", "--force", &first.id]).ok();
        assert_eq!(status().as_deref(), Some("running"), "before: {before}");
        first.call(&["delete", "--force", &other.id]).ok();
        first.assert_nothing_left("delete");
        other.assert_nothing_left("delete");
    }
}
