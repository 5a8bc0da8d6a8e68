//! The table of `ps -ef`, read from `/proc` where the host has no ps(1).

use std::fs::read_to_string;
use std::time::{Duration, SystemTime};

use crate::output::table::{align, harmless};
use crate::output::units;

/// Clock ticks in a second, on every architecture that Linux counts in today (`USER_HZ`).
const TICKS: u64 = 100;

/// The processes with these ids; those that end meanwhile are left out.
pub(super) fn table(pids: &[u32]) -> String {
    let mut lines = vec!["UID\tPID\tPPID\tC\tSTIME\tTTY\tTIME\tCMD".to_owned()];
    let accounts = read_to_string("/etc/passwd").unwrap_or_default();
    let uptime = uptime();
    lines.extend(pids.iter().filter_map(|pid| line(*pid, &accounts, uptime)));
    align(&lines)
}

/// How long the machine is up.
fn uptime() -> Duration {
    let text = read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text
        .split(['.', ' '])
        .next()
        .and_then(|word| word.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

fn line(pid: u32, accounts: &str, uptime: Duration) -> Option<String> {
    let stat = Stat::parse(&read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uid = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))?
        .split_whitespace()
        .next()?;
    let words = read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = words.trim_end_matches('\0').replace('\0', " ");
    let command = if words.is_empty() {
        format!("[{}]", stat.name)
    } else {
        words
    };
    let age = uptime.saturating_sub(Duration::from_secs(stat.started / TICKS));
    let seconds = stat.used / TICKS;
    let percent = (seconds * 100)
        .checked_div(age.as_secs())
        .unwrap_or(0)
        .min(99);
    let clock = |seconds: u64| {
        format!(
            "{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    };
    let cells = [
        name(uid, accounts),
        pid.to_string(),
        stat.parent.to_string(),
        percent.to_string(),
        began(age),
        terminal(stat.terminal),
        clock(seconds),
        command,
    ];
    Some(cells.map(|cell| harmless(&cell)).join("\t"))
}

/// The fields of proc_pid_stat(5) that are shown.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    parent: u32,
    /// A device number, 0 for none.
    terminal: u32,
    /// Ticks.
    used: u64,
    /// Ticks after the machine's start.
    started: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // A name may have brackets and spaces.
        let (open, close) = (text.find('(')?, text.rfind(')')?);
        let fields: Vec<&str> = text.get(close + 1..)?.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            name: text.get(open + 1..close)?.to_owned(),
            parent: fields.get(1)?.parse().ok()?,
            terminal: fields.get(4)?.parse().unwrap_or(0),
            used: number(11)?.checked_add(number(12)?)?,
            started: number(19)?,
        })
    }
}

fn name(uid: &str, accounts: &str) -> String {
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    });
    named.unwrap_or(uid).to_owned()
}

/// The time of day, or the date of what is older than a day; in UTC.
fn began(age: Duration) -> String {
    let text = units::rfc3339(
        SystemTime::now()
            .checked_sub(age)
            .unwrap_or(SystemTime::UNIX_EPOCH),
    );
    let part = if age < Duration::from_secs(86_400) {
        11..16
    } else {
        5..10
    };
    text.get(part).unwrap_or("?").to_owned()
}

/// `pts/0`, or `?`: the kernel packs major and minor as `mmmMMMmm` in hexadecimal digits.
fn terminal(device: u32) -> String {
    let (major, minor) = (
        (device >> 8) & 0xfff,
        (device & 0xff) | ((device >> 12) & 0xf_ff00),
    );
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 0x10_0000 + minor),
        4 => format!("tty{minor}"),
        _ => "?".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_process() {
        let text = "12 (a) b (c)) S 1 12 12 34816 12 4194560 1 2 3 4 150 50 0 0 20 0 1 0 777 1 1";
        let stat = Stat {
            name: "a) b (c)".into(),
            parent: 1,
            terminal: 34816,
            used: 200,
            started: 777,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("12 (a"), None);
        assert_eq!(
            (terminal(34816), terminal(0), terminal(34817)),
            ("pts/0".into(), "?".into(), "pts/1".into())
        );
        assert_eq!(
            (name("0", "root:x:0:0::/:/"), name("7", "root:x:0:0::/:/")),
            ("root".into(), "7".into())
        );
    }

    #[test]
    fn this_process() {
        let table = table(&[std::process::id()]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(
            lines.len() == 2 && lines[1].contains(&std::process::id().to_string()),
            "{table}"
        );
    }
}
