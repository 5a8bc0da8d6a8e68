//! Random profiles: the compiler against the model, and against libseccomp.
#![allow(missing_docs, unreachable_pub)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use seccomp::{Abi, Call, Instruction, Kernel, compile, run};
use spec::Str;
use spec::seccomp::{Action, Arch, Op, Seccomp, SyscallArg, SyscallRule};
use support::model::judge;
use support::oracle::Oracle;

/// Calls that have something to them: x32's own numbers, calls through others, several names.
const NAMES: &[&str] = &[
    "read",
    "write",
    "openat",
    "clone",
    "clone3",
    "personality",
    "socket",
    "bind",
    "connect",
    "accept",
    "accept4",
    "send",
    "recvmmsg",
    "sendmmsg",
    "sendmsg",
    "socketcall",
    "ipc",
    "semop",
    "semget",
    "semtimedop",
    "shmat",
    "msgctl",
    "ioctl",
    "rt_sigaction",
    "execve",
    "ptrace",
    "preadv",
    "keyctl",
    "arch_prctl",
    "time",
    "chown32",
    "mmap2",
    "futex_time64",
    "arm_fadvise64_64",
    "set_tls",
    "cacheflush",
    "breakpoint",
    "statx",
    "close_range",
    "getpid",
    "kill",
    "umount2",
    "no_such_call",
];

const VALUES: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    17,
    0x5412,
    0xffff,
    0x1_0001,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x7e02_0000,
    0x5_0000_0003,
    u64::MAX - 1,
    u64::MAX,
];

fn actions() -> impl Strategy<Value = (Action, Option<u32>)> {
    prop_oneof![
        6 => Just((Action::Allow, None)),
        3 => Just((Action::Errno, None)),
        2 => Just((Action::Errno, Some(38))),
        1 => Just((Action::Errno, Some(0))),
        1 => Just((Action::Trace, Some(7))),
        1 => Just((Action::Kill, None)),
        1 => Just((Action::KillThread, None)),
        1 => Just((Action::KillProcess, None)),
        1 => Just((Action::Trap, None)),
        1 => Just((Action::Log, None)),
        1 => Just((Action::Notify, None)),
    ]
}

fn arg() -> impl Strategy<Value = SyscallArg> {
    let op = prop_oneof![
        Just(Op::NotEqual),
        Just(Op::Less),
        Just(Op::LessOrEqual),
        Just(Op::Equal),
        Just(Op::GreaterOrEqual),
        Just(Op::Greater),
        Just(Op::MaskedEqual),
        Just(Op::MaskedEqual),
    ];
    let value = || proptest::sample::select(VALUES);
    (0..3u32, value(), value(), op).prop_map(|(index, value, two, op)| {
        let value_two = if op == Op::MaskedEqual { two } else { 0 };
        SyscallArg {
            index,
            value,
            value_two,
            op,
        }
    })
}

fn rule(mixed: bool) -> impl Strategy<Value = SyscallRule<'static>> {
    let names = proptest::collection::vec(proptest::sample::select(NAMES), 1..6);
    let args = prop_oneof![
        3 => Just(Vec::new()),
        2 => proptest::collection::vec(arg(), 1..4),
    ];
    let action = if mixed {
        actions().boxed()
    } else {
        Just((Action::Allow, None)).boxed()
    };
    (names, action, args).prop_map(|(names, (action, errno_ret), args)| SyscallRule {
        names: names.into_iter().map(Str::new).collect(),
        action,
        errno_ret,
        args,
    })
}

/// Profiles; half of them with one action only, where libseccomp must agree to the last call.
fn profile() -> impl Strategy<Value = Seccomp<'static>> {
    any::<bool>().prop_flat_map(|mixed| {
        let default = actions().prop_filter("no default", |(action, _)| *action != Action::Notify);
        (default, proptest::collection::vec(rule(mixed), 0..14)).prop_map(|(default, syscalls)| {
            Seccomp {
                default_action: default.0,
                default_errno_ret: default.1,
                listener_path: Some(Str::new("/agent")),
                syscalls,
                ..Seccomp::default()
            }
        })
    })
}

/// Calls at and around everything that a profile speaks of.
fn calls(profile: &Seccomp<'_>, abis: &[Abi], seed: u64) -> Vec<Call> {
    let mut random = seed;
    let mut next = move || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let mut values: Vec<u64> = VALUES.to_vec();
    for arg in profile.syscalls.iter().flat_map(|rule| &rule.args) {
        for value in [arg.value, arg.value_two] {
            values.extend([
                value,
                value.wrapping_add(1),
                value.wrapping_sub(1),
                value ^ (1 << 35),
            ]);
        }
    }
    let mut calls = Vec::new();
    for abi in abis {
        let mut numbers = vec![
            0,
            1,
            102,
            117,
            335,
            470,
            600,
            0x4000_0200,
            0x4000_0223,
            0x4000_0224,
            0x4000_01ff,
            0xf_0000,
            0xf_0007,
            0x4000_0000,
            u32::MAX,
            u32::MAX - 1,
        ];
        for name in profile.syscalls.iter().flat_map(|rule| &rule.names) {
            let number = abi.number_of(name).unwrap_or(7);
            numbers.extend([
                number,
                number + 1,
                number.saturating_sub(1),
                number ^ 0x4000_0000,
            ]);
        }
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            for _ in 0..24 {
                let mut pick = || values[usize::try_from(next()).unwrap() % values.len()];
                let args = [pick(), pick(), pick(), pick(), 0, 0];
                calls.push(Call {
                    number,
                    arch: abi.audit(),
                    instruction_pointer: 1,
                    args,
                });
            }
            for first in 0..25 {
                if number == 102 || number == 117 {
                    let args = [first, 1, 2, 3, 0, 0];
                    calls.push(Call {
                        number,
                        arch: abi.audit(),
                        instruction_pointer: 1,
                        args,
                    });
                }
            }
        }
    }
    calls
}

const MACHINES: &[(Arch, &[Abi])] = &[
    (Arch::X86_64, &[Abi::X86_64]),
    (Arch::X86_64, &[Abi::X86_64, Abi::X86]),
    (Arch::X86_64, &[Abi::X86_64, Abi::X32, Abi::X86]),
    (Arch::X86_64, &[Abi::X86_64, Abi::X32]),
    (Arch::Aarch64, &[Abi::Aarch64, Abi::Arm]),
    (Arch::X86, &[Abi::X86]),
];

const ALL: &[Abi] = &[Abi::X86_64, Abi::X86, Abi::Aarch64, Abi::Arm];

/// `PROPTEST_CASES` in the environment asks for more.
fn config() -> Config {
    let asked = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    Config {
        cases: asked.unwrap_or(150),
        failure_persistence: None,
        ..Config::default()
    }
}

#[test]
fn programs_do_what_the_profile_says() {
    let mut runner = TestRunner::new(config());
    let machines = proptest::sample::select(MACHINES);
    let check = |(mut profile, (native, abis), seed): (Seccomp<'static>, (Arch, &[Abi]), u64)| {
        profile.architectures = abis
            .iter()
            .map(|abi| abi.arch())
            .chain([Arch::S390x])
            .collect();
        let compiled = compile(&profile, native, Kernel::LINUX_5_19).unwrap();
        let again = seccomp::Program::from_bytes(&compiled.program.to_bytes()).unwrap();
        prop_assert_eq!(&again, &compiled.program);
        for call in calls(&profile, ALL, seed) {
            let (ours, _) = run(&again.instructions, &call).unwrap();
            let model = judge(&profile, abis, &call).verdict;
            prop_assert_eq!(
                ours,
                model,
                "ours {:x}, model {:x}: {:x?}",
                ours,
                model,
                call
            );
        }
        Ok(())
    };
    runner
        .run(&(profile(), machines, any::<u64>()), check)
        .unwrap();
}

/// libseccomp 2.5.4 sometimes leaves out the load of the number, and compares the ABI with numbers.
fn forgets_the_number(program: &[Instruction]) -> bool {
    let is_audit = |one: &Instruction| ALL.iter().any(|abi| abi.audit() == one.k);
    program
        .iter()
        .enumerate()
        .filter(|(_, one)| one.code == 0x15 && is_audit(one))
        .any(|(at, one)| {
            let mut next = &program[at + 1 + usize::from(one.jt)];
            while next.code == 0x05 {
                let at = program
                    .iter()
                    .position(|other| std::ptr::eq(other, next))
                    .unwrap();
                next = &program[at + 1 + next.k as usize];
            }
            (next.code, next.k) != (0x20, 0) && next.code != 0x06
        })
}

#[test]
fn libseccomp_agrees_but_for_what_is_documented() {
    let Some(oracle) = Oracle::start("differential") else {
        return;
    };
    let oracle = std::cell::RefCell::new(oracle);
    let tally = std::cell::RefCell::new(BTreeMap::<&str, u64>::new());
    let mut runner = TestRunner::new(config());
    let machines = proptest::sample::select(MACHINES);
    let check = |(mut profile, (native, abis), seed): (Seccomp<'static>, (Arch, &[Abi]), u64)| {
        profile.architectures = abis.iter().map(|abi| abi.arch()).collect();
        let count = |what| *tally.borrow_mut().entry(what).or_default() += 1;
        let theirs = match oracle.borrow_mut().compile(&profile, abis) {
            Ok(program) => program,
            Err(_) => {
                count("(profiles that libseccomp refuses)");
                return Ok(());
            }
        };
        if forgets_the_number(&theirs) {
            count("(profiles of which libseccomp makes nonsense)");
            return Ok(());
        }
        let ours = compile(&profile, native, Kernel::LINUX_5_19)
            .unwrap()
            .program
            .instructions;
        for call in calls(&profile, ALL, seed) {
            let model = judge(&profile, abis, &call);
            let (theirs, _) = run(&theirs, &call).unwrap();
            let (ours, _) = run(&ours, &call).unwrap();
            match model.differs {
                _ if theirs == ours => count("(the same)"),
                Some(why) => count(why),
                None => prop_assert!(false, "ours {ours:x}, libseccomp {theirs:x}: {call:x?}"),
            }
        }
        Ok(())
    };
    runner
        .run(&(profile(), machines, any::<u64>()), check)
        .unwrap();
    println!("{:#?}", tally.borrow());
}
