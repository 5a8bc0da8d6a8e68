//! Jails are made, changed, entered and removed.

use std::fs;

use crate::yard::{Yard, until};

#[test]
fn a_command_runs_in_a_jail_which_ends_with_it() {
    let yard = Yard::new();
    let script = "hostname; id -u; pwd; ls /; echo $container";
    let said = yard.says(&["name=web", "host.hostname=h.example"], script);
    let wanted = "h.example\n0\n/\nbin\ndev\netc\nhome\nproc\nroot\nrun\nsys\ntmp\njail\n";
    assert_eq!(said, wanted);
    until("the jail ends with its command", || yard.names().is_empty());
    yard.assert_empty();
}

#[test]
fn the_old_syntax() {
    let yard = Yard::new();
    let said = yard.jail(&[&yard.root(), "old.example", "", "/bin/hostname"]);
    assert_eq!(said, "old.example\n1: created\n");
    let ran = yard.ran(&[
        "jail",
        "-q",
        &yard.root(),
        "h",
        "",
        "/bin/sh",
        "-c",
        "exit 3",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("exit status 3"), "{}", ran.err);
    until("the jails end", || yard.names().is_empty());
    yard.assert_empty();
}

#[test]
fn a_jail_persists_until_it_is_removed() {
    let yard = Yard::new();
    let path = format!("path={}", yard.root());
    assert_eq!(
        yard.jail(&["-c", &path, "name=a", "persist"]),
        "a: created\n"
    );
    assert_eq!(yard.jail(&["-ci", &path, "name=b", "persist"]), "2\n");
    assert_eq!(yard.jls(&["jid", "name"]), "1 a\n2 b\n");
    assert_eq!(yard.exec("a", "echo $$ in; exit 7").code, 7);
    assert_eq!(yard.exec("1", "hostname").out, "a\n");
    assert_eq!(yard.names(), "a b");
    let told = yard.refused(&["-c", &path, "name=a", "persist"]);
    assert_eq!(told, "stockade: jail a: jail a already exists");
    assert_eq!(yard.jail(&["-r", "a"]), "a: removed\n");
    assert_eq!(yard.names(), "b");
    assert_eq!(
        yard.exec("a", "true").err,
        "stockade: jail \"a\" not found\n"
    );
    yard.jail(&["-qR", "*"]);
    yard.assert_empty();
}

#[test]
fn numbers_are_not_given_again_at_once() {
    let yard = Yard::new();
    yard.persists("a", &[]);
    yard.jail(&["-qr", "a"]);
    yard.persists("b", &[]);
    assert_eq!(yard.jls(&["jid", "name"]), "2 b\n");
    yard.persists("c", &["jid=77"]);
    assert_eq!(yard.jls(&["-j", "77", "name"]), "c\n");
    assert!(
        yard.refused(&["-c", "jid=77", "path=/", "persist"])
            .contains("already exists")
    );
}

#[test]
fn daemons_keep_a_jail_and_its_end_is_theirs() {
    let yard = Yard::new();
    let path = format!("path={}", yard.root());
    let start = "exec.start=/bin/sh -c 'sleep 300 </dev/null >/dev/null 2>&1 & echo $! >/run/pid'";
    yard.jail(&["-qc", &path, "name=d", "mount.devfs", start]);
    assert_eq!(yard.names(), "d");
    // The shell is gone, and the jail is not.
    assert_eq!(yard.exec("d", "kill $(cat /run/pid)").code, 0);
    until("the jail ends with its last process", || {
        yard.names().is_empty()
    });
    yard.assert_empty();
}

#[test]
fn a_jail_is_made_persistent_and_back_while_it_lives() {
    let yard = Yard::new();
    let path = format!("path={}", yard.root());
    yard.jail(&[
        "-qc",
        &path,
        "name=p",
        "mount.devfs",
        "exec.start=/bin/sh -c 'sleep 300 >/dev/null 2>&1 &'",
    ]);
    yard.jail(&["-qm", "name=p", "persist"]);
    yard.exec("p", "kill -9 -1");
    assert_eq!(yard.names(), "p");
    yard.jail(&["-m", "name=p", "nopersist"]);
    until("nothing keeps the jail", || yard.names().is_empty());
    yard.assert_empty();
}

#[test]
fn modify_restart_and_both() {
    let yard = Yard::new();
    let path = format!("path={}", yard.root());
    assert!(
        yard.refused(&["-m", "name=x", "meta=1"])
            .ends_with("there is no such jail")
    );
    yard.jail(&["-qcm", &path, "name=x", "persist", "meta=one"]);
    assert_eq!(yard.jls(&["-j", "x", "jid", "meta"]), "1 one\n");
    yard.jail(&["-qcm", &path, "name=x", "persist", "meta=two"]);
    assert_eq!(yard.jls(&["-j", "x", "jid", "meta"]), "1 two\n");
    let told = yard.refused(&["-m", "name=x", "securelevel=2"]);
    assert!(
        told.contains("securelevel: cannot be changed while the jail lives"),
        "{told}"
    );
    yard.jail(&["-qmr", "name=x", "securelevel=2"]);
    assert_eq!(
        yard.jls(&["-j", "x", "jid", "meta", "securelevel"]),
        "2 two 2\n"
    );
    yard.jail(&["-qrc", &path, "name=x", "persist"]);
    assert_eq!(
        yard.jls(&["-j", "x", "jid", "meta", "securelevel"]),
        "3 - -1\n"
    );
    yard.jail(&["-qm", "jid=3", "name=y"]);
    assert_eq!(yard.names(), "y");
    assert_eq!(yard.exec("y", "true").code, 0);
}

#[test]
fn jexec_becomes_users_and_cleans_the_environment() {
    let yard = Yard::new();
    yard.persists("j", &[]);
    let exec = |words: &[&str]| {
        let ran = yard
            .command(&[&["jexec"], words].concat())
            .env("NOISE", "x")
            .output()
            .unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    assert_eq!(
        exec(&["-U", "ann", "j", "id"]),
        "uid=1000(ann) gid=1000(ann) groups=10(wheel),1000(ann)\n"
    );
    assert_eq!(exec(&["-u", "daemon", "j", "id", "-u"]), "1\n");
    assert_eq!(exec(&["j", "sh", "-c", "echo $NOISE"]), "x\n");
    assert_eq!(
        exec(&[
            "-lU",
            "ann",
            "j",
            "sh",
            "-c",
            "echo $NOISE $HOME $USER $SHELL $container"
        ]),
        "/home/ann ann /bin/sh jail\n"
    );
    assert_eq!(exec(&["-d", "/etc", "j", "pwd"]), "/etc\n");
    let missing = yard.ran(&["jexec", "j", "/nosuch"]);
    assert_eq!(
        (missing.code, missing.err.lines().count()),
        (127, 1),
        "{}",
        missing.err
    );
    let nobody = yard.ran(&["jexec", "-U", "nosuch", "j", "id"]);
    assert!(nobody.err.contains("nosuch"), "{}", nobody.err);
}

#[test]
fn jails_of_a_configuration_start_and_stop_as_it_says() {
    let yard = Yard::new();
    let (root, log) = (yard.root(), yard.path("log"));
    let conf = yard.conf(&format!(
        "path = \"{root}\"; $log = \"{log}\";
         exec.prepare = \"echo prepare $name >>$log\"; exec.prestart = \"echo prestart $name >> $log\";
         exec.created = \"echo created $name >>$log\"; exec.poststart = \"echo poststart $name >>$log\";
         exec.prestop = \"echo prestop $name >>$log\"; exec.poststop = \"echo poststop $name >>$log\";
         exec.release = \"echo release $name >>$log\";
         exec.start = \"echo in $name\"; exec.stop = \"echo out $name\"; exec.consolelog = \"{root}/console\";
         persist; web {{ depend = db; }} db {{ host.hostname = db.example; }} other {{ }}"
    ));
    assert_eq!(
        yard.jail(&["-f", &conf, "-c", "web"]),
        "db: created\nweb: created\n"
    );
    assert_eq!(yard.names(), "db web");
    assert_eq!(
        yard.jail(&["-f", &conf, "-r", "db", "web"]),
        "web: removed\ndb: removed\n"
    );
    let lines = fs::read_to_string(&log).unwrap().replace('\n', " ");
    let up =
        |name: &str| format!("prepare {name} prestart {name} created {name} poststart {name} ");
    let down = |name: &str| format!("prestop {name} poststop {name} release {name} ");
    assert_eq!(lines, up("db") + &up("web") + &down("web") + &down("db"));
    let console = fs::read_to_string(format!("{root}/console")).unwrap();
    assert_eq!(console, "in db\nin web\nout web\nout db\n");
    assert_eq!(yard.jail(&["-f", &conf, "-qc"]), "");
    assert_eq!(yard.names(), "db web other");
    yard.jail(&["-qf", &conf, "-r", "*"]);
    yard.assert_empty();
}

#[test]
fn a_start_that_fails_is_undone_backwards() {
    let yard = Yard::new();
    let (root, log) = (yard.root(), yard.path("log"));
    for (at, wanted) in [
        ("exec.prepare", "release"),
        ("exec.prestart", "prepare poststop release"),
        ("exec.created", "prepare prestart poststop release"),
        ("exec.start", "prepare prestart created poststop release"),
        (
            "exec.poststart",
            "prepare prestart created start poststop release",
        ),
    ] {
        let _ = fs::remove_file(&log);
        let steps = [
            "prepare",
            "prestart",
            "created",
            "poststart",
            "poststop",
            "release",
            "prestop",
        ];
        let mut text = format!(
            "a {{ path = \"{root}\"; persist; exec.start = \"echo start\"; exec.consolelog = \"{log}\";\n"
        );
        for step in steps {
            text.push_str(&format!("exec.{step} = \"echo {step} >>{log}\";\n"));
        }
        text.push_str(&format!("{at} = false; }}"));
        let conf = yard.conf(&text);
        let told = yard.refused(&["-f", &conf, "-c", "a"]);
        assert!(
            told.starts_with(&format!("stockade: jail a: {at} false: ")),
            "{told}"
        );
        let lines = fs::read_to_string(&log).unwrap_or_default();
        assert_eq!(lines.trim_end().replace('\n', " "), wanted, "{at}");
        yard.assert_empty();
    }
}

#[test]
fn commands_have_a_time_limit_and_jails_a_moment_to_end() {
    let yard = Yard::new();
    let path = format!("path={}", yard.root());
    let told = yard.refused(&[
        "-c",
        &path,
        "name=t",
        "exec.timeout=1",
        "exec.start=sleep 30",
    ]);
    assert_eq!(
        told,
        "stockade: jail t: exec.start sleep 30: timed out after 1 s"
    );
    let told = yard.refused(&[
        "-c",
        &path,
        "name=t",
        "persist",
        "exec.timeout=1",
        "exec.prestart=sleep 30",
    ]);
    assert_eq!(
        told,
        "stockade: jail t: exec.prestart sleep 30: timed out after 1 s"
    );
    yard.assert_empty();
    // TERM is answered by a file, before KILL comes.
    let script =
        "trap 'echo bye >/run/bye; exit' TERM; echo >/run/ready; while :; do sleep 0.1; done";
    fs::write(format!("{}/bin/daemon", yard.root()), script).unwrap();
    yard.jail(&[
        "-qc",
        &path,
        "name=t",
        "mount.devfs",
        "exec.start=sh /bin/daemon </dev/null >/dev/null 2>&1 &",
    ]);
    let ready = format!("{}/run/ready", yard.root());
    until("the daemon is ready", || fs::metadata(&ready).is_ok());
    yard.jail(&["-qr", "t"]);
    assert_eq!(
        fs::read_to_string(format!("{}/run/bye", yard.root())).unwrap(),
        "bye\n"
    );
    yard.assert_empty();
}

#[test]
fn a_jail_needs_something_to_run_or_to_persist() {
    let yard = Yard::new();
    let path = format!("path={}", yard.root());
    for (words, why) in [
        (
            &["-c", &path, "name=n"][..],
            "a jail with nothing to run has to persist",
        ),
        (
            &["-c", "name=n", "persist"],
            "path: missing: a jail has a root",
        ),
        (
            &["-c", "path=/nosuch", "name=n", "persist"],
            "path /nosuch: not a directory",
        ),
        (
            &["-c", &path, "name=a/b", "persist"],
            "not the name of a jail",
        ),
        (&["-c", &path, "name=12", "persist"], "a number"),
        (
            &["-c", &path, "name=n", "persist", "depend=x", "nosuch"],
            "unknown parameter",
        ),
        (&["-r", "nosuch"], "\"nosuch\" not found"),
        (
            &["-f", "/nosuch", "-c"],
            "/nosuch: No such file or directory (ENOENT)",
        ),
    ] {
        let told = yard.refused(words);
        assert!(told.contains(why), "{words:?}: {told}");
    }
    yard.assert_empty();
}

#[test]
fn commands_of_the_end_run_for_a_jail_that_is_gone() {
    let yard = Yard::new();
    let (root, log) = (yard.root(), yard.path("log"));
    let conf = yard.conf(&format!(
        "path = {root}; persist; exec.prestop = \"echo no >>{log}\";
         exec.poststop = \"echo poststop >>{log}\"; exec.release = \"echo release >>{log}\"; a {{ }} b {{ }}"
    ));
    yard.jail(&["-qf", &conf, "-c", "b"]);
    assert_eq!(yard.jail(&["-f", &conf, "-rC", "a"]), "a: cleaned up\n");
    assert_eq!(fs::read_to_string(&log).unwrap(), "poststop\nrelease\n");
    let ran = yard.ran(&["jail", "-f", &conf, "-rC", "b"]);
    assert_eq!(ran.err, "stockade: jail b: it is still there\n");
    yard.jail(&["-qR", "b"]);
    yard.assert_empty();
}

#[test]
fn the_commands_go_by_their_own_names() {
    let yard = Yard::new();
    for (name, words, wanted) in [
        ("jail", &["status"][..], "security.jail.jailed: 0\n"),
        ("jls", &["-j", "nosuch-of-the-tests"], ""),
        ("jexec", &["nosuch-of-the-tests", "true"], ""),
        ("rctl", &["jail:nosuch-of-the-tests"], ""),
    ] {
        let link = yard.path(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_stockade"), &link).unwrap();
        let output = std::process::Command::new(&link)
            .args(words)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{name}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !told.contains("usage") && !told.contains("unknown"),
            "{name}: {told}"
        );
    }
}
