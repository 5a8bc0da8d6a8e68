//! The built-in init: what PID 1 owes the processes below it, and nothing else.

use crate::bare::{self, errno};
use crate::steps::{Child, Step};

const WNOHANG: u64 = 1;
const SIGCHLD: i32 = 17;
const SIGTTIN: i32 = 21;
const SIGTTOU: i32 = 22;
const TIOCSPGRP: u64 = 0x5410;

impl Child {
    /// Splits in two: the new process goes on with the script, this one stays as PID 1, reaps, and
    /// passes signals on. It ends with the payload's status, as a shell would put it.
    pub fn become_init(&mut self) -> Step {
        bare::block_signals(true);
        let payload = bare::fork()?;
        if payload == 0 {
            self.own_group()?;
            return Ok(());
        }
        bare::close_from(0);
        bare::exit(serve(payload))
    }

    /// The payload is a process group of its own, so that signals to it do not hit its init, and it
    /// has the terminal where there is one.
    fn own_group(&self) -> Step {
        bare::own_process_group()?;
        if self.terminal {
            let mut group = bare::getpid().to_ne_bytes();
            bare::ioctl_bytes(0, TIOCSPGRP, &mut group)?;
        }
        Ok(())
    }
}

fn serve(payload: i32) -> i32 {
    loop {
        match bare::wait_signal(None) {
            Ok(SIGCHLD) => {
                if let Some(code) = reap(payload) {
                    return code;
                }
            }
            // The terminal's own; passing them on would stop the payload.
            Ok(SIGTTIN | SIGTTOU) | Err(_) => {}
            Ok(signal) => {
                let _ = bare::kill(payload, signal);
            }
        }
    }
}

/// Reaps all that ended: the payload's exit code once it is among them.
fn reap(payload: i32) -> Option<i32> {
    let mut code = None;
    loop {
        match bare::wait(-1, WNOHANG) {
            Ok((0, _)) | Err(errno::ECHILD) => return code,
            Ok((pid, status)) if pid == payload => code = Some(exit_code(status)),
            _ => {}
        }
    }
}

fn exit_code(status: i32) -> i32 {
    let signal = status & 0x7f;
    if signal == 0 {
        status >> 8 & 0xff
    } else {
        128 + signal
    }
}
