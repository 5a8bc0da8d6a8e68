//! Rules about size: what does not fit a reader's head gets split.

use super::Finding;
use super::source::{Source, item_end};

/// Lines of a file, tests included.
const FILE: usize = 900;
/// Lines of a function, from its name to its closing brace. A test may hold a table.
const FUNCTION: usize = 100;

/// Finds files and functions that are too long.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE {
        findings.push(Finding::about(
            &source.path,
            format!("{lines} lines (at most {FILE})"),
        ));
    }
    for (name, line, lines) in functions(&source.shipped) {
        if lines > FUNCTION {
            let what = format!("fn {name}: {lines} lines (at most {FUNCTION})");
            findings.push(Finding::at(&source.path, line, what));
        }
    }
    findings
}

/// Name, first line and length of each function that has a body.
fn functions(code: &str) -> Vec<(&str, usize, usize)> {
    let mut functions = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let rest = &code[at + 3..];
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(0);
        let own_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if end == 0 || !own_word {
            continue;
        }
        let body = &code[at..item_end(code, at)];
        functions.push((
            &rest[..end],
            code[..at].lines().count().max(1),
            body.lines().count(),
        ));
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_to_their_closing_brace() {
        let code = "fn a() {\n  b()\n}\ntrait T { fn c(); }\nlet f: fn (u8) = x;";
        assert_eq!(functions(code), [("a", 1, 3), ("c", 4, 1)]);
    }

    #[test]
    fn a_long_function_is_found_by_name() {
        let text = format!("fn long() {{\n{}}}\n", "x();\n".repeat(FUNCTION));
        let findings = check(&Source::new("crates/x/src/a.rs", text));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.starts_with("fn long: 102 lines"));
    }
}
