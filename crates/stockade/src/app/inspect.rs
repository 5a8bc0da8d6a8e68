//! `inspect`: Docker's object, of what a container was made from and how it is.

use std::collections::BTreeMap;

use container::{RestartPolicy, Store};
use front::app::RunOptions;
use front::app::value::mount::{self as grammar, MountRequest};
use front::app::value::{device, signal, sysctl, ulimit};
use spec::{NamespaceType, Propagation, Resources, Spec};

use super::failure::{Failure, Outcome};
use super::print;
use super::size;
use super::state::{self, Known};
use crate::cli;
use crate::output::format;
use crate::output::inspect::{
    Config, Device, HostConfig, Inspected, LogConfig, Mount, NetworkSettings,
    RestartPolicy as Restart, State, Ulimit, moment,
};

/// The size of `/dev/shm` when nothing was said, in bytes.
const SHM_SIZE: u64 = 64 << 20;

/// `inspect`: prints all that were found, then fails for those that were not.
pub(crate) fn inspect(store: &Store, request: &cli::Inspect) -> Outcome<()> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for given in &request.containers {
        match Known::find(store, given).and_then(|known| object(&known, request.size)) {
            Ok(object) => found.push(object),
            Err(failure) => failures.push(failure),
        }
    }
    let text = format::inspect(request.format.as_deref(), &found)
        .map_err(|error| Failure::new(format!("--format: {error}")))?;
    print::out(&text)?;
    print::first_of(failures)
}

fn object(known: &Known, with_size: bool) -> Outcome<Inspected> {
    let (settings, now) = (&known.settings, &known.now);
    let spec = known.spec()?;
    let words = arguments(&spec);
    let size = with_size.then(|| size::of(known)).transpose()?;
    let pid = now.pid().and_then(|pid| i32::try_from(pid).ok());
    let state = State {
        oom_killed: now.oom_killed,
        error: now.error.clone(),
        ..State::new(now.phase, pid, now.code, [now.started, now.finished])
    };
    Ok(Inspected {
        id: known.id.clone(),
        created: moment(state::moment(&settings.created)),
        path: words.first().cloned().unwrap_or_default(),
        args: words.get(1..).unwrap_or_default().to_vec(),
        state,
        image: settings
            .image_digest
            .clone()
            .unwrap_or_else(|| settings.image.clone()),
        hostname_path: own_file(known, &spec, "/etc/hostname"),
        hosts_path: own_file(known, &spec, "/etc/hosts"),
        resolv_conf_path: own_file(known, &spec, "/etc/resolv.conf"),
        log_path: known.directory.log_path(),
        name: format!("/{}", settings.name),
        restart_count: now.restarts.into(),
        platform: "linux".into(),
        host_config: host_config(known, &spec),
        size_rw: size.map(|(written, _)| written),
        size_root_fs: size.map(|(_, all)| all),
        mounts: mounts(known, &spec),
        config: config(known, &spec, &words),
        network_settings: network_settings(known, &spec),
    })
}

fn arguments(spec: &Spec<'_>) -> Vec<String> {
    spec.process
        .iter()
        .flat_map(|process| &process.args)
        .map(ToString::to_string)
        .collect()
}

/// Where on the host the container's own file is that is mounted there; nothing where none is.
fn own_file(known: &Known, spec: &Spec<'_>, destination: &str) -> String {
    let mount = spec
        .mounts
        .iter()
        .find(|mount| *mount.destination == *destination);
    let source = mount
        .and_then(|mount| mount.source.as_deref())
        .unwrap_or_default();
    if source.starts_with(&known.directory.path) {
        source.to_owned()
    } else {
        String::new()
    }
}

fn config(known: &Known, spec: &Spec<'_>, words: &[String]) -> Config {
    let (settings, options) = (&known.settings, &known.options);
    let process = spec.process.as_ref();
    let user = process
        .map(|process| (process.user.uid, process.user.gid))
        .unwrap_or_default();
    let numbers = if user == (0, 0) {
        String::new()
    } else {
        format!("{}:{}", user.0, user.1)
    };
    let attached = !options.detach;
    let (entrypoint, cmd) = parted(options, words);
    Config {
        hostname: spec.hostname.as_deref().unwrap_or_default().to_owned(),
        domainname: spec.domainname.as_deref().unwrap_or_default().to_owned(),
        user: options.user.clone().unwrap_or(numbers),
        attach_stdin: settings.interactive && attached,
        attach_stdout: attached,
        attach_stderr: attached,
        tty: settings.tty,
        open_stdin: settings.interactive,
        stdin_once: settings.input_once,
        env: process
            .iter()
            .flat_map(|process| &process.env)
            .map(ToString::to_string)
            .collect(),
        cmd,
        image: settings.image.clone(),
        working_dir: process
            .map(|process| process.cwd.to_string())
            .unwrap_or_default(),
        entrypoint,
        labels: settings.labels.clone(),
        stop_signal: if settings.stop_signal == 0 {
            String::new()
        } else {
            signal::name(settings.stop_signal)
        },
        stop_timeout: settings.stop_timeout.map(i64::from),
        ..Config::default()
    }
}

/// The entrypoint and the command, which the container's configuration has in one list.
fn parted(options: &RunOptions, words: &[String]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let at = match &options.entrypoint {
        Some(program) if !program.is_empty() => 1,
        _ if words.ends_with(&options.command) && !options.command.is_empty() => {
            words.len() - options.command.len()
        }
        _ => 0,
    };
    let some = |part: &[String]| (!part.is_empty()).then(|| part.to_vec());
    let (entrypoint, command) = words.split_at(at.min(words.len()));
    (some(entrypoint), some(command))
}

fn log_config(policy: container::LogPolicy) -> LogConfig {
    if policy.off {
        return LogConfig {
            r#type: "none".into(),
            ..LogConfig::default()
        };
    }
    let size = match policy.max_size {
        0 => "-1".to_owned(),
        size => size.to_string(),
    };
    let files = policy.max_files.to_string();
    LogConfig {
        r#type: "json-file".into(),
        config: [("max-size", size), ("max-file", files)]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
    }
}

fn host_config(known: &Known, spec: &Spec<'_>) -> HostConfig {
    let (settings, options) = (&known.settings, &known.options);
    let list = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
    let mode = |text: &Option<String>| text.clone().unwrap_or_else(|| "private".into());
    let linux = spec.linux.as_ref();
    let held = HostConfig {
        binds: list(&options.volume),
        log_config: log_config(settings.log),
        network_mode: network(options).to_owned(),
        restart_policy: restart(settings.restart),
        auto_remove: settings.auto_remove,
        annotations: pairs(
            options
                .annotation
                .iter()
                .filter_map(|text| text.split_once('=')),
        ),
        cap_add: list(&options.cap_add),
        cap_drop: list(&options.cap_drop),
        cgroupns_mode: mode(&options.cgroupns),
        dns: options.dns.clone(),
        dns_options: options.dns_option.clone(),
        dns_search: options.dns_search.clone(),
        extra_hosts: list(&options.add_host),
        group_add: list(&options.group_add),
        ipc_mode: mode(&options.ipc),
        oom_score_adj: spec
            .process
            .as_ref()
            .and_then(|process| process.oom_score_adj)
            .unwrap_or(0),
        pid_mode: mode(&options.pid),
        privileged: options.privileged,
        readonly_rootfs: options.read_only,
        security_opt: list(&options.security_opt),
        tmpfs: pairs(
            options
                .tmpfs
                .iter()
                .map(|text| text.split_once(':').unwrap_or((text, ""))),
        ),
        uts_mode: mode(&options.uts),
        userns_mode: options.userns.clone().unwrap_or_else(|| "host".into()),
        shm_size: shm_size(options),
        sysctls: options
            .sysctl
            .iter()
            .filter_map(|text| sysctl::sysctl(text).ok())
            .map(|sysctl| (sysctl.key.to_string(), sysctl.value.to_string()))
            .collect(),
        runtime: "stockade".into(),
        cgroup_parent: options.cgroup_parent.clone().unwrap_or_default(),
        devices: devices(options),
        device_cgroup_rules: list(&options.device_cgroup_rule),
        ulimits: ulimits(options),
        masked_paths: linux
            .iter()
            .flat_map(|linux| &linux.masked_paths)
            .map(ToString::to_string)
            .collect(),
        readonly_paths: linux
            .iter()
            .flat_map(|linux| &linux.readonly_paths)
            .map(ToString::to_string)
            .collect(),
        init: Some(settings.init),
        ..HostConfig::default()
    };
    match linux.and_then(|linux| linux.resources.as_ref()) {
        Some(resources) => with_limits(held, resources, options.cpus.is_some()),
        None => held,
    }
}

/// Docker tells of processors by quota and period, or by `--cpus`, as they were asked for.
fn with_limits(held: HostConfig, resources: &Resources<'_>, by_cpus: bool) -> HostConfig {
    let memory = resources.memory.unwrap_or_default();
    let cpu = resources.cpu.clone().unwrap_or_default();
    let (quota, period) = (cpu.quota.unwrap_or(0), cpu.period.unwrap_or(0));
    let nano = || {
        quota
            .saturating_mul(1_000_000_000)
            .checked_div(i64::try_from(period).ok()?)
    };
    HostConfig {
        memory: memory.limit.unwrap_or(0),
        memory_swap: memory.swap.unwrap_or(0),
        memory_reservation: memory.reservation.unwrap_or(0),
        memory_swappiness: memory.swappiness,
        oom_kill_disable: memory.disable_oom_killer,
        nano_cpus: if by_cpus { nano().unwrap_or(0) } else { 0 },
        cpu_quota: if by_cpus { 0 } else { quota },
        cpu_period: if by_cpus { 0 } else { period },
        cpu_shares: cpu.shares.unwrap_or(0),
        cpu_realtime_period: cpu.realtime_period.unwrap_or(0),
        cpu_realtime_runtime: cpu.realtime_runtime.unwrap_or(0),
        cpuset_cpus: cpu.cpus.map(|set| set.to_string()).unwrap_or_default(),
        cpuset_mems: cpu.mems.map(|set| set.to_string()).unwrap_or_default(),
        blkio_weight: resources
            .block_io
            .as_ref()
            .and_then(|io| io.weight)
            .unwrap_or(0),
        pids_limit: resources.pids.and_then(|pids| pids.limit),
        ..held
    }
}

fn restart(policy: RestartPolicy) -> Restart {
    let maximum_retry_count = match policy {
        RestartPolicy::OnFailure(most) => most,
        _ => 0,
    };
    Restart {
        name: policy.name().into(),
        maximum_retry_count,
    }
}

fn pairs<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> BTreeMap<String, String> {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn shm_size(options: &RunOptions) -> u64 {
    let asked = options.shm_size.as_deref();
    asked
        .and_then(|text| front::app::value::number::size(text).ok())
        .unwrap_or(SHM_SIZE)
}

fn devices(options: &RunOptions) -> Vec<Device> {
    let asked = options
        .device
        .iter()
        .filter_map(|text| device::device(text).ok());
    asked
        .map(|device| Device {
            path_on_host: device.source,
            path_in_container: device.destination,
            cgroup_permissions: device.access.letters().into(),
        })
        .collect()
}

fn ulimits(options: &RunOptions) -> Vec<Ulimit> {
    // No limit is -1, as Docker has it.
    let number = |limit: u64| i64::try_from(limit).unwrap_or(-1);
    let asked = options
        .ulimit
        .iter()
        .filter_map(|text| ulimit::ulimit(text).ok());
    asked
        .map(|limit| Ulimit {
            name: limit
                .kind
                .name()
                .trim_start_matches("RLIMIT_")
                .to_lowercase(),
            hard: number(limit.hard),
            soft: number(limit.soft),
        })
        .collect()
}

/// The network's name.
pub(crate) fn network(options: &RunOptions) -> &str {
    options.net.as_deref().unwrap_or("private")
}

/// The mounts that the person asked for.
pub(crate) fn mounts(known: &Known, spec: &Spec<'_>) -> Vec<Mount> {
    let options = &known.options;
    let asked: Vec<MountRequest> = [
        (&options.volume, grammar::volume as fn(&str) -> _),
        (&options.mount, grammar::mount),
        (&options.tmpfs, grammar::tmpfs),
    ]
    .into_iter()
    .flat_map(|(texts, parse)| texts.iter().filter_map(move |text| parse(text).ok()))
    .collect();
    let is_asked = |destination: &str| asked.iter().any(|one| one.destination == destination);
    let volume = |destination: &str| {
        let mut volumes = known.settings.volumes.iter();
        volumes.find(|volume| volume.destination == destination)
    };
    let shown = |one: &spec::Mount<'_>| match volume(&one.destination) {
        Some(volume) => Some(Mount {
            r#type: "volume".into(),
            name: volume.name.clone(),
            ..mount(one)
        }),
        None => is_asked(&one.destination).then(|| mount(one)),
    };
    spec.mounts.iter().filter_map(shown).collect()
}

fn mount(mount: &spec::Mount<'_>) -> Mount {
    let kind = mount.fstype.as_deref().unwrap_or("bind");
    let is_bind = kind == "bind";
    let propagation = mount
        .options
        .iter()
        .find(|option| Propagation::from_name(option).is_some());
    Mount {
        r#type: kind.into(),
        source: mount
            .source
            .as_deref()
            .filter(|_| is_bind)
            .unwrap_or_default()
            .into(),
        destination: mount.destination.to_string(),
        writable: !mount
            .options
            .iter()
            .any(|option| matches!(option.as_ref(), "ro" | "rro")),
        propagation: propagation.map(ToString::to_string).unwrap_or_default(),
        ..Mount::default()
    }
}

fn network_settings(known: &Known, spec: &Spec<'_>) -> NetworkSettings {
    let own = spec
        .linux
        .as_ref()
        .is_some_and(|linux| linux.namespace(NamespaceType::Network).is_some());
    let key = known
        .now
        .pid()
        .filter(|_| own)
        .map(|pid| sys::process::namespace_path(pid, "net"));
    let unknown = ["NetworkID", "IPAddress", "Gateway", "MacAddress"];
    let joined = unknown.map(|field| (field.to_owned(), String::new()));
    NetworkSettings {
        sandbox_key: key.unwrap_or_default(),
        networks: BTreeMap::from([(network(&known.options).to_owned(), joined.into())]),
        ..NetworkSettings::default()
    }
}
