//! What comes out when K3s merges files, command line and environment.

use std::collections::BTreeMap;

use super::Place;

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
}

/// Why K3s would end when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// One sentence for the operator.
    pub reason: String,
    /// The place to mend, where there is one.
    pub from: Option<Place>,
}

/// The configuration that K3s has after its merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merge {
    /// The words after the merge: role, values from files, then the command line as given.
    pub words: Vec<String>,
    /// Options that something has set, by long name.
    pub options: BTreeMap<String, SetOption>,
    /// What K3s or we would warn about.
    pub warnings: Vec<String>,
    /// K3s would end at start.
    pub ends: Option<Ending>,
}
