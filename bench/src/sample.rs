//! One measured call.

use crate::Result;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What one call cost, its descendants that were waited for included.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Milliseconds from the start of the program to its end.
    pub(crate) wall: f64,
    /// Milliseconds of CPU.
    pub(crate) cpu: f64,
    /// Page faults, minor and major.
    pub(crate) faults: f64,
}

/// Runs commands one at a time; keeps the file that their stderr goes to.
pub(crate) struct Stage {
    errors: File,
    output: File,
    gap: Duration,
}

impl Stage {
    /// A stage whose files lie in `directory`; each call waits for `gap` first.
    pub(crate) fn new(directory: &Path, gap: Duration) -> Result<Self> {
        let open = |name| {
            let path = directory.join(name);
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(path)
        };
        Ok(Self {
            errors: open("stderr")?,
            output: open("stdout")?,
            gap,
        })
    }

    /// Waits for the gap, runs `command` to its end and measures it.
    ///
    /// stdout and stderr are plain files: a pipe would stay open as long as a container that was left
    /// running.
    pub(crate) fn measure(&mut self, mut command: Command) -> Result<Sample> {
        self.errors.set_len(0)?;
        self.errors.seek(SeekFrom::Start(0))?;
        self.output.set_len(0)?;
        self.output.seek(SeekFrom::Start(0))?;
        command.stdin(Stdio::null());
        command
            .stdout(self.output.try_clone()?)
            .stderr(self.errors.try_clone()?);
        sleep(self.gap);
        let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let start = Instant::now();
        let status = command
            .status()
            .map_err(|error| format!("{}: {error}", named(&command)))?;
        let wall = milliseconds(start.elapsed());
        if !status.success() {
            return Err(format!("{}: {status}: {}", named(&command), self.its_words()).into());
        }
        let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        Ok(Sample {
            wall,
            cpu: cpu(&after) - cpu(&before),
            faults: (faults(&after) - faults(&before)) as f64,
        })
    }

    /// What the last command printed on stdout.
    pub(crate) fn printed(&mut self) -> Result<String> {
        let mut text = String::new();
        self.output.seek(SeekFrom::Start(0))?;
        self.output.read_to_string(&mut text)?;
        Ok(text.trim().to_owned())
    }

    fn its_words(&mut self) -> String {
        let mut text = String::new();
        let read = self
            .errors
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.errors.read_to_string(&mut text));
        match read {
            Ok(_) if text.trim().is_empty() => "(said nothing)".to_owned(),
            Ok(_) => text.trim().lines().collect::<Vec<_>>().join("; "),
            Err(error) => format!("(its stderr: {error})"),
        }
    }
}

/// A command's program, as errors name it.
fn named(command: &Command) -> String {
    let path = std::path::Path::new(command.get_program());
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// A duration in milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn cpu(usage: &Usage) -> f64 {
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    microseconds as f64 / 1e3
}

fn faults(usage: &Usage) -> i64 {
    usage.minor_page_faults() + usage.major_page_faults()
}

/// The value below which `share` of the values lie; NaN of nothing.
pub(crate) fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * share).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

/// The middle value; NaN of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_pick_values_that_were_seen() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile([4.0, 1.0, 3.0, 2.0, 5.0], 0.9), 5.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_call_is_measured_and_its_failure_is_told_in_its_own_words() {
        let directory = std::env::temp_dir().join(format!("stage-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let mut stage = Stage::new(&directory, Duration::ZERO).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo 42"]);
        assert!(stage.measure(command).unwrap().faults > 0.0);
        assert_eq!(stage.printed().unwrap(), "42");
        let mut command = Command::new("sh");
        command.args(["-c", "echo first >&2; echo why >&2; exit 3"]);
        let error = stage.measure(command).err().unwrap().to_string();
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(error.ends_with("exit status: 3: first; why"), "{error}");
    }
}
