//! The system call ABIs that a machine's kernel lets a program enter.

use core::ops::Range;

use spec::seccomp::Arch;

use crate::numbers::{ARM_PRIVATE, CALLS, number};

/// x32 calls are those of x86-64's `AUDIT_ARCH` whose number has this bit.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// One way of calling the kernel: an instruction set's convention with its own table of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Abi {
    /// x86-64.
    X86_64,
    /// x32: 32-bit pointers in 64-bit mode. The kernel reports it as x86-64 with bit 30 in the number.
    X32,
    /// i386, by `int 0x80` and its relatives, which 64-bit programs can use too.
    X86,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM, EABI.
    Arm,
}

impl Abi {
    /// The ABIs that programs can enter on a machine of this kind, its own first; none if filters for
    /// it cannot be made.
    pub(crate) const fn of_machine(native: Arch) -> &'static [Self] {
        match native {
            Arch::X86_64 => &[Self::X86_64, Self::X32, Self::X86],
            Arch::X86 => &[Self::X86],
            Arch::Aarch64 => &[Self::Aarch64, Self::Arm],
            Arch::Arm => &[Self::Arm],
            _ => &[],
        }
    }

    /// The specification's name for it.
    pub const fn arch(self) -> Arch {
        match self {
            Self::X86_64 => Arch::X86_64,
            Self::X32 => Arch::X32,
            Self::X86 => Arch::X86,
            Self::Aarch64 => Arch::Aarch64,
            Self::Arm => Arch::Arm,
        }
    }

    /// `AUDIT_ARCH_…`, what `seccomp_data.arch` holds.
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Whether arguments have 32 bits, so that only the low half of each is compared.
    pub const fn is_32_bit(self) -> bool {
        !matches!(self, Self::X86_64 | Self::Aarch64)
    }

    /// What is added to a number of the table to get what `seccomp_data.nr` holds.
    pub(crate) const fn offset(self) -> u32 {
        if matches!(self, Self::X32) {
            X32_BIT
        } else {
            0
        }
    }

    /// Numbers apart from the common ones, which new calls never get.
    pub(crate) const fn private(self) -> Option<Range<u32>> {
        match self {
            Self::X32 => Some(X32_BIT | 512..X32_BIT | 548),
            Self::Arm => Some(ARM_PRIVATE..u32::MAX),
            _ => None,
        }
    }

    /// The number of the call at `index` of the table of names, as `seccomp_data.nr` holds it.
    pub(crate) fn number(self, index: usize) -> Option<u32> {
        let column = match self {
            Self::X86_64 => 0,
            Self::X32 => 1,
            Self::X86 => 2,
            Self::Aarch64 => 3,
            Self::Arm => 4,
        };
        Some(number(CALLS[index].1[column])? | self.offset())
    }

    /// The number of a call, as `seccomp_data.nr` holds it, if the ABI has it.
    pub fn number_of(self, name: &str) -> Option<u32> {
        self.number(crate::numbers::find(name)?)
    }
}

/// Whether a name is that of a system call of any ABI; rules about others are left out of programs.
pub fn is_known(name: &str) -> bool {
    crate::numbers::find(name).is_some()
}

/// The names of all system calls that are known here, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(|call| call.0)
}
