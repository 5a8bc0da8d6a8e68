//! Running containers, as options refer to them (`--pid container:NAME`).

use container::Store;
use engine::Status;
use front::Fault;
use front::app::Containers;

/// The containers of a store.
pub(crate) struct Running<'s>(pub(crate) &'s Store);

impl Containers for Running<'_> {
    fn directory(&self, container: &str) -> Result<String, Fault> {
        let id = self.0.find(container);
        let id = id.map_err(|error| Fault::not_found(error.message))?;
        Ok(self.0.path(&id))
    }

    fn namespace(&self, container: &str, kind: &str) -> Result<String, Fault> {
        let id = self
            .0
            .find(container)
            .map_err(|error| Fault::not_found(error.message))?;
        match self.0.engine.inspect(&id) {
            Ok((record, Status::Running | Status::Paused)) => {
                Ok(sys::process::namespace_path(record.pid, kind))
            }
            _ => Err(Fault::usage(format!("container {container} does not run"))),
        }
    }
}
