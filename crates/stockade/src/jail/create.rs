//! Making a jail: the steps of its start in their order, and backwards where one fails.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use engine::{Options, keeper, run_or_create};
use front::jail::{Host, Lowered, Network, Permissions, Request, Values, lower};
use plan::Act;

use super::config::Chosen;
use super::network::{self, Wanted};
use super::shelf::{Held, Jail, Made, Shelf};
use super::{about, remove, run, tell, tell_step};
use crate::app::{Failure, Outcome, print};

/// The steps, in the order in which they are done.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// `exec.prepare`
    Prepare,
    /// `ip4.addr`, `ip6.addr`
    Addresses,
    /// `exec.prestart`
    Prestart,
    /// The jail itself, with its mounts.
    Make,
    /// `exec.created`
    Created,
    /// `exec.start`
    Start,
    /// `command`
    Command,
    /// `exec.poststart`
    Poststart,
}

const STEPS: [Step; 8] = [
    Step::Prepare,
    Step::Addresses,
    Step::Prestart,
    Step::Make,
    Step::Created,
    Step::Start,
    Step::Command,
    Step::Poststart,
];

/// Makes a jail and starts what is to run in it.
///
/// # Errors
/// What failed; what was done before is undone.
pub(super) fn create(shelf: &Shelf<'_>, request: &Request, chosen: &Chosen) -> Outcome<()> {
    let values = &network::resolved(&chosen.values)?;
    check(values).map_err(|failure| about(&chosen.label(), failure))?;
    let parent = parent(shelf, values)?;
    let jid = values.number("jid").and_then(|jid| u32::try_from(jid).ok());
    let mut held = shelf.take(jid, values.text("name"))?;
    held.jail.parent = parent.as_ref().map_or(0, |parent| parent.jid);
    held.jail.set_values(values);
    let name = held.jail.name.clone();
    let plan = match lowered(shelf, &held, values) {
        Ok((lowered, wanted)) => Plan {
            request,
            values,
            lowered,
            wanted,
        },
        Err(failure) => {
            held.forget()?;
            return Err(about(&name, failure));
        }
    };
    let done = plan.start(&mut held);
    if let Err(failure) = done {
        remove::undo(held, request, values);
        return Err(about(&name, failure));
    }
    told(request, &held.jail, values)?;
    if values.flag("persist", false) {
        return Ok(());
    }
    remove::if_alone(held).map_err(|failure| about(&name, failure))
}

/// A jail without anything to run, that does not persist, would be gone at once.
fn check(values: &Values) -> Outcome<()> {
    let runs = ["exec.start", "command"];
    if values.flag("persist", false) || runs.iter().any(|name| values.list(name).next().is_some()) {
        return Ok(());
    }
    Err(Failure {
        hint: Some("say persist, exec.start=… or command=…".to_owned()),
        ..Failure::new("a jail with nothing to run has to persist")
    })
}

/// The jail that a name with dots is below of.
fn parent(shelf: &Shelf<'_>, values: &Values) -> Outcome<Option<Jail>> {
    let Some(name) = values.text("name") else {
        return Ok(None);
    };
    let right = |part: &str| !part.is_empty() && !part.contains(['/', ' ', '*', '\n']);
    if !name.split('.').all(right) {
        return Err(Failure::new(format!(
            "name {name:?}: not the name of a jail"
        )));
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) && values.text("jid") != Some(name) {
        return Err(Failure::new(format!(
            "name {name}: a number, which only the jail's own could be"
        )));
    }
    let Some((parents, _)) = name.rsplit_once('.') else {
        return Ok(None);
    };
    let parent = shelf.get(parents)?;
    let given = parent.values();
    let most = given.number("children.max").unwrap_or(0);
    let count = i64::try_from(shelf.below(&parent)?.len()).unwrap_or(i64::MAX);
    if count >= most {
        return Err(Failure::new(format!(
            "jail {name}: jail {parents} may have {most} children (children.max), and has {count}"
        )));
    }
    if let Some(more) = Permissions::of(values).beyond(&Permissions::of(&given)) {
        return Err(Failure::new(format!(
            "jail {name}: {more}: jail {parents} does not have it itself"
        )));
    }
    if let Some(more) = beyond_network(values, &given) {
        return Err(Failure::new(format!(
            "jail {name}: {more}: jail {parents} does not have it itself"
        )));
    }
    let level = |values: &Values| values.number("securelevel").unwrap_or(-1);
    if level(values) < level(&given) {
        return Err(Failure::new(format!(
            "jail {name}: securelevel: jail {parents} has {}, and no child has less",
            level(&given)
        )));
    }
    Ok(Some(parent))
}

/// The first address, or family of them, that a jail's parent does not have itself.
fn beyond_network(values: &Values, parent: &Values) -> Option<String> {
    fn bare(text: &str) -> &str {
        let address = text.split_once('|').map_or(text, |(_, address)| address);
        address
            .split_once('/')
            .map_or(address, |(address, _)| address)
    }
    for (family, list) in [("ip4", "ip4.addr"), ("ip6", "ip6.addr")] {
        if parent.text(family) == Some("inherit") {
            continue;
        }
        if values.text(family) == Some("inherit") {
            return Some(format!("{family}=inherit"));
        }
        let has = |text: &str| parent.list(list).any(|it| bare(it) == bare(text));
        if let Some(text) = values.list(list).find(|text| !has(text)) {
            return Some(format!("{list} {text}"));
        }
    }
    None
}

fn lowered(
    shelf: &Shelf<'_>,
    held: &Held<'_>,
    values: &Values,
) -> Outcome<(Lowered, Option<Wanted>)> {
    let mut host = Host {
        jid: held.jail.jid,
        ..Host::default()
    };
    for path in values.list("mount.fstab") {
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("mount.fstab {path}: {error}")))?;
        host.fstabs.push(text);
    }
    let mut lowered = lower(values, &host)?;
    if let Some(own) = lowered
        .spec
        .linux
        .as_mut()
        .and_then(|linux| linux.resources.as_mut())
    {
        let devices = std::mem::take(&mut own.devices);
        *own = super::rctl::at_start(shelf, &held.jail)?;
        own.devices = devices;
    }
    let path = values.text("path").unwrap_or_default();
    if !fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Err(Failure::new(format!("path {path}: not a directory")));
    }
    let null = || {
        fs::metadata(format!("{path}/dev/null")).is_ok_and(|null| null.file_type().is_char_device())
    };
    let hides = lowered
        .spec
        .linux
        .as_ref()
        .is_some_and(|linux| !linux.masked_paths.is_empty());
    if hides && !values.flag("mount.devfs", false) && !null() {
        return Err(Failure {
            hint: Some("say mount.devfs, or make one".to_owned()),
            ..Failure::new(
                "mount.procfs: parts of it are hidden behind /dev/null, which the root does not have",
            )
        });
    }
    let wanted = Wanted::of(values, &lowered.network)?;
    Ok((lowered, wanted))
}

/// A jail that is about to be made.
struct Plan<'p> {
    request: &'p Request,
    values: &'p Values,
    lowered: Lowered,
    /// Its addresses, where it is confined to some.
    wanted: Option<Wanted>,
}

impl Plan<'_> {
    fn start(&self, held: &mut Held<'_>) -> Outcome<()> {
        for step in STEPS {
            self.take(step, held)?;
        }
        if !self.values.flag("persist", false) {
            held.engine.kill(&held.jail.id, keeper::LEAVE, false)?;
        }
        Ok(())
    }

    fn take(&self, step: Step, held: &mut Held<'_>) -> Outcome<()> {
        let (values, name) = (self.values, held.jail.name.clone());
        let mut told = |what: &str| tell_step(self.request, &name, what);
        match step {
            Step::Prepare => {
                if values.list("exec.prepare").next().is_some() {
                    note(held, Made::Prepared)?;
                }
                run::outside(values, "exec.prepare", &mut told)
            }
            Step::Addresses => {
                let mut aliases = self.wanted.iter().flat_map(|wanted| &wanted.aliases);
                aliases.try_for_each(|alias| network::give(held, alias))
            }
            Step::Prestart => {
                if values.list("exec.prestart").next().is_some() {
                    note(held, Made::Prestarted)?;
                }
                run::outside(values, "exec.prestart", &mut told)
            }
            Step::Make => self.make(held),
            Step::Created => run::outside(values, "exec.created", &mut told),
            Step::Start => run::inside(held.engine, &held.jail, values, "exec.start", &mut told),
            Step::Command => run::inside(held.engine, &held.jail, values, "command", &mut told),
            Step::Poststart => run::outside(values, "exec.poststart", &mut told),
        }
    }

    /// The jail itself: nothing runs in it before it is confined.
    fn make(&self, held: &mut Held<'_>) -> Outcome<()> {
        held.save()?;
        let spec = &self.lowered.spec;
        let config = spec.to_json();
        let path = spec.root.as_ref().map_or("/", |root| root.path.as_str());
        let mut options = Options::new(&held.jail.id, path, spec, &config);
        options.keeper = true;
        options.await_exec = true;
        options.scoped = !run::has_own_network(spec);
        options.loopback = matches!(self.lowered.network, Network::Own { .. });
        run_or_create(held.engine, &options, Act::Run, |_| Ok(()))?;
        if let Some(wanted) = &self.wanted {
            wanted.confine(held.engine, &held.jail.id, self.values)?;
        }
        held.jail.complete = true;
        held.save()
    }
}

/// Writes down what is about to be made.
fn note(held: &mut Held<'_>, made: Made) -> Outcome<()> {
    held.jail.made.push(made);
    held.save()
}

/// Says that the jail is there, and writes its file of parameters.
fn told(request: &Request, jail: &Jail, values: &Values) -> Outcome<()> {
    if let Some(path) = &request.switches.jid_file {
        let mut text = format!("jid={}", jail.jid);
        for (name, value) in values.iter().filter(|(name, _)| *name != "jid") {
            text.push_str(&format!(
                " {name}={}",
                super::jls::quoted(&value.words.join(","))
            ));
        }
        fs::write(path, format!("{text}\n"))
            .map_err(|error| Failure::new(format!("-J {path}: {error}")))?;
    }
    if request.switches.tells_jid {
        return print::out(&format!("{}\n", jail.jid));
    }
    tell(request, &jail.name, "created")
}
