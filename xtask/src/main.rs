//! The tree's own tasks: `cargo xtask COMMAND`.

#![forbid(unsafe_code)]

mod bench;
mod soak;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

COMMAND
  tidy            check the invariants that a machine can check
  bench [ARG...]  build the release binary and measure it (cargo xtask bench --help)
  soak kills N    kills the runtime at random until it died N times amid its work; one `delete --force` each (as root)
  soak cycles N   N times create, start, delete; says what has grown (as root)
  soak people N   N times run, exec, logs, ps, rm; says what a monitor beside them has grown by (as root)
                  STOCKADE: the binary, instead of a release build
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => tidy::check(),
        ["bench", rest @ ..] => bench::run(rest),
        ["soak", what, count] => soak::run(what, count),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}
