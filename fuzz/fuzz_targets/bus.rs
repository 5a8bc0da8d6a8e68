//! What comes over D-Bus: no panic, and every message takes bytes away; what we send we could read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use systemd::message::{Call, Message};
use systemd::wire::{Reader, is_sendable};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((message, len))) = Message::decode(rest) {
        assert!(len >= 16 && len <= rest.len());
        let _ = message.words();
        arguments(message.signature, message.body());
        rest = &rest[len..];
    }
    called(bytes);
});

/// Reads a body as its signature, or the fuzzer's, has it.
fn arguments(signature: &str, mut body: Reader<'_>) {
    for kind in signature.bytes() {
        let read = match kind {
            b's' | b'o' => body.text().map(drop),
            b'g' | b'v' => body.signature().map(drop),
            b'y' => body.byte().map(drop),
            _ => body.u32().map(drop),
        };
        if read.is_err() {
            return;
        }
    }
}

fn called(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if !is_sendable(text) {
        return;
    }
    let call = Call {
        destination: "a.b",
        path: text,
        interface: "a.b",
        member: text,
        signature: "",
    };
    let sent = call.encode(1, bytes);
    let (message, len) = Message::decode(&sent).expect("ours").expect("all of it");
    assert_eq!((message.member, len), (text, sent.len()));
}
