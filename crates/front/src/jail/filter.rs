//! The system call filter of a jail: the containers' usual one, less what a jail denies, and with what it asks
//! for.

use spec::seccomp::{Action, Arch, Op, Seccomp, SyscallArg, SyscallRule};
use spec::{CapSet, Str};

use super::lower::Network;
use super::privilege::Permissions;
use super::values::Values;
use crate::seccomp_default::default_profile;

#[cfg(target_arch = "x86_64")]
const NATIVE: Arch = Arch::X86_64;
#[cfg(target_arch = "aarch64")]
const NATIVE: Arch = Arch::Aarch64;

const ENOSYS: u32 = 38;
const EAFNOSUPPORT: u32 = 97;

const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const NETLINK_ROUTE: u64 = 0;
const NETLINK_SOCK_DIAG: u64 = 4;
const NETLINK_NETFILTER: u64 = 12;
const NETLINK_GENERIC: u64 = 16;

/// The three kinds of System V IPC, each with its calls.
const SYSTEM_V: [(&str, &[&str]); 3] = [
    ("sysvmsg", &["msgctl", "msgget", "msgrcv", "msgsnd"]),
    (
        "sysvsem",
        &[
            "semctl",
            "semget",
            "semop",
            "semtimedop",
            "semtimedop_time64",
        ],
    ),
    ("sysvshm", &["shmat", "shmctl", "shmdt", "shmget"]),
];
const LOCKING: [&str; 3] = ["mlock", "mlock2", "mlockall"];
const DEBUGGING: [&str; 5] = [
    "kcmp",
    "pidfd_getfd",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
];

/// What syslog(2) can be asked that only reads: the log, and its size.
const READING: [u64; 4] = [2, 3, 9, 10];

pub(super) fn filter(values: &Values, capabilities: CapSet, network: &Network) -> Seccomp<'static> {
    let mut profile = default_profile(capabilities, NATIVE);
    let allowed = Permissions::of(values);
    if !allowed.allows("allow.mlock") {
        remove(&mut profile, &LOCKING);
    }
    if !allowed.allows("allow.unprivileged_proc_debug") {
        remove(&mut profile, &DEBUGGING);
    }
    if allowed.allows("allow.read_msgbuf") {
        remove(&mut profile, &["syslog"]);
        let rules = READING.map(|what| rule(&["syslog"], None, &[(0, what)]));
        profile.syscalls.extend(rules);
    }
    for (name, calls) in SYSTEM_V {
        if super::lower::system_v(values, name) == "disable" {
            remove(&mut profile, calls);
            remove(&mut profile, &["ipc"]);
            profile.syscalls.push(rule(calls, Some(ENOSYS), &[]));
        }
    }
    if !allowed.allows("allow.socket_af") {
        // The old door of i386 does not show the family.
        remove(&mut profile, &["socket", "socketcall"]);
        profile.syscalls.extend(sockets(network));
    }
    profile
}

/// Local sockets, those of the families that the jail has, and looking at interfaces and routes.
fn sockets(network: &Network) -> Vec<SyscallRule<'static>> {
    let (four, six) = network.families();
    let family = |number, has: bool| {
        let fails = (!has).then_some(EAFNOSUPPORT);
        rule(&["socket"], fails, &[(0, number)])
    };
    let mut rules = vec![
        family(AF_UNIX, true),
        family(AF_INET, four),
        family(AF_INET6, six),
    ];
    let own = [NETLINK_SOCK_DIAG, NETLINK_NETFILTER, NETLINK_GENERIC];
    let kinds: &[u64] = if matches!(network, Network::Own { .. }) {
        &own
    } else {
        &[]
    };
    for kind in [NETLINK_ROUTE].iter().chain(kinds) {
        rules.push(rule(&["socket"], None, &[(0, AF_NETLINK), (2, *kind)]));
    }
    rules
}

/// Allows calls with these low halves of arguments, or has them fail.
fn rule(names: &[&'static str], fails: Option<u32>, args: &[(u32, u64)]) -> SyscallRule<'static> {
    let arg = |(index, value): &(u32, u64)| SyscallArg {
        index: *index,
        value: 0xffff_ffff,
        value_two: *value,
        op: Op::MaskedEqual,
    };
    SyscallRule {
        names: names.iter().map(|name| Str::new(name)).collect(),
        action: if fails.is_some() {
            Action::Errno
        } else {
            Action::Allow
        },
        errno_ret: fails,
        args: args.iter().map(arg).collect(),
    }
}

/// Takes calls out of every rule: they fail as all do that no rule lets through.
fn remove(profile: &mut Seccomp<'_>, names: &[&str]) {
    for rule in &mut profile.syscalls {
        rule.names.retain(|name| !names.contains(&name.as_str()));
    }
    profile.syscalls.retain(|rule| !rule.names.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use seccomp::{Abi, Call, Kernel, compile, run};

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;

    fn verdict(given: &[&str], network: &Network, abi: Abi, name: &str, args: &[u64]) -> u32 {
        let mut values = Values::default();
        for word in given {
            let (name, value) = word.split_once('=').map_or((*word, None), |(name, value)| {
                (name, Some(vec![value.to_owned()]))
            });
            values.set(name, value, false, "").unwrap();
        }
        let capabilities = Permissions::of(&values).capabilities();
        let profile = filter(&values, capabilities, network);
        let compiled = compile(&profile, NATIVE, Kernel::LINUX_5_7).unwrap();
        let mut call = Call {
            number: abi.number_of(name).unwrap(),
            arch: abi.audit(),
            ..Call::default()
        };
        call.args[..args.len()].copy_from_slice(args);
        run(&compiled.program.instructions, &call).unwrap().0
    }

    const BOTH: Network = Network::Host {
        four: true,
        six: true,
    };
    const FOUR: Network = Network::Host {
        four: true,
        six: false,
    };

    #[test]
    fn families_of_sockets() {
        let refused = 0x0005_0000 | EAFNOSUPPORT;
        for abi in [Abi::X86_64, Abi::X86] {
            let socket = |network, args: &[u64]| verdict(&[], network, abi, "socket", args);
            assert_eq!(socket(&BOTH, &[AF_INET, 1, 0]), ALLOW);
            assert_eq!(socket(&BOTH, &[AF_INET6, 2, 0]), ALLOW);
            assert_eq!(socket(&FOUR, &[AF_INET6, 2, 0]), refused);
            assert_eq!(socket(&FOUR, &[AF_INET6 | 1 << 32, 2, 0]), refused);
            assert_eq!(socket(&FOUR, &[AF_UNIX, 1, 0]), ALLOW);
            assert_eq!(socket(&BOTH, &[AF_NETLINK, 3, 0]), ALLOW);
            assert_eq!(socket(&BOTH, &[AF_NETLINK, 3, NETLINK_NETFILTER]), EPERM);
            for family in [9, 17, 29, 38, 40, 44] {
                assert_eq!(socket(&BOTH, &[family]), EPERM, "{family}");
            }
        }
        assert_eq!(
            verdict(&["allow.socket_af"], &BOTH, Abi::X86_64, "socket", &[29]),
            ALLOW
        );
    }

    #[test]
    fn what_permissions_bring() {
        for (given, name, args, with, without) in [
            ("allow.mlock", "mlockall", &[][..], ALLOW, EPERM),
            (
                "allow.unprivileged_proc_debug=0",
                "ptrace",
                &[],
                EPERM,
                ALLOW,
            ),
            ("allow.read_msgbuf", "syslog", &[3], ALLOW, EPERM),
            ("allow.read_msgbuf", "syslog", &[5], EPERM, EPERM),
            ("allow.settime", "clock_settime", &[], ALLOW, EPERM),
            ("sysvshm=new", "shmget", &[], ALLOW, 0x0005_0000 | ENOSYS),
            (
                "sysvmsg=inherit",
                "msgsnd",
                &[],
                ALLOW,
                0x0005_0000 | ENOSYS,
            ),
            ("allow.sysvipc", "semop", &[], ALLOW, 0x0005_0000 | ENOSYS),
        ] {
            for abi in [Abi::X86_64, Abi::X32] {
                assert_eq!(
                    verdict(&[given], &BOTH, abi, name, args),
                    with,
                    "{given} {name}"
                );
                assert_eq!(verdict(&[], &BOTH, abi, name, args), without, "{name}");
            }
        }
        for name in [
            "mount",
            "unshare",
            "setns",
            "bpf",
            "init_module",
            "reboot",
            "keyctl",
            "quotactl",
            "swapon",
        ] {
            assert_eq!(verdict(&[], &BOTH, Abi::X86_64, name, &[]), EPERM, "{name}");
        }
    }
}
