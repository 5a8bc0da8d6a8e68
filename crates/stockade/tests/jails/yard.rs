//! A root and a store of their own for the jails of one test.

use std::process::Command;

pub(crate) use crate::app::{Place, Ran, until};

/// Where a test's jails are; they go with it.
pub(crate) struct Yard(pub(crate) Place);

impl Yard {
    pub(crate) fn new() -> Self {
        Self(Place::new())
    }

    /// The root that the test's jails share.
    pub(crate) fn root(&self) -> String {
        self.0.root()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path(name)
    }

    pub(crate) fn ran(&self, words: &[&str]) -> Ran {
        self.0.ran(words)
    }

    /// `jail WORDS`, which has to succeed: what it prints.
    pub(crate) fn jail(&self, words: &[&str]) -> String {
        self.0.ok(&[&["jail"], words].concat())
    }

    /// `jail WORDS`, which has to fail, with one line: that line.
    pub(crate) fn refused(&self, words: &[&str]) -> String {
        let ran = self.ran(&[&["jail"], words].concat());
        assert_ne!(ran.code, 0, "{words:?}: {}", ran.out);
        let lines: Vec<&str> = ran
            .err
            .lines()
            .filter(|line| !line.starts_with("hint: "))
            .collect();
        assert_eq!(lines.len(), 1, "{words:?}: {}", ran.err);
        lines[0].to_owned()
    }

    /// `jail -qc path=ROOT name=NAME PARAMETERS… command=/bin/sh -c SCRIPT`: what it prints.
    pub(crate) fn says(&self, parameters: &[&str], script: &str) -> String {
        let path = format!("path={}", self.root());
        let words = [
            &["-qc", &path],
            parameters,
            &["command=/bin/sh", "-c", script],
        ];
        self.jail(&words.concat())
    }

    /// A jail that persists.
    pub(crate) fn persists(&self, name: &str, parameters: &[&str]) {
        let (path, name) = (format!("path={}", self.root()), format!("name={name}"));
        self.jail(&[&["-qc", &path, &name, "persist"], parameters].concat());
    }

    /// `jexec JAIL sh -c SCRIPT`
    pub(crate) fn exec(&self, jail: &str, script: &str) -> Ran {
        self.ran(&["jexec", jail, "/bin/sh", "-c", script])
    }

    pub(crate) fn jls(&self, words: &[&str]) -> String {
        self.0.ok(&[&["jls"], words].concat())
    }

    /// The names of the jails that there are.
    pub(crate) fn names(&self) -> String {
        self.jls(&["name"])
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.0.command(words)
    }

    /// Writes a jail.conf: its path.
    pub(crate) fn conf(&self, text: &str) -> String {
        let path = self.path("jail.conf");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Fails unless nothing is left of any jail.
    pub(crate) fn assert_empty(&self) {
        until("no jail lives", || self.names().is_empty());
        self.0.assert_empty();
        let shelf = self.0.0.join("store/run/.jails");
        let left = crate::app::names(&shelf);
        let left: Vec<_> = left
            .iter()
            .filter(|name| name.parse::<u32>().is_ok())
            .collect();
        assert!(left.is_empty(), "left: {left:?}");
        let named = crate::app::names(&shelf.join("names"));
        assert!(named.is_empty(), "left: {named:?}");
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = self.ran(&["jail", "-R", "*"]);
    }
}
