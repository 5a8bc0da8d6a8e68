//! The command line of a shim: options as Go's programs have them (`-id x`, `--id=x`), then a verb.

use alloc::format;
use alloc::string::String;

/// What a shim was started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) id: &'a str,
    /// containerd's gRPC address.
    pub(crate) address: &'a str,
    /// containerd's ttrpc address; between our own verbs only, from outside it comes in the environment.
    pub(crate) ttrpc_address: &'a str,
    pub(crate) publish_binary: &'a str,
    pub(crate) bundle: &'a str,
    /// The path of our own socket; between our own verbs only.
    pub(crate) socket: &'a str,
    pub(crate) debug: bool,
    pub(crate) info: bool,
    pub(crate) version: bool,
    pub(crate) verb: &'a str,
}

impl<'a> Flags<'a> {
    /// Parses the words after the program's name.
    pub(crate) fn parse(words: &[&'a str]) -> Result<Self, String> {
        let mut flags = Self::default();
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix('-') else {
                flags.verb = word;
                return match words.next() {
                    Some(extra) => Err(format!("{word}: {extra:?}: one word too many")),
                    None => Ok(flags),
                };
            };
            let option = option.strip_prefix('-').unwrap_or(option);
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            if let Some(switch) = flags.switch(name) {
                *switch = value.is_none_or(|value| value == "true");
                continue;
            }
            let slot = flags
                .text(name)
                .ok_or_else(|| format!("unknown option -{name}"))?;
            let missing = || format!("-{name}: needs a value");
            *slot = value.or_else(|| words.next()).ok_or_else(missing)?;
        }
        Ok(flags)
    }

    fn switch(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "debug" => Some(&mut self.debug),
            "info" => Some(&mut self.info),
            "v" | "version" => Some(&mut self.version),
            _ => None,
        }
    }

    fn text(&mut self, name: &str) -> Option<&mut &'a str> {
        match name {
            "namespace" => Some(&mut self.namespace),
            "id" => Some(&mut self.id),
            "address" => Some(&mut self.address),
            "ttrpc-address" => Some(&mut self.ttrpc_address),
            "publish-binary" => Some(&mut self.publish_binary),
            "bundle" => Some(&mut self.bundle),
            "socket" => Some(&mut self.socket),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_go() {
        let words = [
            "-namespace",
            "n",
            "--id=i",
            "-debug",
            "-address",
            "",
            "start",
        ];
        let flags = Flags::parse(&words).unwrap();
        assert_eq!((flags.namespace, flags.id, flags.debug), ("n", "i", true));
        assert_eq!((flags.address, flags.verb), ("", "start"));
        assert!(Flags::parse(&["-id"]).is_err());
        assert!(Flags::parse(&["-nonsense", "x"]).is_err());
        assert!(Flags::parse(&["start", "x"]).is_err());
    }
}
