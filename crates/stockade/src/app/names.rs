//! Ids and names for containers that got none.

use sys::rustix::rand::{GetRandomFlags, getrandom};

use super::failure::{Failure, Outcome};

const ADJECTIVES: [&str; 32] = [
    "able", "amber", "bold", "brave", "brisk", "calm", "clear", "clever", "cosy", "deep", "eager",
    "early", "fair", "fleet", "fresh", "gentle", "glad", "keen", "kind", "lively", "lucid",
    "merry", "mild", "neat", "nimble", "proud", "quiet", "rapid", "steady", "sunny", "tidy",
    "warm",
];
const NOUNS: [&str; 32] = [
    "badger", "barn", "beam", "birch", "bridge", "brook", "cedar", "cliff", "crane", "falcon",
    "fern", "field", "gate", "grove", "harbour", "hazel", "heron", "hill", "lark", "maple",
    "meadow", "mill", "otter", "paddock", "plover", "reed", "ridge", "spruce", "stream", "tower",
    "wall", "willow",
];

/// A container's id: 64 random hexadecimal digits.
pub(crate) fn new_id() -> Outcome<String> {
    let mut bytes = [0u8; 32];
    getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|errno| Failure::from(sys::Error::new("getrandom", "", errno)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A name made of an id: two words, and digits from the second attempt on.
pub(crate) fn name_of(id: &str, attempt: usize) -> String {
    let byte = |at: usize| usize::from(id.as_bytes().get(at).copied().unwrap_or(0));
    let pick = |at: usize| {
        byte(at)
            .wrapping_mul(31)
            .wrapping_add(byte(at + 1).wrapping_mul(7))
            % 32
    };
    let (adjective, noun) = (ADJECTIVES[pick(2 * attempt)], NOUNS[pick(2 * attempt + 20)]);
    if attempt == 0 {
        format!("{adjective}_{noun}")
    } else {
        format!("{adjective}_{noun}{}", pick(attempt))
    }
}
