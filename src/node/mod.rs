//! What this node is: role, K3s version, places, datastore, and whether it is the running machine.

mod chosen_unit;
mod datastore;
mod discover;
mod id;
mod kernel;
mod loaded;
mod surroundings;
mod version;

use std::path::PathBuf;

pub use discover::{Beside, discover, discover_with, started_by};
pub use id::id;
pub use kernel::facts;
pub use loaded::LoadedUnits;
pub use surroundings::Surroundings;
pub use version::{BRIEF, PATIENT};

use crate::catalogue::Datastore;
use crate::host::{Host, HostError};
use crate::k3s::component::Facts;
use crate::k3s::{
    ConfigurationError, Effective, Files, Invocation, K3sVersion, Loaded, Role, Unit,
};
use crate::setting::{Places, ServiceLb};

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
    /// The unit that starts K3s.
    pub unit: Option<Unit>,
    /// Where the cluster keeps its state; `None` on an agent.
    pub datastore: Option<Datastore>,
    /// Packaged components that `disable` names.
    pub disabled: Vec<String>,
    /// Whether K3s deploys manifests from this node, as far as its options tell: a server does that has an apiserver of its
    /// own (K3s pkg/server/server.go).
    pub deploys_manifests: bool,
    /// Where K3s runs the pods of its load balancer.
    pub servicelb: ServiceLb,
    /// Whether this is the first server of a cluster that has no data yet.
    pub new_cluster: bool,
    /// Whether a cluster that a server begins here is this node's own, as far as its options tell: it joins none, resets none,
    /// and has no datastore that is somewhere else.
    pub own_cluster: bool,
    /// Whether live values and services are ours to look at.
    pub surroundings: Surroundings,
    /// Why nobody knows what starts K3s here: systemd would not start a unit that may be its, or the one that the policy
    /// names is not here and others are.
    pub unit_problem: Option<String>,
    /// Why it is not known what K3s's configuration says: which datastore it has, what it disables.
    pub configuration_problem: Option<String>,
    /// Why it is not known where K3s's data dir is.
    pub data_dir_problem: Option<String>,
    /// What could not be looked at while finding all this out.
    pub problems: Vec<HostError>,
    /// What an operator should know of the units: which is judged of two, what waits for a daemon-reload.
    pub warnings: Vec<String>,
}

/// Why it is not known what K3s runs with.
#[derive(Debug, thiserror::Error)]
pub enum NotKnown {
    /// Nothing says whether this is a server or an agent.
    #[error(
        "no K3s unit is here and no role is given: set role = \"server\" or \"agent\" in /etc/k3warden/config.toml"
    )]
    Role,
    /// Nothing says which release.
    #[error(
        "the K3s version is not known: give --k3s-version, or set k3s_version in /etc/k3warden/config.toml"
    )]
    Version,
    /// The unit that may start it cannot be started.
    #[error("{0}")]
    Unit(String),
    /// Its configuration cannot be looked at.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

impl Node {
    /// Whether K3s is installed: a unit that starts it.
    #[must_use]
    pub const fn is_installed(&self) -> bool {
        self.unit.is_some()
    }

    /// Whether K3s is simply not there yet. In an image given with `--root` nobody knows what comes into it.
    #[must_use]
    pub fn awaits_k3s(&self) -> bool {
        self.surroundings != Surroundings::Image
            && !self.is_installed()
            && self.unit_problem.is_none()
    }

    /// The path of the K3s binary.
    #[must_use]
    pub fn binary(&self) -> Option<PathBuf> {
        self.unit
            .as_ref()
            .map(|unit| PathBuf::from(&unit.binary.text))
    }

    /// The command that starts K3s; without a unit the bare role, as install.sh would write it.
    #[must_use]
    pub fn invocation(&self) -> Option<Invocation> {
        match (&self.unit, &self.role) {
            (Some(unit), _) => Some(unit.invocation()),
            (None, Some(role)) => Some(Invocation::new(
                role.value,
                std::iter::empty::<String>(),
                &std::collections::BTreeMap::new(),
            )),
            (None, None) => None,
        }
    }

    /// What K3s would run with at its next start, for the files as they are.
    ///
    /// # Errors
    /// When role or version are not known, or a file cannot be looked at.
    pub fn effective(&self, host: &Host) -> Result<Effective, NotKnown> {
        self.effective_of(&Files::new(&host.root), self.invocation(), &facts(host))
    }

    /// What K3s would run with if systemd read its unit's files again, or why that cannot be told; `None` where it has
    /// them loaded as they are.
    #[must_use]
    pub fn effective_on_disk(&self, host: &Host) -> Option<Result<Effective, String>> {
        Some(match self.unit.as_ref()?.on_disk()? {
            Loaded::Unit(unit) => self
                .effective_of(
                    &Files::new(&host.root),
                    Some(unit.invocation()),
                    &facts(host),
                )
                .map_err(|error| error.to_string()),
            Loaded::Missing => Err("there is no such unit any more".to_owned()),
            Loaded::Masked(path) => Err(format!("{} masks it", path.display())),
            Loaded::Alias(path) => Err(format!("{} is a link to another unit", path.display())),
            Loaded::Unusable { problem, .. } => Err(problem.clone()),
        })
    }

    /// What K3s would run with if its unit gave it another command, under a kernel of which these facts are true.
    ///
    /// # Errors
    /// When role or version are not known, or a file cannot be looked at.
    pub fn effective_of(
        &self,
        files: &Files<'_>,
        invocation: Option<Invocation>,
        facts: &Facts,
    ) -> Result<Effective, NotKnown> {
        let unread = self.unit.as_ref().and_then(|unit| unit.unread.clone());
        if let Some(error) = unread {
            return Err(ConfigurationError::Host(error).into());
        }
        let unknown = || match &self.unit_problem {
            Some(problem) => NotKnown::Unit(problem.clone()),
            None => NotKnown::Role,
        };
        let invocation = invocation
            .filter(|_| self.unit_problem.is_none())
            .ok_or_else(unknown)?;
        let version = self.version.as_ref().ok_or(NotKnown::Version)?.value;
        let mut effective = Effective::of(files, &invocation, version, facts)?;
        let unknown_at = self.unit.as_ref().map(|unit| unit.unknown_at.as_slice());
        effective.take_back_endings_of(unknown_at.unwrap_or_default());
        Ok(effective)
    }
}
