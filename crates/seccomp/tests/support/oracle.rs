//! libseccomp in a process of its own, through the C program beside this file.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use seccomp::{Abi, Instruction};
use spec::seccomp::{Action, Op, Seccomp, SyscallRule};

/// A running oracle.
pub struct Oracle {
    process: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts it, if the machine has a C compiler and libseccomp's headers. With
    /// `STOCKADE_TEST_ORACLE=required` in the environment it must have them.
    pub fn start(name: &str) -> Option<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/libseccomp.c");
        let program =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libseccomp-oracle-{name}"));
        let cc = Command::new("cc")
            .arg("-O1")
            .arg("-o")
            .arg(&program)
            .arg(source)
            .arg("-lseccomp")
            .output();
        if !cc.as_ref().is_ok_and(|cc| cc.status.success()) {
            assert!(
                std::env::var_os("STOCKADE_TEST_ORACLE").is_none(),
                "no libseccomp here: {cc:?}"
            );
            eprintln!("skipped: this test needs a C compiler and libseccomp-dev");
            return None;
        }
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let from = BufReader::new(process.stdout.take().unwrap());
        Some(Self {
            to: process.stdin.take(),
            process,
            from,
        })
    }

    /// What libseccomp calls the number of a call: negative if the ABI does not have it.
    pub fn number(&mut self, abi: Abi, name: &str) -> i64 {
        let answer = self.ask(&format!("number {} {name}\n", token(abi)));
        answer.strip_prefix("n ").unwrap().parse().unwrap()
    }

    /// The program that libseccomp makes, or the errno with which it refuses to.
    pub fn compile(
        &mut self,
        profile: &Seccomp<'_>,
        abis: &[Abi],
    ) -> Result<Vec<Instruction>, i32> {
        let default = action(profile.default_action, profile.default_errno_ret);
        let mut text = format!("default {default}\n");
        for (index, abi) in abis.iter().enumerate() {
            let word = if index == 0 { "only" } else { "arch" };
            writeln!(text, "{word} {}", token(*abi)).unwrap();
        }
        for rule in &profile.syscalls {
            for name in &rule.names {
                write_rule(&mut text, rule, name);
            }
        }
        text.push_str("end\n");
        let answer = self.ask(&text);
        match answer.split_once(' ').unwrap() {
            ("e", errno) => Err(errno.parse().unwrap()),
            (_, size) => {
                let mut bytes = vec![0; size.parse().unwrap()];
                self.from.read_exact(&mut bytes).unwrap();
                Ok(bytes.chunks(8).map(decode).collect())
            }
        }
    }

    fn ask(&mut self, text: &str) -> String {
        self.to
            .as_mut()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.to.take());
        self.process.wait().unwrap();
    }
}

/// Two conditions on one argument: one rule each, as runc and crun do.
fn write_rule(text: &mut String, rule: &SyscallRule<'_>, name: &str) {
    let args = &rule.args;
    let twice =
        (0..args.len()).any(|at| args[..at].iter().any(|other| other.index == args[at].index));
    let action = action(rule.action, rule.errno_ret);
    for args in args
        .chunks(if twice { 1 } else { 6 })
        .chain((args.is_empty()).then_some(&[][..]))
    {
        write!(text, "rule {action} {name} {}", args.len()).unwrap();
        for arg in args {
            let op = match arg.op {
                Op::NotEqual => 1,
                Op::Less => 2,
                Op::LessOrEqual => 3,
                Op::Equal => 4,
                Op::GreaterOrEqual => 5,
                Op::Greater => 6,
                Op::MaskedEqual => 7,
            };
            write!(text, " {} {op} {} {}", arg.index, arg.value, arg.value_two).unwrap();
        }
        text.push('\n');
    }
}

fn decode(bytes: &[u8]) -> Instruction {
    Instruction {
        code: u16::from_le_bytes([bytes[0], bytes[1]]),
        jt: bytes[2],
        jf: bytes[3],
        k: u32::from_le_bytes(bytes[4..].try_into().unwrap()),
    }
}

/// `SCMP_ACT_…` of `seccomp.h`.
pub fn action(action: Action, errno: Option<u32>) -> u32 {
    match action {
        Action::Kill | Action::KillThread => 0,
        Action::KillProcess => 0x8000_0000,
        Action::Trap => 0x0003_0000,
        Action::Errno => 0x0005_0000 | errno.unwrap_or(1),
        Action::Trace => 0x7ff0_0000 | errno.unwrap_or(1),
        Action::Notify => 0x7fc0_0000,
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}

/// `SCMP_ARCH_…` of `seccomp.h`: the audit value, but for x32, which has none.
fn token(abi: Abi) -> u32 {
    if abi == Abi::X32 {
        0x4000_003e
    } else {
        abi.audit()
    }
}
