//! What this node is: role, K3s version, places, datastore, and whether it is the running machine.

mod discover;
mod surroundings;

use std::path::PathBuf;

pub use discover::{discover, id};
pub use surroundings::Surroundings;

use crate::catalogue::Datastore;
use crate::k3s::{K3sVersion, Role};
use crate::setting::Places;

/// A fact and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<T> {
    /// The fact.
    pub value: T,
    /// Where it was found: the unit, the policy, the binary.
    pub source: String,
}

/// What this node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Server or agent; `None` while nothing is installed and nobody said.
    pub role: Option<Fact<Role>>,
    /// The version of the K3s binary.
    pub version: Option<Fact<K3sVersion>>,
    /// Where things are.
    pub places: Places,
    /// The binary that the unit runs.
    pub binary: Option<PathBuf>,
    /// Where the cluster keeps its state; `None` on an agent.
    pub datastore: Option<Datastore>,
    /// Packaged components that `disable:` names.
    pub disabled: Vec<String>,
    /// Whether live values and services are ours to look at.
    pub surroundings: Surroundings,
}

impl Node {
    /// Whether K3s is installed: a unit that runs it.
    #[must_use]
    pub const fn is_installed(&self) -> bool {
        self.places.unit.is_some()
    }
}
