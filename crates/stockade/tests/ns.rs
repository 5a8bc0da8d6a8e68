//! `stockade ns` beside util-linux' unshare and nsenter. Needs root.

mod common;

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

use common::app::{Place, Ran};

const STOCKADE: &str = env!("CARGO_BIN_EXE_stockade");
/// A number that no machine gives to anybody.
const USER: u32 = 1_894_021;

fn command(program: &str, words: &[&str]) -> Command {
    let mut command = match program {
        "new" | "enter" => {
            let mut command = Command::new(STOCKADE);
            command.args(["ns", program]);
            command
        }
        other => Command::new(other),
    };
    command.args(words).stdin(Stdio::null());
    command
}

fn ran(program: &str, words: &[&str]) -> Ran {
    command(program, words).output().unwrap().into()
}

/// The same status and output as the other's.
#[track_caller]
fn alike(ours: &str, theirs: &str, words: &[&str]) -> Ran {
    let (ours, theirs) = (ran(ours, words), ran(theirs, words));
    assert_eq!(
        (ours.code, &ours.out),
        (theirs.code, &theirs.out),
        "{words:?}: {} / {}",
        ours.err,
        theirs.err
    );
    ours
}

#[track_caller]
fn like_unshare(words: &[&str]) -> Ran {
    alike("new", "unshare", words)
}

/// The names of the namespaces in which a command is another's than this process.
fn new_kinds(options: &[&str]) -> Vec<String> {
    let mut words = options.to_vec();
    words.extend([
        "sh",
        "-c",
        "cd /proc/self/ns; for n in *; do echo $n $(readlink $n); done",
    ]);
    let ran = ran("new", &words);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut kinds = Vec::new();
    for line in ran.out.lines() {
        let (name, link) = line.split_once(' ').unwrap();
        let own = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        if own.to_str() != Some(link) {
            kinds.push(name.to_owned());
        }
    }
    kinds
}

#[test]
fn every_kind_is_made_and_no_other() {
    for (option, kinds) in [
        ("-m", &["mnt"][..]),
        ("-u", &["uts"]),
        ("-i", &["ipc"]),
        ("-n", &["net"]),
        ("-fp", &["pid", "pid_for_children"]),
        ("-U", &["user"]),
        ("-C", &["cgroup"]),
        ("-fT", &["time", "time_for_children"]),
        ("-r", &["user"]),
    ] {
        assert_eq!(new_kinds(&[option]), kinds, "{option}");
    }
    assert_eq!(new_kinds(&["-muinpUCTfr"]).len(), 10);
}

/// The lines of the talk, with `stockade ns new` in the place of `unshare`.
#[test]
fn the_talks_commands() {
    for (line, shown, wanted) in [
        (
            "-m",
            "mount -t tmpfs none /mnt && grep -c ' /mnt tmpfs' /proc/mounts",
            "1\n",
        ),
        (
            "-p --fork --mount-proc",
            "echo $$; ls -d /proc/[0-9]*",
            "1\n/proc/1\n",
        ),
        ("-U --map-root", "id -u; id -g", "0\n0\n"),
        (
            "-n",
            "ls /sys/class/net >/dev/null; sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d ' '",
            "lo\n",
        ),
        ("-i", "sed 1d /proc/sysvipc/shm | wc -l", "0\n"),
        ("-u", "hostname of-the-talk; hostname", "of-the-talk\n"),
        ("-C", "grep -v ':/$' /proc/self/cgroup | wc -l", "0\n"),
    ] {
        let mut words: Vec<&str> = line.split(' ').collect();
        words.extend(["/bin/bash", "-c", shown]);
        let ran = like_unshare(&words);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (0, wanted),
            "{line}: {}",
            ran.err
        );
    }
}

#[test]
fn statuses_are_those_of_unshare() {
    for words in [
        &["-u", "sh", "-c", "exit 7"][..],
        &["-fp", "sh", "-c", "exit 7"],
        &["-u", "nosuch"],
        &["-fu", "nosuch"],
        &["-fu", "/etc/passwd"],
        &["--nosuch"],
        &["--map"],
        &["--propagation", "nosuch", "true"],
        &["--monotonic", "5", "true"],
        &["--setgroups", "allow", "-r", "true"],
        &["-R", "/nosuch", "true"],
        &["-w", "/nosuch", "true"],
        &["-w", "/usr", "pwd"],
        &["-R", "/", "pwd"],
        &["-rS", "0", "-G", "0", "id"],
        &[
            "-fT",
            "--boottime",
            "1000000",
            "sh",
            "-c",
            "cut -c1 /proc/self/timens_offsets | wc -l",
        ],
        &[
            "-rT",
            "-f",
            "--monotonic",
            "77",
            "--boottime",
            "-3",
            "cat",
            "/proc/self/timens_offsets",
        ],
        &[
            "--map-user",
            "3",
            "--map-group",
            "4",
            "sh",
            "-c",
            "id -u; id -g; cat /proc/self/setgroups",
        ],
        &["-c", "cat", "/proc/self/uid_map"],
        &["-Ur", "--keep-caps", "grep", "CapAmb", "/proc/self/status"],
        &["-Uc", "grep", "Cap", "/proc/self/status"],
    ] {
        like_unshare(words);
    }
}

/// Whoever waits sees the signal that ended the command.
#[test]
fn a_signal_is_passed_on() {
    for words in [
        &["-f", "sh", "-c", "kill -TERM $$"],
        &["-fp", "sh", "-c", "kill -USR1 $$; kill -KILL $$"],
    ] {
        let ours = command("new", words).status().unwrap();
        let theirs = command("unshare", words).status().unwrap();
        assert_eq!(ours.signal(), theirs.signal(), "{words:?}");
    }
}

#[test]
fn propagation_is_private_or_what_is_asked_for() {
    let optional = "grep -m1 ' / / ' /proc/self/mountinfo | cut -d' ' -f7";
    for mode in ["private", "shared", "slave", "unchanged"] {
        let words = ["-m", "--propagation", mode, "sh", "-c", optional];
        let (ours, theirs) = (ran("new", &words), ran("unshare", &words));
        // Peer groups have numbers, which are new each time.
        let kind = |text: &str| text.split(':').next().unwrap().trim().to_owned();
        assert_eq!(
            (ours.code, kind(&ours.out)),
            (theirs.code, kind(&theirs.out)),
            "{mode}"
        );
    }
    let unbindable = ran(
        "new",
        &["-m", "--propagation", "unbindable", "sh", "-c", optional],
    );
    assert_eq!(unbindable.out, "unbindable\n");
}

#[test]
fn ranges_of_ids_are_mapped_and_the_own_one_among_them() {
    for (options, wanted) in [
        (
            &["-r", "--map-users=0:100000:10"][..],
            "0 0 1\n1 100000 9\n",
        ),
        (&["-r", "--map-users=100000,0,10"], "0 0 1\n1 100000 9\n"),
        (
            &["--map-users=0:0:1", "--map-users=5:200000:3"],
            "0 0 1\n5 200000 3\n",
        ),
    ] {
        let mut words = options.to_vec();
        words.extend(["cat", "/proc/self/uid_map"]);
        let ran = ran("new", &words);
        let lines = ran.out.lines().map(|line| {
            let numbers: Vec<&str> = line.split_whitespace().collect();
            numbers.join(" ") + "\n"
        });
        assert_eq!(
            lines.collect::<String>(),
            wanted,
            "{options:?}: {}",
            ran.err
        );
    }
    for wrong in ["0:1", "0:1:0", "a:b:c", "0:4294967295:1"] {
        let ran = ran("new", &["--map-users", wrong, "true"]);
        assert_eq!(ran.code, 1, "{wrong}");
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
}

#[test]
fn the_child_dies_with_its_parent() {
    let mut parent = command(
        "new",
        &[
            "-p",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            "echo up; exec sleep 1000",
        ],
    );
    let mut parent = parent.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = [0; 3];
    std::io::Read::read_exact(parent.stdout.as_mut().unwrap(), &mut line).unwrap();
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", parent.id())).unwrap();
    let child = children.trim().to_owned();
    parent.kill().unwrap();
    parent.wait().unwrap();
    let gone = || {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    for _ in 0..500 {
        if gone() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{child} lives");
}

#[test]
fn namespaces_are_pinned_to_files_and_entered_by_them() {
    let place = Place::new();
    let (uts, pid, net) = (place.path("uts"), place.path("pid"), place.path("net"));
    // Pins are made in a mount namespace of the test's own, which takes them with it.
    let script = format!(
        "set -e; s={STOCKADE}
         $s ns new --uts={uts} hostname pinned
         $s ns enter --uts={uts} hostname
         $s ns new --pid={pid} --net={net} --fork sh -c 'readlink /proc/self/ns/net' >{place}/link
         $s ns enter --net={net} readlink /proc/self/ns/net | cmp - {place}/link && echo same
         ! $s ns new --pid={pid} true 2>/dev/null && echo refused
         umount {uts} {pid} {net}",
        place = place.0.display()
    );
    let ran = ran(
        "unshare",
        &["-m", "--propagation", "private", "sh", "-c", &script],
    );
    assert_eq!(ran.out, "pinned\nsame\nrefused\n", "{}", ran.err);
}

/// A process in namespaces of its own, which ends with this.
struct Sleeper(Child);

impl Sleeper {
    fn new(options: &[&str]) -> (Self, String) {
        let mut words = options.to_vec();
        words.extend([
            "sh",
            "-c",
            "hostname asleep; cd /usr; echo up; exec sleep 1000",
        ]);
        let mut command = command("unshare", &words);
        let mut child = command
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let pid = child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let inner = children.trim().to_owned();
        let target = if inner.is_empty() {
            pid.to_string()
        } else {
            inner
        };
        (Self(child), target)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_namespaces_are_entered_as_nsenter_does() {
    let (_sleeper, target) = Sleeper::new(&["-muinpCr", "-f", "--kill-child", "--mount-proc"]);
    let t = target.as_str();
    let namespaces = "cd /proc/self/ns; readlink cgroup ipc mnt net pid user uts";
    for words in [
        &["-t", t, "-a", "sh", "-c", namespaces][..],
        &[
            "-t",
            t,
            "-a",
            "sh",
            "-c",
            "hostname; id -u; id -g; ls -d /proc/1; pwd",
        ],
        &["-t", t, "-U", "-u", "hostname"],
        &["-t", t, "-Uu", "--preserve-credentials", "id", "-u"],
        &["-t", t, "-m", "-w", "pwd"],
        &["-t", t, "-m", "-W", "/etc", "pwd"],
        &["-t", t, "-r", "-w/usr/bin", "pwd"],
        &["-t", t, "-U", "-S", "0", "-G", "0", "id"],
        &[
            "-t",
            t,
            "-U",
            "-p",
            "--no-fork",
            "readlink",
            "/proc/self/ns/pid",
        ],
        &["-t", t, "-a", "sh", "-c", "exit 9"],
        &["-t", t, "-n", "nosuch"],
        &["-n", "true"],
        &["--nosuch"],
        &["-n/nosuch", "true"],
        &["-n/etc/passwd", "true"],
        &["pwd"],
    ] {
        alike("enter", "nsenter", words);
    }
    for wrong in ["0", "-1", "x", "4194305"] {
        let ran = ran("enter", &["-t", wrong, "-n", "true"]);
        assert_eq!(ran.code, 1, "{wrong}");
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
}

#[test]
fn an_ordinary_user_makes_namespaces_as_root_of_a_user_namespace() {
    let mut outcomes = Vec::new();
    for program in ["new", "unshare"] {
        let place = Place::new();
        // The binary is below a directory that only root can enter.
        let copy = place.path("stockade");
        fs::copy(STOCKADE, &copy).unwrap();
        let id = USER.to_string();
        let mut words = vec!["--reuid", &id, "--regid", &id, "--clear-groups", "--"];
        match program {
            "new" => words.extend([copy.as_str(), "ns", "new"]),
            other => words.push(other),
        }
        words.extend(["-rmpf", "--mount-proc", "sh", "-c"]);
        words.push(
            "id -u; echo $$; mount -t tmpfs t /mnt && echo mounted; tr -s ' ' </proc/self/uid_map",
        );
        let ran = ran("setpriv", &words);
        outcomes.push((ran.code, ran.out));
        assert!(
            outcomes[0].1.contains("0\n1\nmounted\n"),
            "{:?} {}",
            outcomes,
            ran.err
        );
    }
    assert_eq!(outcomes[0], outcomes[1]);
}

/// What lsns tells of the namespaces of `target`: number, kind, processes, first process.
fn lines_of_lsns(target: &str) -> Vec<String> {
    let ran = ran("lsns", &["-n", "-o", "NS,TYPE,NPROCS,PID", "-p", target]);
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = ran.out.lines().map(line).collect();
    lines.sort();
    lines
}

fn lines_of_ours(options: &[&str]) -> Vec<String> {
    let mut words = vec![
        "ns",
        "ls",
        "--format",
        "{{.ID}} {{.Type}} {{.Processes}} {{.PID}}",
    ];
    words.extend(options);
    let ran = ran(STOCKADE, &words);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut lines: Vec<String> = ran.out.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The number of a process's namespace.
fn id_of(pid: &str, kind: &str) -> String {
    let link = fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    let link = link.to_str().unwrap();
    link.trim_start_matches(|c: char| !c.is_ascii_digit())
        .trim_end_matches(']')
        .to_owned()
}

#[test]
fn the_list_agrees_with_lsns() {
    // All kinds are new, so that nobody else comes and goes in them.
    let options = ["-muinpCUrTf", "--kill-child", "--mount-proc"];
    let (_sleeper, target) = Sleeper::new(&options);
    let theirs = lines_of_lsns(&target);
    assert_eq!(theirs.len(), 8);
    assert_eq!(lines_of_ours(&["--task", &target]), theirs);
    let net = lines_of_ours(&["-p", &target, "-t", "net"]);
    let wanted = theirs.iter().filter(|line| line.contains(" net ")).cloned();
    assert_eq!(net, wanted.collect::<Vec<_>>());
    // Of the whole machine, those of this process are there all the time.
    let all = lines_of_ours(&[]);
    for kind in ["mnt", "net", "user", "pid"] {
        let start = format!("{} {kind} ", id_of("self", kind));
        assert!(all.iter().any(|line| line.starts_with(&start)), "{start}");
    }
}

#[test]
fn owners_parents_and_the_tree() {
    let options = ["-muinpCUrf", "--kill-child", "--mount-proc"];
    let (_sleeper, target) = Sleeper::new(&options);
    let (user, net, pid) = (
        id_of(&target, "user"),
        id_of(&target, "net"),
        id_of(&target, "pid"),
    );
    let relations = |kind: &str| {
        let words = [
            "ns",
            "ls",
            "-p",
            &target,
            "-t",
            kind,
            "--format",
            "{{.ID}} {{.Owner}} {{.Parent}}",
        ];
        ran(STOCKADE, &words).out
    };
    assert_eq!(relations("net"), format!("{net} {user} -\n"));
    assert_eq!(
        relations("pid"),
        format!("{pid} {user} {}\n", id_of("self", "pid"))
    );
    let (owner, parent) = (id_of("self", "user"), id_of("self", "user"));
    assert_eq!(relations("user"), format!("{user} {owner} {parent}\n"));
    let tree = ran(STOCKADE, &["ns", "ls", "--tree"]).out;
    let depth = |start: &str| {
        let line = tree
            .lines()
            .find(|line| line.trim_start().starts_with(start))
            .unwrap();
        line.len() - line.trim_start().len()
    };
    assert!(
        depth(&format!("net {net} ")) > depth(&format!("user {user} ")),
        "{tree}"
    );
    assert!(
        depth(&format!("user {user} ")) > depth(&format!("user {owner} ")),
        "{tree}"
    );
    let json = ran(
        STOCKADE,
        &["ns", "ls", "-p", &target, "-t", "net", "--format", "json"],
    )
    .out;
    assert!(json.contains(&format!("\"ID\":\"{net}\"")), "{json}");
}

#[test]
fn a_pin_outlives_the_processes_and_is_listed() {
    let place = Place::new();
    let script = format!(
        "set -e; s={STOCKADE}; p={place}
         unshare -n sleep 1000 & pid=$!
         until [ \"$(readlink /proc/$pid/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do sleep 0.01; done
         $s ns pin net $pid $p/blue
         kill $pid; wait $pid 2>/dev/null || true
         $s ns ls -t net --format '{{{{.Processes}}}} {{{{.PID}}}} {{{{.Pins}}}}' | grep $p/blue
         $s ns enter --net=$p/blue true && echo entered
         $s ns unpin $p/blue; ls $p/blue 2>/dev/null || echo gone
         $s ns unpin $p/root 2>&1 || echo refused
         $s ns pin net 4194305 $p/red 2>&1 || ls $p/red 2>/dev/null || echo none",
        place = place.0.display()
    );
    let ran = ran(
        "unshare",
        &["-m", "--propagation", "private", "sh", "-c", &script],
    );
    let wanted = format!(
        "0 - {p}/blue\nentered\ngone\nstockade: {p}/root: no namespace is pinned to it\nrefused\n\
         stockade: 4194305: no such process\nnone\n",
        p = place.0.display()
    );
    assert_eq!(ran.out, wanted, "{}", ran.err);
}

/// Root's ranges are those of its line in files of the test's own.
#[test]
fn a_map_is_found_in_etc_subuid() {
    let place = Place::new();
    let ids = place.path("ids");
    // Not after another's: util-linux 2.38 takes the first line that there is.
    fs::write(&ids, "root:524288:65536\nother:1:2\n").unwrap();
    let shown = |program: &str, options: &str| {
        let script = format!(
            "mount --bind {ids} /etc/subuid && mount --bind {ids} /etc/subgid && {program} {options} \
             sh -c 'cat /proc/self/uid_map /proc/self/gid_map | tr -s \" \"'"
        );
        ran(
            "unshare",
            &["-m", "--propagation", "private", "sh", "-c", &script],
        )
    };
    for options in ["--map-auto", "--map-auto --map-root-user"] {
        let ours = shown(&format!("{STOCKADE} ns new"), options);
        let theirs = shown("unshare", options);
        assert_eq!(
            (ours.code, &ours.out),
            (theirs.code, &theirs.out),
            "{options}: {}",
            ours.err
        );
        assert!(ours.out.contains(" 524288 6553"), "{options}: {}", ours.out);
    }
    fs::write(&ids, "other:1:2\nroot:524288:65536\n").unwrap();
    let second = shown(&format!("{STOCKADE} ns new"), "--map-auto");
    assert_eq!(
        second.out, " 0 524288 65536\n 0 524288 65536\n",
        "{}",
        second.err
    );
    fs::write(&ids, "other:1:2\n").unwrap();
    let none = shown(&format!("{STOCKADE} ns new"), "--map-auto");
    assert_eq!(none.code, 1);
    assert!(none.err.contains("/etc/subuid"), "{}", none.err);
}

#[test]
fn mount_and_user_namespaces_are_pinned_too() {
    let place = Place::new();
    let (mnt, user) = (place.path("mnt"), place.path("user"));
    let inside = place.path("inside");
    fs::create_dir(&inside).unwrap();
    let script = format!(
        "set -e; s={STOCKADE}
         $s ns new --mount={mnt} sh -c 'mount -t tmpfs pinned {inside} && touch {inside}/here'
         ls {inside} | wc -l
         $s ns enter --mount={mnt} ls {inside}
         $s ns new -r --user={user} readlink /proc/self/ns/user >{place}/link
         $s ns enter --user={user} readlink /proc/self/ns/user | cmp - {place}/link && echo same
         $s ns ls --format '{{{{.Type}}}} {{{{.Pins}}}}' | grep {place} | sort
         $s ns unpin {mnt} {user} && ls {mnt} {user} 2>/dev/null || echo gone",
        place = place.0.display()
    );
    let ran = ran(
        "unshare",
        &["-m", "--propagation", "private", "sh", "-c", &script],
    );
    let wanted = format!("0\nhere\nsame\nmnt {mnt}\nuser {user}\ngone\n");
    assert_eq!(ran.out, wanted, "{}", ran.err);
}

/// Of others' processes they are told no more than lsns tells them.
#[test]
fn an_ordinary_user_lists_what_may_be_seen() {
    let place = Place::new();
    let copy = place.path("stockade");
    fs::copy(STOCKADE, &copy).unwrap();
    let id = USER.to_string();
    let as_user = |words: &[&str]| {
        let user = ["--reuid", &id, "--regid", &id, "--clear-groups", "--"];
        ran("setpriv", &[&user, words].concat())
    };
    // In a process namespace of their own, where nobody else comes and goes.
    let script = format!(
        "echo ours; {} ns ls --format '{{{{.ID}}}} {{{{.Type}}}}' | sort
         echo theirs; lsns -n -o NS,TYPE | tr -s ' ' | sed 's/^ //; s/ $//' | sort",
        copy
    );
    let ran = as_user(&["unshare", "-rpf", "--mount-proc", "sh", "-c", &script]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let (ours, theirs) = ran.out.split_once("theirs\n").unwrap();
    let ours: Vec<&str> = ours.lines().skip(1).collect();
    let theirs: Vec<&str> = theirs.lines().collect();
    assert!(
        theirs.len() >= 7 && theirs.iter().all(|line| ours.contains(line)),
        "{}",
        ran.out
    );
    // The whole machine's, of which most may not be looked at.
    let all = as_user(&[&copy, "ns", "ls", "-q"]);
    assert_eq!((all.code, all.err.as_str()), (0, ""));
    assert!(!all.out.is_empty());
}

/// The talk's tunnel: two namespaces, a device in each, and what goes in on one side comes out on the other.
#[test]
fn a_tunnel_connects_two_namespaces() {
    let place = Place::new();
    let (mut one, mut other) = (
        Sleeper(
            command("unshare", &["-n", "sleep", "1000"])
                .spawn()
                .unwrap(),
        ),
        Sleeper(
            command("unshare", &["-n", "sleep", "1000"])
                .spawn()
                .unwrap(),
        ),
    );
    let (a, b) = (one.0.id().to_string(), other.0.id().to_string());
    let own = id_of("self", "net");
    common::app::until("two namespaces", || {
        id_of(&a, "net") != own && id_of(&b, "net") != own
    });
    let connect = |options: &[&str], ends: [&str; 2]| {
        ran(STOCKADE, &[&["ns", "veth"], options, &ends].concat())
    };
    let made = connect(&["-a", "192.0.2.1/24,192.0.2.2/24"], [&a, &b]);
    assert_eq!(
        (made.code, made.out.as_str(), made.err.as_str()),
        (0, "", "")
    );
    let inside = |pid: &str, words: &[&str]| {
        ran(
            STOCKADE,
            &[&["ns", "enter", "-t", pid, "-n", "--"], words].concat(),
        )
    };
    let shown = inside(&a, &["ip", "-br", "-4", "addr", "show", "veth0"]).out;
    assert!(
        shown.contains("UP") && shown.contains("192.0.2.1/24"),
        "{shown}"
    );
    // A listener in one, asked from the other.
    let server = "import socket; s = socket.create_server(('192.0.2.2', 8080)); print('up', flush=True); \
                  c, a = s.accept(); c.sendall(a[0].encode()); c.close()";
    let mut listening = command("enter", &["-t", &b, "-n", "--", "python3", "-c", server])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 3];
    std::io::Read::read_exact(listening.stdout.as_mut().unwrap(), &mut line).unwrap();
    let client =
        "import socket; print(socket.create_connection(('192.0.2.2', 8080), 10).recv(99).decode())";
    let told = inside(&a, &["python3", "-c", client]);
    assert_eq!(told.out, "192.0.2.1\n", "{}", told.err);
    listening.wait().unwrap();
    // A name that is taken leaves nothing on the other side.
    assert_eq!(connect(&["-n", "veth0,veth1"], [&a, &b]).code, 1);
    assert_eq!(inside(&b, &["ip", "link", "show", "veth1"]).code, 1);
    for (options, ends, said) in [
        (&["-n", "x"][..], [a.as_str(), &b], "NAME,NAME"),
        (
            &["-a", "192.0.2.1/33,192.0.2.2/24"],
            [&a, &b],
            "--addresses",
        ),
        (&["-a", "192.0.2.1/24"], [&a, &b], "--addresses"),
        (&[], ["4194999", &b], "no such process"),
        (&[], ["x", &b], "neither a process"),
        (&[], [&place.path("nosuch"), &b], "No such file"),
    ] {
        let refused = connect(options, ends);
        assert_eq!(refused.code, 1, "{options:?}");
        assert!(refused.err.contains(said), "{}", refused.err);
    }
    // It goes with either of its ends.
    let _ = (one.0.kill(), one.0.wait(), &mut other);
    common::app::until("gone", || {
        inside(&b, &["ip", "link", "show", "veth0"]).code == 1
    });
}
