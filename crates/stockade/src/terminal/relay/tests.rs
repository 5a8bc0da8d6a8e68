use std::sync::PoisonError;
use std::thread;

use sys::rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sys::rustix::pipe::{PipeFlags, pipe_with};
use sys::rustix::process::{Pid, PidfdFlags, pidfd_open};
use sys::signal::raise;

use super::super::tests::{TURN, pair};
use super::super::{detach, set_size};
use super::*;

/// What the relay handed over.
#[derive(Default)]
struct Seen {
    signals: Vec<i32>,
    columns: Vec<u16>,
}

impl Events for Seen {
    fn signal(&mut self, number: i32) -> Result<()> {
        self.signals.push(number);
        Ok(())
    }

    fn resized(&mut self, size: Winsize) -> Result<()> {
        self.columns.push(size.ws_col);
        Ok(())
    }
}

fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC).unwrap()
}

fn read_all(from: &OwnedFd) -> Vec<u8> {
    let mut all = Vec::new();
    while let (Went::On(_), bytes) = read_some(from, "").unwrap() {
        all.extend(bytes);
    }
    all
}

fn write_all(to: &OwnedFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = &bytes[write(to, bytes).unwrap()..];
    }
}

fn relay(signals: &Signals) -> Relay<'_> {
    let detach = DetachKeys::parse(detach::DEFAULT).unwrap();
    Relay {
        signals,
        raw: None,
        detach,
        forward: true,
        process: None,
    }
}

fn quiet() -> User {
    User {
        input: None,
        output: None,
        error: None,
    }
}

fn many(byte: u8) -> Vec<u8> {
    vec![byte; 1 << 20]
}

/// The container answers its input on both streams; all of it is more than any pipe holds.
#[test]
fn everything_arrives_on_its_own_stream() {
    let ((user_in, typing), (out, user_out), (err, user_err)) = (pipe(), pipe(), pipe());
    let ((inside_in, to), (from, inside_out), (from_err, inside_err)) = (pipe(), pipe(), pipe());
    let user = User {
        input: Some(End::Owned(user_in)),
        output: Some(End::Owned(user_out)),
        error: Some(End::Owned(user_err)),
    };
    let streams = Streams {
        input: Some(Input::Pipe(to)),
        output: Some(from),
        error: Some(from_err),
    };
    thread::scope(|scope| {
        scope.spawn(move || write_all(&typing, &many(b'i')));
        scope.spawn(move || {
            write_all(&inside_err, &many(b'e'));
            write_all(&inside_out, &read_all(&inside_in));
        });
        let out = scope.spawn(move || read_all(&out));
        let err = scope.spawn(move || read_all(&err));
        let signals = signals(false).unwrap();
        let finish = relay(&signals)
            .run(user, streams, &mut Seen::default())
            .unwrap();
        assert_eq!(finish, Finish::Closed);
        assert!(out.join().unwrap() == many(b'i') && err.join().unwrap() == many(b'e'));
    });
}

#[test]
fn a_socket_is_shut_down_and_still_answers() {
    let (outside, inside) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let output = sys::rustix::io::fcntl_dupfd_cloexec(&outside, 3).unwrap();
    let ((user_in, typing), (out, user_out)) = (pipe(), pipe());
    write_all(&typing, b"question");
    drop(typing);
    let user = User {
        input: Some(End::Owned(user_in)),
        output: Some(End::Owned(user_out)),
        error: None,
    };
    let streams = Streams {
        input: Some(Input::Socket(outside)),
        output: Some(output),
        error: None,
    };
    thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(read_all(&inside), b"question");
            write_all(&inside, b"answer");
        });
        let signals = signals(false).unwrap();
        assert_eq!(
            relay(&signals)
                .run(user, streams, &mut Seen::default())
                .unwrap(),
            Finish::Closed
        );
    });
    assert_eq!(read_all(&out), b"answer");
}

#[test]
fn the_keys_detach_and_what_stood_before_them_arrives() {
    let ((user_in, typing), (inside_in, to), (from, _inside_out)) = (pipe(), pipe(), pipe());
    write_all(&typing, b"ls\n");
    let user = User {
        input: Some(End::Owned(user_in)),
        ..quiet()
    };
    let streams = Streams {
        input: Some(Input::Pipe(to)),
        output: Some(from),
        error: None,
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(matches!(read_some(&inside_in, "").unwrap(), (_, bytes) if bytes == b"ls\n"));
            write_all(&typing, b"\x10\x11more");
        });
        let signals = signals(false).unwrap();
        assert_eq!(
            relay(&signals)
                .run(user, streams, &mut Seen::default())
                .unwrap(),
            Finish::Detached
        );
    });
}

#[test]
fn what_is_read_together_with_the_keys_arrives_too() {
    let ((user_in, typing), (inside_in, to), (from, _inside_out)) = (pipe(), pipe(), pipe());
    write_all(&typing, b"ls\n\x10\x11more");
    let user = User {
        input: Some(End::Owned(user_in)),
        ..quiet()
    };
    let streams = Streams {
        input: Some(Input::Pipe(to)),
        output: Some(from),
        error: None,
    };
    let signals = signals(false).unwrap();
    let finish = relay(&signals).run(user, streams, &mut Seen::default());
    assert_eq!(finish.unwrap(), Finish::Detached);
    assert_eq!(read_all(&inside_in), b"ls\n");
}

#[test]
fn signals_are_handed_over_and_some_are_ours() {
    let (from, inside_out) = pipe();
    let signals = signals(false).unwrap();
    for signal in [Signal::USR1, Signal::CHILD, Signal::TERM, Signal::PIPE] {
        raise(number(signal)).unwrap();
    }
    raise(40).unwrap();
    let mut seen = Seen::default();
    let streams = Streams {
        input: None,
        output: Some(from),
        error: None,
    };
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(std::time::Duration::from_millis(20));
            drop(inside_out);
        });
        assert_eq!(
            relay(&signals).run(quiet(), streams, &mut seen).unwrap(),
            Finish::Closed
        );
    });
    seen.signals.sort_unstable();
    assert_eq!(
        seen.signals,
        [number(Signal::USR1), number(Signal::TERM), 40]
    );
    assert!(seen.columns.is_empty());
}

#[test]
fn a_signal_that_is_not_forwarded_ends_the_relay() {
    let (from, _inside_out) = pipe();
    let signals = signals(false).unwrap();
    raise(number(Signal::INT)).unwrap();
    let mut seen = Seen::default();
    let streams = Streams {
        input: None,
        output: Some(from),
        error: None,
    };
    let relay = Relay {
        forward: false,
        ..relay(&signals)
    };
    assert_eq!(
        relay.run(quiet(), streams, &mut seen).unwrap(),
        Finish::Signal(2)
    );
    assert!(seen.signals.is_empty());
}

/// Somebody else holds the write end: the process's end is what counts, after its last words.
#[test]
fn the_end_of_the_process_ends_it_all() {
    let ((out, user_out), (from, inside_out)) = (pipe(), pipe());
    let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    write_all(&inside_out, b"last words");
    let signals = signals(false).unwrap();
    let user = User {
        output: Some(End::Owned(user_out)),
        ..quiet()
    };
    let streams = Streams {
        input: None,
        output: Some(from),
        error: None,
    };
    let relay = Relay {
        process: Some(pidfd.as_fd()),
        ..relay(&signals)
    };
    assert_eq!(
        relay.run(user, streams, &mut Seen::default()).unwrap(),
        Finish::Closed
    );
    child.wait().unwrap();
    assert_eq!(read_all(&out), b"last words");
    drop(inside_out);
}

#[test]
fn input_that_nobody_reads_is_lost_quietly() {
    let ((user_in, typing), (inside_in, to), (from, inside_out)) = (pipe(), pipe(), pipe());
    drop(inside_in);
    write_all(&typing, b"x");
    let user = User {
        input: Some(End::Owned(user_in)),
        ..quiet()
    };
    let streams = Streams {
        input: Some(Input::Pipe(to)),
        output: Some(from),
        error: None,
    };
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(std::time::Duration::from_millis(20));
            drop(inside_out);
        });
        let signals = signals(false).unwrap();
        assert_eq!(
            relay(&signals)
                .run(user, streams, &mut Seen::default())
                .unwrap(),
            Finish::Closed
        );
    });
    drop(typing);
}

#[test]
fn output_that_nobody_reads_is_an_error() {
    let ((out, user_out), (from, inside_out)) = (pipe(), pipe());
    drop(out);
    write_all(&inside_out, b"x");
    let signals = signals(false).unwrap();
    let user = User {
        output: Some(End::Owned(user_out)),
        ..quiet()
    };
    let streams = Streams {
        input: None,
        output: Some(from),
        error: None,
    };
    let error = relay(&signals)
        .run(user, streams, &mut Seen::default())
        .unwrap_err();
    assert_eq!(error.errno, Errno::PIPE);
}

/// Two terminals, the user's and the container's.
#[test]
fn a_terminal_on_both_sides() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let ((screen, user_terminal), (master, terminal)) = (pair(), pair());
    set_size(
        &screen,
        Winsize {
            ws_row: 30,
            ws_col: 101,
            ws_xpixel: 0,
            ws_ypixel: 0,
        },
    )
    .unwrap();
    let dup = |fd: &OwnedFd| sys::rustix::io::fcntl_dupfd_cloexec(fd, 3).unwrap();
    let user = User {
        input: Some(End::Owned(dup(&user_terminal))),
        output: Some(End::Owned(dup(&user_terminal))),
        error: None,
    };
    let streams = Streams {
        input: Some(Input::Terminal(dup(&master))),
        output: Some(dup(&master)),
        error: None,
    };
    let raw = Raw::enter(&user_terminal).unwrap();
    drop(user_terminal);
    let mut seen = Seen::default();
    thread::scope(|scope| {
        scope.spawn(move || {
            // The terminal itself echoes what is typed.
            let (_, line) = read_some(&terminal, "").unwrap();
            assert_eq!(line, b"hello\n");
            write_all(&terminal, b"hello yourself\n");
        });
        let typing = dup(&screen);
        scope.spawn(move || write_all(&typing, b"hello\r"));
        let signals = signals(true).unwrap();
        let relay = Relay {
            raw: Some(&raw),
            ..relay(&signals)
        };
        drop(master);
        assert_eq!(relay.run(user, streams, &mut seen).unwrap(), Finish::Closed);
    });
    drop(raw);
    assert_eq!(
        String::from_utf8(read_all(&screen)).unwrap(),
        "hello\r\nhello yourself\r\n"
    );
    assert_eq!(seen.columns, [101]);
}

/// A shell goes on continuing this process until it is killed, so that it cannot stay stopped.
#[test]
fn a_stopped_job_leaves_the_terminal_usable_and_comes_back() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (screen, user_terminal) = pair();
    let raw = Raw::enter(&user_terminal).unwrap();
    let (from, inside_out) = pipe();
    let mut shell = std::process::Command::new("/bin/sh")
        .args(["-c", "while sleep 0.05; do kill -CONT $PPID; done"])
        .spawn()
        .unwrap();
    let mut seen = Seen::default();
    let signals = signals(true).unwrap();
    raise(number(Signal::TSTP)).unwrap();
    let streams = Streams {
        input: None,
        output: Some(from),
        error: None,
    };
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(std::time::Duration::from_millis(200));
            drop(inside_out);
        });
        let relay = Relay {
            raw: Some(&raw),
            ..relay(&signals)
        };
        assert_eq!(
            relay.run(quiet(), streams, &mut seen).unwrap(),
            Finish::Closed
        );
    });
    shell.kill().unwrap();
    shell.wait().unwrap();
    assert_eq!(
        seen.columns.len(),
        2,
        "the size is told at the start and after the stop"
    );
    assert!(seen.signals.is_empty());
    drop((raw, screen));
}
