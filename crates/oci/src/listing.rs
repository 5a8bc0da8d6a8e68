//! `state` and `list`.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use engine::{Error, Kind, Record, Result, Status};
use serde::Serialize;

use crate::arguments::Arguments;
use crate::global::Global;
use crate::log::Level;
use crate::{Caller, Success, usage};

/// A container as `state` and `list` tell of it, in runc's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'r> {
    oci_version: &'r str,
    id: &'r str,
    pid: u32,
    status: &'r str,
    bundle: &'r str,
    rootfs: &'r str,
    created: &'r str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'r BTreeMap<String, String>,
    owner: &'r str,
}

impl<'r> Row<'r> {
    fn new(record: &'r Record, status: Status, owner: &'r str) -> Self {
        Self {
            oci_version: spec::state::OCI_VERSION,
            id: &record.id,
            pid: if status == Status::Stopped {
                0
            } else {
                record.pid
            },
            status: status.name(),
            bundle: &record.bundle,
            rootfs: &record.rootfs,
            created: &record.created,
            annotations: &record.annotations,
            owner,
        }
    }
}

/// `state`.
pub(crate) fn state(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let words = arguments.parse("state", 1..=1, |_, _| Ok(false))?;
    let (record, status) = global.engine.inspect(words[0])?;
    let row = Row::new(&record, status, "");
    let mut json = serde_json::to_vec_pretty(&row).unwrap_or_default();
    json.push(b'\n');
    Ok(Success::text(json))
}

/// `list`.
pub(crate) fn list(
    global: &Global<'_>,
    arguments: &mut Arguments<'_>,
    caller: &dyn Caller,
) -> Result<Success> {
    let (mut format, mut quiet) = ("table", false);
    arguments.parse("list", 0..=0, |arguments, option| {
        match option.name {
            "format" | "f" => format = arguments.value(option)?,
            "quiet" | "q" => quiet = arguments.switch(option)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if !quiet && !matches!(format, "table" | "json") {
        return Err(usage(format!("invalid format option {format:?}")));
    }
    let found = containers(global, caller)?;
    if quiet {
        let ids = found.iter().map(|(record, _)| format!("{}\n", record.id));
        return Ok(Success::text(ids.collect::<String>()));
    }
    let accounts = sys::file::read_text("/etc/passwd").unwrap_or_default();
    let owners: Vec<String> = found
        .iter()
        .map(|(record, _)| user_name(&accounts, record.uid))
        .collect();
    let rows: Vec<Row<'_>> = found
        .iter()
        .zip(&owners)
        .map(|((record, status), owner)| Row::new(record, *status, owner))
        .collect();
    if format == "table" {
        return Ok(Success::text(table(&rows)));
    }
    let mut json = serde_json::to_vec(&rows).unwrap_or_default();
    json.push(b'\n');
    Ok(Success::text(json))
}

/// All containers by name. One that goes away meanwhile is left out, one that is damaged is told of.
fn containers(global: &Global<'_>, caller: &dyn Caller) -> Result<Vec<(Record, Status)>> {
    let root = &global.engine.state_root;
    if global.root_given
        && sys::rustix::fs::access(root.as_str(), sys::rustix::fs::Access::EXISTS).is_err()
    {
        let message = format!("--root: {root}: no such file or directory");
        return Err(Error::new(Kind::NotFound, message));
    }
    let mut ids = global.engine.ids()?;
    ids.sort_unstable();
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        match global.engine.inspect(&id) {
            Ok(one) => found.push(one),
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) => {
                let words = format!("list: {id}: {error}");
                global.log.write(caller, Level::Warning, &words);
            }
        }
    }
    Ok(found)
}

/// A user's name in `/etc/passwd`; `#` and the number where there is none.
fn user_name(accounts: &str, uid: u32) -> String {
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    name.map_or_else(|| format!("#{uid}"), String::from)
}

fn table(rows: &[Row<'_>]) -> String {
    let titles = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(String::from);
    let mut lines: Vec<[String; 6]> = Vec::from([titles]);
    lines.extend(rows.iter().map(|row| {
        [
            row.id.into(),
            format!("{}", row.pid),
            row.status.into(),
            row.bundle.into(),
            row.created.into(),
            row.owner.into(),
        ]
    }));
    let mut widths = [0; 5];
    for (at, width) in widths.iter_mut().enumerate() {
        let longest = lines.iter().map(|line| line[at].chars().count()).max();
        *width = (longest.unwrap_or(0) + 3).max(12);
    }
    let mut out = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(widths) {
            out.push_str(&format!("{cell:<width$}"));
        }
        out.push_str(&line[5]);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::user_name;

    #[test]
    fn owners() {
        let accounts = "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(user_name(accounts, 1000), "ann");
        assert_eq!(user_name(accounts, 0), "root");
        assert_eq!(user_name(accounts, 7), "#7");
    }
}
