//! The seccomp program of a bundle.

use crate::Result;
use crate::options::Options;
use crate::podman::run;
use crate::view::Place;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The seccomp program that a peer loads for this bundle, read off its system call: strace prints it in
/// the words of <linux/filter.h>.
pub(super) fn table(
    options: &Options,
    place: &Place,
    config: &Value,
    directory: &Path,
) -> Result<String> {
    let none = "#define FILTER_FLAGS 0\n#define FILTER_LENGTH 0\nstatic const struct sock_filter filter[1];\n";
    if config["linux"]["seccomp"].is_null() {
        return Ok(none.to_owned());
    }
    let report = place.work.join("seccomp.trace");
    let mut reason = "no peer is installed".to_owned();
    for (name, program) in &options.peers {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-v", "-e", "trace=seccomp,prctl", "-o"])
            .arg(&report)
            .arg(program);
        command
            .arg("--root")
            .arg(place.work.join("state").join(name))
            .arg("run");
        command
            .arg("--bundle")
            .arg(directory)
            .arg(place.id("filter", 0));
        match run(&mut command) {
            Ok(_) => return from_trace(&fs::read_to_string(&report)?),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(format!("its seccomp program, from a peer under strace: {reason}").into())
}

fn from_trace(trace: &str) -> Result<String> {
    // `seccomp(SECCOMP_SET_MODE_FILTER, FLAGS, {len=N, filter=[…]})`, or without flags
    // `prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, {len=N, filter=[…]})`
    let parts = |line: &str| -> Option<(u32, String, String)> {
        let (call, program) = line.split_once(", {len=")?;
        let flags = call
            .split_once("SECCOMP_SET_MODE_FILTER, ")
            .map_or("0", |(_, flags)| flags);
        let (length, rows) = program.split_once(", filter=[")?;
        Some((
            length.parse().ok()?,
            flags.to_owned(),
            rows.split_once("]}")?.0.to_owned(),
        ))
    };
    let longest = trace
        .lines()
        .filter_map(parts)
        .max_by_key(|(length, ..)| *length);
    let (length, flags, rows) = longest.ok_or("no seccomp program was seen")?;
    Ok(format!(
        "#define FILTER_FLAGS ({flags})\n#define FILTER_LENGTH {length}\n\
         static const struct sock_filter filter[] = {{ {rows} }};\n\
         _Static_assert(sizeof(filter) / sizeof(filter[0]) == FILTER_LENGTH, \"whole program\");\n"
    ))
}
