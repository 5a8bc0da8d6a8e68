//! Programs in the real kernel: it takes them, and does what the interpreter says.
#![allow(missing_docs, unreachable_pub)]
#![cfg(target_arch = "x86_64")]

use seccomp::{Abi, Call, Flags, Instruction, Kernel, MAX_INSTRUCTIONS, Program, compile, run};
use spec::Str;
use spec::seccomp::{Action, Arch, Op, Seccomp, SyscallArg, SyscallRule};

/// What a child's end tells: nothing was wrong.
const FINE: i32 = 0;
/// The program could not be loaded.
const NOT_LOADED: i32 = 100;
/// The machine has no such ABI.
const NO_ABI: i32 = 101;

/// Runs `probe` under the program, in a process of its own, and returns how that ended: its status, or
/// the signal that killed it, negative. The probe must not allocate: other threads may hold the lock.
fn under(program: &Program, probe: impl FnOnce() -> i32) -> i32 {
    let flags = program.flags.0;
    // SAFETY: the child only makes system calls with arguments that were made before, and exits.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0); // being killed leaves no core
            libc::_exit(if load(&program.instructions, flags) < 0 {
                NOT_LOADED
            } else {
                probe()
            });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        if libc::WIFSIGNALED(status) {
            -libc::WTERMSIG(status)
        } else {
            libc::WEXITSTATUS(status)
        }
    }
}

/// `seccomp(2)` for the calling thread: its result, or -1.
fn load(program: &[Instruction], flags: u32) -> i64 {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_ptr().cast_mut().cast(), // `Instruction` has the layout of `sock_filter`
    };
    // SAFETY: the kernel reads `len` instructions.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, 1, flags, &raw const filter)
    }
}

/// The errno with which a system call fails; 0 if it does not.
fn errno_of(number: u32, args: [u64; 4]) -> i32 {
    // SAFETY: only used for calls that take no pointers, or fail before they look at one.
    unsafe {
        match libc::syscall(number.into(), args[0], args[1], args[2], args[3]) {
            -1 => *libc::__errno_location(),
            _ => 0,
        }
    }
}

/// Makes a call by i386's door.
fn i386(number: u32, arg: u32) -> i32 {
    let result: i32;
    // SAFETY: as in `errno_of`. rbx, which the compiler keeps for itself, is put back.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {arg}", "int 0x80", "xchg rbx, {arg}",
            arg = inout(reg) u64::from(arg) => _,
            inlateout("eax") number.cast_signed() => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}

fn rule(names: &[&'static str], action: Action, errno_ret: Option<u32>) -> SyscallRule<'static> {
    let names = names.iter().copied().map(Str::new).collect();
    SyscallRule {
        names,
        action,
        errno_ret,
        args: Vec::new(),
    }
}

fn lenient(architectures: &[Arch], syscalls: Vec<SyscallRule<'static>>) -> Program {
    let profile = Seccomp {
        default_action: Action::Allow,
        architectures: architectures.to_vec(),
        syscalls,
        ..Seccomp::default()
    };
    compile(&profile, Arch::X86_64, Kernel::LINUX_5_19)
        .unwrap()
        .program
}

#[test]
fn calls_fail_as_told() {
    let program = lenient(&[], vec![rule(&["getppid"], Action::Errno, Some(77))]);
    let end = under(&program, || {
        let told = errno_of(Abi::X86_64.number_of("getppid").unwrap(), [0; 4]);
        let other = errno_of(Abi::X86_64.number_of("getpid").unwrap(), [0; 4]);
        if (told, other) == (77, 0) { FINE } else { 1 }
    });
    assert_eq!(end, FINE);
}

#[test]
fn x32_does_not_slip_through() {
    let denied = || vec![rule(&["getppid"], Action::Errno, Some(77))];
    let x32 = Abi::X32.number_of("getppid").unwrap();
    let end = under(&lenient(&[Arch::X86_64], denied()), || {
        errno_of(x32, [0; 4])
    });
    assert_eq!(end, -libc::SIGSYS);
    let end = under(&lenient(&[Arch::X86_64, Arch::X32], denied()), || {
        errno_of(x32, [0; 4])
    });
    assert_eq!(end, 77);
}

#[test]
fn i386_does_not_slip_through() {
    let number = Abi::X86.number_of("getppid").unwrap();
    let denied = || vec![rule(&["getppid"], Action::Errno, Some(77))];
    let probe = || if i386(number, 0) == -77 { FINE } else { 1 };
    let open = under(&lenient(&[Arch::X86_64, Arch::X86], Vec::new()), || {
        if i386(number, 0) > 0 { FINE } else { NO_ABI }
    });
    if open != FINE {
        eprintln!("skipped: this kernel runs no i386 programs ({open})");
        return;
    }
    assert_eq!(
        under(&lenient(&[Arch::X86_64, Arch::X86], denied()), probe),
        FINE
    );
    assert_eq!(
        under(&lenient(&[Arch::X86_64], denied()), probe),
        -libc::SIGSYS
    );
}

#[test]
fn a_multiplexed_call_is_no_way_around() {
    let program = lenient(
        &[Arch::X86],
        vec![rule(&["socket", "shmget"], Action::Errno, Some(77))],
    );
    let end = under(&program, || {
        let known = [i386(102, 1), i386(117, 23), i386(117, 0x1_0000 | 23)];
        if known == [-77; 3] { FINE } else { 1 }
    });
    if end == -libc::SIGSEGV {
        eprintln!("skipped: this kernel runs no i386 programs");
        return;
    }
    assert_eq!(end, FINE);
}

#[test]
fn threads_and_processes_are_killed() {
    for action in [
        Action::Kill,
        Action::KillThread,
        Action::KillProcess,
        Action::Trap,
    ] {
        let program = lenient(&[], vec![rule(&["getppid"], action, None)]);
        let end = under(&program, || errno_of(110, [0; 4]));
        assert_eq!(end, -libc::SIGSYS, "{action:?}");
    }
}

#[test]
fn a_listener_comes_of_it() {
    let profile = Seccomp {
        default_action: Action::Allow,
        listener_path: Some(Str::new("/agent")),
        syscalls: vec![rule(&["getppid"], Action::Notify, None)],
        ..Seccomp::default()
    };
    let program = compile(&profile, Arch::X86_64, Kernel::LINUX_5_19)
        .unwrap()
        .program;
    assert!(program.needs_listener());
    // `under` sees no error; the descriptor is the lowest that was free.
    assert_eq!(under(&program, || FINE), FINE);
    let without = Program {
        flags: Flags::default(),
        ..program
    };
    assert_eq!(under(&without, || errno_of(110, [0; 4])), libc::ENOSYS);
}

/// Comparisons, by a call that looks at none of its arguments.
#[test]
fn the_kernel_and_the_interpreter_agree() {
    const VALUES: [u64; 9] = [
        0,
        1,
        5,
        0xffff_ffff,
        1 << 32,
        (1 << 32) + 1,
        (5 << 32) + 5,
        u64::MAX - 1,
        u64::MAX,
    ];
    let ops = [
        Op::NotEqual,
        Op::Less,
        Op::LessOrEqual,
        Op::Equal,
        Op::GreaterOrEqual,
        Op::Greater,
        Op::MaskedEqual,
    ];
    for op in ops {
        for value in VALUES {
            let args = vec![
                SyscallArg {
                    index: 1,
                    value,
                    value_two: 1,
                    op,
                },
                SyscallArg {
                    index: 3,
                    value: 7,
                    value_two: 0,
                    op: Op::NotEqual,
                },
            ];
            let rule = SyscallRule {
                args,
                ..rule(&["getppid"], Action::Errno, Some(77))
            };
            let program = lenient(&[], vec![rule]);
            let end = under(&program, || {
                for argument in VALUES {
                    for other in [6, 7] {
                        let args = [0, argument, 0, other];
                        let call = Call {
                            number: 110,
                            arch: Abi::X86_64.audit(),
                            args: [0, argument, 0, other, 0, 0],
                            ..Call::default()
                        };
                        let (said, _) = run(&program.instructions, &call).unwrap();
                        if (errno_of(110, args) == 77) != (said == 0x0005_004d) {
                            return 1;
                        }
                    }
                }
                FINE
            });
            assert_eq!(end, FINE, "{op:?} {value:x}");
        }
    }
}

/// The longest program that there may be, and one more instruction.
#[test]
fn the_limit_is_the_kernels() {
    let compiled = |rules: u64| {
        let many = |value| SyscallRule {
            args: vec![SyscallArg {
                index: 0,
                value,
                value_two: 0,
                op: Op::Equal,
            }],
            ..rule(&["getppid"], Action::Errno, Some(77))
        };
        let profile = Seccomp {
            default_action: Action::Allow,
            syscalls: (0..rules).map(many).collect(),
            ..Seccomp::default()
        };
        compile(&profile, Arch::X86_64, Kernel::LINUX_5_19).map(|compiled| compiled.program)
    };
    let most = (900..)
        .take_while(|rules| compiled(*rules).is_ok())
        .last()
        .unwrap();
    let program = compiled(most).unwrap();
    assert!(
        program.instructions.len() > MAX_INSTRUCTIONS - 8,
        "{}",
        program.instructions.len()
    );
    assert_eq!(
        under(&program, || if errno_of(110, [most - 1, 0, 0, 0]) == 77 {
            FINE
        } else {
            1
        }),
        FINE
    );
    assert_eq!(
        under(&program, || if errno_of(110, [most, 0, 0, 0]) == 0 {
            FINE
        } else {
            1
        }),
        FINE
    );
    let error = compiled(most + 1).unwrap_err();
    assert_eq!(error.place, "linux.seccomp.syscalls");
    assert!(
        error.message.contains("the kernel takes 4096"),
        "{}",
        error.message
    );
}
