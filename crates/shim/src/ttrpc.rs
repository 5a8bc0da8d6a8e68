//! ttrpc: requests and responses over a Unix socket, each a header of ten bytes (length, stream, type,
//! flags) and a message (<https://github.com/containerd/ttrpc/blob/main/PROTOCOL.md>).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use wire::{Fields, Malformed, Message};

const HEADER: usize = 10;
/// The protocol's limit of a message's size.
const LARGEST: usize = 4 << 20;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;

/// Why a request was refused: gRPC's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: Code,
    pub(crate) message: String,
}

/// gRPC's codes, as far as we answer them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Unknown = 2,
    InvalidArgument = 3,
    NotFound = 5,
    AlreadyExists = 6,
    FailedPrecondition = 9,
    Unimplemented = 12,
    Internal = 13,
}

impl Status {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }
}

impl From<Malformed> for Status {
    fn from(_: Malformed) -> Self {
        Self::new(
            Code::InvalidArgument,
            "the request is no message of its type",
        )
    }
}

impl From<sys::Error> for Status {
    fn from(error: sys::Error) -> Self {
        Self::new(Code::Internal, format!("{error}"))
    }
}

impl From<engine::Error> for Status {
    fn from(error: engine::Error) -> Self {
        let code = match error.kind {
            engine::Kind::NotFound => Code::NotFound,
            engine::Kind::WrongState => Code::FailedPrecondition,
            _ => Code::Unknown,
        };
        Self::new(code, format!("{error}"))
    }
}

/// What an answer carries.
pub(crate) type Reply = Result<Message, Status>;

/// What came over a connection.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) stream: u32,
    pub(crate) is_request: bool,
    pub(crate) message: Vec<u8>,
}

/// Takes the next whole frame off `bytes`.
///
/// # Errors
/// When what comes is larger than the protocol allows: the connection is of no use any more.
pub(crate) fn take(bytes: &mut Vec<u8>) -> Result<Option<Frame>, Malformed> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let length = usize::try_from(word(0)).map_err(|_| Malformed)?;
    if length > LARGEST {
        return Err(Malformed);
    }
    let Some(message) = rest.get(..length) else {
        return Ok(None);
    };
    let frame = Frame {
        stream: word(4),
        is_request: header[8] == REQUEST,
        message: message.into(),
    };
    bytes.drain(..HEADER + length);
    Ok(Some(frame))
}

/// A request's service, method and payload.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) payload: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut request = Self::default();
        Fields(message).each(|field, value| {
            match field {
                1 => request.service = value.text()?,
                2 => request.method = value.text()?,
                3 => request.payload = value.bytes()?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(request)
    }
}

/// A request, framed.
pub(crate) fn request(stream: u32, service: &str, method: &str, payload: &Message) -> Vec<u8> {
    const FIVE_SECONDS: u64 = 5_000_000_000;
    let message = Message::new()
        .text(1, service)
        .text(2, method)
        .bytes(3, &payload.0)
        .number(4, FIVE_SECONDS);
    framed(stream, REQUEST, &message)
}

/// A response, framed.
pub(crate) fn response(stream: u32, reply: &Reply) -> Vec<u8> {
    let message = match reply {
        Ok(payload) => Message::new().bytes(2, &payload.0),
        Err(status) => {
            let code = u32::from(status.code as u8);
            let inner = Message::new().number(1, code).text(2, &status.message);
            Message::new().message(1, &inner)
        }
    };
    framed(stream, RESPONSE, &message)
}

fn framed(stream: u32, kind: u8, message: &Message) -> Vec<u8> {
    let length = u32::try_from(message.0.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + message.0.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(&[kind, 0]);
    bytes.extend_from_slice(&message.0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_only_when_it_is_whole() {
        let payload = Message::new().text(1, "x");
        let whole = request(7, "service", "Method", &payload);
        let mut bytes = whole[..whole.len() - 1].to_vec();
        assert!(take(&mut bytes).unwrap().is_none());
        bytes.push(whole[whole.len() - 1]);
        bytes.push(9);
        let frame = take(&mut bytes).unwrap().unwrap();
        assert_eq!(
            (frame.stream, frame.is_request, &bytes[..]),
            (7, true, &[9][..])
        );
        let request = Request::decode(&frame.message).unwrap();
        assert_eq!((&*request.service, &*request.method), ("service", "Method"));
        assert_eq!(request.payload, payload.0);
    }

    #[test]
    fn a_frame_that_is_too_large_is_refused() {
        let mut bytes = b"\x10\x00\x00\x00\x00\x00\x00\x01\x01\x00".to_vec();
        assert_eq!(take(&mut bytes).unwrap_err(), Malformed);
    }

    #[test]
    fn a_refusal_has_grpcs_code_and_words() {
        let bytes = response(3, &Err(Status::new(Code::NotFound, "no")));
        assert_eq!(bytes[HEADER..], [0x0a, 6, 0x08, 5, 0x12, 2, b'n', b'o']);
        let bytes = response(3, &Ok(Message::new()));
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 3, RESPONSE, 0]);
    }
}
