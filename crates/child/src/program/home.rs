//! The home directory of a user, from the `/etc/passwd` of the root.

use crate::bare::flags::{S_IFMT, S_IFREG};
use crate::bare::{self, AT_FDCWD, Fd};
use crate::op::Op;
use crate::steps::{Child, Step};

/// Open without waiting for a writer, should it be a FIFO.
const O_NONBLOCK: u64 = 0o4000;
/// A longer line is none.
const LONGEST: usize = 1024;
const PREFIX: usize = b"HOME=".len();

impl Child {
    /// Writes the directory into the script's text; without an entry that stays `/`. The file is the
    /// image's: whatever is in it, nothing happens but a useless HOME.
    pub fn home(&self, op: &Op) -> Step {
        let Ok(file) = bare::openat(AT_FDCWD, c"/etc/passwd", O_NONBLOCK, 0) else {
            return Ok(());
        };
        let regular = bare::fstat(file).is_ok_and(|status| status.mode & S_IFMT == S_IFREG);
        if regular {
            let room = (op.s[1].len as usize).saturating_sub(PREFIX);
            let at = op.s[1].off as usize + PREFIX;
            each_line(file, &mut |line| match directory(line, op.n[0]) {
                Some(found) if found.len() <= room => {
                    self.script.write_text(at, found);
                    true
                }
                Some(_) => true,
                None => false,
            });
        }
        bare::close(file);
        Ok(())
    }
}

/// Hands out each line until `done` says so.
fn each_line(file: Fd, done: &mut dyn FnMut(&[u8]) -> bool) {
    let mut space = [0u8; LONGEST];
    let mut held = 0;
    loop {
        let Some(room) = space.get_mut(held..).filter(|room| !room.is_empty()) else {
            return;
        };
        let got = bare::read(file, room).unwrap_or(0);
        let all = space.get(..held + got).unwrap_or(&[]);
        let mut used = 0;
        for line in all.split_inclusive(|byte| *byte == b'\n') {
            let whole = line.ends_with(b"\n");
            if !whole && got != 0 {
                break;
            }
            used += line.len();
            if done(line.strip_suffix(b"\n").unwrap_or(line)) {
                return;
            }
        }
        if got == 0 {
            return;
        }
        space.copy_within(used..held + got, 0);
        held = held + got - used;
    }
}

/// The sixth field of a line whose third is `uid`.
fn directory(line: &[u8], uid: u64) -> Option<&[u8]> {
    let mut fields = line.split(|byte| *byte == b':');
    let number = fields.nth(2)?;
    if number.is_empty() || decimal(number)? != uid {
        return None;
    }
    let found = fields.nth(2)?;
    (found.first() == Some(&b'/') && !found.contains(&0)).then_some(found)
}

fn decimal(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
