//! `cargo xtask tidy`: the invariants of ARCHITECTURE.md that a machine can check.
//!
//! A rule looks at source text with comments and strings blanked out (`source`), or at manifests
//! (`manifests`), and says where it is broken. There is no list of exceptions beside the rules: what a
//! rule allows is written in it.

mod manifests;
mod named_tests;
mod rules;
mod shape;
mod source;

use source::Source;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a rule is broken, and how.
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    /// A finding at a line, counted from 1.
    pub(crate) fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }

    /// A finding about a whole file.
    pub(crate) fn about(path: &str, what: impl Into<String>) -> Self {
        Self::at(path, 1, what)
    }
}

/// Checks the whole tree; the error lists all that was found.
pub(crate) fn check() -> Result<(), String> {
    let root = root();
    let paths = tracked(&root)?;
    let mut findings = Vec::new();
    let (mut sources, mut pages) = (Vec::new(), Vec::new());
    for path in &paths {
        // A file that is listed but gone is one being removed.
        let Ok(text) = std::fs::read_to_string(root.join(path)) else {
            continue;
        };
        findings.extend(rules::any_text(path, &text));
        if path.ends_with(".rs") {
            sources.push(Source::new(path, text));
        } else if path.ends_with(".md") {
            pages.push((path.clone(), text));
        }
    }
    for source in &sources {
        findings.extend(rules::source(source));
        findings.extend(shape::check(source));
    }
    findings.extend(rules::roots(&sources));
    findings.extend(named_tests::check(&pages, &sources));
    findings.extend(manifests::check(&root)?);
    if findings.is_empty() {
        println!(
            "tidy: {} files, {} of them Rust: as they should be",
            paths.len(),
            sources.len()
        );
        return Ok(());
    }
    findings.sort_by(|one, other| (&one.path, one.line).cmp(&(&other.path, other.line)));
    let lines = findings
        .iter()
        .map(|finding| format!("{}:{}: {}\n", finding.path, finding.line, finding.what));
    Err(lines
        .chain([format!("tidy: {} found", findings.len())])
        .collect())
}

/// The workspace's directory.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file that is, or is about to be, part of the tree.
fn tracked(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}
