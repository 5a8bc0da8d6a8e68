//! A command line that is not understood, in one line; or the help that was asked for.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use front::app::NotBuilt;

/// Why a command line is not carried out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Help or the version was asked for: for standard output, exit code 0.
    Page(String),
    /// A mistake: one line for standard error, exit code 125.
    Mistake(String),
}

/// Options of other commands that Docker has and this program has not.
const NOT_BUILT: &[(&str, NotBuilt)] = &[
    (
        "create",
        not_built(
            "bundle",
            true,
            "for Podman and CRI-O name a link to this program that is called stockade-oci",
        ),
    ),
    (
        "start",
        not_built("checkpoint", true, "checkpoints come later"),
    ),
    (
        "start",
        not_built("checkpoint-dir", true, "checkpoints come later"),
    ),
    (
        "rm",
        NotBuilt {
            short: Some('l'),
            ..not_built("link", false, "there are no links between containers")
        },
    ),
    (
        "update",
        not_built(
            "kernel-memory",
            true,
            "the kernel no longer has this limit; use --memory",
        ),
    ),
];

const fn not_built(long: &'static str, takes_value: bool, hint: &'static str) -> NotBuilt {
    NotBuilt {
        long,
        short: None,
        takes_value,
        hint,
    }
}

/// Puts the parser's error about `words` in our words; `table` is the plain table, for help.
pub(super) fn refusal(table: &Command, words: &[String], error: &Error) -> Refusal {
    let path = path(table, words);
    match error.kind() {
        ErrorKind::DisplayHelp => Refusal::Page(help(table, &path)),
        ErrorKind::DisplayVersion => Refusal::Page(error.to_string()),
        _ => Refusal::Mistake(mistake(&path, error)),
    }
}

/// The names of the command that `words` reach, from below the program's own.
fn path(table: &Command, words: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    let mut command = table;
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if matches!(word, "--root" | "--format") {
            words.next();
        } else if let Some(next) = command.find_subcommand(word) {
            names.push(next.get_name().to_owned());
            command = next;
        } else if word != "help" && !word.starts_with('-') {
            break;
        }
    }
    names
}

/// The help of the command at `path`.
fn help(table: &Command, path: &[String]) -> String {
    let mut table = table.clone();
    table.build();
    let mut command = &mut table;
    for name in path {
        match command.find_subcommand_mut(name) {
            Some(next) => command = next,
            None => return String::new(),
        }
    }
    command
        .clone()
        .mut_args(hide_rest)
        .render_help()
        .to_string()
}

/// Hides an operand that the usage line tells better: `ROOT [COMMAND [ARG]...]`.
pub(super) fn hide_rest(arg: Arg) -> Arg {
    if arg.is_trailing_var_arg_set() {
        arg.hide(true)
    } else {
        arg
    }
}

fn mistake(path: &[String], error: &Error) -> String {
    let prefix = path
        .iter()
        .fold("stockade".to_owned(), |line, name| line + " " + name);
    let what = match error.kind() {
        ErrorKind::UnknownArgument => unknown_option(path, error),
        ErrorKind::InvalidSubcommand => unknown_command(error),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            format!("which command? See `{prefix} --help`")
        }
        ErrorKind::MissingRequiredArgument => {
            let names = missing(error);
            let verb = if names.contains(" and ") { "are" } else { "is" };
            format!("{names} {verb} missing; see `{prefix} --help`")
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => invalid_value(error),
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        _ => first_line(error),
    };
    format!("{prefix}: {what}")
}

/// The operand that is missing, by its bare name: of `<ROOT [COMMAND [ARG]...]>...` it is ROOT.
fn missing(error: &Error) -> String {
    let names = context(error, ContextKind::InvalidArg);
    let bare = names
        .split(", ")
        .filter_map(|name| name.trim_matches(['<', '>', '.']).split(' ').next());
    bare.collect::<Vec<_>>().join(" and ")
}

fn unknown_option(path: &[String], error: &Error) -> String {
    let given = context(error, ContextKind::InvalidArg);
    if let Some(option) = path
        .last()
        .and_then(|command| find_not_built(command, &given))
    {
        return option.refusal();
    }
    if !given.starts_with('-') {
        return format!("unexpected argument '{given}'");
    }
    match context(error, ContextKind::SuggestedArg) {
        hint if hint.is_empty() => format!("unknown option {given}"),
        hint => format!("unknown option {given}; hint: {hint}"),
    }
}

/// The option that Docker's `command` has by this name, dashes included.
fn find_not_built(command: &str, given: &str) -> Option<&'static NotBuilt> {
    let named = |option: &&NotBuilt| match given.strip_prefix("--") {
        Some(long) => long == option.long,
        None => given
            .chars()
            .nth(1)
            .is_some_and(|letter| option.short == Some(letter)),
    };
    let makes = matches!(command, "run" | "create");
    let of_run = front::app::NOT_BUILT.iter().filter(|_| makes);
    let of_others = NOT_BUILT.iter().filter(|(of, _)| *of == command);
    of_others
        .map(|(_, option)| option)
        .chain(of_run)
        .find(named)
}

/// Commands of Docker's that are not there, and what to do instead.
const COMMANDS_NOT_BUILT: &[(&str, &str)] = &[
    (
        "build",
        "build with another program, and run the archive that it writes",
    ),
    (
        "builder",
        "build with another program, and run the archive that it writes",
    ),
    (
        "buildx",
        "build with another program, and run the archive that it writes",
    ),
    ("checkpoint", "checkpoints come later"),
    (
        "commit",
        "run ROOT from a directory to keep what is written in one",
    ),
    ("compose", "start each container by itself"),
    (
        "container",
        "the commands about containers stand by themselves, as in `stockade ps`",
    ),
    (
        "cp",
        "use `exec` with tar or cat, or a directory bound by --volume",
    ),
    (
        "diff",
        "what was written is in upper0 of the container's directory",
    ),
    ("events", "`ps` and `inspect` tell how containers are"),
    ("export", "use `exec` with tar"),
    (
        "history",
        "`inspect` tells of which image a container was made",
    ),
    ("image", "`images` and `rmi` stand by themselves"),
    (
        "import",
        "unpack the archive into a directory, and run that",
    ),
    (
        "info",
        "`version` and `system df` tell what there is to tell",
    ),
    (
        "load",
        "run takes the archive as it is: stockade run image.tar",
    ),
    ("login", "images are not pulled from registries yet"),
    ("logout", "images are not pulled from registries yet"),
    (
        "network",
        "networks come later; --net host shares the host's network",
    ),
    (
        "port",
        "ports are not published yet; --net host shares the host's network",
    ),
    (
        "pull",
        "images are not pulled from registries yet; run takes an archive or a layout",
    ),
    ("push", "images are not pushed to registries yet"),
    (
        "save",
        "the archive that an image came from is not changed: copy that",
    ),
    ("search", "images are not pulled from registries yet"),
    ("swarm", "this program is about one machine"),
    ("tag", "images have the names that their archives give them"),
];

fn unknown_command(error: &Error) -> String {
    let given = context(error, ContextKind::InvalidSubcommand);
    if let Some((_, hint)) = COMMANDS_NOT_BUILT.iter().find(|(name, _)| *name == given) {
        return format!("{given}: not built yet; hint: {hint}");
    }
    match context(error, ContextKind::SuggestedSubcommand) {
        hint if hint.is_empty() => format!("unknown command '{given}'; see `stockade --help`"),
        hint => format!("unknown command '{given}'; hint: {hint}"),
    }
}

fn invalid_value(error: &Error) -> String {
    let option = context(error, ContextKind::InvalidArg);
    let value = context(error, ContextKind::InvalidValue);
    if value.is_empty() {
        return format!("{option}: a value is missing");
    }
    if let Some(source) = std::error::Error::source(error) {
        return format!("{option}: '{value}': {source}");
    }
    match context(error, ContextKind::ValidValue) {
        valid if valid.is_empty() => format!("{option}: '{value}' is not valid"),
        valid => format!("{option}: '{value}' is none of {valid}"),
    }
}

/// What the parser says about the error, as a list with commas; empty when it says nothing.
fn context(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        Some(ContextValue::StyledStrs(texts)) => texts
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        _ => String::new(),
    }
}

fn first_line(error: &Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
