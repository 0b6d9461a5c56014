//! Which controls concern a node.

use crate::catalogue::{Control, SettingBody, VersionRange};
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

/// How a role becomes known.
pub const ROLE_IS_SET: &str =
    "install K3s, or set role = \"server\" or \"agent\" in /etc/k3warden/config.toml";

fn role_not_known() -> String {
    format!("role not known yet: {ROLE_IS_SET}")
}

/// Whether a control only waits until the role of the node is known.
#[must_use]
pub fn waits_for_a_role(control: &Control, node: &Node) -> bool {
    node.role.is_none() && self::control(control, node) == Applies::No(role_not_known())
}

/// Whether a control concerns this node.
#[must_use]
pub fn control(control: &Control, node: &Node) -> Applies {
    if let Some(role) = control.role {
        match &node.role {
            None => return role_unknown(node),
            Some(fact) if fact.value != role => {
                let others = match role {
                    Role::Server => "servers",
                    Role::Agent => "agents",
                };
                let this = match fact.value {
                    Role::Server => "a server",
                    Role::Agent => "an agent",
                };
                return Applies::No(format!("for {others} only; this node is {this}"));
            }
            Some(_) => {}
        }
    }
    if control
        .settings
        .iter()
        .any(|setting| is_configuration(&setting.body))
        && let Some(reason) = nothing_to_start(node)
    {
        return reason;
    }
    match version(control.k3s, node) {
        Applies::Yes => datastore(control, node),
        // Without a role there is no K3s whose version could be known.
        Applies::Unknown(_) if node.role.is_none() => Applies::No(role_not_known()),
        other => other,
    }
}

/// No K3s and no word about one is no failure; a unit that nobody can make sense of is.
fn role_unknown(node: &Node) -> Applies {
    match &node.unit_problem {
        Some(problem) => Applies::Unknown(format!("role not known: {problem}")),
        None => Applies::No(role_not_known()),
    }
}

/// Whether a setting is judged by what K3s would run with.
const fn is_configuration(setting: &SettingBody) -> bool {
    matches!(setting, SettingBody::Option(_) | SettingBody::Argument(_))
}

/// Why there is no start of K3s whose configuration could be judged: a node that waits for its K3s is no failure.
fn nothing_to_start(node: &Node) -> Option<Applies> {
    if node.role.is_none() {
        return Some(role_unknown(node));
    }
    let waits = node.version.is_none() && node.awaits_k3s();
    waits.then(|| Applies::No("K3s is not installed yet".to_owned()))
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
        None if node.awaits_k3s() => {
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
