//! A jail whose command ends at once, beside `crun run` of a plain bundle and bubblewrap.

use crate::Result;
use crate::bundle::{self, Bundle};
use crate::contender::{self, Contender};
use crate::options::Options;
use crate::people::{Person, Spelling, add_rows, sample};
use crate::sample::Stage;
use crate::series::view;
use crate::table::{Column, Table};
use crate::view::Place;
use std::path::Path;
use std::process::Command;

const COLUMNS: &[Column] = &[
    ("median ms", 2),
    ("p90 ms", 2),
    ("x crun", 3),
    ("CPU ms", 2),
    ("faults", 0),
];

/// Jails by what network they have.
const JAILS: [(&str, &str); 4] = [
    ("jail, the host's network", "ip4=inherit"),
    // The machine has it anyway: nothing of the host's is changed.
    ("jail, an address", "ip4.addr=127.0.0.1"),
    ("jail, no network", "ip4=disable"),
    ("jail, vnet", "vnet=new"),
];

/// Measures each.
pub(crate) fn measure(
    options: &Options,
    place: &Place,
    bundles: &[Bundle],
    contenders: &[Contender],
) -> Result<()> {
    let title = format!("jails, {} view, {} rounds", view(options), options.rounds);
    let mut table = Table::new(title, COLUMNS);
    let mut stage = Stage::new(&place.work, options.gap)?;
    let root = place.work.join(bundle::ROOTFS);
    let mut people: Vec<Person> = Vec::new();
    if let (Some(bundle), Some(crun)) = (
        bundles.first(),
        contenders.iter().find(|contender| contender.name == "crun"),
    ) {
        // Its payload is the bundle's, whatever is asked for.
        let command = move |_: &[&str]| crun.run(bundle, &place.id("crun", 0));
        people.push(Person::new("crun, bundle A".to_owned(), Box::new(command)));
    }
    let root = &root;
    people.push(Person::new(
        "bwrap".to_owned(),
        Box::new(move |payload: &[&str]| bwrap(root, payload)),
    ));
    if let Some(program) = contender::ours(options) {
        for (name, network) in JAILS {
            let program = program.clone();
            let command: Spelling =
                Box::new(move |payload: &[&str]| jail(&program, root, place, network, payload));
            people.push(Person::new(name.to_owned(), command));
        }
    }
    people.retain(
        |person| match stage.measure((person.command)(bundle::ENDING)) {
            Ok(_) => true,
            Err(error) => {
                table.note(format!("left out: {}: {error}", person.name));
                false
            }
        },
    );
    sample(options, &mut stage, &mut people)?;
    add_rows(&mut table, &people, "crun");
    place.sweep();
    table.print(options.format);
    Ok(())
}

fn bwrap(root: &Path, payload: &[&str]) -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--bind"]);
    command.arg(root).arg("/").args(payload);
    command
}

fn jail(program: &Path, root: &Path, place: &Place, network: &str, payload: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("--root").arg(place.work.join("state/jails"));
    command.args(["jail", "-qc", network, &format!("path={}", root.display())]);
    if let Some((first, rest)) = payload.split_first() {
        command.arg(format!("command={first}")).args(rest);
    }
    command
}
