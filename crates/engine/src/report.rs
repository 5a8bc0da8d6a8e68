//! The child's report in words.

use alloc::format;
use alloc::string::String;

use child::op::part;
use plan::{ChildAct, Plan};
use sys::error::describe;
use sys::rustix::io::pread;
use sys::{AsFd, Errno};

use crate::error::{Error, Kind};

const OFFSET: u64 = 16;

/// How far the child came, and what stopped it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// The step, counted from 1.
    pub step: u32,
    /// The errno, 0 while all is well.
    pub errno: u32,
    /// See [`child::op::part`].
    pub part: u32,
    /// Whether the payload was executed, or about to be.
    pub executing: bool,
}

impl Report {
    /// Reads the report from a script.
    pub(crate) fn read(script: impl AsFd) -> Option<Self> {
        let mut bytes = [0u8; 16];
        let got = pread(script, &mut bytes, OFFSET).ok()?;
        let word = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        (got == bytes.len()).then(|| Self {
            step: word(0),
            errno: word(4),
            part: word(8),
            executing: word(12) != 0,
        })
    }
}

/// What kept a process that has ended, or has executed its payload, from doing so; none where it did.
///
/// A process without a failed step that did not come to its end was killed, by somebody or for want of memory.
pub(crate) fn failure(plan: &Plan<'_>, script: impl AsFd) -> Option<Error> {
    let report = Report::read(script)?;
    if report.errno != 0 {
        return Some(error(plan, report));
    }
    if report.executing {
        return None;
    }
    let at = usize::try_from(report.step)
        .ok()
        .and_then(|step| plan.child.get(step.saturating_sub(1)));
    let at = at.map_or(String::new(), |step| format!(", at: {}", step.act));
    let message =
        format!("the container's first process was killed before it executed the payload{at}");
    Some(Error::new(Kind::WrongState, message))
}

/// What the report says, with the step's words and who asked for it.
pub(crate) fn error(plan: &Plan<'_>, report: Report) -> Error {
    let errno = Errno::from_raw_os_error(i32::try_from(report.errno).unwrap_or(0));
    let index = usize::try_from(report.step).unwrap_or(0).wrapping_sub(1);
    let Some(step) = plan.child.get(index) else {
        return Error::new(
            Kind::Bug,
            format!("the child's report names step {}", report.step),
        );
    };
    if let Some(error) = command_error(plan, &step.act, errno) {
        return error;
    }
    let (name, words) = describe(errno);
    let place = match step.origin {
        plan::Origin::Config(place) => format!("config.json: {place}: "),
        plan::Origin::Option(option) => format!("{option}: "),
        plan::Origin::Always(_) => String::new(),
    };
    let part = part_words(report.part);
    let error = Error::new(
        Kind::Kernel(errno),
        format!("{place}{}: {part}{words} ({name})", step.act),
    );
    match hint(&step.act, errno, report.part) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn part_words(part: u32) -> &'static str {
    match part {
        part::TARGET => "target: ",
        part::MAKE => "making the target: ",
        part::SOURCE => "source: ",
        part::ATTRIBUTES => "mount attributes: ",
        part::ANSWER => "the runtime's answer: ",
        part::PARENT => "the runtime went away: ",
        part::CHECK => "check: ",
        _ => "",
    }
}

/// A payload that is not there or cannot run is told as shells and Docker tell it.
fn command_error(plan: &Plan<'_>, act: &ChildAct<'_>, errno: Errno) -> Option<Error> {
    let name = plan.child.iter().find_map(|step| match &step.act {
        ChildAct::Find { program, .. } => Some(program.as_ref()),
        _ => None,
    })?;
    if !matches!(act, ChildAct::Find { .. } | ChildAct::Exec { .. }) {
        return None;
    }
    Some(match act {
        ChildAct::Exec { .. } => not_executed(name, errno),
        _ if errno == Errno::NOENT && !name.contains('/') => {
            let message = format!("exec: {name:?}: executable file not found in $PATH");
            Error::new(Kind::CommandNotFound, message)
        }
        _ => no_command(name, errno),
    })
}

fn no_command(name: &str, errno: Errno) -> Error {
    let kind = match errno {
        Errno::NOENT | Errno::NOTDIR => Kind::CommandNotFound,
        _ => Kind::CommandNotRunnable,
    };
    let words = describe(errno).1.chars();
    let lower: String = words
        .clone()
        .take(1)
        .flat_map(char::to_lowercase)
        .chain(words.skip(1))
        .collect();
    Error::new(kind, format!("exec {name}: {lower}"))
}

/// A program that was found, but which execve refused.
fn not_executed(name: &str, errno: Errno) -> Error {
    let error = no_command(name, errno);
    if errno == Errno::NOENT {
        return error.hint("the file is there; its interpreter (#! line or dynamic loader) is not");
    }
    error
}

fn hint(act: &ChildAct<'_>, errno: Errno, at: u32) -> Option<&'static str> {
    Some(match (act, errno) {
        (_, Errno::NOSYS) if at == part::ATTRIBUTES => {
            "changing a mount together with those below it takes Linux 5.12"
        }
        (_, Errno::NOSYS) => crate::error::OLD_KERNEL,
        (ChildAct::Limit { .. }, Errno::PERM) => {
            "raising a limit takes CAP_SYS_RESOURCE, which this process does not have"
        }
        (ChildAct::OomScore { .. }, Errno::ACCESS | Errno::PERM) => {
            "lowering oom_score_adj takes CAP_SYS_RESOURCE, which this process does not have"
        }
        (ChildAct::Capabilities { .. }, Errno::PERM) => {
            "the runtime itself lacks some of these capabilities (see CapPrm in /proc/self/status)"
        }
        (ChildAct::Label { .. }, Errno::NOENT | Errno::INVAL) => {
            "this kernel runs without that security module; nothing is started unconfined"
        }
        (ChildAct::Mount(mount), Errno::NOTDIR | Errno::LOOP)
            if at == part::TARGET && matches!(&*mount.kind, "proc" | "sysfs") =>
        {
            "it must be mounted on ordinary directory, never through a link of the image's"
        }
        (ChildAct::Mount(_), Errno::NODEV) => "this kernel has no such file system",
        (ChildAct::Bind(_), Errno::NOENT) if at == part::SOURCE => {
            "the source does not exist on the host"
        }
        (ChildAct::WorkDir { .. }, Errno::NOENT) => "the directory does not exist in the container",
        (ChildAct::WriteProc { .. }, Errno::NOENT) => {
            "this kernel has no such setting in the container's namespaces"
        }
        _ => return None,
    })
}

/// What stopped a payload that `start` let go: only the last steps can fail there.
pub(crate) fn check_script(script: impl AsFd, spec: &spec::Spec<'_>) -> crate::error::Result<()> {
    let report = match Report::read(&script) {
        Some(report) if report.errno != 0 => report,
        _ => return Ok(()),
    };
    let errno = Errno::from_raw_os_error(i32::try_from(report.errno).unwrap_or(0));
    let (name, words) = describe(errno);
    let program = spec
        .process
        .as_ref()
        .and_then(|process| process.args.first());
    let program = program.map_or("", |program| program.as_str());
    Err(match code_of(&script, report.step) {
        Some(child::op::Code::Exec) => not_executed(program, errno),
        Some(code) => Error::new(
            Kind::Kernel(errno),
            format!("the container's last steps: {code:?}: {words} ({name})"),
        ),
        None => Error::new(
            Kind::Bug,
            format!("the child's report names step {}", report.step),
        ),
    })
}

/// The code of the op with this number, counted from 1.
fn code_of(script: impl AsFd, step: u32) -> Option<child::op::Code> {
    let header = u64::try_from(size_of::<child::op::Header>()).ok()?;
    let width = u64::try_from(size_of::<child::op::Op>()).ok()?;
    let mut code = [0u8; 4];
    let at = header + u64::from(step.checked_sub(1)?) * width;
    (pread(script, &mut code, at).ok()? == 4)
        .then(|| child::op::Code::from_number(u32::from_ne_bytes(code)))
        .flatten()
}
