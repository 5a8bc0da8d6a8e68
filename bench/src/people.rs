//! What people type: `podman run --rm` beside `stockade run --rm`, on a root that is already stored.

use crate::options::Options;
use crate::podman::{IMAGE, Podman, run};
use crate::sample::{Stage, median, quantile};
use crate::series::{turns, view};
use crate::table::{Column, Table, ratio};
use crate::view::Place;
use crate::{Result, bundle, contender};
use std::path::{Path, PathBuf};
use std::process::Command;

const COLUMNS: &[Column] = &[
    ("median ms", 2),
    ("p90 ms", 2),
    ("x podman", 3),
    ("CPU ms", 2),
    ("faults", 0),
];

/// Makes a whole command line that runs a payload.
pub(crate) type Spelling<'a> = Box<dyn Fn(&[&str]) -> Command + 'a>;

/// One program with its command line.
pub(crate) struct Person<'a> {
    pub(crate) name: String,
    pub(crate) command: Spelling<'a>,
    walls: Vec<f64>,
    cpus: Vec<f64>,
    faults: Vec<f64>,
}

/// Measures podman with each runtime it can use here, and ours.
pub(crate) fn measure(options: &Options, place: &Place) -> Result<()> {
    let title = format!(
        "run --rm, {} view, {} rounds",
        view(options),
        options.rounds
    );
    let mut table = Table::new(title, COLUMNS);
    let mut stage = Stage::new(&place.work, options.gap)?;
    let stores = stores(options, place, &mut table);
    let mut people = Vec::new();
    for (name, podman) in &stores {
        let command = |payload: &[&str]| podman_run(podman, place, payload);
        people.push(Person::new(format!("podman+{name}"), Box::new(command)));
    }
    match (
        contender::ours(options),
        archive(place, stores.first().map(|(_, store)| store)),
    ) {
        (Some(program), Ok(archive)) => {
            let command = move |payload: &[&str]| our_run(&program, &archive, place, payload);
            people.push(Person::new(contender::OURS.to_owned(), Box::new(command)));
        }
        (Some(_), Err(error)) => table.note(format!("left out: {}: {error}", contender::OURS)),
        (None, _) => {}
    }
    people.retain(|person| match probe(&mut stage, person) {
        Ok(()) => true,
        Err(error) => {
            table.note(format!("left out: {}: {error}", person.name));
            false
        }
    });
    sample(options, &mut stage, &mut people)?;
    add_rows(&mut table, &people, "podman");
    place.sweep();
    table.print(options.format);
    Ok(())
}

/// Every round of everybody.
pub(crate) fn sample(options: &Options, stage: &mut Stage, people: &mut [Person]) -> Result<()> {
    for round in 1..=options.rounds {
        for turn in turns(people.len(), round) {
            let person = &mut people[turn];
            let sample = stage.measure((person.command)(bundle::ENDING))?;
            person.walls.push(sample.wall);
            person.cpus.push(sample.cpu);
            person.faults.push(sample.faults);
        }
    }
    Ok(())
}

impl<'a> Person<'a> {
    pub(crate) fn new(name: String, command: Spelling<'a>) -> Self {
        Self {
            name,
            command,
            walls: vec![],
            cpus: vec![],
            faults: vec![],
        }
    }
}

/// One run that shows that the payload runs; it also stores what is to be stored.
fn probe(stage: &mut Stage, person: &Person) -> Result<()> {
    stage.measure((person.command)(&["/bin/sh", "-c", "echo inside"]))?;
    let printed = stage.printed()?;
    if printed != "inside" {
        return Err(format!("the payload printed {printed:?} instead of \"inside\"").into());
    }
    Ok(())
}

/// podman's store, once for each runtime.
fn stores(options: &Options, place: &Place, table: &mut Table) -> Vec<(String, Podman)> {
    let mut stores = Vec::new();
    let rootfs = place.work.join(bundle::ROOTFS);
    for (name, runtime) in &options.peers {
        match Podman::with_image(place, &rootfs, runtime) {
            Ok(podman) => stores.push((name.clone(), podman)),
            Err(error) => table.note(format!("left out: podman+{name}: {error}")),
        }
    }
    stores
}

fn podman_run(podman: &Podman, place: &Place, payload: &[&str]) -> Command {
    let mut command = podman.command();
    command.args(["run", "--rm", "--network", "none"]);
    command
        .args(["--cgroup-parent", &format!("/{}", place.prefix), IMAGE])
        .args(payload);
    command
}

/// The image as the archive that `podman save` writes.
pub(crate) fn archive(place: &Place, store: Option<&Podman>) -> Result<PathBuf> {
    let podman = store.ok_or("no podman to make its archive with")?;
    let archive = place.work.join("image.tar");
    if !archive.exists() {
        let mut save = podman.command();
        save.args(["save", "--quiet", "--format", "oci-archive", "--output"]);
        run(save.arg(&archive).arg(IMAGE))?;
    }
    Ok(archive)
}

fn our_run(program: &Path, archive: &Path, place: &Place, payload: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("--root").arg(place.work.join("state/people"));
    command
        .args(["run", "--rm", "--net", "none"])
        .arg(archive)
        .args(payload);
    command
}

/// A row for each; the ratio is to the first whose name begins so.
pub(crate) fn add_rows(table: &mut Table, people: &[Person], peer: &str) {
    let wall = |person: &Person| median(person.walls.iter().copied());
    let theirs = people
        .iter()
        .find(|person| person.name.starts_with(peer))
        .map(wall);
    for person in people {
        table.row(
            &person.name,
            vec![
                Some(wall(person)),
                Some(quantile(person.walls.iter().copied(), 0.9)),
                ratio(Some(wall(person)), theirs),
                Some(median(person.cpus.iter().copied())),
                Some(median(person.faults.iter().copied())),
            ],
        );
    }
}
