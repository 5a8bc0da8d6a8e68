//! Builds what is to be measured, then measures it.

use std::process::Command;

/// `cargo xtask bench [ARG...]`: release builds of the binary and of the driver, which gets
/// the arguments.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    // By itself, as everybody builds it: built together, the two would share features, and so differ.
    cargo(&["build", "--release", "--package", "stockade"])?;
    let mut measure = vec![
        "run",
        "--quiet",
        "--release",
        "--package",
        "stockade-bench",
        "--",
    ];
    measure.extend(arguments);
    cargo(&measure)
}

/// Runs cargo to its end.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(program)
        .args(arguments)
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("cargo {}: {status}", arguments[0])),
    }
}
