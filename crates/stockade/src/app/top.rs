//! `top`: a container's processes, as the host's ps(1) shows them.

mod processes;

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use container::Store;

use super::failure::{Failure, Outcome};
use super::print;
use super::state::Known;
use crate::cli;
use crate::output::table::harmless;

/// `top`.
pub(crate) fn top(store: &Store, request: &cli::Top) -> Outcome<()> {
    let known = Known::find(store, &request.container)?;
    let Some(record) = &known.now.record else {
        return Err(Failure::new(format!(
            "container {} is not running",
            known.settings.name
        )));
    };
    let group = store.engine.group(record)?;
    let pids = group.processes().map_err(engine::Error::from)?;
    let pids: Vec<u32> = pids
        .into_iter()
        .map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
        .collect();
    let text = match ps(&request.ps_options)? {
        Some(table) => of_container(&table, &pids)?,
        None if request.ps_options.is_empty() => processes::table(&pids),
        None => {
            let message = "ps: is not there, so its options cannot be used";
            let hint = Some("install procps on the host, or leave the options out".into());
            return Err(Failure {
                hint,
                ..Failure::new(message)
            });
        }
    };
    print::out(&text)
}

/// What ps(1) says of all processes; nothing where there is no such program.
fn ps(options: &[String]) -> Outcome<Option<String>> {
    let usual = ["-ef".to_owned()];
    let options = if options.is_empty() {
        &usual[..]
    } else {
        options
    };
    let output = match Command::new("ps")
        .args(options)
        .stdin(Stdio::null())
        .output()
    {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        output => output.map_err(|error| Failure::new(format!("ps: {error}")))?,
    };
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let line = words
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("failed");
        return Err(Failure::new(format!(
            "ps {}: {}",
            options.join(" "),
            line.trim_start_matches("error: ")
        )));
    }
    Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The lines of a table of processes whose column PID names one of the container's.
fn of_container(table: &str, pids: &[u32]) -> Outcome<String> {
    let mut lines = table.lines();
    let headings = lines.next().unwrap_or_default();
    let Some(column) = headings.split_whitespace().position(|word| word == "PID") else {
        return Err(Failure::new(
            "ps: its output has no column PID, which tells what is the container's",
        ));
    };
    let is_its = |line: &&str| {
        let pid = line
            .split_whitespace()
            .nth(column)
            .and_then(|word| word.parse().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    };
    let wanted = std::iter::once(headings).chain(lines.filter(is_its));
    Ok(wanted.map(|line| harmless(line) + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::of_container;

    #[test]
    fn lines_are_chosen_by_pid() {
        let table = "  PID COMMAND\n    1 init 17\n   17 a\x1bb\n  170 c\n";
        assert_eq!(
            of_container(table, &[17, 3]).unwrap(),
            "  PID COMMAND\n   17 a\\u{1b}b\n"
        );
        assert!(of_container("COMMAND\ninit\n", &[1]).is_err());
        assert!(of_container("", &[1]).is_err());
    }
}
