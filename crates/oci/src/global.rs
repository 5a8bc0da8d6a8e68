//! Options that stand before the command.

use alloc::format;
use alloc::string::String;

use engine::{Engine, Error, Kind, Result, Rootless};

use crate::arguments::Arguments;
use crate::log::Log;
use crate::{bundle, usage};

/// Where states are that nobody gave a place for.
const STATE_ROOT: &str = "/run/stockade";

/// What is asked for in the place of any command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    Help,
    Version,
}

/// Options that stand before the command.
#[derive(Debug)]
pub(crate) struct Global<'a> {
    pub(crate) engine: Engine,
    /// The place of the states was given.
    pub(crate) root_given: bool,
    pub(crate) log: Log<'a>,
    /// Whether systemd makes the cgroups of new containers.
    pub(crate) systemd: bool,
    pub(crate) asks: Option<Asks>,
}

pub(crate) fn parse<'a>(arguments: &mut Arguments<'a>) -> Result<Global<'a>> {
    let mut global = Global {
        engine: Engine::new(String::new()),
        root_given: false,
        log: Log::default(),
        systemd: false,
        asks: None,
    };
    while let Some(option) = arguments.option() {
        match option.name {
            "root" => {
                global.engine.state_root = state_root(arguments.value(option)?)?;
                global.root_given = true;
            }
            "log" => {
                global.log.path = Some(arguments.value(option)?).filter(|path| !path.is_empty())
            }
            "log-format" => global.log.json = is_json(arguments.value(option)?)?,
            "debug" => global.log.debug = arguments.switch(option)?,
            "systemd-cgroup" => global.systemd = arguments.switch(option)?,
            "rootless" => global.engine.rootless = rootless(arguments.value(option)?)?,
            "cgroup-manager" => match arguments.value(option)? {
                "cgroupfs" => global.systemd = false,
                "systemd" => global.systemd = true,
                other => {
                    let message = format!("--cgroup-manager {other}: not supported yet");
                    return Err(Error::new(Kind::Unsupported, message));
                }
            },
            "criu" => drop(arguments.value(option)?),
            "version" | "v" => global.asks = Some(Asks::Version),
            "help" | "h" => global.asks = Some(Asks::Help),
            name => return Err(usage(format!("unknown option --{name}"))),
        }
    }
    if global.engine.state_root.is_empty() {
        global.engine.state_root = Engine::default_state_root(STATE_ROOT, "stockade");
    }
    Ok(global)
}

/// The three words that runc takes, and what else its flag parser takes for a boolean.
fn rootless(text: &str) -> Result<Rootless> {
    match text {
        "auto" => Ok(Rootless::Auto),
        "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(Rootless::Yes),
        "false" | "0" | "f" | "F" | "FALSE" | "False" => Ok(Rootless::No),
        other => Err(usage(format!(
            "--rootless: {other:?} is neither auto nor true nor false"
        ))),
    }
}

fn state_root(given: &str) -> Result<String> {
    let mut root = bundle::absolute(given)?;
    root.truncate(root.trim_end_matches('/').len());
    if root.is_empty() {
        return Err(usage("Option --root argument should not be set to /"));
    }
    Ok(root)
}

fn is_json(format: &str) -> Result<bool> {
    match format {
        "json" => Ok(true),
        "text" | "" => Ok(false),
        other => Err(usage(format!("invalid log-format: {other}"))),
    }
}

/// The lines that `--version` prints; clients look for the first three.
pub(crate) fn version(program: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (name, own) = match program {
        "runc" | "crun" => (program, format!("stockade: {version}\n")),
        _ => ("stockade", String::new()),
    };
    let commit = option_env!("STOCKADE_COMMIT").unwrap_or(version);
    let spec = spec::state::OCI_VERSION;
    format!("{name} version {version}\ncommit: {commit}\nspec: {spec}\n{own}")
}
