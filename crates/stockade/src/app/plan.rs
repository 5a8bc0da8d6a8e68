//! `plan`: the steps of another command, in order; nothing is done.

use container::{Root, Store};
use engine::{Options, Terminal};
use front::app::RunOptions;
use plan::{Act, Origin, Plan};
use serde_json::json;

use super::create::{self, Planned};
use super::failure::{Failure, Outcome};
use crate::cli::{self, Verb};

/// `plan [--format json] run|create|oci …`.
pub(crate) fn plan(store: &Store, request: &cli::Plan) -> Outcome<()> {
    match &*request.command {
        Verb::Run(options) => of_app(store, options, Act::Run, request.json),
        Verb::Create(options) => of_app(store, options, Act::Create, request.json),
        Verb::Oci(words) => of_bundle(words, request.json),
        _ => Err(Failure::new(
            "plan: only run, create and oci run|create have a plan",
        )),
    }
}

fn of_bundle(words: &[String], json: bool) -> Outcome<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let text = ::oci::plan(&words, &mut |plan| {
        render(plan, json, &|origin| format!("{origin}"))
    })?;
    print!("{text}");
    Ok(())
}

fn of_app(store: &Store, options: &RunOptions, act: Act, json: bool) -> Outcome<()> {
    let planned = create::plan(store, options)?;
    let Planned {
        id,
        lowered,
        settings,
        ..
    } = &planned;
    let config = lowered.spec.to_json();
    let path = store.path(id);
    let mut how = Options::new(id, &path, &lowered.spec, &config);
    let overlay = |target: String, options: &str| plan::Overlay {
        target,
        options: options.to_owned(),
        base: path.clone(),
    };
    how.root = Some(match &settings.root {
        Root::Directory(path) => plan::Root::Directory(path.clone()),
        Root::Overlay { options } => {
            plan::Root::Overlay(overlay(format!("{path}/rootfs"), options))
        }
    });
    how.overlays = settings
        .overlays
        .iter()
        .map(|one| overlay(format!("/{}", one.target), &one.options))
        .collect();
    how.translate_root = settings.translate_root;
    how.init = settings.init;
    how.loopback = settings.loopback;
    how.make_work_dir = true;
    how.count_use = true;
    if settings.tty {
        how.terminal = Terminal::Caller;
    }
    let named = |origin: &Origin| match origin {
        Origin::Config(place) => {
            let option = lowered.origins.of(&place.to_string());
            if option.is_empty() {
                place.to_string()
            } else {
                option.to_owned()
            }
        }
        other => other.to_string(),
    };
    let text = engine::plan_of(&store.engine, &how, act, |plan| {
        Ok(render(plan, json, &named))
    })?;
    print!("{text}");
    Ok(())
}

fn render(plan: &Plan<'_>, json: bool, origin: &dyn Fn(&Origin) -> String) -> String {
    let host = plan
        .host
        .iter()
        .map(|step| (step.act.to_string(), origin(&step.origin)));
    let child = plan
        .child
        .iter()
        .map(|step| (step.act.to_string(), origin(&step.origin)));
    if json {
        let steps = |list: &mut dyn Iterator<Item = (String, String)>| -> Vec<serde_json::Value> {
            list.map(|(step, origin)| json!({ "step": step, "origin": origin }))
                .collect()
        };
        let (mut host, mut child) = (host, child);
        let document = json!({ "host": steps(&mut host), "container": steps(&mut child) });
        return format!("{document:#}\n");
    }
    let mut out = String::from("On the host:\n");
    write_steps(&mut out, host);
    out.push_str("\nIn the container's first process, from its launch on:\n");
    write_steps(&mut out, child);
    out
}

fn write_steps(out: &mut String, steps: impl Iterator<Item = (String, String)>) {
    for (number, (step, origin)) in steps.enumerate() {
        out.push_str(&format!("{:>4}  {step}  [{origin}]\n", number + 1));
    }
}
