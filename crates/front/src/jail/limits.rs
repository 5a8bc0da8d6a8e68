//! Rules of rctl(8) about jails, and what they come to as limits of cgroups.

use spec::{BlockIo, Cpu, Memory, Pids, Resources, ThrottleDevice};

use crate::error::{Fault, Parsed};

/// The period in which `pcpu` is counted, in microseconds.
const PERIOD: u64 = 100_000;
/// The least quota that the kernel takes, in microseconds.
const LEAST_QUOTA: u64 = 1_000;

/// What is limited, in the order in which rules are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limited {
    /// Bytes of memory.
    MemoryUse,
    /// Bytes of swap.
    SwapUse,
    /// Processes, which Linux counts by their threads.
    MaxProc,
    /// Threads.
    Threads,
    /// Hundredths of a processor.
    Pcpu,
    /// Bytes a second that are read.
    ReadBps,
    /// Bytes a second that are written.
    WriteBps,
    /// Reading operations a second.
    ReadIops,
    /// Writing operations a second.
    WriteIops,
}

use Limited::{MaxProc, MemoryUse, Pcpu, ReadBps, ReadIops, SwapUse, Threads, WriteBps, WriteIops};

const NAMES: [(&str, Limited); 9] = [
    ("memoryuse", MemoryUse),
    ("swapuse", SwapUse),
    ("maxproc", MaxProc),
    ("nthr", Threads),
    ("pcpu", Pcpu),
    ("readbps", ReadBps),
    ("writebps", WriteBps),
    ("readiops", ReadIops),
    ("writeiops", WriteIops),
];

/// What FreeBSD can limit besides, and why there is no such limit for a jail here.
const REFUSED: [(&str, &str); 15] = [
    (
        "cputime",
        "a cgroup counts it and does not end it; pcpu bounds it",
    ),
    ("wallclock", "a cgroup does not count it"),
    (
        "vmemoryuse",
        "Linux limits address space for each process alone (RLIMIT_AS)",
    ),
    (
        "datasize",
        "Linux limits it for each process alone (RLIMIT_DATA)",
    ),
    (
        "stacksize",
        "Linux limits it for each process alone (RLIMIT_STACK)",
    ),
    (
        "coredumpsize",
        "Linux limits it for each process alone (RLIMIT_CORE)",
    ),
    (
        "memorylocked",
        "Linux limits it for each process alone; allow.mlock is off without a word",
    ),
    (
        "openfiles",
        "Linux limits it for each process alone (RLIMIT_NOFILE)",
    ),
    ("pseudoterminals", "a jail has a devpts of its own"),
    ("msgqqueued", "a namespace of IPC has limits by sysctl"),
    ("msgqsize", "a namespace of IPC has limits by sysctl"),
    ("nmsgq", "a namespace of IPC has limits by sysctl"),
    ("nsem", "a namespace of IPC has limits by sysctl"),
    ("nshm", "a namespace of IPC has limits by sysctl"),
    (
        "shmsize",
        "a namespace of IPC has limits by sysctl; memoryuse counts it",
    ),
];

impl Limited {
    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, limited)| *limited == self)
            .map_or("", |(name, _)| name)
    }

    /// Every one, in their order.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(_, limited)| *limited)
    }

    fn parse(name: &str) -> Parsed<Self> {
        if let Some((_, found)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(*found);
        }
        match REFUSED.iter().find(|(known, _)| *known == name) {
            Some((_, why)) => Err(Fault::unsupported(format!("{name}: {why}"))),
            None => Err(Fault::usage(format!("{name:?} is no resource"))),
        }
    }

    /// What happens at the limit: more is denied, or what is in excess waits.
    pub fn action(self) -> &'static str {
        match self {
            ReadBps | WriteBps | ReadIops | WriteIops => "throttle",
            _ => "deny",
        }
    }
}

/// `jail:NAME:RESOURCE:ACTION=AMOUNT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The jail's name.
    pub jail: String,
    /// What is limited.
    pub limited: Limited,
    /// Up to what.
    pub amount: u64,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, action) = (self.limited.name(), self.limited.action());
        write!(f, "jail:{}:{name}:{action}={}", self.jail, self.amount)
    }
}

impl Rule {
    /// Parses a rule.
    ///
    /// # Errors
    /// What of it is not understood, or cannot be had.
    pub fn parse(text: &str) -> Parsed<Self> {
        let (rule, amount) = text
            .split_once('=')
            .ok_or_else(|| Fault::usage("a rule is jail:NAME:RESOURCE:ACTION=AMOUNT"))?;
        let filter = Filter::parse(rule)?;
        let (Some(jail), Some(limited), Some(action)) =
            (filter.jail, filter.limited, filter.action)
        else {
            return Err(Fault::usage("a rule is jail:NAME:RESOURCE:ACTION=AMOUNT"));
        };
        if action != limited.action() {
            return Err(Fault::unsupported(format!(
                "{action}: at its limit {} can only {} here",
                limited.name(),
                limited.action()
            )));
        }
        let amount = amount.strip_suffix("/jail").unwrap_or(amount);
        if amount.contains('/') {
            return Err(Fault::unsupported(
                "limits for each user or process of a jail cannot be had",
            ));
        }
        let amount = self::amount(amount)?;
        if limited == Pcpu && amount == 0 {
            return Err(Fault::usage("pcpu of 0 would let nothing run"));
        }
        Ok(Self {
            jail,
            limited,
            amount,
        })
    }
}

/// The beginning of a rule: those of a jail, of a resource, …
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    jail: Option<String>,
    limited: Option<Limited>,
    action: Option<String>,
}

impl Filter {
    /// Parses a filter; what is empty or left out is anything.
    ///
    /// # Errors
    /// Other subjects than jails, unknown resources.
    pub fn parse(text: &str) -> Parsed<Self> {
        let mut parts = text
            .split(':')
            .map(|part| Some(part).filter(|part| !part.is_empty()));
        match parts.next().flatten() {
            Some("jail" | "j") | None => {}
            Some(other) => {
                return Err(Fault::unsupported(format!(
                    "{other}: rules are about jails here"
                )));
            }
        }
        let jail = parts.next().flatten().map(str::to_owned);
        let limited = parts.next().flatten().map(Limited::parse).transpose()?;
        let action = parts.next().flatten().map(str::to_owned);
        match parts.next() {
            Some(_) => Err(Fault::usage(format!("{text:?} has too many parts"))),
            None => Ok(Self {
                jail,
                limited,
                action,
            }),
        }
    }

    /// Whether a rule is meant.
    pub fn matches(&self, rule: &Rule) -> bool {
        self.jail.as_ref().is_none_or(|jail| *jail == rule.jail)
            && self.limited.is_none_or(|limited| limited == rule.limited)
            && self
                .action
                .as_ref()
                .is_none_or(|action| action == rule.limited.action())
    }

    /// The jail that is named.
    pub fn jail(&self) -> Option<&str> {
        self.jail.as_deref()
    }
}

/// A number, with a letter that multiplies it by a power of 1024.
fn amount(text: &str) -> Parsed<u64> {
    let wrong = || Fault::usage(format!("{text:?} is no amount, such as 1048576 or 1g"));
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match text
        .get(digits.len()..)
        .unwrap_or("")
        .to_ascii_lowercase()
        .as_str()
    {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(wrong()),
    };
    let number: u64 = crate::app::value::number::digits(digits).ok_or_else(wrong)?;
    let scaled = number
        .checked_mul(1 << (10 * power))
        .filter(|scaled| *scaled <= i64::MAX.unsigned_abs());
    scaled.ok_or_else(wrong)
}

/// The limits that rules come to, and no limit for each of `lifted`. `device` is the disk that the jail's root is on.
///
/// # Errors
/// What cannot be limited.
pub fn limits(
    rules: &[Rule],
    lifted: &[Limited],
    device: Option<(u32, u32)>,
) -> Parsed<Resources<'static>> {
    let least = |limited: Limited| {
        let all = rules.iter().filter(|rule| rule.limited == limited);
        all.map(|rule| i64::try_from(rule.amount).unwrap_or(i64::MAX))
            .min()
    };
    // None: nothing is said; -1: no limit any more.
    let of = |limited: Limited| least(limited).or_else(|| lifted.contains(&limited).then_some(-1));
    let mut resources = Resources::default();
    let (memory, swap) = (of(MemoryUse), of(SwapUse));
    if memory.is_some() || swap.is_some() {
        let both = match (least(MemoryUse), swap) {
            (None, Some(swap)) if swap >= 0 => {
                return Err(Fault::unsupported("swapuse: only together with memoryuse"));
            }
            (Some(memory), Some(swap)) if swap >= 0 => Some(memory.saturating_add(swap)),
            (_, swap) => swap,
        };
        resources.memory = Some(Memory {
            limit: memory,
            swap: both,
            ..Memory::default()
        });
    }
    let counts = [MaxProc, Threads].into_iter().filter_map(of);
    let limited = counts.clone().filter(|count| *count >= 0).min();
    if let Some(count) = limited.or_else(|| counts.max()) {
        // The jail's keeper is nobody's.
        let limit = Some(if count < 0 {
            count
        } else {
            count.saturating_add(1)
        });
        resources.pids = Some(Pids { limit });
    }
    if let Some(percent) = of(Pcpu) {
        let quota = u64::try_from(percent)
            .ok()
            .map(|percent| (percent * (PERIOD / 100)).max(LEAST_QUOTA));
        resources.cpu = Some(Cpu {
            quota: Some(
                quota
                    .and_then(|quota| i64::try_from(quota).ok())
                    .unwrap_or(-1),
            ),
            period: Some(PERIOD),
            ..Cpu::default()
        });
    }
    let mut io = BlockIo::default();
    for (limited, list) in [
        (ReadBps, &mut io.throttle_read_bps_device),
        (WriteBps, &mut io.throttle_write_bps_device),
        (ReadIops, &mut io.throttle_read_iops_device),
        (WriteIops, &mut io.throttle_write_iops_device),
    ] {
        let Some(rate) = of(limited) else { continue };
        let Some((major, minor)) = device else {
            let why = "the jail's root is on no disk of its own";
            return Err(Fault::unsupported(format!("{}: {why}", limited.name())));
        };
        // To the kernel no rate is 0.
        let rate = u64::try_from(rate).unwrap_or(0);
        list.push(ThrottleDevice { major, minor, rate });
    }
    if io != BlockIo::default() {
        resources.block_io = Some(io);
    }
    Ok(resources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        Rule::parse(text).unwrap()
    }

    #[test]
    fn rules() {
        let told = |text: &str| match Rule::parse(text) {
            Ok(rule) => rule.to_string(),
            Err(fault) => fault.message,
        };
        for (text, wanted) in [
            (
                "jail:web:memoryuse:deny=1G",
                "jail:web:memoryuse:deny=1073741824",
            ),
            ("j:web:maxproc:deny=10/jail", "jail:web:maxproc:deny=10"),
            (
                "jail:web:readbps:throttle=2m",
                "jail:web:readbps:throttle=2097152",
            ),
            ("jail:web:pcpu:deny=50", "jail:web:pcpu:deny=50"),
            (
                "jail:web:memoryuse:sigterm=1g",
                "sigterm: at its limit memoryuse can only deny here",
            ),
            (
                "user:ann:maxproc:deny=1",
                "user: rules are about jails here",
            ),
            (
                "jail:web:openfiles:deny=9",
                "openfiles: Linux limits it for each process alone (RLIMIT_NOFILE)",
            ),
            ("jail:web:magic:deny=9", "\"magic\" is no resource"),
            (
                "jail:web:maxproc:deny=1/user",
                "limits for each user or process of a jail cannot be had",
            ),
            (
                "jail:web:maxproc:deny=-1",
                "\"-1\" is no amount, such as 1048576 or 1g",
            ),
            (
                "jail:web:maxproc:deny=99999999p",
                "\"99999999p\" is no amount, such as 1048576 or 1g",
            ),
            (
                "jail:web:maxproc",
                "a rule is jail:NAME:RESOURCE:ACTION=AMOUNT",
            ),
            (
                "jail::maxproc:deny=1",
                "a rule is jail:NAME:RESOURCE:ACTION=AMOUNT",
            ),
            ("jail:web:pcpu:deny=0", "pcpu of 0 would let nothing run"),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
    }

    #[test]
    fn filters_are_beginnings_of_rules() {
        let rule = rule("jail:web:maxproc:deny=3");
        for (filter, wanted) in [
            ("", true),
            ("jail", true),
            ("jail:web", true),
            ("jail:web:maxproc", true),
            ("::maxproc:deny", true),
            ("jail:db", false),
            ("jail:web:memoryuse", false),
            ("jail:web:maxproc:throttle", false),
        ] {
            assert_eq!(
                Filter::parse(filter).unwrap().matches(&rule),
                wanted,
                "{filter}"
            );
        }
    }

    #[test]
    fn the_strictest_counts_and_what_is_lifted_has_no_limit() {
        let rules = [
            "jail:w:memoryuse:deny=64m",
            "jail:w:memoryuse:deny=32m",
            "jail:w:swapuse:deny=0",
            "jail:w:nthr:deny=9",
            "jail:w:maxproc:deny=5",
            "jail:w:pcpu:deny=150",
        ]
        .map(rule);
        let found = limits(&rules, &[], None).unwrap();
        let memory = found.memory.unwrap();
        assert_eq!(
            (memory.limit, memory.swap),
            (Some(32 << 20), Some(32 << 20))
        );
        assert_eq!(found.pids.unwrap().limit, Some(6));
        assert_eq!(found.cpu.unwrap().quota, Some(150_000));
        let found = limits(&[], &[MemoryUse, MaxProc, Pcpu], None).unwrap();
        assert_eq!(found.memory.unwrap().limit, Some(-1));
        assert_eq!(found.pids.unwrap().limit, Some(-1));
        assert_eq!(found.cpu.unwrap().quota, Some(-1));
        let found = limits(&[rule("jail:w:nthr:deny=4")], &[MaxProc], None).unwrap();
        assert_eq!(found.pids.unwrap().limit, Some(5));
        assert!(limits(&[rule("jail:w:readbps:throttle=1m")], &[], None).is_err());
        let found = limits(&[rule("jail:w:readbps:throttle=1m")], &[], Some((8, 0))).unwrap();
        assert_eq!(
            found.block_io.unwrap().throttle_read_bps_device[0].rate,
            1 << 20
        );
        assert!(limits(&[rule("jail:w:swapuse:deny=1m")], &[], None).is_err());
    }
}
