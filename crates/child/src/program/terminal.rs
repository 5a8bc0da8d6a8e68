//! The container's terminal: a pseudo-terminal of its own devpts, made by the runtime.

use crate::bare::flags::{DEVPTS_SUPER_MAGIC, O_NOCTTY, O_NOFOLLOW, O_PATH, O_RDWR};
use crate::bare::{self, Fd, errno};
use crate::inside::Make;
use crate::op::{Op, part, request};
use crate::steps::{Child, Failure, In, Step};

const TIOCSPTLCK: u64 = 0x4004_5431;
const TIOCGPTPEER: u64 = 0x5441;
const TIOCSWINSZ: u64 = 0x5414;
const TIOCSCTTY: u64 = 0x540e;

impl Child {
    /// Makes the terminal, sends its master to the parent, and makes its other side stdin, stdout,
    /// stderr and the controlling terminal. flags bit 0: also `/dev/console`.
    pub fn make_terminal(&mut self, op: &Op) -> Step {
        let master = self.open_master()?;
        bare::ioctl_bytes(master, TIOCSPTLCK, &mut [0; 4])?;
        // The peer by descriptor, never by name: the name belongs to the image.
        let peer = bare::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY)? as Fd;
        set_size(master, op.n[0] as u16, op.n[1] as u16)?;
        if op.flags & 1 != 0 {
            self.make_console(peer)?;
        }
        self.request(request::TERMINAL, Some(master))?;
        bare::close(master);
        let uid = op.n[2] as u32;
        if uid != 0 {
            bare::chownat(peer, c"", uid, u32::MAX)?;
        }
        for standard in 0..3 {
            bare::dup_to(peer, standard)?;
        }
        if peer > 2 {
            bare::close(peer);
        }
        bare::ioctl(0, TIOCSCTTY, 0)?;
        self.terminal = true;
        Ok(())
    }

    fn open_master(&self) -> Result<Fd, Failure> {
        let pts = self
            .root
            .open_real_directory(c"/dev/pts")
            .part(part::TARGET)?;
        let master = bare::openat(pts, c"ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, 0);
        bare::close(pts);
        let master = master.part(part::SOURCE)?;
        if bare::fs_magic(master).part(part::CHECK)? != DEVPTS_SUPER_MAGIC {
            return Err(Failure {
                part: part::CHECK,
                errno: errno::EINVAL,
            });
        }
        Ok(master)
    }

    fn make_console(&mut self, peer: Fd) -> Step {
        let tree = bare::open_tree(peer, c"", false).part(part::SOURCE)?;
        match self.root.open(c"/dev/console", O_PATH | O_NOFOLLOW) {
            Ok(target) => bare::move_mount(tree, target)?,
            Err(errno::ENOENT) => {
                let target = self
                    .root
                    .open_or_make(c"/dev/console", Make::File)
                    .part(part::MAKE)?;
                bare::move_mount(tree, target)?;
            }
            Err(errno) => {
                return Err(Failure {
                    part: part::TARGET,
                    errno,
                });
            }
        }
        bare::close(tree);
        Ok(())
    }
}

fn set_size(master: Fd, rows: u16, columns: u16) -> Step {
    if rows == 0 && columns == 0 {
        return Ok(());
    }
    let mut size = [0u8; 8];
    size[..2].copy_from_slice(&rows.to_ne_bytes());
    size[2..4].copy_from_slice(&columns.to_ne_bytes());
    bare::ioctl_bytes(master, TIOCSWINSZ, &mut size)?;
    Ok(())
}
