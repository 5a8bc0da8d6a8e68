//! The first process of a container: a static program of its own, executed from a sealed memory file.
//!
//! It has no allocator, no locks and no words: it runs the ops of a script one after the other, and
//! says in two integers which one failed and why. The parent owns all messages.
#![no_std]
#![no_main]

mod attributes;
#[path = "../../../sys/src/bare.rs"]
mod bare;
mod home;
mod init;
mod inside;
mod keeper;
mod left;
#[path = "../../../sys/src/mapping.rs"]
mod mapping;
mod mounts;
#[path = "../op.rs"]
mod op;
mod payload;
mod process;
#[path = "../../../sys/src/raw.rs"]
mod raw;
mod script;
#[path = "../../../sys/src/startup.rs"]
mod startup;
mod steps;
mod terminal;

use script::Script;

/// Arguments: the script's descriptor and its length, in decimal.
fn run(arguments: startup::Arguments) -> i32 {
    let _ = bare::prctl(steps::PR_SET_DUMPABLE, 0, 0);
    // What is made here gets the modes that the script says.
    bare::umask(0);
    let Some(fd) = arguments.get(1).and_then(decimal) else {
        return 125;
    };
    let Some(len) = arguments.get(2).and_then(decimal) else {
        return 125;
    };
    let _ = bare::set_cloexec(fd, true);
    let Some(script) = Script::map(fd, len) else {
        return 125;
    };
    let mut child = steps::Child::new(script, fd);
    child.run();
    125
}

fn decimal<N: core::str::FromStr>(text: &core::ffi::CStr) -> Option<N> {
    text.to_str().ok()?.parse().ok()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    bare::exit(125)
}
