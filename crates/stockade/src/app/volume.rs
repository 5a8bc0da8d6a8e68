//! `volume`, and the volumes that `run` makes.

use std::collections::BTreeMap;

use container::{Store, Volume};
use front::app::value::env::label;
use front::app::{Base, Extras, Storage};
use serde::Serialize;
use sys::OwnedFd;
use sys::root::entry::names;
use sys::rustix::fs::OFlags;

use super::failure::{Failure, Outcome};
use super::{names as made_up, print, tree};
use crate::cli::{self, VolumeVerb};
use crate::output::format::{self, Format, Row};

/// `volume …`.
pub(crate) fn volume(store: &Store, verb: &VolumeVerb) -> Outcome<()> {
    match verb {
        VolumeVerb::Create(request) => create(store, request),
        VolumeVerb::List(request) => list(store, request),
        VolumeVerb::Inspect(request) => inspect(store, request),
        VolumeVerb::Remove(request) => remove(store, request),
        VolumeVerb::Prune(request) => prune(store, request),
    }
}

/// Makes what volumes of a container are missing, and fills those that are empty with what its root has
/// in their place. The caller holds the volumes' lock.
pub(super) fn make_wanted(store: &Store, extras: &Extras) -> Outcome<()> {
    for wanted in &extras.volumes {
        store.make_volume(&Volume {
            name: wanted.name.clone(),
            created: engine::timestamp_now(),
            anonymous: wanted.anonymous,
            labels: BTreeMap::new(),
        })?;
        let path = store.volume_data(&wanted.name);
        let data = sys::file::open(&path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        if wanted.copy && names(&data, &path)?.is_empty() {
            fill(&extras.storage, &wanted.destination, &data)?;
        }
    }
    Ok(())
}

fn fill(root: &Storage, destination: &str, data: &OwnedFd) -> Outcome<()> {
    let whole = match &root.base {
        Base::Directory(path) => directory(path)?,
        Base::Overlay(layers) => match layers.as_slice() {
            [only] => directory(only)?,
            several => sys::overlay::read_only(several)?,
        },
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    match sys::root::open(&whole, destination, flags) {
        Ok(source) => tree::copy(&source, data),
        // Nothing is there, or nothing that a directory could be mounted on.
        Err(_) => Ok(()),
    }
}

fn directory(path: &str) -> Outcome<OwnedFd> {
    Ok(sys::file::open(path, OFlags::RDONLY | OFlags::DIRECTORY)?)
}

fn create(store: &Store, request: &cli::VolumeCreate) -> Outcome<()> {
    store.prepare()?;
    if let Some(driver) = request.driver.as_deref().filter(|name| *name != "local") {
        return Err(Failure::new(format!(
            "--driver {driver}: only local is built"
        )));
    }
    if let Some(option) = request.opt.first() {
        return Err(Failure {
            hint: Some("bind what is mounted with --volume /host/path:/path".into()),
            ..Failure::new(format!("--opt {option}: not built yet"))
        });
    }
    let mut labels = BTreeMap::new();
    for text in &request.label {
        let parsed = label(text).map_err(|fault| fault.at(format!("--label {text}")))?;
        labels.insert(parsed.0.to_owned(), parsed.1.to_owned());
    }
    let name = match &request.name {
        Some(name) => name.clone(),
        None => made_up::new_id()?,
    };
    let _lock = store.lock_volumes()?;
    store.make_volume(&Volume {
        anonymous: request.name.is_none(),
        created: engine::timestamp_now(),
        name: name.clone(),
        labels,
    })?;
    print::out(&format!("{name}\n"))
}

/// The names of the containers that use a volume.
fn users(store: &Store, name: &str) -> Outcome<Vec<String>> {
    let mut users = Vec::new();
    for id in store.ids()? {
        if let Ok(settings) = store.open(&id).and_then(|directory| directory.settings())
            && settings.volumes.iter().any(|volume| volume.name == name)
        {
            users.push(settings.name);
        }
    }
    Ok(users)
}

/// A line of `volume ls`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeRow {
    driver: String,
    labels: String,
    mountpoint: String,
    name: String,
    scope: String,
    #[serde(skip)]
    label_map: BTreeMap<String, String>,
}

impl Row for VolumeRow {
    const HEADINGS: &'static [(&'static str, &'static str)] = &[
        ("Driver", "DRIVER"),
        ("Labels", "LABELS"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Name", "VOLUME NAME"),
        ("Scope", "SCOPE"),
    ];
    const TABLE: &'static str = "{{.Driver}}\t{{.Name}}";

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.label_map)
    }
}

/// What `--filter` of `volume ls` and `volume prune` wants.
#[derive(Default)]
struct Wanted {
    names: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    dangling: Option<bool>,
}

impl Wanted {
    fn parse(filters: &[String]) -> Outcome<Self> {
        let mut wanted = Self::default();
        for text in filters {
            let fault = |what: &str| Failure::new(format!("--filter {text}: {what}"));
            let (key, value) = text.split_once('=').ok_or_else(|| fault("no = in it"))?;
            match (key, value) {
                ("name", _) => wanted.names.push(value.to_owned()),
                ("label", _) => wanted.labels.push(match value.split_once('=') {
                    Some((label, value)) => (label.to_owned(), Some(value.to_owned())),
                    None => (value.to_owned(), None),
                }),
                ("dangling", "true" | "1") => wanted.dangling = Some(true),
                ("dangling", "false" | "0") => wanted.dangling = Some(false),
                ("driver", "local") => {}
                _ => {
                    return Err(fault(
                        "the filters are name, label, dangling and driver=local",
                    ));
                }
            }
        }
        Ok(wanted)
    }

    fn fits(&self, store: &Store, volume: &Volume) -> Outcome<bool> {
        let named = self.names.is_empty() || self.names.iter().any(|n| volume.name.contains(n));
        let labelled = self.labels.iter().all(|(label, value)| {
            let found = volume.labels.get(label);
            found.is_some() && value.as_ref().is_none_or(|value| found == Some(value))
        });
        let dangling = match self.dangling {
            Some(wanted) => users(store, &volume.name)?.is_empty() == wanted,
            None => true,
        };
        Ok(named && labelled && dangling)
    }
}

fn list(store: &Store, request: &cli::VolumeList) -> Outcome<()> {
    let format = Format::parse::<VolumeRow>(request.format.as_deref());
    let format = format.map_err(|error| Failure::new(format!("--format: {error}")))?;
    let wanted = Wanted::parse(&request.filter)?;
    let mut rows = Vec::new();
    for volume in store.volumes()? {
        if !wanted.fits(store, &volume)? {
            continue;
        }
        let labels = volume
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        rows.push(VolumeRow {
            driver: "local".into(),
            labels: labels.collect::<Vec<_>>().join(","),
            mountpoint: store.volume_data(&volume.name),
            name: volume.name,
            scope: "local".into(),
            label_map: volume.labels,
        });
    }
    if request.quiet {
        let names: String = rows.iter().map(|row| format!("{}\n", row.name)).collect();
        return print::out(&names);
    }
    let text = format.render(&rows);
    print::out(&text.map_err(|error| Failure::new(format!("--format: {error}")))?)
}

/// What `volume inspect` shows.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    created_at: String,
    driver: &'static str,
    labels: BTreeMap<String, String>,
    mountpoint: String,
    name: String,
    options: Option<BTreeMap<String, String>>,
    scope: &'static str,
}

fn inspect(store: &Store, request: &cli::VolumeInspect) -> Outcome<()> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in &request.volumes {
        match store.volume(name) {
            Ok(volume) => found.push(Inspected {
                created_at: volume.created,
                driver: "local",
                labels: volume.labels,
                mountpoint: store.volume_data(name),
                name: volume.name,
                options: None,
                scope: "local",
            }),
            Err(error) => failures.push(error.into()),
        }
    }
    let text = format::inspect(request.format.as_deref(), &found);
    print::out(&text.map_err(|error| Failure::new(format!("--format: {error}")))?)?;
    print::first_of(failures)
}

fn remove(store: &Store, request: &cli::VolumeRemove) -> Outcome<()> {
    let _lock = store.lock_volumes()?;
    let mut failures = Vec::new();
    for name in &request.volumes {
        match remove_one(store, name) {
            Ok(()) => print::out(&format!("{name}\n"))?,
            Err(_) if request.force && store.volume(name).is_err() => {}
            Err(failure) => failures.push(failure),
        }
    }
    print::first_of(failures)
}

fn remove_one(store: &Store, name: &str) -> Outcome<()> {
    store.volume(name)?;
    let users = users(store, name)?;
    if !users.is_empty() {
        return Err(Failure {
            hint: Some("remove them first".into()),
            ..Failure::new(format!("volume {name} is in use by {}", users.join(", ")))
        });
    }
    Ok(store.remove_volume(name)?)
}

fn prune(store: &Store, request: &cli::VolumePrune) -> Outcome<()> {
    let wanted = Wanted::parse(&request.filter)?;
    let which = if request.all { "" } else { "anonymous " };
    let question = format!("This removes all {which}volumes that no container uses.");
    if !request.force && !print::confirmed(&question)? {
        return Ok(());
    }
    let (removed, freed) = prune_volumes(store, request.all, |volume| wanted.fits(store, volume))?;
    if !removed.is_empty() {
        print::out(&format!("Deleted Volumes:\n{}\n\n", removed.join("\n")))?;
    }
    print::out(&format!(
        "Total reclaimed space: {}\n",
        crate::output::units::decimal_size(freed)
    ))
}

/// Removes the volumes that nobody uses, only the anonymous ones or all of them: their names, and the bytes that
/// were in them.
pub(super) fn prune_volumes(
    store: &Store,
    all: bool,
    fits: impl Fn(&Volume) -> Outcome<bool>,
) -> Outcome<(Vec<String>, u64)> {
    let _lock = store.lock_volumes()?;
    let (mut removed, mut freed) = (Vec::new(), 0u64);
    for volume in store.volumes()? {
        let unused = users(store, &volume.name)?.is_empty();
        if unused && (all || volume.anonymous) && fits(&volume)? {
            let bytes = super::size::bytes_in(&store.volume_data(&volume.name)).unwrap_or(0);
            store.remove_volume(&volume.name)?;
            freed = freed.saturating_add(bytes);
            removed.push(volume.name);
        }
    }
    Ok((removed, freed))
}
