//! `printf`: Go's verbs and flags. What Go would mark inside its output, such as a verb that does
//! not fit its value, is a fault here.

use super::eval::Value;
use super::{Data, text};

/// The greatest width and precision.
pub(super) const WIDEST: usize = 4096;

/// `%-08.3v`: one directive.
#[derive(Default)]
struct Directive {
    left: bool,
    plus: bool,
    alternate: bool,
    space: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    verb: char,
}

/// The text that `format` makes of `values`; a fault is one line.
pub(super) fn printf(format: &str, values: &[Value<'_>]) -> Result<String, String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        let (directive, after) = directive(&rest[percent + 1..])?;
        rest = after;
        if directive.verb == '%' {
            out.push('%');
            continue;
        }
        let value = values
            .next()
            .ok_or_else(|| format!("no value is left for %{}", directive.verb))?;
        let text = directive.text(value)?;
        directive.put(&mut out, &text, value);
    }
    out.push_str(rest);
    match values.len() {
        0 => Ok(out),
        left => Err(format!("{left} value(s) too many")),
    }
}

/// Parses what follows a percent sign; returns what follows the verb.
fn directive(text: &str) -> Result<(Directive, &str), String> {
    let mut directive = Directive::default();
    let mut rest = text;
    while let Some(flag) = rest.chars().next().filter(|c| "-+# 0".contains(*c)) {
        match flag {
            '-' => directive.left = true,
            '+' => directive.plus = true,
            '#' => directive.alternate = true,
            ' ' => directive.space = true,
            _ => directive.zeros = true,
        }
        rest = &rest[1..];
    }
    if let Some(width) = digits(&mut rest)? {
        directive.width = width;
    }
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        directive.precision = Some(digits(&mut rest)?.unwrap_or(0));
    }
    let verb = rest.chars().next().ok_or("the format ends within a %")?;
    directive.verb = verb;
    Ok((directive, &rest[verb.len_utf8()..]))
}

fn digits(rest: &mut &str) -> Result<Option<usize>, String> {
    let length = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (digits, after) = rest.split_at(length);
    *rest = after;
    if digits.is_empty() {
        return Ok(None);
    }
    match digits.parse() {
        Ok(number) if number <= WIDEST => Ok(Some(number)),
        _ => Err(format!("width {digits} is more than {WIDEST}")),
    }
}

impl Directive {
    fn text(&self, value: &Data) -> Result<String, String> {
        match (self.verb, value) {
            ('v', Data::Int(_)) => self.int(value),
            ('v', Data::Text(text)) if self.alternate => Ok(text::quoted(text)),
            ('v', _) => Ok(text::plain(value)),
            ('s', Data::Text(text)) => Ok(self.cut(text)),
            ('s', Data::List(_) | Data::Map(_)) => Ok(text::plain(value)),
            ('q', Data::Text(text)) => Ok(text::quoted(&self.cut(text))),
            ('q', Data::List(list)) => {
                let items: Result<Vec<_>, _> = list.iter().map(|item| self.text(item)).collect();
                Ok(format!("[{}]", items?.join(" ")))
            }
            ('x' | 'X', Data::Text(text)) => {
                let hex = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                Ok(self.upper(hex))
            }
            ('t', Data::Bool(bool)) => Ok(bool.to_string()),
            ('c', Data::Int(int)) => {
                let c = u32::try_from(*int).ok().and_then(char::from_u32);
                Ok(c.unwrap_or(char::REPLACEMENT_CHARACTER).to_string())
            }
            ('d' | 'x' | 'X' | 'o' | 'b', Data::Int(_)) => self.int(value),
            ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Data::Float(_)) => Ok(self.float(float(value))),
            (verb, _) => Err(format!("%{verb} does not fit {}", value.kind())),
        }
    }

    fn int(&self, value: &Data) -> Result<String, String> {
        let Data::Int(int) = value else {
            return Err(format!("%{} wants a number", self.verb));
        };
        let size = int.unsigned_abs();
        let digits = match self.verb {
            'x' | 'X' => self.upper(format!(
                "{}{size:x}",
                if self.alternate { "0x" } else { "" }
            )),
            'o' => format!("{}{size:o}", if self.alternate { "0" } else { "" }),
            'b' => format!("{}{size:b}", if self.alternate { "0b" } else { "" }),
            _ => size.to_string(),
        };
        let digits = format!("{digits:0>width$}", width = self.precision.unwrap_or(0));
        Ok(format!("{}{digits}", self.sign(*int < 0)))
    }

    fn float(&self, float: f64) -> String {
        if !float.is_finite() {
            return text::shortest(float);
        }
        let size = float.abs();
        let digits = match (self.verb, self.precision) {
            ('f' | 'F', precision) => format!("{size:.*}", precision.unwrap_or(6)),
            ('e' | 'E', precision) => {
                text::exponent(&format!("{size:.*e}", precision.unwrap_or(6)))
            }
            (_, Some(precision)) => crate::output::units::significant(size, precision),
            (_, None) => text::shortest(size),
        };
        format!(
            "{}{}",
            self.sign(float.is_sign_negative()),
            self.upper(digits)
        )
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    fn upper(&self, text: String) -> String {
        if self.verb.is_ascii_uppercase() {
            text.to_uppercase()
        } else {
            text
        }
    }

    fn cut(&self, text: &str) -> String {
        match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text.to_owned(),
        }
    }

    /// Appends `text`, padded to the width.
    fn put(&self, out: &mut String, text: &str, value: &Data) {
        let missing = self.width.saturating_sub(text.chars().count());
        let number = matches!(value, Data::Int(_) | Data::Float(_)) && self.verb != 'c';
        if self.left {
            out.push_str(text);
            out.extend(std::iter::repeat_n(' ', missing));
        } else if self.zeros && number {
            let digits = text.trim_start_matches(['+', '-', ' ']);
            out.push_str(&text[..text.len() - digits.len()]);
            out.extend(std::iter::repeat_n('0', missing));
            out.push_str(digits);
        } else {
            out.extend(std::iter::repeat_n(' ', missing));
            out.push_str(text);
        }
    }
}

/// A number as a float; 0 for what is no number.
pub(super) fn float(value: &Data) -> f64 {
    match value {
        Data::Float(float) => *float,
        // There is no lossless way; the nearest float is what Go takes as well.
        Data::Int(int) => *int as f64,
        _ => 0.0,
    }
}
