//! How each contender spells the verbs.

use crate::bundle::{Bundle, ENDING, SLEEPING};
use crate::options::Options;
use crate::view::Place;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One program to measure.
#[derive(Clone)]
pub(crate) struct Contender {
    /// As results name it.
    pub(crate) name: String,
    style: Style,
}

#[derive(Clone)]
enum Style {
    /// An OCI runtime: its program, the words before the verb, its state directory.
    Oci {
        program: PathBuf,
        before: &'static [&'static str],
        state: PathBuf,
    },
    /// The raw system calls of the bundle.
    Floor,
}

/// The name of the lower bound in results.
pub(crate) const FLOOR: &str = "floor";
/// Our name in results.
pub(crate) const OURS: &str = "stockade";

/// The contenders that are installed; a line on stderr for each that is not.
pub(crate) fn present(options: &Options, place: &Place) -> Vec<Contender> {
    let mut contenders = vec![Contender {
        name: FLOOR.to_owned(),
        style: Style::Floor,
    }];
    let oci = |name: &str, program: PathBuf, before| Contender {
        name: name.to_owned(),
        style: Style::Oci {
            program,
            before,
            state: place.work.join("state").join(name),
        },
    };
    match ours(options) {
        Some(program) => contenders.push(oci(OURS, program, &["oci"])),
        None => eprintln!("skipped: stockade: no release build (or --stockade PATH) is there"),
    }
    for (name, path) in &options.peers {
        match find_program(path) {
            Some(program) => contenders.push(oci(name, program, &[])),
            None => eprintln!("skipped: {name}: {} is not installed", path.display()),
        }
    }
    contenders
}

/// Our binary: the one named, or the release build beside this program's own target directory.
pub(crate) fn ours(options: &Options) -> Option<PathBuf> {
    if let Some(path) = &options.stockade {
        return path.canonicalize().ok();
    }
    let own = env::current_exe().ok()?;
    let path = own.parent()?.with_file_name("release").join("stockade");
    path.exists().then_some(path)
}

fn find_program(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return name.canonicalize().ok();
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

impl Contender {
    /// Whether this is the lower bound.
    pub(crate) fn is_floor(&self) -> bool {
        matches!(self.style, Style::Floor)
    }

    /// Whether it can run `bundle`; only the floor may have failed to be built.
    pub(crate) fn takes(&self, bundle: &Bundle) -> bool {
        !self.is_floor() || bundle.floor.is_some()
    }

    /// `run`: make, wait, delete.
    pub(crate) fn run(&self, bundle: &Bundle, id: &str) -> Command {
        let mut command = self.verb("run", bundle);
        if self.is_floor() {
            command.arg(id).args(ENDING);
        } else {
            command.arg("--bundle").arg(&bundle.ending).arg(id);
        }
        command
    }

    /// `run --detach` of a sleeping payload. The floor prints the pid.
    pub(crate) fn run_detached(&self, bundle: &Bundle, id: &str) -> Command {
        if self.is_floor() {
            let mut command = self.verb("start", bundle);
            command.arg(id).args(SLEEPING);
            return command;
        }
        let mut command = self.verb("run", bundle);
        command
            .arg("--detach")
            .arg("--bundle")
            .arg(&bundle.sleeping)
            .arg(id);
        command
    }

    /// `create`; the floor has no such half.
    pub(crate) fn create(&self, bundle: &Bundle, id: &str) -> Command {
        let mut command = self.verb("create", bundle);
        command.arg("--bundle").arg(&bundle.ending).arg(id);
        command
    }

    /// `start` of a created container.
    pub(crate) fn start(&self, bundle: &Bundle, id: &str) -> Command {
        let mut command = self.verb("start", bundle);
        command.arg(id);
        command
    }

    /// `exec` of the ending payload in a running container; `pid` is its first process, for the floor.
    pub(crate) fn exec(&self, bundle: &Bundle, id: &str, pid: &str) -> Command {
        let mut command = self.verb("exec", bundle);
        command.arg(id);
        if self.is_floor() {
            command.arg(pid);
        }
        command.args(ENDING);
        command
    }

    /// `delete` of a stopped container.
    pub(crate) fn delete(&self, bundle: &Bundle, id: &str) -> Command {
        let mut command = self.verb("delete", bundle);
        command.arg(id);
        command
    }

    /// `delete --force` of a running container; `pid` is its first process, for the floor.
    pub(crate) fn delete_running(&self, bundle: &Bundle, id: &str, pid: &str) -> Command {
        let mut command = self.verb("delete", bundle);
        if self.is_floor() {
            command.arg(id).arg(pid);
        } else {
            command.arg("--force").arg(id);
        }
        command
    }

    fn verb(&self, verb: &str, bundle: &Bundle) -> Command {
        match &self.style {
            Style::Floor => {
                let mut command =
                    Command::new(bundle.floor.as_deref().unwrap_or(Path::new("floor")));
                command.arg(verb);
                command
            }
            Style::Oci {
                program,
                before,
                state,
            } => {
                let mut command = Command::new(program);
                command.args(*before).arg("--root").arg(state).arg(verb);
                command
            }
        }
    }
}
