//! The grammar of option values, Docker's: pure functions from text to meaning.
//!
//! None of them knows the option that it parses for; the caller adds that to the fault.

pub mod capability;
pub mod device;
pub mod env;
pub mod keys;
pub mod log;
pub mod mount;
pub mod name;
pub mod namespace;
pub mod number;
pub mod restart;
pub mod security;
pub mod signal;
pub mod sysctl;
pub mod ulimit;
pub mod user;

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces that the grammars are made of, so that nonsense gets far into them.
    const PIECES: [&str; 44] = [
        "",
        " ",
        ",",
        ":",
        "=",
        "/",
        ".",
        "..",
        "-",
        "+",
        "\"",
        "\0",
        "\n",
        "%",
        "*",
        "0",
        "1",
        "65536",
        "4294967295",
        "18446744073709551616",
        "a",
        "Z",
        "é",
        "١",
        "/dev/null",
        "/a",
        "./b",
        "ro",
        "rshared",
        "type",
        "bind",
        "tmpfs",
        "src",
        "dst",
        "size",
        "mode",
        "auto",
        "container",
        "on-failure",
        "ctrl-",
        "RTMIN",
        "SIG",
        "nofile",
        "c 1",
    ];

    fn all_parse(text: &str) {
        _ = (
            number::size(text),
            number::nano_cpus(text),
            number::list(text),
            number::mode(text),
        );
        _ = (
            number::integer(text, i64::MIN, i64::MAX),
            number::unsigned(text, 0, u64::MAX),
        );
        _ = (mount::volume(text), mount::mount(text), mount::tmpfs(text));
        _ = (
            device::device(text),
            device::rule(text),
            ulimit::ulimit(text),
            sysctl::sysctl(text),
        );
        _ = (
            env::variable(text),
            env::file(text),
            env::label(text),
            user::user(text),
        );
        _ = (
            name::container(text),
            name::host(text),
            name::extra_host(text),
            name::absolute(text),
        );
        _ = (
            namespace::userns(text),
            namespace::pid(text),
            namespace::net(text),
            namespace::ipc(text),
        );
        _ = (
            signal::signal(text),
            restart::restart(text),
            keys::keys(text),
        );
        _ = (security::security(text), capability::named(text));
    }

    #[test]
    fn nonsense_is_refused_without_a_panic() {
        // A fixed sequence (a linear congruential generator), so that a failure comes again.
        let mut state: u64 = 1;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..6 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                text.push_str(PIECES[usize::try_from(state >> 33).unwrap() % PIECES.len()]);
            }
            all_parse(&text);
        }
    }
}
