//! Which option asked for which field.

use serde::{Deserialize, Serialize};

use crate::error::asked;

/// Where the values of a lowered specification come from.
///
/// A place is written as [`spec::Place`] displays: `mounts[7]`, `linux.resources.memory.limit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origins(Vec<(String, String)>);

impl Origins {
    /// Notes that `option` with `value` asked for the field at `place`.
    pub(crate) fn option(&mut self, place: &str, option: &str, value: &str) {
        self.0.push((place.to_owned(), asked(option, value)));
    }

    /// Notes that a flag asked for the field at `place`.
    pub(crate) fn flag(&mut self, place: &str, option: &str) {
        self.0.push((place.to_owned(), option.to_owned()));
    }

    /// Notes that `field` of the image's configuration asked for the field at `place`.
    pub(crate) fn image(&mut self, place: &str, field: &str) {
        self.0
            .push((place.to_owned(), format!("image config {field}")));
    }

    /// Notes the same text for another place.
    pub(crate) fn text(&mut self, place: String, text: String) {
        self.0.push((place, text));
    }

    /// What asked for the field at `place`, or for one below it, or for the nearest above it;
    /// `default` if nothing.
    pub fn of(&self, place: &str) -> &str {
        // The last word counts, as on the command line.
        let last = |matches: &dyn Fn(&str) -> bool| {
            self.0
                .iter()
                .rev()
                .find(|(known, _)| matches(known))
                .map(|(_, text)| text.as_str())
        };
        let below = |known: &str| {
            known
                .strip_prefix(place)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        if let Some(text) = last(&|known| known == place).or_else(|| last(&below)) {
            return text;
        }
        let mut wanted = place;
        loop {
            if let Some(text) = last(&|known| known == wanted) {
                return text;
            }
            let Some(end) = wanted.rfind(['.', '[']) else {
                return "default";
            };
            wanted = &wanted[..end];
        }
    }

    /// All that was asked: places and options, in the order of lowering.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(place, text)| (place.as_str(), text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_field_above_answers() {
        let mut origins = Origins::default();
        origins.option("mounts[7]", "--volume", "/a:/b");
        origins.option("linux.resources.memory.limit", "--memory", "1g");
        origins.option("linux.resources.memory.limit", "--memory", "2g");
        assert_eq!(origins.of("mounts[7].options"), "--volume /a:/b");
        assert_eq!(origins.of("linux.resources.memory.limit"), "--memory 2g");
        assert_eq!(origins.of("linux.resources.memory"), "--memory 2g");
        assert_eq!(origins.of("linux.resources.cpu"), "default");
        assert_eq!(origins.of("mounts[70]"), "default");
    }
}
