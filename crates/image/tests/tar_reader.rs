//! The tar reader against another one, written by other people, on archives of random parts; and on
//! bytes that are no archive at all.
//!
//! What this reader accepts, the other must read as the same entries. What it refuses is checked by
//! the hostile archives.

mod support;

use image::Limits;
use image::tar::{Archive, Entry, Kind};
use proptest::prelude::*;
use support::tar::{Header, Tar};
use tar_core::EntryType;
use tar_core::parse::{Limits as TheirLimits, ParseEvent, ParsedEntry, Parser};

/// What both say of an entry.
#[derive(Debug, PartialEq)]
struct Seen {
    kind: Kind,
    path: Vec<u8>,
    link: Vec<u8>,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: i128,
    data: Vec<u8>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

fn ours(bytes: &[u8]) -> image::Result<Vec<Seen>> {
    let limits = Limits::default();
    let mut archive = Archive::new(bytes, &limits);
    let mut seen = Vec::new();
    while let Some(entry) = archive.next_entry()? {
        let mut data = Vec::new();
        archive.data(entry.size, |bytes| {
            data.extend_from_slice(bytes);
            Ok(())
        })?;
        seen.push(our_view(entry, data));
    }
    Ok(seen)
}

fn our_view(entry: Entry, data: Vec<u8>) -> Seen {
    Seen {
        kind: entry.kind,
        path: entry.path,
        link: entry.link,
        mode: entry.mode,
        uid: entry.uid.into(),
        gid: entry.gid.into(),
        mtime: entry.mtime.seconds.into(),
        data,
        xattrs: entry.xattrs,
    }
}

fn theirs(mut bytes: &[u8]) -> Result<Vec<Seen>, String> {
    let mut parser = Parser::new(TheirLimits::default());
    let mut seen = Vec::new();
    loop {
        match parser.parse(bytes).map_err(|error| error.to_string())? {
            // The end without its two zero blocks.
            ParseEvent::NeedData { .. } if bytes.is_empty() => return Ok(seen),
            ParseEvent::NeedData { .. } => return Err("cut off".to_owned()),
            ParseEvent::End { .. } => return Ok(seen),
            ParseEvent::GlobalExtensions { consumed, .. } => bytes = &bytes[consumed..],
            ParseEvent::SparseEntry { .. } => return Err("sparse".to_owned()),
            ParseEvent::Entry { consumed, entry } => {
                bytes = &bytes[consumed..];
                let size = usize::try_from(entry.size).map_err(|error| error.to_string())?;
                let padded = usize::try_from(entry.padded_size()).map_err(|e| e.to_string())?;
                let data = bytes.get(..size).ok_or("cut off")?.to_vec();
                seen.push(their_view(&entry, data)?);
                bytes = bytes.get(padded..).unwrap_or_default();
            }
        }
    }
}

fn their_view(entry: &ParsedEntry<'_>, data: Vec<u8>) -> Result<Seen, String> {
    let old_directory = entry.header.as_bytes()[156] == 0 && entry.path.ends_with(b"/");
    let kind = match entry.entry_type {
        EntryType::Regular | EntryType::Continuous if old_directory => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        EntryType::Link => Kind::HardLink,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Char => Kind::CharacterDevice,
        EntryType::Block => Kind::BlockDevice,
        EntryType::Directory => Kind::Directory,
        EntryType::Fifo => Kind::Fifo,
        other => return Err(format!("{other:?}")),
    };
    let is_link = matches!(kind, Kind::HardLink | Kind::Symlink);
    let link = entry
        .link_target
        .as_deref()
        .filter(|_| is_link)
        .unwrap_or_default();
    let xattrs = entry
        .xattrs
        .iter()
        .map(|(key, value)| (key.to_vec(), value.to_vec()));
    Ok(Seen {
        kind,
        path: entry.path.to_vec(),
        link: link.to_vec(),
        mode: entry.mode & 0o7777,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime.into(),
        data,
        xattrs: xattrs.collect(),
    })
}

/// One part of an archive.
#[derive(Clone, Debug)]
enum Part {
    Entry {
        kind: u8,
        path: String,
        link: String,
        field: Option<(usize, Vec<u8>)>,
        data: Vec<u8>,
    },
    Pax(Vec<(String, Vec<u8>)>),
    Long(bool, String),
    Comment,
    Zeros,
}

fn number() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[0-7 ]{7}".prop_map(String::into_bytes),
        "[ 0]{0,3}[0-7]{1,4}".prop_map(|text| (text + "\0").into_bytes()),
        any::<[u8; 3]>().prop_map(|low| [&[0x80, 0, 0, 0, 0][..], &low].concat()),
        any::<[u8; 8]>().prop_map(|bytes| bytes.to_vec()),
    ]
}

fn record() -> impl Strategy<Value = (String, Vec<u8>)> {
    let numeric = prop_oneof!["uid", "gid", "mtime", "size"];
    let value = prop_oneof![4 => "[0-9]{1,4}", 1 => "[0-9.+-]{0,5}"];
    let name = prop_oneof![
        "path",
        "linkpath",
        "comment",
        "uname",
        "SCHILY\\.xattr\\.user\\.[ab]"
    ];
    prop_oneof![
        (numeric, value.prop_map(String::into_bytes)),
        (name, prop::collection::vec(any::<u8>(), 0..12)),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let kind = prop_oneof![4 => Just(b'0'), 1 => prop::sample::select(&b"\x001234567"[..])];
    let place = prop::sample::select(&[100_usize, 108, 116, 136][..]);
    let entry = (
        kind,
        "[a-z./]{0,9}",
        "[a-z./]{1,9}",
        prop::option::weighted(0.3, (place, number())),
        prop::collection::vec(any::<u8>(), 0..700),
    );
    prop_oneof![
        8 => entry.prop_map(|(kind, path, link, field, data)| {
            let data = if matches!(kind, b'0' | b'7' | 0) { data } else { Vec::new() };
            Part::Entry { kind, path, link, field, data }
        }),
        3 => prop::collection::vec(record(), 1..4).prop_map(Part::Pax),
        2 => (any::<bool>(), "[a-z/]{1,150}").prop_map(|(link, name)| Part::Long(link, name)),
        1 => Just(Part::Comment),
        1 => Just(Part::Zeros),
    ]
}

fn write(parts: &[Part]) -> Vec<u8> {
    let mut tar = Tar::new();
    for part in parts {
        match part {
            Part::Entry {
                kind,
                path,
                link,
                field,
                data,
            } => {
                let header = Header::new(path.as_bytes(), *kind).link(link.as_bytes());
                // They read device numbers of all headers, and no binary ones.
                let header = header.device(1, 2);
                let header = match field {
                    Some((at, bytes)) => header.set(*at, bytes),
                    None => header,
                };
                tar.entry(header, data)
            }
            Part::Pax(records) => {
                let records: Vec<(&[u8], &[u8])> = records
                    .iter()
                    .map(|(key, value)| (key.as_bytes(), value.as_slice()))
                    .collect();
                tar.pax(&records)
            }
            Part::Long(link, name) => {
                let kind = if *link { b'K' } else { b'L' };
                let header = Header::new(b"././@LongLink", kind).set(257, b"ustar  \0");
                tar.entry(header, &[name.as_bytes(), b"\0"].concat())
            }
            Part::Comment => {
                let comment = support::tar::record(b"comment", b"x");
                tar.entry(Header::new(b"g", b'g'), &comment)
            }
            Part::Zeros => tar.raw(&[0; 512]),
        };
    }
    // They mind when only one zero block is left of the end, because a size reached into it.
    tar.raw(&[0; 16384]).finish()
}

/// What is known to differ: they take whole seconds only and none before 1970, keep every one of
/// several attributes of the same name, and let an empty record override.
fn comparable(parts: &[Part]) -> bool {
    !parts.iter().any(|part| match part {
        Part::Pax(records) => {
            let keys: std::collections::BTreeSet<_> = records.iter().map(|(key, _)| key).collect();
            let whole = |(key, value): &(String, Vec<u8>)| {
                key != "mtime" || value.iter().all(u8::is_ascii_digit)
            };
            keys.len() < records.len()
                || !records
                    .iter()
                    .all(|record| !record.1.is_empty() && whole(record))
        }
        Part::Entry {
            field: Some((_, bytes)),
            ..
        } => bytes[0] & 0xc0 == 0xc0,
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_accepted_is_read_alike(parts in prop::collection::vec(part(), 1..6)) {
        let bytes = write(&parts);
        let seen = ours(&bytes);
        if let (Ok(seen), true) = (seen, comparable(&parts)) {
            let others = theirs(&bytes);
            prop_assert!(others.is_ok(), "they refuse: {:?}", others);
            prop_assert_eq!(seen, others.unwrap());
        }
    }

    #[test]
    fn damage_never_panics(
        parts in prop::collection::vec(part(), 1..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = write(&parts);
        for (at, byte) in damage {
            *at.get_mut(&mut bytes) = byte;
        }
        let length = length.index(bytes.len() + 1);
        let _ = ours(&bytes[..length]);
        let _ = ours(&bytes);
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let _ = ours(&bytes);
    }
}
