//! Rust source, as far as rules need to understand it: comments, strings, tests, crates.

/// One Rust file.
pub(crate) struct Source {
    /// Relative to the workspace.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// The same length and lines, with the insides of comments, strings and chars blanked.
    pub(crate) code: String,
    /// `code` with test modules blanked as well; empty for a file of tests.
    pub(crate) shipped: String,
}

impl Source {
    /// Reads `text` as Rust.
    pub(crate) fn new(path: &str, text: String) -> Self {
        let code = blank(&text);
        let shipped = if is_test_file(path) {
            String::new()
        } else {
            without_tests(&code)
        };
        Self {
            path: path.to_owned(),
            text,
            code,
            shipped,
        }
    }

    /// The directory that the file's crate lies in: `crates/plan`, `xtask`.
    pub(crate) fn package(&self) -> &str {
        let depth = if self.path.starts_with("crates/") {
            2
        } else {
            1
        };
        let end = self
            .path
            .match_indices('/')
            .nth(depth - 1)
            .map_or(0, |(end, _)| end);
        &self.path[..end]
    }
}

/// Files that are no part of what ships: tests, benches, examples.
fn is_test_file(path: &str) -> bool {
    path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.contains("/benches/")
        || path.contains("/examples/")
        || path.starts_with("fuzz/")
}

/// Blanks everything that is not code.
pub(crate) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !ends_in_name(&out) => prefixed(rest),
            '\'' => char_literal(rest),
            _ => 0,
        };
        if length == 0 {
            out.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        }
        let (skipped, after) = rest.split_at(length);
        out.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = after;
    }
    out
}

fn ends_in_name(out: &str) -> bool {
    out.ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of the string literal that `rest` starts with.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br#"…"#`, `c"…"`, `b'…'`; 0 when it is a name.
fn prefixed(rest: &str) -> usize {
    let letters = rest
        .find(|c| !matches!(c, 'r' | 'b' | 'c'))
        .unwrap_or(rest.len());
    let (prefix, after) = rest.split_at(letters);
    if letters > 2 {
        return 0;
    }
    if !prefix.contains('r') {
        return match after.chars().next() {
            Some('"') => letters + string(after),
            Some('\'') if prefix == "b" => letters + char_literal(after),
            _ => 0,
        };
    }
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = letters + hashes + 1;
    rest[body..]
        .find(&close)
        .map_or(rest.len(), |at| body + at + close.len())
}

/// The length of a char literal; 0 for a lifetime.
fn char_literal(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// Blanks `#[cfg(test)]` items that have a body.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mut from = 0;
    while let Some(found) = out[from..].find("#[cfg(test)]") {
        let start = from + found;
        let end = item_end(&out, start);
        let blanked: String = out[start..end]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        out.replace_range(start..end, &blanked);
        from = start + blanked.len();
    }
    out
}

/// Where the item that starts at `start` ends: behind its `;` or its closing brace.
pub(crate) fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0usize;
    for (at, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return start + at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return start + at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        let text = r##"let a = "unsafe // \" x"; // unsafe
let b = r#"unsafe "quoted" "#; let c = 'u'; let d = '\''; fn f<'a>(x: &'a str) {} /* a /* b */ c */ let e = b"z";"##;
        let code = blank(text);
        assert!(!code.contains("unsafe") && !code.contains('z'), "{code}");
        assert!(code.contains("fn f<'a>(x: &'a str) {}"), "{code}");
        assert!(code.contains("let e = "), "{code}");
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn a_raw_name_is_no_raw_string() {
        assert_eq!(
            blank("r#type = br(1); car = 2;"),
            "r#type = br(1); car = 2;"
        );
    }

    #[test]
    fn modules_of_tests_are_not_shipped() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}";
        let source = Source::new("crates/x/src/lib.rs", text.to_owned());
        let left: Vec<&str> = source.shipped.split_whitespace().collect();
        assert_eq!(left.join(" "), "fn a() {} fn c() {} fn d() {}");
    }

    #[test]
    fn a_package_is_the_directory_of_its_manifest() {
        let package = |path| Source::new(path, String::new()).package().to_owned();
        assert_eq!(package("crates/plan/src/a/b.rs"), "crates/plan");
        assert_eq!(package("xtask/src/main.rs"), "xtask");
    }
}
