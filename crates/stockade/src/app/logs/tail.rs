//! `--tail`: where the last lines of a log begin, found from its end.

use std::io::{Read, Result, Seek, SeekFrom};

use super::entry::ends_line;

/// How much is looked at first; then twice as much, until there are lines enough.
const FIRST: u64 = 64 << 10;

/// Where the last `count` lines begin.
pub(super) fn start(file: &mut (impl Read + Seek), count: u64) -> Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut window = FIRST;
    loop {
        let from = length.saturating_sub(window);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.by_ref().take(length - from).read_to_end(&mut bytes)?;
        // In the midst of the log the first line is but a part of one.
        let whole = if from == 0 {
            0
        } else {
            line_end(&bytes).unwrap_or(bytes.len())
        };
        match last(&bytes[whole..], count) {
            Some(at) => return Ok(from + number(whole + at)),
            None if from == 0 => return Ok(0),
            None => window *= 2,
        }
    }
}

fn number(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map(|at| at + 1)
}

/// Where the last `count` lines begin in some entries; none when there are not more than that.
///
/// A line of the container's that is long, or has no end yet, takes several entries.
fn last(mut entries: &[u8], count: u64) -> Option<usize> {
    let mut ends = 0;
    let mut youngest = true;
    while !entries.is_empty() {
        let before = entries.strip_suffix(b"\n").unwrap_or(entries);
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        // What comes last counts as a line though it may have no end.
        ends += u64::from(ends_line(&entries[start..]) || youngest);
        if ends > count {
            return Some(entries.len());
        }
        youngest = false;
        entries = &entries[..start];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::last;

    fn log(texts: &[&str]) -> Vec<u8> {
        let entry =
            |text: &&str| format!("{{\"log\":\"{text}\",\"stream\":\"stdout\",\"time\":\"x\"}}\n");
        texts.iter().map(entry).collect::<String>().into_bytes()
    }

    #[test]
    fn the_last_lines() {
        let start = |texts: &[&str]| log(texts).len();
        let all = ["1\\n", "2a", "2b\\n", "3\\n"];
        assert_eq!(last(&log(&all), 0), Some(start(&all)));
        assert_eq!(last(&log(&all), 1), Some(start(&all[..3])));
        assert_eq!(last(&log(&all), 2), Some(start(&all[..1])));
        assert_eq!(last(&log(&all), 3), None);
        let open = ["1\\n", "2\\n", "prompt"];
        assert_eq!(last(&log(&open), 1), Some(start(&open[..2])));
        assert_eq!(last(&log(&open), 2), Some(start(&open[..1])));
        assert_eq!(last(b"", 1), None);
    }
}
