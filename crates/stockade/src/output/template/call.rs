//! The functions of templates: Go's own, and those that Docker adds.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::eval::Value;
use super::{Data, Outcome, fault, printf, text};

/// Every function there is.
const NAMES: &[&str] = &[
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper",
];

/// How long a text that a function makes may be, in bytes.
const LONGEST: usize = 16 << 20;

/// Whether there is a function of this name.
pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether an argument settles the result, so that those after it are not looked at: the first
/// false one of `and`, the first true one of `or`.
pub(super) fn decides(name: &str, argument: &Data) -> bool {
    match name {
        "and" => !argument.truth(),
        "or" => argument.truth(),
        _ => false,
    }
}

/// A function with its arguments.
pub(super) struct Arguments<'v, 'd> {
    pub(super) at: usize,
    pub(super) name: &'v str,
    pub(super) values: &'v [Value<'d>],
}

impl<'d> Arguments<'_, 'd> {
    /// The result; with `headings`, functions that shape a value return it as it is.
    pub(super) fn apply(&self, headings: bool) -> Outcome<Value<'d>> {
        let shapes = matches!(
            self.name,
            "join" | "json" | "lower" | "pad" | "split" | "title" | "truncate" | "upper"
        );
        if let (true, true, Some(first)) = (headings, shapes, self.values.first()) {
            return Ok(first.clone());
        }
        Ok(Cow::Owned(match self.name {
            "and" | "or" => return self.last(),
            "index" => return self.index(),
            "not" => Data::Bool(!self.value(0, 1)?.truth()),
            "eq" => Data::Bool(self.equal()?),
            "ne" => Data::Bool(!self.two(equals)?),
            "lt" => Data::Bool(self.two(compare)? == Ordering::Less),
            "le" => Data::Bool(self.two(compare)? != Ordering::Greater),
            "gt" => Data::Bool(self.two(compare)? == Ordering::Greater),
            "ge" => Data::Bool(self.two(compare)? != Ordering::Less),
            "len" => self.len()?,
            "slice" => self.slice()?,
            "split" => self.split()?,
            _ => Data::Text(self.bounded(self.text_function()?)?),
        }))
    }

    /// The functions that make a text.
    fn text_function(&self) -> Outcome<String> {
        Ok(match self.name {
            "join" => self.join()?,
            "json" => serde_json::to_string(self.value(0, 1)?)
                .or_else(|error| self.fail(error.to_string()))?,
            "lower" => self.text(0, 1)?.to_lowercase(),
            "upper" => self.text(0, 1)?.to_uppercase(),
            "title" => title(self.text(0, 1)?),
            "pad" => self.pad()?,
            "truncate" => self.text(0, 2)?.chars().take(self.number(1, 2)?).collect(),
            "print" => self.print(),
            "println" => {
                self.values
                    .iter()
                    .map(|v| text::plain(v))
                    .collect::<Vec<_>>()
                    .join(" ")
                    + "\n"
            }
            "printf" => self.printf()?,
            other => return self.fail(format!("there is no function {other}")),
        })
    }

    fn fail<T>(&self, what: impl std::fmt::Display) -> Outcome<T> {
        fault(self.at, format!("{}: {what}", self.name))
    }

    fn bounded(&self, text: String) -> Outcome<String> {
        if text.len() > LONGEST {
            self.fail("the text is too long")
        } else {
            Ok(text)
        }
    }

    /// Argument `i` of exactly `count`.
    fn value(&self, i: usize, count: usize) -> Outcome<&Data> {
        match self.values.get(i) {
            Some(value) if self.values.len() == count => Ok(value),
            _ => self.fail(format!(
                "takes {count} argument(s), not {}",
                self.values.len()
            )),
        }
    }

    fn text(&self, i: usize, count: usize) -> Outcome<&str> {
        match self.value(i, count)? {
            Data::Text(text) => Ok(text),
            other => self.fail(format!("wants a text, not {}", other.kind())),
        }
    }

    /// A number that is a size or a place.
    fn number(&self, i: usize, count: usize) -> Outcome<usize> {
        self.place(self.value(i, count)?)
    }

    fn place(&self, value: &Data) -> Outcome<usize> {
        match value {
            Data::Int(int) => {
                usize::try_from(*int).or_else(|_| self.fail(format!("{int} is out of range")))
            }
            other => self.fail(format!("wants a number, not {}", other.kind())),
        }
    }

    fn last(&self) -> Outcome<Value<'d>> {
        match self.values.last() {
            Some(value) => Ok(value.clone()),
            None => self.fail("takes at least one argument"),
        }
    }

    fn two<T>(&self, compare: impl FnOnce(&Data, &Data) -> Result<T, String>) -> Outcome<T> {
        compare(self.value(0, 2)?, self.value(1, 2)?).or_else(|what| self.fail(what))
    }

    /// Whether the first equals any of the others.
    fn equal(&self) -> Outcome<bool> {
        let [first, others @ ..] = self.values else {
            return self.fail("takes at least two arguments");
        };
        if others.is_empty() {
            return self.fail("takes at least two arguments");
        }
        for other in others {
            if equals(first, other).or_else(|what| self.fail(what))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn index(&self) -> Outcome<Value<'d>> {
        let [first, keys @ ..] = self.values else {
            return self.fail("takes at least one argument");
        };
        keys.iter()
            .try_fold(first.clone(), |value, key| match value {
                Cow::Borrowed(data) => Ok(match self.element(data, key)? {
                    Some(found) => Cow::Borrowed(found),
                    None => Cow::Owned(zero(data)),
                }),
                Cow::Owned(data) => Ok(Cow::Owned(match self.element(&data, key)? {
                    Some(found) => found.clone(),
                    None => zero(&data),
                })),
            })
    }

    /// The element of a list or map; `None` for a key that is not there.
    fn element<'v>(&self, data: &'v Data, key: &Data) -> Outcome<Option<&'v Data>> {
        match (data, key) {
            (Data::Map(map), Data::Text(key)) => Ok(map.get(key)),
            (Data::Record(fields), Data::Text(key)) => Ok(fields
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value)),
            (Data::List(list), key) => match list.get(self.place(key)?) {
                Some(value) => Ok(Some(value)),
                None => self.fail(format!(
                    "{} is beyond the list's {} elements",
                    text::plain(key),
                    list.len()
                )),
            },
            (Data::Map(_) | Data::Record(_), key) => {
                self.fail(format!("wants a text as key, not {}", key.kind()))
            }
            (other, _) => self.fail(format!("{} has no elements", other.kind())),
        }
    }

    fn len(&self) -> Outcome<Data> {
        let len = match self.value(0, 1)? {
            Data::Text(text) => text.len(),
            Data::List(list) => list.len(),
            Data::Map(map) => map.len(),
            other => return self.fail(format!("{} has no length", other.kind())),
        };
        Ok(Data::Int(i128::try_from(len).unwrap_or(i128::MAX)))
    }

    /// `slice x from to`: a part of a text (in bytes) or of a list.
    fn slice(&self) -> Outcome<Data> {
        let [first, bounds @ ..] = self.values else {
            return self.fail("takes at least one argument");
        };
        let len = match first.as_ref() {
            Data::Text(text) => text.len(),
            Data::List(list) => list.len(),
            other => return self.fail(format!("cannot cut {}", other.kind())),
        };
        let from = bounds.first().map_or(Ok(0), |bound| self.place(bound))?;
        let to = bounds.get(1).map_or(Ok(len), |bound| self.place(bound))?;
        let part = match first.as_ref() {
            Data::Text(text) => text.get(from..to).map(|text| Data::Text(text.to_owned())),
            Data::List(list) => list.get(from..to).map(|list| Data::List(list.to_vec())),
            _ => None,
        };
        match part {
            Some(part) if bounds.len() <= 2 => Ok(part),
            _ => self.fail(format!("{from} to {to} is out of range")),
        }
    }

    fn split(&self) -> Outcome<Data> {
        let (text, by) = (self.text(0, 2)?, self.text(1, 2)?);
        let part = |part: &str| Data::Text(part.to_owned());
        Ok(Data::List(match by {
            "" => text.chars().map(|c| Data::Text(c.to_string())).collect(),
            by => text.split(by).map(part).collect(),
        }))
    }

    fn join(&self) -> Outcome<String> {
        let by = self.text(1, 2)?;
        let mut texts = Vec::new();
        match self.value(0, 2)? {
            Data::Nil => {}
            Data::List(list) => {
                for item in list {
                    match item {
                        Data::Text(text) => texts.push(text.as_str()),
                        other => return self.fail(format!("wants texts, not {}", other.kind())),
                    }
                }
            }
            other => return self.fail(format!("wants a list, not {}", other.kind())),
        }
        Ok(texts.join(by))
    }

    fn pad(&self) -> Outcome<String> {
        let (text, before, after) = (self.text(0, 3)?, self.number(1, 3)?, self.number(2, 3)?);
        if text.is_empty() {
            return Ok(String::new());
        }
        if before.max(after) > printf::WIDEST {
            return self.fail(format!("pads by at most {}", printf::WIDEST));
        }
        Ok(format!("{}{text}{}", " ".repeat(before), " ".repeat(after)))
    }

    /// A space stands between two values neither of which is a text.
    fn print(&self) -> String {
        let mut out = String::new();
        for (i, value) in self.values.iter().enumerate() {
            let is_text = |value: &Data| matches!(value, Data::Text(_));
            if i > 0 && !is_text(value) && !is_text(&self.values[i - 1]) {
                out.push(' ');
            }
            out.push_str(&text::plain(value));
        }
        out
    }

    fn printf(&self) -> Outcome<String> {
        let [format, values @ ..] = self.values else {
            return self.fail("takes at least one argument");
        };
        let Data::Text(format) = format.as_ref() else {
            return self.fail("its first argument is a text");
        };
        printf::printf(format, values).or_else(|what| self.fail(what))
    }
}

/// What Go finds in a map in the place of a key that is not there: in a map of texts, the empty one.
fn zero(map: &Data) -> Data {
    let texts =
        |map: &BTreeMap<String, Data>| map.values().all(|value| matches!(value, Data::Text(_)));
    match map {
        Data::Map(map) if texts(map) => Data::Text(String::new()),
        _ => Data::Nil,
    }
}

fn equals(a: &Data, b: &Data) -> Result<bool, String> {
    match (a, b) {
        (Data::Nil, other) | (other, Data::Nil) => Ok(*other == Data::Nil),
        (Data::Bool(a), Data::Bool(b)) => Ok(a == b),
        _ => compare(a, b).map(Ordering::is_eq),
    }
}

fn compare(a: &Data, b: &Data) -> Result<Ordering, String> {
    let order = match (a, b) {
        (Data::Text(a), Data::Text(b)) => Some(a.cmp(b)),
        (Data::Int(a), Data::Int(b)) => Some(a.cmp(b)),
        (Data::Int(_) | Data::Float(_), Data::Int(_) | Data::Float(_)) => {
            Some(printf::float(a).total_cmp(&printf::float(b)))
        }
        _ => None,
    };
    order.ok_or_else(|| format!("{} and {} cannot be compared", a.kind(), b.kind()))
}

/// Every word with a capital letter.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.push(c)
        } else {
            out.extend(c.to_uppercase())
        }
        inside = c == '_' || c == '\'' || c.is_alphanumeric();
    }
    out
}
