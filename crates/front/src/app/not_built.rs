//! Options of Docker's `run` that are known by name but not built: refused, never ignored.

/// An option that Docker has and Stockade has not (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBuilt {
    /// The long name, without its dashes.
    pub long: &'static str,
    /// The one-letter form.
    pub short: Option<char>,
    /// Whether a value follows.
    pub takes_value: bool,
    /// What to do instead, as a whole phrase; may be empty.
    pub hint: &'static str,
}

impl NotBuilt {
    /// The one line to refuse the option with.
    pub fn refusal(&self) -> String {
        let mut line = format!("--{}: not built yet", self.long);
        if !self.hint.is_empty() {
            line.push_str("; hint: ");
            line.push_str(self.hint);
        }
        line
    }
}

const fn value(long: &'static str, hint: &'static str) -> NotBuilt {
    NotBuilt {
        long,
        short: None,
        takes_value: true,
        hint,
    }
}

const fn flag(long: &'static str, hint: &'static str) -> NotBuilt {
    NotBuilt {
        long,
        short: None,
        takes_value: false,
        hint,
    }
}

const fn short(letter: char, option: NotBuilt) -> NotBuilt {
    NotBuilt {
        short: Some(letter),
        ..option
    }
}

const NETWORK: &str = "networks come later; --net host shares the host's network";
const HEALTH: &str = "health checks come later";
const THROTTLE: &str = "use --blkio-weight, or the oci commands with linux.resources.blockIO";

/// Every option of Docker's `run` that is refused by name.
pub const NOT_BUILT: &[NotBuilt] = &[
    short('p', value("publish", NETWORK)),
    short('P', flag("publish-all", NETWORK)),
    value("expose", NETWORK),
    value("link", NETWORK),
    value("ip", NETWORK),
    value("ip6", NETWORK),
    value("link-local-ip", NETWORK),
    value("mac-address", NETWORK),
    value("network-alias", NETWORK),
    value("net-alias", NETWORK),
    short(
        'a',
        value(
            "attach",
            "without -d all three streams are attached; -i adds standard input",
        ),
    ),
    value("blkio-weight-device", THROTTLE),
    value("device-read-bps", THROTTLE),
    value("device-read-iops", THROTTLE),
    value("device-write-bps", THROTTLE),
    value("device-write-iops", THROTTLE),
    flag("disable-content-trust", ""),
    value("gpus", "give the device nodes with --device"),
    value("health-cmd", HEALTH),
    value("health-interval", HEALTH),
    value("health-retries", HEALTH),
    value("health-start-interval", HEALTH),
    value("health-start-period", HEALTH),
    value("health-timeout", HEALTH),
    value("isolation", "it means something on Windows only"),
    value(
        "kernel-memory",
        "the kernel no longer has this limit; use --memory",
    ),
    value(
        "platform",
        "archives and layouts are run as the machine's own architecture",
    ),
    value(
        "pull",
        "images are not pulled yet; ROOT is a directory, a layout or an archive",
    ),
    short('q', flag("quiet", "")),
    value("runtime", "Stockade is the runtime"),
    value("storage-opt", ""),
    flag("use-api-socket", ""),
    value(
        "volume-driver",
        "bind a directory with --volume /host/path:/path",
    ),
    value(
        "volumes-from",
        "repeat the other container's --volume options",
    ),
];

/// The refused option with this long name (no dashes).
pub fn find(long: &str) -> Option<&'static NotBuilt> {
    NOT_BUILT.iter().find(|option| option.long == long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_that_names_the_option() {
        for option in NOT_BUILT {
            let line = option.refusal();
            assert!(line.starts_with(&format!("--{}: ", option.long)), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn names_are_unique() {
        for (i, option) in NOT_BUILT.iter().enumerate() {
            assert!(
                NOT_BUILT[i + 1..]
                    .iter()
                    .all(|other| other.long != option.long)
            );
        }
        assert!(find("publish").is_some() && find("volume").is_none());
    }
}
