//! What a command line asks for: one plain struct for each command, filled by [`super::fill`]. A
//! field is the option of the same name; texts are left as typed for those who know their grammar.

use clap_complete::Shell;
use front::app::RunOptions;
use serde::Deserialize;

/// A command line, understood.
#[derive(Debug)]
pub(crate) struct Request {
    /// `--root DIR`: where the state is kept, when not in the usual place.
    pub(crate) root: Option<String>,
    /// What to do.
    pub(crate) command: Verb,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Verb {
    /// `run`
    Run(Box<RunOptions>),
    /// `create`
    Create(Box<RunOptions>),
    /// `start`
    Start(Start),
    /// `stop`
    Stop(Stop),
    /// `kill`
    Kill(Kill),
    /// `restart`
    Restart(Stop),
    /// `pause`
    Pause(Named),
    /// `unpause`
    Unpause(Named),
    /// `rm`
    Remove(Remove),
    /// `ps`
    List(List),
    /// `inspect`
    Inspect(Inspect),
    /// `logs`
    Logs(Logs),
    /// `exec`
    Exec(Exec),
    /// `attach`
    Attach(Attach),
    /// `wait`
    Wait(Named),
    /// `top`
    Top(Top),
    /// `stats`
    Stats(Stats),
    /// `update`
    Update(Box<Update>),
    /// `rename`
    Rename(Rename),
    /// `images`
    Images(Images),
    /// `rmi`
    RemoveImages(RemoveImages),
    /// `volume …`
    Volume(VolumeVerb),
    /// `system …`
    System(SystemVerb),
    /// `plan COMMAND`: print the steps of the command within.
    Plan(Plan),
    /// `oci …`: words for the OCI front end.
    Oci(Vec<String>),
    /// A command that parses its own words, and runs before this table is looked at unless options of the
    /// program stand before it.
    ByHand(String),
    /// `ns ls`
    NamespaceList(NamespaceList),
    /// `ns pin`
    NamespacePin(NamespacePin),
    /// `ns unpin`
    NamespaceUnpin(NamespaceUnpin),
    /// `ns veth`
    NamespaceVeth(NamespaceVeth),
    /// `cgroup …`
    Cgroup(super::CgroupVerb),
    /// `which`
    Which(super::Which),
    /// `completion SHELL`
    Completion(Shell),
    /// `man DIR`
    Man(String),
    /// `version`
    Version,
}

/// `plan [--format FORMAT] COMMAND`
#[derive(Debug)]
pub(crate) struct Plan {
    /// `--format json`
    pub(crate) json: bool,
    /// The command to plan.
    pub(crate) command: Box<Verb>,
}

/// Commands that have containers' names and no options.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) containers: Vec<String>,
}

/// `start`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Start {
    pub(crate) attach: bool,
    pub(crate) interactive: bool,
    pub(crate) detach_keys: Option<String>,
    /// `true` or `false`; `None` is to forward.
    pub(crate) sig_proxy: Option<String>,
    pub(crate) containers: Vec<String>,
}

/// `stop` and `restart`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Stop {
    pub(crate) signal: Option<String>,
    /// Seconds; negative is forever; `None` is the container's own.
    pub(crate) time: Option<i64>,
    pub(crate) containers: Vec<String>,
}

/// `kill`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Kill {
    /// `None` is KILL.
    pub(crate) signal: Option<String>,
    pub(crate) containers: Vec<String>,
}

/// `rm`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Remove {
    pub(crate) force: bool,
    pub(crate) volumes: bool,
    pub(crate) containers: Vec<String>,
}

/// `ps`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) all: bool,
    pub(crate) filter: Vec<String>,
    pub(crate) format: Option<String>,
    /// How many at most; negative is all.
    pub(crate) last: Option<i64>,
    pub(crate) latest: bool,
    pub(crate) no_trunc: bool,
    pub(crate) quiet: bool,
    pub(crate) size: bool,
}

/// `inspect`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Inspect {
    pub(crate) format: Option<String>,
    pub(crate) size: bool,
    /// Only `container` exists so far.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) containers: Vec<String>,
}

/// `logs`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Logs {
    pub(crate) details: bool,
    pub(crate) follow: bool,
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    /// A number of lines, or `all`.
    pub(crate) tail: Option<String>,
    pub(crate) timestamps: bool,
    pub(crate) container: String,
}

/// `exec`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Exec {
    pub(crate) detach: bool,
    pub(crate) detach_keys: Option<String>,
    pub(crate) env: Vec<String>,
    pub(crate) env_file: Vec<String>,
    pub(crate) interactive: bool,
    pub(crate) privileged: bool,
    pub(crate) tty: bool,
    pub(crate) user: Option<String>,
    pub(crate) workdir: Option<String>,
    pub(crate) container: String,
    /// Never empty.
    pub(crate) command: Vec<String>,
}

/// `attach`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Attach {
    pub(crate) detach_keys: Option<String>,
    pub(crate) no_stdin: bool,
    /// `true` or `false`; `None` is to forward.
    pub(crate) sig_proxy: Option<String>,
    pub(crate) container: String,
}

/// `top`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Top {
    pub(crate) container: String,
    pub(crate) ps_options: Vec<String>,
}

/// `stats`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Stats {
    pub(crate) all: bool,
    pub(crate) format: Option<String>,
    pub(crate) no_stream: bool,
    pub(crate) no_trunc: bool,
    /// Empty is all of them.
    pub(crate) containers: Vec<String>,
}

/// `update`
#[derive(Debug, Default)]
pub(crate) struct Update {
    pub(crate) containers: Vec<String>,
    /// The limits and the restart policy that were given; nothing else is set in it.
    pub(crate) limits: RunOptions,
}

/// `images`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Images {
    pub(crate) format: Option<String>,
    pub(crate) no_trunc: bool,
    pub(crate) quiet: bool,
    /// Only those of this repository, and perhaps tag.
    pub(crate) name: Option<String>,
}

/// `rmi`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RemoveImages {
    /// Images that are not there are no failure.
    pub(crate) force: bool,
    pub(crate) images: Vec<String>,
}

/// `volume …`
#[derive(Debug)]
pub(crate) enum VolumeVerb {
    /// `create`
    Create(VolumeCreate),
    /// `ls`
    List(VolumeList),
    /// `inspect`
    Inspect(VolumeInspect),
    /// `rm`
    Remove(VolumeRemove),
    /// `prune`
    Prune(VolumePrune),
}

/// `volume create`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VolumeCreate {
    pub(crate) driver: Option<String>,
    pub(crate) label: Vec<String>,
    pub(crate) opt: Vec<String>,
    pub(crate) name: Option<String>,
}

/// `volume ls`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VolumeList {
    pub(crate) filter: Vec<String>,
    pub(crate) format: Option<String>,
    pub(crate) quiet: bool,
}

/// `volume inspect`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VolumeInspect {
    pub(crate) format: Option<String>,
    pub(crate) volumes: Vec<String>,
}

/// `volume rm`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VolumeRemove {
    /// Volumes that are not there are no failure.
    pub(crate) force: bool,
    pub(crate) volumes: Vec<String>,
}

/// `volume prune`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VolumePrune {
    /// Also those that somebody named.
    pub(crate) all: bool,
    pub(crate) filter: Vec<String>,
    /// Without asking.
    pub(crate) force: bool,
}

/// `system …`
#[derive(Debug)]
pub(crate) enum SystemVerb {
    /// `df`
    DiskUse(DiskUse),
    /// `prune`
    Prune(SystemPrune),
}

/// `system df`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DiskUse {
    pub(crate) format: Option<String>,
}

/// `system prune`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SystemPrune {
    /// Also images that no container uses.
    pub(crate) all: bool,
    /// Without asking.
    pub(crate) force: bool,
    /// Also anonymous volumes that no container uses.
    pub(crate) volumes: bool,
}

/// `ns ls`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NamespaceList {
    pub(crate) format: Option<String>,
    pub(crate) quiet: bool,
    /// Only those of this process.
    pub(crate) task: Option<String>,
    pub(crate) tree: bool,
    /// Only those of this kind.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
}

/// `ns pin`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NamespacePin {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) pid: String,
    pub(crate) file: String,
}

/// `ns unpin`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NamespaceUnpin {
    pub(crate) files: Vec<String>,
}

/// `ns veth`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NamespaceVeth {
    /// Two, with a comma between them.
    pub(crate) addresses: Option<String>,
    /// Two, with a comma between them.
    pub(crate) names: Option<String>,
    pub(crate) one: String,
    pub(crate) other: String,
}

/// `rename`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rename {
    pub(crate) container: String,
    pub(crate) name: String,
}

impl Verb {
    /// The exit code of this command's own failures: 125 where the code is otherwise the payload's,
    /// as Docker has it, else 1.
    pub(crate) fn failure_code(&self) -> u8 {
        match self {
            Self::Run(_) | Self::Create(_) | Self::Exec(_) | Self::ByHand(_) => 125,
            Self::Plan(plan) => plan.command.failure_code(),
            _ => 1,
        }
    }
}
