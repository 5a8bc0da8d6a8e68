//! What parameters do, each seen from inside or from outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::yard::{Ran, Yard, until};

/// The namespace that a process of the host has.
fn of_host(kind: &str) -> String {
    let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
    link.to_str().unwrap().to_owned()
}

fn namespace(yard: &Yard, parameters: &[&str], kind: &str) -> String {
    let parameters = [&["mount.devfs", "mount.procfs"], parameters].concat();
    let said = yard.says(&parameters, &format!("readlink /proc/self/ns/{kind}"));
    said.trim().to_owned()
}

#[test]
fn names_are_the_jails_own_or_inherited() {
    let yard = Yard::new();
    let parameters = [
        "mount.devfs",
        "mount.procfs",
        "host.hostname=h",
        "host.domainname=d.example",
        "host.hostuuid=0-1",
        "host.hostid=7",
    ];
    let script = "hostname; cat /proc/sys/kernel/domainname; echo $container_uuid";
    assert_eq!(yard.says(&parameters, script), "h\nd.example\n0-1\n");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(yard.says(&["host=inherit"], "hostname"), host);
    assert_eq!(namespace(&yard, &["host=inherit"], "uts"), of_host("uts"));
    assert_ne!(namespace(&yard, &[], "uts"), of_host("uts"));
    yard.assert_empty();
}

#[test]
fn networks_are_inherited_new_or_none() {
    let yard = Yard::new();
    assert_eq!(namespace(&yard, &["ip4=inherit"], "net"), of_host("net"));
    assert_eq!(namespace(&yard, &["ip6=inherit"], "net"), of_host("net"));
    for own in [&["vnet"][..], &["ip4=disable", "ip6=disable"], &[]] {
        assert_ne!(namespace(&yard, own, "net"), of_host("net"), "{own:?}");
    }
    assert!(yard.says(&["vnet"], "ip -o link").contains("LOOPBACK,UP"));
    assert_eq!(yard.says(&[], "ip -o link | grep -c UP; true"), "0\n");
    // A family that the jail does not have.
    let script = "ping -c1 -W1 127.0.0.1 2>&1 | grep -o 'not supported.*'; true";
    let said = yard.says(&["ip6=inherit"], script);
    assert_eq!(said, "not supported by protocol\n");
    yard.assert_empty();
}

#[test]
fn a_vnet_jail_gets_interfaces_and_sets_them_up() {
    let yard = Yard::new();
    let stockade = format!(
        "{} --root {}",
        env!("CARGO_BIN_EXE_stockade"),
        yard.path("store")
    );
    let root = yard.root();
    let script = format!(
        "set -e; ip link add va type veth peer name vb; ip addr add 192.0.2.1/24 dev va; ip link set va up
         {stockade} jail -qc path={root} name=v vnet vnet.interface=vb persist
         {stockade} jexec v sh -c 'ip addr add 192.0.2.2/24 dev vb; ip link set vb up'
         ! ip link show vb 2>/dev/null
         busybox ping -c1 -W2 192.0.2.2 >/dev/null && echo reached
         {stockade} jail -qr v; echo gone"
    );
    let mut command = Command::new("unshare");
    command
        .args(["-n", "sh", "-c", &script])
        .stdin(Stdio::null());
    let ran = Ran::from(command.output().unwrap());
    let said = (ran.out.as_str(), ran.code);
    assert_eq!(said, ("reached\ngone\n", 0), "{}", ran.err);
    yard.assert_empty();
}

#[test]
fn system_v_ipc_is_off_new_or_inherited() {
    let yard = Yard::new();
    assert_eq!(
        namespace(&yard, &["sysvshm=inherit"], "ipc"),
        of_host("ipc")
    );
    assert_eq!(namespace(&yard, &["allow.sysvipc"], "ipc"), of_host("ipc"));
    assert_ne!(namespace(&yard, &["sysvshm=new"], "ipc"), of_host("ipc"));
    let told = yard.refused(&["-c", "path=/", "persist", "sysvshm=new", "sysvmsg=inherit"]);
    assert!(
        told.contains("Linux has one namespace for all three"),
        "{told}"
    );
}

#[test]
fn file_systems_are_mounted_in_the_jail_and_go_with_it() {
    let yard = Yard::new();
    let (root, data, fstab) = (yard.root(), yard.path("data"), yard.path("fstab"));
    fs::create_dir(&data).unwrap();
    fs::write(yard.path("data/file"), "text").unwrap();
    let lines = format!(
        "# comment\n\n{data} {root}/mnt nullfs ro 0 0\ntmpfs {root}/tmp tmpfs rw,size=1m 0 0\n"
    );
    fs::write(&fstab, lines).unwrap();
    let fstab = format!("mount.fstab={fstab}");
    let line = format!("mount={data} {root}/rw nullfs rw 0 0");
    let script = "cat /mnt/file; touch /mnt/no 2>/dev/null || echo ' read-only'
        df -P /tmp | tail -1 | cut -c1-5; echo x >/rw/new
        cut -d' ' -f5 /proc/self/mountinfo | sort | tr '\\n' ' '";
    let devices = ["mount.devfs", "mount.procfs", "mount.fdescfs"];
    let said = yard.says(&[&[fstab.as_str(), &line], &devices[..]].concat(), script);
    let wanted = "text read-only\ntmpfs\n/ /dev /dev/pts /dev/shm /mnt /proc ";
    assert!(said.starts_with(wanted), "{said}");
    assert!(!said.contains(&root), "{said}");
    assert_eq!(fs::read_to_string(yard.path("data/new")).unwrap(), "x\n");
    let script = "ls /dev | tr '\\n' ' '; cat /dev/fd/0 </etc/group | head -1";
    let wanted =
        "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero root:x:0:\n";
    assert_eq!(yard.says(&devices, script), wanted);
    // Without it the root's own, as it is.
    assert_eq!(yard.says(&[], "ls /dev /proc"), "/dev:\n\n/proc:\n");
    assert!(crate::app::names(Path::new(&format!("{root}/dev"))).is_empty());
    let path = format!("path={root}");
    let told = yard.refused(&["-c", &path, "persist", "mount=/a /elsewhere nullfs"]);
    assert!(
        told.contains("/elsewhere is not below the jail's path"),
        "{told}"
    );
    let told = yard.refused(&["-c", &path, "persist", "mount.procfs"]);
    assert!(told.contains("hidden behind /dev/null"), "{told}");
    yard.assert_empty();
}

#[test]
fn children_are_below_their_parents() {
    let yard = Yard::new();
    yard.persists("p", &["children.max=2", "securelevel=1"]);
    let path = format!("path={}", yard.root());
    let make = |name: &str, more: &[&str]| {
        let name = format!("name={name}");
        yard.ran(&[&["jail", "-qc", &path, &name, "persist"], more].concat())
            .err
    };
    assert_eq!(make("p.one", &["securelevel=1", "children.max=1"]), "");
    assert!(make("p.two", &[]).contains("securelevel: jail p has 1, and no child has less"));
    let told = make("p.two", &["securelevel=2", "allow.raw_sockets"]);
    assert!(told.contains("allow.raw_sockets: jail p does not have it itself"));
    assert_eq!(make("p.one.deep", &["securelevel=3"]), "");
    let told = make("p.three", &["securelevel=1"]);
    assert!(told.contains("may have 2 children (children.max), and has 2"));
    assert!(make("q.x", &[]).contains("jail \"q\" not found"));
    let listed = yard.jls(&["name", "parent", "children.cur"]);
    assert_eq!(listed, "p 0 2\np.one 1 1\np.one.deep 2 0\n");
    let removed = yard.jail(&["-r", "p"]);
    assert_eq!(removed, "p.one.deep: removed\np.one: removed\np: removed\n");
    yard.persists("r", &["children.max=1"]);
    assert_eq!(make("r.x", &[]), "");
    assert_eq!(yard.jail(&["-r", "r.*"]), "r.x: removed\n");
    yard.jail(&["-qm", "name=r", "children.max=0"]);
    assert!(make("r.x", &[]).contains("children.max"));
}

#[test]
fn users_environments_and_options() {
    let yard = Yard::new();
    let root = yard.root();
    let conf = yard.conf(
        &format!(
            "path = {root}; persist;
         a {{ exec.jail_user = ann; exec.start = \"id -un; echo $$NOISE-$$HOME\"; }}
         b {{ exec.clean; exec.start = \"echo $$NOISE-$$HOME\"; }}
         c {{ exec.system_user = nobody; exec.prestart = \"id -un\"; }}
         d {{ exec.jail_user = nosuch; exec.start = id; }}"
        )
        .replace("$$", "\\$"),
    );
    let jail = |words: &[&str]| -> Ran {
        let words = [&["jail", "-qf", &conf], words].concat();
        yard.command(&words)
            .env("NOISE", "n")
            .output()
            .unwrap()
            .into()
    };
    assert_eq!(jail(&["-c", "a"]).out, "ann\nn-/home/ann\n");
    assert_eq!(jail(&["-c", "b"]).out, "-/root\n");
    assert_eq!(jail(&["-c", "c"]).out, "nobody\n");
    assert!(jail(&["-c", "d"]).err.contains("user nosuch"));
    let path = format!("path={root}");
    let said = yard.jail(&[
        "-lU",
        "ann",
        "-n",
        "opt",
        "-s",
        "1",
        "-c",
        &path,
        "exec.start=id -u; echo $USER",
        "persist",
    ]);
    assert_eq!(said, "1000\nann\nopt: created\n");
    assert_eq!(yard.jls(&["-j", "opt", "securelevel"]), "1\n");
    let file = yard.path("jid");
    yard.jail(&["-qJ", &file, "-c", &path, "name=f", "persist", "meta=a b"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("jid=") && text.contains(" name=f "),
        "{text}"
    );
    assert!(text.contains(" meta='a b'"), "{text}");
    let shown = yard.jail(&["-f", &conf, "-e", "|"]);
    let wanted =
        format!("name=c|path={root}|persist=true|exec.system_user=nobody|exec.prestart='id -un'");
    assert_eq!(shown.lines().nth(2).unwrap(), wanted);
    assert_eq!(yard.jail(&["-vf", &conf, "-r", "c"]), "c: removed\n");
    let told = yard.jail(&["-vf", &conf, "-c", "c"]);
    assert!(
        told.contains("c: run command in the system environment: id -un\n"),
        "{told}"
    );
}

#[test]
fn who_depends_on_itself_is_told() {
    let yard = Yard::new();
    let conf =
        yard.conf("path = /; persist; a { depend = b; } b { depend = c; } c { depend = a; }");
    let told = yard.refused(&["-f", &conf, "-c", "a"]);
    assert!(
        told.contains("a on b on c depends on a: they wait for each other"),
        "{told}"
    );
    let conf = yard.conf("path = /; persist; a { depend = nosuch; }");
    let told = yard.refused(&["-f", &conf, "-c", "a"]);
    assert!(told.contains("jail \"nosuch\" is not configured"), "{told}");
    let told = yard.refused(&["-f", &conf, "-c", "z"]);
    assert!(told.contains("jail \"z\" is not configured"), "{told}");
    yard.assert_empty();
}

#[test]
fn a_jail_whose_keeper_was_killed_is_gone() {
    let yard = Yard::new();
    yard.persists("k", &[]);
    let run = yard.path("store/run");
    let names = crate::app::names(Path::new(&run));
    let id = names.iter().find(|name| name.starts_with("jail-")).unwrap();
    let state = fs::read_to_string(format!("{run}/{id}/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let pid = u32::try_from(state["pid"].as_u64().unwrap()).unwrap();
    crate::app::signal(pid, "KILL");
    until("the jail has ended", || yard.names().is_empty());
    yard.assert_empty();
    yard.persists("k", &[]);
}

#[test]
fn a_jail_whose_maker_was_killed_can_be_removed() {
    let yard = Yard::new();
    let (path, store) = (format!("path={}", yard.root()), yard.path("store"));
    for step in ["exec.prestart", "exec.start"] {
        let ready = yard.path("ready");
        let command = format!("{step}=sh -c 'echo >>{ready} || touch /ready; exec sleep 300'");
        let mut maker = Command::new(env!("CARGO_BIN_EXE_stockade"));
        maker.args([
            "--root", &store, "jail", "-c", &path, "name=k", "persist", &command,
        ]);
        let mut maker = maker.stdin(Stdio::null()).spawn().unwrap();
        let inside = format!("{}/ready", yard.root());
        until("the command runs", || {
            Path::new(&ready).exists() || Path::new(&inside).exists()
        });
        let children = crate::app::children(maker.id());
        maker.kill().unwrap();
        maker.wait().unwrap();
        if step == "exec.prestart" {
            for pid in children {
                // Each command leads a group of its own.
                let group = format!("-{pid}");
                let words = ["-KILL", "--", &group];
                Command::new("kill").args(words).status().unwrap();
            }
        }
        let _ = yard.ran(&["jail", "-qR", "k"]);
        yard.assert_empty();
        let _ = (fs::remove_file(&ready), fs::remove_file(&inside));
    }
}

#[test]
fn am_i_jailed() {
    let yard = Yard::new();
    let program = env!("CARGO_BIN_EXE_stockade");
    fs::copy(program, format!("{}/bin/stockade", yard.root())).unwrap();
    let jailed = "security.jail.jailed: 1\n";
    assert_eq!(yard.says(&[], "stockade jail status"), jailed);
    let script = "unset container; stockade jail status";
    assert_eq!(yard.says(&["mount.devfs", "mount.procfs"], script), jailed);
    assert_eq!(yard.jail(&["status"]), "security.jail.jailed: 0\n");
}
