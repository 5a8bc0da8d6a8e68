//! The command line of jail(8).

use super::values::Values;
use crate::error::{Error, Fault, Result};

/// What is to be done with jails; at least one of them is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// `-c`: make those that are not there.
    pub create: bool,
    /// `-m`: change those that are there.
    pub modify: bool,
    /// `-r`: remove them, or, with the others, make them anew.
    pub remove: bool,
    /// `-R`: remove without any command or file.
    pub only_remove: bool,
}

/// How it is done and told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// `-f`: the configuration.
    pub file: Option<String>,
    /// `-i`: print the numbers of jails that are made, and nothing else.
    pub tells_jid: bool,
    /// `-J`: where the parameters of a jail that is made are written.
    pub jid_file: Option<String>,
    /// `-q`
    pub quiet: bool,
    /// `-v`
    pub verbose: bool,
    /// `-e`: list what is configured, with this between the parameters.
    pub separator: Option<String>,
    /// `-C`: clean up after jails that ended by themselves.
    pub cleans: bool,
}

/// Which jails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// These, or by patterns; none: all that are configured.
    Named(Vec<String>),
    /// One, with its parameters.
    Given(Values),
}

/// A command line of jail(8), understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub operation: Operation,
    /// How.
    pub switches: Switches,
    /// For which jails.
    pub wanted: Wanted,
    /// What options set for each of them.
    pub extra: Values,
}

const WITH_VALUE: &str = "efJnpsuU";

fn usage(what: impl Into<String>) -> Error {
    Fault::usage(what)
        .hint("jail -c|-m|-r NAME…, jail -c PARAMETER=VALUE… command=…, jail PATH HOSTNAME IP COMMAND…")
        .at("jail")
}

/// Understands the words after `jail`.
///
/// # Errors
/// What is wrong, as one line.
pub fn parse(words: &[String]) -> Result<Request> {
    let mut request = Request {
        operation: Operation::default(),
        switches: Switches::default(),
        wanted: Wanted::Named(Vec::new()),
        extra: Values::default(),
    };
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next_if(|word| word.len() > 1 && word.starts_with('-')) {
        if word == "--" {
            break;
        }
        let mut letters = word[1..].chars();
        while let Some(letter) = letters.next() {
            if !WITH_VALUE.contains(letter) {
                switch(&mut request, letter)?;
                continue;
            }
            let rest = letters.as_str();
            let value = if rest.is_empty() {
                words.next()
            } else {
                Some(rest)
            };
            let value = value.ok_or_else(|| usage(format!("-{letter} needs a value")))?;
            option(&mut request, letter, value)?;
            break;
        }
    }
    let rest: Vec<&str> = words.collect();
    request.wanted = wanted(&request, &rest)?;
    let is_old = request.operation == Operation::default();
    request.operation.create |= is_old && matches!(request.wanted, Wanted::Given(_));
    Ok(request)
}

fn switch(request: &mut Request, letter: char) -> Result<()> {
    let (operation, switches) = (&mut request.operation, &mut request.switches);
    match letter {
        'c' => operation.create = true,
        'm' => operation.modify = true,
        'r' => operation.remove = true,
        'R' => (operation.remove, operation.only_remove) = (true, true),
        'C' => switches.cleans = true,
        'd' => request.extra.put("allow.dying", &["true"]),
        'h' => request.extra.put("ip_hostname", &["true"]),
        'i' => (switches.tells_jid, switches.quiet) = (true, true),
        'l' => request.extra.put("exec.clean", &["true"]),
        'q' => switches.quiet = true,
        'v' => switches.verbose = true,
        other => return Err(usage(format!("unknown option -{other}"))),
    }
    Ok(())
}

fn option(request: &mut Request, letter: char, value: &str) -> Result<()> {
    let words = || Some(vec![value.to_owned()]);
    let (switches, extra) = (&mut request.switches, &mut request.extra);
    match letter {
        'e' => switches.separator = Some(value.to_owned()),
        'f' => switches.file = Some(value.to_owned()),
        'J' => switches.jid_file = Some(value.to_owned()),
        'n' => extra.set("name", words(), false, "")?,
        // One command at a time is never more than a limit.
        'p' => match value.parse::<u32>() {
            Ok(limit) if limit > 0 => {}
            _ => return Err(usage(format!("-p {value}: not a number of commands"))),
        },
        's' => extra.set("securelevel", words(), false, "")?,
        'u' => {
            extra.set("exec.jail_user", words(), false, "")?;
            extra.put("exec.system_jail_user", &["true"]);
        }
        _ => {
            extra.set("exec.jail_user", words(), false, "")?;
            extra.put("exec.system_jail_user", &["false"]);
        }
    }
    Ok(())
}

fn wanted(request: &Request, rest: &[&str]) -> Result<Wanted> {
    let operation = request.operation;
    let none = operation == Operation::default();
    if request.switches.separator.is_some() {
        return match (none, rest) {
            (true, []) => Ok(Wanted::Named(Vec::new())),
            _ => Err(usage("-e goes with no jail and no other operation")),
        };
    }
    if none {
        return old(rest);
    }
    let named = |words: &[&str]| Wanted::Named(words.iter().map(|&word| word.to_owned()).collect());
    let removes = operation.remove && !operation.create && !operation.modify;
    if request.switches.cleans && !removes {
        return Err(usage("-C goes with -r alone"));
    }
    if operation.only_remove && !removes {
        return Err(usage("-R goes with neither -c nor -m"));
    }
    if removes {
        return match rest {
            [] => Err(usage("-r needs the jails that are to be removed, or '*'")),
            _ => Ok(named(rest)),
        };
    }
    match rest {
        [] => Ok(named(rest)),
        [one] if !one.contains('=') => Ok(named(rest)),
        _ => given(rest).map(Wanted::Given),
    }
}

/// Parameters; what follows `command=` is the command's.
fn given(words: &[&str]) -> Result<Values> {
    let mut values = Values::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some(("command", first)) => {
                let command = [first].into_iter().chain(words.copied());
                let command = command.map(str::to_owned).collect();
                values.set("command", Some(command), false, "")?;
                break;
            }
            Some((name, value)) => {
                let (name, adds) = name
                    .strip_suffix('+')
                    .map_or((name, false), |name| (name, true));
                values.set(name, Some(split(name, value)), adds, "")?;
            }
            None => values.set(word, None, false, "")?,
        }
    }
    Ok(values)
}

/// Only addresses and jails are split at commas: commands and lines of fstab(5) have commas of their own.
fn split(name: &str, value: &str) -> Vec<String> {
    match name {
        "ip4.addr" | "ip6.addr" | "depend" | "vnet.interface" => value
            .split(',')
            .map(|word| word.trim().to_owned())
            .collect(),
        _ => vec![value.to_owned()],
    }
}

/// `jail PATH HOSTNAME IP[,IP…] COMMAND…`, from before there were parameters.
fn old(rest: &[&str]) -> Result<Wanted> {
    let [path, hostname, addresses, command @ ..] = rest else {
        return Err(usage("nothing to do: say -c, -m, -r or -R"));
    };
    if command.is_empty() {
        return Err(usage("no command after PATH HOSTNAME IP"));
    }
    let mut values = Values::default();
    let one = |text: &str| Some(vec![text.to_owned()]);
    values.set("path", one(path), false, "")?;
    values.set("host.hostname", one(hostname), false, "")?;
    for address in addresses.split(',').filter(|address| !address.is_empty()) {
        let name = if address.contains(':') {
            "ip6.addr"
        } else {
            "ip4.addr"
        };
        values.set(name, one(address), true, "")?;
    }
    let command = command.iter().map(|&word| word.to_owned()).collect();
    values.set("command", Some(command), false, "")?;
    Ok(Wanted::Given(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request> {
        let words: Vec<String> = line.split(' ').map(|word| word.replace('_', " ")).collect();
        parse(&words)
    }

    fn values(line: &str) -> String {
        match parsed(line).map(|request| request.wanted) {
            Ok(Wanted::Given(values)) => values
                .iter()
                .map(|(name, value)| format!("{name}={}", value.words.join("|")))
                .collect::<Vec<_>>()
                .join(" "),
            Ok(Wanted::Named(names)) => format!("names {}", names.join(" ")),
            Err(error) => error.message,
        }
    }

    #[test]
    fn jails_are_named_or_given() {
        assert_eq!(values("-c"), "names ");
        assert_eq!(values("-c web"), "names web");
        assert_eq!(values("-r web db 3 *"), "names web db 3 *");
        assert_eq!(
            values("-c name=x path=/ persist"),
            "name=x path=/ persist=true"
        );
        assert_eq!(
            values("-c path=/ command=/bin/sh -c a=b,c name=y"),
            "path=/ command=/bin/sh|-c|a=b,c|name=y"
        );
        assert_eq!(
            values("-mr name=x ip4.addr=10.0.0.1,10.0.0.2"),
            "name=x ip4.addr=10.0.0.1|10.0.0.2"
        );
        assert_eq!(
            values("-c name=x exec.start=one,two"),
            "name=x exec.start=one,two"
        );
    }

    #[test]
    fn the_old_way() {
        let wanted = "path=/srv host.hostname=h ip4.addr=lo|10.0.0.1/8|10.0.0.2 ip6.addr=fe::1 command=/bin/sh|-c|x";
        assert_eq!(
            values("-l /srv h lo|10.0.0.1/8,10.0.0.2,fe::1 /bin/sh -c x"),
            wanted
        );
        assert_eq!(
            values("/srv h  true"),
            "path=/srv host.hostname=h command=true"
        );
        assert_eq!(
            values("/srv h 10.0.0.1"),
            "no command after PATH HOSTNAME IP"
        );
    }

    #[test]
    fn options_are_joined_and_have_values() {
        let request = parsed("-qcmrf /etc/x -Jfile -uann -nweb -s2 -lhd web").unwrap();
        let operation = request.operation;
        assert!(operation.create && operation.modify && operation.remove && !operation.only_remove);
        assert_eq!(request.switches.file.as_deref(), Some("/etc/x"));
        assert_eq!(request.switches.jid_file.as_deref(), Some("file"));
        assert!(request.switches.quiet && request.extra.flag("exec.clean", false));
        assert!(request.extra.flag("exec.system_jail_user", false));
        assert_eq!(request.extra.text("exec.jail_user"), Some("ann"));
        assert_eq!(request.extra.text("name"), Some("web"));
        assert_eq!(request.extra.number("securelevel"), Some(2));
    }

    #[test]
    fn what_is_not_understood() {
        for (line, why) in [
            ("-x", "unknown option -x"),
            ("-c -f", "-f needs a value"),
            ("-r", "-r needs the jails that are to be removed, or '*'"),
            ("-cR x", "-R goes with neither -c nor -m"),
            ("-cC x", "-C goes with -r alone"),
            ("web", "nothing to do: say -c, -m, -r or -R"),
            ("-c a b", "unknown parameter"),
            ("-p 0 -c", "-p 0: not a number of commands"),
        ] {
            assert_eq!(values(line), why, "{line}");
        }
    }
}
