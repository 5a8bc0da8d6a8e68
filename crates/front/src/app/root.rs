//! What ROOT on the command line is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::machine::Machine;
use crate::error::{Fault, Parsed, Result, words};

/// What the person named as ROOT. Paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// `host`: the machine's own programs, with everything else the container's own.
    Host,
    /// A directory that is a root file system.
    Directory(String),
    /// A directory in the OCI image layout.
    OciLayout {
        /// The directory.
        path: String,
        /// Which of its images, from `PATH:REFERENCE`.
        reference: Option<String>,
    },
    /// A tar file with an OCI layout or a `docker save` in it, perhaps compressed.
    Archive {
        /// The file.
        path: String,
        /// Which of its images, from `PATH:REFERENCE`.
        reference: Option<String>,
    },
}

const KINDS: &str = "`host`, a directory, an OCI image layout, or an OCI or Docker archive";

/// Finds out what `text` names. A directory called `host` is `./host`.
///
/// # Errors
/// There is nothing of that name, or it is neither directory nor archive.
pub fn classify(text: &str, machine: &Machine) -> Result<Root> {
    if text == "host" {
        return Ok(Root::Host);
    }
    found(text, machine).map_err(|fault| fault.at(format!("ROOT {text}")))
}

fn found(text: &str, machine: &Machine) -> Parsed<Root> {
    if text.is_empty() || text.contains('\0') {
        return Err(Fault::usage("not a path").hint(KINDS));
    }
    let path = machine.absolute(text);
    if Path::new(&path).symlink_metadata().is_ok() {
        return kind(&path, None);
    }
    if let Some((path, reference)) = path.rsplit_once(':')
        && !reference.contains('/')
        && Path::new(path).exists()
    {
        return kind(path, Some(reference.to_owned()));
    }
    let fault = Fault::not_found("no such file or directory");
    let looks_like_a_name = !text.starts_with(['/', '.']) && !text.ends_with(".tar");
    Err(if looks_like_a_name {
        fault.hint("images are not pulled by name yet; ROOT is `host`, a directory, an OCI layout or an archive")
    } else {
        fault.hint(KINDS)
    })
}

fn kind(path: &str, reference: Option<String>) -> Parsed<Root> {
    let what = std::fs::metadata(path).map_err(|error| Fault::not_found(words(&error)))?;
    if what.is_dir() {
        return directory(path, reference);
    }
    if !what.is_file() {
        return Err(Fault::usage("neither a directory nor a file").hint(KINDS));
    }
    match archive(path)? {
        true => Ok(Root::Archive {
            path: path.to_owned(),
            reference,
        }),
        false => Err(Fault::usage("neither a directory nor a tar archive").hint(KINDS)),
    }
}

fn directory(path: &str, reference: Option<String>) -> Parsed<Root> {
    let real = std::fs::canonicalize(path)?;
    if real == Path::new("/") {
        return Err(Fault::usage("the machine's own root")
            .hint("use `host`, which shares it copy-on-write"));
    }
    let has = |name: &str| real.join(name).is_file();
    if has("oci-layout") && has("index.json") {
        return Ok(Root::OciLayout {
            path: path.to_owned(),
            reference,
        });
    }
    match reference {
        None => Ok(Root::Directory(path.to_owned())),
        Some(_) => Err(Fault::usage(
            "a reference goes with an OCI layout or an archive, not with a plain directory",
        )),
    }
}

/// Whether a file begins like a tar archive or like something compressed that may hold one.
fn archive(path: &str) -> Parsed<bool> {
    const TAR: std::ops::Range<usize> = 257..262;
    let mut start = Vec::with_capacity(512);
    File::open(path)?.take(512).read_to_end(&mut start)?;
    for (magic, name) in [(&b"\xfd7zXZ\0"[..], "xz"), (b"BZh", "bzip2")] {
        if start.starts_with(magic) {
            return Err(Fault::unsupported(format!("{name} compression: not built"))
                .hint("gzip, zstd or none"));
        }
    }
    let compressed = [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd]];
    let ustar = start.get(TAR) == Some(b"ustar");
    Ok(ustar || compressed.iter().any(|magic| start.starts_with(magic)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn machine(dir: &Path) -> Machine {
        Machine {
            directory: dir.to_str().unwrap().to_owned(),
            ..Machine::default()
        }
    }

    #[test]
    fn kinds_of_roots() {
        let dir = crate::scratch::tempdir().unwrap();
        let at = |name: &str| format!("{}/{name}", dir.path().display());
        let machine = machine(dir.path());
        fs::create_dir_all(dir.path().join("layout")).unwrap();
        fs::create_dir(dir.path().join("host")).unwrap();
        fs::write(dir.path().join("layout/oci-layout"), "{}").unwrap();
        fs::write(dir.path().join("layout/index.json"), "{}").unwrap();
        fs::write(
            dir.path().join("a.tar"),
            [&[0; 257][..], b"ustar", &[0; 250]].concat(),
        )
        .unwrap();
        fs::write(dir.path().join("a.tgz"), b"\x1f\x8b\x08").unwrap();
        assert_eq!(classify("host", &machine), Ok(Root::Host));
        assert_eq!(
            classify("./host", &machine),
            Ok(Root::Directory(at("host")))
        );
        assert_eq!(
            classify("layout", &machine),
            Ok(Root::OciLayout {
                path: at("layout"),
                reference: None
            })
        );
        let tagged = Root::OciLayout {
            path: at("layout"),
            reference: Some("v1".to_owned()),
        };
        assert_eq!(classify("layout:v1", &machine), Ok(tagged));
        for name in ["a.tar", "a.tgz"] {
            assert_eq!(
                classify(name, &machine),
                Ok(Root::Archive {
                    path: at(name),
                    reference: None
                })
            );
        }
    }

    #[test]
    fn what_is_no_root() {
        let dir = crate::scratch::tempdir().unwrap();
        fs::write(dir.path().join("text"), "hello").unwrap();
        fs::write(dir.path().join("a.xz"), b"\xfd7zXZ\0").unwrap();
        let line = |text: &str| {
            classify(text, &machine(dir.path()))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            line("debian:12"),
            "ROOT debian:12: no such file or directory; hint: images are not pulled by name yet; \
             ROOT is `host`, a directory, an OCI layout or an archive"
        );
        assert!(
            line("./nothing")
                .starts_with("ROOT ./nothing: no such file or directory; hint: `host`")
        );
        assert!(line("text").starts_with("ROOT text: neither a directory nor a tar archive"));
        assert!(line("a.xz").starts_with("ROOT a.xz: xz compression: not built"));
        assert!(line("/").contains("use `host`"));
        assert!(line("/../").contains("use `host`"));
        assert!(line("/dev/null").contains("neither a directory nor a file"));
    }
}
