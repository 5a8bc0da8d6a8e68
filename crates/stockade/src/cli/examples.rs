//! Examples of each command: the help's and the man pages' last section.

/// A command line without its `stockade `, and what it does.
pub(super) type Example = (&'static str, &'static str);

/// The examples of a command; empty for an unknown one.
pub(super) fn of(command: &str) -> &'static [Example] {
    EXAMPLES
        .iter()
        .find(|(name, _)| *name == command)
        .map_or(&[], |(_, examples)| examples)
}

/// What the operands of a command mean, where one line will not do; empty for most.
pub(super) fn operands(command: &str) -> &'static [Example] {
    match command {
        "run" | "create" => ROOTS,
        _ => &[],
    }
}

/// The last sections of a command's help; `prefix` stands before the command, such as `plan `.
pub(super) fn sections(command: &str, prefix: &str) -> String {
    let mut lines = Vec::new();
    if !matches!(prefix, "" | "plan ") {
        return String::new();
    }
    if !operands(command).is_empty() {
        lines.push("ROOT is one of these; options after it belong to COMMAND:".to_owned());
        lines.extend(
            operands(command)
                .iter()
                .map(|(root, what)| format!("  {root:<11}{what}")),
        );
        lines.push(String::new());
    }
    if !of(command).is_empty() {
        lines.push("Examples:".to_owned());
        let example = |(line, what): &Example| format!("  stockade {prefix}{line}\n      {what}");
        lines.extend(of(command).iter().map(example));
    }
    lines.join("\n")
}

const ROOTS: &[Example] = &[
    (
        "host",
        "This machine's own programs, copy-on-write; none of its secrets or data",
    ),
    (
        "DIRECTORY",
        "A root directory, as it is, or with --ephemeral copy-on-write",
    ),
    ("LAYOUT", "A directory that is an OCI image layout"),
    (
        "ARCHIVE",
        "A tar file made by `docker save` or holding an OCI image layout",
    ),
];

const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "jail",
        &[
            (
                "jail -c path=/srv/web name=web mount.devfs command=/bin/sh",
                "A shell in a jail that ends with it",
            ),
            (
                "jail -c web",
                "The jail web of /etc/jail.conf, and those that it depends on",
            ),
            ("jail -r '*'", "Remove all jails"),
        ],
    ),
    (
        "rctl",
        &[(
            "rctl -a jail:web:memoryuse:deny=1g",
            "At most 1 GiB of memory, from now on",
        )],
    ),
    (
        "jls",
        &[("jls -n jid name path", "Three parameters of every jail")],
    ),
    (
        "jexec",
        &[(
            "jexec -l -U ann web id",
            "A command as a user of the jail's",
        )],
    ),
    (
        "run",
        &[
            (
                "run --rm -it host bash",
                "A throw-away shell over this machine's own programs",
            ),
            (
                "run -d --name web -m 512m --cpus 1.5 ./rootfs nginx -g 'daemon off;'",
                "A limited server in the background",
            ),
            (
                "run --userns auto -v /srv/data:/data:ro image.tar",
                "An image's own command, with its own user ids",
            ),
        ],
    ),
    (
        "create",
        &[(
            "create --name db -e MODE=test ./rootfs server",
            "Made now, started by `stockade start db`",
        )],
    ),
    (
        "start",
        &[
            ("start web db", "Start both"),
            ("start -ai shell", "Start it and use this terminal for it"),
        ],
    ),
    (
        "stop",
        &[("stop -t 30 web", "Ask it to end; kill it after 30 seconds")],
    ),
    (
        "kill",
        &[(
            "kill -s HUP web",
            "Tell a server to read its configuration again",
        )],
    ),
    ("restart", &[("restart web", "Stop it and start it again")]),
    (
        "pause",
        &[(
            "pause web",
            "Freeze it; it goes on after `stockade unpause web`",
        )],
    ),
    ("unpause", &[("unpause web", "Let it go on")]),
    (
        "rm",
        &[
            ("rm old", "Remove a container that has ended"),
            ("rm -f $(stockade ps -aq)", "Remove every container"),
        ],
    ),
    (
        "ps",
        &[
            ("ps -a --filter status=exited", "Those that have ended"),
            (
                "ps --format 'table {{.Names}}\\t{{.Status}}'",
                "A table of two columns",
            ),
            ("ps --format json", "One JSON object a line"),
        ],
    ),
    (
        "inspect",
        &[
            ("inspect web", "All of it, as JSON"),
            ("inspect -f '{{.State.ExitCode}}' web", "One value"),
        ],
    ),
    (
        "logs",
        &[
            (
                "logs -f --tail 20 web",
                "The last 20 lines and what follows",
            ),
            ("logs --since 10m web", "The output of the last ten minutes"),
        ],
    ),
    (
        "exec",
        &[
            (
                "exec -it web bash",
                "A shell beside the container's process",
            ),
            (
                "exec -u 1000 -e MODE=test web env",
                "A command as another user",
            ),
        ],
    ),
    (
        "attach",
        &[(
            "attach web",
            "Use this terminal for it; ctrl-p ctrl-q leaves it running",
        )],
    ),
    (
        "wait",
        &[("wait web", "Print its exit code when it has ended")],
    ),
    (
        "top",
        &[(
            "top web -o pid,rss,cmd",
            "Its processes, in columns of your choice",
        )],
    ),
    (
        "stats",
        &[
            ("stats", "All running containers, refreshed"),
            (
                "stats --no-stream --format '{{.Name}} {{.MemPerc}}'",
                "One line a container, once",
            ),
        ],
    ),
    (
        "update",
        &[(
            "update -m 1g --cpus 2 web",
            "New limits at once, without a restart",
        )],
    ),
    (
        "rename",
        &[("rename web web-old", "From now on it is web-old")],
    ),
    (
        "images",
        &[("images", "The images that were unpacked, and their sizes")],
    ),
    (
        "rmi",
        &[("rmi app:1", "Remove an image that no container uses")],
    ),
    (
        "volume",
        &[
            ("volume create db", "A volume, for run -v db:/var/lib/db"),
            ("volume ls -q -f dangling=true", "Those that nobody uses"),
        ],
    ),
    (
        "system",
        &[
            ("system df", "What takes space on the disk"),
            ("system prune -f", "Remove containers that do not run"),
        ],
    ),
    (
        "chroot",
        &[
            (
                "chroot ./rootfs sh",
                "A shell with ./rootfs as its root, and no other boundary",
            ),
            (
                "chroot --userspec ann:users --groups= ./rootfs id",
                "As ann, with no other groups, as ./rootfs knows them",
            ),
        ],
    ),
    (
        "ns",
        &[
            (
                "ns new -p --fork --mount-proc bash",
                "A shell that is the first process of a process namespace",
            ),
            (
                "ns new -U --map-root-user -m bash",
                "Root in namespaces of its own, for anybody",
            ),
            (
                "ns enter -t 4711 -a ps ax",
                "What process 4711 sees, in all of its namespaces",
            ),
            (
                "ns ls --tree",
                "All namespaces, and how they belong together",
            ),
            (
                "ns pin net 4711 /run/netns/blue",
                "Its network namespace stays when it ends",
            ),
        ],
    ),
    (
        "cgroup",
        &[
            ("cgroup ls", "All cgroups, and what they use"),
            (
                "cgroup create web memory.max=512M cpu.max='50000 100000'",
                "A cgroup with limits; on v1 it says what they became",
            ),
            ("cgroup move web 4711", "Put a process into it"),
            (
                "cgroup show web",
                "What it holds, held at most, may hold, and was refused",
            ),
            (
                "cgroup run --memory 1G --pids 100 make",
                "A command in a cgroup that goes when it ends",
            ),
        ],
    ),
    (
        "which",
        &[("which 4711", "The container that process 4711 is in")],
    ),
    (
        "plan",
        &[
            (
                "plan run --rm host true",
                "What `run` would do, step by step",
            ),
            (
                "plan --format json oci create --bundle . c1",
                "The same for an OCI bundle, for a program",
            ),
        ],
    ),
    (
        "oci",
        &[("oci run --bundle ./bundle c1", "Run an OCI bundle")],
    ),
    (
        "completion",
        &[(
            "completion bash >/etc/bash_completion.d/stockade",
            "Complete commands and options in bash",
        )],
    ),
];
