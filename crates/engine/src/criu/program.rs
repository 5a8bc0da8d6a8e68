//! Finding criu.

use alloc::ffi::CString;
use alloc::format;

use sys::initial;
use sys::rustix::fs::{Access, access};

use crate::error::{Error, Kind, Result};

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// criu's path, by PATH as runc looks for it.
pub(super) fn find() -> Result<CString> {
    let path = initial::variable("PATH").unwrap_or(DEFAULT_PATH);
    path.split(':')
        .filter(|dir| dir.starts_with('/'))
        .filter_map(|dir| CString::new(format!("{dir}/criu")).ok())
        .find(|program| access(program.as_c_str(), Access::EXEC_OK).is_ok())
        .ok_or_else(|| {
            Error::new(Kind::Unsupported, "criu: no such program in PATH")
                .hint("checkpoints are criu's work: install criu 4 or later (Debian 13's)")
        })
}
