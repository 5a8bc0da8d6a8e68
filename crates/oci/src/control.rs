//! `kill`, `pause`, `resume`.

use alloc::format;

use engine::Result;

use crate::arguments::Arguments;
use crate::global::Global;
use crate::{Success, usage};

/// `kill`.
pub(crate) fn kill(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let mut all = false;
    let words = arguments.parse("kill", 1..=2, |arguments, option| {
        match option.name {
            "all" | "a" => all = arguments.switch(option)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let signal = signal(words.get(1).copied().unwrap_or("TERM"))?;
    match global.engine.kill(words[0], signal, all) {
        // As runc has it: with --all, nobody there is no failure.
        Err(error) if all && error.message.starts_with("container not running") => {}
        other => other?,
    }
    Ok(Success::default())
}

/// A signal by name (with or without SIG, in either case) or number.
pub(crate) fn signal(text: &str) -> Result<i32> {
    let unknown = || usage(format!("unknown signal {text:?}"));
    // No signal, but the question whether one could be sent.
    if text == "0" {
        return Ok(0);
    }
    sys::signal_name::from_text(text).ok_or_else(unknown)
}

/// `pause`.
pub(crate) fn pause(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let words = arguments.parse("pause", 1..=1, |_, _| Ok(false))?;
    global.engine.pause(words[0])?;
    Ok(Success::default())
}

/// `resume`.
pub(crate) fn resume(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let words = arguments.parse("resume", 1..=1, |_, _| Ok(false))?;
    global.engine.resume(words[0])?;
    Ok(Success::default())
}
