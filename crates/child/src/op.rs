//! What a script is made of. A script is one shared memory file: a [`Header`], the [`Op`]s, and the
//! bytes that they refer to. Numbers are in the machine's own byte order: both ends are one machine.

/// First word of every script; changes when the format does.
pub const MAGIC: u32 = 0x534b_0002;

/// Bytes somewhere in the script. Text is followed by a NUL that `len` does not count.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset from the script's first byte.
    pub off: u32,
    /// Length in bytes.
    pub len: u32,
}

/// The start of a script.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u32,
    /// Length of the whole script in bytes.
    pub size: u32,
    /// How many [`Op`]s follow the header.
    pub ops: u32,
    /// The socket to the parent, or -1.
    pub socket: i32,
    /// Where the child says how far it got. The only part that the child writes.
    pub report: Report,
    /// Op index at which to act out a fault (crash tests), `u32::MAX` for none.
    pub fault_at: u32,
    /// What to do there: see [`fault`].
    pub fault: u32,
    /// The seccomp listener's number and one more, once the child has it; see [`request::TAKE_LISTENER`].
    pub listener: u32,
    /// Not 0 once the parent has taken the listener.
    pub taken: u32,
}

/// How far the child came, and what stopped it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The op that runs or ran last, counted from 1; 0 before the first.
    pub step: u32,
    /// The errno that stopped it; 0 while all is well.
    pub errno: u32,
    /// Which part of the op failed: see [`part`].
    pub part: u32,
    /// 1 from just before the payload's execve on.
    pub executing: u32,
}

/// Faults that crash tests ask for.
pub mod fault {
    /// The step fails with EIO without having been tried.
    pub const FAIL: u32 = 1;
    /// The child kills itself with SIGKILL before the step.
    pub const KILL: u32 = 2;
    /// The child waits before the step for ever; the engine, which watches the report, kills itself.
    pub const HOLD: u32 = 3;
}

/// The part of an op that failed, for messages.
pub mod part {
    /// The act itself.
    pub const ACT: u32 = 0;
    /// Looking up the target inside the root file system.
    pub const TARGET: u32 = 1;
    /// Making the target.
    pub const MAKE: u32 = 2;
    /// Opening the source.
    pub const SOURCE: u32 = 3;
    /// Setting mount attributes.
    pub const ATTRIBUTES: u32 = 4;
    /// The parent's answer to a request.
    pub const ANSWER: u32 = 5;
    /// The parent went away.
    pub const PARENT: u32 = 6;
    /// Checking that a look-up gave what it must.
    pub const CHECK: u32 = 7;
}

/// One step. What the numbers and texts mean is said at each [`Code`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Op {
    /// A [`Code`].
    pub code: u32,
    /// Flags of the code.
    pub flags: u32,
    /// Numbers.
    pub n: [u64; 3],
    /// Bytes and texts.
    pub s: [Span; 4],
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        /// The kinds of step.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name = $value,)* }

        impl Code {
            /// The code with this number.
            pub fn from_number(number: u32) -> Option<Code> {
                match number { $($value => Some(Code::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// setns(2): n0 descriptor, n1 namespace types.
    SetNs = 1,
    /// unshare(2): n0 flags.
    Unshare = 2,
    /// Write "0" to the cgroup v1 `tasks` file n0: a single thread that moves itself skips the lock that
    /// makes every other way wait for an RCU grace period.
    EnterCgroup = 3,
    /// Ask the parent for the request n0 (see [`super::op::request`]) and wait for its answer.
    Request = 4,
    /// Write s0 to `/proc/self/timens_offsets`, for the time namespace just unshared.
    TimeOffsets = 7,
    /// Become uid n0, gid n1 of the user namespace, keeping nothing of the supplementary groups where
    /// the namespace lets us drop them.
    BecomeRoot = 5,
    /// Bring the network interface s0 up.
    LinkUp = 6,
    /// Go on as a new process, which is the first in the pid and the time namespace that were unshared: the
    /// parent gets its descriptor, and becomes its parent.
    BeBorn = 8,

    /// mount(2) of propagation flags n0 on `/`.
    Propagation = 10,
    /// Make directory s0 of the host the root: bind it (n0 = 1: recursively) upon itself, or take the
    /// mount descriptor n1 where n2 is 1. flags bit 0: the mounts around it are the host's peers, so that it
    /// is cut off from them and stands on `/`, which is not.
    Root = 11,
    /// Mount overlayfs on directory s0 with options s1, paths in it relative to s2, and make that the
    /// root.
    RootOverlay = 12,
    /// Mount type s0, source s1, target s2 (made when missing), data s3; n0 mount flags.
    Mount = 13,
    /// Bind source s0 (a path of the host), or the mount descriptor n0 - 1 where n0 is not 0, on target s1 (made when
    /// missing); n1 low half: attributes to set, high half: to clear; n2: recursive attributes
    /// likewise. [`flag::RECURSIVE`], [`flag::OPTIONAL`], [`flag::SOURCE_INSIDE`].
    Bind = 14,
    /// mount_setattr(2) on target s1: n0 set, n1 clear, n2 propagation. [`flag::RECURSIVE`].
    Attributes = 15,
    /// Make node s1: n0 mode with type, n1 device number, n2 uid << 32 | gid. flags bit 0: bind the
    /// host's node of that path and number; so it is done, too, where the kernel allows no node.
    Node = 16,
    /// Make symbolic link s1 with text s0. An existing file stays.
    Link = 17,
    /// Hide s1: a file behind the null device, a directory behind an empty read-only one. Missing: nothing.
    Mask = 18,
    /// Make s1 read-only by a mount on itself. Missing: nothing.
    ReadOnly = 19,
    /// Leave the host's root: n0 0 pivot_root, 1 move the mount and chroot, 2 chroot alone. flags bit 0: what
    /// is left are the host's peers, which are not to be unmounted along with it.
    EnterRoot = 20,
    /// Write s1 to s0 beneath a private procfs.
    WriteProc = 21,
    /// sethostname(2) s0.
    Hostname = 22,
    /// setdomainname(2) s0.
    Domainname = 23,
    /// Make a terminal on the container's own devpts and send its master to the parent; n0 rows,
    /// n1 columns (0: leave). It becomes stdin, stdout, stderr and `/dev/console`.
    Terminal = 24,
    /// Mount a tmpfs on s2 with options s3, flags n0, and copy into it what was there before.
    CopyUp = 25,
    /// Make directory s1 inside the root with mode n0, and its missing parents. An existing one stays.
    Directory = 26,
    /// Mount an overlay inside the root: target s0, options s1, paths in it relative to host directory s2.
    Overlay = 27,

    /// prlimit(2): n0 resource, n1 soft, n2 hard.
    Limit = 30,
    /// Write s0 to `/proc/self/oom_score_adj`.
    OomScore = 31,
    /// personality(2) n0.
    Personality = 32,
    /// sched_setattr(2) with the 48 bytes s0.
    Scheduler = 33,
    /// ioprio_set(2) n0.
    IoPriority = 34,
    /// sched_setaffinity(2) with the bytes s0, or to all CPUs where there are none. flags bit 0: no failure where the cpuset has none of them.
    Affinity = 35,
    /// set_mempolicy(2): n0 mode, nodes s0.
    MemoryPolicy = 36,
    /// setsid(2).
    Session = 37,
    /// Join a fresh session keyring named s0.
    Keyring = 38,
    /// Drop from the bounding set all that n0 has not.
    Bounding = 40,
    /// setgroups(2) with the u32s s0.
    Groups = 41,
    /// setresgid n1, setresuid n0, umask n2; capabilities are kept.
    User = 42,
    /// capset(2): n0 effective, n1 permitted, n2 inheritable; ambient as in s0 (8 bytes).
    Capabilities = 43,
    /// PR_SET_NO_NEW_PRIVS.
    NoNewPrivileges = 44,
    /// Load the seccomp program s0 with flags n0. flags bit 0: the parent gets the listener.
    Seccomp = 45,
    /// chdir(2) to s0 and check that the result is inside. flags bit 0: make it when missing.
    WorkDir = 46,
    /// Mark descriptors from n0 up close-on-exec.
    CloseFrom = 47,
    /// Wait for `start`: accept on the listening socket n0, hand out the script, read the word.
    WaitStart = 48,
    /// Write s0 as the LSM's exec label to `/proc/thread-self/attr/` s1.
    Label = 49,
    /// Find the program s0 (with the PATH list s1 when it has no slash), so that `create` fails early.
    Find = 50,
    /// execve(2): arguments s1, environment s2 (arrays of offsets that the child makes pointers).
    Exec = 51,
    /// Become an init: fork; the child goes on with the script, this process reaps and forwards signals.
    Init = 52,
    /// Stay as PID 1 of a container without a payload of its own: reap, and end when told to and alone.
    Keep = 58,
    /// Keep out of reach the abstract sockets that others made, where the kernel can.
    Scope = 59,
    /// Look up the home directory of user n0 in the root's `/etc/passwd` and write it into the text s1,
    /// which is `HOME=/` and room: s1 is all of it but its last NUL.
    Home = 57,
    /// Make descriptor n0 the standard stream n1.
    Input = 56,
    /// PR_SET_PDEATHSIG n0: the signal to get when the parent ends.
    ParentDeath = 55,
}

/// Flags of mount-like ops.
pub mod flag {
    /// With all mounts below.
    pub const RECURSIVE: u32 = 1;
    /// A missing source or target is no failure.
    pub const OPTIONAL: u32 = 2;
    /// The target is not made when missing.
    pub const NO_CREATE: u32 = 4;
    /// The target may be below `/proc` (the short list that the planner allows).
    pub const PROC_ALLOWED: u32 = 8;
    /// A file system that is refused read-write is tried again read-only.
    pub const RETRY_READ_ONLY: u32 = 16;
    /// The source is a path inside the root.
    pub const SOURCE_INSIDE: u32 = 32;
    /// A file system that is refused for want of a right is bound from the host's mount at the same place.
    pub const HOST_INSTEAD: u32 = 128;
    /// A tmpfs gets the mode of the directory that it covers; its own where that is made for it.
    pub const INHERIT_MODE: u32 = 256;
    /// The last component of the target must be a real directory, no symbolic link.
    pub const REAL_DIRECTORY: u32 = 64;
}

/// What a child asks of its parent, and the parent's answers: 4 bytes each, request and errno.
pub mod request {
    /// Write the id maps of my new user namespace.
    pub const ID_MAPS: u32 = 1;
    /// The mounts stand, the host's root is still there: run the hooks of that moment.
    pub const MOUNTED: u32 = 2;
    /// Take the terminal's master, which this message carries.
    pub const TERMINAL: u32 = 3;
    /// Take the seccomp listener, which this message carries. Only for a parent that has declined
    /// [`TAKE_LISTENER`]: the filter may not let this through.
    pub const LISTENER: u32 = 4;
    /// Everything but the payload's last steps is done.
    pub const READY: u32 = 5;
    /// Move network devices into my new network namespace.
    pub const NETWORK: u32 = 6;
    /// Set the clocks of my new time namespace.
    pub const CLOCKS: u32 = 8;
    /// I am about to load a filter that has a listener: take it from me by its number, which the header is
    /// going to have. Whoever cannot, declines with `EOPNOTSUPP`.
    pub const TAKE_LISTENER: u32 = 9;
    /// Take my successor, whose pidfd this message carries.
    pub const BORN: u32 = 7;
}
