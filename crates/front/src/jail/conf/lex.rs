//! From the text of a jail.conf to tokens, each with its line.

use super::{Piece, Word, mistake};
use crate::error::{Result, shown};

/// What the grammar is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word; quoted and unquoted parts without a blank between them are one.
    Word(Word),
    /// `=`
    Is,
    /// `+=`
    Adds,
    /// `,`
    Comma,
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// The tokens of a text with their lines, which begin at 1.
pub(super) fn tokens(text: &str, file: &str) -> Result<Vec<(Token, usize)>> {
    let mut lexer = Lexer {
        rest: text,
        line: 1,
        file,
    };
    let mut tokens = Vec::new();
    while lexer.skip_blanks()? {
        let line = lexer.line;
        tokens.push((lexer.token()?, line));
    }
    Ok(tokens)
}

struct Lexer<'t> {
    rest: &'t str,
    line: usize,
    file: &'t str,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn skip(&mut self, prefix: &str) -> bool {
        let found = self.rest.starts_with(prefix);
        if found {
            prefix.chars().for_each(|_| _ = self.take());
        }
        found
    }

    fn mistake<T>(&self, line: usize, what: impl Into<String>) -> Result<T> {
        Err(mistake(&format!("{}:{line}", self.file), what))
    }

    /// Skips blanks and comments of all three kinds. Says whether something comes then.
    fn skip_blanks(&mut self) -> Result<bool> {
        loop {
            let line = self.line;
            if self.peek().is_some_and(char::is_whitespace) {
                self.take();
            } else if self.skip("#") || self.skip("//") {
                while self.take().is_some_and(|next| next != '\n') {}
            } else if self.skip("/*") {
                while !self.skip("*/") {
                    if self.take().is_none() {
                        return self.mistake(line, "a comment that does not end");
                    }
                }
            } else {
                return Ok(self.peek().is_some());
            }
        }
    }

    fn token(&mut self) -> Result<Token> {
        for (text, token) in [
            ("+=", Token::Adds),
            ("=", Token::Is),
            (",", Token::Comma),
            (";", Token::End),
            ("{", Token::Open),
            ("}", Token::Close),
        ] {
            if self.skip(text) {
                return Ok(token);
            }
        }
        self.word().map(Token::Word)
    }

    fn word(&mut self) -> Result<Word> {
        let mut word = Spelling::default();
        loop {
            match self.peek() {
                Some(quote @ ('"' | '\'')) => {
                    self.take();
                    self.quoted(quote, &mut word)?;
                }
                Some(next) if !is_special(next) && !self.rest.starts_with("+=") => {
                    self.piece(true, &mut word)?;
                }
                _ => return Ok(word.finish()),
            }
        }
    }

    fn quoted(&mut self, quote: char, word: &mut Spelling) -> Result<()> {
        let line = self.line;
        word.text.get_or_insert_default();
        loop {
            match self.peek() {
                None => return self.mistake(line, format!("a string without its closing {quote}")),
                Some(next) if next == quote => {
                    self.take();
                    return Ok(());
                }
                Some(_) => self.piece(quote == '"', word)?,
            }
        }
    }

    /// One character of a word, an escape, or a variable.
    fn piece(&mut self, replaces: bool, word: &mut Spelling) -> Result<()> {
        match self.take() {
            Some('\\') => word.push(self.escape()?),
            Some('$') if replaces => {
                let variable = self.variable()?;
                word.variable(variable);
            }
            Some('\0') => return self.mistake(self.line, "a NUL in a string"),
            other => word.push(other),
        }
        Ok(())
    }

    /// What a backslash and what follows stand for; nothing for the end of a line.
    fn escape(&mut self) -> Result<Option<char>> {
        let line = self.line;
        let next = match self.take() {
            None => return self.mistake(line, "a backslash at the end of the file"),
            Some('\n') => return Ok(None),
            Some(next) => next,
        };
        Ok(Some(match next {
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '0'..='7' => return self.code(line, 8, 2, u32::from(next) - u32::from('0')),
            'x' if self.peek().is_some_and(|digit| digit.is_ascii_hexdigit()) => {
                return self.code(line, 16, 2, 0);
            }
            other => other,
        }))
    }

    /// A character by its number: at most so many more digits.
    fn code(&mut self, line: usize, radix: u32, digits: usize, first: u32) -> Result<Option<char>> {
        let mut code = first;
        for _ in 0..digits {
            let Some(digit) = self.peek().and_then(|digit| digit.to_digit(radix)) else {
                break;
            };
            self.take();
            code = code * radix + digit;
        }
        // Beyond ASCII a byte alone is no character.
        match char::from_u32(code).filter(|found| found.is_ascii() && *found != '\0') {
            Some(found) => Ok(Some(found)),
            None => self.mistake(line, format!("character {code} cannot be in a string")),
        }
    }

    /// The name after a dollar sign, perhaps in braces, where it may have dots.
    fn variable(&mut self) -> Result<String> {
        let line = self.line;
        let braces = self.skip("{");
        let mut name = String::new();
        while let Some(next) = self
            .peek()
            .filter(|next| next.is_ascii_alphanumeric() || *next == '_' || (braces && *next == '.'))
        {
            name.push(next);
            self.take();
        }
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return self.mistake(line, "a dollar sign without the name of a variable");
        }
        if braces && !self.skip("}") {
            return self.mistake(
                line,
                format!("{} without its closing brace", shown(&format!("${{{name}"))),
            );
        }
        Ok(name)
    }
}

fn is_special(next: char) -> bool {
    next.is_whitespace() || matches!(next, ';' | '{' | '}' | ',' | '=' | '#' | '"' | '\'')
}

/// A word in the making.
#[derive(Default)]
struct Spelling {
    pieces: Word,
    text: Option<String>,
}

impl Spelling {
    fn push(&mut self, next: Option<char>) {
        self.text.get_or_insert_default().extend(next);
    }

    fn variable(&mut self, name: String) {
        self.end_text();
        self.pieces.push(Piece::Variable(name));
    }

    fn end_text(&mut self) {
        let text = self.text.take().filter(|text| !text.is_empty());
        self.pieces.extend(text.map(Piece::Text));
    }

    fn finish(mut self) -> Word {
        self.end_text();
        self.pieces
    }
}
