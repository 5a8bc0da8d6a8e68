//! Bytes that are nearly a profile, or nearly a program.
#![allow(missing_docs, unreachable_pub)]

mod support;

use proptest::prelude::*;
use support::fuzz::fuzz_profile;

const PROFILE: &str = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":
["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32","SCMP_ARCH_ARM"],"flags":["SECCOMP_FILTER_FLAG_LOG"],
"listenerPath":"/a","syscalls":[{"names":["read","socket","semop"],"action":"SCMP_ACT_ALLOW","args":null},
{"names":["clone","ioctl"],"action":"SCMP_ACT_NOTIFY","args":[{"index":0,"value":2114060288,"valueTwo":0,
"op":"SCMP_CMP_MASKED_EQ"},{"index":1,"value":18446744073709551615,"op":"SCMP_CMP_LE"}]},
{"names":["personality","set_tls"],"action":"SCMP_ACT_TRACE","errnoRet":65535,"args":[{"index":5,"value":0,
"op":"SCMP_CMP_NE"},{"index":5,"value":4294967296,"op":"SCMP_CMP_GT"}]}]}"#;

#[test]
fn the_sound_profile_is_one() {
    let profile: spec::seccomp::Seccomp<'_> = serde_json::from_str(PROFILE).unwrap();
    assert!(
        seccomp::compile(
            &profile,
            spec::seccomp::Arch::X86_64,
            seccomp::Kernel::LINUX_5_7
        )
        .is_ok()
    );
    fuzz_profile(PROFILE.as_bytes());
}

fn program() -> Vec<u8> {
    let profile: spec::seccomp::Seccomp<'_> = serde_json::from_str(PROFILE).unwrap();
    let compiled = seccomp::compile(
        &profile,
        spec::seccomp::Arch::X86_64,
        seccomp::Kernel::LINUX_5_7,
    );
    compiled.unwrap().program.to_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_are_changed(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        is_program in any::<bool>(),
    ) {
        let mut bytes = if is_program { program() } else { PROFILE.as_bytes().to_vec() };
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        fuzz_profile(&bytes);
    }

    #[test]
    fn digits_are_changed(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..10u8), 1..20),
    ) {
        let mut bytes = PROFILE.as_bytes().to_vec();
        let digits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
        for (which, digit) in changes {
            bytes[digits[which.index(digits.len())]] = b'0' + digit;
        }
        fuzz_profile(&bytes);
    }
}
