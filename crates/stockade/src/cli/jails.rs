//! The jails' commands, which parse their own words as FreeBSD's do: here for help, man pages and completions.

use clap::{Arg, ArgAction, Command};

/// `stockade jail`.
pub(super) fn jail() -> Command {
    let what = "NAME…, PARAMETER=VALUE… [command=COMMAND…], PATH HOSTNAME IP COMMAND…, or status: whether this is a jail";
    command(
        "jail",
        "Make, change and remove jails, as FreeBSD's jail(8)",
        what,
        &[
            ('c', None, "Create jails"),
            ('m', None, "Modify jails"),
            ('r', None, "Remove jails; with -c, restart them"),
            ('R', None, "Remove jails without their commands"),
            (
                'C',
                None,
                "With -r: run the commands of the end of jails that are gone",
            ),
            (
                'f',
                Some("FILE"),
                "The configuration [default: /etc/jail.conf]",
            ),
            ('i', None, "Print the numbers of new jails only"),
            ('J', Some("FILE"), "Write a new jail's parameters to FILE"),
            ('n', Some("NAME"), "The jail's name"),
            ('s', Some("LEVEL"), "The jail's securelevel"),
            ('u', Some("USER"), "Run commands as this user of the host's"),
            ('U', Some("USER"), "Run commands as this user of the jail's"),
            ('l', None, "Run commands in a clean environment"),
            ('d', None, "Change jails that are being removed, too"),
            ('e', Some("SEPARATOR"), "Print what is configured"),
            ('p', Some("LIMIT"), "At most so many commands at a time"),
            ('q', None, "Print errors only"),
            ('v', None, "Print every step"),
        ],
    )
}

/// `stockade jls`.
pub(super) fn jls() -> Command {
    command(
        "jls",
        "List jails, as FreeBSD's jls(8)",
        "Parameters to print; without any, a table",
        &[
            ('d', None, "Jails that are being removed, too"),
            ('h', None, "A line with the parameters' names first"),
            ('j', Some("JAIL"), "Only this one"),
            ('N', None, "Names instead of numbers"),
            ('n', None, "PARAMETER=VALUE"),
            ('q', None, "Quote values"),
            ('s', None, "What `jail -c` makes the jails of again"),
            ('v', None, "More of each jail"),
        ],
    )
    .arg(
        Arg::new("libxo")
            .long("libxo")
            .value_name("STYLE")
            .help("json or json,pretty"),
    )
}

/// `stockade jexec`.
pub(super) fn jexec() -> Command {
    command(
        "jexec",
        "Run a command in a jail, as FreeBSD's jexec(8)",
        "JAIL [COMMAND…]",
        &[
            ('d', Some("DIRECTORY"), "Where it runs"),
            ('l', None, "In a clean environment"),
            ('u', Some("USER"), "As this user of the host's"),
            ('U', Some("USER"), "As this user of the jail's"),
        ],
    )
}

/// `stockade rctl`.
pub(super) fn rctl() -> Command {
    command(
        "rctl",
        "Limit what jails use of the machine, as FreeBSD's rctl(8)",
        "jail:NAME:RESOURCE:ACTION=AMOUNT, or its beginning as a filter",
        &[
            ('a', None, "Add rules"),
            ('h', None, "Amounts with letters"),
            ('l', None, "List rules"),
            ('r', None, "Remove the rules of a filter"),
            ('u', None, "List what a jail uses"),
        ],
    )
}

type Switch = (char, Option<&'static str>, &'static str);

fn command(
    name: &'static str,
    about: &'static str,
    words: &'static str,
    switches: &[Switch],
) -> Command {
    let option = |(letter, value, help): &Switch| {
        let arg = Arg::new(*help).short(*letter).help(*help);
        match value {
            Some(value) => arg.value_name(*value),
            None => arg.action(ArgAction::SetTrue),
        }
    };
    let operands = Arg::new("words")
        .value_name("WORD")
        .help(words)
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true);
    Command::new(name)
        .about(about)
        .args(switches.iter().map(option))
        .arg(operands)
}
