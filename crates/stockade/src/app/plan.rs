//! `plan`: the steps of another command, in order; nothing is done.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use container::Store;
use engine::{Options, Terminal};
use front::app::{Machine, Root, RunOptions, classify, host_root};
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
    let layers = Layers::for_plan(store, options)?;
    let planned = create::plan(store, &layers.path, options)?;
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
        container::Root::Directory(path) => plan::Root::Directory(path.clone()),
        container::Root::Overlay { options } => {
            plan::Root::Overlay(overlay(store.mountpoint(), options))
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
    print!("{}", text.replace(&layers.path, &store.data));
    Ok(())
}

/// Where the layers of a plan's root are: in the store, or, where they would have to be made, in a
/// directory that goes with the value. A plan leaves nothing behind.
struct Layers {
    path: String,
    scratch: bool,
}

impl Layers {
    fn for_plan(store: &Store, options: &RunOptions) -> Outcome<Self> {
        let machine = Machine::read("", "", options)?;
        let (templates, images) = (
            format!("{}/templates", store.data),
            format!("{}/images", store.data),
        );
        let there = match classify(&options.root, &machine)? {
            Root::Host => host_root::exists(Path::new(&templates))?,
            Root::Directory(_) => true,
            Root::OciLayout { path, reference } | Root::Archive { path, reference } => {
                Path::new(&images).is_dir() && {
                    let request = image::Request {
                        reference: reference.as_deref(),
                        ..image::Request::of(Path::new(&path))
                    };
                    image::Store::open(Path::new(&images))?
                        .already(request)?
                        .is_some()
                }
            }
        };
        if there {
            let path = store.data.clone();
            return Ok(Self {
                path,
                scratch: false,
            });
        }
        let path = std::env::temp_dir().join(format!("stockade-plan-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::new(format!("mkdir {}: {error}", path.display())))?;
        let path = path.to_string_lossy().into_owned();
        Ok(Self {
            path,
            scratch: true,
        })
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        if self.scratch {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
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
