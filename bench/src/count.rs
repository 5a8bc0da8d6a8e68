//! The system calls of one call, counted in a run of its own: counting slows what it counts.

use crate::Result;
use crate::sample::Stage;
use std::path::Path;
use std::process::Command;

/// Counts the system calls of `command` and its descendants, with perf where it works, else strace.
/// `None` when neither does.
pub(crate) fn system_calls(
    stage: &mut Stage,
    work: &Path,
    command: &dyn Fn() -> Command,
) -> Option<f64> {
    let report = work.join("counted");
    let perf = ["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-o"];
    let strace = ["-f", "-c", "-q", "-o"];
    let by_perf = counted(stage, "perf", &perf, &report, command());
    by_perf.ok().and_then(|text| perf_total(&text)).or_else(|| {
        let by_strace = counted(stage, "strace", &strace, &report, command());
        by_strace.ok().and_then(|text| strace_total(&text))
    })
}

fn counted(
    stage: &mut Stage,
    counter: &str,
    options: &[&str],
    report: &Path,
    command: Command,
) -> Result<String> {
    let mut wrapped = Command::new(counter);
    wrapped
        .args(options)
        .arg(report)
        .arg(command.get_program())
        .args(command.get_args());
    stage.measure(wrapped)?;
    Ok(std::fs::read_to_string(report)?)
}

/// `842,,raw_syscalls:sys_enter,…`
fn perf_total(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains("raw_syscalls"))?;
    line.split(',').next()?.parse().ok()
}

/// `100.00    0.000000           0       842        31 total`
fn strace_total(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_in_both_counters_reports() {
        let perf = "# started on Mon\n\n842,,raw_syscalls:sys_enter,1500000,100.00,,\n";
        let strace = "100.00    0.000000           0       842        31 total\n";
        assert_eq!(perf_total(perf), Some(842.0));
        assert_eq!(strace_total(strace), Some(842.0));
        assert_eq!(perf_total("<not supported>,,raw_syscalls:sys_enter"), None);
    }
}
