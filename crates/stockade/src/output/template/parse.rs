//! From tokens to a tree.

use super::lex::{Kind, Token};
use super::{Outcome, call, fault};

/// How deep blocks and parentheses may nest, together.
const DEPTH: usize = 64;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Print(Pipe),
    /// `if`: the first branch whose condition holds, else the last part.
    If(Vec<Branch>, Vec<Node>),
    /// `with`: as `if`, and `.` becomes the condition's value.
    With(Vec<Branch>, Vec<Node>),
    /// `range`: the branch for each element, or the last part when there is none.
    Range(Branch, Vec<Node>),
    Break,
    Continue,
}

/// A condition or list, and what is done with it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
}

/// `$a, $b := command | command`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipe {
    pub(super) at: usize,
    /// The variables that receive the value; more than one only in `range`.
    pub(super) variables: Vec<String>,
    /// Whether these exist already (`=`).
    pub(super) assigns: bool,
    pub(super) commands: Vec<Call>,
}

/// An operand and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) first: Operand,
    pub(super) arguments: Vec<Operand>,
}

/// A value, and the fields taken of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) base: Base,
    /// Offsets and names.
    pub(super) fields: Vec<(usize, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Base {
    Dot,
    /// `$` is the variable with the empty name.
    Variable(String),
    Function(String),
    Text(String),
    Int(i128),
    Float(f64),
    Bool(bool),
    Nil,
    Pipe(Box<Pipe>),
}

/// What ended a list of nodes.
enum End {
    Input,
    /// `end`
    Block,
    /// `else`, with the keyword that follows it on the same level (`if`, `with`), if any.
    Else(Option<String>),
}

/// Builds the tree.
pub(super) fn parse(tokens: Vec<Token>) -> Outcome<Vec<Node>> {
    let mut parser = Parser {
        tokens,
        next: 0,
        depth: 0,
        ended_at: 0,
        loops: 0,
        variables: vec![String::new()],
    };
    let (nodes, end) = parser.nodes()?;
    match end {
        End::Input => Ok(nodes),
        End::Block => fault(parser.ended_at, "end without if, range or with"),
        End::Else(_) => fault(parser.ended_at, "else without if, range or with"),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    /// Where the last `end` or `else` stands.
    ended_at: usize,
    /// How many `range` are open.
    loops: usize,
    /// The variables in sight, innermost last.
    variables: Vec<String>,
}

impl Parser {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    /// The offset of the next token, or of the last one at the end.
    fn at(&self) -> usize {
        self.tokens
            .get(self.next)
            .or(self.tokens.last())
            .map_or(0, |token| token.at)
    }

    fn take(&mut self, kind: &Kind) -> bool {
        let found = self.peek() == Some(kind);
        self.next += usize::from(found);
        found
    }

    /// Takes a word that is this keyword.
    fn take_word(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Kind::Word(word)) if word == keyword);
        self.next += usize::from(found);
        found
    }

    fn close(&mut self, after: &str) -> Outcome<()> {
        if self.take(&Kind::Close) {
            return Ok(());
        }
        fault(
            self.at(),
            format!("unexpected token after {after}; expected }}}}"),
        )
    }

    fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.depth == DEPTH {
            return fault(self.at(), format!("nested deeper than {DEPTH} levels"));
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    /// Nodes up to the end of the input, `{{end}}` or `{{else`.
    fn nodes(&mut self) -> Outcome<(Vec<Node>, End)> {
        let mut nodes = Vec::new();
        while let Some(kind) = self.peek() {
            if let Kind::Text(text) = kind {
                nodes.push(Node::Text(text.clone()));
                self.next += 1;
                continue;
            }
            self.next += 1; // the opening braces
            if let Some(end) = self.end()? {
                return Ok((nodes, end));
            }
            nodes.push(self.action()?);
        }
        Ok((nodes, End::Input))
    }

    /// `{{end}}` or `{{else`, once the braces are taken; `None` when it is neither.
    fn end(&mut self) -> Outcome<Option<End>> {
        self.ended_at = self.at();
        if self.take_word("end") {
            self.close("end")?;
            return Ok(Some(End::Block));
        }
        if !self.take_word("else") {
            return Ok(None);
        }
        for keyword in ["if", "with"] {
            if self.take_word(keyword) {
                return Ok(Some(End::Else(Some(keyword.to_owned()))));
            }
        }
        self.close("else")?;
        Ok(Some(End::Else(None)))
    }

    fn action(&mut self) -> Outcome<Node> {
        let at = self.at();
        let word = match self.peek() {
            Some(Kind::Word(word)) => word.clone(),
            _ => String::new(),
        };
        match word.as_str() {
            "if" | "with" => self.deeper(|parser| parser.branches(&word)),
            "range" => self.deeper(Self::range),
            "break" | "continue" => self.leave(&word),
            "define" | "template" | "block" => fault(at, format!("{word} is not supported")),
            _ => {
                let pipe = self.pipe(1)?;
                self.close("this expression")?;
                Ok(Node::Print(pipe))
            }
        }
    }

    fn leave(&mut self, word: &str) -> Outcome<Node> {
        if self.loops == 0 {
            return fault(self.at(), format!("{word} outside of range"));
        }
        self.next += 1;
        self.close(word)?;
        Ok(if word == "break" {
            Node::Break
        } else {
            Node::Continue
        })
    }

    /// `if` or `with`, all of its `else if` and `else with`, up to its `end`.
    fn branches(&mut self, keyword: &str) -> Outcome<Node> {
        let at = self.at();
        self.next += 1;
        let seen = self.variables.len();
        let mut branches = Vec::new();
        let otherwise = loop {
            let pipe = self.pipe(1)?;
            self.close(keyword)?;
            let inner = self.variables.len();
            let (body, end) = self.nodes()?;
            self.variables.truncate(inner);
            branches.push(Branch { pipe, body });
            match end {
                End::Else(Some(next)) if next == keyword => {}
                End::Else(None) => break self.last_part(at, keyword)?,
                End::Block => break Vec::new(),
                End::Else(Some(next)) => {
                    return fault(
                        self.ended_at,
                        format!("else {next} does not continue {keyword}"),
                    );
                }
                End::Input => return fault(at, format!("{keyword} without end")),
            }
        };
        self.variables.truncate(seen);
        Ok(match keyword {
            "if" => Node::If(branches, otherwise),
            _ => Node::With(branches, otherwise),
        })
    }

    fn range(&mut self) -> Outcome<Node> {
        let at = self.at();
        self.next += 1;
        let seen = self.variables.len();
        let pipe = self.pipe(2)?;
        self.close("range")?;
        self.loops += 1;
        let (body, end) = self.nodes()?;
        self.loops -= 1;
        let otherwise = match end {
            End::Block => Vec::new(),
            End::Else(None) => self.last_part(at, "range")?,
            End::Else(Some(next)) => {
                return fault(
                    self.ended_at,
                    format!("else {next} does not continue range"),
                );
            }
            End::Input => return fault(at, "range without end"),
        };
        self.variables.truncate(seen);
        Ok(Node::Range(Branch { pipe, body }, otherwise))
    }

    /// What stands between `{{else}}` and `{{end}}`.
    fn last_part(&mut self, at: usize, keyword: &str) -> Outcome<Vec<Node>> {
        match self.nodes()? {
            (nodes, End::Block) => Ok(nodes),
            (_, End::Else(_)) => fault(
                self.ended_at,
                format!("else after the last else of {keyword}"),
            ),
            (_, End::Input) => fault(at, format!("{keyword} without end")),
        }
    }

    /// A pipeline that may declare or assign up to `most` variables.
    fn pipe(&mut self, most: usize) -> Outcome<Pipe> {
        let at = self.at();
        let (variables, assigns) = self.receivers(most)?;
        let mut commands = vec![self.call()?];
        while self.take(&Kind::Pipe) {
            let at = self.at();
            let call = self.call()?;
            if !takes_argument(&call.first) {
                return fault(at, "after | a function is expected");
            }
            commands.push(call);
        }
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipe {
            at,
            variables,
            assigns,
            commands,
        })
    }

    /// `$x :=`, `$x =`, `$i, $x :=`; nothing when the variable is an operand.
    fn receivers(&mut self, most: usize) -> Outcome<(Vec<String>, bool)> {
        let start = self.next;
        let mut names = Vec::new();
        while let Some(Kind::Variable(name)) = self.peek() {
            names.push(name.clone());
            self.next += 1;
            if !self.take(&Kind::Comma) {
                break;
            }
        }
        let assigns = self.peek() == Some(&Kind::Assign);
        if names.is_empty() || !(assigns || self.peek() == Some(&Kind::Declare)) {
            self.next = start;
            return Ok((Vec::new(), false));
        }
        if names.len() > most || names.iter().any(String::is_empty) {
            return fault(self.tokens[start].at, "these variables cannot be set here");
        }
        if let Some(name) = names
            .iter()
            .find(|name| assigns && !self.variables.contains(name))
        {
            return fault(
                self.tokens[start].at,
                format!("variable ${name} is not declared"),
            );
        }
        self.next += 1;
        Ok((names, assigns))
    }

    fn call(&mut self) -> Outcome<Call> {
        let Some(first) = self.operand()? else {
            return fault(self.at(), "a value is missing here");
        };
        let mut arguments = Vec::new();
        while let Some(argument) = self.operand()? {
            arguments.push(argument);
        }
        if !arguments.is_empty() && !takes_argument(&first) {
            return fault(arguments[0].at, "this value cannot take arguments");
        }
        Ok(Call { first, arguments })
    }

    fn operand(&mut self) -> Outcome<Option<Operand>> {
        let at = self.at();
        let Some(base) = self.base()? else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        while let Some(Token {
            at,
            spaced: false,
            kind: Kind::Field(name),
        }) = self.tokens.get(self.next)
        {
            fields.push((*at, name.clone()));
            self.next += 1;
        }
        if let (false, Base::Text(_) | Base::Int(_) | Base::Float(_) | Base::Bool(_) | Base::Nil) =
            (fields.is_empty(), &base)
        {
            return fault(at, "a literal has no fields");
        }
        Ok(Some(Operand { at, base, fields }))
    }

    fn base(&mut self) -> Outcome<Option<Base>> {
        let at = self.at();
        let base = match self.peek() {
            Some(Kind::Field(_)) => return Ok(Some(self.fields_of_dot())),
            Some(Kind::Left) => return self.deeper(Self::parentheses).map(Some),
            Some(Kind::Dot) => Base::Dot,
            Some(Kind::Variable(name)) if self.variables.contains(name) => {
                Base::Variable(name.clone())
            }
            Some(Kind::Variable(name)) => {
                return fault(at, format!("variable ${name} is not declared"));
            }
            Some(Kind::Word(word)) => word_value(word, at)?,
            Some(Kind::Quoted(text)) => Base::Text(text.clone()),
            Some(Kind::Int(int)) => Base::Int(*int),
            Some(Kind::Float(float)) => Base::Float(*float),
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(base))
    }

    /// `.A` is the field A of dot: dot is the base, and the field stays to be read as one of it.
    fn fields_of_dot(&mut self) -> Base {
        self.tokens[self.next].spaced = false;
        Base::Dot
    }

    fn parentheses(&mut self) -> Outcome<Base> {
        let at = self.at();
        self.next += 1;
        let pipe = self.pipe(0)?;
        if !self.take(&Kind::Right) {
            return fault(at, "this parenthesis is not closed");
        }
        Ok(Base::Pipe(Box::new(pipe)))
    }
}

/// A word as a value: a constant or a function.
fn word_value(word: &str, at: usize) -> Outcome<Base> {
    Ok(match word {
        "true" => Base::Bool(true),
        "false" => Base::Bool(false),
        "nil" => Base::Nil,
        _ if call::exists(word) => Base::Function(word.to_owned()),
        "if" | "else" | "end" | "range" | "with" => {
            return fault(at, format!("{word} does not belong here"));
        }
        "html" | "js" | "urlquery" | "call" => {
            return fault(at, format!("function {word} is not supported"));
        }
        _ => return fault(at, format!("there is no function {word}")),
    })
}

/// Whether arguments may follow: functions, and methods, which look like fields.
fn takes_argument(operand: &Operand) -> bool {
    matches!(operand.base, Base::Function(_)) || !operand.fields.is_empty()
}
