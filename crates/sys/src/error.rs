//! A failed system call: which call, on what, and the kernel's answer in words.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use rustix::io::Errno;

/// The result of a system call.
pub type Result<T> = core::result::Result<T, Error>;

/// A failed system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The system call's name, as in section 2 of the manual.
    pub call: &'static str,
    /// What it was asked to act upon: a path, a cgroup file, a process; may be empty.
    pub object: String,
    /// The kernel's answer.
    pub errno: Errno,
}

impl Error {
    /// An error of `call` on `object`.
    pub fn new(call: &'static str, object: &str, errno: Errno) -> Self {
        Self {
            call,
            object: object.to_owned(),
            errno,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)?;
        if !self.object.is_empty() {
            write!(f, " {}", self.object)?;
        }
        let (name, words) = describe(self.errno);
        write!(f, ": {words} ({name})")
    }
}

impl core::error::Error for Error {}

/// Adds the call's name and object to a bare errno.
pub trait OnCall<T> {
    /// Turns an errno into an [`Error`] of `call` on `object`.
    fn on(self, call: &'static str, object: &str) -> Result<T>;
}

impl<T> OnCall<T> for core::result::Result<T, Errno> {
    fn on(self, call: &'static str, object: &str) -> Result<T> {
        self.map_err(|errno| Error::new(call, object, errno))
    }
}

macro_rules! table {
    ($($name:ident $words:literal),* $(,)?) => {
        /// An errno's symbolic name and its words, as strerror(3) has them.
        pub fn describe(errno: Errno) -> (&'static str, &'static str) {
            match i64::from(errno.raw_os_error()) as i32 {
                $(libc::$name => (stringify!($name), $words),)*
                _ => ("unknown errno", "Unknown error"),
            }
        }
    };
}

table! {
    EPERM "Operation not permitted", ENOENT "No such file or directory", ESRCH "No such process",
    EINTR "Interrupted system call", EIO "Input/output error", ENXIO "No such device or address",
    E2BIG "Argument list too long", ENOEXEC "Exec format error", EBADF "Bad file descriptor",
    ECHILD "No child processes", EAGAIN "Resource temporarily unavailable",
    ENOMEM "Cannot allocate memory", EACCES "Permission denied", EFAULT "Bad address",
    ENOTBLK "Block device required", EBUSY "Device or resource busy", EEXIST "File exists",
    EXDEV "Invalid cross-device link", ENODEV "No such device", ENOTDIR "Not a directory",
    EISDIR "Is a directory", EINVAL "Invalid argument", ENFILE "Too many open files in system",
    EMFILE "Too many open files", ENOTTY "Inappropriate ioctl for device", ETXTBSY "Text file busy",
    EFBIG "File too large", ENOSPC "No space left on device", ESPIPE "Illegal seek",
    EROFS "Read-only file system", EMLINK "Too many links", EPIPE "Broken pipe",
    EDOM "Numerical argument out of domain", ERANGE "Numerical result out of range",
    EDEADLK "Resource deadlock avoided", ENAMETOOLONG "File name too long",
    ENOLCK "No locks available", ENOSYS "Function not implemented", ENOTEMPTY "Directory not empty",
    ELOOP "Too many levels of symbolic links", ENODATA "No data available", ETIME "Timer expired",
    EBADMSG "Bad message", EOVERFLOW "Value too large for defined data type",
    EUSERS "Too many users", ENOTSOCK "Socket operation on non-socket", EMSGSIZE "Message too long",
    ENOPROTOOPT "Protocol not available", EOPNOTSUPP "Operation not supported",
    EADDRINUSE "Address already in use", EADDRNOTAVAIL "Cannot assign requested address",
    ENETUNREACH "Network is unreachable", ECONNRESET "Connection reset by peer",
    ENOBUFS "No buffer space available", ENOTCONN "Transport endpoint is not connected",
    ETIMEDOUT "Connection timed out", ECONNREFUSED "Connection refused",
    ESTALE "Stale file handle", EDQUOT "Disk quota exceeded", ECANCELED "Operation canceled",
}
