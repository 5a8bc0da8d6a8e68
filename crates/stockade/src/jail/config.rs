//! Which jails a command line is about, with their parameters, in the order of `depend`.

use std::path::Path;

use front::jail::conf::{Conf, Folder, is_meant};
use front::jail::{Request, Values, Wanted};

use super::shelf::{Jail, Shelf};
use crate::app::{Failure, Outcome, print};

/// The configuration where none is named.
const FILE: &str = "/etc/jail.conf";

/// A jail and what it is to be.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) values: Values,
    /// Another one depends on it: it is nobody's mistake where it is there.
    pub(super) is_needed: bool,
}

impl Chosen {
    /// Its name, or its number.
    pub(super) fn label(&self) -> String {
        let label = self.values.text("name").or_else(|| self.values.text("jid"));
        label.unwrap_or_default().to_owned()
    }

    /// By which the jail is found that is there already.
    pub(super) fn key(&self) -> String {
        let key = self.values.text("jid").or_else(|| self.values.text("name"));
        key.unwrap_or_default().to_owned()
    }

    pub(super) fn failure(&self, what: impl std::fmt::Display) -> Failure {
        let label = self.label();
        if label.is_empty() {
            return Failure::new(format!("jail: {what}"));
        }
        Failure::new(format!("jail {label}: {what}"))
    }
}

/// The configuration that a command line names; where it names none, the usual one, if that is there.
pub(super) fn read(request: &Request) -> Outcome<Option<Conf>> {
    let path = match &request.switches.file {
        Some(path) => path,
        None if Path::new(FILE).exists() => FILE,
        None => return Ok(None),
    };
    Ok(Some(Conf::read(path, &Folder)?))
}

/// Which jails are made or changed, in the order in which they are.
pub(super) fn chosen(shelf: &Shelf<'_>, request: &Request) -> Outcome<Vec<Chosen>> {
    let names = match &request.wanted {
        Wanted::Given(values) => {
            let mut values = values.clone();
            values.merge(&request.extra);
            return Ok(vec![Chosen {
                values,
                is_needed: false,
            }]);
        }
        Wanted::Named(names) => names,
    };
    let conf = read(request)?
        .ok_or_else(|| Failure::new(format!("{FILE}: there is no such file; -f names another")))?;
    let mut ordered = Ordered {
        conf: &conf,
        request,
        way: Vec::new(),
        found: Vec::new(),
    };
    for name in meant(&conf, shelf, names)? {
        ordered.add(&name, false)?;
    }
    Ok(ordered.found)
}

/// The configured jails that names and patterns are about; all, where there are none.
fn meant(conf: &Conf, shelf: &Shelf<'_>, names: &[String]) -> Outcome<Vec<String>> {
    if names.is_empty() {
        return Ok(conf.jails().to_vec());
    }
    let mut meant = Vec::new();
    for name in names {
        if name.ends_with('*') {
            meant.extend(
                conf.jails()
                    .iter()
                    .filter(|jail| is_meant(name, jail))
                    .cloned(),
            );
        } else if conf.has(name) {
            meant.push(name.clone());
        } else {
            // A number stands for the jail that has it.
            let jail = shelf.find_living(name)?.filter(|jail| conf.has(&jail.name));
            let none = || Failure::new(format!("jail {name:?} is not configured"));
            meant.push(jail.ok_or_else(none)?.name);
        }
    }
    Ok(meant)
}

struct Ordered<'o> {
    conf: &'o Conf,
    request: &'o Request,
    way: Vec<String>,
    found: Vec<Chosen>,
}

impl Ordered<'_> {
    /// Adds a jail after those that it depends on.
    fn add(&mut self, name: &str, is_needed: bool) -> Outcome<()> {
        if let Some(known) = self.found.iter_mut().find(|known| known.label() == name) {
            known.is_needed &= is_needed;
            return Ok(());
        }
        if self.way.iter().any(|one| one == name) {
            let way = self.way.join(" on ");
            return Err(Failure::new(format!(
                "depend: {way} depends on {name}: they wait for each other"
            )));
        }
        let mut values = self.conf.values(name)?;
        values.merge(&self.request.extra);
        self.way.push(name.to_owned());
        for other in values.list("depend") {
            if !self.conf.has(other) {
                return Err(Failure::new(format!(
                    "jail {name}: depend: jail {other:?} is not configured"
                )));
            }
            self.add(other, true)?;
        }
        self.way.pop();
        self.found.push(Chosen { values, is_needed });
        Ok(())
    }
}

/// The parameters with which a living jail is removed: those of the configuration where it is there, as
/// FreeBSD has it, else those that it was made with.
pub(super) fn for_removal(conf: Option<&Conf>, jail: &Jail) -> Outcome<Values> {
    match conf {
        Some(conf) if conf.has(&jail.name) => Ok(conf.values(&jail.name)?),
        _ => Ok(jail.values()),
    }
}

/// `jail -e SEPARATOR`: what is configured.
pub(super) fn exhibit(request: &Request, separator: &str) -> Outcome<i32> {
    let conf = read(request)?
        .ok_or_else(|| Failure::new(format!("{FILE}: there is no such file; -f names another")))?;
    for jail in conf.jails() {
        let values = conf.values(jail)?;
        let told: Vec<String> = values
            .iter()
            .map(|(name, value)| format!("{name}={}", super::jls::quoted(&value.words.join(","))))
            .collect();
        print::out(&format!("{}\n", told.join(separator)))?;
    }
    Ok(0)
}
