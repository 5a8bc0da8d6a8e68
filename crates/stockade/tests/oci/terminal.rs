//! Terminals: the console socket gets a master that works.

use serde_json::json;
use sys::rustix;

use crate::harness::{Bundle, Console};

fn read_until(master: &sys::OwnedFd, text: &str) -> String {
    let mut all = String::new();
    let mut bytes = [0; 4096];
    while !all.contains(text) {
        match rustix::io::read(master, &mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(len) => all.push_str(&String::from_utf8_lossy(&bytes[..len])),
        }
    }
    all
}

#[test]
fn the_console_socket_gets_a_master_that_works() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let console = Console::listen(&bundle.below("console"));
    bundle.config["process"]["terminal"] = json!(true);
    bundle.config["process"]["consoleSize"] = json!({"height": 33, "width": 99});
    bundle.sh("stty size; tty; stat -c %t /dev/console; read line; echo got $line; sleep 100");
    bundle.write_config();
    bundle
        .call(&[
            "run",
            "-d",
            "--console-socket",
            &bundle.below("console"),
            &bundle.id,
        ])
        .ok();
    let master = console.take().0.expect("a descriptor");
    let text = read_until(&master, "88");
    assert!(
        text.contains("33 99") && text.contains("/dev/pts/0"),
        "{text:?}"
    );
    rustix::io::write(&master, b"hello\n").unwrap();
    let text = read_until(&master, "got hello");
    assert!(text.contains("got hello"), "{text:?}");
}

#[test]
fn control_c_reaches_the_payload() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    let console = Console::listen(&bundle.below("console"));
    bundle.config["process"]["terminal"] = json!(true);
    bundle
        .sh("trap 'echo interrupted' INT; echo ready; while true; do sleep 0.05; done")
        .write_config();
    bundle
        .call(&[
            "create",
            "--console-socket",
            &bundle.below("console"),
            &bundle.id,
        ])
        .ok();
    let master = console.take().0.expect("a descriptor");
    bundle.verb("start").ok();
    read_until(&master, "ready");
    rustix::io::write(&master, b"\x03").unwrap();
    assert!(read_until(&master, "interrupted").contains("interrupted"));
}

#[test]
fn exec_gets_a_terminal_of_its_own() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.sh("sleep 100").detach().ok();
    let console = Console::listen(&bundle.below("console"));
    let taker = std::thread::spawn(move || console.take());
    let socket = bundle.below("console");
    let words = [
        "exec",
        "-d",
        "-t",
        "--console-socket",
        &socket,
        &bundle.id,
        "sh",
        "-c",
        "tty; id -u; sleep 1",
    ];
    bundle.call(&words).ok();
    let master = taker.join().unwrap().0.expect("a descriptor");
    let text = read_until(&master, "\n0");
    assert!(text.contains("/dev/pts/0"), "{text:?}");
}

#[test]
fn a_terminal_that_nobody_takes_is_refused() {
    let Some(mut bundle) = Bundle::new() else {
        return;
    };
    bundle.config["process"]["terminal"] = json!(true);
    bundle.sh("true").create().fails("process.terminal");
    bundle.detach().fails("process.terminal");
    bundle
        .call(&["create", "--console-socket", "/no/socket", &bundle.id])
        .fails("--console-socket");
    bundle.assert_nothing_left("refusals");
}
