//! `logs`: what a container printed, from its log.

mod entry;
mod files;
mod follow;
mod tail;

use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write, stderr, stdout};
use std::time::SystemTime;

use container::{Directory, Store};

use super::failure::{Failure, Outcome};
use crate::cli;
use crate::output::units;
use entry::{Entry, Stream};
use files::Files;
use follow::{Change, Watch};

/// Which entries are wanted, and how they are shown.
struct Wish {
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    timestamps: bool,
}

/// `logs`.
pub(crate) fn logs(store: &Store, request: &cli::Logs) -> Outcome<()> {
    let id = store.find(&request.container)?;
    let directory = store.open(&id)?;
    let now = SystemTime::now();
    let moment = |option: &str, text: &Option<String>| {
        let parsed = text
            .as_deref()
            .map(|text| units::moment(text, now))
            .transpose();
        parsed.map_err(|fault| Failure::new(format!("--{option}: {fault}")))
    };
    let wish = Wish {
        since: moment("since", &request.since)?,
        until: moment("until", &request.until)?,
        timestamps: request.timestamps,
    };
    let tail = tail(request.tail.as_deref())?;
    if directory.settings()?.log.off {
        return Err(Failure::new(
            "the container keeps no log (--log-driver none)",
        ));
    }
    // `--details` shows what log options add to each line, and there are none that do.
    match print(&directory, &wish, tail, request.follow) {
        Err(Stop::ReaderGone) => Ok(()),
        Err(Stop::Failed(failure)) => Err(failure),
        Ok(()) => Ok(()),
    }
}

/// `--tail`: a number of lines; none are all, as are negative ones for Docker.
fn tail(text: Option<&str>) -> Outcome<Option<u64>> {
    match text {
        None | Some("all" | "-1") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            Failure::new(format!(
                "--tail: '{text}' is no number of lines; hint: 10, or all"
            ))
        }),
    }
}

/// Why printing does not go on.
enum Stop {
    /// Whoever reads us has gone away.
    ReaderGone,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn print(directory: &Directory, wish: &Wish, tail: Option<u64>, follow: bool) -> Result<(), Stop> {
    let path = directory.log_path();
    // Set up before the first look, so that nothing falls between.
    let watch = if follow {
        Some(Watch::new(directory)?)
    } else {
        None
    };
    let mut reader = Reader {
        lines: None,
        left: None,
        wish,
        begun: [true; 2],
        line: Vec::new(),
    };
    let mut tail = tail;
    loop {
        // Asked before reading: what a monitor wrote before it ended is read after.
        let lives = watch
            .as_ref()
            .is_some_and(|watch| watch.is_written(directory));
        if reader.lines.is_none() {
            reader.open(&path, tail.take(), follow)?;
        }
        if reader.go_on()? == Reached::Until {
            return Ok(());
        }
        let Some(watch) = watch.as_ref().filter(|_| lives) else {
            break;
        };
        if watch.wait(wish.until)? == Change::TimeIsUp {
            return Ok(());
        }
    }
    reader.rest()
}

/// How far the log was read.
#[derive(PartialEq, Eq)]
enum Reached {
    /// To its end, for now.
    End,
    /// To the first entry that is younger than wanted.
    Until,
}

struct Reader<'w> {
    lines: Option<BufReader<Files>>,
    /// Bytes that are still to be read; none when it is all that comes.
    left: Option<u64>,
    wish: &'w Wish,
    /// Whether the next entry of each stream begins a line.
    begun: [bool; 2],
    /// A line of the log, as far as it is written.
    line: Vec<u8>,
}

impl Reader<'_> {
    /// A container that was never started has no log yet. Of one that prints faster than is read here,
    /// what was there at the beginning is shown, unless it is to be followed.
    fn open(&mut self, path: &str, tail: Option<u64>, follow: bool) -> Outcome<()> {
        let failed = |error: std::io::Error| Failure::new(format!("{path}: {error}"));
        let Some(mut files) = Files::open(path).map_err(failed)? else {
            return Ok(());
        };
        let length = files.seek(SeekFrom::End(0)).map_err(failed)?;
        let start = match tail {
            Some(count) => tail::start(&mut files, count).map_err(failed)?,
            None => 0,
        };
        files.seek(SeekFrom::Start(start)).map_err(failed)?;
        self.left = (!follow).then_some(length.saturating_sub(start));
        self.lines = Some(BufReader::with_capacity(64 << 10, files));
        Ok(())
    }

    /// Prints what was added.
    fn go_on(&mut self) -> Result<Reached, Stop> {
        let Some(mut lines) = self.lines.take() else {
            return Ok(Reached::End);
        };
        let mut out = Out::default();
        let reached = loop {
            if self.left == Some(0) {
                break Reached::End;
            }
            let failed =
                |error: std::io::Error| Failure::new(format!("the container's log: {error}"));
            let count = lines.read_until(b'\n', &mut self.line).map_err(failed)?;
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(u64::try_from(count).unwrap_or(0));
            }
            if self.line.last() != Some(&b'\n') {
                if count == 0 && lines.get_mut().look_again().map_err(failed)? {
                    continue;
                }
                break Reached::End;
            }
            let line = std::mem::take(&mut self.line);
            if let Some(entry) = entry::parse(&line)
                && self.show(&entry, &mut out)? == Reached::Until
            {
                break Reached::Until;
            }
        };
        out.flush()?;
        self.lines = Some(lines);
        Ok(reached)
    }

    /// A last line that a monitor could not complete.
    fn rest(&mut self) -> Result<(), Stop> {
        let mut out = Out::default();
        let line = std::mem::take(&mut self.line);
        if let Some(entry) = entry::parse(&line) {
            self.show(&entry, &mut out)?;
        }
        out.flush()
    }

    fn show(&mut self, entry: &Entry<'_>, out: &mut Out) -> Result<Reached, Stop> {
        let wish = self.wish;
        let time = super::state::moment(&entry.time);
        if let (Some(until), Some(time)) = (wish.until, time)
            && time > until
        {
            return Ok(Reached::Until);
        }
        if let (Some(since), Some(time)) = (wish.since, time)
            && time < since
        {
            return Ok(Reached::End);
        }
        let begins = &mut self.begun[entry.stream as usize];
        if wish.timestamps && *begins {
            let shown = time.map_or_else(|| entry.time.to_string(), units::rfc3339_full);
            out.add(entry.stream, shown.as_bytes())?;
            out.add(entry.stream, b" ")?;
        }
        *begins = entry.log.ends_with('\n');
        out.add(entry.stream, entry.log.as_bytes())?;
        Ok(Reached::End)
    }
}

/// What is to be printed: of one stream at a time, so that the order of both is kept.
#[derive(Default)]
struct Out {
    stream: Stream,
    bytes: Vec<u8>,
}

impl Out {
    const ENOUGH: usize = 64 << 10;

    fn add(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Stop> {
        if stream != self.stream || self.bytes.len() > Self::ENOUGH {
            self.flush()?;
            self.stream = stream;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let written = match self.stream {
            Stream::Out => {
                let mut out = stdout().lock();
                out.write_all(&self.bytes).and_then(|()| out.flush())
            }
            Stream::Error => stderr().lock().write_all(&self.bytes),
        };
        self.bytes.clear();
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Stop::ReaderGone,
            _ => Failure::new(format!("write: {error}")).into(),
        })
    }
}
