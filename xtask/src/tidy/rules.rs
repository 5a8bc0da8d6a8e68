//! Rules about what may be written where.

use super::Finding;
use super::source::Source;

/// Crates that run before, or instead of, the C library's and the standard library's start-up.
const START_PATH: [&str; 10] = [
    "cgroup", "child", "engine", "net", "ns", "oci", "plan", "seccomp", "spec", "sys",
];
/// Where `unsafe` may stand: `sys`, whose purpose it is, and the binary's entry, which the kernel calls.
const UNSAFE: [&str; 2] = ["crates/sys/", "crates/stockade/src/entry.rs"];
/// Who may print.
const PRINTERS: [&str; 3] = ["crates/stockade", "bench", "xtask"];
/// What a pure function cannot reach.
const IMPURE: [&str; 9] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time",
    "rustix::",
    "sys::",
    "libc::",
];

/// Rules for every text file.
pub(super) fn any_text(path: &str, text: &str) -> Vec<Finding> {
    // In halves, so that this file does not break its own rule.
    let machine = [
        concat!("/wo", "rk/"),
        concat!("/tmp/", "target"),
        concat!("/root/", ".cargo"),
    ];
    let unfinished = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X "),
    ];
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(word) = machine.iter().find(|word| line.contains(**word)) {
            findings.push(Finding::at(
                path,
                number,
                format!("a path of one machine: {word}"),
            ));
        }
        let marked = unfinished.iter().find(|word| line.contains(**word));
        if let Some(word) = marked.filter(|_| path.ends_with(".rs") || path.ends_with(".c")) {
            findings.push(Finding::at(
                path,
                number,
                format!("{word}: finish it, or file an issue"),
            ));
        }
    }
    findings
}

/// Rules for one Rust file.
pub(super) fn source(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let may_print = PRINTERS.contains(&source.package()) || source.path.ends_with("build.rs");
    for (number, line) in (1..).zip(source.code.lines()) {
        let mut found = |what: &str| findings.push(Finding::at(&source.path, number, what));
        for mark in ["todo!", "unimplemented!", "dbg!"] {
            if has_word(line, mark) {
                found(&format!("{mark}: finish it"));
            }
        }
        if has_word(line, "#[ignore") {
            found("an ignored test: fix it, or take it out");
        }
    }
    for (number, line) in (1..).zip(source.shipped.lines()) {
        let mut found = |what: &str| findings.push(Finding::at(&source.path, number, what));
        if has_word(line, "unsafe") && !UNSAFE.iter().any(|path| source.path.starts_with(path)) {
            found("unsafe outside crates/sys and the entry");
        }
        let prints = ["println!", "eprintln!", "print!", "eprint!"];
        if !may_print && prints.iter().any(|print| has_word(line, print)) {
            found("only the binary prints: return it");
        }
        let impure = IMPURE.iter().find(|name| has_word(line, name));
        if let Some(name) = impure.filter(|_| source.path.starts_with("crates/plan/")) {
            found(&format!("{name} in plan, which does no I/O"));
        }
        if let Some(name) = vague_type(line) {
            found(&format!(
                "{name}: say what it is, not that it manages or helps"
            ));
        }
    }
    findings.extend(test_names(source));
    findings.extend(vague_file(source));
    findings
}

/// `word` in `line`, not as part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let closed = |side: Option<char>, edge: Option<char>| {
            !(side.is_some_and(in_name) && edge.is_some_and(in_name))
        };
        closed(line[..at].chars().next_back(), word.chars().next())
            && closed(
                line[at + word.len()..].chars().next(),
                word.chars().next_back(),
            )
    })
}

/// A type of our own whose name says nothing.
fn vague_type(line: &str) -> Option<&str> {
    let words: Vec<&str> = line
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|w| !w.is_empty())
        .collect();
    let named = words
        .windows(2)
        .find(|pair| matches!(pair[0], "struct" | "enum" | "trait"))?[1];
    ["Manager", "Helper", "Util", "Utils", "Context", "Builder"]
        .iter()
        .any(|end| named.ends_with(end))
        .then_some(named)
}

fn vague_file(source: &Source) -> Option<Finding> {
    let name = source.path.rsplit('/').next()?;
    let vague = [
        "utils.rs",
        "util.rs",
        "common.rs",
        "helpers.rs",
        "helper.rs",
        "misc.rs",
    ];
    vague.contains(&name).then(|| {
        Finding::about(
            &source.path,
            "a file is named after the facility it has to do with",
        )
    })
}

/// A test's name is a sentence about behaviour.
fn test_names(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut after_test = false;
    for (number, line) in (1..).zip(source.code.lines()) {
        let line = line.trim();
        if line == "#[test]" {
            after_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| after_test) {
            after_test = false;
            let name = rest.split('(').next().unwrap_or_default();
            if name.starts_with("test_") || name == "test" || name == "it_works" {
                let what = format!("test {name}: name what is true, not that it is a test");
                findings.push(Finding::at(&source.path, number, what));
            }
        }
    }
    findings
}

/// Rules for the file a crate starts with.
pub(super) fn roots(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let package = source.package();
        let root = [
            format!("{package}/src/lib.rs"),
            format!("{package}/src/main.rs"),
        ];
        if !root.contains(&source.path) {
            continue;
        }
        let mut wanted = |has: bool, what: &str| {
            if !has {
                findings.push(Finding::about(&source.path, what));
            }
        };
        let name = package.trim_start_matches("crates/");
        let binary = source.path.ends_with("main.rs");
        wanted(
            source.text.starts_with("//!"),
            "no //! line says what the crate is",
        );
        // The binary denies it instead, so that its entry alone can allow it.
        let rule = if name == "stockade" { "deny" } else { "forbid" };
        let rule = format!("#![{rule}(unsafe_code)]");
        wanted(
            name == "sys" || source.code.contains(&rule),
            &format!("{rule} is missing"),
        );
        wanted(
            binary || !START_PATH.contains(&name) || source.code.contains("#![no_std]"),
            "#![no_std] is missing on the start path of a container",
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let source = Source::new(path, text.to_owned());
        super::source(&source)
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn unsafe_stands_in_sys_alone() {
        assert!(found("crates/sys/src/a.rs", "unsafe { f() }").is_empty());
        assert_eq!(found("crates/plan/src/a.rs", "unsafe { f() }").len(), 1);
        assert!(found("crates/plan/src/a.rs", "// unsafe\n#![forbid(unsafe_code)]").is_empty());
    }

    #[test]
    fn plan_reaches_nothing_outside_but_its_tests_may() {
        assert_eq!(found("crates/plan/src/a.rs", "use sys::file;").len(), 1);
        assert!(found("crates/plan/src/a.rs", "use bad_sys::file;").is_empty());
        let tests = "#[cfg(test)]\nmod tests { use std::fs; }";
        assert!(found("crates/plan/src/a.rs", tests).is_empty());
    }

    #[test]
    fn only_the_binary_prints() {
        assert_eq!(found("crates/engine/src/a.rs", "println!(\"x\")").len(), 1);
        assert!(found("crates/stockade/src/a.rs", "println!(\"x\")").is_empty());
        assert!(found("crates/engine/build.rs", "println!(\"cargo::x\")").is_empty());
    }

    #[test]
    fn a_test_is_named_by_what_is_true() {
        assert_eq!(
            found("crates/x/src/a.rs", "#[test]\nfn test_parse() {}").len(),
            1
        );
        assert!(found("crates/x/src/a.rs", "#[test]\nfn a_sign_is_refused() {}").is_empty());
    }

    #[test]
    fn a_type_says_what_it_is() {
        assert_eq!(
            found("crates/x/src/a.rs", "pub struct MountManager;").len(),
            1
        );
        assert!(found("crates/x/src/a.rs", "pub struct Mount;").is_empty());
    }

    #[test]
    fn unfinished_work_and_machine_paths_are_seen_in_text() {
        let unfinished = concat!("// TO", "DO: more");
        assert_eq!(any_text("a.rs", unfinished).len(), 1);
        assert_eq!(any_text("a.md", concat!("see /wo", "rk/x")).len(), 1);
        assert!(any_text("a.rs", "// done").is_empty());
    }
}
