//! The grammars of `run`'s options, and the accounts of a root: no panic, whatever is typed.
#![no_main]

use front::app::Accounts;
use front::app::value::*;
use libfuzzer_sys::fuzz_target;

macro_rules! all {
    ($text:expr => $($parse:path),* $(,)?) => { $( let _ = $parse($text); )* };
}

fuzz_target!(|bytes: &[u8]| {
    let (passwd, group) = bytes.split_at(bytes.len() / 2);
    let _ = Accounts::parse(passwd, group);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    all!(text =>
        capability::named, device::device, device::rule, env::variable, env::file, env::label,
        keys::keys, mount::volume, mount::mount, mount::tmpfs, name::container, name::host,
        name::extra_host, name::absolute, name::boolean, namespace::pid, namespace::uts,
        namespace::cgroup, namespace::ipc, namespace::net, namespace::userns, number::mode,
        number::size, number::nano_cpus, number::list, restart::restart, security::security,
        signal::signal, sysctl::sysctl, ulimit::ulimit, user::user, user::who,
    );
});
