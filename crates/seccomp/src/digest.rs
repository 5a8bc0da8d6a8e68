//! What a cache keeps a compiled profile under: a digest of everything that the program depends on.

use alloc::string::String;

use spec::seccomp::{Arch, Seccomp};

use crate::blake2::Hash;
use crate::compile::Kernel;

/// The compiler's version: raised with every change that makes another program of the same profile.
const COMPILER: u64 = 1;

/// A name for a compiled profile. Whoever writes a profile cannot choose it: two profiles have the same
/// one only if somebody broke BLAKE2b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest in 64 hexadecimal digits, good as a file's name.
    pub fn hex(&self) -> String {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        self.0
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect()
    }
}

/// The digest of what [`compile`](crate::compile()) would make of these arguments.
pub fn digest(profile: &Seccomp<'_>, native: Arch, kernel: Kernel) -> Digest {
    let mut to = Fields(Hash::new());
    to.number(COMPILER);
    to.text(native.name());
    to.number(kernel.flags.0.into());
    to.text(profile.default_action.name());
    to.option(profile.default_errno_ret);
    to.number(profile.listener_path.is_some().into());
    to.number(profile.listener_metadata.is_some().into());
    to.list(&profile.architectures, |to, arch| to.text(arch.name()));
    to.list(&profile.flags, |to, flag| to.text(flag.name()));
    to.list(&profile.syscalls, |to, rule| {
        to.text(rule.action.name());
        to.option(rule.errno_ret);
        to.list(&rule.names, |to, name| to.text(name));
        to.list(&rule.args, |to, arg| {
            to.number(arg.index.into());
            to.number(arg.value);
            to.number(arg.value_two);
            to.text(arg.op.name());
        });
    });
    Digest(to.0.finish())
}

/// Fields one after another, such that different ones are different bytes.
struct Fields(Hash);

impl Fields {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn option(&mut self, number: Option<u32>) {
        self.number(number.map_or(u64::MAX, u64::from));
    }

    /// Ends in NUL, which no text of a configuration has inside.
    fn text(&mut self, text: &str) {
        self.0.update(text.as_bytes());
        self.0.update(&[0]);
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.number(items.len().try_into().unwrap_or(u64::MAX));
        for item in items {
            each(self, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile;
    use alloc::vec;
    use spec::Str;
    use spec::seccomp::{Action, Flag, Op, SyscallArg, SyscallRule};
    use std::collections::BTreeSet;
    use std::prelude::rust_2024::*;

    fn profile() -> Seccomp<'static> {
        let arg = SyscallArg {
            index: 1,
            value: 0xffff_ffff,
            value_two: 2,
            op: Op::MaskedEqual,
        };
        let names = ["socket", "clone", "no_such_call"].map(Str::new).to_vec();
        Seccomp {
            default_action: Action::Errno,
            architectures: vec![Arch::X86_64, Arch::X86, Arch::X32],
            syscalls: vec![
                SyscallRule {
                    names,
                    action: Action::Allow,
                    args: vec![arg],
                    ..SyscallRule::default()
                },
                SyscallRule {
                    names: ["read", "write", "ioctl", "bind", "semop"]
                        .map(Str::new)
                        .to_vec(),
                    action: Action::Allow,
                    ..SyscallRule::default()
                },
            ],
            ..Seccomp::default()
        }
    }

    #[test]
    fn every_field_counts() {
        type Change = fn(&mut Seccomp<'static>);
        let changes: [Change; 17] = [
            |_| {},
            |p| p.default_action = Action::Trap,
            |p| p.default_errno_ret = Some(1),
            |p| p.default_errno_ret = Some(0),
            |p| p.architectures.truncate(2),
            |p| p.flags.push(Flag::Log),
            |p| p.listener_path = Some(Str::new("/a")),
            |p| p.listener_metadata = Some(Str::new("/a")),
            |p| p.syscalls.truncate(1),
            |p| p.syscalls[0].names.truncate(2),
            |p| p.syscalls[0].names[2] = Str::new("no_such_cal"),
            |p| p.syscalls[0].action = Action::Log,
            |p| p.syscalls[0].errno_ret = Some(5),
            |p| p.syscalls[0].args[0].index = 2,
            |p| p.syscalls[0].args[0].value = 2,
            |p| p.syscalls[0].args[0].value_two = 3,
            |p| p.syscalls[0].args[0].op = Op::Equal,
        ];
        let mut seen = BTreeSet::new();
        for change in changes {
            let mut profile = profile();
            change(&mut profile);
            assert!(seen.insert(digest(&profile, Arch::X86_64, Kernel::LINUX_5_7)));
        }
        assert!(seen.insert(digest(&profile(), Arch::Aarch64, Kernel::LINUX_5_7)));
        assert!(seen.insert(digest(&profile(), Arch::X86_64, Kernel::LINUX_5_19)));
    }

    /// When this fails, the compiler makes other programs than before: raise `COMPILER`, so that no cache
    /// keeps the old ones alive, and write down the new values.
    #[test]
    fn the_version_is_raised_with_the_program() {
        let profile = profile();
        let digest = digest(&profile, Arch::X86_64, Kernel::LINUX_5_19).hex();
        let compiled = compile(&profile, Arch::X86_64, Kernel::LINUX_5_19).unwrap();
        let mut hash = Hash::new();
        hash.update(&compiled.program.to_bytes());
        let program = Digest(hash.finish()).hex();
        assert_eq!(
            (&digest[..16], &program[..16]),
            ("ab8e0c643a097681", "5647d21dbce31e6d")
        );
    }
}
