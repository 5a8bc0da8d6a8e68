//! `cgroup top` on a terminal: drawn anew after each look, and told by keys what to show.

use std::time::{Duration, Instant};

use sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use sys::rustix::io::{read, retry_on_intr};
use sys::rustix::termios::Winsize;
use sys::signal::{Set, Signals};
use sys::{Errno, stdio};

use super::super::super::failure::Outcome;
use super::super::super::print;
use super::{Looks, Sort};
use crate::output::table::align;
use crate::terminal::Raw;

/// The other screen without a cursor, and back: what was on the terminal is there again afterwards.
const BEGIN: &str = "\x1b[?1049h\x1b[?25l";
const END: &str = "\x1b[?25h\x1b[?1049l";
const KEYS: &str = "c cpu  m memory  t tasks  i io  n name  up down  q quit";
const CTRL_C: u8 = 3;
const ESCAPE: u8 = 0x1b;
/// A terminal that does not know its size.
const USUAL: (usize, usize) = (24, 80);
/// SIGTSTP and the two for background jobs' terminals: while the terminal is raw they only come from others.
const WINDOW_CHANGED: i32 = 28;

/// Shows it until somebody has had enough.
pub(super) fn show(looks: &mut Looks, interval: Duration) -> Outcome<()> {
    let signals = Signals::open(Set::OTHERS)?;
    let raw = Raw::enter(stdio::input())?;
    print::out(BEGIN)?;
    let shown = redraw_until_quit(looks, interval, &raw, &signals);
    print::out(END)?;
    drop(raw);
    shown
}

fn redraw_until_quit(
    looks: &mut Looks,
    interval: Duration,
    raw: &Raw,
    signals: &Signals,
) -> Outcome<()> {
    let mut first = 0;
    let mut next = Instant::now();
    loop {
        if Instant::now() >= next {
            looks.again()?;
            next = Instant::now() + interval;
        }
        let (rows, columns) = raw.size().map_or(USUAL, extent);
        first = first.min(looks.lines.len().saturating_sub(1));
        print::out(&page(looks, first, rows, columns))?;
        if print::is_reader_gone() {
            return Ok(());
        }
        let keys = wait(signals, next.saturating_duration_since(Instant::now()))?;
        let Some(keys) = keys else {
            return Ok(());
        };
        for act in acts(&keys) {
            match act {
                Act::Quit => return Ok(()),
                Act::Sort(sort) => looks.sort_by(sort),
                Act::Up(n) => first = first.saturating_sub(n),
                Act::Down(n) => first = first.saturating_add(n),
            }
        }
    }
}

fn extent(size: Winsize) -> (usize, usize) {
    match (size.ws_row, size.ws_col) {
        (0, _) | (_, 0) => USUAL,
        (rows, columns) => (rows.into(), columns.into()),
    }
}

/// One screen: keys, headings, and as many lines from the `first` as there is room for.
fn page(looks: &Looks, first: usize, rows: usize, columns: usize) -> String {
    let aligned = align(&looks.table(true));
    let mut lines = aligned.lines();
    let heading = lines.next().unwrap_or("");
    let room = rows.saturating_sub(2);
    let mut text = format!(
        "\x1b[H{}\x1b[K\r\n\x1b[7m{}\x1b[0m\x1b[K",
        cut(KEYS, columns),
        cut(heading, columns)
    );
    for line in lines.skip(first).take(room) {
        text += &format!("\r\n{}\x1b[K", cut(line, columns));
    }
    text + "\x1b[J"
}

/// As much of a line as fits; the graphs' blocks are one column wide.
fn cut(line: &str, columns: usize) -> String {
    line.chars().take(columns).collect()
}

/// What was typed by then; none when a signal or the end of input says that it is enough.
fn wait(signals: &Signals, left: Duration) -> Outcome<Option<Vec<u8>>> {
    let input = stdio::input();
    let timeout = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(1),
        tv_nsec: left.subsec_nanos().into(),
    };
    let mut polled = [
        PollFd::new(&input, PollFlags::IN),
        PollFd::new(signals, PollFlags::IN),
    ];
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(sys::Error::new("poll", "the terminal", errno).into()),
    }
    let typed = !polled[0].revents().is_empty();
    while let Some(received) = signals.take()? {
        if received.signal != WINDOW_CHANGED {
            return Ok(None);
        }
    }
    if !typed {
        return Ok(Some(Vec::new()));
    }
    let mut keys = [0; 64];
    match retry_on_intr(|| read(input, &mut keys)) {
        Ok(0) => Ok(None),
        Ok(length) => Ok(Some(keys[..length].to_vec())),
        Err(errno) => Err(sys::Error::new("read", "the terminal", errno).into()),
    }
}

/// What keys mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Quit,
    Sort(Sort),
    Up(usize),
    Down(usize),
}

fn acts(keys: &[u8]) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut rest = keys;
    while let Some((key, after)) = rest.split_first() {
        rest = after;
        let sequence: &[(&[u8], Act)] = &[
            (b"[A", Act::Up(1)),
            (b"[B", Act::Down(1)),
            (b"[5~", Act::Up(10)),
            (b"[6~", Act::Down(10)),
        ];
        match key {
            b'q' | &CTRL_C => acts.push(Act::Quit),
            b'k' => acts.push(Act::Up(1)),
            b'j' => acts.push(Act::Down(1)),
            &ESCAPE if after.is_empty() => acts.push(Act::Quit),
            &ESCAPE => {
                if let Some((text, act)) = sequence.iter().find(|(text, _)| after.starts_with(text))
                {
                    acts.push(*act);
                    rest = &after[text.len()..];
                }
            }
            letter => {
                let letter = char::from(*letter).to_string();
                acts.extend(Sort::parse(&letter).map(Act::Sort));
            }
        }
    }
    acts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_meanings_and_others_none() {
        assert_eq!(acts(b"q"), [Act::Quit]);
        assert_eq!(acts(&[CTRL_C]), [Act::Quit]);
        assert_eq!(acts(&[ESCAPE]), [Act::Quit]);
        assert_eq!(
            acts(b"m\x1b[B\x1b[Axj"),
            [
                Act::Sort(Sort::Memory),
                Act::Down(1),
                Act::Up(1),
                Act::Down(1)
            ]
        );
        assert_eq!(acts(b"\x1b[6~"), [Act::Down(10)]);
        assert_eq!(acts(b"xyz"), []);
    }
}
