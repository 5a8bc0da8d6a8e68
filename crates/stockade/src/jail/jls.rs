//! `jls`: which jails there are.

use container::Store;
use front::jail::parameter::{Fate, Kind, PARAMETERS, Parameter};
use front::jail::{Permissions, Values};

use super::shelf::{Jail, Shelf};
use crate::app::{Failure, Outcome, print};
use crate::output::table::harmless;

const USAGE: &str = "usage: jls [--libxo json[,pretty]] [-dhNnqsv] [-j JAIL] [PARAMETER…]";

#[derive(Default)]
struct Asked<'a> {
    dying: bool,
    header: bool,
    names: bool,
    pairs: bool,
    quotes: bool,
    again: bool,
    verbose: bool,
    json: Option<bool>,
    jail: Option<&'a str>,
    parameters: Vec<&'a str>,
}

/// Prints the jails.
pub(super) fn jls(store: &Store, words: &[String]) -> Outcome<i32> {
    let asked = parse(words)?;
    let shelf = Shelf::open(store)?;
    let mut jails = match asked.jail {
        Some(label) => vec![shelf.get(label)?],
        None => shelf.all()?,
    };
    jails.retain(|jail| asked.dying || !jail.dying);
    let all: Vec<Shown<'_>> = jails.iter().map(|jail| Shown::new(jail, &jails)).collect();
    let wanted = wanted(&asked)?;
    let text = match asked.json {
        Some(pretty) => json(&asked, &all, &wanted, pretty)?,
        None if asked.again => all.iter().map(Shown::again).collect(),
        None if asked.pairs || !asked.parameters.is_empty() => lines(&asked, &all, &wanted),
        None if asked.verbose => verbose(&all),
        None => table(&asked, &all),
    };
    print::out(&text)?;
    Ok(0)
}

fn parse(words: &[String]) -> Outcome<Asked<'_>> {
    let mut asked = Asked::default();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        if word == "--libxo" || word.starts_with("--libxo=") || word.starts_with("--libxo:") {
            let given = word
                .get(8..)
                .filter(|given| !given.is_empty())
                .or_else(|| rest.next());
            let given = given.unwrap_or("");
            let mut styles = given.strip_prefix("json").unwrap_or("?").split(',');
            let unknown = styles.any(|style| !matches!(style, "" | "pretty"));
            if unknown {
                return Err(Failure::new(format!(
                    "jls: --libxo {given}: json and json,pretty are known"
                )));
            }
            asked.json = Some(given.contains("pretty"));
            continue;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            asked.parameters.push(word);
            continue;
        };
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            match letter {
                'd' => asked.dying = true,
                'h' => asked.header = true,
                'N' => asked.names = true,
                'n' => asked.pairs = true,
                'q' => asked.quotes = true,
                's' => asked.again = true,
                'v' => asked.verbose = true,
                'j' => {
                    let attached = letters.as_str();
                    let label = if attached.is_empty() {
                        rest.next()
                    } else {
                        Some(attached)
                    };
                    asked.jail = Some(label.ok_or_else(|| Failure::new(USAGE))?);
                    break;
                }
                _ => {
                    return Err(Failure::new(format!(
                        "jls: unknown option -{letter}; {USAGE}"
                    )));
                }
            }
        }
    }
    Ok(asked)
}

/// The parameters that are asked for; all that are shown, where none is named, or `all`.
fn wanted(asked: &Asked<'_>) -> Outcome<Vec<&'static Parameter>> {
    let shown = || PARAMETERS.iter().filter(|parameter| parameter.is_shown());
    if asked.parameters.is_empty() || asked.parameters == ["all"] {
        return Ok(shown().collect());
    }
    let find = |name: &&str| {
        let found = shown().find(|parameter| parameter.name == *name);
        found.ok_or_else(|| Failure::new(format!("jls: unknown parameter {name}")))
    };
    asked.parameters.iter().map(find).collect()
}

/// A jail with what can be told of it.
struct Shown<'j> {
    jail: &'j Jail,
    values: Values,
    children: usize,
}

impl<'j> Shown<'j> {
    fn new(jail: &'j Jail, all: &[Jail]) -> Self {
        let prefix = format!("{}.", jail.name);
        Self {
            jail,
            values: jail.values(),
            children: all
                .iter()
                .filter(|other| other.name.starts_with(&prefix))
                .count(),
        }
    }

    /// A parameter's value, as it is where nobody said otherwise.
    fn value(&self, name: &str) -> String {
        let values = &self.values;
        let text = |default: &str| values.text(name).unwrap_or(default).to_owned();
        match name {
            "jid" => self.jail.jid.to_string(),
            "name" => self.jail.name.clone(),
            "parent" => self.jail.parent.to_string(),
            "dying" => self.jail.dying.to_string(),
            "children.cur" => self.children.to_string(),
            "children.max" | "host.hostid" => text("0"),
            "devfs_ruleset" => text("4"),
            "enforce_statfs" => text("2"),
            "securelevel" => text("-1"),
            "host.hostname" if values.text("host") != Some("inherit") => text(&self.jail.name),
            "ip4.addr" | "ip6.addr" => {
                let plain = |word: &str| {
                    let word = word.rsplit('|').next().unwrap_or(word);
                    word.split(['/', ' ']).next().unwrap_or(word).to_owned()
                };
                values.list(name).map(plain).collect::<Vec<_>>().join(",")
            }
            "ip4" | "ip6" if values.list(&format!("{name}.addr")).next().is_some() => {
                "new".to_owned()
            }
            "ip4" | "ip6" if values.text("vnet") == Some("new") => "inherit".to_owned(),
            "sysvmsg" | "sysvsem" | "sysvshm" if values.flag("allow.sysvipc", false) => {
                text("inherit")
            }
            "ip4" | "ip6" | "sysvmsg" | "sysvsem" | "sysvshm" => text("disable"),
            "vnet" => text("inherit"),
            "host" => text("new"),
            "ip4.saddrsel" | "ip6.saddrsel" => "true".to_owned(),
            _ if name.starts_with("allow.") => Permissions::of(values).allows(name).to_string(),
            "persist" => values.flag(name, false).to_string(),
            _ => text(""),
        }
    }

    /// `name=value`, or for flags their name alone, with its `no`.
    fn pair(&self, parameter: &Parameter, quotes: bool) -> String {
        let value = self.value(parameter.name);
        if parameter.kind == Kind::Flag {
            return if value == "true" {
                parameter.name.to_owned()
            } else {
                negated(parameter.name)
            };
        }
        let value = if quotes { quoted(&value) } else { value };
        format!("{}={value}", parameter.name)
    }

    /// A line that `jail -c` makes the jail of again: what was given, and what it is by default.
    fn again(&self) -> String {
        let mut told: Vec<String> = PARAMETERS
            .iter()
            .filter(|parameter| self.is_given(parameter))
            .map(|parameter| match parameter.name {
                "ip4.addr" | "ip6.addr" => given(parameter.name, &self.values),
                _ => self.pair(parameter, true),
            })
            .collect();
        // jail(8)'s own parameters are no less needed to make it again.
        let own = PARAMETERS
            .iter()
            .filter(|parameter| parameter.fate == Fate::Pseudo);
        for parameter in own.filter(|parameter| parameter.name != "command") {
            match self.values.get(parameter.name) {
                Some(_) if parameter.kind == Kind::Flag => told.push(self.flag(parameter.name)),
                Some(value) if parameter.kind == Kind::List => {
                    told.extend(
                        value
                            .words
                            .iter()
                            .map(|word| format!("{}+={}", parameter.name, quoted(word))),
                    );
                }
                Some(_) => told.push(given(parameter.name, &self.values)),
                None => {}
            }
        }
        if self.values.list("command").next().is_some() {
            let words: Vec<String> = self.values.list("command").map(quoted).collect();
            told.push(format!("command={}", words.join(" ")));
        }
        format!("{}\n", told.join(" "))
    }

    /// Whether a parameter is among what makes the jail again.
    fn is_given(&self, parameter: &Parameter) -> bool {
        let settable = !matches!(parameter.fate, Fate::Told | Fate::Only(..));
        let own_stack = self.values.text("vnet") == Some("new") && parameter.name.starts_with("ip");
        // Who has a name is known by it.
        let number = parameter.name == "jid" && self.jail.name != self.jail.jid.to_string();
        let told = parameter.is_shown() && settable && !own_stack && !number;
        told && !self.value(parameter.name).is_empty()
    }

    fn flag(&self, name: &'static str) -> String {
        if self.values.flag(name, false) {
            name.to_owned()
        } else {
            negated(name)
        }
    }
}

fn given(name: &str, values: &Values) -> String {
    let words: Vec<&str> = values.list(name).collect();
    format!("{name}={}", quoted(&words.join(",")))
}

/// `allow.nomount` of `allow.mount`.
fn negated(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((parts, last)) => format!("{parts}.no{last}"),
        None => format!("no{name}"),
    }
}

/// A word as the shell and jail.conf take it.
pub(super) fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:,+@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn table(asked: &Asked<'_>, all: &[Shown<'_>]) -> String {
    let first = if asked.names {
        " JID             "
    } else {
        "   JID"
    };
    let mut text = format!("{first}  IP Address      Hostname                      Path\n");
    for shown in all {
        let label = if asked.names {
            format!(" {:<16}", harmless(&shown.jail.name))
        } else {
            format!("{:>6}", shown.jail.jid)
        };
        let addresses = format!("{},{}", shown.value("ip4.addr"), shown.value("ip6.addr"));
        let address = addresses
            .split(',')
            .find(|word| !word.is_empty())
            .unwrap_or("");
        text.push_str(&format!(
            "{label}  {address:<15} {:<29} {}\n",
            harmless(&shown.value("host.hostname")),
            harmless(&shown.value("path"))
        ));
    }
    text
}

fn verbose(all: &[Shown<'_>]) -> String {
    let mut text = String::from(
        "   JID  Hostname                      Path\n        Name                          State\n        IP Address(es)\n",
    );
    for shown in all {
        let state = if shown.jail.dying { "DYING" } else { "ACTIVE" };
        text.push_str(&format!(
            "{:>6}  {:<29} {}\n        {:<29} {state}\n",
            shown.jail.jid,
            harmless(&shown.value("host.hostname")),
            harmless(&shown.value("path")),
            harmless(&shown.jail.name),
        ));
        let addresses = [shown.value("ip4.addr"), shown.value("ip6.addr")];
        for address in addresses
            .iter()
            .flat_map(|list| list.split(','))
            .filter(|word| !word.is_empty())
        {
            text.push_str(&format!("        {address}\n"));
        }
    }
    text
}

fn lines(asked: &Asked<'_>, all: &[Shown<'_>], wanted: &[&Parameter]) -> String {
    let mut text = String::new();
    if asked.header {
        let names: Vec<&str> = wanted.iter().map(|parameter| parameter.name).collect();
        text = format!("{}\n", names.join(" "));
    }
    for shown in all {
        let words = wanted.iter().map(|parameter| {
            if asked.pairs {
                return shown.pair(parameter, asked.quotes);
            }
            let value = shown.value(parameter.name);
            match value.as_str() {
                "" => "-".to_owned(),
                _ if asked.quotes => quoted(&value),
                _ => value,
            }
        });
        let words: Vec<String> = words.map(|word| harmless(&word)).collect();
        text.push_str(&words.join(" "));
        text.push('\n');
    }
    text
}

fn json(
    asked: &Asked<'_>,
    all: &[Shown<'_>],
    wanted: &[&Parameter],
    pretty: bool,
) -> Outcome<String> {
    use serde_json::{Map, Value, json};
    let number = |text: String| {
        text.parse::<i64>()
            .map_or(Value::String(text.clone()), Value::from)
    };
    let one = |shown: &Shown<'_>| {
        if !asked.pairs && asked.parameters.is_empty() {
            let mut plain = json!({
                "jid": shown.jail.jid,
                "ipv4": shown.value("ip4.addr"),
                "hostname": shown.value("host.hostname"),
                "path": shown.value("path"),
            });
            if asked.verbose {
                plain["name"] = shown.jail.name.clone().into();
                plain["state"] = if shown.jail.dying { "DYING" } else { "ACTIVE" }.into();
                plain["ipv6"] = shown.value("ip6.addr").into();
            }
            return plain;
        }
        let pairs = wanted.iter().map(|parameter| {
            let value = shown.value(parameter.name);
            let value = match parameter.kind {
                Kind::Flag => Value::Bool(value == "true"),
                Kind::Number => number(value),
                Kind::List => value.split(',').filter(|word| !word.is_empty()).collect(),
                Kind::Text | Kind::Origin => Value::String(value),
            };
            (parameter.name.to_owned(), value)
        });
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let jails: Vec<Value> = all.iter().map(one).collect();
    let document = json!({"__version": "2", "jail-information": {"jail": jails}});
    let text = if pretty {
        serde_json::to_string_pretty(&document)
    } else {
        serde_json::to_string(&document)
    };
    text.map(|text| text + "\n")
        .map_err(|error| Failure::new(error.to_string()))
}
