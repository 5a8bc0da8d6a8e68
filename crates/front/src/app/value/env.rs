//! `--env`, `--env-file`, `--label`, `--label-file`, `--annotation`.

use crate::error::{Fault, Parsed};

/// One variable as asked for: set, or taken from (and unset without) the caller's environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable<'a> {
    /// `K=V`
    Set(&'a str, &'a str),
    /// `K` alone
    Inherit(&'a str),
}

/// `K=V` or `K`.
pub fn variable(text: &str) -> Parsed<Variable<'_>> {
    no_nul(text)?;
    match text.split_once('=') {
        Some(("", _)) => Err(Fault::usage("no variable name before the =")),
        Some((name, value)) => Ok(Variable::Set(name, value)),
        None if text.is_empty() => Err(Fault::usage("no variable name")),
        None => Ok(Variable::Inherit(text)),
    }
}

/// The variables of an environment file: `K=V` or `K` on each line, `#` comments, values as they are
/// (quotes too). The fault names the line.
pub fn file(text: &str) -> Parsed<Vec<Variable<'_>>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.trim_start()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(n, line)| file_line(line).map_err(|fault| on_line(n, fault)))
        .collect()
}

fn file_line(line: &str) -> Parsed<Variable<'_>> {
    let parsed = variable(line)?;
    let (Variable::Set(name, _) | Variable::Inherit(name)) = parsed;
    if name.contains(char::is_whitespace) {
        return Err(Fault::usage(format!(
            "variable {name:?} contains white space"
        )));
    }
    Ok(parsed)
}

fn on_line(number: usize, fault: Fault) -> Fault {
    Fault {
        message: format!("line {number}: {}", fault.message),
        ..fault
    }
}

/// `K[=V]` of a label or an annotation; the value is empty where there is none.
pub fn label(text: &str) -> Parsed<(&str, &str)> {
    no_nul(text)?;
    match text.split_once('=').unwrap_or((text, "")) {
        ("", _) => Err(Fault::usage("no name before the =")),
        pair => Ok(pair),
    }
}

/// Refuses a NUL, which ends a string in the kernel but not here.
pub fn no_nul(text: &str) -> Parsed<()> {
    if text.contains('\0') {
        Err(Fault::usage("contains a NUL byte"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        assert_eq!(variable("A=b=c"), Ok(Variable::Set("A", "b=c")));
        assert_eq!(variable("A="), Ok(Variable::Set("A", "")));
        assert_eq!(variable("A"), Ok(Variable::Inherit("A")));
        for text in ["", "=b", "A=\0"] {
            assert!(variable(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn files_as_docker_reads_them() {
        let text = "\u{feff}# comment\n\n  A=1 \nB=\"quoted\"\r\nC\n\t#x\nD=a # b\n_=\n";
        let expected = [
            Variable::Set("A", "1 "),
            Variable::Set("B", "\"quoted\""),
            Variable::Inherit("C"),
            Variable::Set("D", "a # b"),
            Variable::Set("_", ""),
        ];
        assert_eq!(file(text), Ok(expected.to_vec()));
    }

    #[test]
    fn a_bad_line_is_named() {
        assert_eq!(
            file("A=1\n=x").unwrap_err().message,
            "line 2: no variable name before the ="
        );
        let blank = file("A B=1").unwrap_err().message;
        assert_eq!(blank, "line 1: variable \"A B\" contains white space");
    }

    #[test]
    fn labels() {
        assert_eq!(label("a=b"), Ok(("a", "b")));
        assert_eq!(label("a"), Ok(("a", "")));
        assert!(label("=b").is_err());
    }
}
