//! Changing a jail that lives.

use front::jail::parameter::{Fate, Parameter};
use front::jail::{Request, Values};

use engine::keeper;

use super::shelf::{Jail, Shelf};
use super::{about, tell};
use crate::app::{Failure, Outcome};

/// The first parameter that would have to change and cannot while the jail lives.
pub(super) fn unchangeable(jail: &Jail, changes: &Values) -> Option<&'static str> {
    let old = jail.values();
    let is_live = |name: &str| {
        Parameter::named(name).is_some_and(|known| matches!(known.fate, Fate::Live | Fate::Pseudo))
    };
    let same = |name: &str, words: &[String]| match (name, words) {
        ("jid", [jid]) => *jid == jail.jid.to_string(),
        ("name", [name]) => *name == jail.name,
        _ => old.get(name).is_some_and(|value| value.words == words),
    };
    let changed = changes
        .iter()
        .find(|(name, value)| !is_live(name) && !same(name, &value.words));
    changed.map(|(name, _)| name)
}

/// Changes what can be changed.
///
/// # Errors
/// What failed; what was changed before stays so.
pub(super) fn modify(
    shelf: &Shelf<'_>,
    request: &Request,
    jail: &Jail,
    changes: &Values,
) -> Outcome<()> {
    let gone = || Failure::new(format!("jail {}: it has ended", jail.name));
    let mut held = shelf.hold(jail.jid, true)?.ok_or_else(gone)?;
    let mut values = held.jail.values();
    // A jail that was named by its number keeps its name.
    let by_number = changes.text("jid").is_some();
    if let Some(name) = changes.text("name").filter(|name| *name != held.jail.name) {
        if !by_number {
            return Err(gone());
        }
        if name.matches('.').count() != held.jail.name.matches('.').count() {
            return Err(about(
                &held.jail.name,
                Failure::new("name: a jail stays with its parent"),
            ));
        }
        held.rename(shelf, name)?;
    }
    values.merge(changes);
    let signal = if values.flag("persist", false) {
        keeper::STAY
    } else {
        keeper::LEAVE
    };
    held.jail.set_values(&values);
    held.save()?;
    if changes.get("persist").is_some() {
        held.engine.kill(&held.jail.id, signal, false)?;
    }
    tell(request, &held.jail.name, "modified")
}
