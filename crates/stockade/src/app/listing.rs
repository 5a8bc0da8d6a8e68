//! `ps`.

use std::time::SystemTime;

use container::Store;

use super::failure::{Failure, Outcome};
use super::print;
use super::size;
use super::state::{self, Known};
use crate::cli;
use crate::output::filter::Filters;
use crate::output::format::Format;
use crate::output::rows::{Container, PsRow, State, short_id};

/// The table with `--size`.
const TABLE_WITH_SIZE: &str = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}";

/// `ps`: prints the containers that are wanted, the youngest first.
pub(crate) fn list(store: &Store, request: &cli::List) -> Outcome<()> {
    let filters = Filters::parse(&request.filter)?;
    let format = format(request)?;
    let (known, failures) = state::all(store)?;
    let with_size = request.size
        || request
            .format
            .as_deref()
            .is_some_and(|text| text.contains(".Size"));
    let mut containers = Vec::with_capacity(known.len());
    for one in &known {
        containers.push(row_of(one, with_size && !request.quiet)?);
    }
    let containers = chosen(containers, &filters, request)?;
    print::out(&text(&containers, &format, request)?)?;
    print::first_of(failures)
}

fn format(request: &cli::List) -> Outcome<Format> {
    if request.quiet
        && request
            .format
            .as_deref()
            .is_some_and(|format| format != "table")
    {
        eprintln!("stockade: --format is ignored, as --quiet is given");
    }
    let asked = match request.format.as_deref() {
        None | Some("" | "table") if request.size => Some(TABLE_WITH_SIZE),
        Some("") => None,
        asked => asked,
    };
    Format::parse::<PsRow>(asked).map_err(fault)
}

fn fault(error: crate::output::template::Error) -> Failure {
    Failure::new(format!("--format: {error}"))
}

fn text(containers: &[Container], format: &Format, request: &cli::List) -> Outcome<String> {
    if request.quiet {
        return Ok(containers
            .iter()
            .map(|one| short_id(&one.id, request.no_trunc) + "\n")
            .collect());
    }
    let now = SystemTime::now();
    let rows: Vec<PsRow> = containers
        .iter()
        .map(|one| PsRow::new(one, now, request.no_trunc))
        .collect();
    format.render(&rows).map_err(fault)
}

/// Those that the options want, the youngest first.
fn chosen(
    containers: Vec<Container>,
    filters: &Filters,
    request: &cli::List,
) -> Outcome<Vec<Container>> {
    let last = match (request.latest, request.last) {
        (true, _) => Some(1),
        (false, Some(0)) => {
            return Err(Failure::new(
                "--last 0: nothing would be listed; hint: at least 1",
            ));
        }
        (false, last) => last.and_then(|count| usize::try_from(count).ok()),
    };
    let all = request.all || request.latest || request.last.is_some() || filters.wants_all();
    let passing = filters.passing(&containers)?;
    let mut chosen: Vec<Container> = passing
        .into_iter()
        .map(|at| containers[at].clone())
        .filter(|one| all || one.state.is_alive())
        .collect();
    chosen.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    chosen.truncate(last.unwrap_or(usize::MAX));
    Ok(chosen)
}

fn row_of(known: &Known, with_size: bool) -> Outcome<Container> {
    let (settings, now) = (&known.settings, &known.now);
    let spec = known.spec()?;
    let process = spec.process.as_ref();
    Ok(Container {
        id: known.id.clone(),
        name: settings.name.clone(),
        image: settings.image.clone(),
        command: process
            .iter()
            .flat_map(|process| &process.args)
            .map(ToString::to_string)
            .collect(),
        created: state::moment(&settings.created).unwrap_or(SystemTime::UNIX_EPOCH),
        started: now.started,
        finished: now.finished,
        state: now.phase,
        exit_code: if now.phase == State::Created {
            0
        } else {
            now.code
        },
        labels: settings.labels.clone(),
        mounts: super::inspect::mounts(known, &spec)
            .into_iter()
            .filter_map(source)
            .collect(),
        network: super::inspect::network(&known.options).to_owned(),
        size: with_size.then(|| size::of(known)).transpose()?,
    })
}

/// What Docker lists of a mount: tmpfs has no source.
fn source(mount: crate::output::inspect::Mount) -> Option<String> {
    match mount.r#type.as_str() {
        "bind" => Some(mount.source),
        "volume" => Some(mount.name),
        _ => None,
    }
}
