//! Containers of an ordinary user: what works for nobody but root is done otherwise or said, and nothing
//! of root's is needed.
//!
//! The user is one that this machine does not know. Each command runs in a mount namespace of its own,
//! where `/etc` says who the user is and which ranges of ids it has, and the binary is where the user can
//! reach it.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Bundle, Outcome, program};

/// A number that no machine gives to anybody.
const USER: u32 = 1_894_017;
/// The first of the ids that are the user's, too.
const FIRST: u32 = 1_900_000;
const COUNT: u32 = 65_536;

const WRAPPER: &str = "
    mount -t overlay -o ro,lowerdir=$1:/etc overlay /etc && mount --bind $2 $3 && cd $4 || exit 99
    [ -z \"$JOIN\" ] || for dir in $JOIN; do echo $$ > $dir/cgroup.procs || exit 98; done
    user=$5; shift 5; exec setpriv --reuid $user --regid $user --clear-groups -- \"$@\"";

/// A bundle of the user's.
struct Rootless {
    bundle: Bundle,
    /// Cgroup directories that commands are started in.
    join: String,
}

impl Rootless {
    /// What `spec --rootless` writes, without a terminal.
    fn new() -> Option<Self> {
        let bundle = Bundle::new()?;
        for name in ["run", "home", "etc"] {
            fs::create_dir(bundle.below(name)).unwrap();
        }
        fs::write(bundle.below("stockade"), "").unwrap();
        describe_user(&bundle.dir.join("etc"));
        fs::remove_file(bundle.below("config.json")).unwrap();
        give(&bundle.dir);
        let mut made = Self {
            bundle,
            join: String::new(),
        };
        made.call(&["spec", "--rootless"]).ok();
        let text = fs::read(made.bundle.below("config.json")).unwrap();
        made.bundle.config = serde_json::from_slice(&text).unwrap();
        made.bundle.config["process"]["terminal"] = json!(false);
        Some(made)
    }

    /// Any program, as the user.
    fn program(&self, words: &[&str]) -> Command {
        let below = |name: &str| self.bundle.below(name);
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", WRAPPER, "sh"]);
        command.args([
            below("etc"),
            program().display().to_string(),
            below("stockade"),
        ]);
        command
            .args([self.bundle.path(), &USER.to_string()])
            .args(words);
        command
            .env("HOME", below("home"))
            .env("XDG_RUNTIME_DIR", below("run"));
        command
            .env("JOIN", &self.join)
            .env_remove("USER")
            .stdin(Stdio::null());
        command
    }

    /// A command of the runtime, as the user.
    #[track_caller]
    fn call(&self, words: &[&str]) -> Outcome {
        let binary = self.bundle.below("stockade");
        let words = [&[binary.as_str(), "oci"], words].concat();
        self.bundle.finish(self.program(&words))
    }

    fn write_config(&self) {
        self.bundle.write_config();
        chown(self.bundle.dir.join("config.json"), Some(USER), Some(USER)).unwrap();
    }

    #[track_caller]
    fn run(&self) -> Outcome {
        self.write_config();
        self.call(&["run", &self.bundle.id])
    }

    #[track_caller]
    fn verb(&self, verb: &str) -> Outcome {
        self.call(&[verb, &self.bundle.id])
    }

    #[track_caller]
    fn exec(&self, script: &str) -> Outcome {
        self.call(&["exec", &self.bundle.id, "sh", "-c", script])
    }

    fn state(&self) -> Value {
        serde_json::from_str(&self.verb("state").ok().out).expect("JSON")
    }

    fn wait_for(&self, status: &str) {
        let reached = || self.state()["status"] == status;
        self.bundle.wait_until(status, reached);
    }

    /// Root in the container is the user; what follows are the user's ranges.
    fn map_ranges(&mut self) {
        let map = json!([
            {"containerID": 0, "hostID": USER, "size": 1},
            {"containerID": 1, "hostID": FIRST, "size": 1000},
        ]);
        self.bundle.config["linux"]["uidMappings"] = map.clone();
        self.bundle.config["linux"]["gidMappings"] = map;
    }

    #[track_caller]
    fn assert_nothing_left(&self) {
        self.bundle
            .assert_nothing_left("an ordinary user's container");
        let state = self.bundle.dir.join("run/stockade").join(&self.bundle.id);
        assert!(!state.exists(), "state left");
    }
}

fn describe_user(etc: &Path) {
    let add = |name: &str, line: String| {
        let text = fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
        fs::write(etc.join(name), text + &line).unwrap();
    };
    add(
        "passwd",
        format!("stockade-test:x:{USER}:{USER}::/:/bin/sh\n"),
    );
    add("group", format!("stockade-test:x:{USER}:\n"));
    add("subuid", format!("stockade-test:{FIRST}:{COUNT}\n"));
    add("subgid", format!("stockade-test:{FIRST}:{COUNT}\n"));
}

fn give(path: &Path) {
    let status = Command::new("chown")
        .args(["-Rh", &format!("{USER}:{USER}")])
        .arg(path)
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn the_user_is_root_inside_and_nobody_else_is_there() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    user.bundle.config["root"]["readonly"] = json!(false);
    let script = "id -u; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; \
                  touch /made; ls -ld /dev/null; ls -A /sys/fs/cgroup; mkdir /sys/fs/cgroup/x || echo sealed";
    user.bundle.sh(script);
    let ran = user.run().ok();
    let words: Vec<_> = ran.out.split_whitespace().collect();
    let own = USER.to_string();
    assert_eq!(words[..8], ["0", "0", &own, "1", "0", &own, "1", "deny"]);
    assert!(ran.out.contains("/dev/null"), "{ran:?}");
    // On a unified host the cgroup that the user is in is seen, for reading.
    let unseen = crate::harness::unified() || ran.out.ends_with("/dev/null\nsealed\n");
    assert!(unseen && ran.out.ends_with("\nsealed\n"), "{ran:?}");
    let made = fs::metadata(user.bundle.below("rootfs/made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (USER, USER));
    assert!(
        user.bundle.dir.join("run/stockade").is_dir(),
        "states are in XDG_RUNTIME_DIR"
    );
    user.assert_nothing_left();
}

#[test]
fn ids_of_the_users_ranges_are_mapped_by_newuidmap() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    user.map_ranges();
    user.bundle.config["root"]["readonly"] = json!(false);
    user.bundle.config["process"]["user"] = json!({"uid": 5, "gid": 6, "additionalGids": [7, 8]});
    fs::set_permissions(
        user.bundle.below("rootfs/tmp"),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    user.bundle
        .sh("id; cat /proc/self/setgroups; echo x > /tmp/made");
    let input = fs::File::open(user.bundle.below("etc/passwd")).unwrap();
    user.write_config();
    let binary = user.bundle.below("stockade");
    let mut command = user.program(&[&binary, "oci", "run", &user.bundle.id]);
    command.stdin(input);
    let ran = user.bundle.finish(command).ok();
    assert!(ran.out.contains("uid=5 gid=6 groups=7,8"), "{ran:?}");
    assert!(ran.out.contains("allow"), "{ran:?}");
    let made = fs::metadata(user.bundle.below("rootfs/tmp/made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (FIRST + 4, FIRST + 5));
    let input = fs::metadata(user.bundle.below("etc/passwd")).unwrap();
    assert_eq!(input.uid(), USER, "the owner of standard input was changed");
    fs::remove_file(user.bundle.below("rootfs/tmp/made")).unwrap();
    user.assert_nothing_left();
}

#[test]
fn ids_of_others_are_refused_with_the_mapping_programs_words() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    let map = json!([{"containerID": 0, "hostID": FIRST + COUNT, "size": 2}]);
    user.bundle.config["linux"]["uidMappings"] = map;
    user.bundle.sh("true");
    let ran = user
        .run()
        .fails("config.json: linux.uidMappings: newuidmap: uid range");
    assert!(ran.err.contains("not allowed"), "{ran:?}");
    assert!(
        ran.err.contains("(a user's ranges are in /etc/subuid"),
        "{ran:?}"
    );
    user.assert_nothing_left();
}

#[test]
fn a_container_is_created_started_joined_and_deleted() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    user.map_ranges();
    user.bundle.sh("sleep 1000");
    user.write_config();
    user.call(&["create", &user.bundle.id]).ok();
    assert_eq!(user.state()["status"], "created");
    assert_eq!(user.exec("id -u").ok().out, "0\n");
    user.verb("start").ok();
    let inside = user
        .exec("readlink /proc/self/ns/pid; readlink /proc/self/ns/user; readlink /proc/1/ns/pid")
        .ok();
    let lines = inside.lines();
    assert_eq!(lines[0], lines[2], "exec is in the pid namespace");
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    assert_ne!(Path::new(lines[1]), own, "exec is in the user namespace");
    assert_eq!(user.exec("exit 7").code, 7);
    user.call(&["exec", &user.bundle.id, "nosuch"])
        .fails("executable file not found");
    let as_user = user
        .call(&["exec", "--user", "9:10", &user.bundle.id, "id"])
        .ok();
    assert!(as_user.out.contains("uid=9 gid=10"), "{as_user:?}");
    user.verb("kill").ok();
    user.call(&["kill", &user.bundle.id, "KILL"]);
    user.wait_for("stopped");
    user.verb("delete").ok();
    user.assert_nothing_left();
}

#[test]
fn without_a_cgroup_processes_are_known_by_their_namespace() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    user.bundle.sh("sleep 1000 & wait");
    user.write_config();
    user.call(&["run", "--detach", &user.bundle.id]).ok();
    let pid_file = user.bundle.below("run/pid");
    let id = user.bundle.id.clone();
    user.call(&[
        "exec",
        "--detach",
        "--pid-file",
        &pid_file,
        &id,
        "sleep",
        "999",
    ])
    .ok();
    let pid = fs::read_to_string(&pid_file).unwrap();
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(
        command, "sleep\0999\0",
        "the pid file names the process of exec"
    );
    let listed = user.call(&["ps", "--format", "json", &id]).ok().out;
    let listed: Vec<u64> = serde_json::from_str(&listed).unwrap();
    assert!(
        listed.contains(&pid.parse().unwrap()),
        "{pid} is not in {listed:?}"
    );
    assert!(
        listed.contains(&user.state()["pid"].as_u64().unwrap()),
        "{listed:?}"
    );
    user.verb("pause").fails("no cgroup that can be frozen");
    user.call(&["kill", "--all", &id, "KILL"]).ok();
    user.bundle.wait_until("the end of exec's process", || {
        !fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|text| !text.is_empty())
    });
    user.call(&["delete", "--force", &id]).ok();
    user.assert_nothing_left();
}

#[test]
fn limits_and_cgroup_paths_that_cannot_be_had_are_refused() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    user.bundle.sh("true");
    user.bundle.config["linux"]["resources"] = json!({"pids": {"limit": 10}});
    let ran = user
        .run()
        .fails("linux.resources.pids.limit: cannot set pids limit");
    assert!(
        ran.err
            .contains("container could not join or create cgroup"),
        "{ran:?}"
    );
    assert!(ran.err.contains("permission denied"), "{ran:?}");
    user.bundle.config["linux"]["resources"] = Value::Null;
    user.bundle.config["linux"]["cgroupsPath"] = json!(user.bundle.cgroup());
    let ran = user.run().fails("linux.cgroupsPath: cgroup: mkdir");
    assert!(ran.err.contains("EACCES"), "{ran:?}");
    user.assert_nothing_left();
}

#[test]
fn rights_that_an_ordinary_user_has_not_are_refused_by_name() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    user.bundle.sh("true");
    let good = user.bundle.config.clone();
    user.bundle.config["process"]["oomScoreAdj"] = json!(-900);
    user.run().fails("config.json: process.oomScoreAdj: ");
    user.bundle.config = good.clone();
    user.bundle.config["linux"]["uidMappings"] = Value::Null;
    user.bundle.config["linux"]["gidMappings"] = Value::Null;
    user.bundle.without_namespace("user");
    user.run()
        .fails("rootless container requires user namespaces");
    user.bundle.config = good;
    user.bundle.config["process"]["user"]["additionalGids"] = json!([0]);
    user.run().fails("process.user");
    user.assert_nothing_left();
}

#[test]
fn a_cgroup_that_was_delegated_is_used() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    let parent = user.bundle.cgroup().rsplit_once('/').unwrap().0.to_string();
    let unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .into_iter()
        .find(|dir| Path::new(dir).join("cgroup.procs").exists());
    let Some(unified) = unified else {
        eprintln!("skipped: no unified hierarchy");
        return;
    };
    let delegated = format!("{unified}{parent}");
    let own = format!("{delegated}/own");
    fs::create_dir_all(&own).unwrap();
    give(Path::new(&delegated));
    user.join = own;
    user.bundle.without_namespace("cgroup").sh("sleep 1000");
    user.write_config();
    user.call(&["run", "--detach", &user.bundle.id]).ok();
    let cgroup = format!("{delegated}/stockade/{}", user.bundle.id);
    let members = fs::read_to_string(format!("{cgroup}/cgroup.procs")).unwrap();
    assert_eq!(members.trim(), user.state()["pid"].to_string());
    user.verb("pause").ok();
    assert_eq!(user.state()["status"], "paused");
    user.verb("resume").ok();
    assert!(
        user.exec("cat /proc/self/cgroup")
            .ok()
            .out
            .contains(&user.bundle.id)
    );
    user.call(&["delete", "--force", &user.bundle.id]).ok();
    assert!(!Path::new(&cgroup).exists());
}

#[test]
fn hooks_of_the_container_run_in_its_namespaces() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    for kind in ["createRuntime", "createContainer", "poststop"] {
        let script = format!("readlink /proc/self/ns/uts > {}", user.bundle.below(kind));
        let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script],
                          "env": ["PATH=/usr/bin:/bin"]});
        user.bundle.config["hooks"][kind] = json!([hook]);
    }
    user.bundle.sh("readlink /proc/self/ns/uts");
    let inside = user.run().ok().out;
    let of = |kind: &str| fs::read_to_string(user.bundle.below(kind)).unwrap();
    assert_eq!(of("createContainer"), inside);
    assert_ne!(of("createRuntime"), inside);
    assert_ne!(of("poststop"), inside);
    user.assert_nothing_left();
}

#[test]
fn the_hosts_sys_stands_in_where_the_network_is_the_hosts() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    let mounts = user.bundle.config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/sys");
    mounts.insert(
        0,
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs",
               "options": ["nosuid", "noexec", "nodev", "ro"]}),
    );
    user.bundle.sh("ls /sys/class; touch /sys/x");
    let ran = user.run();
    assert!(ran.out.contains("net"), "{ran:?}");
    assert!(ran.err.contains("Read-only file system"), "{ran:?}");
    user.assert_nothing_left();
}

/// As podman runs its runtime: root, in a user namespace that somebody has made, where the container
/// needs none of its own.
#[test]
fn root_of_a_user_namespace_runs_containers_there() {
    let Some(mut user) = Rootless::new() else {
        return;
    };
    user.bundle.without_namespace("user");
    user.bundle.config["linux"]["uidMappings"] = Value::Null;
    user.bundle.config["linux"]["gidMappings"] = Value::Null;
    user.bundle
        .sh("id -u; cat /proc/self/uid_map; echo x > /dev/null; cat /proc/self/cgroup");
    user.write_config();
    let binary = user.bundle.below("stockade");
    let words = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        &binary,
        "oci",
    ];
    let call = |rest: &[&str]| {
        let words = [&words, rest].concat();
        user.bundle.finish(user.program(&words))
    };
    let ran = call(&["run", &user.bundle.id]).ok();
    let words: Vec<_> = ran.out.split_whitespace().collect();
    assert_eq!(words[..4], ["0", "0", &USER.to_string(), "1"], "{ran:?}");
    assert!(
        user.bundle.dir.join("run/stockade").is_dir(),
        "states are in XDG_RUNTIME_DIR"
    );
    user.assert_nothing_left();
}
