//! `cgroup devices`: which device nodes may be used.

use cgroup::hand::DeviceRules;

use super::super::failure::{Failure, Outcome};
use super::super::print;
use super::existing;
use crate::cli;

/// `cgroup devices`: shows the policy, or adds to it.
pub(super) fn devices(request: &cli::CgroupDevices) -> Outcome<()> {
    let (_, target) = existing(request.controllers.as_deref(), &request.cgroup)?;
    if request.rules.is_empty() {
        let lines = target.devices()?.unwrap_or_else(|| vec!["allow a".into()]);
        return print::out(&(lines.join("\n") + "\n"));
    }
    let mut rules = DeviceRules::default();
    let mut words = request.rules.iter();
    while let Some(act) = words.next() {
        let rule = words.next();
        let rule = rule.ok_or_else(|| Failure::new(format!("{act}: a rule is missing")))?;
        rules.add(allows(act)?, rule)?;
    }
    Ok(target.restrict_devices(&rules)?)
}

/// The rules of `devices=deny a; allow c 1:3 rwm`.
pub(super) fn rules_of(text: &str) -> Outcome<DeviceRules> {
    let mut rules = DeviceRules::default();
    for one in text.split(';').map(str::trim) {
        let (act, rule) = one.split_once(' ').unwrap_or((one, ""));
        rules.add(allows(act)?, rule.trim())?;
    }
    Ok(rules)
}

fn allows(act: &str) -> Outcome<bool> {
    match act {
        "allow" => Ok(true),
        "deny" => Ok(false),
        _ => Err(Failure::new(format!("{act:?}: must be allow or deny"))),
    }
}
