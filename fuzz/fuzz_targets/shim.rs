//! What containerd sends to the shim, framed by the fuzzer or by us: no panic, and no byte is read twice or left.
#![no_main]

use libfuzzer_sys::fuzz_target;

const METHODS: [&str; 17] = [
    "State", "Create", "Start", "Delete", "Pids", "Pause", "Resume", "Checkpoint", "Kill", "Exec",
    "ResizePty", "CloseIO", "Update", "Wait", "Stats", "Connect", "Shutdown",
];

fuzz_target!(|bytes: &[u8]| {
    assert!(shim::fuzzed::requests(bytes) <= bytes.len());
    let Some((method, payload)) = bytes.split_first() else {
        return;
    };
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let framed = shim::fuzzed::framed(1, method, payload);
    assert_eq!(shim::fuzzed::requests(&framed), 0);
});
