//! What people and scripts read: rows of `ps` and `stats`, `inspect`'s objects, and how these are
//! chosen (`filter`), shaped (`format`, `template`, `table`) and worded (`units`).

pub(crate) mod filter;
pub(crate) mod format;
pub(crate) mod inspect;
pub(crate) mod progress;
pub(crate) mod rows;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod units;
