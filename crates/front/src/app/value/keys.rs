//! `--detach-keys`: the keys that leave an attached container running.

use crate::error::{Fault, Parsed};

/// What is used when nothing is said: `ctrl-p,ctrl-q`.
pub const DEFAULT: [u8; 2] = [0x10, 0x11];

/// A comma-separated list of single ASCII characters and `ctrl-X`, as the bytes a terminal sends.
/// The empty text means that no keys detach.
pub fn keys(text: &str) -> Parsed<Vec<u8>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(key).collect()
}

fn key(text: &str) -> Parsed<u8> {
    let code = match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        [b'c', b't', b'r', b'l', b'-', byte] => control(*byte),
        b"DEL" => Some(127),
        _ => None,
    };
    code.ok_or_else(|| Fault::usage(format!("{text:?} is not a key")).hint("such as ctrl-p,ctrl-q"))
}

/// What the control key makes of a letter or of one of `@ [ \ ] ^ _`.
fn control(byte: u8) -> Option<u8> {
    matches!(byte, b'a'..=b'z' | b'@' | b'['..=b'_').then_some(byte & 0x1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_docker_reads_them() {
        assert_eq!(keys("ctrl-p,ctrl-q"), Ok(DEFAULT.to_vec()));
        assert_eq!(keys("ctrl-@,a,ctrl-["), Ok(vec![0, b'a', 27]));
        assert_eq!(
            keys("ctrl-^,ctrl-_,ctrl-\\,ctrl-]"),
            Ok(vec![30, 31, 28, 29])
        );
        assert_eq!(keys(""), Ok(vec![]));
        for text in ["ctrl-", "ctrl-A", "ctrl-1", "ab", "a,", "é"] {
            assert!(keys(text).is_err(), "{text:?}");
        }
    }
}
