//! Editions of the CIS benchmark for K3s, and which one a K3s version is assessed with.

use serde::Deserialize;

use super::{CatalogueError, VersionRange};
use crate::k3s::K3sVersion;

/// One edition of the CIS benchmark.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edition {
    /// Its name as CIS and the K3s documentation write it: `1.23`, `2.1`.
    pub name: String,
    /// The K3s versions that are assessed with it by default.
    pub k3s: VersionRange,
}

/// All known editions, oldest first.
#[derive(Debug, Clone)]
pub struct Editions(Vec<Edition>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditionFile {
    edition: Vec<Edition>,
}

impl Editions {
    /// The editions that came with this build.
    pub(super) fn built_in() -> Result<Self, CatalogueError> {
        let text = include_str!(concat!(env!("OUT_DIR"), "/editions.json"));
        let file: EditionFile =
            serde_json::from_str(text).map_err(|error| CatalogueError::of_build(&error))?;
        Ok(Self(file.edition))
    }

    /// The edition that a K3s version is assessed with: the newest for a version not known, the oldest for one that is
    /// older than all of them.
    #[must_use]
    pub fn for_version(&self, version: Option<K3sVersion>) -> Option<&Edition> {
        let Some(version) = version else {
            return self.0.last();
        };
        let of_it = self.0.iter().find(|edition| edition.k3s.contains(version));
        of_it
            .or_else(|| {
                self.0
                    .first()
                    .filter(|oldest| oldest.k3s.begins_after(version))
            })
            .or_else(|| self.0.last())
    }

    /// Every edition, oldest first.
    #[must_use]
    pub fn all(&self) -> &[Edition] {
        &self.0
    }

    /// An edition by name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Edition> {
        self.0.iter().find(|edition| edition.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_before_all_editions_has_the_oldest_and_one_after_them_the_newest() {
        let editions = Editions::built_in().unwrap();
        let named = |minor| {
            let version = K3sVersion::new(minor, 1);
            editions.for_version(Some(version)).unwrap().name.clone()
        };
        for (minor, expected) in [
            (19, "1.23"),
            (21, "1.23"),
            (22, "1.23"),
            (27, "1.9"),
            (36, "2.1"),
            (40, "2.1"),
        ] {
            assert_eq!(named(minor), expected, "1.{minor}");
        }
        assert_eq!(editions.for_version(None).unwrap().name, "2.1");
    }
}
