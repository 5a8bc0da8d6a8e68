//! From `process` to the steps that make the payload what it is, in the order that keeps the right to
//! take each of them.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use spec::{CapSet, Hook, Linux, NamespaceType, Place, Process};

use crate::error::Error;
use crate::order::Order;
use crate::request::{Act, Exec, Facts, Program};
use crate::step::{Answer, ChildAct, HookKind, Origin, Plan, Slot, Step, Text};

/// Only a runtime that may not enter a pid namespace itself has its child join it.
const PID: u64 = 0x2000_0000;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the container's first process and a process of `exec` differ in.
struct Last<'a> {
    seccomp: Option<Program<'a>>,
    preserve_fds: u32,
    init: bool,
    keeper: bool,
    scoped: bool,
    make_work_dir: bool,
    ready: bool,
    wait: bool,
    in_user_namespace: bool,
    command: Command<'a>,
}

/// What is executed in the end.
struct Command<'a> {
    /// Where its mistakes are told.
    place: Place,
    program: Text<'a>,
    arguments: Vec<Text<'a>>,
    environment: Vec<Text<'a>>,
    /// Where a program without a slash is sought.
    path: Text<'a>,
    /// Whether HOME is looked up where it is not given.
    home: bool,
}

impl<'a> Command<'a> {
    fn payload(process: &'a Process<'a>) -> Self {
        let path = process
            .env
            .iter()
            .rev()
            .find_map(|entry| entry.strip_prefix("PATH="));
        Self {
            place: Place::field("process.args[0]"),
            program: Cow::Borrowed(process.args.first().map_or("", |text| text.as_str())),
            arguments: process.args.iter().map(borrowed).collect(),
            environment: environment(process),
            path: Cow::Borrowed(path.unwrap_or(DEFAULT_PATH)),
            home: true,
        }
    }

    /// Tells the payload of the sockets it is handed (sd_listen_fds(3)); for itself it has the pid 1.
    fn listening(mut self, count: u32) -> Self {
        if count > 0 {
            let ours = |text: &Text<'_>| {
                text.starts_with("LISTEN_FDS=") || text.starts_with("LISTEN_PID=")
            };
            self.environment.retain(|text| !ours(text));
            self.environment.push(format!("LISTEN_FDS={count}").into());
            self.environment.push(Cow::Borrowed("LISTEN_PID=1"));
        }
        self
    }

    fn hook(place: Place, hook: &'a Hook<'a>) -> Self {
        let path = Cow::Borrowed(hook.path.as_str());
        let arguments = if hook.args.is_empty() {
            [path.clone()].into()
        } else {
            hook.args.iter().map(borrowed).collect()
        };
        Self {
            place,
            program: path,
            arguments,
            environment: hook.env.iter().map(borrowed).collect(),
            path: Cow::Borrowed(""),
            home: false,
        }
    }

    /// The last two steps, of which the other needs the first.
    fn steps(self) -> (Step<ChildAct<'a>>, Step<ChildAct<'a>>) {
        let origin = Origin::Config(self.place);
        let (program, path) = (self.program, self.path);
        let find = ChildAct::Find { program, path };
        let (arguments, environment) = (self.arguments, self.environment);
        let exec = ChildAct::Exec {
            arguments,
            environment,
        };
        (Step { origin, act: find }, Step { origin, act: exec })
    }
}

/// Each variable once, the last one given. An empty HOME is as none: it is looked up.
fn environment<'a>(process: &'a Process<'a>) -> Vec<Text<'a>> {
    let name = |entry: &'a spec::Str<'a>| {
        let text = entry.as_str();
        text.split_once('=').map_or(text, |(name, _)| name)
    };
    let is_last = |(at, entry): &(usize, &'a spec::Str<'a>)| {
        let mut later = process.env.iter().skip(at + 1);
        !later.any(|other| name(other) == name(entry))
    };
    let given = process.env.iter().enumerate().filter(is_last);
    given
        .map(|(_, entry)| borrowed(entry))
        .filter(|entry| entry != "HOME=")
        .collect()
}

fn borrowed<'a>(text: &'a spec::Str<'a>) -> Text<'a> {
    Cow::Borrowed(text.as_str())
}

/// A process gives no capability that it does not have, but in a user namespace of its own making,
/// where it has all.
///
/// # Errors
/// The first set that asks for one, with its name.
pub(crate) fn check_capabilities(order: &Order<'_, '_>, facts: &Facts) -> Result<(), Error> {
    let process = order.request.spec.process.as_ref();
    let Some(caps) = process.and_then(|process| process.capabilities.as_ref()) else {
        return Ok(());
    };
    if order.namespaced(NamespaceType::User) {
        return Ok(());
    }
    let sets = [
        ("process.capabilities.permitted", caps.permitted),
        ("process.capabilities.effective", caps.effective),
        ("process.capabilities.inheritable", caps.inheritable),
    ];
    for (field, set) in sets {
        if let Some(name) = set.without(facts.permitted).names().next() {
            let what = format!("the runtime itself does not have {name}, so it cannot give it");
            return Err(Error::unsupported(Place::field(field), what)
                .hint("leave it out, or run the runtime with it (CapPrm in /proc/self/status)"));
        }
    }
    Ok(())
}

/// Adds the session and, where one is asked for, the terminal.
pub(crate) fn add_terminal(order: &mut Order<'_, '_>) -> Result<(), Error> {
    order.child(
        Origin::Always("the payload leads a session of its own"),
        ChildAct::Session,
    );
    let Some(process) = &order.request.spec.process else {
        return Ok(());
    };
    if !process.terminal {
        return Ok(());
    }
    let place = Place::field("process.terminal");
    if !order.request.terminal && order.request.console_socket.is_none() {
        return Err(Error::bad(
            place,
            "nobody takes the terminal: a detached container needs --console-socket",
        ));
    }
    let console = order.namespaced(NamespaceType::Mount);
    order.child(Origin::Config(place), terminal(process, console));
    Ok(())
}

fn terminal<'a>(process: &Process<'_>, console: bool) -> ChildAct<'a> {
    let size = process.console_size.as_ref();
    let (rows, columns) = size.map_or((0, 0), |size| (size.height, size.width));
    ChildAct::Terminal {
        rows,
        columns,
        uid: process.user.uid,
        console,
    }
}

/// Adds all steps from limits to execve for the container's first process.
pub(crate) fn add<'a>(order: &mut Order<'a, '_>) -> Result<(), Error> {
    let request = order.request;
    let Some(process) = request.spec.process.as_ref() else {
        return Err(Error::bad(
            Place::field("process"),
            "missing: there is nothing to run",
        ));
    };
    let hooks = request.spec.hooks.as_ref();
    let start_hooks = hooks.is_some_and(|hooks| !hooks.start_container.is_empty());
    let last = Last {
        seccomp: request.seccomp,
        preserve_fds: request.preserve_fds,
        init: request.init,
        keeper: request.keeper,
        scoped: request.scoped,
        make_work_dir: request.make_work_dir,
        ready: request.act == Act::Create || start_hooks,
        wait: request.act == Act::Create,
        in_user_namespace: order.in_user_namespace(),
        command: Command::payload(process).listening(request.listen_fds),
    };
    if !request.no_new_keyring {
        let name = format!("_ses.{}", request.id);
        order.child(
            Origin::Always("no key of the host is in reach"),
            ChildAct::Keyring { name },
        );
    }
    let mut steps = Vec::with_capacity(24);
    steps.push(reset_affinity());
    add_machine(&mut steps, order.linux)?;
    add_process(&mut steps, process, last)?;
    for step in steps {
        order.child(step.origin, step.act);
    }
    Ok(())
}

/// One list of `process.execCPUAffinity`, which is for processes of `exec` alone. The CPUs that a process has
/// before it enters its cgroup may be none of those that the cgroup has.
fn add_affinity<'a>(
    steps: &mut Steps<'a>,
    list: Option<&'a spec::Str<'a>>,
    field: &'static str,
    may_miss: bool,
) -> Result<(), Error> {
    if let Some(list) = list {
        let place = Place::field(field);
        let mask = bit_mask(list).ok_or_else(|| Error::bad(place, "not a list of CPUs"))?;
        let list = Cow::Borrowed(list.as_str());
        let act = ChildAct::Affinity {
            mask,
            list,
            may_miss,
        };
        push(steps, field, act);
    }
    Ok(())
}

/// The caller's own CPUs (a service manager's choice for it) are none of the container's business.
fn reset_affinity<'a>() -> Step<ChildAct<'a>> {
    Step {
        origin: Origin::Always("the runtime's own CPUs are not the payload's"),
        act: ChildAct::Affinity {
            mask: Vec::new(),
            list: Cow::Borrowed("of the cgroup, all"),
            may_miss: true,
        },
    }
}

/// `linux.personality` and `linux.memoryPolicy`.
fn add_machine<'a>(steps: &mut Steps<'a>, linux: Option<&'a Linux<'a>>) -> Result<(), Error> {
    let Some(linux) = linux else {
        return Ok(());
    };
    if let Some(personality) = &linux.personality {
        let persona = personality.domain.number().into();
        push(
            steps,
            "linux.personality",
            ChildAct::Personality { persona },
        );
    }
    if let Some(policy) = &linux.memory_policy {
        let place = Place::field("linux.memoryPolicy.nodes");
        let list = policy.nodes.as_deref().filter(|list| !list.is_empty());
        let nodes = list.map_or(Some(Vec::new()), bit_mask);
        let nodes = nodes.ok_or_else(|| Error::bad(place, "not a list of memory nodes"))?;
        let flags = policy.flags.iter().fold(0, |all, flag| all | flag.bit());
        let mode = (policy.mode.number() | flags).into();
        let name = policy.mode.name();
        push(
            steps,
            "linux.memoryPolicy",
            ChildAct::MemoryPolicy { mode, nodes, name },
        );
    }
    Ok(())
}

/// The plan of a process that joins a container.
///
/// # Errors
/// The first field that cannot be carried out.
pub(crate) fn exec<'a>(exec: &Exec<'a>) -> Result<Plan<'a>, Error> {
    let mut child = Vec::with_capacity(32);
    let affinity = exec.process.exec_cpu_affinity.as_ref();
    let (initial, last) = (
        affinity.and_then(|affinity| affinity.initial.as_ref()),
        affinity.and_then(|affinity| affinity.last.as_ref()),
    );
    add_affinity(&mut child, initial, "process.execCPUAffinity.initial", true)?;
    join(&mut child, exec);
    let origin = Origin::Always("exec joins what the container has");
    let mut push = |act| child.push(Step { origin, act });
    push(ChildAct::Session);
    if exec.process.terminal {
        push(terminal(exec.process, false));
    }
    if let Some(name) = exec.keyring {
        push(ChildAct::Keyring { name: name.into() });
    }
    add_affinity(&mut child, last, "process.execCPUAffinity.final", false)?;
    if initial.is_none() && last.is_none() {
        child.push(reset_affinity());
    }
    add_machine(&mut child, exec.linux)?;
    let command = Command::payload(exec.process).listening(exec.listen_fds);
    add_process(&mut child, exec.process, joined(exec, command))?;
    Ok(Plan {
        host: Vec::new(),
        child,
    })
}

/// The plan of a `startContainer` hook: its program is the container's, and no more trusted than the
/// payload, so it is confined as a process of `exec` is, with the state on its standard input.
///
/// # Errors
/// The first field that cannot be carried out.
pub(crate) fn confined_hook<'a>(
    exec: &Exec<'a>,
    kind: HookKind,
    index: usize,
    hook: &'a Hook<'a>,
) -> Result<Plan<'a>, Error> {
    let mut child = Vec::with_capacity(24);
    let place = Place::item(kind.field(), index);
    child.push(Step {
        origin: Origin::Config(place),
        act: ChildAct::Stream {
            slot: Slot::Input,
            number: 0,
        },
    });
    join(&mut child, exec);
    let mut command = Command::hook(place, hook);
    // It runs where the payload would, so that without an environment of its own it has the payload's.
    if hook.env.is_empty() {
        command.environment = environment(exec.process);
        command.home = true;
    }
    add_process(&mut child, exec.process, joined(exec, command))?;
    Ok(Plan {
        host: Vec::new(),
        child,
    })
}

/// Enters the cgroups, the namespaces and the root that the container has.
fn join<'a>(steps: &mut Steps<'a>, exec: &Exec<'a>) {
    if exec.become_root {
        steps.extend(oom_score(exec.process));
    }
    let origin = Origin::Always("exec joins what the container has");
    let mut push = |act| steps.push(Step { origin, act });
    for (index, name) in &exec.cgroups {
        push(ChildAct::EnterCgroup {
            slot: Slot::Tasks(*index),
            name,
        });
    }
    if exec.namespaces != 0 {
        push(ChildAct::Join {
            slot: Slot::Target,
            types: exec.namespaces,
        });
    }
    if exec.namespaces & PID != 0 {
        push(ChildAct::BeBorn);
    }
    if exec.become_root {
        push(ChildAct::BecomeRoot { uid: 0, gid: 0 });
    }
    push(ChildAct::EnterRoot {
        how: crate::step::EnterRoot::Already,
        loosen: false,
    });
}

fn joined<'a>(exec: &Exec<'a>, command: Command<'a>) -> Last<'a> {
    Last {
        seccomp: exec.seccomp,
        preserve_fds: exec.preserve_fds,
        init: false,
        keeper: false,
        scoped: exec.scoped,
        make_work_dir: false,
        ready: false,
        wait: false,
        in_user_namespace: exec.become_root,
        command,
    }
}

type Steps<'a> = Vec<Step<ChildAct<'a>>>;

fn add_process<'a>(
    steps: &mut Steps<'a>,
    process: &'a Process<'a>,
    last: Last<'a>,
) -> Result<(), Error> {
    add_limits(steps, process, last.in_user_namespace)?;
    add_labels(steps, process);
    let work_dir = ChildAct::WorkDir {
        path: Cow::Borrowed(&process.cwd),
        make: last.make_work_dir,
    };
    push(steps, "process.cwd", work_dir);
    let has_home = |text: &Text<'_>| text.starts_with("HOME=");
    if last.command.home && !last.command.environment.iter().any(has_home) {
        let uid = process.user.uid;
        push(steps, "process.user.uid", ChildAct::Home { uid });
    }
    add_privileges(steps, process, last);
    Ok(())
}

fn push<'a>(steps: &mut Steps<'a>, field: &'static str, act: ChildAct<'a>) {
    steps.push(Step {
        origin: Origin::Config(Place::field(field)),
        act,
    });
}

fn add_limits<'a>(
    steps: &mut Steps<'a>,
    process: &'a Process<'a>,
    in_user_namespace: bool,
) -> Result<(), Error> {
    for (index, limit) in process.rlimits.iter().enumerate() {
        let origin = Origin::Config(Place::item("process.rlimits", index));
        let (name, number) = (limit.kind.name(), limit_number(limit.kind));
        let act = ChildAct::Limit {
            name,
            number,
            soft: limit.soft,
            hard: limit.hard,
        };
        steps.push(Step { origin, act });
    }
    if !in_user_namespace {
        steps.extend(oom_score(process));
    }
    if let Some(scheduler) = &process.scheduler {
        let act = ChildAct::Scheduler {
            attributes: scheduler_attributes(scheduler),
            policy: scheduler.policy.name(),
        };
        push(steps, "process.scheduler", act);
    }
    if let Some(priority) = &process.io_priority {
        let value = u64::from(priority.class.number()) << 13
            | u64::try_from(priority.priority).unwrap_or(0);
        push(
            steps,
            "process.ioPriority",
            ChildAct::IoPriority {
                value,
                class: priority.class.name(),
            },
        );
    }
    Ok(())
}

/// The step for `process.oomScoreAdj`, which takes rights, and a file, that a user namespace's root does not have.
pub(crate) fn oom_score<'a>(process: &Process<'_>) -> Option<Step<ChildAct<'a>>> {
    let value = process.oom_score_adj?;
    Some(Step {
        origin: Origin::Config(Place::field("process.oomScoreAdj")),
        act: ChildAct::OomScore { value },
    })
}

/// The kernel's number (`asm-generic/resource.h`; the same on x86-64 and arm64).
const fn limit_number(kind: spec::RlimitKind) -> u32 {
    use spec::RlimitKind as Kind;
    match kind {
        Kind::Cpu => 0,
        Kind::Fsize => 1,
        Kind::Data => 2,
        Kind::Stack => 3,
        Kind::Core => 4,
        Kind::Rss => 5,
        Kind::Nproc => 6,
        Kind::Nofile => 7,
        Kind::Memlock => 8,
        Kind::As => 9,
        Kind::Locks => 10,
        Kind::Sigpending => 11,
        Kind::Msgqueue => 12,
        Kind::Nice => 13,
        Kind::Rtprio => 14,
        Kind::Rttime => 15,
    }
}

/// `struct sched_attr` (sched_setattr(2)), version 0.
fn scheduler_attributes(scheduler: &spec::Scheduler) -> [u8; 48] {
    let mut raw = [0u8; 48];
    let flags = scheduler.flags.iter().fold(0, |all, flag| all | flag.bit());
    raw[0..4].copy_from_slice(&48u32.to_ne_bytes());
    raw[4..8].copy_from_slice(&scheduler.policy.number().to_ne_bytes());
    raw[8..16].copy_from_slice(&flags.to_ne_bytes());
    raw[16..20].copy_from_slice(&scheduler.nice.to_ne_bytes());
    raw[20..24].copy_from_slice(&scheduler.priority.to_ne_bytes());
    raw[24..32].copy_from_slice(&scheduler.runtime.to_ne_bytes());
    raw[32..40].copy_from_slice(&scheduler.deadline.to_ne_bytes());
    raw[40..48].copy_from_slice(&scheduler.period.to_ne_bytes());
    raw
}

/// The bits of a list such as `0-3,5`, in whole 8-byte words; at most 8192 of them.
pub(crate) fn bit_mask(list: &str) -> Option<Vec<u8>> {
    const HIGHEST: usize = 8191;
    let mut mask = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last > HIGHEST {
            return None;
        }
        if mask.len() <= last / 8 {
            mask.resize((last / 64 + 1) * 8, 0);
        }
        (first..=last).for_each(|bit| mask[bit / 8] |= 1 << (bit % 8));
    }
    Some(mask)
}

fn add_labels<'a>(steps: &mut Steps<'a>, process: &'a Process<'a>) {
    if let Some(profile) = process
        .apparmor_profile
        .as_deref()
        .filter(|p| !p.is_empty())
    {
        let label = Cow::Owned(format!("exec {profile}"));
        push(
            steps,
            "process.apparmorProfile",
            ChildAct::Label {
                attribute: "apparmor/exec",
                label,
            },
        );
    }
    if let Some(label) = process.selinux_label.as_deref().filter(|l| !l.is_empty()) {
        let label = Cow::Borrowed(label);
        push(
            steps,
            "process.selinuxLabel",
            ChildAct::Label {
                attribute: "exec",
                label,
            },
        );
    }
}

/// Privileges fall from here on. A filter that is loaded without no_new_privs takes CAP_SYS_ADMIN,
/// so it is kept until then, and nothing but the last capset(2) and execve(2) runs under the filter.
fn add_privileges<'a>(steps: &mut Steps<'a>, process: &'a Process<'a>, last: Last<'a>) {
    const SYS_ADMIN: u64 = 1 << 21;
    let none = spec::Capabilities::default();
    let caps = process.capabilities.as_ref().unwrap_or(&none);
    let user = &process.user;
    if last.scoped {
        let origin = Origin::Always("abstract sockets of the host's network are none of a jail's");
        let act = ChildAct::Scope;
        steps.push(Step { origin, act });
    }
    push(
        steps,
        "process.capabilities.bounding",
        ChildAct::Bounding {
            keep: caps.bounding,
        },
    );
    push(
        steps,
        "process.user",
        ChildAct::Groups {
            ids: user.additional_gids.clone(),
        },
    );
    let umask = user.umask.unwrap_or(0o022);
    push(
        steps,
        "process.user",
        ChildAct::User {
            uid: user.uid,
            gid: user.gid,
            umask,
        },
    );
    let privileged_load = last.seccomp.is_some() && !process.no_new_privileges;
    // The kernel has no ambient capability that is not inheritable and permitted, too; engines ask for
    // such sets, and every runtime gives what there is.
    let ambient = caps
        .ambient
        .intersection(caps.inheritable)
        .intersection(caps.permitted);
    let kept = if privileged_load { SYS_ADMIN } else { 0 };
    let sets = |extra: u64| ChildAct::Capabilities {
        effective: caps.effective.0 | extra,
        permitted: caps.permitted.0 | extra,
        inheritable: caps.inheritable.0,
        ambient: if extra == 0 { ambient.0 } else { 0 },
    };
    push(steps, "process.capabilities", sets(kept));
    let exec = add_last(steps, process, last);
    if privileged_load
        && (caps.permitted.0 & caps.effective.0 & SYS_ADMIN == 0 || ambient != CapSet::EMPTY)
    {
        push(steps, "process.capabilities", sets(0));
    }
    steps.push(exec);
}

/// What comes after the privileges have fallen, up to the filter; gives the step that comes last.
fn add_last<'a>(
    steps: &mut Steps<'a>,
    process: &'a Process<'a>,
    last: Last<'a>,
) -> Step<ChildAct<'a>> {
    let always = |act| Step {
        origin: Origin::Always("nothing of the runtime is inherited"),
        act,
    };
    let exec = if last.keeper {
        Step {
            origin: Origin::Always("a jail is there for the processes that join it"),
            act: ChildAct::Keep,
        }
    } else {
        let (find, exec) = last.command.steps();
        steps.push(find);
        exec
    };
    if process.no_new_privileges {
        push(steps, "process.noNewPrivileges", ChildAct::NoNewPrivileges);
    }
    if last.ready {
        let act = ChildAct::Ask(Answer::Ready);
        steps.push(Step {
            origin: Origin::Always("all that can fail early has not"),
            act,
        });
    }
    if last.wait {
        steps.push(Step {
            origin: Origin::Option("create"),
            act: ChildAct::WaitStart,
        });
    }
    if last.init {
        steps.push(Step {
            origin: Origin::Option("--init"),
            act: ChildAct::Init,
        });
    }
    steps.push(always(ChildAct::CloseFrom {
        first: last.preserve_fds.saturating_add(3),
    }));
    if let Some(program) = last.seccomp {
        let act = ChildAct::Seccomp {
            program: program.instructions,
            flags: program.flags,
            listener: program.listener,
        };
        push(steps, "linux.seccomp", act);
    }
    exec
}

#[cfg(test)]
mod tests {
    use super::bit_mask;

    #[test]
    fn cpu_lists_become_masks() {
        assert_eq!(
            bit_mask("0-3,5"),
            Some([0b10_1111, 0, 0, 0, 0, 0, 0, 0].to_vec())
        );
        assert_eq!(bit_mask("64").map(|mask| mask.len()), Some(16));
        assert_eq!(bit_mask("3-1"), None);
        assert_eq!(bit_mask("9999999"), None);
    }
}
