//! `cgroup create`, `set`, `move`, `freeze`, `thaw`, `kill`, `rm`.

use cgroup::hand::Target;
use cgroup::{Deadline, Layout, Version};

use super::super::failure::{Failure, Outcome};
use super::super::print;
use super::{devices, existing, host, process};
use crate::cli;

/// Seconds to wait for processes to stop or to end.
const PATIENCE: i64 = 10;

/// `cgroup create`. What was made goes again when a setting is refused.
pub(super) fn create(request: &cli::CgroupCreate) -> Outcome<()> {
    let (layout, only) = host(request.controllers.as_deref())?;
    let owner = request.owner.as_deref().map(owner).transpose()?;
    let target = Target::find(&layout, &request.cgroup, only)?;
    let group = target.create(only)?;
    let finish = || {
        set_all(&layout, &target, &request.settings, request.quiet)?;
        if let Some((user, group)) = owner {
            target.give_to(user, group)?;
        }
        Ok(())
    };
    let made = finish();
    if made.is_err() {
        // In reverse: what was made last is below what was made first.
        cgroup::remove(group.made(), group.leaves(), Deadline::after(1000));
    }
    made
}

/// `USER[:GROUP]`; without a group the user's own.
fn owner(text: &str) -> Outcome<(u32, u32)> {
    let failed = |error: ns::Error| Failure::new(format!("--owner {text}: {}", error.message));
    let accounts = ns::accounts::Accounts::read().map_err(failed)?;
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let id = accounts.user_id(user).map_err(failed)?;
    let group = match (group, accounts.user(user)) {
        (Some(group), _) => accounts.group_id(group).map_err(failed)?,
        (None, Some(known)) => known.group,
        (None, None) => {
            return Err(Failure::new(format!(
                "--owner {text}: nobody has this number, so it has no group; hint: {text}:GROUP"
            )));
        }
    };
    Ok((id, group))
}

/// `cgroup set`.
pub(super) fn set(request: &cli::CgroupSet) -> Outcome<()> {
    let (layout, target) = existing(request.controllers.as_deref(), &request.cgroup)?;
    set_all(&layout, &target, &request.settings, request.quiet)
}

/// Makes settings, each `KEY=VALUE`, and says which keys of v1 were written.
pub(super) fn set_all(
    layout: &Layout,
    target: &Target,
    settings: &[String],
    quiet: bool,
) -> Outcome<()> {
    // All are read before the first is made.
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty())?;
        Some((key.to_owned(), value.to_owned()))
    };
    let mut pairs = Vec::new();
    for text in settings {
        pairs.push(pair(text).ok_or_else(|| Failure::new(format!("{text:?}: not KEY=VALUE")))?);
    }
    for (key, value) in pairs {
        if key == "devices" {
            target.restrict_devices(&devices::rules_of(&value)?)?;
            continue;
        }
        let done = target.set(layout, &key, &value)?;
        let said = |one: &cgroup::hand::Done| one.version == Version::V1 && one.file != key;
        let lines: String = done
            .iter()
            .filter(|one| said(one) && !quiet)
            .map(|one| format!("{key} -> {} = {}\n", one.file, one.value))
            .collect();
        print::out(&lines)?;
    }
    Ok(())
}

/// `cgroup move`.
pub(super) fn take(request: &cli::CgroupMove) -> Outcome<()> {
    let (_, target) = existing(request.controllers.as_deref(), &request.cgroup)?;
    let pids: Vec<u32> = request
        .pids
        .iter()
        .map(|text| process(text))
        .collect::<Outcome<_>>()?;
    for pid in pids {
        target.take(pid).map_err(|error| match error.errno {
            Some(sys::Errno::SRCH) => Failure::new(format!("{pid}: no such process")),
            _ => error.into(),
        })?;
    }
    Ok(())
}

/// `cgroup freeze`.
pub(super) fn freeze(request: &cli::CgroupNamed) -> Outcome<()> {
    each(request, Target::freeze)
}

/// `cgroup thaw`.
pub(super) fn thaw(request: &cli::CgroupNamed) -> Outcome<()> {
    each(request, Target::thaw)
}

/// `cgroup kill`.
pub(super) fn kill(request: &cli::CgroupNamed) -> Outcome<()> {
    each(request, Target::kill)
}

fn each(
    request: &cli::CgroupNamed,
    act: impl Fn(&Target, &Deadline) -> cgroup::Result<()>,
) -> Outcome<()> {
    let seconds = u32::try_from(request.time.unwrap_or(PATIENCE)).unwrap_or(u32::MAX);
    let one = |name: &String| {
        let (_, target) = existing(request.controllers.as_deref(), name)?;
        Ok(act(
            &target,
            &Deadline::after(seconds.saturating_mul(1000)),
        )?)
    };
    let failures = request.cgroups.iter().filter_map(|name| one(name).err());
    print::first_of(failures.collect())
}

/// `cgroup rm`.
pub(super) fn remove(request: &cli::CgroupRemove) -> Outcome<()> {
    let one = |name: &String| {
        let (_, target) = existing(request.controllers.as_deref(), name)?;
        Ok(target.remove(request.recursive)?)
    };
    let failures = request.cgroups.iter().filter_map(|name| one(name).err());
    print::first_of(failures.collect())
}
