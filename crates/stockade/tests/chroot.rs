//! `stockade chroot` beside coreutils' own. Needs root and a static busybox.

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use common::app::{Place, Ran};

const STOCKADE: &str = env!("CARGO_BIN_EXE_stockade");

fn ran(command: &mut Command) -> Ran {
    command.stdin(Stdio::null()).output().unwrap().into()
}

fn ours(words: &[&str]) -> Ran {
    ran(Command::new(STOCKADE).arg("chroot").args(words))
}

fn quiet(words: &[&str]) -> Ran {
    ran(Command::new(STOCKADE).args(["chroot", "-q"]).args(words))
}

fn theirs(words: &[&str]) -> Ran {
    ran(Command::new("/usr/sbin/chroot").args(words))
}

/// The same status and output as coreutils', and nothing said where it says nothing.
#[track_caller]
fn alike(words: &[&str]) -> Ran {
    let (ours, theirs) = (quiet(words), theirs(words));
    assert_eq!(
        (ours.code, &ours.out),
        (theirs.code, &theirs.out),
        "{words:?}: {} / {}",
        ours.err,
        theirs.err
    );
    assert_eq!(
        ours.err.is_empty(),
        theirs.err.is_empty(),
        "{words:?}: {} / {}",
        ours.err,
        theirs.err
    );
    ours
}

#[test]
fn a_command_runs_in_another_root_and_its_directory_is_inside() {
    let place = Place::new();
    fs::write(place.path("root/here"), "").unwrap();
    let ran = alike(&[
        &place.root(),
        "sh",
        "-c",
        "pwd; ls -d /here ../../here; exit 7",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (7, "/\n../../here\n/here\n"));
}

#[test]
fn it_says_once_that_it_is_no_boundary() {
    let place = Place::new();
    let ran = ours(&[&place.root(), "true"]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert!(ran.err.contains("no boundary"), "{}", ran.err);
    assert_eq!(quiet(&[&place.root(), "true"]).err, "");
    assert_eq!(ours(&["--quiet", &place.root(), "true"]).err, "");
}

#[test]
fn users_and_groups() {
    let place = Place::new();
    let root = place.root();
    // coreutils asks the C library of the new root for names, which a busybox root has not: names are compared
    // with what the files say, numbers with coreutils.
    let ids = "id -u; id -g; id -G";
    for (options, wanted) in [
        (&["--userspec=ann"][..], "1000\n1000\n1000 10\n"),
        (&["--userspec=ann:wheel"], "1000\n10\n10\n"),
        (&["--userspec=1000"], "1000\n1000\n1000 10\n"),
        (&["--userspec=ann:"], "1000\n1000\n1000 10\n"),
        (&["--userspec=:wheel", "--groups="], "0\n10\n10\n"),
        (&["--userspec=77:88", "--groups="], "77\n88\n88\n"),
        (
            &["--userspec=+77:+88", "--groups=5,wheel"],
            "77\n88\n88 5 10\n",
        ),
        (&["--groups=ann"], "0\n0\n0 1000\n"),
        (&["--userspec", "ann", "--groups", ""], "1000\n1000\n1000\n"),
    ] {
        let mut words = options.to_vec();
        words.extend([root.as_str(), "sh", "-c", ids]);
        let ran = quiet(&words);
        assert_eq!(ran.code, 0, "{options:?}: {}", ran.err);
        assert_eq!(ran.out, wanted, "{options:?}");
    }
    alike(&["--userspec=77:88", "--groups=5,6", &root, "sh", "-c", ids]);
    alike(&["--userspec=77", &root, "id"]);
    alike(&["--userspec=77:88", "--groups=", &root, "sh", "-c", ids]);
    for wrong in [
        "--userspec=nosuch",
        "--userspec=77",
        "--userspec=ann:nosuch",
        "--userspec=-1:0",
        "--userspec=4294967295:0",
        "--groups=nosuch",
        "--groups=1,,2",
    ] {
        let ran = quiet(&[wrong, &root, "id"]);
        assert_eq!((ran.code, ran.out.as_str()), (125, ""), "{wrong}");
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
}

#[test]
fn exit_statuses_are_those_of_coreutils() {
    let place = Place::new();
    let root = place.root();
    fs::write(place.path("root/plain"), "text").unwrap();
    fs::write(place.path("root/bin/script"), "#!/nosuch\n").unwrap();
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(place.path("root/bin/script"), executable).unwrap();
    symlink("/", place.path("root/loop")).unwrap();
    for words in [
        &["/nosuch"][..],
        &[],
        &["--nosuch", &root],
        &[&root, "nosuch"],
        &[&root, "/plain"],
        &[&root, "/bin"],
        &[&root, "script"],
        &[&root, "false"],
        &[&root, "sh", "-c", "exit 42"],
        &[&format!("{root}/plain"), "true"],
        &[&format!("{root}/loop"), "/bin/sh", "-c", "exit 3"],
        &["--skip-chdir", &root, "true"],
        &["--skip-chdir", "/", "sh", "-c", "pwd"],
        &["/", "sh", "-c", "pwd"],
        &["--", &root, "true"],
        &["--user", "77:88", &root, "id", "-u"],
    ] {
        alike(words);
    }
}

#[test]
fn without_a_command_it_is_the_users_shell() {
    let place = Place::new();
    let root = place.root();
    let with_shell = |program: &str, shell: &str| {
        let mut command = Command::new(program);
        if program == STOCKADE {
            command.args(["chroot", "-q"]);
        }
        ran(command.arg(&root).env("SHELL", shell))
    };
    for shell in ["/bin/sh", "/bin/echo", "/nosuch"] {
        let (ours, theirs) = (
            with_shell(STOCKADE, shell),
            with_shell("/usr/sbin/chroot", shell),
        );
        assert_eq!((ours.code, ours.out), (theirs.code, theirs.out), "{shell}");
    }
}

#[test]
fn help_is_a_page_and_options_of_the_program_are_refused() {
    let ran = ours(&["--help"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("--userspec <USER[:GROUP]>"), "{}", ran.out);
    let before = ["--root", "/nosuch", "chroot", "/", "true"];
    let ran: Ran = Command::new(STOCKADE).args(before).output().unwrap().into();
    assert_eq!(ran.code, 125);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

/// Who only wants another root gets it, whatever there is in the place of its databases.
#[test]
fn databases_are_read_where_something_is_looked_up() {
    let place = Place::new();
    for name in ["passwd", "group"] {
        fs::remove_file(place.path(&format!("root/etc/{name}"))).unwrap();
        fs::create_dir(place.path(&format!("root/etc/{name}"))).unwrap();
    }
    let root = place.root();
    for options in [
        &[][..],
        &["--groups=1,2"],
        &["--groups="],
        &["--userspec=:7"],
    ] {
        let ran = alike(&[options, &[&root, "true"]].concat());
        assert_eq!(ran.code, 0, "{options:?}: {}", ran.err);
    }
    let named = quiet(&["--userspec=ann", &root, "true"]);
    assert_eq!(named.code, 125);
    assert!(named.err.contains("/etc/passwd"), "{}", named.err);
}
