//! From tokens to statements, and the files that are included.

use std::collections::VecDeque;
use std::path::Path;

use super::lex::{Token, tokens};
use super::{Assignment, Conf, Piece, Statement, Word, mistake};
use crate::error::{About, Fault, Parsed, Result, shown};

/// How deep files may include each other.
const DEEPEST: usize = 16;
/// How many files there may be, each counted as often as it is included.
const MOST: u32 = 1_000;

/// Where configurations are read from.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn text(&self, path: &str) -> Parsed<String>;

    /// The files that match a pattern with `*`, `?` and `[…]`, in the order of their names.
    fn matching(&self, pattern: &str) -> Vec<String>;
}

/// The machine's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Folder;

impl Files for Folder {
    fn text(&self, path: &str) -> Parsed<String> {
        Ok(std::fs::read_to_string(path)?)
    }

    fn matching(&self, pattern: &str) -> Vec<String> {
        let mut found = vec![String::from(if pattern.starts_with('/') {
            "/"
        } else {
            ""
        })];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            found = found.iter().flat_map(|base| below(base, part)).collect();
        }
        found.sort_unstable();
        found
    }
}

/// The entries of a directory that a part of a pattern matches.
fn below(base: &str, part: &str) -> Vec<String> {
    let join = |name: &str| match base {
        "" => name.to_owned(),
        "/" => format!("/{name}"),
        base => format!("{base}/{name}"),
    };
    if !is_pattern(part) {
        return Some(join(part))
            .filter(|path| Path::new(path).exists())
            .into_iter()
            .collect();
    }
    let directory = if base.is_empty() { "." } else { base };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // As for the shell, a leading dot is matched by a dot alone.
    let meant = names.filter(|name| part.starts_with('.') || !name.starts_with('.'));
    let (part, mut found): (Vec<char>, Vec<String>) = (part.chars().collect(), Vec::new());
    for name in meant {
        if matches(&part, &name.chars().collect::<Vec<_>>()) {
            found.push(join(&name));
        }
    }
    found
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a pattern of `*`, `?` and `[…]` matches a name.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
        (Some(('?', rest)), Some((_, others))) => matches(rest, others),
        (Some(('[', rest)), Some((first, others))) => match set(rest, *first) {
            Some((found, after)) => found && matches(after, others),
            None => *first == '[' && matches(rest, others),
        },
        (Some((wanted, rest)), Some((first, others))) => wanted == first && matches(rest, others),
        _ => false,
    }
}

/// Whether a character is in the set that begins here, and what follows the set.
fn set(text: &[char], one: char) -> Option<(bool, &[char])> {
    let negated = text.first() == Some(&'!');
    let text = &text[usize::from(negated)..];
    // A bracket that comes first is one of the set.
    let end = 1 + text.iter().skip(1).position(|next| *next == ']')?;
    let (members, after) = (&text[..end], &text[end + 1..]);
    let mut found = false;
    let mut at = 0;
    while at < members.len() {
        if members.get(at + 1) == Some(&'-') && at + 2 < members.len() {
            found |= (members[at]..=members[at + 2]).contains(&one);
            at += 3;
        } else {
            found |= members[at] == one;
            at += 1;
        }
    }
    Some((found != negated, after))
}

/// See [`Conf::read`].
pub(super) fn read(path: &str, files: &dyn Files) -> Result<Conf> {
    let mut conf = Conf::default();
    let text = files.text(path).about(|| path.to_owned())?;
    let mut parser = Parser {
        files,
        conf: &mut conf,
        included: 0,
    };
    parser.file(path, &text, None, 0)?;
    Ok(conf)
}

struct Parser<'p> {
    files: &'p dyn Files,
    conf: &'p mut Conf,
    included: u32,
}

/// What is left of a file.
struct Rest<'f> {
    tokens: VecDeque<(Token, usize)>,
    file: &'f str,
    line: usize,
}

impl Rest<'_> {
    fn take(&mut self) -> Option<Token> {
        let (token, line) = self.tokens.pop_front()?;
        self.line = line;
        Some(token)
    }

    fn takes(&mut self, wanted: &Token) -> bool {
        let found = self
            .tokens
            .front()
            .is_some_and(|(token, _)| token == wanted);
        if found {
            self.take();
        }
        found
    }

    fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    fn mistake<T>(&self, what: impl Into<String>) -> Result<T> {
        Err(mistake(&self.place(), what))
    }

    fn word(&mut self, what: &str) -> Result<Word> {
        match self.take() {
            Some(Token::Word(word)) => Ok(word),
            Some(other) => self.mistake(format!("{} where {what} is expected", spelled(&other))),
            None => self.mistake(format!("the file ends where {what} is expected")),
        }
    }
}

fn spelled(token: &Token) -> &'static str {
    match token {
        Token::Word(_) => "a word",
        Token::Is => "`=`",
        Token::Adds => "`+=`",
        Token::Comma => "`,`",
        Token::End => "`;`",
        Token::Open => "`{`",
        Token::Close => "`}`",
    }
}

/// A word that is a name: no variable in it.
fn plain(word: &Word) -> Option<&str> {
    match word.as_slice() {
        [Piece::Text(text)] => Some(text),
        _ => None,
    }
}

impl Parser<'_> {
    fn file(&mut self, path: &str, text: &str, block: Option<&str>, depth: usize) -> Result<()> {
        let mut rest = Rest {
            tokens: tokens(text, path)?.into(),
            file: path,
            line: 1,
        };
        while !rest.tokens.is_empty() {
            self.statement(&mut rest, block, depth)?;
        }
        Ok(())
    }

    fn statement(&mut self, rest: &mut Rest<'_>, block: Option<&str>, depth: usize) -> Result<()> {
        if rest.takes(&Token::End) {
            return Ok(());
        }
        let word = rest.word("a parameter or a jail")?;
        if plain(&word) == Some(".include") {
            return self.include(rest, block, depth);
        }
        if rest.takes(&Token::Open) {
            return self.block(rest, &word, block, depth);
        }
        let assignment = assignment(rest, &word)?;
        let block = block.map(str::to_owned);
        self.conf.statements.push(Statement { block, assignment });
        Ok(())
    }

    fn block(
        &mut self,
        rest: &mut Rest<'_>,
        name: &Word,
        outer: Option<&str>,
        depth: usize,
    ) -> Result<()> {
        if let Some(outer) = outer {
            return rest.mistake(format!("a jail inside of jail {}", shown(outer)));
        }
        let Some(name) = plain(name) else {
            return rest.mistake("a jail's name has no variables");
        };
        let opened = rest.line;
        if !name.ends_with('*') && !self.conf.has(name) {
            self.conf.jails.push(name.to_owned());
        }
        while !rest.takes(&Token::Close) {
            if rest.tokens.is_empty() {
                rest.line = opened;
                return rest.mistake(format!("jail {} without its closing brace", shown(name)));
            }
            self.statement(rest, Some(name), depth)?;
        }
        Ok(())
    }

    /// `.include "FILE";`: relative to the file that says so, and perhaps a pattern.
    fn include(&mut self, rest: &mut Rest<'_>, block: Option<&str>, depth: usize) -> Result<()> {
        let word = rest.word("the file to include")?;
        let Some(path) = plain(&word) else {
            return rest.mistake("the name of an included file has no variables");
        };
        if !rest.takes(&Token::End) {
            return rest.mistake("`;` is missing after .include");
        }
        if depth == DEEPEST {
            return rest.mistake(format!("files include each other more than {DEEPEST} deep"));
        }
        let path = beside(rest.file, path);
        let paths = if is_pattern(&path) {
            self.files.matching(&path)
        } else {
            vec![path]
        };
        for path in paths {
            self.included += 1;
            if self.included > MOST {
                return rest.mistake(format!("more than {MOST} files are included"));
            }
            let text = self.files.text(&path).map_err(|fault: Fault| {
                let message = format!("{}: {}", shown(&path), fault.message);
                mistake(&rest.place(), message)
            })?;
            self.file(&path, &text, block, depth + 1)?;
        }
        Ok(())
    }
}

/// A path that is relative to a file's directory.
fn beside(file: &str, path: &str) -> String {
    match file.rsplit_once('/') {
        Some((directory, _)) if !path.starts_with('/') => format!("{directory}/{path}"),
        _ => path.to_owned(),
    }
}

fn assignment(rest: &mut Rest<'_>, name: &Word) -> Result<Assignment> {
    let place = rest.place();
    let (name, is_variable) = match name.as_slice() {
        [Piece::Text(text)] => (text.clone(), false),
        [Piece::Variable(name)] => (name.clone(), true),
        _ => return rest.mistake("a parameter's name has no variables in it"),
    };
    let adds = rest.takes(&Token::Adds);
    let words = if adds || rest.takes(&Token::Is) {
        Some(words(rest)?)
    } else {
        None
    };
    if is_variable && words.is_none() {
        return rest.mistake(format!("{} is given no value", shown(&format!("${name}"))));
    }
    if !rest.takes(&Token::End) {
        return rest.mistake(format!("`;` is missing after {}", shown(&name)));
    }
    Ok(Assignment {
        name,
        is_variable,
        adds,
        words,
        place,
    })
}

/// Words with commas between them; none of them may be left out but all.
fn words(rest: &mut Rest<'_>) -> Result<Vec<Word>> {
    if matches!(rest.tokens.front(), Some((Token::End, _))) {
        return Ok(Vec::new());
    }
    let mut words = vec![rest.word("a value")?];
    while rest.takes(&Token::Comma) {
        words.push(rest.word("a value")?);
    }
    Ok(words)
}
