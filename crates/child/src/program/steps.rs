//! Running a script: one op after the other, until the payload's execve or the first failure.

use crate::bare::{self, Fd, errno};
use crate::inside::Root;
use crate::op::{Code, Op, Report, fault, part, request};
use crate::payload::Found;
use crate::script::Script;

/// `linux/prctl.h`
pub const PR_SET_DUMPABLE: u64 = 4;

/// Why a step failed: the part of it, and the errno.
pub struct Failure {
    /// See [`part`].
    pub part: u32,
    /// The kernel's answer.
    pub errno: i32,
}

/// The result of a step.
pub type Step = Result<(), Failure>;

impl From<i32> for Failure {
    fn from(errno: i32) -> Self {
        Failure {
            part: part::ACT,
            errno,
        }
    }
}

/// Names the part of a step that a bare errno belongs to.
pub trait In<T> {
    /// The failure of `part`.
    fn part(self, part: u32) -> Result<T, Failure>;
}

impl<T> In<T> for bare::Result<T> {
    fn part(self, part: u32) -> Result<T, Failure> {
        self.map_err(|errno| Failure { part, errno })
    }
}

/// The state that ops share.
pub struct Child {
    /// What to do.
    pub script: Script,
    /// The script's descriptor, handed to `start`.
    pub script_fd: Fd,
    /// The socket to whoever is the parent now: `create`, then `start`.
    pub socket: Fd,
    /// The root file system.
    pub root: Root,
    /// The program to execute.
    pub found: Found,
    /// Whether standard input is this process's controlling terminal.
    pub terminal: bool,
    /// A private procfs, once made.
    pub proc: Fd,
}

impl Child {
    /// A child at the start of `script`.
    pub fn new(script: Script, script_fd: Fd) -> Self {
        let (root, found) = (Root::default(), Found::nothing());
        let socket = script.header().socket;
        Self {
            script,
            script_fd,
            socket,
            root,
            found,
            terminal: false,
            proc: -1,
        }
    }

    /// Runs the script. Returns only after a failure, which is in the report then.
    pub fn run(&mut self) {
        let mut index = 0;
        while let Some(op) = self.script.op(index) {
            let mut report = Report {
                step: index + 1,
                ..Report::default()
            };
            self.script.report(report);
            if let Err(failure) = self.act_out_fault(index).and_then(|()| self.step(&op)) {
                report.errno = failure.errno as u32;
                report.part = failure.part;
                self.script.report(report);
                return;
            }
            index += 1;
        }
    }

    fn act_out_fault(&self, index: u32) -> Step {
        let header = self.script.header();
        if header.fault_at != index {
            return Ok(());
        }
        match header.fault {
            fault::FAIL => Err(errno::EIO.into()),
            fault::KILL => bare::exit(137),
            fault::HOLD => loop {
                let _ = bare::wait_signal(None);
            },
            _ => Ok(()),
        }
    }

    fn step(&mut self, op: &Op) -> Step {
        let Some(code) = Code::from_number(op.code) else {
            return Err(errno::ENOSYS.into());
        };
        match code {
            Code::SetNs => bare::setns(op.n[0] as Fd, op.n[1])?,
            Code::Unshare => bare::unshare(op.n[0])?,
            Code::TimeOffsets => self.time_offsets(op)?,
            Code::EnterCgroup => bare::write(op.n[0] as Fd, b"0").map(drop)?,
            Code::BeBorn => self.be_born()?,
            Code::Input => bare::dup_to(op.n[0] as Fd, op.n[1] as Fd)?,
            Code::Request if op.n[0] as u32 == request::ID_MAPS => self.ask_for_maps()?,
            Code::Request => self.request(op.n[0] as u32, None)?,
            Code::Propagation => bare::mount(None, c"/", None, op.n[0], None)?,
            Code::Root
            | Code::RootOverlay
            | Code::Mount
            | Code::Bind
            | Code::Attributes
            | Code::Node
            | Code::Link
            | Code::Mask
            | Code::ReadOnly
            | Code::EnterRoot
            | Code::CopyUp
            | Code::Directory
            | Code::Overlay => return self.file_system_step(code, op),
            Code::WaitStart => return self.wait_start(op),
            Code::Find => return self.find(op),
            Code::Exec => return self.execute(op),
            Code::Init => return self.become_init(),
            Code::Keep => self.keep(),
            Code::Terminal => return self.make_terminal(op),
            _ => return self.process_step(code, op),
        }
        Ok(())
    }

    /// Who is in a new pid namespace was born in it. This process ends with handing its successor over,
    /// which goes on once it is known.
    fn be_born(&mut self) -> Step {
        let (pid, pidfd) = bare::fork_beside()?;
        if pid == 0 {
            // A procfs that was opened before shows the pid namespace that was left.
            if self.proc >= 0 {
                bare::close(self.proc);
                self.proc = -1;
            }
            return self.answer();
        }
        let what = request::BORN.to_ne_bytes();
        bare::send(self.socket, &what, Some(pidfd)).part(part::PARENT)?;
        bare::exit(0)
    }

    /// The files of a process that may not be dumped belong to root, and a parent that is an ordinary
    /// user could not write its maps. There is nothing of the container yet that could look at it.
    fn ask_for_maps(&self) -> Step {
        bare::prctl(PR_SET_DUMPABLE, 1, 0)?;
        let asked = self.request(request::ID_MAPS, None);
        bare::prctl(PR_SET_DUMPABLE, 0, 0)?;
        asked
    }

    /// Asks the parent and waits for its answer.
    pub fn request(&self, what: u32, descriptor: Option<Fd>) -> Step {
        bare::send(self.socket, &what.to_ne_bytes(), descriptor).part(part::PARENT)?;
        self.answer()
    }

    /// The parent's answer: a 4-byte errno, 0 for "done".
    fn answer(&self) -> Step {
        let mut answer = [0u8; 4];
        let got = bare::read(self.socket, &mut answer).part(part::PARENT)?;
        if got != answer.len() {
            return Err(Failure {
                part: part::PARENT,
                errno: errno::EPIPE,
            });
        }
        match i32::from_ne_bytes(answer) {
            0 => Ok(()),
            errno => Err(Failure {
                part: part::ANSWER,
                errno,
            }),
        }
    }
}
