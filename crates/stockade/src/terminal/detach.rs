//! The keys that detach from a container: `--detach-keys ctrl-p,ctrl-q`.

/// The keys that detach unless others are given.
pub(crate) const DEFAULT: &str = "ctrl-p,ctrl-q";

/// How many keys a sequence may have.
const MOST: usize = 16;

/// Watches what is typed for the sequence of keys, and lets everything else through.
#[derive(Clone, Debug)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    /// How many keys of the sequence were typed, and are held back.
    held: usize,
}

impl DetachKeys {
    /// Parses keys separated by commas: a character, or `ctrl-` and one of `a`-`z @ [ \ ] ^ _`.
    /// The empty text is no sequence: nothing detaches.
    ///
    /// # Errors
    /// One line that names the key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let keys = match text {
            "" => Vec::new(),
            text => text.split(',').map(key).collect::<Result<_, _>>()?,
        };
        if keys.len() > MOST {
            return Err(format!("--detach-keys: more than {MOST} keys"));
        }
        Ok(Self { keys, held: 0 })
    }

    /// Appends to `through` what `typed` lets through. Says whether the sequence is complete; then
    /// what follows it is dropped.
    pub(crate) fn watch(&mut self, typed: &[u8], through: &mut Vec<u8>) -> bool {
        if self.keys.is_empty() {
            through.extend_from_slice(typed);
            return false;
        }
        for byte in typed {
            self.step(*byte, through);
            if self.held == self.keys.len() {
                self.held = 0;
                return true;
            }
        }
        false
    }

    fn step(&mut self, byte: u8, through: &mut Vec<u8>) {
        while self.held > 0 && self.keys[self.held] != byte {
            let kept = self.border();
            through.extend_from_slice(&self.keys[..self.held - kept]);
            self.held = kept;
        }
        if self.keys[self.held] == byte {
            self.held += 1;
        } else {
            through.push(byte);
        }
    }

    /// How many of the keys held, at their end, begin the sequence anew: of `a a b`, with `a a` held
    /// and another `a` typed, one.
    fn border(&self) -> usize {
        let held = &self.keys[..self.held];
        (0..self.held)
            .rev()
            .find(|n| held.ends_with(&self.keys[..*n]))
            .unwrap_or(0)
    }

    /// Lets through what is held back: at the end of what is typed.
    pub(crate) fn flush(&mut self, through: &mut Vec<u8>) {
        through.extend_from_slice(&self.keys[..self.held]);
        self.held = 0;
    }
}

fn key(text: &str) -> Result<u8, String> {
    let bytes = text.strip_prefix("ctrl-").unwrap_or(text).as_bytes();
    match (bytes, text.starts_with("ctrl-")) {
        ([byte], false) if byte.is_ascii() => Ok(*byte),
        ([byte @ (b'a'..=b'z' | b'@' | b'['..=b'_')], true) => Ok(byte & 0x1f),
        _ => Err(format!(
            "--detach-keys: '{text}' is no key; hint: a character, or ctrl- and a letter"
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(text: &str) -> Vec<u8> {
        DetachKeys::parse(text).unwrap().keys
    }

    /// What passes, and whether it detaches, when the bytes arrive one by one.
    fn typed(keys: &str, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut detach = DetachKeys::parse(keys).unwrap();
        let mut through = Vec::new();
        for byte in typed {
            if detach.watch(&[*byte], &mut through) {
                return (through, true);
            }
        }
        detach.flush(&mut through);
        (through, false)
    }

    #[test]
    fn the_grammar_is_dockers() {
        assert_eq!(keys(DEFAULT), [16, 17]);
        assert_eq!(
            keys("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,ctrl-z"),
            [0, 27, 28, 29, 30, 31, 26]
        );
        assert_eq!(keys("a,B,-"), b"aB-");
        assert_eq!(keys(""), b"");
        for text in [
            "ctrl-", "ctrl-A", "ctrl-1", "ab", "a,,b", ",", "é", "ctrl-aa",
        ] {
            assert!(DetachKeys::parse(text).is_err(), "{text}");
        }
        assert!(DetachKeys::parse(&["a"; 17].join(",")).is_err());
    }

    #[test]
    fn the_sequence_detaches_and_all_else_passes() {
        assert_eq!(typed(DEFAULT, b"ls\x10\x11rest"), (b"ls".to_vec(), true));
        assert_eq!(typed(DEFAULT, b"\x10x\x11"), (b"\x10x\x11".to_vec(), false));
        assert_eq!(typed(DEFAULT, b"\x10\x10\x11"), (b"\x10".to_vec(), true));
        assert_eq!(typed(DEFAULT, b"x\x10"), (b"x\x10".to_vec(), false));
        assert_eq!(typed("a,a,b", b"aaab"), (b"a".to_vec(), true));
        assert_eq!(typed("a,b,a,c", b"abababac"), (b"abab".to_vec(), true));
        assert_eq!(typed("", b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }

    #[test]
    fn what_follows_the_sequence_is_dropped() {
        let mut detach = DetachKeys::parse("q").unwrap();
        let mut through = Vec::new();
        assert!(detach.watch(b"abqcd", &mut through));
        assert_eq!(through, b"ab");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Beside a search over the whole text.
        #[test]
        fn it_finds_the_first_sequence(text in "[abc]{0,40}", sequence in "[abc]{1,5}") {
            let keys = sequence.chars().map(String::from).collect::<Vec<_>>().join(",");
            let wanted = match text.find(&sequence) {
                Some(at) => (text.as_bytes()[..at].to_vec(), true),
                None => (text.as_bytes().to_vec(), false),
            };
            prop_assert_eq!(typed(&keys, text.as_bytes()), wanted);
        }
    }
}
