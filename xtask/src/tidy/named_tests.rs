//! Tables that name tests: each of those tests is there.

use super::Finding;
use super::source::Source;
use std::collections::BTreeSet;

/// Pages whose tables' last column tells what test shows what the row says.
const PAGES: [&str; 3] = [
    "docs/mission.md",
    "docs/past-cves.md",
    "docs/security-rules.md",
];

/// Finds names of tests that are no test's.
pub(super) fn check(pages: &[(String, String)], sources: &[Source]) -> Vec<Finding> {
    let tests: BTreeSet<&str> = sources.iter().flat_map(tests_of).collect();
    let mut findings = Vec::new();
    for page in PAGES {
        let Some((_, text)) = pages.iter().find(|(path, _)| path == page) else {
            findings.push(Finding::about(
                page,
                "is gone, with the tests that it names",
            ));
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            let unknown = named(line).filter(|name| !tests.contains(name));
            findings.extend(
                unknown.map(|name| Finding::at(page, number, format!("there is no test {name}"))),
            );
        }
    }
    findings
}

/// The names of tests in the last column of a table's row: in backquotes, perhaps with their module, with an
/// underscore by which they are told from other words.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let row = line.strip_prefix('|').and_then(|row| row.strip_suffix('|'));
    let cell = row
        .and_then(|row| row.rsplit(" | ").next())
        .unwrap_or_default();
    let quoted = cell.split('`').skip(1).step_by(2);
    let names = quoted.map(|word| word.rsplit("::").next().unwrap_or(word));
    names.filter(|name| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.contains('_') && name.chars().all(plain)
    })
}

/// The functions that stand below `#[test]`, and perhaps below more attributes.
fn tests_of(source: &Source) -> Vec<&str> {
    let mut names = Vec::new();
    let mut after_test = false;
    for line in source.code.lines().map(str::trim) {
        if line == "#[test]" {
            after_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| after_test) {
            after_test = false;
            names.extend(rest.split('(').next());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_last_column() {
        let row = "| `not_this` | by `a_test`, `module::another_one`; `oci/file_name.rs` `hooks` |";
        assert_eq!(named(row).collect::<Vec<_>>(), ["a_test", "another_one"]);
        assert_eq!(named("text with `a_test`").count(), 0);
    }

    #[test]
    fn a_name_without_its_test_is_found() {
        let code = "#[test]\n#[allow(x)]\nfn there_it_is() {}\nfn not_a_test() {}\n";
        let sources = [Source::new("crates/x/tests/a.rs", code.to_owned())];
        let text = "| a | `there_it_is`, `not_a_test` |\n";
        let pages = PAGES.map(|page| (page.to_owned(), text.to_owned()));
        let found = check(&pages, &sources);
        assert_eq!(found.len(), PAGES.len());
        assert!(
            found
                .iter()
                .all(|one| one.what == "there is no test not_a_test")
        );
        assert_eq!(check(&[], &sources).len(), PAGES.len());
    }
}
