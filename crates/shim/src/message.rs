//! The messages of containerd's task service (`containerd.task.v2` and `.v3`, which are the same here),
//! and of what they hold.

use alloc::string::String;
use alloc::vec::Vec;

use crate::ttrpc::{Code, Status};
use wire::{Fields, Malformed, Message, Value};

/// A request of the task service.
#[derive(Debug)]
pub(crate) enum Request {
    State(Target),
    Create(Create),
    Start(Target),
    Delete(Target),
    Pids(Target),
    Pause(Target),
    Resume(Target),
    Checkpoint(Checkpoint),
    Kill(Kill),
    Exec(Exec),
    ResizePty(Target, Size),
    CloseIo(Target, bool),
    Update(Target, Any),
    Wait(Target),
    Stats(Target),
    Connect(Target),
    Shutdown,
}

/// A container, and one of its further processes where the second name is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) exec_id: String,
}

/// The streams of a process, as containerd names them: paths of FIFOs, or URIs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stdio {
    pub(crate) stdin: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) terminal: bool,
}

/// `CreateTaskRequest`.
#[derive(Debug, Default)]
pub(crate) struct Create {
    pub(crate) id: String,
    pub(crate) bundle: String,
    pub(crate) rootfs: Vec<Mount>,
    pub(crate) stdio: Stdio,
    pub(crate) checkpoint: String,
    pub(crate) options: Any,
}

/// `containerd.types.Mount`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mount {
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) options: Vec<String>,
    /// As it came.
    pub(crate) bytes: Vec<u8>,
}

/// `ExecProcessRequest`.
#[derive(Debug, Default)]
pub(crate) struct Exec {
    pub(crate) target: Target,
    pub(crate) stdio: Stdio,
    pub(crate) spec: Any,
}

/// `CheckpointTaskRequest`.
#[derive(Debug, Default)]
pub(crate) struct Checkpoint {
    pub(crate) target: Target,
    pub(crate) path: String,
    pub(crate) options: Any,
}

/// `KillRequest`.
#[derive(Debug, Default)]
pub(crate) struct Kill {
    pub(crate) target: Target,
    pub(crate) signal: u32,
    pub(crate) all: bool,
}

/// A terminal's size, in characters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// `google.protobuf.Any`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Any {
    pub(crate) type_url: String,
    pub(crate) value: Vec<u8>,
}

impl Any {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut any = Self::default();
        Fields(bytes).each(|field, value| {
            match field {
                1 => any.type_url = value.text()?,
                2 => any.value = value.bytes()?.into(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(any)
    }

    /// The type's name, without the address before it.
    pub(crate) fn name(&self) -> &str {
        let name = self.type_url.rsplit('/').next();
        name.unwrap_or(&self.type_url)
    }
}

/// An `Any` of a message.
pub(crate) fn any(type_url: &str, value: &Message) -> Message {
    Message::new().text(1, type_url).bytes(2, &value.0)
}

/// `google.protobuf.Timestamp` of seconds and nanoseconds since 1970.
pub(crate) fn timestamp((seconds, nanoseconds): (i64, u32)) -> Message {
    Message::new().signed(1, seconds).number(2, nanoseconds)
}

impl Request {
    /// Decodes the payload of a method.
    pub(crate) fn decode(method: &str, payload: &[u8]) -> Result<Self, Status> {
        let target = || target(payload);
        Ok(match method {
            "State" => Self::State(target()?),
            "Create" => Self::Create(create(payload)?),
            "Start" => Self::Start(target()?),
            "Delete" => Self::Delete(target()?),
            "Pids" => Self::Pids(target()?),
            "Pause" => Self::Pause(target()?),
            "Resume" => Self::Resume(target()?),
            "Checkpoint" => Self::Checkpoint(checkpoint(payload)?),
            "Kill" => Self::Kill(kill(payload)?),
            "Exec" => Self::Exec(exec(payload)?),
            "ResizePty" => Self::ResizePty(target()?, size(payload)?),
            "CloseIO" => Self::CloseIo(target()?, third_flag(payload)?),
            "Update" => {
                let (id, resources) = update(payload)?;
                let exec_id = String::new();
                Self::Update(Target { id, exec_id }, resources)
            }
            "Wait" => Self::Wait(target()?),
            "Stats" => Self::Stats(target()?),
            "Connect" => Self::Connect(target()?),
            "Shutdown" => Self::Shutdown,
            other => {
                let message = alloc::format!("the task service has no method {other}");
                return Err(Status::new(Code::Unimplemented, message));
            }
        })
    }
}

fn target(payload: &[u8]) -> Result<Target, Malformed> {
    let mut target = Target::default();
    Fields(payload).each(|field, value| {
        match (field, value) {
            (1, _) => target.id = value.text()?,
            // Requests that name no process have other things there.
            (2, Value::Bytes(_)) => target.exec_id = value.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(target)
}

fn create(payload: &[u8]) -> Result<Create, Malformed> {
    let mut create = Create::default();
    Fields(payload).each(|field, value| {
        match field {
            1 => create.id = value.text()?,
            2 => create.bundle = value.text()?,
            3 => create.rootfs.push(mount(value.bytes()?)?),
            4 => create.stdio.terminal = value.flag()?,
            5 => create.stdio.stdin = value.text()?,
            6 => create.stdio.stdout = value.text()?,
            7 => create.stdio.stderr = value.text()?,
            8 => create.checkpoint = value.text()?,
            10 => create.options = Any::decode(value.bytes()?)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(create)
}

fn mount(bytes: &[u8]) -> Result<Mount, Malformed> {
    let mut mount = Mount {
        bytes: bytes.into(),
        ..Mount::default()
    };
    Fields(bytes).each(|field, value| {
        match field {
            1 => mount.kind = value.text()?,
            2 => mount.source = value.text()?,
            3 => mount.target = value.text()?,
            4 => mount.options.push(value.text()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(mount)
}

fn exec(payload: &[u8]) -> Result<Exec, Malformed> {
    let mut exec = Exec::default();
    Fields(payload).each(|field, value| {
        match field {
            1 => exec.target.id = value.text()?,
            2 => exec.target.exec_id = value.text()?,
            3 => exec.stdio.terminal = value.flag()?,
            4 => exec.stdio.stdin = value.text()?,
            5 => exec.stdio.stdout = value.text()?,
            6 => exec.stdio.stderr = value.text()?,
            7 => exec.spec = Any::decode(value.bytes()?)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(exec)
}

fn checkpoint(payload: &[u8]) -> Result<Checkpoint, Malformed> {
    let mut checkpoint = Checkpoint::default();
    Fields(payload).each(|field, value| {
        match field {
            1 => checkpoint.target.id = value.text()?,
            2 => checkpoint.path = value.text()?,
            3 => checkpoint.options = Any::decode(value.bytes()?)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(checkpoint)
}

fn kill(payload: &[u8]) -> Result<Kill, Malformed> {
    let mut kill = Kill {
        target: target(payload)?,
        ..Kill::default()
    };
    Fields(payload).each(|field, value| {
        match field {
            3 => kill.signal = value.word()?,
            4 => kill.all = value.flag()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(kill)
}

fn size(payload: &[u8]) -> Result<Size, Malformed> {
    let mut size = Size::default();
    Fields(payload).each(|field, value| {
        match field {
            3 => size.width = value.word()?,
            4 => size.height = value.word()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(size)
}

fn third_flag(payload: &[u8]) -> Result<bool, Malformed> {
    let mut flag = false;
    Fields(payload).each(|field, value| {
        if field == 3 {
            flag = value.flag()?;
        }
        Ok(())
    })?;
    Ok(flag)
}

fn update(payload: &[u8]) -> Result<(String, Any), Malformed> {
    let (mut id, mut resources) = (String::new(), Any::default());
    Fields(payload).each(|field, value| {
        match field {
            1 => id = value.text()?,
            2 => resources = Any::decode(value.bytes()?)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((id, resources))
}
