//! The compiler: checks, then decisions by ABI, by number and by arguments.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use spec::seccomp::{Action, Arch, Flag, Seccomp, SyscallRule};
use spec::{Error, Kind, Place};

use crate::abi::{Abi, X32_BIT};
use crate::assemble::{Assembler, Target};
use crate::compare;
use crate::outcome::{Verdict, refuse};
use crate::program::{Flags, MAX_INSTRUCTIONS, Program, op};
use crate::rules::{Conditional, Outcome, Rules};
use crate::tree::{self, Spans};

/// What the running kernel can do with a filter. Its actions need no asking: each is older than the
/// oldest kernel that containers are run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The flags that `seccomp(SECCOMP_SET_MODE_FILTER)` takes.
    pub flags: Flags,
}

impl Kernel {
    /// Linux 5.7 and later.
    pub const LINUX_5_7: Self = Self { flags: Flags(0x1f) };
    /// Linux 5.19 and later.
    pub const LINUX_5_19: Self = Self { flags: Flags(0x3f) };
}

/// A compiled profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled<'p> {
    /// What to load.
    pub program: Program,
    /// Names in the profile that are no system call of any ABI known here; their rules were left out, as
    /// all runtimes do, so that one profile serves old and new versions.
    pub unknown: Vec<&'p str>,
}

/// Compiles a profile for a machine.
///
/// ABIs in the profile that the machine's kernel cannot enter are left out; the machine's own is always
/// in. A call by an ABI that is not in kills the thread.
///
/// # Errors
/// A profile that contradicts itself, asks for what the kernel does not have, or needs more than
/// [`MAX_INSTRUCTIONS`]; a machine that filters cannot be made for.
pub fn compile<'p>(
    profile: &'p Seccomp<'p>,
    native: Arch,
    kernel: Kernel,
) -> Result<Compiled<'p>, Error> {
    let machine = Abi::of_machine(native);
    if machine.is_empty() {
        let message = format!("there are no filters for {} machines yet", native.name());
        return Err(Error {
            kind: Kind::Unknown,
            ..refuse(ARCHITECTURES, message)
        });
    }
    check(profile)?;
    let flags = flags(profile, kernel)?;
    let wanted = |abi: &Abi| *abi == machine[0] || profile.architectures.contains(&abi.arch());
    let mut rules = Rules::new(profile, machine.iter().copied().filter(wanted))?;
    let mut to = Assembler::with_capacity(1024);
    let mut start = Target::Return(Verdict::KILL_THREAD);
    for abi in machine.iter().rev().copied().filter(wanted) {
        if abi != Abi::X32 {
            let x32 = abi == Abi::X86_64 && wanted(&Abi::X32);
            let found = put_abi(&mut to, &mut rules, abi, x32);
            start = to.test(op::IF_EQUAL, abi.audit(), found, start);
        }
    }
    let start = to.before(op::LOAD, ARCH_OFFSET, start);
    let instructions = to.finish(start);
    if instructions.len() > MAX_INSTRUCTIONS {
        let message = format!(
            "the filter needs {} instructions; the kernel takes {MAX_INSTRUCTIONS}",
            instructions.len()
        );
        return Err(refuse(SYSCALLS, message));
    }
    Ok(Compiled {
        program: Program {
            instructions,
            flags,
        },
        unknown: rules.unknown,
    })
}

/// Where `seccomp_data` has the number of the call.
const NUMBER_OFFSET: u32 = 0;
/// Where it has the ABI.
const ARCH_OFFSET: u32 = 4;

const ARCHITECTURES: Place = Place::field("linux.seccomp.architectures");
const SYSCALLS: Place = Place::field("linux.seccomp.syscalls");

/// Puts the decision for one value of `seccomp_data.arch`.
fn put_abi(to: &mut Assembler, rules: &mut Rules<'_>, abi: Abi, x32: bool) -> Target {
    let default = Outcome::Always(rules.default);
    let mut conditional = Vec::new();
    let mut spans = Spans::with_capacity(256);
    spans.from(0, default);
    let outcomes = rules.outcomes(abi, &mut conditional);
    span(&mut spans, abi, &outcomes, rules.default);
    if abi == Abi::X86_64 {
        if x32 {
            spans.from(X32_BIT, default);
            let outcomes = rules.outcomes(Abi::X32, &mut conditional);
            span(&mut spans, Abi::X32, &outcomes, rules.default);
        } else {
            spans.from(X32_BIT, Outcome::Always(Verdict::KILL_THREAD));
        }
    }
    // What a tracer makes of a call that is to be skipped: neither a new call nor one of x32.
    spans.from(u32::MAX, default);
    let mut blocks: Vec<Option<Target>> = Vec::new();
    blocks.resize(conditional.len(), None);
    let found = tree::put(to, spans.as_slice(), &mut |to, outcome| match outcome {
        Outcome::Always(verdict) => Target::Return(verdict),
        Outcome::Depends(index) => {
            *blocks[index].get_or_insert_with(|| put_checks(to, &conditional[index]))
        }
    });
    to.before(op::LOAD, NUMBER_OFFSET, found)
}

/// Adds one ABI's outcomes. What is newer than the profile fails as unknown, where the default forbids.
fn span(spans: &mut Spans<Outcome>, abi: Abi, outcomes: &[(u32, Outcome)], default: Verdict) {
    let private = abi.private();
    let is_common =
        |(number, _): &(u32, _)| private.as_ref().is_none_or(|range| *number < range.start);
    let (common, others) = outcomes.split_at(outcomes.partition_point(is_common));
    let newer = Outcome::Always(if default.forbids() {
        Verdict::NO_SUCH_CALL
    } else {
        default
    });
    let default = Outcome::Always(default);
    put_all(spans, common, default);
    let Some((highest, _)) = common.last() else {
        return put_all(spans, others, default);
    };
    spans.from(*highest + 1, newer);
    if let Some(range) = private {
        spans.from(range.start, default);
        put_all(spans, others, default);
        spans.from(range.end, newer);
    }
}

fn put_all(spans: &mut Spans<Outcome>, outcomes: &[(u32, Outcome)], default: Outcome) {
    for (number, outcome) in outcomes {
        spans.at(*number, *outcome, default);
    }
}

/// Puts the checks of arguments; the first that holds decides.
fn put_checks(to: &mut Assembler, conditional: &Conditional<'_>) -> Target {
    let mut next = Target::Return(conditional.otherwise);
    for check in conditional.checks.iter().rev() {
        let mut holds = Target::Return(check.verdict);
        for arg in check.args.iter().rev().chain(&check.door) {
            holds = compare::put(to, arg, conditional.wide, holds, next);
        }
        next = holds;
    }
    next
}

/// Refuses what makes no sense, field by field.
fn check(profile: &Seccomp<'_>) -> Result<(), Error> {
    if profile.default_action == Action::Notify {
        let place = Place::field("linux.seccomp.defaultAction");
        let message =
            "SCMP_ACT_NOTIFY cannot be the default: nobody could answer before the agent runs";
        return Err(refuse(place, message.into()));
    }
    if notifies(profile) && profile.listener_path.is_none() {
        let place = Place::field("linux.seccomp.listenerPath");
        return Err(conflict(
            place,
            "is needed by a rule with SCMP_ACT_NOTIFY".into(),
        ));
    }
    if profile.listener_metadata.is_some() && profile.listener_path.is_none() {
        let place = Place::field("linux.seccomp.listenerMetadata");
        return Err(conflict(place, "needs linux.seccomp.listenerPath".into()));
    }
    profile
        .syscalls
        .iter()
        .enumerate()
        .try_for_each(|(index, rule)| check_rule(index, rule))
}

fn check_rule(index: usize, rule: &SyscallRule<'_>) -> Result<(), Error> {
    const ARGS: [&str; 6] = [
        "args[0]", "args[1]", "args[2]", "args[3]", "args[4]", "args[5]",
    ];
    let place = Place::item("linux.seccomp.syscalls", index);
    if rule.names.is_empty() || rule.names.iter().any(|name| name.is_empty()) {
        return Err(refuse(
            place.at("names"),
            "a system call's name is missing".into(),
        ));
    }
    if rule.args.len() > ARGS.len() {
        return Err(refuse(
            place.at("args"),
            "a system call has at most 6 arguments".into(),
        ));
    }
    match rule.args.iter().position(|arg| arg.index > 5) {
        None => Ok(()),
        Some(at) => {
            let message = format!(
                "there is no argument {}: they are 0 to 5",
                rule.args[at].index
            );
            Err(refuse(place.at(ARGS[at]), message))
        }
    }
}

fn notifies(profile: &Seccomp<'_>) -> bool {
    profile
        .syscalls
        .iter()
        .any(|rule| rule.action == Action::Notify)
}

/// What to load the filter with.
fn flags(profile: &Seccomp<'_>, kernel: Kernel) -> Result<Flags, Error> {
    let mut flags = Flags::default();
    for (index, flag) in profile.flags.iter().enumerate() {
        let bit = match flag {
            Flag::Tsync => Flags::TSYNC,
            Flag::Log => Flags::LOG,
            Flag::SpecAllow => Flags::SPEC_ALLOW,
            Flag::WaitKillableRecv => Flags::WAIT_KILLABLE_RECV,
        };
        let place = Place::item("linux.seccomp.flags", index);
        if !kernel.flags.has(bit) {
            return Err(refuse(
                place,
                format!("this kernel does not know {}", flag.name()),
            ));
        }
        if *flag == Flag::WaitKillableRecv && !notifies(profile) {
            let message = format!("{} needs a rule with SCMP_ACT_NOTIFY", flag.name());
            return Err(conflict(place, message));
        }
        flags = flags.with(bit);
    }
    // Without a list, what runtimes have always used. Since 5.16 it is the kernel's default, too.
    if profile.flags.is_empty() && kernel.flags.has(Flags::SPEC_ALLOW) {
        flags = Flags::SPEC_ALLOW;
    }
    if notifies(profile) {
        flags = flags.with(Flags::NEW_LISTENER);
        if flags.has(Flags::TSYNC) {
            flags = flags.with(Flags::TSYNC_ESRCH);
        }
    }
    Ok(flags)
}

fn conflict(place: Place, message: String) -> Error {
    Error {
        kind: Kind::Conflict,
        ..refuse(place, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use spec::Str;
    use spec::seccomp::{Op, SyscallArg};
    use std::prelude::rust_2024::*;

    fn profile(change: impl FnOnce(&mut Seccomp<'static>)) -> Seccomp<'static> {
        let rule = SyscallRule {
            names: vec![
                Str::new("read"),
                Str::new("no_such_call"),
                Str::new("nor_this"),
            ],
            action: Action::Allow,
            ..SyscallRule::default()
        };
        let mut profile = Seccomp {
            default_action: Action::Errno,
            architectures: vec![Arch::X86_64],
            syscalls: vec![
                SyscallRule {
                    names: vec!["read".into()],
                    ..rule.clone()
                },
                rule,
            ],
            ..Seccomp::default()
        };
        change(&mut profile);
        profile
    }

    fn refused(change: impl FnOnce(&mut Seccomp<'static>)) -> String {
        compile(&profile(change), Arch::X86_64, Kernel::LINUX_5_7)
            .unwrap_err()
            .to_string()
    }

    fn loaded_with(change: impl FnOnce(&mut Seccomp<'static>)) -> Flags {
        compile(&profile(change), Arch::X86_64, Kernel::LINUX_5_19)
            .unwrap()
            .program
            .flags
    }

    fn arg(index: u32) -> SyscallArg {
        SyscallArg {
            index,
            value: 1,
            value_two: 0,
            op: Op::Equal,
        }
    }

    #[test]
    fn unknown_names_are_told() {
        let profile = profile(|_| {});
        let compiled = compile(&profile, Arch::X86_64, Kernel::LINUX_5_7).unwrap();
        assert_eq!(compiled.unknown, ["no_such_call", "nor_this"]);
    }

    #[test]
    fn errors_name_the_field() {
        type Change = fn(&mut Seccomp<'static>);
        let cases: [(&str, Change); 12] = [
            (
                "linux.seccomp.defaultErrnoRet: 4096 is more than 4095",
                |p| {
                    p.default_errno_ret = Some(4096);
                },
            ),
            (
                "linux.seccomp.defaultErrnoRet: SCMP_ACT_KILL carries no errno",
                |p| {
                    (p.default_action, p.default_errno_ret) = (Action::Kill, Some(1));
                },
            ),
            (
                "linux.seccomp.syscalls[1].errnoRet: SCMP_ACT_ALLOW carries no errno",
                |p| {
                    p.syscalls[1].errno_ret = Some(1);
                },
            ),
            (
                "linux.seccomp.syscalls[0].errnoRet: 65536 is more than 65535",
                |p| {
                    (p.syscalls[0].action, p.syscalls[0].errno_ret) = (Action::Trace, Some(65536));
                },
            ),
            (
                "linux.seccomp.syscalls[1].names: a system call's name is missing",
                |p| {
                    p.syscalls[1].names.clear();
                },
            ),
            (
                "linux.seccomp.syscalls[1].names: a system call's name is missing",
                |p| {
                    p.syscalls[1].names[1] = Str::new("");
                },
            ),
            (
                "linux.seccomp.syscalls[1].args[1]: there is no argument 6: they are 0 to 5",
                |p| {
                    p.syscalls[1].args = vec![arg(5), arg(6)];
                },
            ),
            (
                "linux.seccomp.syscalls[0].args: a system call has at most 6 arguments",
                |p| {
                    p.syscalls[0].args = vec![arg(1); 7];
                },
            ),
            (
                "linux.seccomp.listenerPath: is needed by a rule with SCMP_ACT_NOTIFY",
                |p| {
                    p.syscalls[0].action = Action::Notify;
                },
            ),
            (
                "linux.seccomp.listenerMetadata: needs linux.seccomp.listenerPath",
                |p| {
                    p.listener_metadata = Some(Str::new("x"));
                },
            ),
            (
                "linux.seccomp.flags[1]: this kernel does not know SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
                |p| p.flags = vec![Flag::Log, Flag::WaitKillableRecv],
            ),
            (
                "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default: \
                 nobody could answer before the agent runs",
                |p| p.default_action = Action::Notify,
            ),
        ];
        for (message, change) in cases {
            assert_eq!(refused(change), message);
        }
    }

    #[test]
    fn machines_that_are_not_there_yet() {
        let error = compile(&profile(|_| {}), Arch::Riscv64, Kernel::LINUX_5_7).unwrap_err();
        assert_eq!(error.kind, Kind::Unknown);
        assert!(error.to_string().contains("SCMP_ARCH_RISCV64"), "{error}");
    }

    #[test]
    fn flags_to_load_with() {
        assert_eq!(loaded_with(|_| {}), Flags::SPEC_ALLOW);
        assert_eq!(loaded_with(|p| p.flags = vec![Flag::Log]), Flags::LOG);
        let notify = |p: &mut Seccomp<'static>| {
            p.listener_path = Some(Str::new("/agent"));
            p.syscalls[0].action = Action::Notify;
        };
        let listener = Flags::NEW_LISTENER;
        assert_eq!(loaded_with(notify), listener.with(Flags::SPEC_ALLOW));
        let with = |flags: Vec<Flag>| {
            loaded_with(move |p| {
                notify(p);
                p.flags = flags;
            })
        };
        assert_eq!(
            with(vec![Flag::WaitKillableRecv]),
            listener.with(Flags::WAIT_KILLABLE_RECV)
        );
        // The kernel wants its third flag where both of the others are.
        assert_eq!(
            with(vec![Flag::Tsync]),
            listener.with(Flags::TSYNC).with(Flags::TSYNC_ESRCH)
        );
    }

    #[test]
    fn the_agent_flag_needs_an_agent() {
        let profile = profile(|p| p.flags = vec![Flag::WaitKillableRecv]);
        let error = compile(&profile, Arch::X86_64, Kernel::LINUX_5_19).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
    }

    #[test]
    fn one_verdict_for_all_takes_no_tree() {
        let profile = profile(|p| {
            p.default_action = Action::Allow;
            p.syscalls.clear();
        });
        let program = compile(&profile, Arch::X86_64, Kernel::LINUX_5_7)
            .unwrap()
            .program;
        // The ABI, x32's bit, the tracer's -1.
        assert_eq!(program.instructions.len(), 7, "{:x?}", program.instructions);
    }
}
