//! The order of everything, on one page.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use spec::mount::Depth;
use spec::{Hook, Linux, Namespace, NamespaceType, Place, Propagation};

use crate::error::Error;
use crate::request::{Act, Exec, Facts, Overlay, Request, Root};
use crate::step::{
    Answer, Bind, ChildAct, Copied, EnterRoot, HookKind, HostAct, Launch, Origin, Plan, Slot, Step,
};
use crate::{labels, mounts, namespaces, process, propagation};

/// Kernel numbers of the namespace types (`sched.h`).
pub(crate) const fn clone_flag(kind: NamespaceType) -> u64 {
    match kind {
        NamespaceType::Time => 0x80,
        NamespaceType::Mount => 0x2_0000,
        NamespaceType::Cgroup => 0x200_0000,
        NamespaceType::Uts => 0x400_0000,
        NamespaceType::Ipc => 0x800_0000,
        NamespaceType::User => 0x1000_0000,
        NamespaceType::Pid => 0x2000_0000,
        NamespaceType::Network => 0x4000_0000,
    }
}

/// A plan in the making.
pub(crate) struct Order<'a, 'r> {
    pub(crate) request: &'r Request<'a>,
    pub(crate) linux: Option<&'a Linux<'a>>,
    copies_mounts: bool,
    plan: Plan<'a>,
}

/// Makes the plan for a container.
///
/// # Errors
/// The first field that cannot be carried out; nothing was done then.
pub fn plan<'a>(request: &Request<'a>, facts: &Facts) -> Result<Plan<'a>, Error> {
    let mut order = Order {
        request,
        linux: request.spec.linux.as_ref(),
        copies_mounts: facts.copies_mounts,
        plan: Plan::default(),
    };
    refuse_unbuilt(&order)?;
    check_user_namespace(&order, facts)?;
    labels::check_labels(request.spec.process.as_ref(), order.linux, facts)?;
    process::check_capabilities(&order, facts)?;
    order.host_before_launch();
    let launch = namespaces::add(&mut order, facts);
    order.open_root();
    order.root()?;
    mounts::add(&mut order)?;
    order.devices()?;
    process::add_terminal(&mut order)?;
    order.mounted();
    order.enter_root()?;
    order.kernel_settings();
    order.covers();
    process::add(&mut order)?;
    order.host_launch(launch);
    Ok(order.plan)
}

/// Makes the plan for a process that joins a container.
///
/// # Errors
/// The first field that cannot be carried out; nothing was done then.
pub fn plan_exec<'a>(exec: &Exec<'a>) -> Result<Plan<'a>, Error> {
    process::exec(exec)
}

/// Makes the plan for a hook whose program is the container's: as [`plan_exec`], of another program.
///
/// # Errors
/// As for [`plan_exec`].
pub fn plan_confined_hook<'a>(
    exec: &Exec<'a>,
    kind: HookKind,
    index: usize,
    hook: &'a Hook<'a>,
) -> Result<Plan<'a>, Error> {
    process::confined_hook(exec, kind, index, hook)
}

/// Fields that the specification has and this version does not carry out.
fn refuse_unbuilt(order: &Order<'_, '_>) -> Result<(), Error> {
    let Some(linux) = order.linux else {
        return Err(Error::bad(
            Place::field("linux"),
            "missing: there is nothing to contain with",
        ));
    };
    let unsupported = |place, what| Err(Error::unsupported(Place::field(place), what));
    if linux.intel_rdt.is_some() {
        return unsupported("linux.intelRdt", "Intel RDT is not supported yet");
    }
    if order.shares_mounts() {
        let place = "linux.rootfsPropagation";
        if order.request.no_pivot {
            return unsupported(place, "a shared root takes pivot_root, so not --no-pivot");
        }
        if matches!(order.request.root, Root::Overlay(_)) {
            return unsupported(
                place,
                "an overlay that is made as the root cannot be shared",
            );
        }
    }
    Ok(())
}

/// Who is not root makes namespaces in a user namespace only.
fn check_user_namespace(order: &Order<'_, '_>, facts: &Facts) -> Result<(), Error> {
    if facts.administers || order.namespaced(NamespaceType::User) {
        return Ok(());
    }
    let what = "rootless container requires user namespaces: this process has no CAP_SYS_ADMIN";
    Err(Error::unsupported(Place::field("linux.namespaces"), what)
        .hint("`spec --rootless` writes a configuration with one, and with maps for the user"))
}

impl<'a> Order<'a, '_> {
    pub(crate) fn child(&mut self, origin: Origin, act: ChildAct<'a>) {
        self.plan.child.push(Step { origin, act });
    }

    pub(crate) fn host(&mut self, origin: Origin, act: HostAct) {
        self.plan.host.push(Step { origin, act });
    }

    pub(crate) fn namespace(&self, kind: NamespaceType) -> Option<&'a Namespace<'a>> {
        self.linux.and_then(|linux| linux.namespace(kind))
    }

    /// Whether the container has a namespace of this type that is not the runtime's.
    pub(crate) fn namespaced(&self, kind: NamespaceType) -> bool {
        self.namespace(kind).is_some()
    }

    pub(crate) fn new_namespace(&self, kind: NamespaceType) -> bool {
        self.namespace(kind)
            .is_some_and(|namespace| namespace.path.is_none())
    }

    pub(crate) fn new_user_namespace(&self) -> bool {
        self.new_namespace(NamespaceType::User)
    }

    /// Whether the container's root is that of a user namespace, new or joined: what the runtime may
    /// reach, it may not.
    pub(crate) fn in_user_namespace(&self) -> bool {
        self.namespaced(NamespaceType::User)
    }

    /// Whether the runtime opens for the child what root of its user namespace may not reach. A runtime
    /// that may not is an ordinary user's, and the child reaches what that user does.
    pub(crate) fn opens_trees(&self) -> bool {
        self.in_user_namespace() && self.copies_mounts
    }

    /// Whether mounts that ask for it stay peers of the host's, so that events go both ways.
    pub(crate) fn shares_mounts(&self) -> bool {
        let given = self.linux.and_then(|linux| linux.rootfs_propagation);
        given.map(Propagation::single) == Some(Propagation::Shared)
    }

    /// The tree of a bind mount is copied by the runtime: it may reach the source and translate owners, and
    /// the container's root may not.
    pub(crate) fn copy_mount(&mut self, copy: Copied, place: Place) {
        self.host(Origin::Config(place), HostAct::CopyMount(copy));
    }

    /// The root's mounts are copied by the runtime where owners are translated, or where root in the
    /// container may not reach them.
    fn open_root(&mut self) {
        let maps = Origin::Config(Place::field("linux.uidMappings"));
        let path = match &self.request.root {
            Root::Directory(path) => path.clone(),
            Root::Overlay(overlay) => {
                if self.request.translate_root {
                    self.translate_overlays(overlay);
                }
                return;
            }
        };
        let translated = self.request.translate_root;
        if translated || self.opens_trees() {
            let root = Origin::Config(Place::field("root.path"));
            let act = HostAct::CopyMount(Copied {
                path,
                mount: None,
                recursive: true,
                owners: translated.then_some(Depth::Tree),
                shared: false,
            });
            self.host(if translated { maps } else { root }, act);
        }
    }

    /// overlayfs itself translates no owners: its layers do, which only the runtime may arrange.
    fn translate_overlays(&mut self, root: &Overlay) {
        let maps = Origin::Config(Place::field("linux.uidMappings"));
        let (overlay, mount) = (root.clone(), None);
        self.host(maps, HostAct::TranslateOverlay { overlay, mount });
        for (number, overlay) in self.request.overlays.iter().enumerate() {
            let (overlay, mount) = (overlay.clone(), Some(self.overlay_slot(number)));
            self.host(maps, HostAct::TranslateOverlay { overlay, mount });
        }
    }

    /// The overlays' mounts are kept behind those of `mounts`.
    fn overlay_slot(&self, number: usize) -> usize {
        self.request.spec.mounts.len() + number
    }

    /// What must exist before the first process does.
    fn host_before_launch(&mut self) {
        let id = Origin::Always("state is written before what it describes");
        self.host(id, HostAct::RecordIntent);
        let cgroup = self.request.cgroup;
        let group = Origin::Config(Place::field("linux.cgroupsPath"));
        if let Some(unit) = self.request.unit {
            let name = unit.into();
            self.host(group, HostAct::StartUnit { name });
        }
        for (leaf, made) in cgroup.leaves.iter().enumerate() {
            self.host(
                group,
                HostAct::MakeCgroup {
                    leaf,
                    dir: made.dir(),
                },
            );
        }
        for (setting, made) in cgroup.settings.iter().enumerate() {
            let file = format!("{}/{}", cgroup.leaves[made.leaf].dir(), made.file);
            let value = String::from(made.value.as_ref());
            self.host(
                Origin::Config(made.place),
                HostAct::SetCgroup {
                    setting,
                    file,
                    value,
                },
            );
        }
        if !cgroup.devices.is_empty() {
            let instructions = cgroup.devices.len();
            let devices = Origin::Config(Place::field("linux.resources.devices"));
            self.host(devices, HostAct::DevicePolicy { instructions });
        }
        if self.request.act == Act::Create {
            self.host(Origin::Option("create"), HostAct::StartSocket);
        }
    }

    fn root(&mut self) -> Result<(), Error> {
        let place = Place::field("root.path");
        if self.namespaced(NamespaceType::Mount) {
            let given = self.linux.and_then(|linux| linux.rootfs_propagation);
            let flags = propagation::of_the_host(given);
            let why = if given.is_some() {
                Origin::Config(Place::field("linux.rootfsPropagation"))
            } else {
                Origin::Always("nothing mounted inside may reach the host")
            };
            self.child(why, ChildAct::Propagate { flags });
        } else if !self.request.spec.mounts.is_empty() {
            return Err(Error::bad(
                Place::field("mounts"),
                "there is no mount namespace to mount in",
            ));
        }
        let opened = self.request.translate_root || self.opens_trees();
        let tree = opened.then_some(Slot::RootTree);
        let act = match &self.request.root {
            Root::Directory(path) => ChildAct::Root {
                path: Cow::Owned(path.clone()),
                recursive: true,
                tree,
                apart: self.shares_mounts(),
            },
            Root::Overlay(overlay) if self.request.translate_root => ChildAct::Root {
                path: Cow::Owned(overlay.target.clone()),
                recursive: true,
                tree,
                apart: false,
            },
            Root::Overlay(overlay) => ChildAct::RootOverlay {
                target: Cow::Owned(overlay.target.clone()),
                options: Cow::Owned(overlay.options.clone()),
                base: Cow::Owned(overlay.base.clone()),
            },
        };
        self.child(Origin::Config(place), act);
        for (number, overlay) in self.request.overlays.iter().enumerate() {
            if self.request.translate_root {
                let act = ChildAct::Bind(Bind {
                    source: Cow::Borrowed("overlay"),
                    target: Cow::Owned(overlay.target.clone()),
                    tree: Some(Slot::MountTree(self.overlay_slot(number))),
                    attributes: (0, 0),
                    recursive_attributes: (0, 0),
                    op_flags: 0,
                });
                self.child(Origin::Config(place), act);
                continue;
            }
            let act = ChildAct::Overlay {
                target: Cow::Owned(overlay.target.clone()),
                options: Cow::Owned(overlay.options.clone()),
                base: Cow::Owned(overlay.base.clone()),
            };
            self.child(Origin::Config(place), act);
        }
        for path in &self.request.directories {
            let (path, mode) = (Cow::Owned(path.clone()), 0o755);
            let volume = Origin::Always("a volume without a source is a directory of the root");
            self.child(volume, ChildAct::Directory { path, mode });
        }
        Ok(())
    }

    /// Where `/dev` is bound from the host, its nodes are the host's business; where it is a jail's root's own, the root's.
    fn devices(&mut self) -> Result<(), Error> {
        let bound = self.request.spec.mounts.iter().any(|mount| {
            mount.destination.trim_end_matches('/') == "/dev"
                && mount.parsed_options().bind.is_some()
        });
        let mounted = |mount: &spec::Mount<'_>| mount.destination.trim_end_matches('/') == "/dev";
        let roots = self.request.keeper && !self.request.spec.mounts.iter().any(mounted);
        if bound || roots {
            Ok(())
        } else {
            mounts::add_devices(self)
        }
    }

    /// The hooks of the moment when the mounts stand and the host's root is still there.
    fn mounted(&mut self) {
        let has_hooks = self.request.spec.hooks.as_ref().is_some_and(|hooks| {
            !(hooks.prestart.is_empty()
                && hooks.create_runtime.is_empty()
                && hooks.create_container.is_empty())
        });
        if has_hooks {
            let origin = Origin::Config(Place::field("hooks"));
            self.child(origin, ChildAct::Ask(Answer::Mounted));
        }
    }

    fn enter_root(&mut self) -> Result<(), Error> {
        let how = match (self.namespaced(NamespaceType::Mount), self.request.no_pivot) {
            (false, _) => EnterRoot::Chroot,
            (true, true) => EnterRoot::Move,
            (true, false) => EnterRoot::Pivot,
        };
        let origin = match how {
            EnterRoot::Move => Origin::Option("--no-pivot"),
            _ => Origin::Config(Place::field("root.path")),
        };
        let loosen = self.shares_mounts();
        self.child(origin, ChildAct::EnterRoot { how, loosen });
        let given = self.linux.and_then(|linux| linux.rootfs_propagation);
        if let Some(propagation) = given.and_then(propagation::of_the_root) {
            let act = ChildAct::Attributes {
                target: Cow::Borrowed("/"),
                set: 0,
                clear: 0,
                propagation,
                recursive: false,
            };
            let origin = Origin::Config(Place::field("linux.rootfsPropagation"));
            self.child(origin, act);
        }
        Ok(())
    }

    fn kernel_settings(&mut self) {
        let spec = self.request.spec;
        if let Some(name) = spec.hostname.as_deref().filter(|name| !name.is_empty()) {
            let origin = Origin::Config(Place::field("hostname"));
            self.child(
                origin,
                ChildAct::Hostname {
                    name: Cow::Borrowed(name),
                },
            );
        }
        if let Some(name) = spec.domainname.as_deref().filter(|name| !name.is_empty()) {
            let origin = Origin::Config(Place::field("domainname"));
            self.child(
                origin,
                ChildAct::Domainname {
                    name: Cow::Borrowed(name),
                },
            );
        }
        let Some(linux) = self.linux else { return };
        for (key, value) in &linux.sysctl {
            // The check has refused every key that is no parameter's.
            let Ok(parameter) = spec::sysctl::Parameter::parse(key) else {
                continue;
            };
            let file = format!("sys/{}", parameter.path);
            let act = ChildAct::WriteProc {
                file,
                value: Cow::Borrowed(value),
            };
            self.child(Origin::Config(Place::field("linux.sysctl")), act);
        }
    }

    /// Read-only and hidden paths stand before anything of the image runs.
    fn covers(&mut self) {
        let Some(linux) = self.linux else { return };
        for (index, path) in linux.readonly_paths.iter().enumerate() {
            let origin = Origin::Config(Place::item("linux.readonlyPaths", index));
            self.child(
                origin,
                ChildAct::ReadOnly {
                    path: Cow::Borrowed(path),
                },
            );
        }
        for (index, path) in linux.masked_paths.iter().enumerate() {
            // Named twice, it is hidden by the first.
            if linux.masked_paths[..index].contains(path) {
                continue;
            }
            let origin = Origin::Config(Place::item("linux.maskedPaths", index));
            self.child(
                origin,
                ChildAct::Mask {
                    path: Cow::Borrowed(path),
                },
            );
        }
        let root = self.request.spec.root.as_ref();
        if root.is_some_and(|root| root.readonly) {
            let act = ChildAct::Attributes {
                target: Cow::Borrowed("/"),
                set: spec::mount::attribute::RDONLY,
                clear: 0,
                propagation: 0,
                recursive: false,
            };
            self.child(Origin::Config(Place::field("root.readonly")), act);
        }
    }

    /// The launch, the meetings with the child in the child's order, and what comes after.
    fn host_launch(&mut self, launch: Launch) {
        let clone = Origin::Config(Place::field("linux.namespaces"));
        self.host(clone, HostAct::Launch(launch));
        let meetings: Vec<(Origin, Answer)> = self
            .plan
            .child
            .iter()
            .filter_map(|step| match step.act {
                ChildAct::Ask(answer) => Some((step.origin, answer)),
                ChildAct::BeBorn => Some((step.origin, Answer::Born)),
                ChildAct::Terminal { .. } => Some((step.origin, Answer::Terminal)),
                // After `start` has said the word, it is `start` that the child meets.
                ChildAct::Seccomp { listener: true, .. } if self.request.act == Act::Run => {
                    Some((step.origin, Answer::Listener))
                }
                _ => None,
            })
            .collect();
        for (origin, answer) in meetings {
            self.host(origin, HostAct::Answer(answer));
            self.host_after(answer);
        }
        if let Some(path) = self.request.pid_file {
            self.host(
                Origin::Option("--pid-file"),
                HostAct::PidFile {
                    path: String::from(path),
                },
            );
        }
        self.host(Origin::Always("the container is there"), HostAct::Commit);
    }

    fn host_after(&mut self, answer: Answer) {
        match answer {
            Answer::IdMaps => {
                // The host's right to lower it is not the user namespace's.
                let process = self.request.spec.process.as_ref();
                if let Some(value) = process.and_then(|process| process.oom_score_adj) {
                    let (file, text) = ("oom_score_adj", format!("{value}"));
                    let origin = Origin::Config(Place::field("process.oomScoreAdj"));
                    self.host(origin, HostAct::WriteProcess { file, text });
                }
            }
            Answer::Clocks => {
                let text = namespaces::clock_offsets(self).unwrap_or_default();
                let file = "timens_offsets";
                let origin = Origin::Config(Place::field("linux.timeOffsets"));
                self.host(origin, HostAct::WriteProcess { file, text });
            }
            Answer::Mounted => {
                for kind in [
                    HookKind::Prestart,
                    HookKind::CreateRuntime,
                    HookKind::CreateContainer,
                ] {
                    self.hooks(kind);
                }
            }
            Answer::Ready if self.request.act == Act::Run => self.hooks(HookKind::StartContainer),
            Answer::Terminal => {
                if let Some(path) = self.request.console_socket {
                    let path = String::from(path);
                    self.host(
                        Origin::Option("--console-socket"),
                        HostAct::ConsoleSocket { path },
                    );
                }
            }
            _ => {}
        }
    }

    fn hooks(&mut self, kind: HookKind) {
        let Some(hooks) = self.request.spec.hooks.as_ref() else {
            return;
        };
        let list = kind.of(hooks);
        for (index, hook) in list.iter().enumerate() {
            let origin = Origin::Config(Place::item(kind.field(), index));
            let path = String::from(hook.path.as_str());
            self.host(origin, HostAct::Hook { kind, index, path });
        }
    }
}
