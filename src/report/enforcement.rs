//! How far a control is taken, as reports and the status say it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::Stance;

/// How far a control is taken on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// It is not looked at.
    Off,
    /// It is judged and nothing is changed.
    Observe,
    /// It is made to hold.
    Enforce,
    /// An exception of the policy stands.
    Excepted,
}

impl From<Stance<'_>> for Enforcement {
    fn from(stance: Stance<'_>) -> Self {
        match stance {
            Stance::Off => Self::Off,
            Stance::Observe => Self::Observe,
            Stance::Enforce => Self::Enforce,
            Stance::Excepted(_) => Self::Excepted,
        }
    }
}

impl fmt::Display for Enforcement {
    /// The word of the JSON reports.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
            Self::Excepted => "excepted",
        })
    }
}
