//! `delete`: a container that has ended, or (by force) one that has not.

use alloc::string::String;

use plan::HookKind;
use spec::Spec;
use spec::state::Status;
use sys::OwnedFd;

use crate::error::{Error, Kind, Result};
use crate::record::Record;
use crate::state_dir::StateDir;
use crate::{Engine, hooks, list, teardown};

impl Engine {
    /// Removes a container and all that was made for it.
    ///
    /// By force, one that runs is killed first, one whose state is damaged is removed as far as it can
    /// be found, and one that does not exist is no error.
    ///
    /// # Errors
    /// `WrongState` when it runs; the first of what could not be undone.
    pub fn delete(&self, id: &str, force: bool) -> Result<()> {
        let dir = match self.open_state_dir(id) {
            Err(error) if force && error.kind == Kind::NotFound => return Ok(()),
            other => other?,
        };
        match dir.lock() {
            Err(error) if force && error.kind == Kind::NotFound => return Ok(()),
            other => other?,
        }
        let record = match dir.read() {
            Ok(record) => record,
            Err(_) if force => return self.remove_damaged(&dir),
            Err(error) => return Err(error),
        };
        let first = teardown::living_first(&record)?;
        match list::status_of(&record, first.is_some()) {
            Status::Stopped | Status::Created | Status::Creating => {}
            status if !force => {
                let message = alloc::format!(
                    "cannot delete container {id} that is not stopped: {}",
                    status.name()
                );
                return Err(
                    Error::new(Kind::WrongState, message).hint("`delete --force` kills it first")
                );
            }
            _ => {}
        }
        remove(&dir, &record, first.as_ref(), None)
    }

    /// Without a record only what the configuration's copy names can be found, or else what carries
    /// the container's name: its cgroups.
    fn remove_damaged(&self, dir: &StateDir) -> Result<()> {
        let path = likely_cgroup(dir)?;
        let shared = path.matches('/').count().saturating_sub(1);
        let layout = cgroup::Layout::find_all()?;
        let mut record = Record::new(&dir.id);
        record.cgroups = layout
            .unified
            .iter()
            .map(|hierarchy| (hierarchy, 2))
            .chain(layout.v1.iter().map(|hierarchy| (hierarchy, 1)))
            .map(|(hierarchy, version)| crate::record::CgroupRecord {
                version,
                mount: hierarchy.mount.clone().into_owned(),
                path: path.clone(),
                shared,
                controllers: Default::default(),
            })
            .filter(|record| {
                sys::file::open(&record.leaf().dir(), sys::rustix::fs::OFlags::PATH).is_ok()
            })
            .collect();
        let errors = teardown::teardown(dir, &record, None);
        errors.into_iter().next().map_or(Ok(()), Err)
    }
}

/// Where a container without a record has its cgroups.
fn likely_cgroup(dir: &StateDir) -> Result<String> {
    let config = dir.read_config().unwrap_or_default();
    let spec = Spec::parse(&config).ok();
    let linux = spec.as_ref().and_then(|spec| spec.linux.as_ref());
    let asked = linux.and_then(|linux| linux.cgroups_path.as_deref());
    // With colons it was systemd's to make.
    if asked.is_some_and(|path| path.contains(':')) {
        let side = systemd::Side::of_this_process()?;
        return Ok(systemd::Unit::of_path(asked, &dir.id, side)?.cgroup());
    }
    Ok(cgroup::layout::place(
        asked,
        crate::options::CGROUP_PARENT,
        &dir.id,
    )?)
}

/// Kills, removes, and runs the hooks of the end, which are in `spec` or else in the configuration's copy.
pub(crate) fn remove(
    dir: &StateDir,
    record: &Record,
    first: Option<&OwnedFd>,
    spec: Option<&Spec<'_>>,
) -> Result<()> {
    let has_copy = record.hooks && spec.is_none();
    let config = if has_copy {
        dir.read_config().ok()
    } else {
        None
    };
    let errors = teardown::teardown(dir, record, first);
    let parsed = config
        .as_deref()
        .and_then(|config| Spec::parse(config).ok());
    if let Some(spec) = spec.or(parsed.as_ref()).filter(|spec| spec.hooks.is_some()) {
        // As the specification has it, a failing poststop hook is a warning, not a failure.
        let _ = hooks::run_all(
            HookKind::Poststop,
            spec,
            &hooks::state(record, Status::Stopped),
            hooks::Inside::default(),
        );
    }
    errors.into_iter().next().map_or(Ok(()), Err)
}
