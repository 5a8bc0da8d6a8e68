//! Which field of a JSON document a byte belongs to.
//!
//! Reading keeps no path: most documents are right, and a path would cost every one of them. When one is
//! wrong the reader says at which byte, and the path is found here by walking the text up to it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// What is open at some byte of a document.
enum Open {
    /// An object, and the bytes of the key whose value it is at.
    Object(Option<Range<usize>>),
    /// A list, and the index of the element it is at.
    List(usize),
}

/// The dotted path, such as `mounts[6].options[0]`, of what ends at or contains the byte before
/// `offset`. Text that is not JSON gives the path up to where it stops being JSON.
pub(crate) fn path_at(text: &[u8], offset: usize) -> String {
    let end = offset.min(text.len());
    let mut open = Vec::new();
    let mut at = 0;
    while at < end {
        match text[at] {
            b'{' => open.push(Open::Object(None)),
            b'[' => open.push(Open::List(0)),
            b'}' | b']' => _ = open.pop(),
            b',' => match open.last_mut() {
                Some(Open::Object(key)) => *key = None,
                Some(Open::List(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let Some(close) = string_end(text, at) else {
                    break;
                };
                if let Some(Open::Object(key @ None)) = open.last_mut() {
                    *key = Some(at + 1..close);
                }
                at = close;
            }
            _ => {}
        }
        at += 1;
    }
    render(text, &open)
}

/// The index of the quote that ends a string, if one does.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    None
}

fn render(text: &[u8], open: &[Open]) -> String {
    let mut path = String::new();
    for open in open {
        match open {
            Open::Object(None) => {}
            Open::Object(Some(key)) => {
                push_key(&mut path, &String::from_utf8_lossy(&text[key.clone()]))
            }
            Open::List(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// Appends a key to a path: plain if it is a plain word, else in brackets and quotes, as in
/// `linux.sysctl["net.ipv4.ip_forward"]`.
pub(crate) fn push_key(path: &mut String, key: &str) {
    const LONGEST: usize = 80;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.len() <= LONGEST && !key.is_empty() && key.chars().all(plain) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        let short: String = key.chars().take(LONGEST).collect();
        path.push_str(&format!("[{short:?}]"));
    }
}

/// The offset of a position as serde_json counts it: lines from 1, columns in bytes of the line.
pub(crate) fn offset_of(text: &[u8], line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].iter().position(|byte| *byte == b'\n') {
            Some(newline) => start += newline + 1,
            None => break,
        }
    }
    (start + column).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> String {
        let offset = text.find('^').expect("a mark");
        let without: String = text.chars().filter(|c| *c != '^').collect();
        path_at(without.as_bytes(), offset)
    }

    #[test]
    fn paths() {
        for (text, path) in [
            ("^", ""),
            ("{^", ""),
            (r#"{"a":^ 1}"#, "a"),
            (r#"{"a": 1^}"#, "a"),
            (r#"{"a": 1, ^"b": 2}"#, ""),
            (r#"{"a": 1, "b"^: 2}"#, "b"),
            (r#"{"a": {"b": {}^}}"#, "a.b"),
            (r#"{"a": {"b": {}}^}"#, "a"),
            (r#"{"a": [1, {"b": [0, 1, "x^"]}]}"#, "a[1].b[2]"),
            (r#"{"a": ["\"],[{", "\\"^]}"#, "a[1]"),
            (r#"{"a": {"net.x/y": ^1}}"#, r#"a["net.x/y"]"#),
            (r#"]]}},,{"a" ^"#, "a"),
            (r#"{"unclosed^"#, ""),
            (r#"{"x\^""#, ""),
        ] {
            assert_eq!(at(text), path, "{text}");
        }
    }

    #[test]
    fn offsets() {
        let text = b"ab\ncd\n\nef";
        assert_eq!(offset_of(text, 1, 0), 0);
        assert_eq!(offset_of(text, 2, 1), 4);
        assert_eq!(offset_of(text, 4, 2), 9);
        assert_eq!(offset_of(text, 9, 9), 9);
    }
}
