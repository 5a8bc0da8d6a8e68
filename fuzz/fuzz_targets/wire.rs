//! Protocol buffers, and criu's answers: no panic; what is read, written again, is read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{Fields, Malformed, Message, Value};

fuzz_target!(|bytes: &[u8]| {
    let _ = engine::is_answer(bytes);
    read(bytes, 0);
});

/// Everything that could be a message in a message, too.
fn read(bytes: &[u8], depth: u32) {
    let mut again = Message::new();
    let mut told: Vec<(u64, Value<'_>)> = Vec::new();
    let read_all = Fields(bytes).each(|field, value| {
        let _ = (value.text(), value.word(), value.flag());
        told.push((field, value));
        Ok(())
    });
    if read_all.is_err() {
        return;
    }
    for (field, value) in &told {
        if let (Value::Bytes(inner), true) = (value, depth < 8) {
            read(inner, depth + 1);
        }
        // The writer knows fields of one byte, which is all that there are.
        let Ok(field) = u8::try_from(*field) else {
            return;
        };
        again = match value {
            Value::Number(number) => again.required(field, *number),
            Value::Bytes(inner) => again.message(field, &Message(inner.to_vec())),
        };
    }
    let mut left = told.iter();
    let same: Result<(), Malformed> = Fields(&again.0).each(|field, value| {
        assert_eq!(left.next(), Some(&(field, value)));
        Ok(())
    });
    assert!(same.is_ok() && left.next().is_none());
}
