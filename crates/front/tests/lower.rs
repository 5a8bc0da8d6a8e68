//! Options in, specifications out: golden files in `golden/`, one for each case.
//!
//! `GOLDEN=write cargo test` writes them anew; read the difference before you commit it.

use std::path::Path;

use front::app::{Accounts, Asked, Lowered, Machine, NoContainers, RunOptions, Storage, lower};
use image::ImageConfig;
use serde_json::{Value, json};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn machine() -> Machine {
    Machine {
        id: ID.to_owned(),
        dir: format!("/var/lib/stockade/containers/{ID}"),
        volumes: "/var/lib/stockade/volumes".to_owned(),
        mountpoint: "/var/lib/stockade/rootfs".to_owned(),
        environment: [("HERE", "yes"), ("PATH", "/caller")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        directory: "/usr".to_owned(),
        hostname: "big".to_owned(),
        cpus: 4,
        selinux: false,
        message_queues: true,
        capabilities: spec::CapSet::ALL,
        hard_limits: vec![
            (spec::RlimitKind::Nofile, 20_000),
            (spec::RlimitKind::Sigpending, 96_000),
        ],
        swap_limit: true,
        ordinary_user: None,
        hosts: "127.0.0.1 localhost big".to_owned(),
        resolv_conf: "# made\nsearch example.org\nnameserver 192.0.2.1\noptions edns0\n".to_owned(),
    }
}

fn accounts() -> Accounts {
    Accounts::parse(
        b"root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n",
        b"root:x:0:\nadm:x:4:web\nweb:x:33:\naudio:x:29:\n",
    )
}

fn image() -> ImageConfig {
    ImageConfig {
        entrypoint: vec!["/entry".to_owned(), "-x".to_owned()],
        cmd: vec!["serve".to_owned()],
        env: vec!["PATH=/app/bin:/bin".to_owned(), "MODE=image".to_owned()],
        user: "web".to_owned(),
        working_dir: "app".to_owned(),
        stop_signal: "SIGQUIT".to_owned(),
        labels: [("maker".to_owned(), "them".to_owned())].into(),
        volumes: vec!["/data".to_owned()],
        ..ImageConfig::default()
    }
}

/// Lowers the options of a JSON object; a string in `command` is split at blanks.
fn lowered(
    options: Value,
    image: Option<&ImageConfig>,
    machine: &Machine,
) -> Result<Lowered, String> {
    let mut options = options;
    let object = options.as_object_mut().unwrap();
    object.entry("root").or_insert_with(|| "/srv/root".into());
    let words = object
        .get("command")
        .and_then(Value::as_str)
        .unwrap_or(if image.is_some() { "" } else { "sh" })
        .to_owned();
    object.insert(
        "command".to_owned(),
        words.split_whitespace().map(Value::from).collect(),
    );
    let options: RunOptions = serde_json::from_value(options).unwrap();
    let storage = match image {
        Some(_) => Storage::layers(vec!["/var/lib/stockade/layers/1".to_owned()]),
        None => Storage::directory("/srv/root"),
    };
    let asked = Asked {
        options: &options,
        image,
        storage: &storage,
        accounts: &accounts(),
        machine,
        containers: &NoContainers,
    };
    lower(&asked).map_err(|error| error.to_string())
}

fn run(options: Value) -> Lowered {
    lowered(options, None, &machine()).unwrap()
}

/// Compares with the golden file; the seccomp rules are another file's business.
fn golden(name: &str, mut lowered: Lowered) {
    if let Some(filter) = lowered
        .spec
        .linux
        .as_mut()
        .and_then(|linux| linux.seccomp.as_mut())
    {
        filter.syscalls.clear();
    }
    let spec: Value = serde_json::from_slice(&lowered.spec.to_json()).unwrap();
    let origins: Vec<String> = lowered
        .origins
        .iter()
        .map(|(place, text)| format!("{place} <- {text}"))
        .collect();
    let all = json!({ "spec": spec, "extras": lowered.extras, "origins": origins });
    compare(&format!("{name}.json"), &format!("{all:#}\n"));
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("GOLDEN").is_some_and(|word| word == "write") {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((n, (got, want))) = text
        .lines()
        .zip(expected.lines())
        .enumerate()
        .find(|(_, (a, b))| a != b)
    {
        panic!("{name}:{}: got {got:?}, expected {want:?}", n + 1);
    }
    assert_eq!(text.lines().count(), expected.lines().count(), "{name}");
}

#[test]
fn nothing_said() {
    golden("default", run(json!({})));
}

#[test]
fn an_image() {
    golden(
        "image",
        lowered(json!({"root": "image.tar"}), Some(&image()), &machine()).unwrap(),
    );
}

#[test]
fn an_image_overridden() {
    let options = json!({
        "root": "image.tar", "command": "a b", "entrypoint": "/other", "user": "0:audio", "workdir": "/w",
        "env": ["MODE=mine", "HERE", "GONE", "NEW="], "stop_signal": "RTMIN+3", "read_only": true,
        "label": ["mine", "maker=us"], "group_add": ["adm", "77"],
    });
    golden(
        "image-overridden",
        lowered(options, Some(&image()), &machine()).unwrap(),
    );
}

#[test]
fn many_options() {
    golden(
        "options",
        run(json!({
            "name": "web-1", "hostname": "web", "domainname": "example.org", "rm": true, "interactive": true,
            "tty": true, "init": true, "detach_keys": "ctrl-a,x", "stop_timeout": "-1", "cidfile": "id",
            "user": "web", "ulimit": ["nofile=1024:4096", "core=0"], "oom_score_adj": "500",
            "memory": "512m", "memory_reservation": "256m", "cpus": "1.5", "cpu_shares": "512",
            "cpuset_cpus": "0-1", "pids_limit": "100", "blkio_weight": "300", "cgroup_parent": "apps/web",
            "cap_add": ["NET_ADMIN"], "cap_drop": ["mknod", "CAP_CHOWN"],
            "security_opt": ["no-new-privileges", "seccomp=unconfined"],
            "sysctl": ["net.ipv4.ip_forward=1", "kernel.shmmax=1000000"],
            "device": ["/dev/null:/dev/nothing:r"], "device_cgroup_rule": ["c 42:* rmw"],
            "volume": ["/usr/share:/share/deep:ro", "./share:/src:rslave,Z"],
            "mount": ["type=bind,src=/etc,dst=/share,bind-recursive=disabled", "type=tmpfs,dst=/t,tmpfs-size=1m"],
            "tmpfs": ["/run:exec,mode=755"], "shm_size": "1g", "annotation": ["org.example=1"],
            "add_host": ["db:192.0.2.7"], "dns": ["192.0.2.53"], "dns_search": ["example.net"],
        })),
    );
}

#[test]
fn privileged() {
    let lowered = run(json!({"privileged": true}));
    let linux = lowered.spec.linux.unwrap();
    assert!(
        linux.seccomp.is_none() && linux.masked_paths.is_empty() && linux.readonly_paths.is_empty()
    );
    let rules = linux.resources.unwrap().devices;
    assert!(rules.len() == 1 && rules[0].allow);
    // Every machine has a /dev/kmsg or a /dev/tty; no container gets the host's terminals.
    assert!(
        linux
            .devices
            .iter()
            .any(|device| device.path.starts_with("/dev/tty"))
    );
    assert!(
        !linux
            .devices
            .iter()
            .any(|device| device.path.starts_with("/dev/pts/"))
    );
    for destination in ["/sys", "/sys/fs/cgroup"] {
        let mount = lowered
            .spec
            .mounts
            .iter()
            .find(|m| *m.destination == *destination)
            .unwrap();
        assert!(
            !mount.options.iter().any(|option| *option == "ro"),
            "{destination}"
        );
    }
}

#[test]
fn nobody_gives_what_they_do_not_have() {
    let bounded = Machine {
        capabilities: spec::CapSet(0xa804_25fb),
        ..machine()
    };
    let given = |options: Value| {
        let lowered = lowered(options, None, &bounded)?;
        let set = lowered.spec.process.unwrap().capabilities.unwrap().bounding;
        Ok::<_, String>((set.0, lowered.extras.notes.len()))
    };
    assert_eq!(given(json!({})), Ok((0xa804_25fb, 0)));
    assert_eq!(given(json!({"privileged": true})), Ok((0xa804_25fb, 1)));
    assert_eq!(
        given(json!({"cap_add": ["ALL"], "userns": "auto"})),
        Ok((spec::CapSet::ALL.0, 0))
    );
    assert_eq!(
        given(json!({"cap_add": ["SYS_TIME"]})),
        Err("--cap-add SYS_TIME: this process does not have it itself".to_owned())
    );
}

#[test]
fn the_hosts_namespaces() {
    golden(
        "host-namespaces",
        run(json!({
            "net": "host", "pid": "host", "ipc": "host", "uts": "host", "cgroupns": "host", "dns_option": ["ndots:2"],
        })),
    );
}

#[test]
fn user_namespaces() {
    golden(
        "userns-maps",
        run(json!({"userns": "0:100000:65536", "net": "host", "ipc": "host", "pid": "host"})),
    );
    let mut lowered = run(json!({"userns": "auto:size=1000"}));
    assert!(lowered.spec.linux.as_ref().unwrap().uid_mappings.is_empty());
    lowered.set_user_range(200_000);
    let maps = lowered.spec.linux.unwrap().uid_mappings;
    assert_eq!(
        (maps[0].container, maps[0].host, maps[0].size),
        (0, 200_000, 1000)
    );
}

#[test]
fn extras_survive_a_record() {
    let extras = run(json!({"userns": "auto", "restart": "on-failure:3", "label": ["a=b"]})).extras;
    let text = serde_json::to_string(&extras).unwrap();
    assert_eq!(
        serde_json::from_str::<front::app::Extras>(&text).unwrap(),
        extras
    );
}

#[test]
fn a_lowered_specification_passes_the_checks_of_spec() {
    for options in [
        json!({}),
        json!({"privileged": true}),
        json!({"userns": "0:1:100", "net": "host"}),
    ] {
        let lowered = run(options);
        let text = lowered.spec.to_json();
        assert_eq!(spec::Spec::parse(&text).unwrap(), lowered.spec);
        lowered.spec.check().unwrap();
    }
}

#[test]
fn entry_points_as_docker_has_them() {
    let args = |entrypoint: Option<&str>, command: &str| {
        let options = json!({"entrypoint": entrypoint, "command": command});
        let lowered = lowered(options, Some(&image()), &machine())?;
        let args: Vec<String> = lowered
            .spec
            .process
            .unwrap()
            .args
            .iter()
            .map(ToString::to_string)
            .collect();
        Ok::<_, String>(args.join(" "))
    };
    assert_eq!(args(None, ""), Ok("/entry -x serve".to_owned()));
    assert_eq!(args(None, "a b"), Ok("/entry -x a b".to_owned()));
    assert_eq!(args(Some("/e"), ""), Ok("/e".to_owned()));
    assert_eq!(args(Some("/e"), "a"), Ok("/e a".to_owned()));
    assert_eq!(args(Some(""), "a"), Ok("a".to_owned()));
    assert!(
        args(Some(""), "")
            .unwrap_err()
            .starts_with("COMMAND: no command given")
    );
}

/// Every line: the option, and the whole error.
#[test]
fn errors_are_one_line_that_names_the_option() {
    let cases = [
        json!({"name": "-x"}),
        json!({"hostname": "a b"}),
        json!({"hostname": "a", "uts": "host"}),
        json!({"memory": "banana"}),
        json!({"memory": "1m"}),
        json!({"memory_swap": "1g"}),
        json!({"memory": "2g", "memory_swap": "1g"}),
        json!({"memory": "1g", "memory_reservation": "2g"}),
        json!({"cpus": "0.001"}),
        json!({"cpus": "5"}),
        json!({"cpus": "1", "cpu_quota": "1000"}),
        json!({"cpuset_cpus": "3-1"}),
        json!({"pids_limit": "many"}),
        json!({"blkio_weight": "5"}),
        json!({"user": "nobody-here"}),
        json!({"user": "4294967295"}),
        json!({"group_add": ["nogroup"]}),
        json!({"env": ["=x"]}),
        json!({"env_file": ["/nonexistent/env"]}),
        json!({"label": ["=x"]}),
        json!({"workdir": "relative"}),
        json!({"volume": ["/nonexistent:/x"]}),
        json!({"volume": ["da ta:/x"]}),
        json!({"volume": ["/usr:/x:zz"]}),
        json!({"volume": ["/usr:/x", "/etc:/x/"]}),
        json!({"mount": ["type=bind,dst=/x"]}),
        json!({"mount": ["type=banana,dst=/x"]}),
        json!({"tmpfs": ["/x:size=lots"]}),
        json!({"shm_size": "0"}),
        json!({"cap_add": ["FLY"]}),
        json!({"cap_add": ["ALL"], "cap_drop": ["all"]}),
        json!({"security_opt": ["apparmor=mine"]}),
        json!({"security_opt": ["seccomp=/nonexistent"]}),
        json!({"security_opt": ["banana"]}),
        json!({"device": ["/dev/nonexistent"]}),
        json!({"device": ["/etc/passwd"]}),
        json!({"device_cgroup_rule": ["x 1:1 r"]}),
        json!({"sysctl": ["kernel.core_pattern=x"]}),
        json!({"sysctl": ["net.ipv4.ip_forward=1"], "net": "host"}),
        json!({"ulimit": ["nofile=2:1"]}),
        json!({"stop_signal": "SIGBANANA"}),
        json!({"stop_timeout": "soon"}),
        json!({"restart": "sometimes"}),
        json!({"restart": "always", "rm": true}),
        json!({"net": "bridge"}),
        json!({"net": "container:x"}),
        json!({"pid": "container:x"}),
        json!({"ipc": "shareable"}),
        json!({"userns": "banana"}),
        json!({"userns": "auto", "privileged": true}),
        json!({"cgroup_parent": "a/../b"}),
        json!({"cgroup_parent": "app.slice"}),
        json!({"detach_keys": "ctrl-1"}),
        json!({"sig_proxy": "maybe"}),
        json!({"add_host": ["db"]}),
        json!({"dns": ["not an address"]}),
        json!({"oom_score_adj": "1001"}),
        json!({"annotation": ["=x"]}),
    ];
    let mut text = String::new();
    for case in cases {
        let shown = case.to_string();
        let error = lowered(case, None, &machine())
            .map(|_| ())
            .expect_err(&shown);
        assert!(!error.contains('\n'), "{error:?}");
        text.push_str(&format!("{shown}\n    {error}\n"));
    }
    compare("errors.txt", &text);
}
