//! The options of `run` and `create`, one line each; their names are [`front::app::RunOptions`]'s
//! fields with `-` for `_`.

use clap::{Arg, Command, ValueHint};

use super::option::{flag, list, number, on_switch, operand_and_rest, value};

/// The operand `ROOT` and what follows it.
pub(super) const ROOT_AND_COMMAND: &str = "root-and-command";

/// `stockade run`.
pub(super) fn run() -> Command {
    let lifecycle = [
        flag(
            "detach",
            "Run in the background and print the container's id",
        )
        .short('d'),
        on_switch(
            "sig-proxy",
            "Forward signals to the container [default: true]",
        ),
        value(
            "detach-keys",
            "KEYS",
            "Keys that detach; \"\" for none [default: ctrl-p,ctrl-q]",
        ),
    ];
    shared(Command::new("run").about("Make a container of ROOT and run a command in it"))
        .next_help_heading("Lifecycle")
        .args(lifecycle)
}

/// `stockade create`.
pub(super) fn create() -> Command {
    shared(Command::new("create").about("Make a container of ROOT without starting it"))
}

fn shared(command: Command) -> Command {
    command
        .arg(root_and_command())
        .next_help_heading("Lifecycle")
        .args(lifecycle())
        .next_help_heading("Identity")
        .args(identity())
        .next_help_heading("Process")
        .args(process())
        .next_help_heading("Files")
        .args(files())
        .next_help_heading("Limits")
        .args(limits())
        .args(machine_limits())
        .next_help_heading("Security")
        .args(security())
        .next_help_heading("Namespaces and network")
        .args(namespaces())
}

fn root_and_command() -> Arg {
    operand_and_rest(
        ROOT_AND_COMMAND,
        "ROOT [COMMAND [ARG]...]",
        "The root: `host`, a directory, an OCI image layout, or an OCI or Docker archive; then the \
         command to run in it. Options after ROOT belong to the command",
    )
}

fn lifecycle() -> Vec<Arg> {
    vec![
        flag(
            "rm",
            "Remove the container and its copy-on-write files when it ends",
        ),
        flag(
            "init",
            "Run the built-in init as process 1: it reaps and forwards signals",
        ),
        value(
            "restart",
            "POLICY",
            "no, on-failure[:N], always or unless-stopped [default: no]",
        ),
        value(
            "stop-signal",
            "SIGNAL",
            "Signal that stops the container [default: the image's, or TERM]",
        ),
        value(
            "stop-timeout",
            "SECONDS",
            "Time between the stop signal and KILL [default: 10]",
        ),
        value(
            "log-driver",
            "DRIVER",
            "json-file or none [default: json-file]",
        ),
        list(
            "log-opt",
            "KEY=VALUE",
            "max-size=SIZE of a log file, max-file=N of them [default: 20m, 5]",
        ),
        value("cidfile", "FILE", "Write the container's id to FILE")
            .value_hint(ValueHint::FilePath),
        flag(
            "no-healthcheck",
            "Run no health check (none is ever run yet)",
        ),
    ]
}

fn identity() -> Vec<Arg> {
    vec![
        value("name", "NAME", "Name of the container [default: made up]"),
        value(
            "hostname",
            "NAME",
            "Host name inside [default: the short id]",
        )
        .short('h'),
        value("domainname", "NAME", "NIS domain name inside"),
        list("label", "KEY[=VALUE]", "Label of the container").short('l'),
        list("label-file", "FILE", "Read labels from FILE, one a line")
            .value_hint(ValueHint::FilePath),
        list(
            "annotation",
            "KEY=VALUE",
            "Annotation of the runtime specification",
        ),
        value("user", "USER[:GROUP]", "User, by name or number, to run as")
            .short('u')
            .value_hint(ValueHint::Username),
        list(
            "group-add",
            "GROUP",
            "Supplementary group, by name or number",
        ),
    ]
}

fn process() -> Vec<Arg> {
    vec![
        flag("interactive", "Keep standard input open").short('i'),
        flag("tty", "Give the process a terminal").short('t'),
        list(
            "env",
            "KEY[=VALUE]",
            "Environment variable; without a value, this shell's",
        )
        .short('e'),
        list(
            "env-file",
            "FILE",
            "Read environment variables from FILE, one a line",
        )
        .value_hint(ValueHint::FilePath),
        value(
            "workdir",
            "DIR",
            "Working directory inside [default: the image's, or /]",
        )
        .short('w'),
        value(
            "entrypoint",
            "PROGRAM",
            "Replace the image's entrypoint; \"\" resets it",
        ),
    ]
}

fn files() -> Vec<Arg> {
    vec![
        list(
            "volume",
            "SRC:DST[:OPTIONS]",
            "Bind a host directory or file, or mount the volume SRC; OPTIONS such as ro, rshared",
        )
        .short('v')
        .value_hint(ValueHint::AnyPath),
        list(
            "mount",
            "KEY=VALUE,...",
            "Mount: type=bind|volume|tmpfs, src=, dst=, readonly",
        ),
        list(
            "tmpfs",
            "DST[:OPTIONS]",
            "Mount a tmpfs; OPTIONS such as size=64m,mode=1777",
        ),
        flag("read-only", "Mount the root read-only"),
        flag(
            "ephemeral",
            "Use a directory ROOT copy-on-write and drop what is written",
        ),
        list("device", "SRC[:DST[:rwm]]", "Make a host device available")
            .value_hint(ValueHint::FilePath),
        value("shm-size", "SIZE", "Size of /dev/shm [default: 64m]"),
    ]
}

/// The limits that `update` can also change, so a function of its own.
pub(super) fn limits() -> Vec<Arg> {
    vec![
        value("memory", "SIZE", "Memory limit, such as 512m or 2g").short('m'),
        value(
            "memory-swap",
            "SIZE",
            "Limit of memory and swap together; -1 for unlimited swap",
        ),
        value(
            "memory-reservation",
            "SIZE",
            "Memory protected from reclaim",
        ),
        value("cpus", "NUMBER", "Number of CPUs, such as 1.5"),
        value("cpu-shares", "N", "Relative CPU weight [default: 1024]").short('c'),
        value("cpu-period", "USEC", "CFS period, in microseconds"),
        value("cpu-quota", "USEC", "CFS quota per period, in microseconds"),
        value("cpu-rt-period", "USEC", "Real-time period, in microseconds"),
        value(
            "cpu-rt-runtime",
            "USEC",
            "Real-time runtime per period, in microseconds",
        ),
        value("cpuset-cpus", "LIST", "CPUs to run on, such as 0-3,5"),
        value("cpuset-mems", "LIST", "Memory nodes to use, such as 0,1"),
        value(
            "pids-limit",
            "N",
            "Limit of processes and threads; -1 for none",
        ),
        value("blkio-weight", "N", "Relative block I/O weight, 10 to 1000"),
    ]
}

fn machine_limits() -> Vec<Arg> {
    vec![
        value("memory-swappiness", "N", "Swappiness, 0 to 100 (cgroup v1)"),
        flag(
            "oom-kill-disable",
            "Pause instead of kill at the memory limit (cgroup v1)",
        ),
        value(
            "oom-score-adj",
            "N",
            "Preference of the kernel's OOM killer, -1000 to 1000",
        ),
        list(
            "ulimit",
            "NAME=SOFT[:HARD]",
            "Resource limit, such as nofile=1024:4096",
        ),
        value(
            "cgroup-parent",
            "PATH",
            "Cgroup to make the container's cgroup in",
        ),
    ]
}

fn security() -> Vec<Arg> {
    vec![
        list("cap-add", "NAME", "Capability to add; ALL for all"),
        list("cap-drop", "NAME", "Capability to drop; ALL for all"),
        list(
            "security-opt",
            "OPTION",
            "seccomp=FILE|unconfined, no-new-privileges, ...",
        ),
        flag(
            "privileged",
            "All capabilities and devices, nothing masked, no seccomp",
        ),
        list(
            "device-cgroup-rule",
            "RULE",
            "Device access rule, such as 'c 42:* rwm'",
        ),
        list(
            "sysctl",
            "KEY=VALUE",
            "Kernel setting of the container's own namespaces",
        ),
        value(
            "userns",
            "MODE",
            "host, auto[:size=N], or a map of user ids",
        ),
    ]
}

fn namespaces() -> Vec<Arg> {
    vec![
        value("net", "MODE", "none, host, private or container:ID").alias("network"),
        value("pid", "MODE", "private, host or container:ID"),
        value(
            "ipc",
            "MODE",
            "private, shareable, none, host or container:ID",
        ),
        value("uts", "MODE", "private, host or container:ID"),
        value("cgroupns", "MODE", "private or host"),
        list("add-host", "NAME:ADDRESS", "Line of /etc/hosts"),
        list("dns", "ADDRESS", "Name server"),
        list("dns-search", "DOMAIN", "Search domain"),
        list("dns-option", "OPTION", "Option of resolv.conf").alias("dns-opt"),
    ]
}

/// `-t, --time SECONDS` of `stop` and `restart`.
pub(super) fn stop_time() -> Arg {
    number(
        "time",
        "SECONDS",
        "Time to wait before KILL; -1 to wait forever [default: the container's]",
    )
    .short('t')
    .alias("timeout")
}
