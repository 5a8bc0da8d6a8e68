//! Containers with a terminal, by a real one: raw mode, window size, job control, detach keys.
//! Needs root, a static busybox and setsid(1).

mod common;

use std::fs::{File, OpenOptions};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::app::{Place, until};
use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::io;
use sys::rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use sys::rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use sys::rustix::time::Timespec;

/// A terminal with a command on it.
struct Terminal {
    master: sys::OwnedFd,
    name: String,
    child: Child,
    seen: String,
}

impl Terminal {
    /// Runs a command as the leader of a session on a terminal of 33 rows and 111 columns.
    fn of(place: &Place, words: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        resize(&master, 33, 111);
        let end = || -> File {
            OpenOptions::new()
                .read(true)
                .write(true)
                .open(&name)
                .unwrap()
        };
        let child = Command::new("setsid")
            .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_stockade"), "--root"])
            .arg(place.path("store"))
            .args(words)
            .stdin(Stdio::from(end()))
            .stdout(Stdio::from(end()))
            .stderr(Stdio::from(end()))
            .spawn()
            .unwrap();
        Self {
            master,
            name,
            child,
            seen: String::new(),
        }
    }

    fn type_in(&self, text: &str) {
        assert_eq!(
            io::write(&self.master, text.as_bytes()).unwrap(),
            text.len()
        );
    }

    /// Reads until `text` has come, and forgets what came up to its end.
    fn expect(&mut self, text: &str) {
        let start = Instant::now();
        while !self.seen.contains(text) {
            assert!(
                start.elapsed() < Duration::from_secs(15),
                "no {text:?} in {:?}",
                self.seen
            );
            self.read();
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    fn read(&mut self) {
        let mut polled = [PollFd::new(&self.master, PollFlags::IN)];
        let short = Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        if poll(&mut polled, Some(&short)).unwrap() == 0 {
            return;
        }
        let mut bytes = [0u8; 4096];
        // EIO: nobody is at the other end any more.
        let count = io::read(&self.master, &mut bytes).unwrap_or(0);
        self.seen
            .push_str(&String::from_utf8_lossy(&bytes[..count]));
    }

    /// Its exit status, once it ended.
    fn code(&mut self) -> i32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(
                start.elapsed() < Duration::from_secs(15),
                "it goes on: {:?}",
                self.seen
            );
            self.read();
        }
    }

    /// Whether the user's terminal does line editing and echoes.
    fn is_cooked(&self) -> bool {
        let end = OpenOptions::new().read(true).open(&self.name).unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&end));
        let end = sys::file::open(
            &path,
            sys::rustix::fs::OFlags::RDONLY | sys::rustix::fs::OFlags::NOCTTY,
        );
        let modes = tcgetattr(end.unwrap()).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(master: &sys::OwnedFd, rows: u16, columns: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).unwrap();
}

#[test]
fn a_shell_on_a_terminal() {
    let place = Place::new();
    let mut terminal = Terminal::of(
        &place,
        &["run", "--rm", "-it", "--name", "tty", &place.root(), "sh"],
    );
    terminal.expect("# ");
    assert!(!terminal.is_cooked(), "the user's own terminal is raw");
    terminal.type_in("tty; stty size; readlink /proc/self/fd/0\r");
    terminal.expect("33 111\r\n");
    terminal.expect("/dev/pts/0\r\n");
    resize(&terminal.master, 44, 99);
    until("the size has come", || {
        place.ok(&["exec", "tty", "sh", "-c", "stty size </dev/console"]) == "44 99\n"
    });
    // An interrupt reaches the job, not the shell.
    terminal.type_in("sleep 100\r");
    until("it sleeps", || {
        place
            .ran(&["exec", "tty", "sh", "-c", "ps | grep -q 'sleep 10[0]'"])
            .code
            == 0
    });
    terminal.type_in("\x03");
    terminal.expect("# ");
    terminal.type_in("echo interrupted $?\r");
    terminal.expect("interrupted 130\r\n");
    // So does a stop, and the shell takes it back.
    terminal.type_in("sleep 100\r");
    until("it sleeps", || {
        place
            .ran(&["exec", "tty", "sh", "-c", "ps | grep -q 'sleep 10[0]'"])
            .code
            == 0
    });
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.type_in("fg\r");
    terminal.expect("fg\r\n");
    std::thread::sleep(Duration::from_millis(100));
    terminal.type_in("\x03");
    terminal.expect("# ");
    terminal.type_in("exit 12\r");
    assert_eq!(terminal.code(), 12);
    assert!(terminal.is_cooked(), "the user's terminal is as it was");
    place.assert_empty();
}

#[test]
fn leaving_and_coming_back() {
    let place = Place::new();
    let mut terminal = Terminal::of(
        &place,
        &["run", "-it", "--name", "tty", &place.root(), "sh"],
    );
    terminal.expect("# ");
    terminal.type_in("X=kept\r");
    terminal.expect("# ");
    terminal.type_in("\x10\x11");
    assert_eq!(terminal.code(), 0);
    assert!(terminal.is_cooked());
    assert_eq!(place.field("tty", "{{.State.Status}}"), "running");

    let mut terminal = Terminal::of(&place, &["attach", "--detach-keys", "ctrl-a,d", "tty"]);
    terminal.type_in("echo X is $X; stty size\r");
    terminal.expect("X is kept\r\n");
    terminal.expect("33 111\r\n");
    // The first of the keys alone is the container's.
    terminal.type_in("\x01d");
    assert_eq!(terminal.code(), 0);

    let mut terminal = Terminal::of(&place, &["attach", "tty"]);
    terminal.type_in("exit 3\r");
    assert_eq!(terminal.code(), 3);
    assert_eq!(place.field("tty", "{{.State.ExitCode}}"), "3");
}

#[test]
fn exec_on_a_terminal() {
    let place = Place::new();
    place.background("base", &[], "sleep 100");
    let mut terminal = Terminal::of(&place, &["exec", "-it", "base", "sh"]);
    terminal.expect("# ");
    assert!(!terminal.is_cooked());
    terminal.type_in("stty size\r");
    terminal.expect("33 111\r\n");
    resize(&terminal.master, 20, 70);
    std::thread::sleep(Duration::from_millis(100));
    terminal.type_in("stty size\r");
    terminal.expect("20 70\r\n");
    terminal.type_in("sleep 100\r");
    std::thread::sleep(Duration::from_millis(200));
    terminal.type_in("\x03");
    terminal.expect("# ");
    terminal.type_in("exit 6\r");
    assert_eq!(terminal.code(), 6);
    assert!(terminal.is_cooked());
    assert_eq!(place.field("base", "{{.State.Status}}"), "running");
}

#[test]
fn a_terminal_without_input() {
    let place = Place::new();
    let ran = place.run(
        &["-t"],
        "tty -s </dev/console; echo one; echo two >&2; exit 2",
    );
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (2, "one\r\ntwo\r\n", "")
    );
    let ran = place.run(&["-i", "-t"], "echo must not run");
    assert_eq!((ran.code, ran.out.as_str()), (125, ""));
    assert!(
        ran.err.contains("the input device is not a TTY"),
        "{}",
        ran.err
    );
    place.assert_empty();

    place.background("tty", &["-t"], "stty size; echo in the log; exit 1");
    assert_eq!(place.ok(&["wait", "tty"]), "1\n");
    assert!(place.ok(&["logs", "tty"]).ends_with("in the log\r\n"));
}

#[test]
fn a_client_with_a_terminal_that_is_killed_leaves_its_container() {
    let place = Place::new();
    let mut terminal = Terminal::of(
        &place,
        &["run", "-it", "--name", "tty", &place.root(), "sh"],
    );
    terminal.expect("# ");
    let client = common::app::children(terminal.child.id());
    common::app::signal(
        client.first().copied().unwrap_or(terminal.child.id()),
        "KILL",
    );
    terminal.code();
    assert_eq!(place.field("tty", "{{.State.Status}}"), "running");
    let mut terminal = Terminal::of(&place, &["attach", "tty"]);
    terminal.type_in("echo still here\r");
    terminal.expect("still here\r\n");
    drop(terminal);
}
