//! Options that stand before the command.

use alloc::format;
use alloc::string::String;

use engine::{Engine, Error, Kind, Result, Rootless};

use crate::arguments::Arguments;
use crate::usage;

/// Options that stand before the command.
#[derive(Debug)]
pub(crate) struct Global<'a> {
    pub(crate) engine: Engine,
    pub(crate) log: Option<&'a str>,
    pub(crate) log_json: bool,
    /// What is printed in the place of any command: help, or the version.
    pub(crate) page: Option<String>,
}

pub(crate) fn parse<'a>(arguments: &mut Arguments<'a>) -> Result<Global<'a>> {
    let mut global = Global {
        engine: Engine::new(String::new()),
        log: None,
        log_json: false,
        page: None,
    };
    while let Some(option) = arguments.option() {
        match option.name {
            "root" => {
                let root = arguments.value(option)?;
                if !root.starts_with('/') {
                    return Err(usage(format!("--root: {root:?} is not absolute")));
                }
                global.engine.state_root = match root.trim_end_matches('/') {
                    "" => String::from("/"),
                    root => String::from(root),
                };
            }
            "log" => global.log = Some(arguments.value(option)?),
            "log-format" => {
                global.log_json = match arguments.value(option)? {
                    "json" => true,
                    "text" => false,
                    other => {
                        return Err(usage(format!(
                            "--log-format: {other:?} is neither text nor json"
                        )));
                    }
                }
            }
            "debug" => drop(arguments.switch(option)?),
            "systemd-cgroup" => {
                if arguments.switch(option)? {
                    return Err(Error::new(
                        Kind::Unsupported,
                        "--systemd-cgroup: not supported yet",
                    ));
                }
            }
            "rootless" => global.engine.rootless = rootless(arguments.value(option)?)?,
            "cgroup-manager" => match arguments.value(option)? {
                "cgroupfs" => {}
                other => {
                    let message = format!("--cgroup-manager {other}: not supported yet");
                    return Err(Error::new(Kind::Unsupported, message));
                }
            },
            "criu" => drop(arguments.value(option)?),
            "version" | "v" => global.page = Some(version()),
            "help" | "h" => global.page = Some(String::from(crate::HELP)),
            name => return Err(usage(format!("unknown option --{name}"))),
        }
    }
    if global.engine.state_root.is_empty() {
        global.engine.state_root = Engine::default_state_root("/run/stockade", "stockade");
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

/// The lines that `--version` prints.
pub(crate) fn version() -> String {
    format!(
        "stockade version {}\nspec: {}\n",
        env!("CARGO_PKG_VERSION"),
        spec::state::OCI_VERSION
    )
}
