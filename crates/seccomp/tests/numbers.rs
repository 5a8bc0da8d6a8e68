//! The table of numbers against libseccomp's.
#![allow(missing_docs, unreachable_pub)]

mod support;

use seccomp::Abi;
use support::oracle::Oracle;

/// What libseccomp does not know may be newer than it; what it knows must be the same.
#[test]
fn libseccomp_has_the_same_numbers() {
    let Some(mut oracle) = Oracle::start("numbers") else {
        return;
    };
    let mut same = 0;
    for name in seccomp::names() {
        for abi in [Abi::X86_64, Abi::X32, Abi::X86, Abi::Aarch64, Abi::Arm] {
            let theirs = oracle.number(abi, name);
            let ours = abi.number_of(name).map(i64::from);
            match (ours, theirs) {
                (Some(ours), 0..) if ours == theirs => same += 1,
                (None, ..=-1) => {}
                // libseccomp's own numbers for what can go through socketcall or ipc.
                (_, -224..=-100) if abi == Abi::X86 => {}
                // Another name of arm_sync_file_range.
                (Some(_), ..=-1) if is_newer(name) || name == "sync_file_range2" => {}
                other => panic!("{abi:?} {name}: {other:?}"),
            }
        }
    }
    assert!(same > 1700, "{same}");
}

/// Since 5.17, which Debian 12's libseccomp knows.
fn is_newer(name: &str) -> bool {
    Abi::X86_64
        .number_of(name)
        .is_some_and(|number| number > 448 || number == 335 || number == 336)
}
