//! `start` and `delete`.

use engine::Result;

use crate::Success;
use crate::arguments::Arguments;
use crate::global::Global;

/// `start`.
pub(crate) fn start(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let words = arguments.parse("start", 1..=1, |_, _| Ok(false))?;
    global.engine.start(words[0])?;
    Ok(Success::default())
}

/// `delete`.
pub(crate) fn delete(global: &Global<'_>, arguments: &mut Arguments<'_>) -> Result<Success> {
    let mut force = false;
    let words = arguments.parse("delete", 1..=1, |arguments, option| {
        match option.name {
            "force" | "f" => force = arguments.switch(option)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    global.engine.delete(words[0], force)?;
    Ok(Success::default())
}
