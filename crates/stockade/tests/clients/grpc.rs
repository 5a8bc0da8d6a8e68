//! As much of protobuf and gRPC as calling the kubelet's interface takes: Debian has no `crictl`, but curl
//! speaks HTTP/2 over a socket.

use crate::rig::Rig;

/// A message in the making. Fields are given by their numbers in the interface's `api.proto`.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a number.
    pub fn number(mut self, field: u8, value: u64) -> Self {
        self.0.push(field << 3);
        push_number(&mut self.0, value);
        self
    }

    /// With a text.
    pub fn text(self, field: u8, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    /// With one text of a list each.
    pub fn texts(self, field: u8, values: &[&str]) -> Self {
        values.iter().fold(self, |all, one| all.text(field, one))
    }

    /// With a message.
    pub fn with(self, field: u8, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        self.0.push(field << 3 | 2);
        push_number(&mut self.0, value.len() as u64);
        self.0.extend(value);
        self
    }

    /// The number at a path of fields; 0 where it is not given.
    pub fn get_number(&self, path: &[u8]) -> u64 {
        match self.find(path) {
            Some(Value::Number(number)) => number,
            _ => 0,
        }
    }

    /// The text at a path of fields; empty where it is not given.
    pub fn get_text(&self, path: &[u8]) -> String {
        match self.find(path) {
            Some(Value::Bytes(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => String::new(),
        }
    }

    fn find(&self, path: &[u8]) -> Option<Value> {
        let (first, rest) = path.split_first()?;
        let value = self.fields().find(|(field, _)| field == first)?.1;
        match value {
            Value::Bytes(bytes) if !rest.is_empty() => Self(bytes).find(rest),
            value => Some(value),
        }
    }

    fn fields(&self) -> impl Iterator<Item = (u8, Value)> {
        let mut bytes = self.0.as_slice();
        std::iter::from_fn(move || {
            let key = take_number(&mut bytes)?;
            let value = match key & 7 {
                0 => Value::Number(take_number(&mut bytes)?),
                1 => Value::Bytes(take(&mut bytes, 8)?),
                2 => {
                    let len = take_number(&mut bytes)?;
                    Value::Bytes(take(&mut bytes, usize::try_from(len).ok()?)?)
                }
                _ => return None,
            };
            Some((u8::try_from(key >> 3).unwrap_or(u8::MAX), value))
        })
    }
}

enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

fn push_number(to: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take(bytes: &mut &[u8], len: usize) -> Option<Vec<u8>> {
    let taken = bytes.get(..len)?.to_vec();
    *bytes = &bytes[len..];
    Some(taken)
}

/// Calls a method of the service at the socket `data/sock`; the answer, or the service's complaint.
pub fn call(rig: &Rig, method: &str, request: &Message) -> Result<Message, String> {
    let mut body = vec![0];
    body.extend(
        u32::try_from(request.0.len())
            .expect("a short message")
            .to_be_bytes(),
    );
    body.extend(&request.0);
    std::fs::write(rig.dir.join("request"), body).expect("a file");
    rig.ok(&format!(
        "curl -sS --http2-prior-knowledge --unix-socket data/sock -H 'content-type: application/grpc' \
         -H 'te: trailers' --data-binary @request -D head -o answer http://cri/{method} && touch answer"
    ));
    let head = std::fs::read_to_string(rig.dir.join("head")).expect("headers");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    if header("grpc-status: ").map(str::trim) != Some("0") {
        return Err(header("grpc-message: ").unwrap_or(&head).to_string());
    }
    let answer = std::fs::read(rig.dir.join("answer")).expect("an answer");
    Ok(Message(answer.get(5..).unwrap_or(&[]).to_vec()))
}
