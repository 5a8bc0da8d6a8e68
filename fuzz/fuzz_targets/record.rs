//! `state.json`: whatever is in it is taken or called damaged, in one line; what is taken comes back.
#![no_main]

use engine::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Record::parse("box", bytes) {
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains("damaged state.json"), "{message}");
            assert!(!message.chars().any(char::is_control), "{message:?}");
        }
        Ok(record) => {
            let _ = record.leaves();
            let text = serde_json::to_vec(&record).expect("JSON");
            let again = Record::parse("box", &text).expect("our own words");
            assert_eq!(serde_json::to_vec(&again).expect("JSON"), text);
        }
    }
});
