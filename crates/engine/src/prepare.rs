//! From options to a plan, and to all that it refers to.

use alloc::format;
use alloc::string::String;

use cgroup::{Controller, Controllers, Layout, Lowered};
use plan::{Act, Plan, Program, Request, Root};
use spec::{Place, Resources};

use crate::error::{Error, Kind, Result};
use crate::options::{Options, Terminal};
use crate::scope::Scope;
use crate::seccomp_cache::{self, Filter};
use crate::{Engine, Rootless, facts};

/// A plan and what it refers to, for as long as it is used.
pub(crate) struct Prepared<'p, 'a> {
    /// The steps.
    pub plan: &'p Plan<'a>,
    /// The cgroup's directories, limits and device policy.
    pub cgroup: &'p Lowered<'a>,
    /// The unit, where systemd makes the cgroup.
    pub scope: Option<&'p Scope>,
    /// The limits, as given.
    pub resources: &'p Resources<'a>,
    /// The system call filter.
    pub filter: Option<&'p Filter>,
    /// Where the steps come from.
    pub options: &'p Options<'a>,
    /// See [`Engine::rootless`].
    pub rootless: Rootless,
}

/// Which of its cgroups a container is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cgroups {
    /// All that its configuration comes to.
    All,
    /// Those of them that this process may make.
    Permitted,
}

impl Engine {
    /// Makes the plan and hands it to `act`. Nothing is changed by the planning itself.
    pub(crate) fn with_plan<T>(
        &self,
        options: &Options<'_>,
        what: Act,
        cgroups: Cgroups,
        act: impl FnOnce(&Prepared<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        check(options)?;
        let none = Resources::default();
        let linux = options.spec.linux.as_ref();
        let resources = linux
            .and_then(|linux| linux.resources.as_ref())
            .unwrap_or(&none);
        let scope = options.systemd.then(|| Scope::find(options)).transpose()?;
        let path = match &scope {
            Some(scope) => scope.cgroup(),
            None => cgroup_path(options)?,
        };
        let request = cgroup::Request {
            path: &path,
            shared: path.matches('/').count().saturating_sub(1),
            beside_own: self.rootless.beside_own() && scope.is_none() && !is_absolute(options),
            resources,
            counted: counted(options),
        };
        let lowered = match lower(&request, cgroups)? {
            Some(lowered) => lowered,
            None if self.spares_cgroups(options) => Lowered::default(),
            None => cgroup::lower(&request, &Layout::default())?,
        };
        let filter = match linux.and_then(|linux| linux.seccomp.as_ref()) {
            Some(profile) => Some(seccomp_cache::program(&self.state_root, profile)?),
            None => None,
        };
        let request = plan_request(options, what, &lowered, filter.as_ref(), scope.as_ref());
        let plan = plan::plan(&request, &facts::find(options.spec)?)?;
        act(&Prepared {
            plan: &plan,
            cgroup: &lowered,
            scope: scope.as_ref(),
            resources,
            filter: filter.as_ref(),
            options,
            rootless: self.rootless,
        })
    }
}

impl Engine {
    /// Whether cgroups that may not be made are done without: nobody has asked for them by a path, or of
    /// systemd.
    pub(crate) fn spares_cgroups(&self, options: &Options<'_>) -> bool {
        asked_path(options).is_none() && !options.systemd && self.rootless.holds()
    }
}

fn check(options: &Options<'_>) -> Result<()> {
    spec::id::check(options.id).map_err(|invalid| {
        Error::new(
            Kind::BadConfig,
            format!("invalid container ID {:?}: {invalid}", options.id),
        )
    })?;
    options.spec.check()?;
    Ok(())
}

/// What is entered without a limit that needs it: for people's `stats`, what counts. A caller that names
/// the cgroup gets it in those hierarchies too, and in systemd's: an engine looks there for use, a
/// pod's limits on the cgroup above are to hold, and a systemd inside finds the name mounted.
fn counted(options: &Options<'_>) -> Controllers {
    use Controller::{Cpu, Cpuacct, Cpuset, Io, Memory, Pids, Systemd};
    let wanted: &[Controller] = if asked_path(options).is_some() {
        &[Cpu, Cpuacct, Cpuset, Io, Memory, Pids, Systemd]
    } else if options.count_use {
        &[Cpuacct, Io, Memory, Pids]
    } else if options.systemd {
        // On v1 a unit's processes are those in systemd's own hierarchy.
        &[Systemd]
    } else {
        &[]
    };
    wanted
        .iter()
        .copied()
        .fold(Controllers::NONE, Controllers::with)
}

/// None where this host has no cgroups, and none are needed for a limit.
fn lower<'r>(request: &cgroup::Request<'r, '_>, cgroups: Cgroups) -> Result<Option<Lowered<'r>>> {
    let wanted = cgroup::wanted(request);
    let layout = if request.beside_own {
        Layout::find_with_own(wanted)?
    } else {
        Layout::find(wanted)?
    };
    let limits = cgroup::wanted(&cgroup::Request {
        counted: Controllers::NONE,
        ..*request
    });
    if layout.mode() == cgroup::Mode::Absent && limits.is_empty() {
        return Ok(None);
    }
    let mut lowered = cgroup::lower(request, &layout)?;
    if cgroups == Cgroups::Permitted {
        lowered.keep_permitted()?;
    }
    Ok(Some(lowered))
}

fn asked_path<'a>(options: &Options<'a>) -> Option<&'a str> {
    let linux = options.spec.linux.as_ref();
    let asked = linux.and_then(|linux| linux.cgroups_path.as_deref());
    asked.filter(|path| !path.is_empty())
}

fn is_absolute(options: &Options<'_>) -> bool {
    asked_path(options).is_some_and(|path| path.starts_with('/'))
}

fn cgroup_path(options: &Options<'_>) -> Result<String> {
    let asked = asked_path(options);
    let place = Place::field("linux.cgroupsPath");
    if asked.is_some_and(|path| path.contains(':')) {
        let what = "a systemd path (slice:prefix:name) needs --systemd-cgroup";
        return Err(Error::new(
            Kind::Unsupported,
            format!("config.json: {place}: {what}"),
        ));
    }
    Ok(cgroup::layout::place(
        asked,
        options.cgroup_parent,
        options.id,
    )?)
}

fn plan_request<'a>(
    options: &Options<'a>,
    act: Act,
    lowered: &'a Lowered<'a>,
    filter: Option<&'a Filter>,
    scope: Option<&'a Scope>,
) -> Request<'a> {
    let root = options
        .root
        .clone()
        .unwrap_or_else(|| Root::Directory(options.root_path()));
    Request {
        id: options.id,
        spec: options.spec,
        bundle: options.bundle,
        root,
        overlays: options.overlays.clone(),
        act,
        cgroup: lowered,
        unit: scope.map(|scope| &*scope.unit.name),
        seccomp: filter.map(Filter::program),
        terminal: matches!(options.terminal, Terminal::Caller | Terminal::Plain),
        console_socket: match options.terminal {
            Terminal::Socket(path) => Some(path),
            _ => None,
        },
        pid_file: options.pid_file,
        no_pivot: options.no_pivot,
        no_new_keyring: options.no_new_keyring,
        preserve_fds: options.preserve_fds,
        listen_fds: options.listen_fds,
        init: options.init,
        keeper: options.keeper,
        scoped: options.scoped,
        loopback: options.loopback,
        translate_root: options.translate_root,
        make_work_dir: options.make_work_dir,
        directories: options.directories.clone(),
    }
}

impl Filter {
    /// As the planner takes it.
    pub(crate) fn program(&self) -> Program<'_> {
        Program {
            instructions: self.instructions(),
            flags: self.flags(),
            listener: self.listener(),
        }
    }
}
