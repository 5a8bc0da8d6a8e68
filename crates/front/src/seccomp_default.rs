//! The system call filter of a container that names no other: `data/seccomp-default.json`, for the
//! container's capabilities and the machine.
//!
//! The list lets through what Docker's lets through, and says why, group by group. It is our own text:
//! changes of Docker's list are brought over by hand, with the reason.

use serde::Deserialize;
use spec::seccomp::{Action, Arch, Op, Seccomp, SyscallArg, SyscallRule};
use spec::{CapSet, Str};

/// The list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    /// How calls fail that no group lets through.
    default: Errno,
    #[serde(borrow)]
    groups: Vec<Group<'static>>,
}

/// Calls with one purpose.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group<'a> {
    /// What they are for.
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers"))]
    name: &'a str,
    /// Why they are let through, or are not; for readers.
    #[serde(default)]
    #[cfg_attr(not(test), expect(dead_code, reason = "for readers"))]
    why: Option<Str<'a>>,
    /// The group is for containers with one of these capabilities.
    #[serde(borrow, default)]
    needs: Vec<&'a str>,
    /// The group is for containers without any of these capabilities.
    #[serde(borrow, default)]
    unless: Vec<&'a str>,
    /// The calls fail so, instead of being let through.
    deny: Option<Errno>,
    /// The group is about calls with such an argument only.
    when: Option<When>,
    calls: Vec<&'a str>,
}

/// An argument that, under a mask, is one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    arg: u32,
    mask: u64,
    is: Vec<u64>,
}

#[derive(Clone, Copy, Deserialize)]
enum Errno {
    #[serde(rename = "EPERM")]
    NotPermitted,
    #[serde(rename = "ENOSYS")]
    NoSuchCall,
}

impl Errno {
    const fn number(self) -> u32 {
        match self {
            Self::NotPermitted => 1,
            Self::NoSuchCall => 38,
        }
    }
}

/// The filter for a container whose bounding set is `caps`, on a machine of this architecture.
///
/// What it lets through grows with the capabilities, because a call that needs one it does not have
/// fails anyway, and a call that needs one it has is what the capability was given for.
pub fn default_profile(caps: CapSet, native: Arch) -> Seccomp<'static> {
    let list = list();
    let applies = |group: &&Group<'_>| {
        (group.needs.is_empty() || has_any(caps, &group.needs)) && !has_any(caps, &group.unless)
    };
    Seccomp {
        default_action: Action::Errno,
        default_errno_ret: Some(list.default.number()),
        architectures: architectures(native),
        syscalls: list.groups.iter().filter(applies).flat_map(rules).collect(),
        ..Seccomp::default()
    }
}

fn list() -> List {
    // Not input: the tests read every line of it.
    serde_json::from_str(include_str!("../data/seccomp-default.json"))
        .unwrap_or_else(|error| panic!("seccomp-default.json: {error}"))
}

fn has_any(caps: CapSet, names: &[&str]) -> bool {
    names
        .iter()
        .filter_map(|name| CapSet::from_name(name))
        .any(|cap| caps.contains(cap))
}

/// Every ABI that programs can enter on such a machine: one that were left out would kill its callers.
fn architectures(native: Arch) -> Vec<Arch> {
    match native {
        Arch::X86_64 => vec![Arch::X86_64, Arch::X86, Arch::X32],
        Arch::Aarch64 => vec![Arch::Aarch64, Arch::Arm],
        other => vec![other],
    }
}

/// One rule for each value of the argument, or one rule.
fn rules(group: &Group<'static>) -> Vec<SyscallRule<'static>> {
    let rule = SyscallRule {
        names: group.calls.iter().copied().map(Str::new).collect(),
        action: if group.deny.is_some() {
            Action::Errno
        } else {
            Action::Allow
        },
        errno_ret: group.deny.map(Errno::number),
        args: Vec::new(),
    };
    let Some(when) = &group.when else {
        return vec![rule];
    };
    let with = |value: &u64| {
        let arg = SyscallArg {
            index: when.arg,
            value: when.mask,
            value_two: *value,
            op: Op::MaskedEqual,
        };
        SyscallRule {
            args: vec![arg],
            ..rule.clone()
        }
    };
    when.is.iter().map(with).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seccomp::{Abi, Call, Kernel, Program, compile, run};

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const ENOSYS: u32 = 0x0005_0026;

    /// What Docker gives a container.
    const USUAL: [&str; 14] = [
        "CAP_AUDIT_WRITE",
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_MKNOD",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_RAW",
        "CAP_SETFCAP",
        "CAP_SETGID",
        "CAP_SETPCAP",
        "CAP_SETUID",
        "CAP_SYS_CHROOT",
    ];

    fn caps(names: &[&str]) -> CapSet {
        CapSet(
            names
                .iter()
                .map(|name| CapSet::from_name(name).unwrap().0)
                .fold(0, |all, one| all | one),
        )
    }

    fn program(names: &[&str], native: Arch) -> Program {
        let profile = default_profile(caps(names), native);
        let compiled = compile(&profile, native, Kernel::LINUX_5_7).unwrap();
        assert_eq!(compiled.unknown, Vec::<&str>::new());
        compiled.program
    }

    fn verdict(program: &Program, abi: Abi, name: &str, args: &[u64]) -> u32 {
        let number = abi
            .number_of(name)
            .unwrap_or_else(|| panic!("{abi:?} has no {name}"));
        number_verdict(program, abi, number, args)
    }

    fn number_verdict(program: &Program, abi: Abi, number: u32, args: &[u64]) -> u32 {
        let mut call = Call {
            number,
            arch: abi.audit(),
            ..Call::default()
        };
        call.args[..args.len()].copy_from_slice(args);
        run(&program.instructions, &call).unwrap().0
    }

    #[test]
    fn every_group_is_of_use() {
        for group in list().groups {
            assert!(!group.name.is_empty() && !group.calls.is_empty());
            assert!(
                group
                    .calls
                    .is_sorted_by_key(|name| name.trim_start_matches('_')),
                "{}",
                group.name
            );
            assert!(
                group.deny.is_none() || group.why.is_some(),
                "{} needs a why",
                group.name
            );
            for name in group.needs.iter().chain(&group.unless) {
                assert!(CapSet::from_name(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn what_any_program_needs_passes_by_every_abi() {
        let program = program(&USUAL, Arch::X86_64);
        for abi in [Abi::X86_64, Abi::X32, Abi::X86] {
            for name in [
                "read",
                "execve",
                "openat",
                "futex",
                "rt_sigaction",
                "ptrace",
                "statx",
                "chroot",
            ] {
                assert_eq!(verdict(&program, abi, name, &[]), ALLOW, "{abi:?} {name}");
            }
            for name in [
                "mount",
                "unshare",
                "setns",
                "bpf",
                "keyctl",
                "io_uring_setup",
                "reboot",
                "swapon",
            ] {
                assert_eq!(verdict(&program, abi, name, &[]), EPERM, "{abi:?} {name}");
            }
        }
    }

    #[test]
    fn arm_machines_have_theirs() {
        let program = program(&USUAL, Arch::Aarch64);
        assert_eq!(verdict(&program, Abi::Aarch64, "openat", &[]), ALLOW);
        assert_eq!(verdict(&program, Abi::Arm, "open", &[]), ALLOW);
        assert_eq!(verdict(&program, Abi::Arm, "set_tls", &[]), ALLOW);
        assert_eq!(verdict(&program, Abi::Arm, "mount", &[]), EPERM);
        assert_eq!(verdict(&program, Abi::Aarch64, "mount", &[]), EPERM);
    }

    #[test]
    fn nobody_types_into_a_shared_terminal() {
        let program = program(&USUAL, Arch::X86_64);
        for abi in [Abi::X86_64, Abi::X32, Abi::X86] {
            for request in [0x5412_u64, 0x541c] {
                for above in [0, 1 << 32, 0xffff_ffff << 32] {
                    let args = [0, request | above];
                    assert_eq!(
                        verdict(&program, abi, "ioctl", &args),
                        EPERM,
                        "{abi:?} {args:x?}"
                    );
                }
            }
            for request in [0, 0x5401, 0x5410, 0x5413, 0x541b, 0xffff_ffff_8004_5430] {
                assert_eq!(
                    verdict(&program, abi, "ioctl", &[0, request]),
                    ALLOW,
                    "{abi:?} {request:x}"
                );
            }
        }
    }

    #[test]
    fn no_socket_reaches_past_the_namespace() {
        let program = program(&USUAL, Arch::X86_64);
        for abi in [Abi::X86_64, Abi::X32, Abi::X86] {
            for family in [38, 40, 38 | 1 << 32, 40 | 0xffff_ffff << 32] {
                assert_eq!(
                    verdict(&program, abi, "socket", &[family]),
                    EPERM,
                    "{abi:?} {family:x}"
                );
            }
            for family in [0, 1, 2, 10, 16, 17, 39, 41] {
                assert_eq!(
                    verdict(&program, abi, "socket", &[family]),
                    ALLOW,
                    "{abi:?} {family}"
                );
            }
        }
    }

    #[test]
    fn no_namespaces_without_the_capability() {
        let program = program(&USUAL, Arch::X86_64);
        assert_eq!(
            verdict(&program, Abi::X86_64, "clone", &[0x003d_0f00]),
            ALLOW
        );
        assert_eq!(verdict(&program, Abi::X86_64, "clone3", &[]), ENOSYS);
        for bit in [17, 25, 26, 27, 28, 29, 30] {
            assert_eq!(
                verdict(&program, Abi::X86_64, "clone", &[1 << bit | 17]),
                EPERM,
                "bit {bit}"
            );
        }
        let program = self::program(&["CAP_SYS_ADMIN"], Arch::X86_64);
        assert_eq!(verdict(&program, Abi::X86_64, "clone", &[1 << 28]), ALLOW);
        assert_eq!(verdict(&program, Abi::X86_64, "clone3", &[]), ALLOW);
    }

    #[test]
    fn few_execution_domains() {
        let program = program(&USUAL, Arch::X86_64);
        for domain in [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff] {
            assert_eq!(
                verdict(&program, Abi::X86_64, "personality", &[domain]),
                ALLOW
            );
        }
        for domain in [4, 0x4_0000, 0x40_0000, 0x2_0009] {
            assert_eq!(
                verdict(&program, Abi::X86_64, "personality", &[domain]),
                EPERM
            );
        }
    }

    #[test]
    fn capabilities_bring_their_calls() {
        for (cap, name) in [
            ("CAP_BPF", "bpf"),
            ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
            ("CAP_PERFMON", "perf_event_open"),
            ("CAP_SYSLOG", "syslog"),
            ("CAP_SYS_ADMIN", "mount"),
            ("CAP_SYS_BOOT", "reboot"),
            ("CAP_SYS_CHROOT", "chroot"),
            ("CAP_SYS_MODULE", "init_module"),
            ("CAP_SYS_NICE", "mbind"),
            ("CAP_SYS_PACCT", "acct"),
            ("CAP_SYS_PTRACE", "kcmp"),
            ("CAP_SYS_RAWIO", "iopl"),
            ("CAP_SYS_TIME", "settimeofday"),
            ("CAP_SYS_TTY_CONFIG", "vhangup"),
        ] {
            assert_eq!(
                verdict(&program(&[], Arch::X86_64), Abi::X86_64, name, &[]),
                EPERM,
                "{name}"
            );
            assert_eq!(
                verdict(&program(&[cap], Arch::X86_64), Abi::X86_64, name, &[]),
                ALLOW,
                "{name}"
            );
        }
    }

    #[test]
    fn newer_calls_do_not_exist() {
        let program = program(&USUAL, Arch::X86_64);
        for abi in [Abi::X86_64, Abi::X86, Abi::X32] {
            let x32 = if abi == Abi::X32 { 1 << 30 } else { 0 };
            assert_eq!(number_verdict(&program, abi, 470 | x32, &[]), ENOSYS);
            assert_eq!(number_verdict(&program, abi, 600 | x32, &[]), ENOSYS);
        }
    }

    /// Podman's list, where the machine has it, was made for the same purpose by other people.
    #[test]
    fn podman_lets_the_same_through() {
        let Ok(text) = std::fs::read_to_string("/usr/share/containers/seccomp.json") else {
            eprintln!(
                "skipped: this test needs /usr/share/containers/seccomp.json (containers-common)"
            );
            return;
        };
        let podman: serde_json::Value = serde_json::from_str(&text).unwrap();
        let program = program(&[], Arch::X86_64);
        let (mut theirs_only, mut both) = (Vec::new(), 0);
        for rule in podman["syscalls"].as_array().unwrap() {
            let plain = |key| rule[key].as_object().is_none_or(|object| object.is_empty());
            let unconditional = rule["args"].as_array().is_none_or(Vec::is_empty);
            if rule["action"] != "SCMP_ACT_ALLOW" || !plain("includes") || !unconditional {
                continue;
            }
            for name in rule["names"].as_array().unwrap() {
                let name = name.as_str().unwrap();
                let Some(number) = Abi::X86_64.number_of(name) else {
                    continue;
                };
                match number_verdict(&program, Abi::X86_64, number, &[]) {
                    ALLOW => both += 1,
                    _ => theirs_only.push(name.to_owned()),
                }
            }
        }
        assert!(both > 280, "{both}");
        // Podman gives namespaces and mounts to containers without CAP_SYS_ADMIN; Docker does not, nor do we.
        let known = [
            "clone3",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "get_mempolicy",
            "keyctl",
            "mbind",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "pidfd_getfd",
            "pivot_root",
            "reboot",
            "set_mempolicy",
            "setns",
            "syslog",
            "umount2",
            "unshare",
        ];
        theirs_only.retain(|name| !known.contains(&name.as_str()));
        assert_eq!(theirs_only, Vec::<String>::new());
    }
}
