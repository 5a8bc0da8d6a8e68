//! `system df`, `system prune`.

use std::path::Path;

use container::Store;
use serde::Serialize;

use super::failure::{Failure, Outcome};
use super::state::{self, Known};
use super::{images, print, size, volume};
use crate::cli::{self, SystemVerb};
use crate::output::format::{Format, Row};
use crate::output::rows::State;
use crate::output::units;

/// `system …`.
pub(crate) fn system(store: &Store, verb: &SystemVerb) -> Outcome<()> {
    match verb {
        SystemVerb::DiskUse(request) => disk_use(store, request),
        SystemVerb::Prune(request) => prune(store, request),
    }
}

/// A line of `system df`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct UseRow {
    active: String,
    reclaimable: String,
    size: String,
    total_count: String,
    r#type: String,
}

impl Row for UseRow {
    const HEADINGS: &'static [(&'static str, &'static str)] = &[
        ("Active", "ACTIVE"),
        ("Reclaimable", "RECLAIMABLE"),
        ("Size", "SIZE"),
        ("TotalCount", "TOTAL"),
        ("Type", "TYPE"),
    ];
    const TABLE: &'static str =
        "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
}

/// How many there are, in use, their bytes, and those of the ones that are not in use.
#[derive(Default)]
struct Tally {
    total: usize,
    active: usize,
    size: u64,
    unused: u64,
}

impl Tally {
    fn add(&mut self, active: bool, bytes: u64) {
        self.total += 1;
        self.active += usize::from(active);
        self.size = self.size.saturating_add(bytes);
        if !active {
            self.unused = self.unused.saturating_add(bytes);
        }
    }

    fn row(&self, name: &str) -> UseRow {
        let percent = self.unused.saturating_mul(100) / self.size.max(1);
        UseRow {
            active: self.active.to_string(),
            reclaimable: format!("{} ({percent}%)", units::decimal_size(self.unused)),
            size: units::decimal_size(self.size),
            total_count: self.total.to_string(),
            r#type: name.to_owned(),
        }
    }
}

fn disk_use(store: &Store, request: &cli::DiskUse) -> Outcome<()> {
    let format = Format::parse::<UseRow>(request.format.as_deref());
    let format = format.map_err(|error| Failure::new(format!("--format: {error}")))?;
    let (known, failures) = state::all(store)?;
    let mut containers = Tally::default();
    for one in &known {
        containers.add(one.runs(), size::of(one)?.0);
    }
    let mut of_images = Tally::default();
    if let Some(store_of_images) = images::open(store)? {
        for summary in store_of_images.list()? {
            let used = !images::users(store, &summary.digest)?.is_empty();
            of_images.add(used, summary.own_bytes);
        }
    }
    let mut volumes = Tally::default();
    for volume in store.volumes()? {
        let uses = |one: &Known| one.settings.volumes.iter().any(|v| v.name == volume.name);
        let bytes = size::bytes_in(&store.volume_data(&volume.name))?;
        volumes.add(known.iter().any(uses), bytes);
    }
    let rows = [
        of_images.row("Images"),
        containers.row("Containers"),
        volumes.row("Local Volumes"),
    ];
    let text = format.render(&rows);
    print::out(&text.map_err(|error| Failure::new(format!("--format: {error}")))?)?;
    print::first_of(failures)
}

fn prune(store: &Store, request: &cli::SystemPrune) -> Outcome<()> {
    if !request.force && !print::confirmed(&question(request))? {
        return Ok(());
    }
    store.prepare()?;
    store.sweep()?;
    let mut freed = prune_containers(store)?;
    if let Some(store_of_images) = images::open(store)? {
        for summary in store_of_images.list()? {
            if request.all && images::users(store, &summary.digest)?.is_empty() {
                let bytes = images::remove_one(store, &store_of_images, &summary.digest)?;
                freed = freed.saturating_add(bytes);
                print::out(&format!("Deleted image: {}\n", summary.digest))?;
            }
        }
        freed = freed.saturating_add(store_of_images.gc()?);
    }
    if request.volumes {
        let (removed, bytes) = volume::prune_volumes(store, false, |_| Ok(true))?;
        freed = freed.saturating_add(bytes);
        for name in removed {
            print::out(&format!("Deleted volume: {name}\n"))?;
        }
    }
    prune_templates(store)?;
    print::out(&format!(
        "Total reclaimed space: {}\n",
        units::decimal_size(freed)
    ))
}

fn question(request: &cli::SystemPrune) -> String {
    let mut what = vec!["all containers that do not run"];
    if request.all {
        what.push("all images that no container uses");
    }
    if request.volumes {
        what.push("all anonymous volumes that no container uses");
    }
    format!("This removes {}.", what.join(", "))
}

/// Removes the containers that do not run: the bytes that they had written.
fn prune_containers(store: &Store) -> Outcome<u64> {
    let (known, failures) = state::all(store)?;
    let mut freed = 0u64;
    for one in known {
        if !matches!(one.now.phase, State::Exited | State::Created | State::Dead)
            || one.directory.has_monitor()
        {
            continue;
        }
        let bytes = size::of(&one).map_or(0, |(written, _)| written);
        store.engine.delete(&one.id, true)?;
        store.remove(&one.id)?;
        freed = freed.saturating_add(bytes);
        print::out(&format!("Deleted container: {}\n", one.id))?;
    }
    print::first_of(failures)?;
    Ok(freed)
}

/// Removes the templates of `host` roots that no container uses.
fn prune_templates(store: &Store) -> Outcome<()> {
    // Whoever makes a container of `host` holds it too.
    let _lock = store.lock()?;
    let path = format!("{}/templates", store.data);
    let mut used = Vec::new();
    for id in store.ids()? {
        if let Ok(settings) = store.open(&id).and_then(|directory| directory.settings())
            && let container::Root::Overlay { options } = settings.root
        {
            used.extend(size::lower_layers(&options));
        }
    }
    let used: Vec<&str> = used.iter().map(String::as_str).collect();
    front::app::host_root::remove_unused(Path::new(&path), &used)?;
    Ok(())
}
