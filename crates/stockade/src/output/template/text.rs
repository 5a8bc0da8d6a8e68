//! Values as text, as Go's `%v` shows them.

use std::fmt::Write;

use super::Data;

/// A value as an action prints it.
pub(super) fn shown(value: &Data) -> String {
    match value {
        Data::Nil => "<no value>".to_owned(),
        other => plain(other),
    }
}

/// A value as `print` and `%v` show it.
pub(super) fn plain(value: &Data) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Data) {
    match value {
        Data::Nil => out.push_str("<nil>"),
        Data::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Data::Int(int) => out.push_str(&int.to_string()),
        Data::Float(float) => out.push_str(&shortest(*float)),
        Data::Text(text) => out.push_str(text),
        Data::List(list) => between(out, ("[", "]"), list.iter(), write),
        Data::Map(map) => between(out, ("map[", "]"), map.iter(), |out, (key, value)| {
            let _ = write!(out, "{key}:");
            write(out, value);
        }),
        Data::Record(fields) => between(out, ("{", "}"), fields.iter(), |out, (_, value)| {
            write(out, value)
        }),
    }
}

fn between<T>(
    out: &mut String,
    (open, close): (&str, &str),
    items: impl Iterator<Item = T>,
    mut each: impl FnMut(&mut String, T),
) {
    out.push_str(open);
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(' ');
        }
        each(out, item);
    }
    out.push_str(close);
}

/// The shortest text that reads as the same number; with an exponent when it is very large or small.
pub(super) fn shortest(float: f64) -> String {
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = float.abs();
    if float == 0.0 || (1e-4..1e6).contains(&size) {
        float.to_string()
    } else {
        exponent(&format!("{float:e}"))
    }
}

/// Go writes at least two digits of an exponent, and always its sign.
pub(super) fn exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else {
        return text.to_owned();
    };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// A text in double quotes, with Go's escapes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
