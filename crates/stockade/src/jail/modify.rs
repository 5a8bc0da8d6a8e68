//! Changing a jail that lives.

use front::jail::parameter::{Fate, Parameter};
use front::jail::{Host, Network, Request, Values, lower};
use net::alias::Alias;

use engine::keeper;

use super::network::{self, Wanted};
use super::shelf::{Held, Jail, Made, Shelf};
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
    let is_shared = matches!(network_of(&old), Some(Network::Shared { .. }));
    let changed = changes.iter().find(|(name, value)| {
        let possible = is_live(name) && (is_shared || !matches!(*name, "ip4.addr" | "ip6.addr"));
        !possible && !same(name, &value.words)
    });
    changed.map(|(name, _)| name)
}

fn network_of(values: &Values) -> Option<Network> {
    let lowered = lower(values, &Host::default()).ok()?;
    Some(lowered.network)
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
    if ["ip4.addr", "ip6.addr"]
        .iter()
        .any(|name| changes.get(name).is_some())
    {
        readdress(&mut held, &values)?;
    }
    held.jail.set_values(&values);
    held.save()?;
    if changes.get("persist").is_some() {
        held.engine.kill(&held.jail.id, signal, false)?;
    }
    tell(request, &held.jail.name, "modified")
}

/// Gives a jail other addresses: the new ones first, and the old ones go when nothing of the jail can use them.
fn readdress(held: &mut Held<'_>, values: &Values) -> Outcome<()> {
    let name = held.jail.name.clone();
    let network = network_of(values)
        .ok_or_else(|| Failure::new("ip4.addr, ip6.addr: contradict another parameter"))?;
    let wanted = Wanted::of(values, &network)?.ok_or_else(|| {
        let what = "ip4.addr: a jail that is confined stays so while it lives";
        about(&name, Failure::new(what))
    })?;
    let old = held.jail.made.clone();
    let is = |made: &Made, alias: &Alias| match made {
        Made::Alias { interface, address } => {
            Some(interface) == alias.interface.as_ref() && *address == alias.address.to_string()
        }
        _ => false,
    };
    for alias in &wanted.aliases {
        if !old.iter().any(|made| is(made, alias)) {
            network::give(held, alias)?;
        }
    }
    wanted.change(held.engine, &held.jail.id, values)?;
    for made in old {
        let stays = wanted.aliases.iter().any(|alias| is(&made, alias));
        if let (Made::Alias { interface, address }, false) = (&made, stays) {
            network::take(held, interface, address)?;
            held.jail.made.retain(|one| *one != made);
        }
    }
    Ok(())
}
