//! What comes out when K3s merges files, command line and environment.

use std::collections::BTreeMap;
use std::fmt;

use super::{Ending, Place, shown, shown_value};

/// A value and the place that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// The value as K3s has it, after YAML typing.
    pub value: String,
    /// Where it comes from.
    pub place: Place,
}

/// One K3s option that something has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetOption {
    /// A list option (`kubelet-arg`) keeps every value; a scalar has exactly one.
    pub list: bool,
    /// The values in K3s's order.
    pub values: Vec<Sourced>,
    /// Values that a later place replaced.
    pub overrode: Vec<Sourced>,
    /// K3s has the value and goes by another, which this place gives.
    pub outranked_by: Option<Place>,
}

/// The configuration that K3s has after its merge. Secrets are in it; what shows it hides them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Merge {
    /// The words after the merge: role, values from files, then the command line as given.
    pub words: Vec<String>,
    /// Options that something has set, by long name.
    pub options: BTreeMap<String, SetOption>,
    /// What K3s would warn about, in its words.
    pub warnings: Vec<String>,
    /// How far K3s would come with its options.
    pub outcome: Outcome,
}

/// How far K3s comes with its options, and what is known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It settles them.
    #[default]
    Settled,
    /// It ends over single words. What the others say is clear, so the options are those that it has once these words are mended.
    Slips {
        /// What it ends over.
        first: Ending,
        /// What it would end over next.
        others: Vec<Ending>,
    },
    /// It ends, and nobody can tell its options. That none is set says nothing.
    Unknown(Ending),
}

impl Merge {
    /// Why K3s would end before its options are settled.
    #[must_use]
    pub const fn ends(&self) -> Option<&Ending> {
        match &self.outcome {
            Outcome::Settled => None,
            Outcome::Slips { first, .. } => Some(first),
            Outcome::Unknown(ending) => Some(ending),
        }
    }

    /// The same, with what it would end over once that is mended.
    pub fn endings(&self) -> impl Iterator<Item = &Ending> {
        let others: &[Ending] = match &self.outcome {
            Outcome::Slips { others, .. } => others,
            Outcome::Settled | Outcome::Unknown(_) => &[],
        };
        self.ends().into_iter().chain(others)
    }

    /// Why nobody can tell the options.
    #[must_use]
    pub const fn unknown(&self) -> Option<&Ending> {
        match &self.outcome {
            Outcome::Unknown(ending) => Some(ending),
            Outcome::Settled | Outcome::Slips { .. } => None,
        }
    }

    /// Every option that something has set, with its values as they may be shown.
    #[must_use]
    pub fn shown(&self) -> BTreeMap<String, Vec<String>> {
        let names = self.options.keys();
        names
            .map(|name| (name.clone(), self.shown_values(name)))
            .collect()
    }

    /// The values of an option as they may be shown: a secret is `{secret}`.
    #[must_use]
    pub fn shown_values(&self, name: &str) -> Vec<String> {
        let values = self.options.get(name).map(|option| &option.values);
        values
            .into_iter()
            .flatten()
            .map(|value| shown_value(name, &value.value))
            .collect()
    }
}

impl fmt::Debug for Merge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Merge")
            .field("words", &shown(self.words.iter().map(String::as_str)))
            .field("options", &self.shown())
            .field("warnings", &self.warnings)
            .field("outcome", &self.outcome)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_secrets() {
        let mut merge = Merge {
            words: vec![
                "server".into(),
                "--token=abc".into(),
                "-t".into(),
                "abc".into(),
            ],
            ..Merge::default()
        };
        let value = Sourced {
            value: "abc".into(),
            place: Place::Default,
        };
        let option = SetOption {
            list: false,
            values: vec![value],
            overrode: Vec::new(),
            outranked_by: None,
        };
        merge.options.insert("token".into(), option);
        assert!(!format!("{merge:?}").contains("abc"));
    }
}
