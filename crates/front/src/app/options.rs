//! What a person typed: `stockade run [OPTIONS] ROOT [COMMAND…]`, one field for each option.
//!
//! Values are the raw texts: their grammar is [`super::lower`]'s business, so that every error about
//! one comes from a single place and names the option. Names are Docker's, `-` written `_`.

use serde::{Deserialize, Serialize};

/// The options of `run` and `create` as they were typed.
///
/// `None`, `false` and an empty list all mean that the option was not given, except where a field
/// says otherwise. Lists keep the order of the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunOptions {
    /// `ROOT`: `host`, a directory, an OCI image layout, or an archive.
    pub root: String,
    /// `COMMAND…`: what stands after ROOT.
    pub command: Vec<String>,

    /// `--name NAME`
    pub name: Option<String>,
    /// `-h, --hostname NAME`
    pub hostname: Option<String>,
    /// `--domainname NAME`
    pub domainname: Option<String>,
    /// `--rm`: remove the container when it ends.
    pub rm: bool,
    /// `-i, --interactive`: keep standard input open.
    pub interactive: bool,
    /// `-t, --tty`: allocate a terminal.
    pub tty: bool,
    /// `-d, --detach`: run in the background.
    pub detach: bool,
    /// `--detach-keys KEYS`, such as `ctrl-p,ctrl-q`.
    pub detach_keys: Option<String>,
    /// `--cidfile FILE`: write the container's id there.
    pub cidfile: Option<String>,
    /// `--sig-proxy=false`: do not forward signals; `None` is Docker's default, to forward.
    pub sig_proxy: Option<String>,

    /// `-e, --env K=V` or `--env K`
    pub env: Vec<String>,
    /// `--env-file FILE`
    pub env_file: Vec<String>,
    /// `-w, --workdir DIR`
    pub workdir: Option<String>,
    /// `-u, --user NAME|UID[:GROUP|GID]`
    pub user: Option<String>,
    /// `--group-add NAME|GID`
    pub group_add: Vec<String>,
    /// `--entrypoint PROGRAM`; the empty text resets the image's.
    pub entrypoint: Option<String>,
    /// `--init`: run the built-in init as PID 1.
    pub init: bool,
    /// `--stop-signal SIGNAL`
    pub stop_signal: Option<String>,
    /// `--stop-timeout SECONDS`
    pub stop_timeout: Option<String>,
    /// `--restart no|on-failure[:N]|always|unless-stopped`
    pub restart: Option<String>,
    /// `--log-driver json-file|none`
    pub log_driver: Option<String>,
    /// `--log-opt KEY=VALUE`: `max-size`, `max-file`.
    pub log_opt: Vec<String>,
    /// `--no-healthcheck`: accepted; health checks are not built, so nothing is switched off.
    pub no_healthcheck: bool,

    /// `-v, --volume SRC:DST[:OPTS]`
    pub volume: Vec<String>,
    /// `--mount type=…,src=…,dst=…`
    pub mount: Vec<String>,
    /// `--tmpfs DST[:OPTS]`
    pub tmpfs: Vec<String>,
    /// `--read-only`: the root cannot be written.
    pub read_only: bool,
    /// `--shm-size SIZE`: of `/dev/shm`.
    pub shm_size: Option<String>,
    /// `--ephemeral`: a directory as ROOT is used copy-on-write.
    pub ephemeral: bool,

    /// `-m, --memory SIZE`
    pub memory: Option<String>,
    /// `--memory-swap SIZE|-1`: memory and swap together.
    pub memory_swap: Option<String>,
    /// `--memory-reservation SIZE`
    pub memory_reservation: Option<String>,
    /// `--memory-swappiness 0..100`
    pub memory_swappiness: Option<String>,
    /// `--oom-kill-disable`
    pub oom_kill_disable: bool,
    /// `--oom-score-adj -1000..1000`
    pub oom_score_adj: Option<String>,
    /// `--cpus NUMBER`, such as `1.5`.
    pub cpus: Option<String>,
    /// `-c, --cpu-shares N`
    pub cpu_shares: Option<String>,
    /// `--cpu-period MICROSECONDS`
    pub cpu_period: Option<String>,
    /// `--cpu-quota MICROSECONDS`
    pub cpu_quota: Option<String>,
    /// `--cpu-rt-period MICROSECONDS`
    pub cpu_rt_period: Option<String>,
    /// `--cpu-rt-runtime MICROSECONDS`
    pub cpu_rt_runtime: Option<String>,
    /// `--cpuset-cpus LIST`, such as `0-3,5`.
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems LIST`
    pub cpuset_mems: Option<String>,
    /// `--pids-limit N`, `-1` for none.
    pub pids_limit: Option<String>,
    /// `--blkio-weight 10..1000`
    pub blkio_weight: Option<String>,
    /// `--ulimit NAME=SOFT[:HARD]`
    pub ulimit: Vec<String>,
    /// `--cgroup-parent PATH`
    pub cgroup_parent: Option<String>,

    /// `--cap-add NAME|ALL`
    pub cap_add: Vec<String>,
    /// `--cap-drop NAME|ALL`
    pub cap_drop: Vec<String>,
    /// `--security-opt seccomp=…|no-new-privileges|…`
    pub security_opt: Vec<String>,
    /// `--privileged`
    pub privileged: bool,
    /// `--device SRC[:DST[:rwm]]`
    pub device: Vec<String>,
    /// `--device-cgroup-rule 'c 42:* rmw'`
    pub device_cgroup_rule: Vec<String>,
    /// `--sysctl KEY=VALUE`
    pub sysctl: Vec<String>,

    /// `--net, --network none|host|private`
    pub net: Option<String>,
    /// `--pid private|host|container:ID`
    pub pid: Option<String>,
    /// `--ipc private|host|none|shareable|container:ID`
    pub ipc: Option<String>,
    /// `--uts private|host`
    pub uts: Option<String>,
    /// `--userns host|auto[:size=N]|MAP`
    pub userns: Option<String>,
    /// `--cgroupns private|host`
    pub cgroupns: Option<String>,
    /// `--add-host NAME:ADDRESS`
    pub add_host: Vec<String>,
    /// `--dns ADDRESS`
    pub dns: Vec<String>,
    /// `--dns-search DOMAIN`
    pub dns_search: Vec<String>,
    /// `--dns-option OPTION`
    pub dns_option: Vec<String>,

    /// `-l, --label K[=V]`
    pub label: Vec<String>,
    /// `--label-file FILE`
    pub label_file: Vec<String>,
    /// `--annotation K=V`: into the runtime specification.
    pub annotation: Vec<String>,
}
