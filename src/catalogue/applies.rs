//! Which nodes a control or a setting is for.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::k3s::K3sVersion;

/// Where the cluster keeps its state, as seen from one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Datastore {
    /// One server with SQLite through kine, K3s's default.
    Sqlite,
    /// Embedded etcd.
    Etcd,
    /// `datastore-endpoint`: an external database or etcd.
    External,
}

impl fmt::Display for Datastore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Etcd => "etcd",
            Self::External => "external",
        })
    }
}

/// A requirement on the K3s version: `>=1.25`, `>=1.25, <1.29`. Empty means every version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VersionRange {
    from: Option<(u16, u16)>,
    before: Option<(u16, u16)>,
}

impl VersionRange {
    /// Whether every version is in the range.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.from.is_none() && self.before.is_none()
    }

    /// Whether a version is older than all of the range.
    #[must_use]
    pub fn begins_after(&self, version: K3sVersion) -> bool {
        self.from
            .is_some_and(|from| (version.minor, version.patch) < from)
    }

    /// Whether it has no version of a minor or one before it.
    #[must_use]
    pub fn begins_after_minor(&self, minor: u16) -> bool {
        self.from.is_some_and(|(from, _)| from > minor)
    }

    /// Whether a version is in the range.
    #[must_use]
    pub fn contains(&self, version: K3sVersion) -> bool {
        let number = (version.minor, version.patch);
        self.from.is_none_or(|from| number >= from)
            && self.before.is_none_or(|before| number < before)
    }

    /// The versions in both; `None` if there is none.
    #[must_use]
    pub fn and(self, other: Self) -> Option<Self> {
        let from = self.from.max(other.from);
        let before = match (self.before, other.before) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let is_empty = from
            .zip(before)
            .is_some_and(|(from, before)| from >= before);
        (!is_empty).then_some(Self { from, before })
    }

    /// Reads `>=1.25`, `<1.29`, `>=1.25, <1.29` or `>=1.23.6`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut range = Self::default();
        for part in text.split(',').map(str::trim) {
            let (bound, digits) = if let Some(digits) = part.strip_prefix(">=") {
                (&mut range.from, digits)
            } else {
                (&mut range.before, part.strip_prefix('<')?)
            };
            let mut numbers = digits
                .trim()
                .split('.')
                .map(|number| number.parse::<u16>().ok());
            if numbers.next()?? != 1 || bound.is_some() {
                return None;
            }
            let minor = numbers.next()??;
            let patch = match numbers.next() {
                Some(patch) => patch?,
                None => 0,
            };
            *bound = Some((minor, patch));
        }
        Some(range)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |(minor, patch): (u16, u16)| match patch {
            0 => format!("1.{minor}"),
            _ => format!("1.{minor}.{patch}"),
        };
        match (self.from, self.before) {
            (None, None) => formatter.write_str("every version"),
            (Some(from), None) => write!(formatter, ">={}", number(from)),
            (None, Some(before)) => write!(formatter, "<{}", number(before)),
            (Some(from), Some(before)) => {
                write!(formatter, ">={}, <{}", number(from), number(before))
            }
        }
    }
}

impl<'de> Deserialize<'de> for VersionRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no version range; write \">=1.25\", \"<1.29\" or \">=1.25, <1.29\""
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_lower_bound_and_not_its_upper() {
        let range = VersionRange::parse(">=1.25, <1.29").unwrap();
        assert!(!range.contains(K3sVersion::new(24, 17)));
        assert!(range.contains(K3sVersion::new(25, 0)));
        assert!(range.contains(K3sVersion::new(28, 15)));
        assert!(!range.contains(K3sVersion::new(29, 0)));
        assert_eq!(range.to_string(), ">=1.25, <1.29");
        for wrong in ["", "1.25", ">=2.0", ">=1.25, >=1.26", ">=1.x", "<1"] {
            assert_eq!(VersionRange::parse(wrong), None, "{wrong}");
        }
    }
}
