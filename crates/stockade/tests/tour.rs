//! `docs/tour.md`, typed: every command of it, and what it says that it prints. Needs root and a static busybox.

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::app::Place;

const PAGE: &str = include_str!("../../../docs/tour.md");
/// What stands for anything.
const ANY: &str = "…";
/// What is printed between a command's output and the next one's.
const MARK: &str = "@@ end of output";

/// The page's cgroup, of which there is one on a machine; the test has its own.
const CGROUP: &str = "tour-of-cgroups";

/// A command and the lines that the page says it prints.
struct Typed {
    line: usize,
    command: String,
    prints: Vec<String>,
}

fn own_cgroup() -> String {
    format!("stockade-test-tour-{}", std::process::id())
}

/// The commands of the page, in order; of blocks for one version of cgroups only those of this machine's.
fn commands() -> Vec<Typed> {
    let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let mut typed: Vec<Typed> = Vec::new();
    let page = PAGE.replace(CGROUP, &own_cgroup());
    let mut inside = None;
    for (number, line) in (1..).zip(page.lines()) {
        match (inside, line.strip_prefix("```")) {
            (None, Some("console")) => inside = Some(true),
            (None, Some("console v1")) => inside = Some(!v2),
            (None, Some("console v2")) => inside = Some(v2),
            (None, Some(other)) => panic!("line {number}: a block of {other:?}"),
            (Some(_), Some(_)) => inside = None,
            (Some(true), None) => match line.strip_prefix("# ") {
                Some(command) => typed.push(Typed {
                    line: number,
                    command: command.to_owned(),
                    prints: Vec::new(),
                }),
                None => typed.last_mut().unwrap().prints.push(line.to_owned()),
            },
            _ => {}
        }
    }
    typed
}

/// Whether a line is as the page has it: parts between `…` in their order, blanks of any number.
fn line_is(shown: &str, printed: &str) -> bool {
    let spaced = |text: &str| {
        let end = text.trim_end();
        let indent = end.len() - end.trim_start().len();
        let words: Vec<&str> = end.split_whitespace().collect();
        format!("{}{}", " ".repeat(indent.min(1)), words.join(" "))
    };
    let (shown, printed) = (spaced(shown), spaced(printed));
    let parts: Vec<&str> = shown.split(ANY).map(str::trim).collect();
    let [first, between @ .., last] = &parts[..] else {
        return shown == printed;
    };
    let Some(mut rest) = printed.trim().strip_prefix(first) else {
        return false;
    };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether lines are as the page has them; one that is `…` alone is any number of lines.
fn lines_are(shown: &[&str], printed: &[&str]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        ([first, rest @ ..], _) if *first == ANY => {
            (0..=printed.len()).any(|skipped| lines_are(rest, &printed[skipped..]))
        }
        ([first, shown @ ..], [line, printed @ ..]) => {
            line_is(first, line) && lines_are(shown, printed)
        }
        _ => false,
    }
}

/// A program `stockade` that keeps its state in the test's own place.
fn stockade_in(place: &Place) -> String {
    let program = common::app::program();
    let directory = place.path("bin");
    fs::create_dir_all(&directory).unwrap();
    let script = format!(
        "#!/bin/sh\ncase $1 in\nchroot|ns|cgroup) exec {program} \"$@\" ;;\n\
         *) exec {program} --root {} \"$@\" ;;\nesac\n",
        place.path("store")
    );
    let path = format!("{directory}/stockade");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

/// Types all commands into one shell, whose shells read what is typed after them: what each printed.
fn typed_into_a_shell(place: &Place, commands: &[Typed]) -> Vec<String> {
    let bin = stockade_in(place);
    let here = place.path("tour");
    fs::create_dir_all(&here).unwrap();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("timeout")
        .args(["-k", "1", "280"])
        // Pins are mounts, and aliases are on the loopback interface: of the test's own, not the machine's.
        .args(["unshare", "-m", "-n", "--propagation", "private"])
        .args(["bash", "-c", "busybox ip link set lo up && exec bash 2>&1"])
        .current_dir(&here)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    for one in commands {
        // The exit status of a command is there for the next one to look at.
        let mark = format!("eval 'code=$?; echo \"{MARK}\"; (exit $code)'");
        writeln!(input, "{}\n{mark}", one.command).unwrap();
    }
    drop(input);
    let output = shell.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mark = format!("{MARK}\n");
    let parts = text.split(&mark);
    parts.map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_tour_prints_what_the_page_says() {
    let place = Place::new();
    let commands = commands();
    let printed = typed_into_a_shell(&place, &commands);
    // Whatever went wrong, nothing of it stays.
    let program = place.path("bin/stockade");
    for words in [
        &["cgroup", "kill", &own_cgroup()][..],
        &["cgroup", "rm", "-r", &own_cgroup()],
        &["jail", "-R", "web"],
    ] {
        let _ = Command::new(&program).args(words).output();
    }
    let mut wrong = Vec::new();
    for (one, printed) in commands.iter().zip(&printed) {
        let shown: Vec<&str> = one.prints.iter().map(String::as_str).collect();
        let lines: Vec<&str> = printed.lines().collect();
        if !lines_are(&shown, &lines) {
            wrong.push(format!(
                "docs/tour.md:{}: {}\n{printed}",
                one.line, one.command
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(printed.len(), commands.len() + 1, "{printed:?}");
}

#[test]
fn lines_of_the_page_are_compared() {
    for (shown, printed, same) in [
        (&["a b"][..], &["a   b"][..], true),
        (&["a …"], &["a b c"], true),
        (&["a … d"], &["a b c"], false),
        (&["… b …"], &["a b c"], true),
        (&["a", "…", "z"], &["a", "b", "c", "z"], true),
        (&["a", "…", "z"], &["a", "b"], false),
        (&["…"], &[], true),
        (&[], &["a"], false),
        (&["a"], &[], false),
    ] {
        assert_eq!(lines_are(shown, printed), same, "{shown:?} {printed:?}");
    }
}
