//! `config.json`: whatever comes in is refused in one line, or becomes a plan whose script is sound.
#![no_main]

use std::fmt::Write;

use engine::plan::{Act, Plan, Slot, Slots, encode};
use engine::{Engine, Options, Terminal};
use libfuzzer_sys::{Corpus, fuzz_target};
use spec::Spec;

/// Descriptors of nothing: no script of these runs is run.
struct NoSlots;

impl Slots for NoSlots {
    fn descriptor(&self, _: Slot) -> i32 {
        7
    }
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let spec = match Spec::parse(bytes) {
        Ok(spec) => spec,
        Err(error) => {
            one_line(&error.to_string());
            return Corpus::Keep;
        }
    };
    // Names of capabilities that nobody knows are not written again.
    let written = spec.to_json();
    let again = Spec::parse(&written).expect("our own words");
    assert_eq!(again.to_json(), written);
    let engine = Engine::new("/nonexistent");
    let mut options = Options::new("box", "/bundle", &spec, bytes);
    options.terminal = Terminal::Caller;
    for act in [Act::Run, Act::Create] {
        let planned = engine::plan_of(&engine, &options, act, |plan| {
            words(plan);
            script(plan);
            Ok(())
        });
        if let Err(error) = planned {
            one_line(&error.to_string());
        }
    }
    Corpus::Keep
});

fn one_line(message: &str) {
    assert!(!message.is_empty());
    assert!(
        !message.chars().any(char::is_control),
        "more than a line: {message:?}"
    );
}

/// Every step can be said.
fn words(plan: &Plan<'_>) {
    let mut text = String::new();
    for step in &plan.host {
        write!(text, "{} {}", step.act, step.origin).expect("a text");
    }
    for step in &plan.child {
        write!(text, "{} {}", step.act, step.origin).expect("a text");
    }
}

fn script(plan: &Plan<'_>) {
    let script = encode(plan, &NoSlots).finish(-1, u32::MAX, 0);
    let size = u32::from_ne_bytes(script[4..8].try_into().expect("four bytes"));
    assert_eq!(u64::from(size), script.len() as u64);
}
