//! `inspect`'s object: Docker's shape, for the parts that exist here.
//!
//! The structs are filled by whoever knows a container's record; every field has a default.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use super::rows::State as Phase;
use super::units;

/// What Docker prints for a time that has not come.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// A moment as `inspect` shows it.
pub(crate) fn moment(moment: Option<SystemTime>) -> String {
    moment.map_or_else(|| NEVER.to_owned(), units::rfc3339)
}

/// A container.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inspected {
    pub(crate) id: String,
    pub(crate) created: String,
    /// The program.
    pub(crate) path: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    pub(crate) state: State,
    /// ROOT as it was given, or the image's digest.
    pub(crate) image: String,
    pub(crate) hostname_path: String,
    pub(crate) hosts_path: String,
    pub(crate) resolv_conf_path: String,
    pub(crate) log_path: String,
    /// With Docker's leading slash.
    pub(crate) name: String,
    pub(crate) restart_count: u64,
    pub(crate) platform: String,
    pub(crate) host_config: HostConfig,
    /// With `--size` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size_rw: Option<u64>,
    /// With `--size` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size_root_fs: Option<u64>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) config: Config,
    pub(crate) network_settings: NetworkSettings,
}

/// What the container is doing.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    pub(crate) status: String,
    pub(crate) running: bool,
    pub(crate) paused: bool,
    pub(crate) restarting: bool,
    #[serde(rename = "OOMKilled")]
    pub(crate) oom_killed: bool,
    pub(crate) dead: bool,
    /// In the host's process namespace; 0 when there is none.
    pub(crate) pid: i32,
    pub(crate) exit_code: i32,
    /// Why it could not be started; mostly empty.
    pub(crate) error: String,
    pub(crate) started_at: String,
    pub(crate) finished_at: String,
}

impl State {
    /// The state of a container in `phase`; a paused or restarting one counts as running too.
    pub(crate) fn new(
        phase: Phase,
        pid: Option<i32>,
        exit_code: i32,
        times: [Option<SystemTime>; 2],
    ) -> Self {
        Self {
            status: phase.word().to_owned(),
            running: phase.is_alive(),
            paused: phase == Phase::Paused,
            restarting: phase == Phase::Restarting,
            dead: phase == Phase::Dead,
            pid: pid.unwrap_or(0),
            exit_code,
            started_at: moment(times[0]),
            finished_at: moment(times[1]),
            ..Self::default()
        }
    }
}

/// What the container was given to run.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Config {
    pub(crate) hostname: String,
    pub(crate) domainname: String,
    pub(crate) user: String,
    pub(crate) attach_stdin: bool,
    pub(crate) attach_stdout: bool,
    pub(crate) attach_stderr: bool,
    pub(crate) tty: bool,
    pub(crate) open_stdin: bool,
    pub(crate) stdin_once: bool,
    pub(crate) env: Vec<String>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) image: String,
    pub(crate) volumes: Option<BTreeMap<String, BTreeMap<String, String>>>,
    pub(crate) working_dir: String,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) stop_signal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_timeout: Option<i64>,
}

/// How the container is held: its options, and its limits, of which 0 is none.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HostConfig {
    pub(crate) binds: Option<Vec<String>>,
    pub(crate) log_config: LogConfig,
    pub(crate) network_mode: String,
    pub(crate) restart_policy: RestartPolicy,
    pub(crate) auto_remove: bool,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) cap_add: Option<Vec<String>>,
    pub(crate) cap_drop: Option<Vec<String>>,
    pub(crate) cgroupns_mode: String,
    pub(crate) dns: Vec<String>,
    pub(crate) dns_options: Vec<String>,
    pub(crate) dns_search: Vec<String>,
    pub(crate) extra_hosts: Option<Vec<String>>,
    pub(crate) group_add: Option<Vec<String>>,
    pub(crate) ipc_mode: String,
    pub(crate) oom_score_adj: i32,
    pub(crate) pid_mode: String,
    pub(crate) privileged: bool,
    pub(crate) readonly_rootfs: bool,
    pub(crate) security_opt: Option<Vec<String>>,
    pub(crate) tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    pub(crate) uts_mode: String,
    pub(crate) userns_mode: String,
    /// Bytes.
    pub(crate) shm_size: u64,
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) runtime: String,
    pub(crate) cpu_shares: u64,
    /// Bytes.
    pub(crate) memory: i64,
    /// Billionths of a CPU.
    #[serde(rename = "NanoCpus")]
    pub(crate) nano_cpus: i64,
    pub(crate) cgroup_parent: String,
    pub(crate) blkio_weight: u16,
    /// Microseconds.
    pub(crate) cpu_period: u64,
    /// Microseconds.
    pub(crate) cpu_quota: i64,
    pub(crate) cpu_realtime_period: u64,
    pub(crate) cpu_realtime_runtime: i64,
    pub(crate) cpuset_cpus: String,
    pub(crate) cpuset_mems: String,
    pub(crate) devices: Vec<Device>,
    pub(crate) device_cgroup_rules: Option<Vec<String>>,
    /// Bytes.
    pub(crate) memory_reservation: i64,
    /// Bytes, memory and swap together; -1 is unlimited swap.
    pub(crate) memory_swap: i64,
    pub(crate) memory_swappiness: Option<u64>,
    pub(crate) oom_kill_disable: Option<bool>,
    pub(crate) pids_limit: Option<i64>,
    pub(crate) ulimits: Vec<Ulimit>,
    pub(crate) masked_paths: Vec<String>,
    pub(crate) readonly_paths: Vec<String>,
    pub(crate) init: Option<bool>,
}

/// How what it prints is kept.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LogConfig {
    /// Docker's name of the format.
    pub(crate) r#type: String,
    pub(crate) config: BTreeMap<String, String>,
}

/// `--restart`
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RestartPolicy {
    pub(crate) name: String,
    pub(crate) maximum_retry_count: u32,
}

/// A device given to the container.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Device {
    pub(crate) path_on_host: String,
    pub(crate) path_in_container: String,
    pub(crate) cgroup_permissions: String,
}

/// A limit of setrlimit(2).
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Ulimit {
    pub(crate) name: String,
    pub(crate) hard: i64,
    pub(crate) soft: i64,
}

/// A mount that the person asked for.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Mount {
    /// `bind`, `volume` or `tmpfs`.
    pub(crate) r#type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) mode: String,
    #[serde(rename = "RW")]
    pub(crate) writable: bool,
    pub(crate) propagation: String,
}

/// The network, as far as there is one.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NetworkSettings {
    /// Path of the network namespace.
    pub(crate) sandbox_key: String,
    #[serde(rename = "IPAddress")]
    pub(crate) ip_address: String,
    pub(crate) mac_address: String,
    pub(crate) ports: BTreeMap<String, Vec<String>>,
    pub(crate) networks: BTreeMap<String, BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::format;
    use super::*;

    fn sample() -> Inspected {
        let started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_458_019_250);
        Inspected {
            id: "abc".to_owned(),
            name: "/web".to_owned(),
            args: vec!["-x".to_owned()],
            state: State::new(Phase::Paused, Some(42), 0, [Some(started), None]),
            config: Config {
                env: vec!["A=1".to_owned()],
                labels: BTreeMap::from([("com.example.tier".to_owned(), "web".to_owned())]),
                ..Config::default()
            },
            mounts: vec![
                Mount {
                    r#type: "bind".to_owned(),
                    source: "/a".to_owned(),
                    destination: "/b".to_owned(),
                    ..Mount::default()
                },
                Mount {
                    r#type: "tmpfs".to_owned(),
                    destination: "/t".to_owned(),
                    ..Mount::default()
                },
            ],
            ..Inspected::default()
        }
    }

    fn shown(template: &str) -> String {
        format::inspect(Some(template), &[sample()])
            .unwrap_or_else(|error| panic!("{template}: {error}"))
    }

    #[test]
    fn what_scripts_ask_for() {
        for (template, text) in [
            (
                "{{.State.Status}} {{.State.Running}} {{.State.Pid}}",
                "paused true 42",
            ),
            ("{{json .State.StartedAt}}", "\"2026-11-23T18:20:19.25Z\""),
            ("{{.State.FinishedAt}}", "0001-01-01T00:00:00Z"),
            ("{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}", "0 0"),
            (
                "{{range .Mounts}}{{.Type}}:{{.Source}}->{{.Destination}} {{end}}",
                "bind:/a->/b tmpfs:->/t ",
            ),
            (r#"{{index .Config.Labels "com.example.tier"}}"#, "web"),
            (r#"{{index .Config.Labels "none"}}"#, ""),
            (
                "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}",
                "com.example.tier=web;",
            ),
            ("{{join .Config.Env \",\"}} {{len .Mounts}}", "A=1 2"),
            ("{{range .Config.Env}}{{println .}}{{end}}", "A=1\n"),
            (
                "{{.Config.Cmd}} {{json .Config.Entrypoint}}",
                "<no value> null",
            ),
        ] {
            assert_eq!(shown(template), format!("{text}\n"), "{template}");
        }
    }

    #[test]
    fn json_has_dockers_names_in_dockers_order() {
        let json = serde_json::to_string(&sample()).unwrap();
        let state = "\"State\":{\"Status\":\"paused\",\"Running\":true,\"Paused\":true,\"Restarting\":false,\
                     \"OOMKilled\":false,\"Dead\":false,\"Pid\":42,\"ExitCode\":0,\"Error\":\"\",\
                     \"StartedAt\":\"2026-11-23T18:20:19.25Z\",\"FinishedAt\":\"0001-01-01T00:00:00Z\"}";
        assert!(json.contains(state), "{json}");
        for name in [
            "\"OOMKilled\"",
            "\"UTSMode\"",
            "\"RW\"",
            "\"IPAddress\"",
            "\"NanoCpus\"",
            "\"PidsLimit\"",
        ] {
            assert!(json.contains(name), "{name}");
        }
    }
}
