//! jail.conf: whatever is in it and in what it includes is refused in one line, soon, or becomes a sound Spec.
#![no_main]

use front::error::{Fault, Parsed};
use front::jail::conf::{Conf, Files};
use front::jail::{Host, lower};
use libfuzzer_sys::fuzz_target;
use spec::Spec;

const MAIN: &str = "/jail.conf";

/// The files of a run: the first is the main one, the others are `/0`, `/1`, …
struct Shelf<'b>(Vec<&'b [u8]>);

impl Files for Shelf<'_> {
    fn text(&self, path: &str) -> Parsed<String> {
        let number = match path {
            MAIN => Some(0),
            path => path.strip_prefix('/').and_then(|number| number.parse::<u16>().ok()).map(|number| usize::from(number) + 1),
        };
        let found = number.and_then(|number| self.0.get(number));
        let text = found.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        text.ok_or_else(|| Fault::not_found("not there"))
    }

    fn matching(&self, _: &str) -> Vec<String> {
        (0..self.0.len() - 1).map(|number| format!("/{number}")).collect()
    }
}

fuzz_target!(|bytes: &[u8]| {
    let shelf = Shelf(bytes.split(|byte| *byte == 0xff).collect());
    let conf = match Conf::read(MAIN, &shelf) {
        Ok(conf) => conf,
        Err(error) => return one_line(&error.to_string()),
    };
    for jail in conf.jails().iter().take(4) {
        let lowered = conf.values(jail).and_then(|values| lower(&values, &Host::default()));
        match lowered {
            Err(error) => one_line(&error.to_string()),
            Ok(lowered) => {
                let written = lowered.spec.to_json();
                let again = Spec::parse(&written).expect("our own words");
                assert_eq!(again.to_json(), written);
            }
        }
    }
});

fn one_line(message: &str) {
    assert!(!message.is_empty());
    assert!(!message.chars().any(char::is_control), "more than a line: {message:?}");
}
