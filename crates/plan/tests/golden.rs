//! Plans of typical configurations, as text: what changes here changes for users, and is read by
//! reviewers. `UPDATE_GOLDEN=1 cargo test -p stockade-plan --test golden` writes them anew.

use std::fmt::Write;
use std::path::PathBuf;

use cgroup::layout::{Hierarchy, Layout};
use cgroup::{Controllers, Request as CgroupRequest};
use plan::{Act, Exec, Facts, HookKind, Plan, Program, Request, Root};
use serde_json::{Value, json};
use spec::{CapSet, Resources, Spec};

/// The default configuration, changed.
fn config(change: impl FnOnce(&mut Value)) -> Value {
    let mut config: Value = serde_json::from_slice(&spec::default_spec().to_json()).expect("JSON");
    config["process"]["terminal"] = json!(false);
    change(&mut config);
    config
}

fn push(config: &mut Value, list: &str, element: Value) {
    let list = config.pointer_mut(list).expect("the list");
    list.as_array_mut().expect("a list").push(element);
}

fn hierarchy(mount: &str, controllers: &str) -> Hierarchy {
    Hierarchy {
        mount: mount.to_owned().into(),
        controllers: Controllers::parse(controllers, ' '),
        own: None,
    }
}

fn v2() -> Layout {
    Layout {
        unified: Some(hierarchy(
            "/sys/fs/cgroup",
            "cpuset cpu io memory hugetlb pids",
        )),
        v1: Vec::new(),
    }
}

fn v1() -> Layout {
    let names = [
        "cpu cpuacct",
        "cpuset",
        "memory",
        "devices",
        "freezer",
        "pids",
    ];
    let mount = |list: &str| format!("/sys/fs/cgroup/{}", list.replace(' ', ","));
    Layout {
        unified: None,
        v1: names
            .iter()
            .map(|list| hierarchy(&mount(list), list))
            .collect(),
    }
}

fn hybrid() -> Layout {
    Layout {
        unified: Some(hierarchy("/sys/fs/cgroup/unified", "hugetlb")),
        ..v1()
    }
}

/// The plan's text: what the host does, what the child does, and who asked for it.
fn text(plan: &Plan<'_>) -> String {
    let mut text = String::from("host\n");
    for step in &plan.host {
        writeln!(text, "  {}  [{}]", step.act, step.origin).expect("text");
    }
    text.push_str("child\n");
    for step in &plan.child {
        writeln!(text, "  {}  [{}]", step.act, step.origin).expect("text");
    }
    text
}

fn compare(name: &str, found: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, found).expect("the golden file");
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    for (number, (wanted, found)) in wanted.lines().zip(found.lines()).enumerate() {
        assert_eq!(found, wanted, "{}:{}", file.display(), number + 1);
    }
    assert_eq!(found, wanted, "{}: another length", file.display());
}

fn check(name: &str, config: &Value, layout: &Layout, change: impl FnOnce(&mut Request<'_>)) {
    let json = config.to_string();
    let spec = Spec::parse(json.as_bytes()).expect("a configuration");
    spec.check().expect("a right configuration");
    let linux = spec.linux.as_ref().expect("linux");
    let none = Resources::default();
    let asked = CgroupRequest {
        path: "/stockade/box",
        shared: 1,
        beside_own: false,
        resources: linux.resources.as_ref().unwrap_or(&none),
        counted: Controllers::NONE,
    };
    let lowered = cgroup::lower(&asked, layout).expect("cgroups");
    let mut request = Request {
        id: "box",
        spec: &spec,
        bundle: "/bundle",
        root: Root::Directory("/bundle/rootfs".into()),
        overlays: Vec::new(),
        act: Act::Run,
        unit: None,
        cgroup: &lowered,
        seccomp: None,
        terminal: false,
        console_socket: None,
        pid_file: None,
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        listen_fds: 0,
        init: false,
        keeper: false,
        scoped: false,
        loopback: false,
        translate_root: false,
        make_work_dir: false,
        directories: Vec::new(),
    };
    change(&mut request);
    let facts = Facts {
        permitted: CapSet(u64::MAX),
        administers: true,
        copies_mounts: true,
        ..Facts::default()
    };
    compare(name, &text(&plan::plan(&request, &facts).expect("a plan")));
}

#[test]
fn default_run() {
    check("default-run", &config(|_| {}), &v2(), |_| {});
}

#[test]
fn default_create_with_a_terminal() {
    let config = config(|config| {
        config["process"]["terminal"] = json!(true);
        config["process"]["consoleSize"] = json!({"height": 24, "width": 80});
    });
    check("create-terminal", &config, &hybrid(), |request| {
        request.act = Act::Create;
        request.console_socket = Some("/run/console.sock");
        request.pid_file = Some("/run/box.pid");
    });
}

#[test]
fn what_engines_ask_for() {
    let config = config(|config| {
        push(config, "/linux/namespaces", json!({"type": "cgroup"}));
        let hostname = json!({"type": "bind", "source": "/run/hostname", "destination": "/etc/hostname",
            "options": ["bind", "ro", "nosuid", "rprivate"]});
        push(config, "/mounts", hostname);
        let groups = json!({"type": "cgroup", "source": "cgroup", "destination": "/sys/fs/cgroup",
            "options": ["ro", "nosuid", "noexec", "nodev", "relatime"]});
        push(config, "/mounts", groups);
        config["linux"]["resources"] = json!({
            "devices": [{"allow": false, "access": "rwm"}],
            "pids": {"limit": 2048},
            "memory": {"limit": 536_870_912, "swap": 1_073_741_824},
        });
        config["linux"]["sysctl"] = json!({"net.ipv4.ping_group_range": "0 0"});
        config["process"]["user"] =
            json!({"uid": 1000, "gid": 1000, "additionalGids": [10], "umask": 18});
        config["process"]["oomScoreAdj"] = json!(100);
        config["process"]["noNewPrivileges"] = json!(false);
    });
    static PROGRAM: [u8; 8 * 436] = [0; 8 * 436];
    check("engine", &config, &v2(), |request| {
        request.seccomp = Some(Program {
            instructions: &PROGRAM,
            flags: 0,
            listener: false,
        });
        request.pid_file = Some("/run/box.pid");
    });
}

#[test]
fn a_user_namespace() {
    let config = config(|config| {
        push(config, "/linux/namespaces", json!({"type": "user"}));
        let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        config["linux"]["uidMappings"] = maps.clone();
        config["linux"]["gidMappings"] = maps.clone();
        let data = json!({"type": "bind", "source": "data", "destination": "/data", "options": ["rbind", "ro"],
            "uidMappings": maps, "gidMappings": maps});
        push(config, "/mounts", data);
    });
    check("user-namespace", &config, &v2(), |request| {
        request.translate_root = true;
    });
}

#[test]
fn limits_on_a_v1_host() {
    let config = config(|config| {
        config["linux"]["resources"] = json!({
            "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rw"}],
            "cpu": {"shares": 512, "quota": 50000, "period": 100_000, "cpus": "0"},
            "memory": {"limit": 67_108_864},
            "pids": {"limit": 32},
        });
        let groups = json!({"type": "cgroup", "source": "cgroup", "destination": "/sys/fs/cgroup", "options": ["ro"]});
        push(config, "/mounts", groups);
    });
    check("v1-limits", &config, &v1(), |_| {});
}

#[test]
fn joined_namespaces_and_hooks() {
    let config = config(|config| {
        config["linux"]["namespaces"] = json!([
            {"type": "mount"},
            {"type": "pid", "path": "/proc/7/ns/pid"},
            {"type": "network", "path": "/run/netns/blue"},
            {"type": "ipc", "path": "/proc/7/ns/ipc"},
            {"type": "time"},
        ]);
        config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 60}});
        config
            .as_object_mut()
            .expect("an object")
            .remove("hostname");
        for kind in [
            "prestart",
            "createRuntime",
            "createContainer",
            "startContainer",
            "poststart",
            "poststop",
        ] {
            config["hooks"][kind] = json!([{"path": format!("/hooks/{kind}")}]);
        }
    });
    check("joined-hooks", &config, &hybrid(), |_| {});
}

#[test]
fn a_created_container_meets_a_seccomp_agent() {
    static PROGRAM: [u8; 8 * 12] = [0; 8 * 12];
    check("create-notify", &config(|_| {}), &v2(), |request| {
        request.act = Act::Create;
        request.seccomp = Some(Program {
            instructions: &PROGRAM,
            flags: 8,
            listener: true,
        });
    });
}

#[test]
fn hooks_of_the_container_have_its_privileges() {
    let config = config(|config| {
        config["hooks"]["startContainer"] = json!([{"path": "/bin/hook", "args": ["hook", "now"]}]);
    });
    let json = config.to_string();
    let spec = Spec::parse(json.as_bytes()).expect("a configuration");
    let hooks = spec.hooks.as_ref().expect("hooks");
    let exec = Exec {
        process: spec.process.as_ref().expect("a process"),
        linux: spec.linux.as_ref(),
        namespaces: 0x1002_0000,
        become_root: true,
        scoped: false,
        seccomp: None,
        cgroups: vec![(1, "pids")],
        preserve_fds: 0,
        listen_fds: 0,
        keyring: None,
    };
    let hook = &hooks.start_container[0];
    let plan = plan::plan_confined_hook(&exec, HookKind::StartContainer, 0, hook).expect("a plan");
    compare("start-hook", &text(&plan));
}
