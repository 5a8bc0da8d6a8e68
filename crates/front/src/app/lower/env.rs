//! The environment and the labels: the image's, then the files', then the options'.

use std::collections::BTreeMap;

use spec::Str;

use super::namespaces::Spaces;
use super::{Asked, Origins};
use crate::app::value::env::{self as grammar, Variable};
use crate::error::{About, Result};

/// Where programs are looked for when neither image nor person says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables in order; a later value takes the place of an earlier one.
#[derive(Default)]
struct Environment {
    variables: Vec<(String, String)>,
    /// What asked for each.
    origins: Vec<String>,
}

impl Environment {
    fn set(&mut self, name: &str, value: &str, origin: String) {
        match self.position(name) {
            Some(at) => {
                value.clone_into(&mut self.variables[at].1);
                self.origins[at] = origin;
            }
            None => {
                self.variables.push((name.to_owned(), value.to_owned()));
                self.origins.push(origin);
            }
        }
    }

    fn unset(&mut self, name: &str) {
        if let Some(at) = self.position(name) {
            self.variables.remove(at);
            self.origins.remove(at);
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.variables.iter().position(|(known, _)| known == name)
    }

    /// Sets a variable, or takes it from the caller; what the caller has not is unset.
    fn apply(&mut self, variable: Variable<'_>, asked: &Asked<'_>, origin: String) {
        match variable {
            Variable::Set(name, value) => self.set(name, value, origin),
            Variable::Inherit(name) => match asked.machine.environment.get(name) {
                Some(value) => self.set(name, value, origin),
                None => self.unset(name),
            },
        }
    }
}

/// The environment of the process: defaults, image, `--env-file`, `--env`, and HOME if none set it.
pub(super) fn lower(
    asked: &Asked<'_>,
    spaces: &Spaces,
    home: &str,
    origins: &mut Origins,
) -> Result<Vec<Str<'static>>> {
    let mut environment = defaults(asked, spaces);
    for text in asked.image.map_or(&[][..], |image| &image.env) {
        if let Variable::Set(name, value) = grammar::variable(text).of("image config Env", text)? {
            environment.set(name, value, "image config Env".to_owned());
        }
    }
    from_files(&mut environment, asked)?;
    for text in &asked.options.env {
        let variable = grammar::variable(text).of("--env", text)?;
        environment.apply(variable, asked, crate::error::asked("--env", text));
    }
    if environment.position("HOME").is_none() {
        environment.set("HOME", home, "default".to_owned());
    }
    for (index, origin) in environment
        .origins
        .into_iter()
        .enumerate()
        .filter(|(_, o)| o != "default")
    {
        origins.text(format!("process.env[{index}]"), origin);
    }
    Ok(environment
        .variables
        .iter()
        .map(|(name, value)| format!("{name}={value}").into())
        .collect())
}

fn defaults(asked: &Asked<'_>, spaces: &Spaces) -> Environment {
    let mut environment = Environment::default();
    environment.set("PATH", PATH, "default".to_owned());
    environment.set("HOSTNAME", &spaces.seen_hostname, "default".to_owned());
    if asked.options.tty {
        environment.set("TERM", "xterm", "--tty".to_owned());
    }
    environment.set("container", "stockade", "default".to_owned());
    environment
}

fn from_files(environment: &mut Environment, asked: &Asked<'_>) -> Result<()> {
    for path in &asked.options.env_file {
        let text = read(asked, "--env-file", path)?;
        for variable in grammar::file(&text).of("--env-file", path)? {
            environment.apply(variable, asked, crate::error::asked("--env-file", path));
        }
    }
    Ok(())
}

/// The text of a file that an option names.
pub(super) fn read(asked: &Asked<'_>, option: &str, path: &str) -> Result<String> {
    sys::file::read_text(&asked.machine.absolute(path)).of(option, path)
}

/// The image's labels, then those of files, then those of options.
pub(super) fn labels(asked: &Asked<'_>) -> Result<BTreeMap<String, String>> {
    let mut labels = asked
        .image
        .map(|image| image.labels.clone())
        .unwrap_or_default();
    for path in &asked.options.label_file {
        let text = read(asked, "--label-file", path)?;
        for variable in grammar::file(&text).of("--label-file", path)? {
            let (Variable::Set(name, _) | Variable::Inherit(name)) = variable;
            let value = if let Variable::Set(_, value) = variable {
                value
            } else {
                ""
            };
            labels.insert(name.to_owned(), value.to_owned());
        }
    }
    for text in &asked.options.label {
        let (name, value) = grammar::label(text).of("--label", text)?;
        labels.insert(name.to_owned(), value.to_owned());
    }
    Ok(labels)
}
