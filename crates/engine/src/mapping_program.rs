//! newuidmap(1) and newgidmap(1): shadow's set-user-ID programs, which write the maps of a user's own
//! user namespaces for the ranges that /etc/subuid and /etc/subgid give that user.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use plan::{ChildAct, Origin, Plan, Slot, Step};
use spec::IdMap;
use sys::error::OnCall;
use sys::rustix::fs::{SeekFrom, seek};
use sys::{OwnedFd, file, initial, launch, process};

use crate::error::{Error, Kind, Result};
use crate::launching::{SlotTable, Spawn, spawn};
use crate::report::{self, Report};

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// As much of what the program says as fits a message.
const MOST_WORDS: usize = 4096;

/// Has `program` write `maps` for the process `pid`.
pub(crate) fn run(program: &'static str, pid: u32, maps: &[IdMap]) -> Result<()> {
    let plan = plan(program, arguments(program, pid, maps));
    let slots = SlotTable {
        errors: Some(launch::shared_file("stockade-errors", b"")?),
        ..SlotTable::default()
    };
    let spawned = spawn(&plan, &slots, &Spawn::default())?;
    let ended = process::wait(&spawned.started.pidfd)?;
    match Report::read(&spawned.script) {
        Some(report) if report.errno != 0 => {
            let error = report::error(&plan, report);
            Err(missing(program, error))
        }
        _ if ended.code() != 0 => Err(refused(program, slots.errors.as_ref())),
        _ => Ok(()),
    }
}

fn arguments(program: &'static str, pid: u32, maps: &[IdMap]) -> Vec<Cow<'static, str>> {
    let mut words = Vec::with_capacity(2 + 3 * maps.len());
    words.push(Cow::Borrowed(program));
    words.push(Cow::Owned(format!("{pid}")));
    for map in maps {
        let numbers = [map.container, map.host, map.size];
        words.extend(numbers.map(|number| Cow::Owned(format!("{number}"))));
    }
    words
}

fn plan<'a>(program: &'static str, arguments: Vec<Cow<'a, str>>) -> Plan<'a> {
    let origin =
        Origin::Always("an ordinary user's ranges of ids are mapped by a program of root's");
    let path = initial::variable("PATH").unwrap_or(DEFAULT_PATH);
    let stream = ChildAct::Stream {
        slot: Slot::Errors,
        number: 2,
    };
    let find = ChildAct::Find {
        program: program.into(),
        path: path.into(),
    };
    let execute = ChildAct::Exec {
        arguments,
        environment: Vec::new(),
    };
    let steps = [stream, ChildAct::CloseFrom { first: 3 }, find, execute];
    Plan {
        host: Vec::new(),
        child: steps.map(|act| Step { origin, act }).into(),
    }
}

fn missing(program: &str, error: Error) -> Error {
    let message = format!(
        "{program} maps an ordinary user's ranges of ids: {}",
        error.message
    );
    Error::new(Kind::Unsupported, message)
        .hint("install it (Debian: package uidmap), or map the own user and group alone")
}

fn refused(program: &str, errors: Option<&OwnedFd>) -> Error {
    let words = errors
        .and_then(|errors| words(errors).ok())
        .unwrap_or_default();
    // It puts its own name in front.
    let words = words.trim().strip_prefix(program).unwrap_or(words.trim());
    let words = words.trim_start_matches(':').trim().replace('\n', "; ");
    Error::new(Kind::BadConfig, format!("{program}: {words}"))
        .hint("a user's ranges are in /etc/subuid and /etc/subgid; see newuidmap(1)")
}

fn words(errors: &OwnedFd) -> Result<String> {
    seek(errors, SeekFrom::Start(0)).on("lseek", "errors")?;
    let bytes = file::read_all(errors, MOST_WORDS, "errors")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
