//! `--filter KEY=VALUE`: which containers `ps` lists.
//!
//! Values of one key are alternatives, except labels, all of which must be there; all keys must hold.

use regex_lite::Regex;

use super::rows::{Container, State};

/// The filters of a command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    ids: Vec<Regex>,
    names: Vec<Regex>,
    labels: Vec<(String, Option<String>)>,
    states: Vec<State>,
    images: Vec<String>,
    exit_codes: Vec<i32>,
    before: Vec<String>,
    since: Vec<String>,
    volumes: Vec<String>,
    networks: Vec<String>,
}

impl Filters {
    /// Parses the values of `--filter`.
    ///
    /// # Errors
    /// One line about the first that is not understood.
    pub(crate) fn parse(filters: &[String]) -> Result<Self, String> {
        let mut parsed = Self::default();
        for filter in filters {
            parsed
                .add(filter)
                .map_err(|what| format!("--filter {filter}: {what}"))?;
        }
        Ok(parsed)
    }

    fn add(&mut self, filter: &str) -> Result<(), String> {
        let (key, value) = filter.split_once('=').ok_or("expected KEY=VALUE")?;
        let (key, value) = (key.trim().to_lowercase(), value.trim().to_owned());
        match key.as_str() {
            "id" => self.ids.push(pattern(&value)?),
            "name" => self.names.push(pattern(&value)?),
            "label" => self.labels.push(label(&value)),
            "status" => self.states.push(state(&value)?),
            "ancestor" => self.images.push(value),
            "exited" => self
                .exit_codes
                .push(value.parse().map_err(|_| "expected an exit code")?),
            "before" => self.before.push(value),
            "since" => self.since.push(value),
            "volume" => self.volumes.push(value),
            "network" => self.networks.push(value),
            "health" | "publish" | "expose" | "isolation" | "is-task" => {
                return Err("this filter is not built yet".to_owned());
            }
            _ => return Err("there is no such filter".to_owned()),
        }
        Ok(())
    }

    /// Whether containers that are not running are wanted, though `--all` was not given: where a
    /// filter speaks of their state or exit code.
    pub(crate) fn wants_all(&self) -> bool {
        !self.states.is_empty() || !self.exit_codes.is_empty()
    }

    /// The places in `all` of those that pass.
    ///
    /// # Errors
    /// One line when `before` or `since` names a container that is not there.
    pub(crate) fn passing(&self, all: &[Container]) -> Result<Vec<usize>, String> {
        let before = self
            .before
            .iter()
            .map(|name| find(all, name))
            .collect::<Result<Vec<_>, _>>()?;
        let since = self
            .since
            .iter()
            .map(|name| find(all, name))
            .collect::<Result<Vec<_>, _>>()?;
        let passes = |container: &Container| {
            self.passes(container)
                && before.iter().all(|other| container.created < other.created)
                && since.iter().all(|other| container.created > other.created)
        };
        Ok(all
            .iter()
            .enumerate()
            .filter(|(_, container)| passes(container))
            .map(|(i, _)| i)
            .collect())
    }

    fn passes(&self, container: &Container) -> bool {
        let code = |code: &i32| container.state == State::Exited && *code == container.exit_code;
        any(&self.ids, |id| id.is_match(&container.id))
            && any(&self.names, |name| matches_name(name, &container.name))
            && self.labels.iter().all(|label| has_label(container, label))
            && any(&self.states, |state| *state == container.state)
            && any(&self.images, |image| is_image(image, &container.image))
            && any(&self.exit_codes, code)
            && any(&self.volumes, |volume| container.mounts.contains(volume))
            && any(&self.networks, |network| *network == container.network)
    }
}

/// Whether one of the alternatives holds; none at all is no filter.
fn any<T>(alternatives: &[T], holds: impl Fn(&T) -> bool) -> bool {
    alternatives.is_empty() || alternatives.iter().any(holds)
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

/// Docker's names begin with a slash, and people's patterns may.
fn matches_name(pattern: &Regex, name: &str) -> bool {
    pattern.is_match(name) || pattern.is_match(&format!("/{name}"))
}

fn label(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn has_label(container: &Container, (key, value): &(String, Option<String>)) -> bool {
    match (container.labels.get(key), value) {
        (Some(is), Some(wanted)) => is == wanted,
        (found, None) => found.is_some(),
        (None, Some(_)) => false,
    }
}

fn state(word: &str) -> Result<State, String> {
    State::from_word(word).ok_or_else(|| {
        "expected created, running, paused, restarting, removing, exited or dead".to_owned()
    })
}

/// Whether an image goes by this name, with or without its tag.
fn is_image(wanted: &str, image: &str) -> bool {
    let untagged = image
        .rsplit_once(':')
        .filter(|(_, tag)| !tag.contains('/'))
        .map(|(name, _)| name);
    wanted == image || untagged == Some(wanted)
}

fn find<'c>(all: &'c [Container], name: &str) -> Result<&'c Container, String> {
    let named = all.iter().find(|container| container.name == name);
    let with_id = || {
        all.iter()
            .find(|container| !name.is_empty() && container.id.starts_with(name))
    };
    named
        .or_else(with_id)
        .ok_or_else(|| format!("--filter: there is no container {name}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::rows::tests::sample;
    use super::*;

    fn all() -> Vec<Container> {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut all = vec![
            sample("web", State::Running, at(1)),
            sample("web-old", State::Exited, at(2)),
            sample("db", State::Created, at(3)),
        ];
        all[2].image = "registry:5000/db:1.2".to_owned();
        all[2].labels.clear();
        all
    }

    fn passing(filters: &[&str]) -> Result<String, String> {
        let filters: Vec<_> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        let all = all();
        let passing = Filters::parse(&filters)?.passing(&all)?;
        Ok(passing
            .into_iter()
            .map(|i| all[i].name.as_str())
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn each_filter() {
        for (filters, names) in [
            (&[][..], "web web-old db"),
            (&["name=web"], "web web-old"),
            (&["name=^web$"], "web"),
            (&["name=^/web$"], "web"),
            (&["name=^db|old$"], "web-old db"),
            (&["id=^db0"], "db"),
            (&["label=tier"], "web web-old"),
            (&["label=tier=web", "label=b"], "web web-old"),
            (&["label=tier=db"], ""),
            (&["status=exited", "status=created"], "web-old db"),
            (&["status=stopped"], "web-old"),
            (&["exited=3"], "web-old"),
            (&["exited=0"], ""),
            (&["ancestor=registry:5000/db"], "db"),
            (&["ancestor=registry:5000/db:1.2"], "db"),
            (&["ancestor=registry"], ""),
            (&["ancestor=./rootfs"], "web web-old"),
            (&["before=web-old"], "web"),
            (&["since=web-old"], "db"),
            (&["volume=cache", "status=running"], "web"),
            (&["network=host"], ""),
            (&["Name = db"], "db"),
        ] {
            assert_eq!(passing(filters).unwrap(), names, "{filters:?}");
        }
    }

    #[test]
    fn faults_name_the_filter() {
        assert_eq!(
            passing(&["name"]).unwrap_err(),
            "--filter name: expected KEY=VALUE"
        );
        assert_eq!(
            passing(&["x=1"]).unwrap_err(),
            "--filter x=1: there is no such filter"
        );
        assert_eq!(
            passing(&["health=healthy"]).unwrap_err(),
            "--filter health=healthy: this filter is not built yet"
        );
        assert!(passing(&["status=up"]).unwrap_err().contains("running"));
        assert!(passing(&["exited=x"]).is_err());
        assert!(
            passing(&["name=("])
                .unwrap_err()
                .starts_with("--filter name=(: ")
        );
        assert_eq!(
            passing(&["before=x"]).unwrap_err(),
            "--filter: there is no container x"
        );
    }

    #[test]
    fn filters_about_ends_want_ended_containers() {
        assert!(
            Filters::parse(&["exited=0".to_owned()])
                .unwrap()
                .wants_all()
        );
        assert!(!Filters::parse(&["name=x".to_owned()]).unwrap().wants_all());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_filter_panics(key in "name|id|label|exited|status|before|[a-z]{0,3}", value in ".*") {
            let _ = Filters::parse(&[format!("{key}={value}"), value]);
        }
    }
}
