//! The pages that `--help` prints, from one table.
//!
//! Their shape (NAME, USAGE, OPTIONS) is what programs that look at a runtime's help expect.

use alloc::format;
use alloc::string::String;

/// A command, as its page tells of it.
struct Page {
    verb: &'static str,
    summary: &'static str,
    arguments: &'static str,
    /// Each option with its value's name, and what it is for.
    options: &'static [(&'static str, &'static str)],
}

const BUNDLE: (&str, &str) = (
    "--bundle DIR, -b DIR",
    "the directory of config.json and the root (default: where you are)",
);
const CONSOLE_SOCKET: (&str, &str) = (
    "--console-socket SOCKET",
    "send the terminal's master over this Unix socket",
);
const PIDFD_SOCKET: (&str, &str) = (
    "--pidfd-socket SOCKET",
    "send a pidfd of the process over this Unix socket",
);
const PID_FILE: (&str, &str) = ("--pid-file FILE", "write the process's pid to this file");
const PRESERVE_FDS: (&str, &str) = (
    "--preserve-fds N",
    "pass N descriptors beyond the standard three and those of LISTEN_FDS",
);
const FORMAT: (&str, &str) = (
    "--format FORMAT, -f FORMAT",
    "table or json (default: table)",
);
const CONFIG: (&str, &str) = ("--config FILE, -f FILE", "another file than config.json");
const NO_PIVOT: (&str, &str) = (
    "--no-pivot",
    "do not use pivot_root, which a root on a ramdisk does not allow",
);
const NO_NEW_KEYRING: (&str, &str) = ("--no-new-keyring", "keep the caller's session keyring");

const IMAGE_PATH: (&str, &str) = (
    "--image-path DIR",
    "the directory of the saved files (default: checkpoint)",
);
const WORK_PATH: (&str, &str) = (
    "--work-path DIR",
    "where criu's log goes (default: --image-path)",
);
const TCP_ESTABLISHED: (&str, &str) = ("--tcp-established", "allow open TCP connections");
const EXT_UNIX_SK: (&str, &str) = ("--ext-unix-sk", "allow Unix sockets that lead outside");
const SHELL_JOB: (&str, &str) = (
    "--shell-job",
    "allow a terminal that is not the container's",
);
const FILE_LOCKS: (&str, &str) = ("--file-locks", "allow file locks");
const MANAGE_CGROUPS: (&str, &str) = (
    "--manage-cgroups-mode MODE",
    "soft, full, strict or ignore (default: soft)",
);
const EMPTY_NS: (&str, &str) = (
    "--empty-ns network",
    "accepted: what is in a network namespace is never saved",
);
const AUTO_DEDUP: (&str, &str) = (
    "--auto-dedup",
    "drop pages of older images that newer ones have",
);

const PAGES: &[Page] = &[
    Page {
        verb: "checkpoint",
        summary: "save a running container's processes, and remove it",
        arguments: "CONTAINER",
        options: &[
            IMAGE_PATH,
            WORK_PATH,
            (
                "--parent-path DIR",
                "an earlier --pre-dump's directory, relative to --image-path",
            ),
            ("--leave-running", "do not end and remove it"),
            ("--pre-dump", "save memory only; it runs on"),
            TCP_ESTABLISHED,
            (
                "--tcp-skip-in-flight",
                "leave out TCP connections that are being made",
            ),
            ("--link-remap", "link files that were unlinked back"),
            EXT_UNIX_SK,
            SHELL_JOB,
            ("--page-server ADDRESS:PORT", "send memory to a page server"),
            FILE_LOCKS,
            MANAGE_CGROUPS,
            EMPTY_NS,
            AUTO_DEDUP,
        ],
    },
    Page {
        verb: "create",
        summary: "make a container of a bundle; its payload waits for start",
        arguments: "CONTAINER",
        options: &[
            BUNDLE,
            CONFIG,
            CONSOLE_SOCKET,
            PIDFD_SOCKET,
            PID_FILE,
            NO_PIVOT,
            NO_NEW_KEYRING,
            PRESERVE_FDS,
        ],
    },
    Page {
        verb: "delete",
        summary: "remove a container that has ended",
        arguments: "CONTAINER",
        options: &[(
            "--force, -f",
            "kill it first; a container that does not exist is no failure",
        )],
    },
    Page {
        verb: "events",
        summary: "print a container's figures, and out-of-memory kills as they happen",
        arguments: "CONTAINER",
        options: &[
            ("--interval TIME", "time between figures (default: 5s)"),
            ("--stats", "print the figures once"),
        ],
    },
    Page {
        verb: "exec",
        summary: "run one more process in a container",
        arguments: "CONTAINER COMMAND [ARGUMENT...], or --process FILE CONTAINER",
        options: &[
            CONSOLE_SOCKET,
            PIDFD_SOCKET,
            ("--cwd DIR", "its working directory"),
            ("--env NAME=VALUE, -e NAME=VALUE", "add to its environment"),
            ("--tty, -t", "give it a terminal"),
            ("--user UID[:GID], -u UID[:GID]", "run it as this user"),
            ("--additional-gids GID, -g GID", "add a group"),
            ("--process FILE, -p FILE", "the whole process, as JSON"),
            ("--detach, -d", "do not wait for its end"),
            PID_FILE,
            ("--process-label LABEL", "its SELinux label"),
            ("--apparmor PROFILE", "its AppArmor profile"),
            ("--no-new-privs", "set no_new_privs"),
            ("--cap CAPABILITY, -c CAPABILITY", "add a capability"),
            PRESERVE_FDS,
            (
                "--cgroup [CONTROLLER[,CONTROLLER]:]PATH",
                "run it in a cgroup below the container's, which must be there",
            ),
            ("--ignore-paused", "do it in a paused container, too"),
        ],
    },
    Page {
        verb: "features",
        summary: "print what this build supports, as JSON",
        arguments: "",
        options: &[],
    },
    Page {
        verb: "kill",
        summary: "send a signal to a container's first process (default: TERM)",
        arguments: "CONTAINER [SIGNAL]",
        options: &[("--all, -a", "send it to all of its processes")],
    },
    Page {
        verb: "list",
        summary: "list the containers below --root",
        arguments: "",
        options: &[FORMAT, ("--quiet, -q", "print ids alone")],
    },
    Page {
        verb: "pause",
        summary: "freeze all processes of a container",
        arguments: "CONTAINER",
        options: &[],
    },
    Page {
        verb: "ps",
        summary: "list a container's processes",
        arguments: "CONTAINER [OPTION OF ps(1)...]",
        options: &[FORMAT],
    },
    Page {
        verb: "restore",
        summary: "make a container of what checkpoint saved",
        arguments: "CONTAINER",
        options: &[
            BUNDLE,
            IMAGE_PATH,
            WORK_PATH,
            CONSOLE_SOCKET,
            ("--detach, -d", "do not wait for its end"),
            PID_FILE,
            TCP_ESTABLISHED,
            EXT_UNIX_SK,
            SHELL_JOB,
            FILE_LOCKS,
            MANAGE_CGROUPS,
            EMPTY_NS,
            AUTO_DEDUP,
            ("--lsm-profile TYPE:NAME", "another LSM profile"),
            (
                "--lsm-mount-context CONTEXT",
                "another LSM context for mounts",
            ),
            (
                "--no-subreaper",
                "accepted: nothing here adopts the container's orphans",
            ),
            ("--no-pivot", "accepted: criu makes the root"),
        ],
    },
    Page {
        verb: "resume",
        summary: "thaw a container that was paused",
        arguments: "CONTAINER",
        options: &[],
    },
    Page {
        verb: "run",
        summary: "create and start a container, and wait for its end",
        arguments: "CONTAINER",
        options: &[
            BUNDLE,
            CONFIG,
            CONSOLE_SOCKET,
            PIDFD_SOCKET,
            ("--detach, -d", "do not wait for its end"),
            ("--keep", "do not remove it after its end"),
            PID_FILE,
            (
                "--no-subreaper",
                "accepted: nothing here adopts the container's orphans",
            ),
            NO_PIVOT,
            NO_NEW_KEYRING,
            PRESERVE_FDS,
        ],
    },
    Page {
        verb: "spec",
        summary: "write a default config.json",
        arguments: "",
        options: &[
            ("--bundle DIR, -b DIR", "where to write it"),
            ("--rootless", "one that an ordinary user can run"),
        ],
    },
    Page {
        verb: "start",
        summary: "let a created container's payload run",
        arguments: "CONTAINER",
        options: &[],
    },
    Page {
        verb: "state",
        summary: "print a container's state as JSON",
        arguments: "CONTAINER",
        options: &[],
    },
    Page {
        verb: "update",
        summary: "change a container's limits while it runs",
        arguments: "CONTAINER",
        options: &[
            (
                "--resources FILE, -r FILE",
                "take all from a document like config.json's linux.resources; - is standard input",
            ),
            ("--blkio-weight N", "share of block devices, 10 to 1000"),
            ("--cpu-period USEC", "length of a period of processor time"),
            (
                "--cpu-quota USEC",
                "processor time in a period; -1 for no limit",
            ),
            ("--cpu-burst USEC", "what may be saved for later periods"),
            ("--cpu-share N", "share of processor time"),
            ("--cpu-rt-period USEC", "length of a realtime period"),
            ("--cpu-rt-runtime USEC", "realtime in a period"),
            ("--cpu-idle 0|1", "run only where nobody else wants to"),
            ("--cpuset-cpus LIST", "processors to run on"),
            ("--cpuset-mems LIST", "memory nodes to use"),
            ("--memory BYTES", "memory; -1 for no limit"),
            (
                "--memory-reservation BYTES",
                "memory that is left to it longest",
            ),
            (
                "--memory-swap BYTES",
                "memory and swap together; -1 for no limit",
            ),
            ("--pids-limit N", "number of processes; -1 for no limit"),
            ("--l3-cache-schema LINE", "Intel RDT: share of the cache"),
            (
                "--mem-bw-schema LINE",
                "Intel RDT: share of memory bandwidth",
            ),
        ],
    },
];

const GLOBAL: &[(&str, &str)] = &[
    (
        "--root DIR",
        "where states are kept (default: /run/stockade)",
    ),
    ("--log FILE", "write errors, warnings and debug lines there"),
    ("--log-format text|json", "the log's format (default: text)"),
    ("--debug", "log what is done, step by step"),
    ("--systemd-cgroup", "let systemd make the cgroups"),
    (
        "--rootless true|false|auto",
        "whether missing rights to cgroups are no failure (default: auto)",
    ),
    (
        "--cgroup-manager cgroupfs|systemd",
        "as crun has it: who makes the cgroups",
    ),
    (
        "--criu PROGRAM",
        "accepted for old callers, and not used, as in runc: criu is looked up in PATH",
    ),
    ("--help, -h", "print this, or a command's page"),
    ("--version, -v", "print the version"),
];

/// A command's page; none for a word that is no command.
pub(crate) fn of_command(program: &str, verb: &str) -> Option<String> {
    let page = PAGES.iter().find(|page| page.verb == verb)?;
    let mut text = format!("NAME:\n   {program} {verb} - {}\n\n", page.summary);
    let options = if page.options.is_empty() {
        ""
    } else {
        " [OPTIONS]"
    };
    text.push_str(&format!("USAGE:\n   {program} {verb}{options}"));
    if !page.arguments.is_empty() {
        text.push(' ');
        text.push_str(page.arguments);
    }
    text.push('\n');
    if !page.options.is_empty() {
        text.push_str("\nOPTIONS:\n");
        add_options(&mut text, page.options);
    }
    Some(text)
}

/// The page of all commands.
pub(crate) fn of_all(program: &str) -> String {
    let mut text = format!(
        "NAME:\n   {program} - Open Container Initiative runtime\n\n\
         USAGE:\n   {program} [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS...]\n\nCOMMANDS:\n"
    );
    for page in PAGES {
        text.push_str(&format!("   {:<12}{}\n", page.verb, page.summary));
    }
    text.push_str("\nGLOBAL OPTIONS:\n");
    add_options(&mut text, GLOBAL);
    text
}

fn add_options(text: &mut String, options: &[(&str, &str)]) {
    let width = options.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or(0) + 2;
    for (name, what) in options {
        text.push_str(&format!("   {name:<width$}{what}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGES, of_all, of_command};

    #[test]
    fn every_command_has_its_page() {
        let all = of_all("runc");
        assert!(all.starts_with("NAME:\n   runc - Open Container Initiative runtime\n"));
        for page in PAGES {
            let text = of_command("runc", page.verb).expect("a page");
            let start = std::format!("NAME:\n   runc {} - ", page.verb);
            assert!(text.starts_with(&start), "{text}");
            assert!(all.contains(&std::format!("   {} ", page.verb)));
        }
        assert_eq!(of_command("runc", "fly"), None);
    }
}
