//! Which controls concern a node.

use crate::catalogue::{Control, VersionRange};
use crate::k3s::Role;
use crate::node::Node;

/// Whether something of the catalogue concerns this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applies {
    /// It does.
    Yes,
    /// It does not, and why.
    No(String),
    /// It depends on something that is not known, and what.
    Unknown(String),
}

/// Whether a control concerns this node.
#[must_use]
pub fn control(control: &Control, node: &Node) -> Applies {
    if let Some(role) = control.role {
        match &node.role {
            None => {
                return Applies::No(
                    "role not known yet: install K3s, or set role = \"server\" or \"agent\" in \
                     /etc/k3warden/config.toml"
                        .to_owned(),
                );
            }
            Some(fact) if fact.value != role => {
                let others = match role {
                    Role::Server => "servers",
                    Role::Agent => "agents",
                };
                return Applies::No(format!("for {others} only; this node is a {}", fact.value));
            }
            Some(_) => {}
        }
    }
    match version(control.k3s, node) {
        Applies::Yes => datastore(control, node),
        other => other,
    }
}

/// Whether a range of versions covers this node's K3s.
#[must_use]
pub fn version(range: VersionRange, node: &Node) -> Applies {
    if range.is_any() {
        return Applies::Yes;
    }
    match &node.version {
        Some(fact) if range.contains(fact.value) => Applies::Yes,
        Some(fact) => Applies::No(format!("for K3s {range}; this node has {}", fact.value)),
        None if node.surroundings.is_machine() && !node.is_installed() => {
            Applies::No(format!("for K3s {range}; K3s is not installed yet"))
        }
        None => Applies::Unknown(format!(
            "for K3s {range}, and the version is not known: give --k3s-version or set k3s_version"
        )),
    }
}

fn datastore(control: &Control, node: &Node) -> Applies {
    match (control.datastore, node.datastore) {
        (Some(wanted), Some(datastore)) if wanted != datastore => Applies::No(format!(
            "for {wanted} only; this node's datastore is {datastore}"
        )),
        (Some(wanted), None) if node.configuration_problem.is_some() => Applies::Unknown(format!(
            "for {wanted} only, and the datastore is not known: {}",
            node.configuration_problem.as_deref().unwrap_or_default()
        )),
        (Some(wanted), None) => Applies::No(format!("for {wanted} only")),
        _ => Applies::Yes,
    }
}
