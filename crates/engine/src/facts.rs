//! What this host and process can do, by few system calls.

use plan::Facts;
use spec::CapSet;
use sys::error::OnCall;
use sys::rustix::thread::capabilities;

use crate::error::Result;

/// Looks at the process.
pub(crate) fn find() -> Result<Facts> {
    let own = capabilities(None).on("capget", "")?;
    Ok(Facts {
        permitted: CapSet(own.permitted.bits()),
    })
}
