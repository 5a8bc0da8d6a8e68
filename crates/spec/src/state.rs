//! The state of a container, as `state` prints it and as hooks and seccomp agents read it
//! (runtime-spec 1.3, `runtime.md`, section "State").

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::closed::closed;
use crate::config::empty;
use crate::text::{is_default, null_is_default, optional};
use crate::{Error, Map, Str};

/// The version of the specification that the states and specs made here follow.
pub const OCI_VERSION: &str = "1.3.0";

/// The state of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State<'a> {
    /// The version of the specification that the state follows.
    #[serde(borrow, rename = "ociVersion")]
    pub oci_version: Str<'a>,
    /// The container's id.
    #[serde(borrow)]
    pub id: Str<'a>,
    /// How far it is.
    pub status: Status,
    /// Its first process as the host numbers it; 0, and not written, if there is none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pid: u32,
    /// The bundle's absolute path.
    #[serde(borrow)]
    pub bundle: Str<'a>,
    /// The annotations of its configuration.
    #[serde(
        borrow,
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "empty"
    )]
    pub annotations: Map<'a, Str<'a>>,
}

closed! {
    /// How far a container is.
    pub enum Status ("status") {
        /// Its environment is being made.
        Creating = "creating",
        /// All is made but the payload is not executed.
        Created = "created",
        /// The payload runs.
        Running = "running",
        /// The payload has ended.
        Stopped = "stopped",
        /// The payload is frozen; an addition of runtimes.
        Paused = "paused",
    }
}

/// What a seccomp agent is told with the listener's descriptor (`config-linux.md`, "The Container
/// Process State").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessState<'a> {
    /// The version of the specification that the message follows.
    #[serde(borrow, rename = "ociVersion")]
    pub oci_version: Str<'a>,
    /// The names of the descriptors that come with it, in their order; [`SECCOMP_FD`].
    #[serde(borrow)]
    pub fds: Vec<Str<'a>>,
    /// The process that the filter is for, as the runtime numbers it.
    pub pid: u32,
    /// `listenerMetadata` of the configuration.
    #[serde(
        borrow,
        default,
        deserialize_with = "optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub metadata: Option<Str<'a>>,
    /// The container.
    #[serde(borrow)]
    pub state: State<'a>,
}

/// The name of the seccomp listener in [`ProcessState::fds`].
pub const SECCOMP_FD: &str = "seccompFd";

impl<'a> State<'a> {
    /// Reads a state; what it returns borrows from the text.
    pub fn parse(text: &'a [u8]) -> Result<Self, Error> {
        crate::parse::parse(text)
    }

    /// Writes the state in one line.
    pub fn to_json(&self) -> Vec<u8> {
        crate::parse::compact(self)
    }

    /// Writes the state indented by two spaces, as `runc state` does.
    pub fn to_json_pretty(&self) -> Vec<u8> {
        crate::parse::indented(self)
    }
}

impl ProcessState<'_> {
    /// Writes the message in one line.
    pub fn to_json(&self) -> Vec<u8> {
        crate::parse::compact(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;

    fn state() -> State<'static> {
        State {
            oci_version: OCI_VERSION.into(),
            id: "box".into(),
            status: Status::Created,
            pid: 42,
            bundle: "/b".into(),
            annotations: [("k".into(), "v".into())].into_iter().collect(),
        }
    }

    #[test]
    fn as_hooks_read_it() {
        let text = r#"{"ociVersion":"1.3.0","id":"box","status":"created","pid":42,"bundle":"/b","annotations":{"k":"v"}}"#;
        assert_eq!(String::from_utf8(state().to_json()).as_deref(), Ok(text));
        assert_eq!(State::parse(text.as_bytes()), Ok(state()));
        let stopped = State {
            status: Status::Stopped,
            pid: 0,
            annotations: Map::new(),
            ..state()
        };
        let text = r#"{"ociVersion":"1.3.0","id":"box","status":"stopped","bundle":"/b"}"#;
        assert_eq!(String::from_utf8(stopped.to_json()).as_deref(), Ok(text));
    }

    #[test]
    fn as_agents_read_it() {
        let process = ProcessState {
            oci_version: OCI_VERSION.into(),
            fds: vec![SECCOMP_FD.into()],
            pid: 42,
            metadata: Some("m".into()),
            state: State {
                annotations: Map::new(),
                ..state()
            },
        };
        let text = r#"{"ociVersion":"1.3.0","fds":["seccompFd"],"pid":42,"metadata":"m","state":{"ociVersion":"1.3.0","id":"box","status":"created","pid":42,"bundle":"/b"}}"#;
        assert_eq!(String::from_utf8(process.to_json()).as_deref(), Ok(text));
    }

    #[test]
    fn an_unknown_status_is_refused() {
        let text = br#"{"ociVersion":"1.3.0","id":"box","status":"done","bundle":"/b"}"#;
        let error = State::parse(text).expect_err("no such status");
        assert_eq!(error.place, "status");
    }
}
