//! Finding out what a node is.

use std::path::Path;
use std::time::Duration;

use super::chosen_unit::choose;
use super::version::{BRIEF, NoAnswer};
use super::{Fact, LoadedUnits, Node, Surroundings, datastore, version};
use crate::host::Root;
use crate::host::systemd::UnitName;
use crate::k3s::{
    ConfigurationError, Files, K3sVersion, NEWEST_KNOWN_MINOR, NodeConfiguration, Options, Role,
    Unit, find_loaded_k3s_units, merge,
};
use crate::policy::Policy;
use crate::setting::{Places, ServiceLb};

/// The source of a version that the command line names.
const GIVEN: &str = "--k3s-version";

/// What is known beside the files of the node.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// What surrounds us.
    pub surroundings: Surroundings,
    /// The version that the command line names.
    pub k3s_version: Option<K3sVersion>,
    /// The unit that is being started right now, at K3s's door.
    pub unit: Option<&'a UnitName>,
    /// How systemd has units loaded.
    pub loaded: &'a LoadedUnits,
    /// How long the binary of K3s may take to say which it is.
    pub patience: Duration,
}

/// What this node is, from its files alone.
#[must_use]
pub fn discover(
    root: &Root,
    policy: &Policy,
    surroundings: Surroundings,
    given: Option<K3sVersion>,
) -> Node {
    let beside = Beside {
        surroundings,
        k3s_version: given,
        unit: None,
        loaded: &LoadedUnits::default(),
        patience: BRIEF,
    };
    discover_with(root, policy, beside)
}

/// What this node is, its units as systemd has them loaded.
#[must_use]
pub fn discover_with(root: &Root, policy: &Policy, beside: Beside<'_>) -> Node {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let found = find_loaded_k3s_units(&Files::new(root), &|name| beside.loaded.status(name));
    let (unit, unit_problem) = match found {
        Ok(found) => {
            warnings.extend(found.unusable.iter().cloned());
            match choose(root, policy, beside.unit, found.units, &mut warnings) {
                Ok(unit) => (unit, found.unusable.into_iter().next()),
                Err(absent) => {
                    warnings.push(absent.clone());
                    (None, Some(absent))
                }
            }
        }
        Err(error) => {
            let problem = error.to_string();
            problems.push(error);
            (None, Some(problem))
        }
    };
    warnings.extend(unit.iter().flat_map(|unit| unit.warnings()));
    warnings.extend(beside.loaded.unanswered());
    let mut node = Node {
        unit_problem: unit_problem.filter(|_| unit.is_none()),
        problems,
        warnings,
        ..of_unit(policy, beside.surroundings, unit)
    };
    node.version = find_version(root, policy, beside.k3s_version, beside.patience, &mut node);
    look_into_configuration(root, policy, &mut node);
    node
}

/// The same node, if another unit, or another command for it, started its K3s.
#[must_use]
pub fn started_by(known: &Node, root: &Root, policy: &Policy, unit: Unit) -> Node {
    let is_same = known.binary().as_deref() == Some(Path::new(&unit.binary.text));
    let mut node = Node {
        problems: known.problems.clone(),
        warnings: known.warnings.clone(),
        ..of_unit(policy, known.surroundings, Some(unit))
    };
    node.version = match is_same {
        true => known.version.clone(),
        false => {
            let given = known.version.as_ref().filter(|fact| fact.source == GIVEN);
            let given = given.map(|fact| fact.value);
            find_version(root, policy, given, BRIEF, &mut node)
        }
    };
    look_into_configuration(root, policy, &mut node);
    node
}

/// What a unit alone tells of its node.
fn of_unit(policy: &Policy, surroundings: Surroundings, unit: Option<Unit>) -> Node {
    Node {
        role: role(policy, unit.as_ref()),
        version: None,
        places: Places {
            unit: unit.as_ref().map(|unit| unit.name.clone()),
            unit_file: unit.as_ref().map(|unit| unit.fragment.clone()),
            ..Places::default()
        },
        unit,
        datastore: None,
        disabled: Vec::new(),
        deploys_manifests: true,
        servicelb: ServiceLb::BesideServices,
        new_cluster: policy.new_cluster.as_ref().is_some_and(|given| given.value),
        own_cluster: false,
        surroundings,
        unit_problem: None,
        configuration_problem: None,
        data_dir_problem: None,
        problems: Vec::new(),
        warnings: Vec::new(),
    }
}

fn role(policy: &Policy, unit: Option<&Unit>) -> Option<Fact<Role>> {
    if let Some(given) = &policy.role {
        return Some(Fact {
            value: given.value,
            source: given.source(),
        });
    }
    let unit = unit?;
    Some(Fact {
        value: unit.role()?,
        source: format!("ExecStart of {}", unit.name),
    })
}

fn find_version(
    root: &Root,
    policy: &Policy,
    given: Option<K3sVersion>,
    patience: Duration,
    node: &mut Node,
) -> Option<Fact<K3sVersion>> {
    if let Some(value) = given {
        return Some(Fact {
            value,
            source: GIVEN.to_owned(),
        });
    }
    if let Some(binary) = node.binary().filter(|_| node.surroundings.is_machine()) {
        match version::ask(root, &binary, patience) {
            Ok(Some(value)) => {
                let source = format!("{} --version", binary.display());
                return Some(Fact { value, source });
            }
            Ok(None) => {}
            Err(NoAnswer::Host(error)) => node.problems.push(error),
            Err(NoAnswer::Process(error)) => node
                .warnings
                .push(format!("which K3s this is nobody knows: {error}")),
        }
    }
    let given = policy.k3s_version.as_ref()?;
    Some(Fact {
        value: given.value,
        source: given.source(),
    })
}

/// Directories, datastore and disabled components. Where the version is not known the newest one's reading is taken:
/// the places have been the same in all of them.
fn look_into_configuration(root: &Root, policy: &Policy, node: &mut Node) {
    if let Some(problem) = node.unit_problem.clone() {
        node.configuration_problem = Some(problem.clone());
        node.data_dir_problem = Some(problem);
        node.new_cluster = false;
        return;
    }
    let Some(invocation) = node.invocation() else {
        return;
    };
    if let Some(error) = node.unit.as_ref().and_then(|unit| unit.unread.clone()) {
        cannot_be_known(node, error.into());
        return;
    }
    let newest = K3sVersion::new(NEWEST_KNOWN_MINOR, 0);
    let version = node.version.as_ref().map_or(newest, |fact| fact.value);
    match merge(&Files::new(root), &invocation, version) {
        Ok(configuration) => {
            take_in(root, node, &configuration);
            if node.configuration_problem.is_none() {
                node.own_cluster = begins_a_cluster(&configuration, &ELSEWHERE);
                node.new_cluster = begins_here(root, policy, node, &configuration);
            }
        }
        Err(error) => cannot_be_known(node, error),
    }
}

/// Where and what the options say is not known.
fn cannot_be_known(node: &mut Node, error: ConfigurationError) {
    let problem = match &error {
        ConfigurationError::Host(error) => error.with_mend(),
        error => error.to_string(),
    };
    node.configuration_problem = Some(problem.clone());
    node.data_dir_problem = Some(problem);
    node.new_cluster = false;
    if let ConfigurationError::Host(error) = error {
        node.problems.push(error);
    }
}

fn take_in(root: &Root, node: &mut Node, configuration: &NodeConfiguration) {
    if let Some(file) = &configuration.config_file {
        node.places.config_file.clone_from(file);
    }
    let ends = configuration.merge.unknown();
    let problem = ends.map(|ending| format!("K3s would not start: {ending}"));
    match &configuration.data_dir.state {
        Some(state) => node.places.data_dir.clone_from(state),
        None => node.data_dir_problem.clone_from(&problem),
    }
    if problem.is_some() {
        // That no option is set here says nothing of what is meant.
        node.configuration_problem = problem;
        node.new_cluster = false;
        return;
    }
    if configuration.role == Role::Server {
        match datastore::of(root, &configuration.merge, &node.places.data_dir) {
            Ok(datastore) => node.datastore = Some(datastore),
            Err(error) => {
                node.configuration_problem = Some(error.to_string());
                node.problems.push(error);
            }
        }
        node.disabled = disabled(configuration);
        node.deploys_manifests = !is_given(configuration, "disable-apiserver");
        node.servicelb = servicelb(node, configuration);
    }
}

/// Whether a server's cluster begins with the next start of this node.
fn begins_here(
    root: &Root,
    policy: &Policy,
    node: &Node,
    configuration: &NodeConfiguration,
) -> bool {
    let said = policy.new_cluster.as_ref().map(|given| given.value);
    let is_seen = node.surroundings.is_machine() && node.is_installed();
    match (said, is_seen) {
        (Some(false), _) | (None, false) => false,
        // Said once for a fleet of images; a node that is then told to join a cluster begins none. What is in a
        // datastore elsewhere only the operator knows.
        (Some(true), false) => begins_a_cluster(configuration, &["server", "cluster-reset"]),
        // What the node's files say counts more than what was said when nobody could know them, by the same policy on
        // machines of all ages. What cannot be looked at may be data.
        (Some(true) | None, true) => {
            node.own_cluster
                && matches!(root.kind(&node.places.data_dir.join("server/db")), Ok(None))
        }
    }
}

/// Options with which a server's cluster does not begin on this node: it joins one, uses a datastore that is somewhere
/// else, or resets one.
const ELSEWHERE: [&str; 3] = ["server", "datastore-endpoint", "cluster-reset"];

/// Whether a server's cluster begins on this node, as far as its options tell: none of these is given.
fn begins_a_cluster(configuration: &NodeConfiguration, elsewhere: &[&str]) -> bool {
    let mut elsewhere = elsewhere.iter();
    configuration.role == Role::Server && !elsewhere.any(|name| is_given(configuration, name))
}

/// Whether an option has a value, and is not turned off by it.
fn is_given(configuration: &NodeConfiguration, name: &str) -> bool {
    let option = configuration.merge.options.get(name);
    let value = option.and_then(|option| option.values.last());
    value.is_some_and(|value| !value.value.is_empty() && value.value != "false")
}

/// Releases that have no option for it run these pods beside the service that each is for (K3s pkg/servicelb/controller.go before
/// e6009b1ed, 1.24.2), and so may one that comes into an image. What is laid out for a release that is not known stays in the cluster
/// of a machine that has one.
fn servicelb(node: &Node, configuration: &NodeConfiguration) -> ServiceLb {
    const OPTION: &str = "servicelb-namespace";
    let version = match &node.version {
        Some(fact) => fact.value,
        None if node.awaits_k3s() => K3sVersion::new(NEWEST_KNOWN_MINOR, 0),
        None if node.surroundings.is_machine() => return ServiceLb::Unknown,
        None => return ServiceLb::BesideServices,
    };
    let Some(known) = Options::of(configuration.role, version).find(OPTION) else {
        return ServiceLb::BesideServices;
    };
    let given = configuration.merge.options.get(OPTION);
    let value = given.and_then(|option| option.values.last());
    let namespace = value.map(|value| value.value.as_str()).or(known.default);
    namespace.map_or(ServiceLb::BesideServices, |namespace| {
        ServiceLb::In(namespace.to_owned())
    })
}

/// `disable` takes names one by one or joined by commas (K3s pkg/cli/server/server.go).
fn disabled(configuration: &NodeConfiguration) -> Vec<String> {
    let option = configuration.merge.options.get("disable");
    option
        .into_iter()
        .flat_map(|option| &option.values)
        .flat_map(|value| value.value.split(','))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}
