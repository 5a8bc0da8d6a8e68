//! `rctl`: rules about what jails may use of the machine, and what they use.
//!
//! Rules are kept by the jails' names, so that there may be some for a jail that is not there yet; they hold from the
//! moment when they are added.

use std::fs;
use std::os::unix::fs::MetadataExt;

use container::Store;
use front::jail::limits::{Filter, Limited, Rule, limits};
use spec::Resources;
use sys::rustix::fs::{major, minor};

use super::shelf::{Jail, Shelf};
use crate::app::{Failure, Outcome, print};

const USAGE: &str = "usage: rctl [-h] [FILTER] | -a RULE… | -l|-r|-u [-h] FILTER";

/// Adds, removes or lists rules, or lists what is used.
pub(super) fn rctl(store: &Store, words: &[String]) -> Outcome<i32> {
    let shelf = Shelf::open(store)?;
    let mut action = None;
    let mut human = false;
    let mut operands = Vec::new();
    for word in words {
        match word.as_str() {
            "-h" | "-n" => human = word == "-h",
            "-a" | "-r" | "-u" | "-l" | "-hu" | "-hl" => {
                human |= word.starts_with("-h");
                action = word.chars().last();
            }
            other if other.starts_with('-') => {
                return Err(Failure::new(format!(
                    "rctl: unknown option {other}; {USAGE}"
                )));
            }
            other => operands.push(other),
        }
    }
    match (action, operands.as_slice()) {
        (Some('a'), [_, ..]) => operands.iter().try_for_each(|text| add(&shelf, text))?,
        (Some('r'), [filter]) => remove(&shelf, &parsed(filter)?)?,
        (Some('u'), [filter]) => usage(&shelf, &parsed(filter)?, human)?,
        (None, []) => list(&shelf, &Filter::default(), human)?,
        (None | Some('l'), [filter]) => list(&shelf, &parsed(filter)?, human)?,
        _ => return Err(Failure::new(USAGE)),
    }
    Ok(0)
}

fn parsed(text: &str) -> Outcome<Filter> {
    Ok(Filter::parse(text).map_err(|fault| fault.at(format!("rctl {text}")))?)
}

fn add(shelf: &Shelf<'_>, text: &str) -> Outcome<()> {
    let rule = Rule::parse(text).map_err(|fault| fault.at(format!("rctl {text}")))?;
    let (_guard, mut rules) = shelf.rules()?;
    let same = |known: &Rule| known.jail == rule.jail && known.limited == rule.limited;
    rules.retain(|known| !same(known));
    rules.push(rule.clone());
    apply(shelf, &rule.jail, &rules, &[]).map_err(|failure| Failure {
        message: format!("rctl {text}: {}", failure.message),
        ..failure
    })?;
    shelf.set_rules(&rules)
}

fn remove(shelf: &Shelf<'_>, filter: &Filter) -> Outcome<()> {
    let (_guard, mut rules) = shelf.rules()?;
    let gone: Vec<Rule> = rules.extract_if(.., |rule| filter.matches(rule)).collect();
    if gone.is_empty() {
        return Err(Failure::new("rctl: no such rule"));
    }
    let mut jails: Vec<&str> = gone.iter().map(|rule| rule.jail.as_str()).collect();
    jails.sort_unstable();
    jails.dedup();
    for jail in jails {
        let lifted: Vec<Limited> = gone
            .iter()
            .filter(|rule| rule.jail == jail)
            .map(|rule| rule.limited)
            .collect();
        apply(shelf, jail, &rules, &lifted)?;
    }
    shelf.set_rules(&rules)
}

/// Makes the rules of a jail hold, where it lives.
fn apply(shelf: &Shelf<'_>, name: &str, rules: &[Rule], lifted: &[Limited]) -> Outcome<()> {
    let Some(jail) = shelf.find_living(name)? else {
        return Ok(());
    };
    let changes = resources(&jail, rules, lifted)?;
    Ok(shelf.engine.update(&jail.id, &changes)?)
}

fn resources(jail: &Jail, rules: &[Rule], lifted: &[Limited]) -> Outcome<Resources<'static>> {
    let own: Vec<Rule> = rules
        .iter()
        .filter(|rule| rule.jail == jail.name)
        .cloned()
        .collect();
    let values = jail.values();
    let device = values.text("path").and_then(disk);
    limits(&own, lifted, device).map_err(|fault| Failure::new(fault.message))
}

/// The limits that a jail starts with.
pub(super) fn at_start(shelf: &Shelf<'_>, jail: &Jail) -> Outcome<Resources<'static>> {
    if !shelf.has_rules() {
        return Ok(Resources::default());
    }
    let (_guard, rules) = shelf.rules()?;
    resources(jail, &rules, &[])
}

/// The disk that a directory is on, of which the directory's file system may be a part.
fn disk(path: &str) -> Option<(u32, u32)> {
    let device = fs::metadata(path).ok()?.dev();
    let (major, minor) = (major(device), minor(device));
    let place = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    if !place.join("partition").exists() {
        return Some((major, minor));
    }
    let text = fs::read_to_string(place.parent()?.join("dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn list(shelf: &Shelf<'_>, filter: &Filter, human: bool) -> Outcome<()> {
    let (_guard, mut rules) = shelf.rules()?;
    rules.retain(|rule| filter.matches(rule));
    rules.sort_by(|one, other| (&one.jail, one.limited).cmp(&(&other.jail, other.limited)));
    for rule in &rules {
        let text = rule.to_string();
        let (start, _) = text.split_once('=').unwrap_or((&text, ""));
        print::out(&format!("{start}={}\n", shown(rule.amount, human)))?;
    }
    Ok(())
}

/// What a jail uses, by resource.
fn usage(shelf: &Shelf<'_>, filter: &Filter, human: bool) -> Outcome<()> {
    let name = filter.jail().ok_or_else(|| Failure::new(USAGE))?;
    let jail = shelf.get(name)?;
    let (record, _) = shelf.engine.inspect(&jail.id)?;
    let group = shelf.engine.group(&record)?;
    let figures = group.stats().map_err(engine::Error::from)?;
    let processes =
        u64::try_from(group.processes().map_err(engine::Error::from)?.len()).unwrap_or(0);
    let mut told = vec![("maxproc", processes.saturating_sub(1))];
    if let Some(memory) = &figures.memory {
        told.push(("memoryuse", memory.usage));
    }
    if let Some(cpu) = &figures.cpu {
        told.push(("cputime", cpu.usage / 1_000_000_000));
    }
    for (name, amount) in told {
        print::out(&format!("{name}={}\n", shown(amount, human)))?;
    }
    Ok(())
}

/// With letters for powers of 1024, where that is asked for.
fn shown(amount: u64, human: bool) -> String {
    let letters = ["", "K", "M", "G", "T", "P"];
    let mut rest = amount;
    let mut at = 0;
    while human && rest >= 1024 && at + 1 < letters.len() {
        rest /= 1024;
        at += 1;
    }
    format!("{rest}{}", letters[at])
}
