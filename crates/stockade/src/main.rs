//! The binary: dispatch by program name and verb, and all printing.
#![deny(unsafe_code)]
#![cfg_attr(not(test), no_main)]

mod app;
mod by_hand;
mod cli;
mod entry;
mod jail;
mod oci;
mod output;
mod shim;
mod terminal;

use entry::Early;

#[cfg_attr(test, expect(dead_code, reason = "tests have a main of their own"))]
/// What the program does once the C library is there: its exit status.
fn after_library() -> i32 {
    let words: Vec<String> = std::env::args().collect();
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    let code = match entry::kind(&plain) {
        Early::Oci => oci::run(&plain),
        Early::Monitor => container::monitor(plain.get(2..).unwrap_or(&[])),
        Early::Shim => shim::run(&plain),
        Early::Ns | Early::No => {
            jail::act(&words).unwrap_or_else(|| manage(words.get(1..).unwrap_or(&[])))
        }
    };
    terminal::give_back();
    code
}

fn manage(words: &[String]) -> i32 {
    match cli::parse(words) {
        Ok(request) => app::act(request),
        Err(cli::Refusal::Page(page)) => {
            print!("{page}");
            0
        }
        Err(cli::Refusal::Mistake(line)) => {
            eprintln!("{line}");
            cli::MISTAKE_CODE.into()
        }
    }
}
