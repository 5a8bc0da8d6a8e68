//! People's commands: what each verb of the command line does.

mod attach;
mod cgroups;
mod containers;
mod create;
mod exec;
mod failure;
mod images;
mod inspect;
mod lifecycle;
mod listing;
mod logs;
mod names;
mod namespaces;
mod plan;
pub(crate) mod print;
mod run;
mod size;
mod state;
mod stats;
mod system;
mod top;
mod tree;
mod update;
mod user_range;
mod veth;
mod volume;
mod which;

use container::Store;

use crate::cli::{Request, Verb};

pub(crate) use exec::attend_terminal;
pub(crate) use failure::{Failure, Outcome};
pub(crate) use names::new_id;

/// Does what a command line asks for: its exit status.
pub(crate) fn act(request: Request) -> i32 {
    let store = request
        .root
        .as_deref()
        .map_or_else(Store::default, |root| Store::below(&absolute(root)));
    let own_code = i32::from(request.command.failure_code());
    match dispatch(&store, request.command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            failure.code.map_or(own_code, i32::from)
        }
    }
}

/// A path as it is from the root.
pub(crate) fn absolute(path: &str) -> String {
    let path = path.trim_end_matches('/');
    match std::env::current_dir() {
        Ok(here) if !path.starts_with('/') => here.join(path).to_string_lossy().into_owned(),
        _ => path.to_owned(),
    }
}

fn dispatch(store: &Store, verb: Verb) -> Outcome<i32> {
    let done = |(): ()| 0;
    match verb {
        Verb::Run(options) => run::run(store, &options),
        Verb::Create(options) => create::create(store, &options).and_then(|made| {
            print::out(&format!("{}\n", made.id))?;
            Ok(0)
        }),
        Verb::Start(request) => lifecycle::start(store, &request),
        Verb::Stop(request) => lifecycle::stop(store, &request).map(done),
        Verb::Kill(request) => lifecycle::kill(store, &request).map(done),
        Verb::Restart(request) => lifecycle::restart(store, &request).map(done),
        Verb::Pause(request) => lifecycle::pause(store, &request).map(done),
        Verb::Unpause(request) => lifecycle::unpause(store, &request).map(done),
        Verb::Remove(request) => lifecycle::remove(store, &request).map(done),
        Verb::Wait(request) => lifecycle::wait(store, &request).map(done),
        Verb::Exec(request) => exec::exec(store, &request),
        Verb::Attach(request) => run::attach(store, &request),
        Verb::Plan(request) => plan::plan(store, &request).map(done),
        Verb::Completion(shell) => {
            crate::cli::completion(shell, &mut std::io::stdout())
                .map_err(|error| Failure::new(format!("standard output: {error}")))?;
            Ok(0)
        }
        Verb::Man(directory) => {
            crate::cli::man(directory.as_ref()).map_err(|error| Failure::new(error.to_string()))?;
            Ok(0)
        }
        Verb::Version => {
            print::out(concat!("stockade ", env!("CARGO_PKG_VERSION"), "\n"))?;
            Ok(0)
        }
        Verb::NamespaceList(request) => namespaces::list(&request).map(done),
        Verb::NamespacePin(request) => namespaces::pin(&request).map(done),
        Verb::NamespaceUnpin(request) => namespaces::unpin(&request).map(done),
        Verb::NamespaceVeth(request) => veth::veth(&request).map(done),
        Verb::Cgroup(verb) => cgroups::act(verb),
        Verb::Which(request) => which::which(store, &request),
        Verb::ByHand(name) => Err(Failure::new(format!(
            "{name}: takes no --root before it: it keeps no state"
        ))),
        Verb::Oci(_) => Ok(crate::cli::MISTAKE_CODE.into()),
        Verb::List(request) => listing::list(store, &request).map(done),
        Verb::Inspect(request) => inspect::inspect(store, &request).map(done),
        Verb::Logs(request) => logs::logs(store, &request).map(done),
        Verb::Stats(request) => stats::stats(store, &request).map(done),
        Verb::Top(request) => top::top(store, &request).map(done),
        Verb::Update(request) => update::update(store, &request).map(done),
        Verb::Volume(verb) => volume::volume(store, &verb).map(done),
        Verb::System(verb) => system::system(store, &verb).map(done),
        Verb::Images(request) => images::list(store, &request).map(done),
        Verb::RemoveImages(request) => images::remove(store, &request).map(done),
        Verb::Rename(request) => update::rename(store, &request).map(done),
    }
}
