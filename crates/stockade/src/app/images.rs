//! `images`, `rmi`.

use std::path::Path;
use std::time::SystemTime;

use container::Store;
use image::{Digest, Summary};
use serde::Serialize;

use super::failure::{Failure, Outcome};
use super::print;
use crate::cli;
use crate::output::format::{Format, Row};
use crate::output::units;

/// What stands for a name that is not there.
const NONE: &str = "<none>";

/// A line of `images`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImageRow {
    containers: String,
    created_at: String,
    created_since: String,
    digest: String,
    #[serde(rename = "ID")]
    id: String,
    repository: String,
    size: String,
    tag: String,
}

impl Row for ImageRow {
    const HEADINGS: &'static [(&'static str, &'static str)] = &[
        ("Containers", "CONTAINERS"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedSince", "CREATED"),
        ("Digest", "DIGEST"),
        ("ID", "IMAGE ID"),
        ("Repository", "REPOSITORY"),
        ("Size", "SIZE"),
        ("Tag", "TAG"),
    ];
    const TABLE: &'static str = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
}

/// The image store; none where nothing was ever imported.
pub(super) fn open(store: &Store) -> Outcome<Option<image::Store>> {
    let path = format!("{}/images", store.data);
    Ok(match Path::new(&path).is_dir() {
        true => Some(image::Store::open(Path::new(&path))?),
        false => None,
    })
}

/// `images`.
pub(crate) fn list(store: &Store, request: &cli::Images) -> Outcome<()> {
    let format = Format::parse::<ImageRow>(request.format.as_deref());
    let format = format.map_err(|error| Failure::new(format!("--format: {error}")))?;
    let mut rows = Vec::new();
    if let Some(images) = open(store)? {
        for summary in images.list()? {
            let created = images.get(&summary.digest)?.and_then(|image| image.created);
            rows.extend(rows_of(store, request, &summary, created.as_deref())?);
        }
    }
    if request.quiet {
        let mut ids: Vec<String> = rows.into_iter().map(|row| row.id + "\n").collect();
        ids.dedup();
        return print::out(&ids.concat());
    }
    let text = format.render(&rows);
    print::out(&text.map_err(|error| Failure::new(format!("--format: {error}")))?)
}

/// A line for each of an image's names, of those that are wanted.
fn rows_of(
    store: &Store,
    request: &cli::Images,
    summary: &Summary,
    created: Option<&str>,
) -> Outcome<Vec<ImageRow>> {
    let now = SystemTime::now();
    let created = created.and_then(super::state::moment);
    let row = ImageRow {
        containers: users(store, &summary.digest)?.len().to_string(),
        created_at: created.map_or_else(|| "N/A".to_owned(), units::date_and_time),
        created_since: created.map_or_else(|| "N/A".to_owned(), |then| units::ago(then, now)),
        digest: summary.digest.to_string(),
        id: match request.no_trunc {
            true => summary.config_digest.to_string(),
            false => summary.config_digest.short().to_owned(),
        },
        size: units::decimal_size(summary.bytes),
        ..ImageRow::default()
    };
    let mut names: Vec<(&str, &str)> = summary.names.iter().map(|name| split(name)).collect();
    if names.is_empty() {
        names.push((NONE, NONE));
    }
    let wanted = |(repository, tag): &(&str, &str)| {
        request.name.as_deref().is_none_or(|name| {
            let (wanted, wanted_tag) = match name.rsplit_once(':') {
                Some((wanted, tag)) if !tag.contains('/') => (wanted, Some(tag)),
                _ => (name, None),
            };
            wanted == *repository && wanted_tag.is_none_or(|wanted| wanted == *tag)
        })
    };
    Ok(names
        .into_iter()
        .filter(wanted)
        .map(|(repository, tag)| ImageRow {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            ..row.clone()
        })
        .collect())
}

/// Repository and tag. A layout may name its image by the tag alone.
fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ if name.contains('/') => (name, NONE),
        _ => (NONE, name),
    }
}

/// The names of the containers that use an image.
pub(super) fn users(store: &Store, digest: &Digest) -> Outcome<Vec<String>> {
    let digest = digest.to_string();
    let mut users = Vec::new();
    for id in store.ids()? {
        if let Ok(settings) = store.open(&id).and_then(|directory| directory.settings())
            && settings.image_digest.as_ref() == Some(&digest)
        {
            users.push(settings.name);
        }
    }
    Ok(users)
}

/// `rmi`.
pub(crate) fn remove(store: &Store, request: &cli::RemoveImages) -> Outcome<()> {
    let images = open(store)?;
    let mut failures = Vec::new();
    for given in &request.images {
        let found = match &images {
            Some(images) => find(images, given),
            None => Err(no_such(given)),
        };
        match (found, &images) {
            (Ok(digest), Some(images)) => match remove_one(store, images, &digest) {
                Ok(_) => print::out(&format!("Deleted: {digest}\n"))?,
                Err(failure) => failures.push(failure),
            },
            (Err(_), _) if request.force => {}
            (Err(failure), _) => failures.push(failure),
            (Ok(_), None) => {}
        }
    }
    print::first_of(failures)
}

/// Removes an image that no container uses: the bytes that this freed.
pub(super) fn remove_one(store: &Store, images: &image::Store, digest: &Digest) -> Outcome<u64> {
    // A store that cannot be read must not look like one without users.
    let user = |digest: &Digest| match users(store, digest) {
        Ok(users) => users.into_iter().next(),
        Err(_) => Some("a container that cannot be read".to_owned()),
    };
    Ok(images.remove(digest, &|digest| {
        user(digest).map(|name| format!("container {name}"))
    })?)
}

/// The image of a name, a digest, or the unambiguous start of an id.
fn find(images: &image::Store, given: &str) -> Outcome<Digest> {
    let all = images.list()?;
    let named = |summary: &&Summary| {
        let names = &summary.names;
        let latest = || names.iter().any(|name| *name == format!("{given}:latest"));
        names.iter().any(|name| name == given) || latest()
    };
    if let Some(found) = all.iter().find(named) {
        return Ok(found.digest.clone());
    }
    let starts = |digest: &Digest| {
        let hex = given.split_once(':').map_or(given, |(_, hex)| hex);
        hex.len() >= 4 && digest.hex().starts_with(hex)
    };
    let mut found = all
        .iter()
        .filter(|summary| starts(&summary.digest) || starts(&summary.config_digest));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.digest.clone()),
        (Some(_), Some(_)) => Err(Failure::new(format!(
            "several images' ids start with {given}"
        ))),
        (None, _) => Err(no_such(given)),
    }
}

fn no_such(given: &str) -> Failure {
    Failure::new(format!("no such image: {given}"))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn names_of_images() {
        for (name, parts) in [
            (
                "docker.io/library/one:latest",
                ("docker.io/library/one", "latest"),
            ),
            ("localhost:5000/two", ("localhost:5000/two", "<none>")),
            ("latest", ("<none>", "latest")),
            ("one:1", ("one", "1")),
        ] {
            assert_eq!(split(name), parts, "{name}");
        }
    }
}
