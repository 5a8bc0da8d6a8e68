//! `state.json`: whatever is in it is taken or called damaged, in one line; what is taken comes back.
#![no_main]

use engine::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Nobody guesses a checksum: what comes is read without one as well, as the record's members.
    let sealed = Record::sealed(bytes.strip_suffix(b"}").unwrap_or(bytes).to_vec());
    for text in [bytes, &sealed] {
        match Record::parse("box", text) {
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains("damaged state.json"), "{message}");
                assert!(!message.chars().any(char::is_control), "{message:?}");
            }
            Ok(record) => {
                let _ = record.leaves();
                let text = record.to_json().expect("JSON");
                let again = Record::parse("box", &text).expect("our own words");
                assert_eq!(again.to_json().expect("JSON"), text);
            }
        }
    }
});
