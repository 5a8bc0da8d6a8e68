//! `state`, `list`, `ps`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Record, Result, Status};

use crate::arguments::Arguments;
use crate::global::Global;
use crate::{Success, usage};

/// `state`.
pub(crate) fn state(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let words = arguments.parse("state", 1..=1, |_, _| Ok(false))?;
    let mut json = global.engine.state_json(words[0])?;
    json.push(b'\n');
    Ok(Success::text(json))
}

/// `list`.
pub(crate) fn list(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let (mut format, mut quiet) = ("table", false);
    arguments.parse("list", 0..=0, |arguments, option| {
        match option.name {
            "format" | "f" => format = arguments.value(option)?,
            "quiet" | "q" => quiet = arguments.switch(option)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let mut found: Vec<(Record, Status)> = Vec::new();
    let mut ids = global.engine.ids()?;
    ids.sort_unstable();
    for id in ids {
        // One that goes away meanwhile, or is damaged, is left out of a list.
        if let Ok(one) = global.engine.inspect(&id) {
            found.push(one);
        }
    }
    if quiet {
        let lines: String = found
            .iter()
            .map(|(record, _)| format!("{}\n", record.id))
            .collect();
        return Ok(Success::text(lines));
    }
    match format {
        "table" => Ok(Success::text(table(&found))),
        "json" => Ok(Success::text(json(&found))),
        other => Err(usage(format!(
            "--format: {other:?} is neither table nor json"
        ))),
    }
}

fn pid(record: &Record, status: Status) -> u32 {
    if status == Status::Stopped {
        0
    } else {
        record.pid
    }
}

fn table(found: &[(Record, Status)]) -> String {
    let mut out = format!(
        "{:<12}  {:<8}  {:<8}  {:<24}  CREATED\n",
        "ID", "PID", "STATUS", "BUNDLE"
    );
    for (record, status) in found {
        let (id, bundle) = (&record.id, &record.bundle);
        let pid = pid(record, *status);
        let line = format!(
            "{id:<12}  {pid:<8}  {:<8}  {bundle:<24}  {}\n",
            status.name(),
            record.created
        );
        out.push_str(&line);
    }
    out
}

fn json(found: &[(Record, Status)]) -> Vec<u8> {
    let rows: Vec<_> = found
        .iter()
        .map(|(record, status)| {
            serde_json::json!({
                "ociVersion": spec::state::OCI_VERSION,
                "id": record.id,
                "pid": pid(record, *status),
                "status": status.name(),
                "bundle": record.bundle,
                "rootfs": record.rootfs,
                "created": record.created,
                "owner": if record.uid == 0 { "root" } else { "" },
            })
        })
        .collect();
    serde_json::to_vec(&rows).unwrap_or_default()
}

/// `ps`.
pub(crate) fn ps(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let mut format = "table";
    let words = arguments.parse("ps", 1..=1, |arguments, option| {
        match option.name {
            "format" | "f" => format = arguments.value(option)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let pids = global.engine.processes(words[0])?;
    match format {
        "json" => Ok(Success::text(serde_json::to_vec(&pids).unwrap_or_default())),
        "table" => Ok(Success::text(process_table(&pids))),
        other => Err(usage(format!(
            "--format: {other:?} is neither table nor json"
        ))),
    }
}

fn process_table(pids: &[u32]) -> String {
    let mut out = String::from("PID      CMD\n");
    for pid in pids {
        let command = sys::file::read_text(&format!("/proc/{pid}/cmdline")).unwrap_or_default();
        out.push_str(&format!(
            "{pid:<8} {}\n",
            command.trim_end_matches('\0').replace('\0', " ")
        ));
    }
    out
}
