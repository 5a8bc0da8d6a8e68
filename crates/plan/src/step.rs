//! What a plan is made of.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use spec::mount::Depth;
use spec::{NamespaceType, Place};

use crate::request::Overlay;

/// Text that borrows from the configuration where it can.
pub(crate) type Text<'a> = Cow<'a, str>;

/// Who asked for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A place in the configuration.
    Config(Place),
    /// Every container has this step; the words say why.
    Always(&'static str),
    /// An option of the command that was given.
    Option(&'static str),
}

/// One step and who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<A> {
    /// Who asked.
    pub origin: Origin,
    /// What is done.
    pub act: A,
}

/// Everything that is going to be done, in order.
#[derive(Clone, Debug, Default)]
pub struct Plan<'a> {
    /// On the host; the launch is one of these steps, and what is answered to the child comes after it.
    pub host: Vec<Step<HostAct>>,
    /// In the container's first process, from its launch to the payload's execve.
    pub child: Vec<Step<ChildAct<'a>>>,
}

/// How the first process comes to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// Namespaces that clone3(2) makes, as `CLONE_NEW…` flags.
    pub namespaces: u64,
    /// Whether it is born in its cgroup (v2).
    pub into_cgroup: bool,
    /// The opened namespace that is its pid namespace, where it joins one.
    pub pid_namespace: Option<usize>,
}

/// A hook's moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// `hooks.prestart` (deprecated): on the host, when the namespaces and mounts stand.
    Prestart,
    /// `hooks.createRuntime`: on the host, at the same moment.
    CreateRuntime,
    /// `hooks.createContainer`: in the container's namespaces, with the host's root.
    CreateContainer,
    /// `hooks.startContainer`: in the container, before the payload.
    StartContainer,
    /// `hooks.poststart`: on the host, after the payload was executed.
    Poststart,
    /// `hooks.poststop`: on the host, after the container was deleted.
    Poststop,
}

/// A request of the child, and so a point where both sides meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The id maps of the new user namespace.
    IdMaps,
    /// The clocks of the new time namespace.
    Clocks,
    /// Network devices to move.
    Network,
    /// The mounts stand.
    Mounted,
    /// The terminal's master arrives.
    Terminal,
    /// The seccomp listener arrives.
    Listener,
    /// All is done but the last steps.
    Ready,
    /// The first process is another one from here on, whose descriptor arrives.
    Born,
}

/// A step on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAct {
    /// Write down what is going to exist, before it does.
    RecordIntent,
    /// Have systemd make a transient unit, and with it the cgroup.
    StartUnit {
        /// Its name.
        name: String,
    },
    /// Make the cgroup in hierarchy `leaf` of the lowered cgroup.
    MakeCgroup {
        /// Index into the lowered cgroup's leaves.
        leaf: usize,
        /// Its directory.
        dir: String,
    },
    /// Write one limit.
    SetCgroup {
        /// Index into the lowered cgroup's settings.
        setting: usize,
        /// The file.
        file: String,
        /// The value.
        value: String,
    },
    /// Attach the device policy to the v2 cgroup.
    DevicePolicy {
        /// How many instructions it has.
        instructions: usize,
    },
    /// Open a namespace that the container joins.
    OpenNamespace {
        /// Its type.
        kind: NamespaceType,
        /// Its file.
        path: String,
    },
    /// Copy the mount tree of a bind's source, or of the root.
    CopyMount(Copied),
    /// Mount an overlay, attached nowhere, of lower layers with translated owners.
    TranslateOverlay {
        /// The overlay.
        overlay: Overlay,
        /// Which slot takes it, beyond those of `mounts`; none for the root.
        mount: Option<usize>,
    },
    /// Make the socket where `start` will say the word.
    StartSocket,
    /// Start the first process.
    Launch(Launch),
    /// Wait for the child's request, and act on it.
    Answer(Answer),
    /// Write to a file of the first process's, which the process itself may not.
    WriteProcess {
        /// The file below `/proc/PID`.
        file: &'static str,
        /// What is written.
        text: String,
    },
    /// Run the hook `index` of its kind.
    Hook {
        /// Its moment.
        kind: HookKind,
        /// Which of them.
        index: usize,
        /// The program.
        path: String,
    },
    /// Write the pid file.
    PidFile {
        /// Where.
        path: String,
    },
    /// Send the terminal's master over this socket.
    ConsoleSocket {
        /// The socket's path.
        path: String,
    },
    /// Record that the container is there.
    Commit,
}

/// A mount tree that the runtime copies, attached nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The directory or file.
    pub path: String,
    /// Which of `mounts`; none for the root.
    pub mount: Option<usize>,
    /// With all mounts below.
    pub recursive: bool,
    /// Whether owners are translated: of the one mount, or of those below it, too.
    pub owners: Option<Depth>,
    /// Whether events go back to the host, too, and not only from there.
    pub shared: bool,
}

/// A descriptor that is known only when the plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The namespace opened by the `n`th [`HostAct::OpenNamespace`].
    Namespace(usize),
    /// The namespaces of the process that is joined.
    Target,
    /// What a hook reads.
    Input,
    /// Where a program's complaints go.
    Errors,
    /// The v1 `tasks` file of the cgroup in hierarchy `n`.
    Tasks(usize),
    /// The socket where `start` says the word.
    StartSocket,
    /// The root's mount tree with translated owners.
    RootTree,
    /// The mount tree of one of `mounts` with translated owners.
    MountTree(usize),
}

/// A step of the container's first process. What each means to the kernel is said at
/// [`child::op::Code`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the fields are those of child::op::Code, by the kernel's names"
)]
pub enum ChildAct<'a> {
    Join {
        slot: Slot,
        types: u64,
    },
    Unshare {
        types: u64,
    },
    TimeOffsets {
        text: String,
    },
    EnterCgroup {
        slot: Slot,
        name: &'static str,
    },
    Ask(Answer),
    BeBorn,
    BecomeRoot {
        uid: u32,
        gid: u32,
    },
    LinkUp {
        name: &'static str,
    },
    Propagate {
        flags: u64,
    },
    Root {
        path: Text<'a>,
        recursive: bool,
        tree: Option<Slot>,
        apart: bool,
    },
    RootOverlay {
        target: Text<'a>,
        options: Text<'a>,
        base: Text<'a>,
    },
    Overlay {
        target: Text<'a>,
        options: Text<'a>,
        base: Text<'a>,
    },
    Mount(NewMount<'a>),
    CopyUp(NewMount<'a>),
    Bind(Bind<'a>),
    Attributes {
        target: Text<'a>,
        set: u64,
        clear: u64,
        propagation: u64,
        recursive: bool,
    },
    Node {
        path: Text<'a>,
        mode: u32,
        major: u32,
        minor: u32,
        uid: u32,
        gid: u32,
        bound: bool,
    },
    Link {
        path: Text<'a>,
        text: &'static str,
    },
    Mask {
        path: Text<'a>,
    },
    ReadOnly {
        path: Text<'a>,
    },
    EnterRoot {
        how: EnterRoot,
        loosen: bool,
    },
    WriteProc {
        file: String,
        value: Text<'a>,
    },
    Hostname {
        name: Text<'a>,
    },
    Domainname {
        name: Text<'a>,
    },
    Terminal {
        rows: u16,
        columns: u16,
        uid: u32,
        console: bool,
    },
    Directory {
        path: Text<'a>,
        mode: u32,
    },
    Limit {
        name: &'static str,
        number: u32,
        soft: u64,
        hard: u64,
    },
    OomScore {
        value: i32,
    },
    Personality {
        persona: u64,
    },
    Scheduler {
        attributes: [u8; 48],
        policy: &'static str,
    },
    IoPriority {
        value: u64,
        class: &'static str,
    },
    Affinity {
        mask: Vec<u8>,
        list: Text<'a>,
        may_miss: bool,
    },
    MemoryPolicy {
        mode: u64,
        nodes: Vec<u8>,
        name: &'static str,
    },
    Stream {
        slot: Slot,
        number: u32,
    },
    Session,
    Keyring {
        name: String,
    },
    Bounding {
        keep: spec::CapSet,
    },
    Groups {
        ids: Vec<u32>,
    },
    User {
        uid: u32,
        gid: u32,
        umask: u32,
    },
    Capabilities {
        effective: u64,
        permitted: u64,
        inheritable: u64,
        ambient: u64,
    },
    NoNewPrivileges,
    Scope,
    Seccomp {
        program: &'a [u8],
        flags: u64,
        listener: bool,
    },
    Home {
        uid: u32,
    },
    WorkDir {
        path: Text<'a>,
        make: bool,
    },
    CloseFrom {
        first: u32,
    },
    WaitStart,
    Label {
        attribute: &'static str,
        label: Text<'a>,
    },
    Find {
        program: Text<'a>,
        path: Text<'a>,
    },
    Init,
    Keep,
    Exec {
        arguments: Vec<Text<'a>>,
        environment: Vec<Text<'a>>,
    },
}

/// A new file system's mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMount<'a> {
    /// The file system's type.
    pub kind: Text<'a>,
    /// What mount(2) is told as its source.
    pub source: Text<'a>,
    /// Where, inside.
    pub target: Text<'a>,
    /// `MS_…` flags.
    pub flags: u64,
    /// The file system's own options.
    pub data: String,
    /// [`child::op::flag`]s.
    pub op_flags: u32,
    /// `MOUNT_ATTR_…` to set and to clear on the host's mounts, where they are bound instead.
    pub host_attributes: (u32, u32),
}

/// A bind mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// A path of the host, or (with `SOURCE_INSIDE`) of the container.
    pub source: Text<'a>,
    /// Where, inside.
    pub target: Text<'a>,
    /// The mount tree, where it was made before the launch.
    pub tree: Option<Slot>,
    /// `MOUNT_ATTR_…` to set and to clear on the mount itself.
    pub attributes: (u32, u32),
    /// The same for all mounts below, too.
    pub recursive_attributes: (u32, u32),
    /// [`child::op::flag`]s.
    pub op_flags: u32,
}

/// How the host's root is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnterRoot {
    /// pivot_root(2), and the old root cut loose.
    Pivot,
    /// The root is moved to `/` (where pivot_root cannot work: an initramfs).
    Move,
    /// chroot(2) alone: no mount namespace of its own.
    Chroot,
    /// The joined mount namespace is rooted already.
    Already,
}

impl Answer {
    /// The number of the request.
    pub const fn request(self) -> u32 {
        use child::op::request;
        match self {
            Self::IdMaps => request::ID_MAPS,
            Self::Clocks => request::CLOCKS,
            Self::Network => request::NETWORK,
            Self::Mounted => request::MOUNTED,
            Self::Terminal => request::TERMINAL,
            Self::Listener => request::TAKE_LISTENER,
            Self::Ready => request::READY,
            Self::Born => request::BORN,
        }
    }
}

impl HookKind {
    /// The list in the configuration.
    pub fn of<'h, 'a>(self, hooks: &'h spec::Hooks<'a>) -> &'h [spec::Hook<'a>] {
        match self {
            Self::Prestart => &hooks.prestart,
            Self::CreateRuntime => &hooks.create_runtime,
            Self::CreateContainer => &hooks.create_container,
            Self::StartContainer => &hooks.start_container,
            Self::Poststart => &hooks.poststart,
            Self::Poststop => &hooks.poststop,
        }
    }

    /// Its path in the configuration.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Prestart => "hooks.prestart",
            Self::CreateRuntime => "hooks.createRuntime",
            Self::CreateContainer => "hooks.createContainer",
            Self::StartContainer => "hooks.startContainer",
            Self::Poststart => "hooks.poststart",
            Self::Poststop => "hooks.poststop",
        }
    }
}
