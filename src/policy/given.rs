//! A value of the policy and the line that gave it.

use std::fmt;
use std::path::PathBuf;

/// The line of a policy file that gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPlace {
    /// Path as seen inside the root.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
}

impl fmt::Display for PolicyPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.path.display(), self.line)
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// The line that gave it; `None` for the built-in default.
    pub place: Option<PolicyPlace>,
}

impl<T> Given<T> {
    /// The built-in default.
    pub(super) const fn default(value: T) -> Self {
        Self { value, place: None }
    }

    /// Where the value is from, in words.
    #[must_use]
    pub fn source(&self) -> String {
        match &self.place {
            Some(place) => place.to_string(),
            None => "the default".to_owned(),
        }
    }
}
