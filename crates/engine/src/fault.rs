//! Faults on request, for the crash tests: a step that fails, a process that is killed at it.

/// Where a fault is acted out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nowhere.
    #[default]
    None,
    /// This host step fails, untried.
    FailHost(usize),
    /// The runtime is killed before this host step.
    KillHost(usize),
    /// This step of the child fails, untried.
    FailChild(u32),
    /// The child is killed before this step.
    KillChild(u32),
    /// The runtime is killed when the child is before this step; the child stays there.
    KillAtChild(u32),
}

impl Fault {
    /// Reads `host:N:fail`, `host:N:kill`, `child:N:fail`, `child:N:kill`, `child:N:kill-runtime`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (side, step, what) = (parts.next()?, parts.next()?, parts.next()?);
        let number: u32 = step.parse().ok()?;
        Some(match (side, what) {
            ("host", "fail") => Self::FailHost(usize::try_from(number).ok()?),
            ("host", "kill") => Self::KillHost(usize::try_from(number).ok()?),
            ("child", "fail") => Self::FailChild(number),
            ("child", "kill") => Self::KillChild(number),
            ("child", "kill-runtime") => Self::KillAtChild(number),
            _ => return None,
        })
    }

    /// The header's two words for the child.
    pub(crate) fn for_child(self) -> (u32, u32) {
        use child::op::fault;
        match self {
            Self::FailChild(step) => (step, fault::FAIL),
            Self::KillChild(step) => (step, fault::KILL),
            Self::KillAtChild(step) => (step, fault::HOLD),
            _ => (u32::MAX, 0),
        }
    }
}
