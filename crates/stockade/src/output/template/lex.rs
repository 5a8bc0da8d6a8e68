//! A template's text and the tokens of its actions.

use super::{Outcome, fault};

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    /// Its offset in bytes.
    pub(super) at: usize,
    /// Whether white space stands before it: `.a.b` is one operand, `.a .b` are two.
    pub(super) spaced: bool,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Text outside of actions.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// `.`
    Dot,
    /// `.Name`
    Field(String),
    /// `$` (an empty name) or `$name`
    Variable(String),
    /// A function's name or a keyword.
    Word(String),
    /// A text in quotes or backquotes.
    Quoted(String),
    Int(i128),
    Float(f64),
    /// `(`
    Left,
    /// `)`
    Right,
    /// `|`
    Pipe,
    /// `,`
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

/// Cuts a template into tokens.
pub(super) fn lex(source: &str) -> Outcome<Vec<Token>> {
    let mut lexer = Lexer {
        source,
        at: 0,
        tokens: Vec::new(),
    };
    let mut trim = false;
    while lexer.at < source.len() {
        lexer.text(trim);
        trim = lexer.at < source.len() && lexer.action()?;
    }
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn push(&mut self, at: usize, spaced: bool, kind: Kind) {
        self.tokens.push(Token { at, spaced, kind });
    }

    /// The text up to the next action; `trim` is whether its leading white space is cut away.
    fn text(&mut self, trim: bool) {
        let start = self.at;
        let length = self.rest().find("{{").unwrap_or(self.rest().len());
        let mut text = &self.rest()[..length];
        self.at += length;
        if trim {
            text = text.trim_start_matches(is_space);
        }
        if opens_with_trim(self.rest()) {
            text = text.trim_end_matches(is_space);
        }
        if !text.is_empty() {
            self.push(start, false, Kind::Text(text.to_owned()));
        }
    }

    /// An action or a comment; returns whether the text after it is trimmed.
    fn action(&mut self) -> Outcome<bool> {
        let open = self.at;
        self.at += if opens_with_trim(self.rest()) { 3 } else { 2 };
        let inside = self.rest().trim_start_matches(is_space);
        if inside.starts_with("/*") {
            self.at = self.source.len() - inside.len();
            return self.comment(open);
        }
        self.push(open, false, Kind::Open);
        loop {
            let rest = self.rest().trim_start_matches(is_space);
            let spaced = rest.len() < self.rest().len();
            self.at = self.source.len() - rest.len();
            if rest.is_empty() {
                return fault(open, "this action is not closed by }}");
            }
            let trim = spaced && rest.starts_with("-}}");
            if trim || rest.starts_with("}}") {
                self.push(self.at, spaced, Kind::Close);
                self.at += if trim { 3 } else { 2 };
                return Ok(trim);
            }
            self.token(spaced)?;
        }
    }

    fn comment(&mut self, open: usize) -> Outcome<bool> {
        let Some(end) = self.rest().find("*/") else {
            return fault(open, "this comment is not closed by */");
        };
        self.at += end + 2;
        let rest = self.rest().trim_start_matches(is_space);
        let trim = rest.len() < self.rest().len() && rest.starts_with("-}}");
        self.at = self.source.len() - rest.len();
        match (trim, rest.starts_with("}}")) {
            (true, _) => self.at += 3,
            (_, true) => self.at += 2,
            _ => return fault(self.at, "a comment must be alone between {{ and }}"),
        }
        Ok(trim)
    }

    fn token(&mut self, spaced: bool) -> Outcome<()> {
        let at = self.at;
        let rest = self.rest();
        let (kind, length) = match rest.as_bytes()[0] {
            b'(' => (Kind::Left, 1),
            b')' => (Kind::Right, 1),
            b'|' => (Kind::Pipe, 1),
            b',' => (Kind::Comma, 1),
            b'=' => (Kind::Assign, 1),
            b':' if rest.starts_with(":=") => (Kind::Declare, 2),
            b'"' => quoted(rest, at)?,
            b'`' => raw_quoted(rest, at)?,
            b'.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest, at)?,
            b'.' => match name_length(&rest[1..]) {
                0 => (Kind::Dot, 1),
                n => (Kind::Field(rest[1..=n].to_owned()), n + 1),
            },
            b'$' => {
                let n = name_length(&rest[1..]);
                (Kind::Variable(rest[1..=n].to_owned()), n + 1)
            }
            b'0'..=b'9' | b'+' | b'-' => number(rest, at)?,
            _ => match name_length(rest) {
                0 => {
                    return fault(
                        at,
                        format!("unexpected {:?}", rest.chars().next().unwrap_or(' ')),
                    );
                }
                n => (Kind::Word(rest[..n].to_owned()), n),
            },
        };
        self.push(at, spaced, kind);
        self.at += length;
        Ok(())
    }
}

/// Whether an action opens with `{{- `, the white space included.
fn opens_with_trim(rest: &str) -> bool {
    rest.strip_prefix("{{-")
        .is_some_and(|after| after.starts_with(is_space))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The length in bytes of the name at the start of `text`.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !(c == '_' || c.is_alphanumeric()))
        .unwrap_or(text.len())
}

fn raw_quoted(rest: &str, at: usize) -> Outcome<(Kind, usize)> {
    match rest[1..].find('`') {
        Some(end) => Ok((Kind::Quoted(rest[1..=end].to_owned()), end + 2)),
        None => fault(at, "this text is not closed by `"),
    }
}

fn quoted(rest: &str, at: usize) -> Outcome<(Kind, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Ok((Kind::Quoted(text), i + 1)),
            '\n' => break,
            '\\' => match escape(&mut chars) {
                Some(c) => text.push(c),
                None => return fault(at + i, "unknown escape in a text"),
            },
            c => text.push(c),
        }
    }
    fault(at, "this text is not closed by \"")
}

/// The character of an escape, after its backslash.
fn escape(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    Some(match chars.next()?.1 {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => return hex(chars, 2),
        'u' => return hex(chars, 4),
        'U' => return hex(chars, 8),
        c @ ('\\' | '"' | '\'') => c,
        _ => return None,
    })
}

fn hex(chars: &mut impl Iterator<Item = (usize, char)>, digits: usize) -> Option<char> {
    let digits: String = chars.take(digits).map(|(_, c)| c).collect();
    u32::from_str_radix(&digits, 16)
        .ok()
        .and_then(char::from_u32)
}

fn number(rest: &str, at: usize) -> Outcome<(Kind, usize)> {
    let text = &rest[..number_length(rest)];
    let digits = text.trim_start_matches(['+', '-']);
    let int = match digits.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16)
            .ok()
            .map(|n| if text.starts_with('-') { -n } else { n }),
        None => text.parse().ok(),
    };
    if let Some(int) = int {
        return Ok((Kind::Int(int), text.len()));
    }
    match text.parse() {
        Ok(float) if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            Ok((Kind::Float(float), text.len()))
        }
        _ => fault(at, format!("{text:?} is not a number")),
    }
}

/// The length of a sign, digits, letters and points, with a sign after an exponent's letter.
fn number_length(rest: &str) -> usize {
    let mut last = ' ';
    for (i, c) in rest.char_indices() {
        let sign = matches!(c, '+' | '-') && (i == 0 || matches!(last, 'e' | 'E'));
        if !(sign || c.is_ascii_alphanumeric() || matches!(c, '.' | '_')) {
            return i;
        }
        last = c;
    }
    rest.len()
}
