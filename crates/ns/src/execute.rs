//! Executing the command that all was made for: found as execvp(3) finds it, with the environment that
//! this process was started with.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use sys::{Errno, OwnedFd, initial, process, signal, spawn};

use crate::error::{Error, Result};

/// Where a command is looked for when `PATH` is not set, as glibc does it.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// The user's shell.
pub fn shell() -> &'static str {
    initial::variable("SHELL").unwrap_or("/bin/sh")
}

/// Executes `words` in the place of this process. Returns only to fail: 127 when there is no such program,
/// 126 when it cannot be executed.
pub fn execute(words: &[&str]) -> Error {
    execute_as(words.first().copied().unwrap_or(""), words)
}

/// Executes the user's shell as one that is logged in to, as unshare(1) and nsenter(1) do.
pub fn execute_shell() -> Error {
    let shell = shell();
    let name = shell.rsplit('/').next().unwrap_or(shell);
    execute_as(shell, &[&format!("-{name}")])
}

/// Waits for a child, and ends as it does: with its status, or by the signal that ended it, so that whoever
/// waits for this process is told the same. `blocked` are the signals to leave blocked.
///
/// # Errors
/// Those of waiting.
pub fn follow(child: &OwnedFd, blocked: signal::Set) -> Result<i32> {
    let ended = process::wait(child)?;
    if let process::Ended::Signal(number) = ended {
        // Not before: a signal from the terminal that the child has answered is answered.
        signal::set_blocked(blocked)?;
        signal::raise(number)?;
    }
    Ok(ended.code())
}

/// Executes `program`, which is told the words.
pub fn execute_as(program: &str, words: &[&str]) -> Error {
    let texts: Result<Vec<CString>> = words.iter().map(|word| text(word)).collect();
    let texts = match texts {
        Ok(texts) => texts,
        Err(error) => return error,
    };
    let arguments: Vec<&CStr> = texts.iter().map(CString::as_c_str).collect();
    let errno = attempt(program, &arguments, &initial::variables());
    let code = if errno == Errno::NOENT {
        NOT_FOUND
    } else {
        NOT_EXECUTABLE
    };
    Error::kernel(&format!("cannot execute {program:?}"), errno).code(code)
}

fn text(word: &str) -> Result<CString> {
    CString::new(word).map_err(|_| Error::new(format!("{word:?} holds a NUL")))
}

/// Tries each directory of `PATH`, unless the program is a path already. A file that may not be executed is
/// told of only when no other directory has one that may.
fn attempt(program: &str, arguments: &[&CStr], environment: &[&CStr]) -> Errno {
    let try_one = |path: &str| match CString::new(path) {
        Ok(path) => spawn::execute(&path, arguments, environment),
        Err(_) => Errno::NOENT,
    };
    if program.contains('/') {
        return try_one(program);
    }
    let path = initial::variable("PATH").unwrap_or(DEFAULT_PATH);
    let mut told = Errno::NOENT;
    for directory in path.split(':') {
        let directory = if directory.is_empty() { "." } else { directory };
        let mut whole = String::from(directory);
        whole.push('/');
        whole.push_str(program);
        match try_one(&whole) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => told = Errno::ACCESS,
            errno => return errno,
        }
    }
    told
}
