//! Options that stand before the command.

use alloc::format;
use alloc::string::String;

use engine::{Engine, Error, Kind, Result};

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
    let engine = Engine {
        state_root: String::from("/run/stockade"),
    };
    let mut global = Global {
        engine,
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
                global.engine.state_root = String::from(root.trim_end_matches('/'));
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
            "rootless" => match arguments.value(option)? {
                "auto" | "false" => {}
                other => {
                    let message = format!("--rootless {other}: not supported yet");
                    return Err(Error::new(Kind::Unsupported, message));
                }
            },
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
    Ok(global)
}

/// The lines that `--version` prints.
pub(crate) fn version() -> String {
    format!(
        "stockade version {}\nspec: {}\n",
        env!("CARGO_PKG_VERSION"),
        spec::state::OCI_VERSION
    )
}
