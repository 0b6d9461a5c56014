//! Ranges of K3s releases, as the tables write them.

use crate::k3s::K3sVersion;

/// A change that reached K3s at some release, and older minors by backport.
///
/// Ordered; the last is the release of the main line, the ones before it are the backports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Since(Vec<K3sVersion>);

impl Since {
    /// Reads `1.24.11+1.26.2`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let releases: Option<Vec<K3sVersion>> = text
            .split('+')
            .map(|release| release.parse().ok())
            .collect();
        releases.map(Self)
    }

    /// Whether a release has the change.
    pub(super) fn reached(&self, version: K3sVersion) -> bool {
        let Some((main, backports)) = self.0.split_last() else {
            return false;
        };
        version >= *main
            || backports
                .iter()
                .any(|first| version.minor == first.minor && version.patch >= first.patch)
    }
}

/// From one change to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Releases {
    since: Option<Since>,
    until: Option<Since>,
}

impl Releases {
    /// Reads `-`, `A..`, `..B` or `A..B`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "-" {
            return Some(Self::default());
        }
        let (since, until) = text.split_once("..")?;
        let side = |text: &str| match text {
            "" => Some(None),
            text => Since::parse(text).map(Some),
        };
        Some(Self {
            since: side(since)?,
            until: side(until)?,
        })
    }

    /// Whether a release lies in the range; its end does not belong to it.
    pub(super) fn contain(&self, version: K3sVersion) -> bool {
        self.since
            .as_ref()
            .is_none_or(|since| since.reached(version))
            && !self
                .until
                .as_ref()
                .is_some_and(|until| until.reached(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(range: &str, version: &str) -> bool {
        Releases::parse(range)
            .unwrap()
            .contain(version.parse().unwrap())
    }

    #[test]
    fn a_backport_counts_for_its_own_minor_only() {
        let range = "1.24.11+1.26.2..";
        assert!(has(range, "1.24.11"));
        assert!(!has(range, "1.25.9"));
        assert!(!has(range, "1.26.1"));
        assert!(has(range, "1.27.0"));
    }

    #[test]
    fn the_end_of_a_range_does_not_belong_to_it() {
        assert!(has("1.21.1..1.24.0", "1.23.17"));
        assert!(!has("1.21.1..1.24.0", "1.24.0"));
        assert!(has("..1.22.0", "1.20.2"));
        assert!(has("-", "1.37.0"));
    }
}
