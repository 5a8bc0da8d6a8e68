//! Walks the tree over an object.

use std::borrow::Cow;

use super::parse::{Base, Branch, Call, Node, Operand, Pipe};
use super::{Data, Outcome, Subject, call, fault, text};

/// How many nodes, elements and calls a rendering may take.
const STEPS: usize = 1_000_000;
/// How many bytes a rendering may make.
const OUTPUT: usize = 64 << 20;

/// A value: part of the object, or made on the way.
pub(super) type Value<'d> = Cow<'d, Data>;

/// Renders a tree.
pub(super) fn render(nodes: &[Node], subject: Subject<'_>) -> Outcome<String> {
    let root = Cow::Borrowed(subject.data);
    let variables = vec![(String::new(), root.clone())];
    let mut walk = Walk {
        subject,
        variables,
        out: String::new(),
        steps: 0,
    };
    walk.nodes(nodes, &root)?;
    Ok(walk.out)
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Walk<'d> {
    subject: Subject<'d>,
    /// Names and values, innermost last; the first is `$`.
    variables: Vec<(String, Value<'d>)>,
    out: String,
    steps: usize,
}

impl<'d> Walk<'d> {
    fn step(&mut self, at: usize) -> Outcome<()> {
        self.steps += 1;
        if self.steps > STEPS {
            return fault(at, "the template runs too long");
        }
        Ok(())
    }

    fn print(&mut self, at: usize, text: &str) -> Outcome<()> {
        if self.out.len() + text.len() > OUTPUT {
            return fault(at, "the template makes too much text");
        }
        self.out.push_str(text);
        Ok(())
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value<'d>) -> Outcome<Flow> {
        let seen = self.variables.len();
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                self.variables.truncate(seen);
                return Ok(flow);
            }
        }
        self.variables.truncate(seen);
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value<'d>) -> Outcome<Flow> {
        match node {
            Node::Text(text) => self.print(0, text)?,
            Node::Print(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.print(pipe.at, &text::shown(&value))?;
                }
            }
            Node::If(branches, otherwise) => return self.branches(branches, otherwise, dot, false),
            Node::With(branches, otherwise) => {
                return self.branches(branches, otherwise, dot, true);
            }
            Node::Range(branch, otherwise) => return self.range(branch, otherwise, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// `if` and `with`; `moves` is whether `.` becomes the condition's value.
    fn branches(
        &mut self,
        branches: &[Branch],
        otherwise: &[Node],
        dot: &Value<'d>,
        moves: bool,
    ) -> Outcome<Flow> {
        let seen = self.variables.len();
        let mut chosen = (otherwise, dot.clone());
        for branch in branches {
            let value = self.pipe(&branch.pipe, dot)?;
            if value.truth() {
                chosen = (&branch.body, if moves { value } else { dot.clone() });
                break;
            }
        }
        let flow = self.nodes(chosen.0, &chosen.1);
        self.variables.truncate(seen);
        flow
    }

    fn range(&mut self, branch: &Branch, otherwise: &[Node], dot: &Value<'d>) -> Outcome<Flow> {
        let seen = self.variables.len();
        let list = Pipe {
            variables: Vec::new(),
            ..branch.pipe.clone()
        };
        let elements = elements(self.pipe(&list, dot)?, branch.pipe.at)?;
        let mut flow = Flow::On;
        if elements.is_empty() {
            flow = self.nodes(otherwise, dot)?;
        }
        for (key, value) in elements {
            self.step(branch.pipe.at)?;
            self.bind_element(&branch.pipe, key, &value);
            match self.nodes(&branch.body, &value)? {
                Flow::Break => break,
                Flow::On | Flow::Continue => {}
            }
            if !branch.pipe.assigns {
                self.variables.truncate(seen);
            }
        }
        self.variables.truncate(seen);
        Ok(flow)
    }

    fn bind_element(&mut self, pipe: &Pipe, key: Data, value: &Value<'d>) {
        match pipe.variables.as_slice() {
            [element] => self.bind(pipe, element, value.clone()),
            [index, element] => {
                self.bind(pipe, index, Cow::Owned(key));
                self.bind(pipe, element, value.clone());
            }
            _ => {}
        }
    }

    fn bind(&mut self, pipe: &Pipe, name: &str, value: Value<'d>) {
        let existing = self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| pipe.assigns && known == name);
        match existing {
            Some((_, place)) => *place = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value<'d>) -> Outcome<Value<'d>> {
        let mut value = None;
        for call in &pipe.commands {
            value = Some(self.call(call, value, dot)?);
        }
        let value = value.unwrap_or(Cow::Owned(Data::Nil));
        for name in &pipe.variables {
            self.bind(pipe, name, value.clone());
        }
        Ok(value)
    }

    /// An operand with its arguments; `last` is what the pipeline brings as one more argument.
    fn call(
        &mut self,
        call: &Call,
        last: Option<Value<'d>>,
        dot: &Value<'d>,
    ) -> Outcome<Value<'d>> {
        self.step(call.first.at)?;
        if let (Base::Function(name), true) = (&call.first.base, call.first.fields.is_empty()) {
            return self.function(name, call, last, dot);
        }
        if call.arguments.is_empty() && last.is_none() {
            return self.operand(&call.first, dot);
        }
        let mut arguments = Vec::new();
        for argument in &call.arguments {
            arguments.push(self.operand(argument, dot)?);
        }
        arguments.extend(last);
        self.method(&call.first, &arguments)
    }

    fn function(
        &mut self,
        name: &str,
        call: &Call,
        last: Option<Value<'d>>,
        dot: &Value<'d>,
    ) -> Outcome<Value<'d>> {
        let mut arguments = Vec::with_capacity(call.arguments.len() + 1);
        for argument in &call.arguments {
            let value = self.operand(argument, dot)?;
            if call::decides(name, &value) {
                return Ok(value);
            }
            arguments.push(value);
        }
        arguments.extend(last);
        let call = call::Arguments {
            at: call.first.at,
            name,
            values: &arguments,
        };
        call.apply(self.subject.headings)
    }

    /// `.Label "name"`, the only method there is.
    fn method(&self, operand: &Operand, arguments: &[Value<'d>]) -> Outcome<Value<'d>> {
        let (at, name) = match operand.fields.last() {
            Some((at, name)) => (*at, name.as_str()),
            None => return fault(operand.at, "this value cannot take arguments"),
        };
        let (true, Some(labels)) = (
            name == "Label" && operand.fields.len() == 1,
            self.subject.labels,
        ) else {
            return fault(at, format!(".{name} cannot take arguments"));
        };
        let [argument] = arguments else {
            return fault(at, ".Label takes one argument");
        };
        let Data::Text(key) = argument.as_ref() else {
            return fault(at, ".Label takes a text");
        };
        if self.subject.headings {
            return Ok(Cow::Owned(Data::Text(label_heading(key))));
        }
        Ok(Cow::Owned(Data::Text(
            labels.get(key).cloned().unwrap_or_default(),
        )))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value<'d>) -> Outcome<Value<'d>> {
        let base = self.base(operand, dot)?;
        operand
            .fields
            .iter()
            .try_fold(base, |value, (at, name)| field(value, *at, name))
    }

    fn base(&mut self, operand: &Operand, dot: &Value<'d>) -> Outcome<Value<'d>> {
        Ok(Cow::Owned(match &operand.base {
            Base::Dot => return Ok(dot.clone()),
            Base::Variable(name) => return self.variable(name, operand.at),
            Base::Pipe(pipe) => return self.pipe(pipe, dot),
            Base::Function(name) => {
                let call = call::Arguments {
                    at: operand.at,
                    name,
                    values: &[],
                };
                return call.apply(self.subject.headings);
            }
            Base::Text(text) => Data::Text(text.clone()),
            Base::Int(int) => Data::Int(*int),
            Base::Float(float) => Data::Float(*float),
            Base::Bool(bool) => Data::Bool(*bool),
            Base::Nil => Data::Nil,
        }))
    }

    fn variable(&self, name: &str, at: usize) -> Outcome<Value<'d>> {
        match self.variables.iter().rev().find(|(known, _)| known == name) {
            Some((_, value)) => Ok(value.clone()),
            None => fault(at, format!("variable ${name} is not declared")),
        }
    }
}

/// The field `name` of a value.
fn field<'d>(value: Value<'d>, at: usize, name: &str) -> Outcome<Value<'d>> {
    match value {
        Cow::Borrowed(data) => member(data, at, name).map(Cow::Borrowed),
        Cow::Owned(data) => member(&data, at, name).cloned().map(Cow::Owned),
    }
}

fn member<'v>(data: &'v Data, at: usize, name: &str) -> Outcome<&'v Data> {
    match data {
        Data::Record(fields) => match fields.iter().find(|(known, _)| known == name) {
            Some((_, value)) => Ok(value),
            None => fault(
                at,
                format!("there is no field .{name}; hint: {}", known_fields(fields)),
            ),
        },
        Data::Map(map) => Ok(map.get(name).unwrap_or(&Data::Nil)),
        other => fault(at, format!("{} has no field .{name}", other.kind())),
    }
}

fn known_fields(fields: &[(String, Data)]) -> String {
    fields
        .iter()
        .map(|(name, _)| format!(".{name}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What `range` goes through: keys or indices, and values.
fn elements(value: Value<'_>, at: usize) -> Outcome<Vec<(Data, Value<'_>)>> {
    let index = |i: usize| Data::Int(i128::try_from(i).unwrap_or(i128::MAX));
    Ok(match value {
        Cow::Borrowed(Data::List(list)) => list
            .iter()
            .enumerate()
            .map(|(i, value)| (index(i), Cow::Borrowed(value)))
            .collect(),
        Cow::Owned(Data::List(list)) => list
            .into_iter()
            .enumerate()
            .map(|(i, value)| (index(i), Cow::Owned(value)))
            .collect(),
        Cow::Borrowed(Data::Map(map)) => map
            .iter()
            .map(|(key, value)| (Data::Text(key.clone()), Cow::Borrowed(value)))
            .collect(),
        Cow::Owned(Data::Map(map)) => map
            .into_iter()
            .map(|(key, value)| (Data::Text(key), Cow::Owned(value)))
            .collect(),
        other if *other == Data::Nil => Vec::new(),
        other => return fault(at, format!("range cannot go through {}", other.kind())),
    })
}

/// The heading of a label's column: the last part of its name, in words.
fn label_heading(label: &str) -> String {
    let last = label.rsplit('.').next().unwrap_or(label);
    last.replace(['-', '_'], " ")
}
