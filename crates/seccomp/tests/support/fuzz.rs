//! What a fuzzer calls. `fuzz/fuzz_targets` takes this file in as a module.

use seccomp::{Abi, Call, Encoded, Kernel, MAX_INSTRUCTIONS, Program, compile, digest, run};
use spec::seccomp::{Arch, Seccomp};

/// Any bytes, as a profile in JSON, compiled for every machine; and as a cache's entry.
///
/// # Panics
/// When a compiled program is not one that the kernel would take and that decides on every call, or does
/// not survive its encoding.
pub fn fuzz_profile(bytes: &[u8]) {
    if let Ok(program) = Program::from_bytes(bytes) {
        assert_eq!(program.to_bytes(), bytes);
        decides(&program);
    }
    let Ok(profile) = serde_json::from_slice::<Seccomp<'_>>(bytes) else {
        return;
    };
    for native in [Arch::X86_64, Arch::Aarch64, Arch::X86, Arch::Arm] {
        let Ok(compiled) = compile(&profile, native, Kernel::LINUX_5_19) else {
            continue;
        };
        assert!(compiled.program.instructions.len() <= MAX_INSTRUCTIONS);
        let bytes = compiled.program.to_bytes();
        assert!(Encoded::new(&bytes).is_ok());
        assert_eq!(Program::from_bytes(&bytes).as_ref(), Ok(&compiled.program));
        decides(&compiled.program);
        let _ = digest(&profile, native, Kernel::LINUX_5_19);
    }
}

fn decides(program: &Program) {
    for abi in [Abi::X86_64, Abi::X32, Abi::X86, Abi::Aarch64, Abi::Arm] {
        for number in [
            0,
            16,
            41,
            102,
            117,
            512,
            0x4000_0000,
            0x4000_0201,
            0xf_0001,
            u32::MAX,
        ] {
            for argument in [0, 1, u64::MAX, 1 << 32] {
                let call = Call {
                    number,
                    arch: abi.audit(),
                    args: [argument; 6],
                    ..Call::default()
                };
                assert!(run(&program.instructions, &call).is_some());
            }
        }
    }
}
