//! Jails on the real kernel, by the commands that FreeBSD's administrators type.

#[path = "../common/app.rs"]
#[allow(dead_code, reason = "shared with the tests of people's containers")]
mod app;
mod confined;
mod life;
mod limits;
mod listing;
mod parameters;
mod shared;
mod yard;
