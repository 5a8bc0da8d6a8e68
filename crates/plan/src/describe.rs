//! Steps in words, for `stockade plan` and for messages.

use core::fmt;

use crate::step::{Answer, Bind, ChildAct, EnterRoot, HostAct, Launch, NewMount, Origin};

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(place) => write!(f, "{place}"),
            Self::Always(why) => f.write_str(why),
            Self::Option(option) => f.write_str(option),
        }
    }
}

const TYPES: [(u64, &str); 8] = [
    (0x1000_0000, "user"),
    (0x2_0000, "mount"),
    (0x2000_0000, "pid"),
    (0x4000_0000, "network"),
    (0x800_0000, "ipc"),
    (0x400_0000, "uts"),
    (0x200_0000, "cgroup"),
    (0x80, "time"),
];

fn write_types(f: &mut fmt::Formatter<'_>, types: u64) -> fmt::Result {
    let mut separator = "";
    for (flag, name) in TYPES {
        if types & flag != 0 {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
    }
    if separator.is_empty() {
        f.write_str("none")
    } else {
        Ok(())
    }
}

impl fmt::Display for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("start the first process in new namespaces: ")?;
        write_types(f, self.namespaces)?;
        if self.into_cgroup {
            f.write_str("; born in its cgroup")
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for HostAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordIntent => f.write_str("write the state directory: creating"),
            Self::StartUnit { name } => write!(f, "have systemd start {name}"),
            Self::MakeCgroup { dir, .. } => write!(f, "make cgroup {dir}"),
            Self::SetCgroup { file, value, .. } => write!(f, "write {value:?} to {file}"),
            Self::DevicePolicy { instructions } => {
                write!(
                    f,
                    "attach the device policy to the cgroup ({instructions} instructions)"
                )
            }
            Self::OpenNamespace { kind, path } => {
                write!(f, "open {} namespace {path}", kind.name())
            }
            Self::CopyMount(copied) => {
                write!(f, "copy the mount of {}", copied.path)?;
                match copied.owners {
                    Some(_) => f.write_str(" with translated owners"),
                    None => Ok(()),
                }
            }
            Self::TranslateOverlay { overlay, .. } => {
                write!(
                    f,
                    "mount overlay ({}) of lower layers with translated owners",
                    overlay.options
                )
            }
            Self::StartSocket => f.write_str("make the socket on which start says the word"),
            Self::Launch(launch) => write!(f, "{launch}"),
            Self::Answer(answer) => write!(f, "answer the child: {answer}"),
            Self::WriteProcess { file, text } => {
                write!(f, "write {text:?} to the first process's {file}")
            }
            Self::Hook { kind, index, path } => {
                write!(f, "run {} hook #{index}: {path}", kind.field())
            }
            Self::PidFile { path } => write!(f, "write the pid to {path}"),
            Self::ConsoleSocket { path } => write!(f, "send the terminal to {path}"),
            Self::Commit => f.write_str("record that the container is there"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdMaps => "write the id maps",
            Self::Clocks => "set the clocks",
            Self::Network => "move the network devices",
            Self::Mounted => "the mounts stand",
            Self::Terminal => "take the terminal",
            Self::Listener => "take the seccomp listener",
            Self::Ready => "ready",
            Self::Born => "go on with another process",
        })
    }
}

impl fmt::Display for NewMount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mount {} on {}", self.kind, self.target)?;
        if !self.data.is_empty() {
            write!(f, " ({})", self.data)?;
        }
        write_mount_flags(f, self.flags)
    }
}

fn write_mount_flags(f: &mut fmt::Formatter<'_>, flags: u64) -> fmt::Result {
    const NAMES: [(u64, &str); 9] = [
        (1, "ro"),
        (2, "nosuid"),
        (4, "nodev"),
        (8, "noexec"),
        (1 << 8, "nosymfollow"),
        (1 << 10, "noatime"),
        (1 << 11, "nodiratime"),
        (1 << 24, "strictatime"),
        (1 << 4, "sync"),
    ];
    NAMES
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .try_for_each(|(_, name)| write!(f, " {name}"))
}

fn write_attributes(f: &mut fmt::Formatter<'_>, set: u64, clear: u64) -> fmt::Result {
    const NAMES: [(u64, &str); 7] = [
        (1, "ro"),
        (2, "nosuid"),
        (4, "nodev"),
        (8, "noexec"),
        (0x10, "noatime"),
        (0x80, "nodiratime"),
        (0x0020_0000, "nosymfollow"),
    ];
    for (flag, name) in NAMES {
        if set & flag != 0 {
            write!(f, " {name}")?;
        } else if clear & flag != 0 {
            write!(f, " -{name}")?;
        }
    }
    Ok(())
}

/// `MS_…` of mount(2).
fn propagation_name(flag: u64) -> &'static str {
    match flag & (0xf << 17) {
        0x2_0000 => " unbindable",
        0x4_0000 => " private",
        0x8_0000 => " slave",
        0x10_0000 => " shared",
        _ => "",
    }
}

impl fmt::Display for Bind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.op_flags & child::op::flag::RECURSIVE != 0 {
            "bind all of"
        } else {
            "bind"
        };
        write!(f, "{how} {} on {}", self.source, self.target)?;
        if self.tree.is_some() {
            f.write_str(", as the runtime has copied it")?;
        }
        write_attributes(
            f,
            u64::from(self.attributes.0),
            u64::from(self.attributes.1),
        )?;
        write_attributes(
            f,
            u64::from(self.recursive_attributes.0),
            u64::from(self.recursive_attributes.1),
        )
    }
}

impl fmt::Display for EnterRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pivot => "make it the root (pivot_root) and cut the host's loose",
            Self::Move => "make it the root (move the mount, detach or cover the host's, chroot)",
            Self::Chroot => "chroot into it",
            Self::Already => "enter the container's root",
        })
    }
}

impl fmt::Display for ChildAct<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join { types, .. } => {
                f.write_str("join namespace: ")?;
                write_types(f, *types)
            }
            Self::Unshare { types } => {
                f.write_str("make namespace: ")?;
                write_types(f, *types)
            }
            Self::TimeOffsets { text } => write!(
                f,
                "set clock offsets: {}",
                text.trim_end().replace('\n', ", ")
            ),
            Self::EnterCgroup { name, .. } => write!(f, "enter the {name} cgroup"),
            Self::Ask(answer) => write!(f, "ask the parent: {answer}"),
            Self::BeBorn => f.write_str("go on as a new process, born in the new namespaces"),
            Self::BecomeRoot { uid, gid } => write!(f, "become {uid}:{gid} of the user namespace"),
            Self::LinkUp { name } => write!(f, "bring up {name}"),
            Self::Propagate { flags } if flags & (1 << 14) == 0 => {
                f.write_str("share mounts with the host, but for the one below the root")
            }
            Self::Propagate { .. } => f.write_str("stop mounts from reaching the host"),
            Self::Root { path, .. } => write!(f, "take {path} as the root"),
            Self::RootOverlay {
                target, options, ..
            } => write!(f, "mount overlay ({options}) on {target} as the root"),
            Self::Overlay {
                target, options, ..
            } => write!(f, "mount overlay ({options}) on {target}"),
            Self::Mount(new) => write!(f, "{new}"),
            Self::CopyUp(new) => write!(f, "{new}, with a copy of what is there"),
            Self::Bind(bind) => write!(f, "{bind}"),
            Self::Attributes {
                target,
                set,
                clear,
                propagation,
                recursive,
            } => {
                let below = if *recursive { " and all below" } else { "" };
                write!(f, "change mount {target}{below}:")?;
                write_attributes(f, *set, *clear)?;
                f.write_str(propagation_name(*propagation))
            }
            Self::Node {
                path,
                major,
                minor,
                mode,
                bound,
                ..
            } => {
                if *bound {
                    return write!(f, "bind the host's device {path} {major}:{minor}");
                }
                write!(
                    f,
                    "make device {path} {major}:{minor} mode {:o}",
                    mode & 0o7777
                )
            }
            Self::Link { path, text } => write!(f, "link {path} to {text}"),
            Self::Mask { path } => write!(f, "hide {path}"),
            Self::ReadOnly { path } => write!(f, "make {path} read-only"),
            Self::EnterRoot { how, .. } => write!(f, "{how}"),
            Self::WriteProc { file, value } => write!(f, "write {value:?} to /proc/{file}"),
            Self::Hostname { name } => write!(f, "set hostname {name}"),
            Self::Domainname { name } => write!(f, "set domainname {name}"),
            Self::Directory { path, .. } => write!(f, "make directory {path}"),
            _ => self.fmt_process(f),
        }
    }
}

impl ChildAct<'_> {
    fn fmt_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal { .. } => f.write_str("make a terminal and send it to the parent"),
            Self::Limit {
                name, soft, hard, ..
            } => write!(f, "limit {name} to {soft}:{hard}"),
            Self::OomScore { value } => write!(f, "set oom_score_adj {value}"),
            Self::Personality { persona } => write!(f, "set personality {persona:#x}"),
            Self::Scheduler { policy, .. } => write!(f, "set scheduler {policy}"),
            Self::IoPriority { class, .. } => write!(f, "set I/O priority {class}"),
            Self::Affinity { list, .. } => write!(f, "run on CPUs {list}"),
            Self::MemoryPolicy { name, .. } => write!(f, "set memory policy {name}"),
            Self::Stream { number: 0, .. } => f.write_str("read the state on standard input"),
            Self::Stream { .. } => f.write_str("keep what is complained of"),
            Self::Session => f.write_str("lead a new session"),
            Self::Keyring { name } => write!(f, "join new session keyring {name}"),
            Self::Bounding { keep } => write!(f, "limit capabilities for ever to {:#x}", keep.0),
            Self::Groups { ids } => write!(f, "set supplementary groups {ids:?}"),
            Self::User { uid, gid, umask } => write!(f, "become {uid}:{gid}, umask {umask:04o}"),
            Self::Capabilities {
                effective,
                permitted,
                inheritable,
                ambient,
            } => write!(
                f,
                "set capabilities: effective {effective:#x} permitted {permitted:#x} \
                 inheritable {inheritable:#x} ambient {ambient:#x}"
            ),
            Self::NoNewPrivileges => f.write_str("give up gaining privileges"),
            Self::Scope => f.write_str("keep away from abstract sockets that others made"),
            Self::Seccomp { program, .. } => {
                write!(
                    f,
                    "load the seccomp filter ({} instructions)",
                    program.len() / 8
                )
            }
            Self::Home { uid } => write!(f, "set HOME as /etc/passwd has it for user {uid}"),
            Self::WorkDir { path, .. } => write!(f, "change directory to {path}"),
            Self::CloseFrom { first } => write!(f, "close descriptors from {first} up at execve"),
            Self::WaitStart => f.write_str("wait for start"),
            Self::Label { label, .. } => write!(f, "set label {label}"),
            Self::Find { program, .. } => write!(f, "find {program}"),
            Self::Init => f.write_str("stay as init; go on in a new process"),
            Self::Keep => f.write_str("stay, and keep the container for processes that join it"),
            Self::Exec { arguments, .. } => {
                f.write_str("execute")?;
                arguments
                    .iter()
                    .try_for_each(|argument| write!(f, " {argument}"))
            }
            _ => Ok(()),
        }
    }
}
