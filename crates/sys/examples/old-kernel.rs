//! `old-kernel VERSION COMMAND…`: runs a command as on an older kernel, for tests.
//!
//! A seccomp filter, which all that the command starts inherits, gives the answers of a kernel that does not
//! know a call (`ENOSYS`), a flag (`EINVAL`), a command or an option. What stands in memory rather than in a
//! register, and files that an older kernel does not have, cannot be told apart here.
//! Versions: 5.10; 5.4 and 4.18, on which commands have to say what they miss.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// `linux/audit.h`: the ABI that the numbers below are of.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// From here to the end of the table all machines number system calls alike; x86's x32 numbers are far above.
const LAST: u32 = 1000;

/// Where in `struct seccomp_data` (`linux/seccomp.h`) things lie.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
/// The low half of an argument.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// What an older kernel refuses of a call that it has.
enum Unknown {
    /// Any of these bits in the argument.
    Bits(u32, u32),
    /// This value of the argument.
    Value(u32, u32),
    /// Values of the argument from this one up.
    From(u32, u32),
    /// This value of one argument with that of another.
    Pair((u32, u32), (u32, u32)),
}

/// Calls with what of them is newer than Linux 5.10, and the answer.
fn newer_than_5_10() -> Vec<(libc::c_long, Unknown, i32)> {
    use Unknown::{Bits, From, Pair, Value};
    vec![
        // MFD_NOEXEC_SEAL, MFD_EXEC: 6.3
        (libc::SYS_memfd_create, Bits(1, 0x18), libc::EINVAL),
        // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 5.19
        (libc::SYS_seccomp, Bits(1, 1 << 5), libc::EINVAL),
        // CLOSE_RANGE_CLOEXEC: 5.11
        (libc::SYS_close_range, Bits(2, 1 << 2), libc::EINVAL),
        // FSCONFIG_CMD_CREATE_EXCL: 6.6
        (libc::SYS_fsconfig, From(1, 8), libc::EOPNOTSUPP),
        // MOVE_MOUNT_SET_GROUP: 5.15, MOVE_MOUNT_BENEATH: 6.5
        (libc::SYS_move_mount, Bits(4, 0x300), libc::EINVAL),
        // PIDFD_THREAD: 6.9
        (libc::SYS_pidfd_open, Bits(1, 0o200), libc::EINVAL),
        // Any flag at all: 6.9
        (libc::SYS_pidfd_send_signal, From(3, 1), libc::EINVAL),
        // MPOL_PREFERRED_MANY: 5.15, MPOL_WEIGHTED_INTERLEAVE: 6.9
        (libc::SYS_set_mempolicy, Value(0, 5), libc::EINVAL),
        (libc::SYS_set_mempolicy, Value(0, 6), libc::EINVAL),
        // PR_SCHED_CORE: 5.14, and what came after it
        (libc::SYS_prctl, Value(0, 62), libc::EINVAL),
        (libc::SYS_prctl, Value(0, 65), libc::EINVAL),
        // F_DUPFD_QUERY, F_CREATED_QUERY: 6.10, 6.12
        (libc::SYS_fcntl, Value(1, 1027), libc::EINVAL),
        (libc::SYS_fcntl, Value(1, 1028), libc::EINVAL),
        // BPF commands after BPF_PROG_BIND_MAP
        (libc::SYS_bpf, From(0, 36), libc::EINVAL),
        // PIDFD_GET_INFO: 6.13; the namespaces of a pidfd: 6.11
        (libc::SYS_ioctl, Value(1, 0xc040_ff0b), libc::ENOTTY),
        (libc::SYS_ioctl, Value(1, 0xff01), libc::ENOTTY),
        // SO_PASSPIDFD, SO_PEERPIDFD of SOL_SOCKET: 6.5
        (
            libc::SYS_setsockopt,
            Pair((1, 1), (2, 76)),
            libc::ENOPROTOOPT,
        ),
        (
            libc::SYS_getsockopt,
            Pair((1, 1), (2, 77)),
            libc::ENOPROTOOPT,
        ),
    ]
}

/// The first system call that the version does not have.
fn first_missing(version: &str) -> Option<u32> {
    match version {
        // epoll_pwait2, 5.11
        "5.10" => Some(441),
        // close_range, 5.9; openat2 is 437, 5.6
        "5.4" => Some(436),
        // pidfd_send_signal, 5.1
        "4.18" => Some(424),
        _ => None,
    }
}

fn step(code: u32, k: u32) -> libc::sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter {
        code: u16::try_from(code).expect("codes are small"),
        jt,
        jf,
        k,
    }
}

fn fail(errno: i32) -> libc::sock_filter {
    let errno = u32::try_from(errno).expect("errnos are positive");
    step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno)
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ANY_OF: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;

/// Goes on to the answer where the argument is such a one, else over it.
fn refuse(unknown: &Unknown, errno: i32) -> Vec<libc::sock_filter> {
    let test = |index: u32, how: u32, k: u32, over: u8| {
        [step(LOAD, argument(index)), jump(how, k, 0, over)]
    };
    let mut code = Vec::new();
    match *unknown {
        Unknown::Bits(index, bits) => code.extend(test(index, ANY_OF, bits, 1)),
        Unknown::Value(index, value) => code.extend(test(index, EQUAL, value, 1)),
        Unknown::From(index, first) => code.extend(test(index, AT_LEAST, first, 1)),
        Unknown::Pair((a, x), (b, y)) => {
            code.extend(test(a, EQUAL, x, 3));
            code.extend(test(b, EQUAL, y, 1));
        }
    }
    code.push(fail(errno));
    code
}

fn filter(first_missing: u32) -> Vec<libc::sock_filter> {
    let allow = step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW);
    let mut code = vec![
        step(LOAD, MACHINE),
        jump(EQUAL, ARCH, 1, 0),
        allow,
        step(LOAD, NUMBER),
        jump(AT_LEAST, first_missing, 0, 2),
        jump(AT_LEAST, LAST, 1, 0),
        fail(libc::ENOSYS),
    ];
    for (call, unknown, errno) in newer_than_5_10() {
        let tests = refuse(&unknown, errno);
        let over = u8::try_from(tests.len()).expect("a few instructions");
        code.push(step(LOAD, NUMBER));
        code.push(jump(EQUAL, u32::try_from(call).expect("a number"), 0, over));
        code.extend(tests);
    }
    code.push(allow);
    code
}

/// Installs the filter for this process and its children. Privileged, so that set-id programs still work.
fn install(code: &[libc::sock_filter]) -> std::io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(code.len()).expect("a short program"),
        filter: code.as_ptr().cast_mut(),
    };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the program and its instructions live through the call, which changes nothing in them.
    match unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let first = words.next().and_then(|word| first_missing(word.to_str()?));
    let (Some(first), Some(command)) = (first, words.next()) else {
        eprintln!("usage: old-kernel 5.10|5.4|4.18 COMMAND [ARGUMENT...]");
        return ExitCode::from(2);
    };
    if let Err(error) = install(&filter(first)) {
        eprintln!("old-kernel: seccomp: {error}");
        return ExitCode::from(125);
    }
    let error = Command::new(&command).args(words).exec();
    eprintln!("old-kernel: {}: {error}", command.display());
    ExitCode::from(127)
}
