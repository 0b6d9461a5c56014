//! What an operator should know of K3s's configuration though K3s starts with it.

use std::fmt;

use super::Place;

/// Something to tell the operator that K3s itself does not say, or says without the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// One sentence.
    pub text: String,
    /// The place to look at, where there is one.
    pub from: Option<Place>,
}

impl fmt::Display for Remark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(from) => write!(formatter, "{} ({from})", self.text),
            None => formatter.write_str(&self.text),
        }
    }
}

/// A key of K3s's files that a server skips, because it has no such option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// The key with its dashes, as it may be shown.
    pub flag: String,
    /// Where it is written.
    pub place: Place,
}

impl SkippedKey {
    /// What K3s says of it, which names no file.
    pub(super) fn warning(&self) -> String {
        format!("Unknown flag {} found in config.yaml, skipping", self.flag)
    }
}
