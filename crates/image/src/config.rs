//! An image's configuration: what to run in it, and which layers it is made of.
//!
//! OCI image-spec, image configuration. All of it is the image's word: the caller decides what of it
//! may reach a container, and none of it may reach the host.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::manifest::json;
use crate::platform::Platform;

/// What an image says about the containers that are made of it.
///
/// A field that the image does not have is empty. No string contains NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    /// The program and its first arguments.
    #[serde(deserialize_with = "nullable")]
    pub entrypoint: Vec<String>,
    /// Further arguments, or the command where there is no entry point.
    #[serde(deserialize_with = "nullable")]
    pub cmd: Vec<String>,
    /// The environment, as `NAME=VALUE`.
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<String>,
    /// `USER`, `UID`, `USER:GROUP`…, in the image's own terms.
    #[serde(deserialize_with = "nullable")]
    pub user: String,
    /// The working directory.
    #[serde(deserialize_with = "nullable")]
    pub working_dir: String,
    /// The signal that asks the program to end, by name or number.
    #[serde(deserialize_with = "nullable")]
    pub stop_signal: String,
    /// Free text about the image.
    #[serde(deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// Such as `80/tcp`.
    #[serde(deserialize_with = "keys")]
    pub exposed_ports: Vec<String>,
    /// Paths that want storage of their own.
    #[serde(deserialize_with = "keys")]
    pub volumes: Vec<String>,
    /// How to ask whether the program is well.
    pub healthcheck: Option<Healthcheck>,
    /// The shell of commands that are given as one string.
    #[serde(deserialize_with = "nullable")]
    pub shell: Vec<String>,
}

/// Docker's health check. Times are in nanoseconds, 0 for the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `NONE`, `CMD …` or `CMD-SHELL …`.
    #[serde(deserialize_with = "nullable")]
    pub test: Vec<String>,
    /// Between two checks.
    pub interval: u64,
    /// For one check.
    pub timeout: u64,
    /// In which a failure does not count.
    pub start_period: u64,
    /// Between two checks while it starts.
    pub start_interval: u64,
    /// Failures in a row that make it unhealthy.
    pub retries: u64,
}

impl ImageConfig {
    /// Every string of it, with its field's name.
    fn strings(&self) -> impl Iterator<Item = (&'static str, &str)> {
        fn named<'a>(
            name: &'static str,
            list: &'a [String],
        ) -> impl Iterator<Item = (&'static str, &'a str)> {
            list.iter().map(move |item| (name, item.as_str()))
        }
        let labels = self
            .labels
            .iter()
            .flat_map(|(key, value)| [key.as_str(), value.as_str()]);
        let health = self
            .healthcheck
            .as_ref()
            .map_or(&[][..], |check| &check.test);
        named("Entrypoint", &self.entrypoint)
            .chain(named("Cmd", &self.cmd))
            .chain(named("Env", &self.env))
            .chain(named("ExposedPorts", &self.exposed_ports))
            .chain(named("Volumes", &self.volumes))
            .chain(named("Shell", &self.shell))
            .chain(named("Healthcheck", health))
            .chain(labels.map(|text| ("Labels", text)))
            .chain([
                ("User", self.user.as_str()),
                ("WorkingDir", self.working_dir.as_str()),
                ("StopSignal", self.stop_signal.as_str()),
            ])
    }
}

/// The whole document.
#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    #[serde(default, deserialize_with = "nullable")]
    os: String,
    #[serde(default, deserialize_with = "nullable")]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(crate) config: ImageConfig,
    pub(crate) rootfs: RootFs,
    #[serde(default)]
    pub(crate) created: Option<String>,
}

/// The layers that make up the root file system.
#[derive(Debug, Deserialize)]
pub(crate) struct RootFs {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Digests of the uncompressed layers, base first.
    #[serde(deserialize_with = "nullable")]
    pub(crate) diff_ids: Vec<Digest>,
}

impl Document {
    /// The machine that the image was built for; what it does not say is empty.
    pub(crate) fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone(),
        }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let document: Self = json(bytes)?;
        if document.rootfs.kind != "layers" {
            return Err(Error::unsupported("rootfs.type: not \"layers\""));
        }
        if let Some((field, _)) = document
            .config
            .strings()
            .find(|(_, text)| text.contains('\0'))
        {
            return Err(Error::bad(format!("config.{field}: contains NUL")));
        }
        Ok(document)
    }
}

/// Go writes `null` for what is empty.
fn nullable<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A set, which Go writes as an object of empty objects.
fn keys<'de, D>(deserializer: D) -> std::result::Result<Vec<String>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let set: BTreeMap<String, serde::de::IgnoredAny> = nullable(deserializer)?;
    Ok(set.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_with_go_nulls_is_read() {
        let text = br#"{"architecture":"amd64","os":"linux","config":{"Env":["A=1"],"Cmd":null,
            "ExposedPorts":{"80/tcp":{}},"Labels":null,"WorkingDir":"/w","Healthcheck":{"Test":["NONE"]}},
            "rootfs":{"type":"layers","diff_ids":null},"history":[{}]}"#;
        let document = Document::parse(text).unwrap();
        assert_eq!(document.platform().to_string(), "linux/amd64");
        assert_eq!(document.config.env, ["A=1"]);
        assert_eq!(document.config.exposed_ports, ["80/tcp"]);
        assert_eq!(document.config.working_dir, "/w");
        assert_eq!(document.config.healthcheck.unwrap().test, ["NONE"]);
        assert!(document.rootfs.diff_ids.is_empty());
    }

    #[test]
    fn nul_and_unknown_root_file_systems_are_refused_by_field() {
        let nul = br#"{"config":{"Cmd":["a\u0000b"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        assert_eq!(
            Document::parse(nul).unwrap_err().to_string(),
            "config.Cmd: contains NUL"
        );
        let kind = br#"{"rootfs":{"type":"blocks","diff_ids":[]}}"#;
        assert!(
            Document::parse(kind)
                .unwrap_err()
                .to_string()
                .contains("rootfs.type")
        );
    }
}
