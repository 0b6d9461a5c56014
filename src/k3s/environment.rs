//! The environment that a unit gives its process.

use std::collections::BTreeMap;
use std::fmt;

use super::Place;

/// A variable and where it is set.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its value.
    pub value: String,
    /// The file that sets it: `/etc/systemd/system/k3s.service.env`, or the unit's own path.
    pub source: String,
}

impl Variable {
    /// The place of this variable.
    #[must_use]
    pub fn place(&self, name: &str) -> Place {
        Place::Environment {
            source: self.source.clone(),
            variable: name.to_owned(),
        }
    }
}

impl fmt::Debug for Variable {
    /// Never the value: it can be a token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{hidden}} from {}", self.source)
    }
}

/// All variables of a unit, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, Variable>,
}

impl Environment {
    /// A variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }

    /// Sets a variable; a later setting wins.
    pub fn set(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
        source: impl Into<String>,
    ) {
        let variable = Variable {
            value: value.into(),
            source: source.into(),
        };
        self.variables.insert(name.into(), variable);
    }

    /// Takes a variable away.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// All variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Variable)> {
        self.variables
            .iter()
            .map(|(name, variable)| (name.as_str(), variable))
    }
}
