//! Imports an image into a store and says what it found and how long it took:
//! `import STORE SOURCE [REFERENCE]`; with `STORE verify`, `STORE list` or `STORE gc`, does that.

use std::path::Path;
use std::time::Instant;

use image::{Digest, Progress, Request, Store};

struct Lines;

impl Progress for Lines {
    fn layer(&mut self, index: usize, count: usize, digest: &Digest) {
        eprintln!("layer {} of {count}: {digest}", index + 1);
    }

    fn waiting(&mut self, digest: &Digest) {
        eprintln!("waiting for {digest}");
    }

    fn note(&mut self, text: &str) {
        eprintln!("note: {text}");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let start = Instant::now();
    if let Err(error) = act(&arguments) {
        eprintln!("error: {error}");
        if let Some(hint) = error.hint_text() {
            eprintln!("hint: {hint}");
        }
        std::process::exit(1);
    }
    eprintln!("{:?}", start.elapsed());
}

fn act(arguments: &[String]) -> image::Result<()> {
    let store = Store::open(Path::new(&arguments[0]))?;
    match arguments[1].as_str() {
        "verify" => store.verify()?.iter().for_each(|wrong| println!("{wrong}")),
        "list" => store.list()?.iter().for_each(|image| println!("{image:?}")),
        "gc" => println!("{} bytes", store.gc()?),
        source => {
            let reference = arguments.get(2).map(String::as_str);
            let request = Request {
                reference,
                ..Request::of(Path::new(source))
            };
            let image = store.import(request, &mut Lines)?;
            println!("{} {} {:?}", image.digest, image.platform, image.names);
            image
                .layers
                .iter()
                .for_each(|layer| println!("{}", layer.display()));
        }
    }
    Ok(())
}
