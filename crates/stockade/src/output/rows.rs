//! The lines of `ps` and `stats`, with Docker's field names.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;

use super::format::Row;
use super::template::quoted;
use super::units;

/// How many characters of an id and of a command are shown.
const SHORT_ID: usize = 12;
const SHORT_COMMAND: usize = 20;

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Made, never started.
    Created,
    /// Its process lives.
    Running,
    /// Its processes are frozen.
    Paused,
    /// It ended and is about to be started again.
    Restarting,
    /// It is being removed.
    Removing,
    /// Its process has ended.
    Exited,
    /// It could not be removed.
    Dead,
}

impl State {
    /// Docker's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// The state of Docker's word, or of the OCI's `stopped`.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [
            Self::Created,
            Self::Running,
            Self::Paused,
            Self::Restarting,
            Self::Removing,
            Self::Exited,
            Self::Dead,
        ];
        match word {
            "stopped" => Some(Self::Exited),
            word => all.into_iter().find(|state| state.word() == word),
        }
    }

    /// Whether `ps` lists it without `--all`.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

/// What `ps` needs to know about a container.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    /// The whole id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// ROOT as it was given.
    pub(crate) image: String,
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// When it was made.
    pub(crate) created: SystemTime,
    /// When its process was last started.
    pub(crate) started: Option<SystemTime>,
    /// When its process last ended.
    pub(crate) finished: Option<SystemTime>,
    /// What it is doing.
    pub(crate) state: State,
    /// The last exit code; 0 before the first.
    pub(crate) exit_code: i32,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// Sources of its mounts: host paths or volumes' names.
    pub(crate) mounts: Vec<String>,
    /// The network's name: `host`, `none`, `private`.
    pub(crate) network: String,
    /// Bytes written beside the root, and bytes with the root; when `--size` asked for them.
    pub(crate) size: Option<(u64, u64)>,
}

impl Container {
    /// What it is doing, and for how long: `Up 3 seconds`, `Exited (0) 2 hours ago`.
    pub(crate) fn status(&self, now: SystemTime) -> String {
        let up = self.started.map(|started| units::since(started, now));
        let down = self
            .finished
            .map(|finished| units::ago(finished, now))
            .unwrap_or_default();
        match (self.state, up) {
            (State::Running, Some(up)) => format!("Up {up}"),
            (State::Paused, Some(up)) => format!("Up {up} (Paused)"),
            (State::Restarting, _) => format!("Restarting ({}) {down}", self.exit_code),
            (State::Removing, _) => "Removal In Progress".to_owned(),
            (State::Dead, _) => "Dead".to_owned(),
            (State::Exited, _) => format!("Exited ({}) {down}", self.exit_code)
                .trim_end()
                .to_owned(),
            (State::Created, _) | (_, None) => "Created".to_owned(),
        }
    }
}

/// A line of `ps`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PsRow {
    /// Quoted.
    pub(crate) command: String,
    pub(crate) created_at: String,
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) image: String,
    /// `key=value`, with commas.
    pub(crate) labels: String,
    /// The number of volumes.
    pub(crate) local_volumes: String,
    pub(crate) mounts: String,
    pub(crate) names: String,
    pub(crate) networks: String,
    pub(crate) ports: String,
    pub(crate) running_for: String,
    pub(crate) size: String,
    pub(crate) state: String,
    pub(crate) status: String,
    /// For `.Label`.
    #[serde(skip)]
    pub(crate) label_map: BTreeMap<String, String>,
}

impl PsRow {
    /// The line of a container; `whole` is not to shorten ids, commands and mounts.
    pub(crate) fn new(container: &Container, now: SystemTime, whole: bool) -> Self {
        let labels = container
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let mount = |mount: &String| {
            if whole {
                mount.clone()
            } else {
                ellipsis(mount, 15)
            }
        };
        let volumes = container
            .mounts
            .iter()
            .filter(|source| !source.starts_with('/'))
            .count();
        Self {
            command: command(&container.command, whole),
            created_at: units::date_and_time(container.created),
            id: short_id(&container.id, whole),
            image: container.image.clone(),
            labels: labels.collect::<Vec<_>>().join(","),
            local_volumes: volumes.to_string(),
            mounts: container
                .mounts
                .iter()
                .map(mount)
                .collect::<Vec<_>>()
                .join(","),
            names: container.name.clone(),
            networks: container.network.clone(),
            ports: String::new(),
            running_for: units::ago(container.created, now),
            size: container.size.map(size).unwrap_or_default(),
            state: container.state.word().to_owned(),
            status: container.status(now),
            label_map: container.labels.clone(),
        }
    }
}

impl Row for PsRow {
    const HEADINGS: &'static [(&'static str, &'static str)] = &[
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Labels", "LABELS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Mounts", "MOUNTS"),
        ("Names", "NAMES"),
        ("Networks", "NETWORKS"),
        ("Ports", "PORTS"),
        ("RunningFor", "CREATED"),
        ("Size", "SIZE"),
        ("State", "STATE"),
        ("Status", "STATUS"),
    ];
    const TABLE: &'static str =
        "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.label_map)
    }
}

/// The id, or its start.
pub(crate) fn short_id(id: &str, whole: bool) -> String {
    if whole {
        id.to_owned()
    } else {
        id.chars().take(SHORT_ID).collect()
    }
}

/// The command line in quotes, shortened unless `whole`.
fn command(words: &[String], whole: bool) -> String {
    let line = words.join(" ");
    quoted(&if whole {
        line
    } else {
        ellipsis(&line, SHORT_COMMAND)
    })
}

/// The text, or its start with `…` in the place of the last character.
fn ellipsis(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// `2B (virtual 1.2MB)`
fn size((written, all): (u64, u64)) -> String {
    format!(
        "{} (virtual {})",
        units::decimal_size(written),
        units::decimal_size(all)
    )
}

/// What a container uses, as far as it could be told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Share of one CPU over the last interval: 1.5 is one and a half CPUs.
    pub(crate) cpu: Option<f64>,
    /// Bytes of memory, without the page cache that can be dropped.
    pub(crate) memory: Option<u64>,
    /// Its limit, or the machine's memory.
    pub(crate) memory_limit: Option<u64>,
    /// Bytes received and sent.
    pub(crate) network: Option<(u64, u64)>,
    /// Bytes read and written.
    pub(crate) block: Option<(u64, u64)>,
    /// Processes and threads.
    pub(crate) pids: Option<u64>,
}

/// A line of `stats`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct StatsRow {
    #[serde(rename = "BlockIO")]
    pub(crate) block_io: String,
    #[serde(rename = "CPUPerc")]
    pub(crate) cpu_percent: String,
    #[serde(rename = "Container")]
    pub(crate) container: String,
    #[serde(rename = "ID")]
    pub(crate) id: String,
    #[serde(rename = "MemPerc")]
    pub(crate) memory_percent: String,
    #[serde(rename = "MemUsage")]
    pub(crate) memory_usage: String,
    #[serde(rename = "Name")]
    pub(crate) name: String,
    #[serde(rename = "NetIO")]
    pub(crate) net_io: String,
    #[serde(rename = "PIDs")]
    pub(crate) pids: String,
}

impl StatsRow {
    /// The line of a container; what is not known is `--`.
    pub(crate) fn new(id: &str, name: &str, usage: &Usage, whole: bool) -> Self {
        let unknown = || "--".to_owned();
        let pair =
            |(a, b): (u64, u64)| format!("{} / {}", units::decimal_size(a), units::decimal_size(b));
        let memory = usage.memory.zip(usage.memory_limit);
        let share = memory
            .filter(|(_, limit)| *limit > 0)
            .map(|(used, limit)| used as f64 / limit as f64);
        let sizes = memory.map(|(used, limit)| {
            format!(
                "{} / {}",
                units::binary_size(used),
                units::binary_size(limit)
            )
        });
        Self {
            block_io: usage.block.map_or_else(unknown, pair),
            cpu_percent: usage.cpu.map_or_else(unknown, units::percent),
            container: short_id(id, whole),
            id: short_id(id, whole),
            memory_percent: share.map_or_else(unknown, units::percent),
            memory_usage: sizes.unwrap_or_else(|| "-- / --".to_owned()),
            name: name.to_owned(),
            net_io: usage.network.map_or_else(unknown, pair),
            pids: usage.pids.map_or_else(unknown, |pids| pids.to_string()),
        }
    }
}

impl Row for StatsRow {
    const HEADINGS: &'static [(&'static str, &'static str)] = &[
        ("BlockIO", "BLOCK I/O"),
        ("CPUPerc", "CPU %"),
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("MemPerc", "MEM %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("Name", "NAME"),
        ("NetIO", "NET I/O"),
        ("PIDs", "PIDS"),
    ];
    const TABLE: &'static str = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t\
                                 {{.BlockIO}}\t{{.PIDs}}";
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::format::Format;
    use super::*;

    /// A container that has run from 10 to 20 seconds after `created`.
    pub(in super::super) fn sample(name: &str, state: State, created: SystemTime) -> Container {
        Container {
            id: format!("{name:0<64}"),
            name: name.to_owned(),
            image: "./rootfs".to_owned(),
            command: ["sleep", "infinity", "and", "beyond"]
                .map(str::to_owned)
                .to_vec(),
            created,
            started: (state != State::Created).then_some(created + Duration::from_secs(10)),
            finished: (!state.is_alive()).then_some(created + Duration::from_secs(20)),
            state,
            exit_code: 3,
            labels: BTreeMap::from([
                ("tier".to_owned(), "web".to_owned()),
                ("b".to_owned(), String::new()),
            ]),
            mounts: vec!["/srv/data/of/the/shop".to_owned(), "cache".to_owned()],
            network: "private".to_owned(),
            size: Some((2, 1_230_000)),
        }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_458_019)
    }

    fn row(state: State) -> PsRow {
        PsRow::new(
            &sample("web", state, now() - Duration::from_secs(310)),
            now(),
            false,
        )
    }

    #[test]
    fn status_says_what_and_how_long() {
        for (state, status) in [
            (State::Created, "Created"),
            (State::Running, "Up 5 minutes"),
            (State::Paused, "Up 5 minutes (Paused)"),
            (State::Restarting, "Restarting (3)"),
            (State::Removing, "Removal In Progress"),
            (State::Exited, "Exited (3) 4 minutes ago"),
            (State::Dead, "Dead"),
        ] {
            assert_eq!(row(state).status.trim_end(), status);
            assert_eq!(State::from_word(state.word()), Some(state));
        }
    }

    #[test]
    fn a_row_has_dockers_fields() {
        let json = serde_json::to_string(&row(State::Running)).unwrap();
        assert_eq!(
            json,
            "{\"Command\":\"\\\"sleep infinity and …\\\"\",\"CreatedAt\":\"2026-11-23 18:15:09 +0000 UTC\",\
             \"ID\":\"web000000000\",\"Image\":\"./rootfs\",\"Labels\":\"b=,tier=web\",\"LocalVolumes\":\"1\",\
             \"Mounts\":\"/srv/data/of/t…,cache\",\"Names\":\"web\",\"Networks\":\"private\",\"Ports\":\"\",\
             \"RunningFor\":\"5 minutes ago\",\"Size\":\"2B (virtual 1.23MB)\",\"State\":\"running\",\
             \"Status\":\"Up 5 minutes\"}"
        );
    }

    #[test]
    fn the_table_of_ps() {
        let table = Format::parse::<PsRow>(None)
            .unwrap()
            .render(&[row(State::Exited)])
            .unwrap();
        assert_eq!(
            table,
            "CONTAINER ID   IMAGE      COMMAND                  CREATED         STATUS                     PORTS     NAMES\n\
             web000000000   ./rootfs   \"sleep infinity and …\"   5 minutes ago   Exited (3) 4 minutes ago             web\n"
        );
    }

    #[test]
    fn labels_are_found_by_name() {
        let format = Format::parse::<PsRow>(Some(r#"{{.Names}}:{{.Label "tier"}}"#)).unwrap();
        assert_eq!(format.render(&[row(State::Running)]).unwrap(), "web:web\n");
    }

    #[test]
    fn the_table_of_stats() {
        let usage = Usage {
            cpu: Some(0.5),
            memory: Some(12_345_678),
            memory_limit: Some(1 << 30),
            network: Some((1_234, 0)),
            pids: Some(3),
            ..Usage::default()
        };
        let rows = [StatsRow::new("0123456789abcdef", "web", &usage, false)];
        let table = Format::parse::<StatsRow>(None)
            .unwrap()
            .render(&rows)
            .unwrap();
        assert_eq!(
            table,
            "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O       BLOCK I/O   PIDS\n\
             0123456789ab   web       50.00%    11.77MiB / 1GiB     1.15%     1.23kB / 0B   --          3\n"
        );
        assert_eq!(
            StatsRow::new("a", "b", &Usage::default(), true).memory_usage,
            "-- / --"
        );
    }

    #[test]
    fn every_field_has_a_heading() {
        let check = |json: serde_json::Value, headings: &[(&str, &str)]| {
            let fields: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
            let mut named: Vec<_> = headings
                .iter()
                .map(|(field, _)| (*field).to_owned())
                .collect();
            named.sort();
            assert_eq!(fields, named);
        };
        check(
            serde_json::to_value(PsRow::default()).unwrap(),
            PsRow::HEADINGS,
        );
        check(
            serde_json::to_value(StatsRow::default()).unwrap(),
            StatsRow::HEADINGS,
        );
    }
}
