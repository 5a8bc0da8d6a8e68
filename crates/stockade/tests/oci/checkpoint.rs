//! Saving a container's processes and making a container of them again, by a real criu.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::harness::{Bundle, Console, Outcome};

/// The directory of a criu that works on kernels of today: where scripts/setup has put one, or PATH.
fn criu() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let own = home.map(|cache| cache.join("stockade-criu"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = own
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|dir| dir.join("criu").is_file());
    let version = found.as_ref().and_then(|dir| {
        let told = Command::new(dir.join("criu")).arg("--version").output();
        let told = String::from_utf8(told.ok()?.stdout).ok()?;
        let version = told.lines().next()?.strip_prefix("Version: ")?;
        version.split('.').next()?.parse::<u32>().ok()
    });
    match (found, version) {
        (Some(dir), Some(4..)) => Some(dir),
        _ => {
            eprintln!("skipped: no criu of version 4 or later (scripts/setup brings one)");
            None
        }
    }
}

/// A bundle, and the words of commands that find criu.
struct Rig {
    bundle: Bundle,
    criu: PathBuf,
}

impl Rig {
    fn new() -> Option<Self> {
        let (criu, bundle) = (criu()?, Bundle::permissive()?);
        std::fs::create_dir(bundle.below("data")).expect("a directory");
        Some(Self { bundle, criu })
    }

    /// A payload that counts, in a file outside, from 1 on.
    fn counts(&mut self) {
        let data = self.bundle.below("data");
        self.bundle.mount("bind", &data, "/data", &["rbind", "rw"]);
        self.bundle
            .sh("i=0; while :; do i=$((i+1)); echo $i > /data/n; sleep 0.05; done");
    }

    #[track_caller]
    fn call(&self, words: &[&str]) -> Outcome {
        let mut command = self.bundle.command(words);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.criu.display()));
        self.bundle.finish(command)
    }

    #[track_caller]
    fn checkpoint(&self, options: &[&str]) -> Outcome {
        let words = ["checkpoint", "--image-path", "images"];
        self.call(&[&words[..], options, &[&self.bundle.id]].concat())
    }

    #[track_caller]
    fn restore(&self, options: &[&str]) -> Outcome {
        let words = ["restore", "--detach", "--image-path", "images"];
        self.call(&[&words[..], options, &[&self.bundle.id]].concat())
    }

    fn number(&self) -> u64 {
        let text = std::fs::read_to_string(self.bundle.below("data/n")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    #[track_caller]
    fn counts_on_from(&self, from: u64) {
        self.bundle
            .wait_until("it counts on", || self.number() > from + 3);
    }

    #[track_caller]
    fn end(self) {
        self.bundle
            .call(&["delete", "--force", &self.bundle.id])
            .ok();
        self.bundle.assert_nothing_left("delete");
    }
}

#[test]
fn a_container_goes_on_where_it_was() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    rig.bundle.config["linux"]["resources"]["memory"] = json!({"limit": 50_000_000});
    rig.bundle.detach().ok();
    rig.counts_on_from(3);
    rig.checkpoint(&[]).ok();
    rig.bundle.verb("state").fails("container does not exist");
    rig.bundle.assert_nothing_left("checkpoint");
    let saved = rig.number();

    let pid_file = rig.bundle.below("restored.pid");
    rig.restore(&["--pid-file", "restored.pid"]).ok();
    assert_eq!(rig.bundle.status(), "running");
    let pid = std::fs::read_to_string(&pid_file).expect("a pid file");
    assert_eq!(pid, rig.bundle.pid().to_string());
    rig.counts_on_from(saved);
    assert!(rig.number() < saved + 1000, "it began anew");
    let link = rig.bundle.exec_sh("ip link show dev lo").ok();
    assert!(link.out.contains("UP"), "{}", link.out);
    let cgroups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its cgroups");
    assert!(cgroups.contains(&rig.bundle.cgroup()), "{cgroups}");
    rig.bundle.call(&["kill", &rig.bundle.id, "KILL"]).ok();
    rig.bundle.wait_for("stopped");
    rig.bundle.verb("delete").ok();
    rig.bundle.assert_nothing_left("delete");
}

#[test]
fn what_is_saved_may_run_on() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    rig.bundle.detach().ok();
    let pid = rig.bundle.pid();
    rig.checkpoint(&["--leave-running"]).ok();
    assert_eq!(rig.bundle.status(), "running");
    assert_eq!(rig.bundle.pid(), pid);
    rig.counts_on_from(rig.number());
    rig.end();
}

#[test]
fn memory_may_be_saved_first() {
    let Some(mut rig) = Rig::new() else { return };
    let mut asked = Command::new(rig.criu.join("criu"));
    // A host's configuration may have it write a log where it is.
    asked.current_dir(&rig.bundle.dir);
    let tracked = asked
        .args(["check", "--feature", "mem_dirty_track"])
        .output();
    let tracked = tracked.expect("criu").status.success();
    rig.counts();
    rig.bundle.detach().ok();
    let words = ["checkpoint", "--pre-dump", "--image-path", "first"];
    let pre_dump = rig.call(&[&words[..], &[&rig.bundle.id]].concat());
    if !tracked {
        pre_dump.fails("Tracking memory is not available");
        assert_eq!(rig.bundle.status(), "running");
        eprintln!("skipped: this kernel does not track which memory was written");
        return rig.end();
    }
    pre_dump.ok();
    assert_eq!(rig.bundle.status(), "running");
    rig.checkpoint(&["--parent-path", &rig.bundle.below("first")])
        .fails("--parent-path must be relative");
    rig.checkpoint(&["--parent-path", "../nowhere"])
        .fails("invalid --parent-path");
    rig.checkpoint(&["--parent-path", "../first"]).ok();
    assert!(rig.bundle.dir.join("images/parent").exists());
    let saved = rig.number();
    rig.restore(&[]).ok();
    rig.counts_on_from(saved);
    rig.end();
}

#[test]
fn a_terminal_comes_back() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    rig.bundle.config["process"]["terminal"] = json!(true);
    rig.bundle.write_config();
    let path = rig.bundle.below("console");
    let console = Console::listen(&path);
    rig.bundle
        .call(&["run", "-d", "--console-socket", &path, &rig.bundle.id])
        .ok();
    let (first, _) = console.take();
    assert!(first.is_some());
    rig.counts_on_from(0);
    rig.checkpoint(&[]).ok();
    let saved = rig.number();
    rig.restore(&[]).fails("--console-socket is needed");
    rig.restore(&["--console-socket", &path]).ok();
    let (second, _) = console.take();
    assert!(second.is_some(), "the terminal's master");
    rig.counts_on_from(saved);
    rig.end();
}

#[test]
fn what_cannot_be_leaves_nothing() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    rig.bundle.create().ok();
    rig.checkpoint(&[])
        .fails("Container cannot be checkpointed in created state");
    rig.checkpoint(&["--lazy-pages"])
        .fails("--lazy-pages: not supported");
    rig.checkpoint(&["--status-fd", "0"])
        .fails("--status-fd: not supported: it is for --lazy-pages");
    rig.checkpoint(&["--manage-cgroups-mode", "hard"])
        .fails("none of soft, full, strict, ignore");
    rig.bundle.call(&["delete", "--force", &rig.bundle.id]).ok();
    rig.restore(&[]).fails("images");
    rig.bundle.assert_nothing_left("restore of nothing");
    std::fs::create_dir(rig.bundle.below("images")).expect("a directory");
    std::fs::write(rig.bundle.below("images/descriptors.json"), "[]").expect("a file");
    rig.restore(&[]).fails("images/restore.log");
    rig.bundle
        .assert_nothing_left("restore of an empty directory");
}

#[test]
fn without_criu_it_is_said() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100");
    bundle.detach().ok();
    let mut command = bundle.command(&["checkpoint", &bundle.id]);
    command.env("PATH", "/nonexistent");
    bundle
        .finish(command)
        .fails("criu: no such program in PATH");
    assert_eq!(bundle.status(), "running");
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    bundle.assert_nothing_left("delete");
}

#[test]
fn what_exec_started_comes_back_again_and_again() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    rig.bundle.detach().ok();
    for round in 0..2 {
        rig.checkpoint(&[]).ok();
        rig.restore(&[]).ok();
        let found = rig.bundle.exec_sh("ps | grep -c '[s]leep 10[0-9]'");
        assert_eq!(found.out.trim(), round.to_string(), "{found:?}");
        let script = "setsid sleep 100 </dev/null >/dev/null 2>&1 &";
        rig.bundle.exec_sh(script).ok();
    }
    rig.end();
}

#[test]
fn what_mounts_stand_on_is_made_again() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    let inner = rig.bundle.below("inner");
    std::fs::create_dir(&inner).expect("a directory");
    std::fs::write(rig.bundle.below("file"), "told\n").expect("a file");
    rig.bundle
        .mount("bind", &inner, "/data/for/nested", &["bind", "rw"])
        .mount("bind", "file", "/data/one", &["bind", "ro"]);
    rig.bundle.detach().ok();
    rig.checkpoint(&[]).ok();
    let saved = rig.number();
    std::fs::remove_dir_all(rig.bundle.below("data/for")).expect("it goes");
    std::fs::remove_file(rig.bundle.below("data/one")).expect("it goes");
    rig.restore(&[]).ok();
    rig.counts_on_from(saved);
    assert_eq!(rig.bundle.exec_sh("cat /data/one").ok().out, "told\n");
    rig.end();
}

#[test]
fn a_container_with_ids_of_its_own_comes_back() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    rig.bundle.map_users(100_000, 65_536);
    rig.bundle
        .push("/linux/namespaces", json!({"type": "cgroup"}));
    std::fs::create_dir(rig.bundle.below("rootfs/data")).expect("a directory");
    let data = rig.bundle.dir.join("data");
    std::os::unix::fs::chown(data, Some(100_000), Some(100_000)).expect("chown");
    rig.bundle.config["linux"]["devices"] =
        json!([{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]);
    rig.bundle.detach().ok();
    rig.counts_on_from(3);
    let script = "cat /proc/self/uid_map; stat -c %t:%T /dev/null /dev/zero /dev/kmsg /proc/keys; \
        echo x >/dev/null; head -c 2 /dev/zero | od -An -tx1; wc -c </proc/keys; ls /proc/acpi";
    let before = rig.bundle.exec_sh(script).ok().out;
    for _ in 0..2 {
        rig.checkpoint(&[]).ok();
        let saved = rig.number();
        rig.restore(&[]).ok();
        rig.counts_on_from(saved);
        assert_eq!(rig.bundle.exec_sh(script).ok().out, before);
    }
    // Whose ids they are the configuration says, and no saved file.
    rig.checkpoint(&[]).ok();
    rig.bundle.config["linux"]["uidMappings"][0]["size"] = json!(70_000);
    rig.bundle.write_config();
    rig.restore(&[])
        .fails("linux.uidMappings: the container was saved with another");
    rig.bundle.assert_nothing_left("restore with other maps");
    let linux = rig.bundle.config["linux"]
        .as_object_mut()
        .expect("an object");
    linux.remove("uidMappings");
    linux.remove("gidMappings");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(rig.bundle.below("images"), open).expect("chmod");
    rig.bundle.without_namespace("user").write_config();
    rig.restore(&[])
        .fails("user: the container was saved with another");
    rig.bundle.assert_nothing_left("restore without maps");
}

/// A container that could not be restored is not taken away by its checkpoint.
#[test]
fn what_criu_cannot_restore_is_not_saved() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    rig.bundle.map_users(100_000, 1000);
    rig.bundle
        .push("/linux/namespaces", json!({"type": "cgroup"}));
    rig.bundle.sh("sleep 1000");
    std::fs::create_dir(rig.bundle.below("rootfs/data")).expect("a directory");
    rig.bundle.detach().ok();
    rig.checkpoint(&[])
        .fails("linux.uidMappings: without id 65534 criu could not restore the cgroup namespace");
    assert_eq!(rig.bundle.status(), "running");
    rig.end();
}

#[test]
fn what_is_paused_is_saved_and_stays_so() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    rig.bundle.detach().ok();
    rig.counts_on_from(3);
    rig.bundle.verb("pause").ok();
    let stopped = rig.number();
    rig.checkpoint(&["--leave-running"]).ok();
    assert_eq!(rig.bundle.status(), "paused");
    assert_eq!(rig.number(), stopped, "it stood still meanwhile");
    rig.bundle.verb("resume").ok();
    rig.counts_on_from(stopped);
    rig.bundle.verb("pause").ok();
    let stopped = rig.number();
    rig.checkpoint(&[]).ok();
    assert_eq!(rig.number(), stopped);
    rig.bundle.assert_nothing_left("checkpoint");
    rig.restore(&[]).ok();
    assert_eq!(rig.bundle.status(), "running");
    rig.counts_on_from(stopped);
    rig.end();
}

#[test]
fn a_configuration_of_criu_is_not_taken_from_annotations() {
    let Some(mut rig) = Rig::new() else { return };
    rig.counts();
    rig.bundle.config["annotations"] = json!({"org.criu.config": "/tmp/anything"});
    rig.bundle.detach().ok();
    rig.checkpoint(&[]).fails("org.criu.config is not followed");
    assert_eq!(rig.bundle.status(), "running");
    rig.end();
}

/// Whether there is what criu holds packets back with while it saves a connection.
fn packets_can_be_held() -> bool {
    let found = Command::new("iptables-restore").arg("--version").output();
    found.is_ok_and(|told| told.status.success())
}

#[test]
fn connections_inside_hold() {
    let Some(mut rig) = Rig::new() else { return };
    if !packets_can_be_held() {
        eprintln!("skipped: no iptables-restore, which criu uses");
        return;
    }
    rig.counts();
    // Each number goes through a connection over the loopback interface.
    rig.bundle.sh(
        "(sleep 1000 | busybox nc -l -p 7000 | while read n; do echo $n > /data/n; done) & sleep 0.3; \
         i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done | busybox nc 127.0.0.1 7000",
    );
    rig.bundle.detach().ok();
    rig.counts_on_from(3);
    rig.checkpoint(&[]).fails("Connected TCP socket");
    rig.counts_on_from(rig.number());
    let saved = rig.checkpoint(&["--tcp-established"]);
    // SO_PASSSEC, which criu 4.1 asks of every socket, is refused for others than Unix sockets by Linux 6.18.
    if saved.err.contains("Can't get 1:34 opt") {
        eprintln!("skipped: this criu cannot save internet sockets on this kernel");
        rig.counts_on_from(rig.number());
        return rig.end();
    }
    saved.ok();
    let saved = rig.number();
    rig.restore(&["--tcp-established"]).ok();
    rig.counts_on_from(saved);
    rig.end();
}
