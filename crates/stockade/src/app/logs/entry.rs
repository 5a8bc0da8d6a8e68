//! One line of a log.

use std::borrow::Cow;

use serde::Deserialize;

/// Which stream something was printed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Stream {
    /// Standard output, or the terminal.
    #[default]
    #[serde(rename = "stdout")]
    Out,
    /// Standard error.
    #[serde(rename = "stderr")]
    Error,
}

/// One line of a log: a line that a container printed, or a part of one.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Entry<'l> {
    /// What was printed, with the end of its line if it came to that.
    #[serde(borrow)]
    pub(super) log: Cow<'l, str>,
    pub(super) stream: Stream,
    /// RFC 3339.
    #[serde(borrow)]
    pub(super) time: Cow<'l, str>,
}

/// How each entry begins; inside of one the quotes would be escaped.
const START: &[u8] = b"{\"log\":\"";

/// Reads a line. One that a killed monitor left incomplete has the next one, of another monitor, on the
/// same line: the whole one counts.
pub(super) fn parse(line: &[u8]) -> Option<Entry<'_>> {
    if let Ok(entry) = serde_json::from_slice(line) {
        return Some(entry);
    }
    let start = line
        .windows(START.len())
        .rposition(|window| window == START)?;
    serde_json::from_slice(&line[start..]).ok()
}

/// Whether a line, which is not looked into, says the end of a line that a container printed.
pub(super) fn ends_line(line: &[u8]) -> bool {
    const END: &[u8] = b"\\n\",\"stream\":\"";
    let is_end = |at: usize| {
        // Of `\\n` the first backslash escapes the second.
        let backslashes = line[..=at]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count();
        backslashes % 2 == 1
    };
    line.windows(END.len())
        .rposition(|window| window == END)
        .is_some_and(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"log":"a \"b\"\n","stream":"stderr","time":"2026-11-23T18:20:19.5Z"}"#;

    #[test]
    fn lines_whole_and_broken() {
        let entry = parse(LINE.as_bytes()).unwrap();
        assert_eq!(
            (&*entry.log, entry.stream, &*entry.time),
            ("a \"b\"\n", Stream::Error, "2026-11-23T18:20:19.5Z")
        );
        for broken in [
            "{\"log\":\"half of",
            "{\"log\":\"x\\n\",\"stream\":\"std",
            "{\"lo",
        ] {
            let line = broken.to_owned() + LINE;
            assert_eq!(
                parse(line.as_bytes()),
                Some(parse(LINE.as_bytes()).unwrap()),
                "{line}"
            );
            assert_eq!(parse(broken.as_bytes()), None);
        }
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn ends_of_lines() {
        let line =
            |text: &str| format!("{{\"log\":\"{text}\",\"stream\":\"stdout\",\"time\":\"x\"}}");
        for (text, ends) in [
            ("a\\n", true),
            ("\\n", true),
            ("a", false),
            ("a\\\\n", false),
            ("a\\\\\\n", true),
        ] {
            assert_eq!(ends_line(line(text).as_bytes()), ends, "{text}");
        }
    }
}
