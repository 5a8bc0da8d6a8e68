//! From the text of a document to a [`Spec`], and back.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::locate::{offset_of, path_at, push_key};
use crate::strict::Strict;
use crate::{Error, Kind, Process, Resources, Spec};

/// The longest document that is read, in bytes. Real ones have 3 to 100 KB; what engines put into
/// annotations is at most some 256 KB.
pub const MAX_LEN: usize = 16 << 20;

impl<'a> Spec<'a> {
    /// Reads a document; what it returns borrows from the text.
    ///
    /// It only finds mistakes of form: of JSON, of types, of names in closed lists. [`Spec::check`] finds
    /// the others.
    pub fn parse(text: &'a [u8]) -> Result<Self, Error> {
        parse(text)
    }

    /// Writes the document in one line. What is absent is not written.
    pub fn to_json(&self) -> Vec<u8> {
        compact(self)
    }

    /// Writes the document indented by tabs, as `runc spec` does, without a newline at its end.
    pub fn to_json_pretty(&self) -> Vec<u8> {
        tabs(&indented(self))
    }
}

impl<'a> Process<'a> {
    /// Reads a document that is only a process, as `exec --process` gets one. Its errors name places
    /// within the process.
    pub fn parse(text: &'a [u8]) -> Result<Self, Error> {
        parse(text)
    }
}

impl<'a> Resources<'a> {
    /// Reads a document that is only resources, as `update --resources` gets one. Its errors name places
    /// within the resources.
    pub fn parse(text: &'a [u8]) -> Result<Self, Error> {
        parse(text)
    }
}

/// A value of ours in one line.
pub(crate) fn compact<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value)
        .expect("our types have string keys only, and memory takes all that is written")
}

/// A value of ours indented by two spaces.
pub(crate) fn indented<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value)
        .expect("our types have string keys only, and memory takes all that is written")
}

/// Turns each two spaces of indentation into a tab. No line of JSON begins within a string.
fn tabs(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        out.resize(out.len() + indent / 2, b'\t');
        out.extend_from_slice(&line[indent..]);
    }
    out
}

/// Reads a document of any type of ours, with the limits and the errors of [`Spec::parse`].
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Error> {
    if text.len() > MAX_LEN {
        let message = format!(
            "{} bytes are more than the {MAX_LEN} that are read",
            text.len()
        );
        return Err(Error::new(Kind::Syntax, "", message));
    }
    // Once for all of it, instead of string by string; this also covers the fields that are ignored.
    let valid = core::str::from_utf8(text).map_err(|error| not_utf8(text, error.valid_up_to()))?;
    read(valid).map_err(|error| explain(text, &error))
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Strict(&mut json))?;
    json.end()?;
    Ok(value)
}

#[cold]
fn not_utf8(text: &[u8], valid: usize) -> Error {
    Error::new(
        Kind::Syntax,
        path_at(text, valid),
        format!("not UTF-8 (byte {valid} of the file)"),
    )
}

/// Says in words, and with the field's path, what serde_json says with a line and a column.
#[cold]
fn explain(text: &[u8], error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    let said = error.to_string();
    let position = format!(" at line {line} column {column}");
    let said = said.strip_suffix(position.as_str()).unwrap_or(&said);
    let place = path_at(text, offset_of(text, line, column));
    match error.classify() {
        Category::Data => wrong_value(place, said),
        _ => {
            let said = said.replace("EOF while parsing", "the file ends within");
            not_json(
                text,
                place,
                format!("not JSON: {said} (line {line}, column {column})"),
            )
        }
    }
}

fn not_json(text: &[u8], place: String, said: String) -> Error {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Error::new(Kind::Syntax, "", "the file is empty");
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Error::new(
            Kind::Syntax,
            "",
            "the file begins with a byte order mark, which is not JSON",
        )
        .hint("save it as UTF-8 without a BOM");
    }
    Error::new(Kind::Syntax, place, said)
}

/// The words for a value that JSON allows and we do not.
///
/// What it found is the document's own text: control characters of it stay out of messages.
fn wrong_value(place: String, said: &str) -> Error {
    let mut error = classified(place, said);
    if error.message.contains(char::is_control) {
        error.message = printable(&error.message);
    }
    error
}

fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn classified(mut place: String, said: &str) -> Error {
    if let Some(field) = quoted(said, "missing field ") {
        push_key(&mut place, field);
        return Error::new(Kind::Missing, place, "required, but missing");
    }
    if quoted(said, "duplicate field ").is_some() {
        return Error::new(Kind::Conflict, place, "given twice");
    }
    if said.starts_with("duplicate key ") {
        return Error::new(Kind::Conflict, place, said);
    }
    if let Some(rest) = said.strip_prefix("unknown variant ") {
        return Error::new(Kind::Unknown, place, format!("unknown value {rest}"));
    }
    if said.starts_with("unknown ") {
        return Error::new(Kind::Unknown, place, said);
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some((got, expected)) = said
            .strip_prefix(prefix)
            .and_then(|rest| rest.rsplit_once(", expected "))
        {
            let message = format!(
                "expected {}, not {}",
                name_expected(expected),
                name_found(got)
            );
            return Error::new(Kind::Invalid, place, message);
        }
    }
    Error::new(Kind::Invalid, place, said)
}

fn quoted<'t>(said: &'t str, prefix: &str) -> Option<&'t str> {
    said.strip_prefix(prefix)?
        .strip_prefix('`')?
        .strip_suffix('`')
}

/// serde names what it expects by its Rust type.
fn name_expected(expected: &str) -> String {
    match expected {
        "u8" => integers(0, u8::MAX),
        "u16" => integers(0, u16::MAX),
        "u32" => integers(0, u32::MAX),
        "u64" => integers(0, u64::MAX),
        "i32" => integers(i32::MIN, i32::MAX),
        "i64" => integers(i64::MIN, i64::MAX),
        "a sequence" => "a list".into(),
        "a boolean" => "`true` or `false`".into(),
        _ if expected.starts_with("enum ") => "a string, one of a list".into(),
        _ if expected.starts_with("struct ") => "an object".into(),
        _ => expected.into(),
    }
}

fn integers<N: core::fmt::Display>(first: impl core::fmt::Display, last: N) -> String {
    format!("an integer from {first} to {last}")
}

/// serde names what it finds by its model of data.
fn name_found(found: &str) -> String {
    const LONGEST: usize = 60;
    match found {
        "sequence" => return "a list".into(),
        "map" => return "an object".into(),
        _ => {}
    }
    let found = ["integer ", "floating point ", "boolean "]
        .iter()
        .find_map(|kind| found.strip_prefix(kind))
        .map_or(found, |number| number.trim_matches('`'));
    let found = found.replacen(
        "string ",
        "the string ",
        usize::from(found.starts_with("string ")),
    );
    if found.chars().count() <= LONGEST {
        found
    } else {
        found.chars().take(LONGEST).chain("…".chars()).collect()
    }
}
