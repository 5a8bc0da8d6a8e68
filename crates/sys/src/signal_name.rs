//! Signals by name (signal(7)).

use alloc::string::String;

const NAMES: [(&str, i32); 34] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("IOT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("POLL", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// The lowest and highest real-time signals, as C libraries number them.
const REAL_TIME: (i32, i32) = (34, 64);

/// A signal by number, or by name: with or without `SIG`, in either case, `RTMIN+n` and `RTMAX-n` too.
pub fn from_text(text: &str) -> Option<i32> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .ok()
            .filter(|number| (1..=REAL_TIME.1).contains(number));
    }
    let upper: String = text.chars().map(|c| c.to_ascii_uppercase()).collect();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*number);
    }
    let offset = |rest: &str, sign: char| -> Option<i32> {
        if rest.is_empty() {
            return Some(0);
        }
        rest.strip_prefix(sign)?
            .parse()
            .ok()
            .filter(|n| (0..=30).contains(n))
    };
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return offset(rest, '+').map(|n| REAL_TIME.0 + n);
    }
    name.strip_prefix("RTMAX")
        .and_then(|rest| offset(rest, '-'))
        .map(|n| REAL_TIME.1 - n)
}

/// The name of a signal without `SIG`; none for those that have no name.
pub fn name(number: i32) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(_, known)| *known == number)
        .map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::from_text;

    #[test]
    fn names_numbers_and_real_time_signals() {
        assert_eq!(from_text("TERM"), Some(15));
        assert_eq!(from_text("sigkill"), Some(9));
        assert_eq!(from_text("9"), Some(9));
        assert_eq!(from_text("RTMIN+3"), Some(37));
        assert_eq!(from_text("SIGRTMAX-1"), Some(63));
        for wrong in ["", "0", "65", "SIGFOO", "RTMIN-1", "RTMIN+99", "-9"] {
            assert_eq!(from_text(wrong), None, "{wrong}");
        }
    }
}
