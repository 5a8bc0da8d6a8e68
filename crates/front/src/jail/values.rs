//! The parameters of one jail, as they were given: no defaults, each name once.

use super::parameter::{Fate, Kind, Parameter};
use crate::error::{Error, Fault, Parsed, Result};

/// What one parameter was given, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// Flags have one word, `true` or `false`.
    pub words: Vec<String>,
    /// `FILE:LINE`, or nothing for the command line.
    pub place: String,
}

/// The parameters of one jail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Vec<(&'static str, Value)>);

impl Values {
    /// Sets a parameter by its written name, or adds to its list. `words` is none for a name alone.
    ///
    /// # Errors
    /// An unknown name; a value that is not of the parameter's kind; a parameter that cannot be had.
    pub fn set(
        &mut self,
        name: &str,
        words: Option<Vec<String>>,
        adds: bool,
        place: &str,
    ) -> Result<()> {
        let about = || {
            let at = if place.is_empty() {
                String::new()
            } else {
                format!("{place}: ")
            };
            format!("{at}{}", crate::error::shown(name))
        };
        let put = || -> Parsed<(&'static Parameter, Vec<String>)> {
            let (parameter, negated) =
                Parameter::written(name).ok_or_else(|| Fault::usage("unknown parameter"))?;
            Ok((parameter, checked(parameter, negated, words)?))
        };
        let (parameter, words) = put().map_err(|fault| fault.at(about()))?;
        if adds && parameter.kind != Kind::List {
            return Err(Fault::usage("has one value, to which nothing can be added").at(about()));
        }
        let value = Value {
            words,
            place: place.to_owned(),
        };
        match self
            .0
            .iter_mut()
            .find(|(known, _)| *known == parameter.name)
        {
            Some((_, old)) if adds => old.words.extend(value.words),
            Some((_, old)) => *old = value,
            None => self.0.push((parameter.name, value)),
        }
        Ok(())
    }

    /// Sets what is known to be right.
    pub fn put(&mut self, name: &'static str, words: &[&str]) {
        let value = Value {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            place: String::new(),
        };
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    /// Takes from `changes` what is there.
    pub fn merge(&mut self, changes: &Self) {
        for (name, value) in &changes.0 {
            self.0.retain(|(known, _)| known != name);
            self.0.push((name, value.clone()));
        }
    }

    /// Every parameter that was given, in the order of its last setting.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// What was given for a parameter.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The text that was given, where it is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let words = &self.get(name)?.words;
        words
            .first()
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// The words of a list that are not empty.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        let words = self.get(name).map_or(&[][..], |value| &value.words);
        words
            .iter()
            .map(String::as_str)
            .filter(|word| !word.is_empty())
    }

    /// Whether a flag is set; `default` where nothing was said.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.text(name).map_or(default, |text| text == "true")
    }

    /// The number that was given. Whether it is one was checked when it was set.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// An error about a parameter's value.
    pub fn error(&self, name: &str, fault: Fault) -> Error {
        let Some(value) = self.get(name) else {
            return fault.at(name);
        };
        let said = crate::error::asked(name, &value.words.join(", "));
        fault.at(match value.place.as_str() {
            "" => said,
            place => format!("{place}: {said}"),
        })
    }
}

/// The words as they are kept.
fn checked(
    parameter: &Parameter,
    negated: bool,
    words: Option<Vec<String>>,
) -> Parsed<Vec<String>> {
    let words = match (parameter.kind, words) {
        (Kind::Flag, None) => vec![if negated { "false" } else { "true" }.to_owned()],
        (Kind::Origin, None) if parameter.name == "vnet" && negated => vec!["inherit".to_owned()],
        (Kind::Origin, None) => vec![if negated { "disable" } else { "new" }.to_owned()],
        (_, Some(_)) if negated => return Err(Fault::usage("takes no value after `no`")),
        (Kind::List, None) => Vec::new(),
        (_, None) => return Err(Fault::usage("needs a value")),
        (Kind::Flag, Some(words)) => vec![boolean(single(words)?)?],
        (Kind::Origin, Some(words)) => vec![origin(parameter.name, single(words)?)?],
        (Kind::Number, Some(words)) => vec![number(single(words)?)?],
        (Kind::Text, Some(words)) => vec![single(words)?],
        (Kind::List, Some(words)) => words,
    };
    if words.iter().any(|word| word.contains('\0')) {
        return Err(Fault::usage("has a NUL in it"));
    }
    match parameter.fate {
        Fate::Refused(why) => Err(Fault::unsupported(why)),
        Fate::Told => Err(Fault::usage("is told, and cannot be set")),
        Fate::Only(value, why) if words.first().is_none_or(|word| word != value) => {
            Err(Fault::unsupported(why))
        }
        _ => Ok(words),
    }
}

fn single(mut words: Vec<String>) -> Parsed<String> {
    match (words.pop(), words.is_empty()) {
        (Some(word), true) => Ok(word),
        (None, _) => Ok(String::new()),
        (Some(_), false) => Err(Fault::usage("has one value, not several")),
    }
}

fn boolean(word: String) -> Parsed<String> {
    match word.as_str() {
        "true" | "1" => Ok("true".to_owned()),
        "false" | "0" => Ok("false".to_owned()),
        _ => Err(Fault::usage(format!("{word:?} is neither true nor false"))),
    }
}

fn origin(name: &str, word: String) -> Parsed<String> {
    let allowed: &[&str] = match name {
        "host" | "vnet" => &["new", "inherit"],
        _ => &["new", "inherit", "disable"],
    };
    if allowed.contains(&word.as_str()) {
        return Ok(word);
    }
    Err(Fault::usage(format!(
        "{word:?} is none of {}",
        allowed.join(", ")
    )))
}

fn number(word: String) -> Parsed<String> {
    let digits = word.strip_prefix('-').unwrap_or(&word);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match word.parse::<i64>() {
        Ok(number) if plain && i32::try_from(number).is_ok() => Ok(number.to_string()),
        _ => Err(Fault::usage(format!("{word:?} is not a number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &mut Values, text: &str) -> Result<()> {
        let (name, words) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.split(',').map(str::to_owned).collect())),
            None => (text, None),
        };
        values.set(name, words, false, "")
    }

    #[test]
    fn values_of_each_kind() {
        let mut values = Values::default();
        for text in [
            "persist",
            "allow.noraw_sockets",
            "vnet",
            "ip4=inherit",
            "securelevel=-1",
            "ip4.addr=10.0.0.1,10.0.0.2",
            "exec.clean=0",
            "mount.devfs=1",
        ] {
            set(&mut values, text).unwrap();
        }
        assert!(values.flag("persist", false) && !values.flag("allow.raw_sockets", true));
        assert!(!values.flag("exec.clean", true) && values.flag("mount.devfs", false));
        assert_eq!(values.text("vnet"), Some("new"));
        assert_eq!(values.number("securelevel"), Some(-1));
        assert_eq!(values.list("ip4.addr").count(), 2);
        values
            .set("ip4.addr", Some(vec!["10.0.0.3".into()]), true, "f:1")
            .unwrap();
        assert_eq!(values.list("ip4.addr").last(), Some("10.0.0.3"));
    }

    #[test]
    fn what_is_refused_says_why_and_where() {
        let mut values = Values::default();
        for (text, why) in [
            ("nosuch=1", "nosuch: unknown parameter"),
            ("path", "path: needs a value"),
            ("path=/a,/b", "path: has one value, not several"),
            (
                "persist=maybe",
                "persist: \"maybe\" is neither true nor false",
            ),
            ("nopersist=1", "nopersist: takes no value after `no`"),
            ("jid=1x", "jid: \"1x\" is not a number"),
            ("jid=+1", "jid: \"+1\" is not a number"),
            ("jid=99999999999", "jid: \"99999999999\" is not a number"),
            ("host=disable", "host: \"disable\" is none of new, inherit"),
            ("parent=1", "parent: is told, and cannot be set"),
            (
                "osrelease=13.2",
                "osrelease: Linux tells every process the kernel's own release",
            ),
        ] {
            assert_eq!(set(&mut values, text).unwrap_err().to_string(), why);
        }
        let error = values
            .set("allow.mount", None, false, "jail.conf:7")
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("jail.conf:7: allow.mount: on Linux"),
            "{error}"
        );
        assert_eq!(error.kind, crate::Kind::Unsupported);
        set(&mut values, "allow.nomount").unwrap();
    }
}
