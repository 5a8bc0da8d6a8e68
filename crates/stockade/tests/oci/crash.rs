//! The crash sweep: for every step of a plan, on the host and in the child, the step fails, and in
//! another run somebody is killed at it. A step that fails leaves nothing; a kill leaves nothing that one
//! `delete --force` does not remove.

use crate::configs;
use crate::harness::{Bundle, Console, Outcome};

/// A container under test and the way it is made.
struct Sweep {
    bundle: Bundle,
    create: bool,
    options: Vec<String>,
}

impl Sweep {
    fn new(create: bool, change: fn(&mut Bundle)) -> Option<Self> {
        let mut bundle = Bundle::new()?;
        bundle.args(&["true"]);
        change(&mut bundle);
        bundle.write_config();
        let mut options = vec!["--pid-file".to_string(), bundle.below("pid")];
        if bundle.config["process"]["terminal"] == true {
            options.extend(["--console-socket".to_string(), bundle.below("console")]);
            let console = Console::listen(&bundle.below("console"));
            std::thread::spawn(move || {
                // A terminal whose master is closed is hung up, so that all are kept.
                let mut masters = Vec::new();
                loop {
                    masters.push(console.take());
                }
            });
        }
        Some(Self {
            bundle,
            create,
            options,
        })
    }

    /// Makes the container with a fault; a created one is started, too.
    fn attempt(&self, fault: &str) -> Outcome {
        eprintln!("{fault}");
        let verb = if self.create { "create" } else { "run" };
        let mut words = vec![verb, "--fault", fault];
        words.extend(self.options.iter().map(String::as_str));
        words.push(&self.bundle.id);
        self.bundle.call(&words)
    }

    /// `start` of a container that was created in spite of the fault.
    fn start(&self) -> Outcome {
        let outcome = self.bundle.verb("start");
        if outcome.code == 0 {
            self.bundle.wait_for("stopped");
        }
        outcome
    }

    fn delete(&self, after: &str) {
        self.bundle.take_pid_file();
        self.bundle
            .call(&["delete", "--force", &self.bundle.id])
            .ok();
        self.bundle.assert_nothing_left(after);
    }

    /// Lets every step of one side fail, and gives how many there are.
    fn fail_all(&self, side: &str) -> usize {
        for step in 0.. {
            let fault = format!("{side}:{step}:fail");
            let outcome = self.attempt(&fault);
            if outcome.code != 0 {
                let words = outcome.err.to_lowercase();
                assert!(
                    words.contains("fault asked for") || words.contains("input/output error"),
                    "{outcome:?}"
                );
                self.bundle.assert_nothing_left(&fault);
                continue;
            }
            let started = if self.create {
                self.start().code == 0
            } else {
                true
            };
            self.delete(&fault);
            if started {
                return step;
            }
        }
        unreachable!("a plan without an end")
    }

    fn kill_all(&self, side: &str, what: &str, steps: usize) {
        for step in 0..steps {
            let fault = format!("{side}:{step}:{what}");
            let outcome = self.attempt(&fault);
            let made = self.create && outcome.code == 0;
            assert!(
                outcome.code != 0 || made && side == "child",
                "{fault} did nothing"
            );
            // A child that holds for ever once it was started would make `start` wait as long.
            if made && what == "kill" {
                self.start();
            }
            self.delete(&fault);
        }
    }

    fn steps(&self) -> (usize, usize) {
        let steps = (self.fail_all("host"), self.fail_all("child"));
        assert!(steps.0 >= 3 && steps.1 >= 20, "too few steps: {steps:?}");
        steps
    }
}

fn every_kill(create: bool, change: fn(&mut Bundle)) {
    let Some(sweep) = Sweep::new(create, change) else {
        return;
    };
    let (host, child) = sweep.steps();
    sweep.kill_all("host", "kill", host);
    sweep.kill_all("child", "kill", child);
    sweep.kill_all("child", "kill-runtime", child);
}

#[test]
fn default_run() {
    every_kill(false, |_| {});
}

#[test]
fn default_create() {
    every_kill(true, |_| {});
}

#[test]
fn engine_run() {
    every_kill(false, configs::like_an_engine);
}

#[test]
fn engine_create() {
    every_kill(true, configs::like_an_engine);
}

#[test]
fn user_namespace() {
    every_kill(false, configs::with_a_user_namespace);
}

#[test]
fn joined_namespaces() {
    every_kill(false, configs::joining);
}

#[test]
fn hooks() {
    every_kill(false, configs::with_hooks);
}

#[test]
fn hooks_create() {
    every_kill(true, configs::with_hooks);
}

#[test]
fn terminal() {
    every_kill(true, configs::with_a_terminal);
}
