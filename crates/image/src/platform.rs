//! The machine that an image is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, shown};

/// An operating system and architecture, in Go's names (OCI image-spec, image index).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Such as `linux`.
    #[serde(default)]
    pub os: String,
    /// Such as `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// Such as `v8`; nothing when any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// This machine.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        }
    }

    /// How well an image for `other` suits: nothing when not at all, more for a better one.
    ///
    /// A missing variant on either side suits, but worse than an equal one; `arm64` means `v8`.
    pub(crate) fn suits(&self, other: &Self) -> Option<u8> {
        if self.os != other.os || self.architecture != other.architecture {
            return None;
        }
        match (self.effective_variant(), other.effective_variant()) {
            (ours, theirs) if ours == theirs => Some(2),
            (None, _) | (_, None) => Some(1),
            _ => None,
        }
    }

    fn effective_variant(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("arm64", None | Some("")) => Some("v8"),
            ("amd64", Some("v1")) => None,
            (_, Some("")) => None,
            (_, variant) => variant,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = Error;

    /// Reads `OS/ARCHITECTURE` or `OS/ARCHITECTURE/VARIANT`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.split('/').map(str::to_owned);
        let platform = (parts.next(), parts.next(), parts.next(), parts.next());
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        match platform {
            (Some(os), Some(architecture), variant, None)
                if plain(&os) && plain(&architecture) && variant.as_deref().is_none_or(plain) =>
            {
                Ok(Self {
                    os,
                    architecture,
                    variant,
                })
            }
            _ => Err(Error::bad(format!(
                "platform {:?}: not OS/ARCH[/VARIANT]",
                shown(text.as_bytes())
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suits(wanted: &str, offered: &str) -> Option<u8> {
        wanted
            .parse::<Platform>()
            .unwrap()
            .suits(&offered.parse().unwrap())
    }

    #[test]
    fn variants_are_compared_as_registries_write_them() {
        assert_eq!(suits("linux/amd64", "linux/amd64"), Some(2));
        assert_eq!(suits("linux/arm64", "linux/arm64/v8"), Some(2));
        assert_eq!(suits("linux/arm", "linux/arm/v7"), Some(1));
        assert_eq!(suits("linux/arm/v6", "linux/arm/v7"), None);
        assert_eq!(suits("linux/amd64", "linux/arm64"), None);
        assert_eq!(suits("linux/amd64", "windows/amd64"), None);
        for bad in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/amd64/",
            "linux/a/b/c",
            "linux/a b",
        ] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
