//! The meaning of a profile, told as `docs/seccomp.md` tells it: slowly, call by call.

use seccomp::{Abi, Call};
use spec::seccomp::{Op, Seccomp, SyscallArg, SyscallRule};

use super::oracle::action;

/// What the model says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// `SECCOMP_RET_…`.
    pub verdict: u32,
    /// Whether this is where libseccomp is known to differ.
    pub differs: Option<&'static str>,
}

const fn said(verdict: u32) -> Said {
    Said {
        verdict,
        differs: None,
    }
}

/// The kernel's order of actions: less is stronger.
fn rank(verdict: u32) -> i32 {
    (verdict & 0xffff_0000).cast_signed()
}

const ENOSYS: u32 = 0x0005_0026;

/// i386's calls that can be made through `socketcall` (102) or `ipc` (117).
const DOORS: &[(u32, u64, &str)] = &[
    (102, 1, "socket"),
    (102, 2, "bind"),
    (102, 3, "connect"),
    (102, 4, "listen"),
    (102, 5, "accept"),
    (102, 6, "getsockname"),
    (102, 7, "getpeername"),
    (102, 8, "socketpair"),
    (102, 9, "send"),
    (102, 10, "recv"),
    (102, 11, "sendto"),
    (102, 12, "recvfrom"),
    (102, 13, "shutdown"),
    (102, 14, "setsockopt"),
    (102, 15, "getsockopt"),
    (102, 16, "sendmsg"),
    (102, 17, "recvmsg"),
    (102, 18, "accept4"),
    (102, 19, "recvmmsg"),
    (102, 20, "sendmmsg"),
    (117, 1, "semop"),
    (117, 2, "semget"),
    (117, 3, "semctl"),
    (117, 4, "semtimedop"),
    (117, 11, "msgsnd"),
    (117, 12, "msgrcv"),
    (117, 13, "msgget"),
    (117, 14, "msgctl"),
    (117, 21, "shmat"),
    (117, 22, "shmdt"),
    (117, 23, "shmget"),
    (117, 24, "shmctl"),
];

/// What becomes of a call under a profile for these ABIs.
pub fn judge(profile: &Seccomp<'_>, abis: &[Abi], call: &Call) -> Said {
    let default = action(profile.default_action, profile.default_errno_ret);
    let Some(abi) = abi_of(abis, call) else {
        let skipped = call.number == u32::MAX && abis.iter().any(|abi| abi.audit() == call.arch);
        return said(if skipped { default } else { 0 });
    };
    if call.number == u32::MAX {
        return said(default);
    }
    let highest = profile
        .syscalls
        .iter()
        .flat_map(|rule| &rule.names)
        .flat_map(|name| {
            direct(abi, name)
                .into_iter()
                .chain(door(abi, name).map(|door| door.0))
        })
        .filter(|number| !is_private(abi, *number))
        .max();
    let private = is_private(abi, call.number);
    if highest.is_some_and(|highest| call.number > highest) && !private {
        let forbids = rank(default) <= rank(ENOSYS);
        let verdict = if forbids { ENOSYS } else { default };
        return Said {
            verdict,
            differs: (verdict != default).then_some("newer than the profile"),
        };
    }
    by_rules(profile, abi, call, default)
}

/// Numbers that the common counting does not reach.
fn is_private(abi: Abi, number: u32) -> bool {
    match abi {
        Abi::X32 => (0x4000_0200..0x4000_0224).contains(&number),
        Abi::Arm => number >= 0xf_0000,
        _ => false,
    }
}

fn abi_of(abis: &[Abi], call: &Call) -> Option<Abi> {
    let x32 = call.arch == Abi::X32.audit() && call.number & 0x4000_0000 != 0;
    let x32 = x32 || (call.arch == Abi::X32.audit() && call.number >= 0x4000_0000);
    abis.iter()
        .copied()
        .find(|abi| abi.audit() == call.arch && (*abi == Abi::X32) == x32)
}

fn direct(abi: Abi, name: &str) -> Option<u32> {
    abi.number_of(name)
}

fn door(abi: Abi, name: &str) -> Option<(u32, u64)> {
    let found = DOORS.iter().find(|door| door.2 == name)?;
    (abi == Abi::X86).then_some((found.0, found.1))
}

fn by_rules(profile: &Seccomp<'_>, abi: Abi, call: &Call, default: u32) -> Said {
    let verdict = |rule: &SyscallRule<'_>| action(rule.action, rule.errno_ret);
    let wide = matches!(abi, Abi::X86_64 | Abi::Aarch64);
    let naming = || {
        profile
            .syscalls
            .iter()
            .flat_map(|rule| rule.names.iter().map(move |name| (rule, name)))
    };
    let named = || naming().filter(|(_, name)| direct(abi, name) == Some(call.number));
    let base = named()
        .filter(|(rule, _)| unconditional(rule, wide))
        .map(|(rule, _)| verdict(rule))
        .find(|verdict| *verdict != default);
    let mut matching: Vec<&SyscallRule<'_>> = named()
        .filter(|(rule, _)| !unconditional(rule, wide) && holds(rule, call, wide))
        .map(|(rule, _)| rule)
        .collect();
    let mut differs = overlap(named().map(|(rule, _)| rule), wide, base);
    if base.is_none() && abi == Abi::X86 {
        let (through, excuse) = through_doors(naming(), call, default, wide);
        differs = differs.or(excuse);
        if !through.is_empty() && named().next().is_some() {
            differs = Some("rules for a multiplexed call and for what goes through it");
        }
        matching.extend(through);
    }
    let weakest = base.unwrap_or(default);
    // Of equally strong ones the first.
    let place = |one: &SyscallRule<'_>| {
        profile
            .syscalls
            .iter()
            .position(|rule| std::ptr::eq(rule, one))
    };
    matching.sort_by_key(|one| place(one));
    let considered = matching.into_iter().map(verdict);
    let considered = considered.filter(|one| base.is_none() || rank(*one) < rank(weakest));
    let verdict = considered.min_by_key(|one| rank(*one)).unwrap_or(weakest);
    Said { verdict, differs }
}

fn unconditional(rule: &SyscallRule<'_>, wide: bool) -> bool {
    let nothing = |arg: &SyscallArg| {
        let mask = if wide {
            arg.value
        } else {
            arg.value & 0xffff_ffff
        };
        arg.op == Op::MaskedEqual && mask == 0
    };
    if repeats(rule) {
        rule.args.iter().any(nothing)
    } else {
        rule.args.iter().all(nothing)
    }
}

fn repeats(rule: &SyscallRule<'_>) -> bool {
    let args = &rule.args;
    (0..args.len()).any(|at| args[..at].iter().any(|other| other.index == args[at].index))
}

fn holds(rule: &SyscallRule<'_>, call: &Call, wide: bool) -> bool {
    let width = if wide { u64::MAX } else { 0xffff_ffff };
    let one = |arg: &SyscallArg| {
        let (is, value) = (call.args[arg.index as usize] & width, arg.value & width);
        match arg.op {
            Op::NotEqual => is != value,
            Op::Less => is < value,
            Op::LessOrEqual => is <= value,
            Op::Equal => is == value,
            Op::GreaterOrEqual => is >= value,
            Op::Greater => is > value,
            Op::MaskedEqual => is & value == arg.value_two & value,
        }
    };
    if repeats(rule) {
        rule.args.iter().any(one)
    } else {
        rule.args.iter().all(one)
    }
}

/// Why libseccomp may say something else of these rules about one call.
fn overlap<'a>(
    rules: impl Iterator<Item = &'a SyscallRule<'a>>,
    wide: bool,
    base: Option<u32>,
) -> Option<&'static str> {
    let conditional: Vec<_> = rules.filter(|rule| !unconditional(rule, wide)).collect();
    let is_ordered = |arg: &&SyscallArg| {
        matches!(
            arg.op,
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual
        )
    };
    let several = conditional.len() > 1 && conditional.iter().any(|rule| rule.args.len() > 1);
    let ordered = conditional
        .iter()
        .flat_map(|rule| &rule.args)
        .filter(is_ordered)
        .count();
    let conditional: Vec<u32> = conditional
        .iter()
        .map(|rule| action(rule.action, rule.errno_ret))
        .collect();
    let first = *conditional.first()?;
    if base.is_some_and(|base| conditional.iter().any(|one| rank(*one) < rank(base))) {
        return Some("a stronger condition beside a rule without");
    }
    if base.is_none() && conditional.iter().any(|one| *one != first) {
        return Some("conditions with several actions");
    }
    if several {
        return Some(
            "several rules, one of them with several conditions (libseccomp mixes up arguments)",
        );
    }
    (ordered > 1).then_some("several ordered comparisons (libseccomp loses one)")
}

/// What the rules say of a call that goes through i386's `socketcall` or `ipc`.
fn through_doors<'a>(
    naming: impl Iterator<Item = (&'a SyscallRule<'a>, &'a spec::Str<'a>)>,
    call: &Call,
    default: u32,
    wide: bool,
) -> (Vec<&'a SyscallRule<'a>>, Option<&'static str>) {
    let (mut matching, mut differs) = (Vec::new(), None);
    let which = if call.number == 117 {
        call.args[0] & 0xffff
    } else {
        call.args[0] & 0xffff_ffff
    };
    let mut settled = Vec::new();
    for (rule, name) in naming {
        let Some((number, first)) = door(Abi::X86, name) else {
            continue;
        };
        if number != call.number {
            continue;
        }
        let verdict = action(rule.action, rule.errno_ret);
        if !rule.args.is_empty() {
            differs = Some("conditions on what goes through a multiplexed call");
        }
        if matches!(&**name, "recvmmsg" | "sendmmsg") || call.args[0] & 0xffff_ffff != which {
            differs = differs.or(Some("calls through doors that libseccomp does not know"));
        }
        let always = unconditional(rule, wide);
        let counts = if always {
            verdict != default && !settled.contains(&first)
        } else {
            rank(verdict) <= rank(default)
        };
        if always && verdict != default {
            settled.push(first);
        }
        if counts && first == which {
            matching.push(rule);
        }
    }
    (matching, differs)
}
