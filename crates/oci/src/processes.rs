//! `ps`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Error, Kind, Result};

use crate::arguments::Arguments;
use crate::global::Global;
use crate::{Library, Success, usage};

/// `ps`: what follows the container is for ps(1).
pub(crate) fn ps(
    global: &Global<'_>,
    arguments: &mut Arguments<'_>,
    library: Option<&dyn Library>,
) -> Result<Success> {
    let (mut format, mut id) = ("table", None);
    while id.is_none() {
        match arguments.option() {
            Some(option) if matches!(option.name, "format" | "f") => {
                format = arguments.value(option)?;
            }
            Some(option) => return Err(usage(format!("ps: unknown option --{}", option.name))),
            None => {
                let word = arguments.word();
                id =
                    Some(word.ok_or_else(|| {
                        usage("\"ps\" requires a minimum of 1 argument(s), 0 given")
                    })?);
            }
        }
    }
    let options = arguments.rest();
    let (json, options) = match (format, options.as_slice()) {
        // As clients of older runtimes write it.
        (_, ["--format" | "-f", "json"]) | ("json", _) => (true, &[][..]),
        ("table", []) => (false, &["-ef"][..]),
        ("table", options) => (false, options),
        _ => return Err(usage(format!("invalid format option {format:?}"))),
    };
    if !json && library.is_none() {
        return Ok(Success {
            needs_library: true,
            ..Success::default()
        });
    }
    let pids = global.engine.processes(id.unwrap_or(""))?;
    let Some(library) = library.filter(|_| !json) else {
        let mut line = serde_json::to_vec(&pids).unwrap_or_default();
        line.push(b'\n');
        return Ok(Success::text(line));
    };
    let all = library
        .ps(options)
        .map_err(|words| Error::new(Kind::Unsupported, format!("ps: {words}")))?;
    Ok(Success::text(of_container(&all, &pids)?))
}

/// The lines of ps(1) that tell of these processes, after its title.
fn of_container(all: &str, pids: &[u32]) -> Result<String> {
    let title = all.lines().next().unwrap_or("");
    let column = title.split_whitespace().position(|word| word == "PID");
    let column = column.ok_or_else(|| usage("ps: there is no column PID in what ps(1) prints"))?;
    let is_ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column);
        pid.and_then(|pid| pid.parse().ok())
            .is_some_and(|pid: u32| pids.contains(&pid))
    };
    let lines: Vec<&str> = core::iter::once(title)
        .chain(all.lines().skip(1).filter(is_ours))
        .collect();
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::of_container;

    #[test]
    fn lines_are_found_by_the_column_of_pids() {
        let all = "UID  PID  PPID CMD\nroot   7     1 sleep 12\nroot  12     1 sh\n";
        let ours = "UID  PID  PPID CMD\nroot  12     1 sh\n";
        assert_eq!(of_container(all, &[12]).as_deref(), Ok(ours));
        assert!(of_container("USER CMD\n", &[1]).is_err());
    }
}
