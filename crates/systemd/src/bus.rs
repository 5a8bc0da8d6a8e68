//! A connection to a message bus, and one call after the other over it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use cgroup::Deadline;
use sys::initial::variable;
use sys::rustix::event::{PollFd, PollFlags, poll};
use sys::rustix::io::{read, retry_on_intr};
use sys::rustix::net::SocketType;
use sys::rustix::process::getuid;
use sys::{Errno, OwnedFd, file, socket};

use crate::error::{Error, Result};
use crate::message::{Call, Kind, Message};
use crate::wire::Reader;

/// How long an answer is waited for, and the end of a job: systemd stops a unit within 90 s, but one whose
/// processes are dead at once.
const PATIENCE_MS: u32 = 30_000;

/// Whose manager is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The machine's, PID 1.
    System,
    /// The user's own.
    User,
}

impl Side {
    /// The machine's for root, the user's for everybody else. Who is root in a user namespace only is
    /// somebody else to systemd.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn of_this_process() -> Result<Self> {
        if !getuid().is_root() {
            return Ok(Self::User);
        }
        let map = file::read_text("/proc/self/uid_map")?;
        let whole = map.split_ascii_whitespace().eq(["0", "0", "4294967295"]);
        Ok(if whole { Self::System } else { Self::User })
    }

    /// Sockets of the bus, the best first.
    fn sockets(self) -> Vec<String> {
        match self {
            Self::System => Vec::from([
                "/run/dbus/system_bus_socket".into(),
                "/run/systemd/private".into(),
            ]),
            Self::User => user_sockets(),
        }
    }
}

fn user_sockets() -> Vec<String> {
    let value = |name: &str| variable(name).filter(|value| !value.is_empty());
    let address = value("DBUS_SESSION_BUS_ADDRESS").unwrap_or("");
    // Addresses are `transport:key=value,…`, separated by `;`. What is escaped in them is not a usual path.
    let paths = address.split(';').filter_map(|one| {
        let keys = one.strip_prefix("unix:")?;
        keys.split(',').find_map(|key| key.strip_prefix("path="))
    });
    let mut sockets: Vec<String> = paths.map(String::from).collect();
    let runtime = value("XDG_RUNTIME_DIR").map(String::from);
    let runtime = runtime.unwrap_or_else(|| format!("/run/user/{}", getuid().as_raw()));
    sockets.push(format!("{runtime}/bus"));
    sockets.push(format!("{runtime}/systemd/private"));
    sockets
}

/// A connection.
#[derive(Debug)]
pub struct Bus {
    socket: OwnedFd,
    /// What came and was not taken yet.
    input: Vec<u8>,
    serial: u32,
}

impl Bus {
    /// Connects and says hello.
    ///
    /// # Errors
    /// When there is no bus, or it does not know us.
    pub fn connect(side: Side) -> Result<Self> {
        let mut failure = None;
        for path in side.sockets() {
            match socket::connect_to(&path, SocketType::STREAM) {
                Ok(socket) => return Self::greet(socket, path.ends_with("/private")),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let error = failure.map_or_else(|| Error::protocol("no bus"), Error::from);
        Err(error.hint(match side {
            Side::System => "cgroups by systemd need a system that it runs; else leave --systemd-cgroup away",
            Side::User => {
                "cgroups by systemd need the user's own manager: log in, or `loginctl enable-linger`, and set \
                 XDG_RUNTIME_DIR"
            }
        }))
    }

    fn greet(socket: OwnedFd, private: bool) -> Result<Self> {
        let mut bus = Self {
            socket,
            input: Vec::new(),
            serial: 0,
        };
        // Who we are the kernel tells (`SO_PEERCRED`); so nothing is claimed, and that is true in a user
        // namespace, too.
        bus.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        let deadline = Deadline::after(PATIENCE_MS);
        loop {
            let line = bus.line(&deadline)?;
            if line.starts_with("OK") {
                break;
            }
            if !line.starts_with("DATA") {
                return Err(Error::protocol(&format!(
                    "the bus does not take us: {line}"
                )));
            }
        }
        if !private {
            let hello = Call {
                destination: "org.freedesktop.DBus",
                path: "/org/freedesktop/DBus",
                interface: "org.freedesktop.DBus",
                member: "Hello",
                signature: "",
            };
            bus.call(&hello, &[], |_| Ok(()))?;
        }
        Ok(bus)
    }

    /// Calls a method, and hands the arguments of its answer to `take`.
    ///
    /// # Errors
    /// The refusal, by its name and words.
    pub fn call<T>(
        &mut self,
        call: &Call<'_>,
        body: &[u8],
        take: impl FnOnce(&mut Reader<'_>) -> Result<T>,
    ) -> Result<T> {
        self.serial += 1;
        let serial = self.serial;
        self.send(&call.encode(serial, body))?;
        let mut take = Some(take);
        self.until(|message| {
            if message.answers != serial {
                return Ok(None);
            }
            match (message.kind, take.take()) {
                (Kind::Return, Some(take)) => take(&mut message.body()).map(Some),
                (Kind::Error, _) => Err(Error {
                    name: Some(message.error.into()),
                    ..Error::new(format!("systemd: {}: {}", call.member, message.words()))
                }),
                _ => Ok(None),
            }
        })
    }

    /// Reads messages until `wanted` makes something of one; the others are left.
    ///
    /// # Errors
    /// As `wanted`; when none comes in time.
    pub fn until<T>(
        &mut self,
        mut wanted: impl FnMut(&Message<'_>) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Deadline::after(PATIENCE_MS);
        loop {
            while let Some((message, len)) = Message::decode(&self.input)? {
                let found = wanted(&message);
                self.input.drain(..len);
                if let Some(found) = found? {
                    return Ok(found);
                }
            }
            self.receive(&deadline)?;
        }
    }

    fn line(&mut self, deadline: &Deadline) -> Result<String> {
        const LONGEST: usize = 4096;
        loop {
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.input[..end]).into_owned();
                self.input.drain(..end + 2);
                return Ok(line);
            }
            if self.input.len() > LONGEST {
                return Err(Error::protocol("not a bus"));
            }
            self.receive(deadline)?;
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent =
                sys::rustix::net::send(&self.socket, rest, sys::rustix::net::SendFlags::NOSIGNAL);
            match sent {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(sys::Error::new("send", "bus", errno).into()),
            }
        }
        Ok(())
    }

    fn receive(&mut self, deadline: &Deadline) -> Result<()> {
        let late = || Error::protocol("systemd does not answer");
        let left = deadline.left().ok_or_else(late)?;
        let failed = |call, errno| Error::from(sys::Error::new(call, "bus", errno));
        let mut polled = [PollFd::new(&self.socket, PollFlags::IN)];
        if retry_on_intr(|| poll(&mut polled, Some(&left)))
            .map_err(|errno| failed("poll", errno))?
            == 0
        {
            return Err(late());
        }
        let mut bytes = [0u8; 4096];
        let count = retry_on_intr(|| read(&self.socket, &mut bytes))
            .map_err(|errno| failed("read", errno))?;
        if count == 0 {
            return Err(Error::protocol("the bus hung up"));
        }
        self.input.extend_from_slice(&bytes[..count]);
        Ok(())
    }
}
