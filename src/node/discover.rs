//! Finding out what a node is.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Fact, LoadedUnits, Node, Surroundings, datastore, version};
use crate::host::Root;
use crate::host::systemd::{self, UnitName};
use crate::k3s::{
    ConfigurationError, Files, K3sVersion, NEWEST_KNOWN_MINOR, NodeConfiguration, Role, Unit,
    find_loaded_k3s_units, merge,
};
use crate::policy::{Given, Policy};
use crate::setting::Places;

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
    };
    discover_with(root, policy, beside)
}

/// What this node is, its units as systemd has them loaded.
#[must_use]
pub fn discover_with(root: &Root, policy: &Policy, beside: Beside<'_>) -> Node {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let (surroundings, given) = (beside.surroundings, beside.k3s_version);
    let unit = match find_loaded_k3s_units(&Files::new(root), &|name| beside.loaded.status(name)) {
        Ok(units) => choose(root, policy, beside.unit, units, &mut warnings),
        Err(error) => {
            problems.push(error);
            None
        }
    };
    warnings.extend(unit.iter().flat_map(|unit| unit.warnings()));
    warnings.extend(beside.loaded.unanswered());
    let mut node = Node {
        role: role(policy, unit.as_ref()),
        version: None,
        places: Places {
            unit: unit.as_ref().map(|unit| unit.name.clone()),
            ..Places::default()
        },
        unit,
        datastore: None,
        disabled: Vec::new(),
        new_cluster: policy.new_cluster.as_ref().is_some_and(|given| given.value),
        surroundings,
        configuration_problem: None,
        problems,
        warnings,
    };
    node.version = find_version(root, policy, given, &mut node);
    look_into_configuration(root, policy, &mut node);
    node
}

/// The unit that is judged. A machine with two is rare; the one that is being started is meant, else the one that the
/// policy names (none, if it is not here: another must not be taken for it), else the only one of the role that the
/// policy names, else the one that runs, else the plain name that comes first.
fn choose(
    root: &Root,
    policy: &Policy,
    started: Option<&UnitName>,
    mut units: Vec<Unit>,
    warnings: &mut Vec<String>,
) -> Option<Unit> {
    let of_role = |unit: &Unit| {
        let wanted = policy.role.as_ref().map(|role| role.value);
        wanted.is_none_or(|role| unit.role() == Some(role))
    };
    let place = |fits: &dyn Fn(&Unit) -> bool| units.iter().position(fits);
    let is_started = |unit: &Unit| started.is_some_and(|started| started.as_str() == unit.name);
    let fitting = units.iter().filter(|unit| of_role(unit)).count();
    let runs = |unit: &Unit| {
        let name = unit.name.parse().ok();
        name.is_some_and(|name| matches!(systemd::invocation(root, &name), Ok(Some(_))))
    };
    let (place, why) = if let Some(place) = place(&is_started) {
        (place, "it is being started".to_owned())
    } else if let Some(named) = &policy.unit {
        let Some(place) = place(&|unit| unit.name == named.value.as_str()) else {
            warnings.extend(absent(named, &units));
            return None;
        };
        (place, format!("{} names it", source(named)))
    } else if let (Some(role), 1) = (&policy.role, fitting) {
        (
            place(&of_role)?,
            format!("it has the role of {}", source(role)),
        )
    } else if let Some(place) = place(&|unit| of_role(unit) && runs(unit)) {
        (place, "it runs".to_owned())
    } else {
        let first = place(&of_role).unwrap_or(0);
        (first, "its name comes first".to_owned())
    };
    if units.len() > 1 {
        let others = units
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != place);
        let others: Vec<&str> = others.map(|(_, unit)| unit.name.as_str()).collect();
        let judged = units.get(place).map_or("", |unit| unit.name.as_str());
        warnings.push(format!(
            "{judged} is judged, because {why}; {} on this node starts K3s too and is not (`unit` in the policy decides)",
            others.join(", ")
        ));
    }
    (place < units.len()).then(|| units.swap_remove(place))
}

/// What to say where the policy names a unit that does not start K3s here, while others do.
fn absent(named: &Given<UnitName>, units: &[Unit]) -> Option<String> {
    let others: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    (!others.is_empty()).then(|| {
        format!(
            "no unit is judged: {} names {}, which starts no K3s on this node; {} does",
            source(named),
            named.value,
            others.join(", ")
        )
    })
}

fn role(policy: &Policy, unit: Option<&Unit>) -> Option<Fact<Role>> {
    if let Some(given) = &policy.role {
        return Some(Fact {
            value: given.value,
            source: source(given),
        });
    }
    let unit = unit?;
    Some(Fact {
        value: unit.role()?,
        source: format!("ExecStart of {}", unit.name),
    })
}

fn source<T>(given: &Given<T>) -> String {
    given
        .place
        .as_ref()
        .map_or_else(|| "the default".to_owned(), ToString::to_string)
}

fn find_version(
    root: &Root,
    policy: &Policy,
    given: Option<K3sVersion>,
    node: &mut Node,
) -> Option<Fact<K3sVersion>> {
    if let Some(value) = given {
        return Some(Fact {
            value,
            source: "--k3s-version".to_owned(),
        });
    }
    if let Some(binary) = node.binary().filter(|_| node.surroundings.is_machine()) {
        match version::ask(root, &binary) {
            Ok(Some(value)) => {
                let source = format!("{} --version", binary.display());
                return Some(Fact { value, source });
            }
            Ok(None) => {}
            Err(error) => node.problems.push(error),
        }
    }
    let given = policy.k3s_version.as_ref()?;
    Some(Fact {
        value: given.value,
        source: source(given),
    })
}

/// Directories, datastore and disabled components. Where the version is not known the newest one's reading is taken:
/// the places have been the same in all of them.
fn look_into_configuration(root: &Root, policy: &Policy, node: &mut Node) {
    let Some(invocation) = node.invocation() else {
        return;
    };
    let newest = K3sVersion::new(NEWEST_KNOWN_MINOR, 0);
    let version = node.version.as_ref().map_or(newest, |fact| fact.value);
    match merge(&Files::new(root), &invocation, version) {
        Ok(configuration) => {
            take_in(root, node, &configuration);
            let said = policy.new_cluster.as_ref().map(|given| given.value);
            let is_seen = node.surroundings.is_machine() && node.is_installed();
            node.new_cluster = match (said, is_seen) {
                (Some(false), _) | (None, false) => false,
                // Said once for a fleet of images; a node that is then told to join a cluster begins none. What is in a
                // datastore elsewhere only the operator knows.
                (Some(true), false) => {
                    begins_a_cluster(&configuration, &["server", "cluster-reset"])
                }
                // What the node's files say counts more than what was said when nobody could know them, by the same
                // policy on machines of all ages. What cannot be looked at may be data.
                (Some(true) | None, true) => {
                    begins_a_cluster(&configuration, &ELSEWHERE)
                        && matches!(root.kind(&node.places.data_dir.join("server/db")), Ok(None))
                }
            };
        }
        Err(error) => {
            let hint = match &error {
                ConfigurationError::Host(error) if error.is_permission_denied() => {
                    " (run as root to see it)"
                }
                _ => "",
            };
            node.configuration_problem = Some(format!("{error}{hint}"));
            if let ConfigurationError::Host(error) = error {
                node.problems.push(error);
            }
        }
    }
}

fn take_in(root: &Root, node: &mut Node, configuration: &NodeConfiguration) {
    node.places
        .data_dir
        .clone_from(&configuration.data_dir.state);
    if let Some(file) = &configuration.config_file {
        node.places.config_file.clone_from(file);
    }
    if configuration.role == Role::Server {
        match datastore::of(root, &configuration.merge, &node.places.data_dir) {
            Ok(datastore) => node.datastore = Some(datastore),
            Err(error) => node.problems.push(error),
        }
        node.disabled = disabled(configuration);
    }
}

/// Options with which a server's cluster does not begin on this node: it joins one, uses a datastore that is somewhere
/// else, or resets one.
const ELSEWHERE: [&str; 3] = ["server", "datastore-endpoint", "cluster-reset"];

/// Whether a server's cluster begins on this node, as far as its options tell: none of these is given.
fn begins_a_cluster(configuration: &NodeConfiguration, elsewhere: &[&str]) -> bool {
    let given = |name: &str| {
        let option = configuration.merge.options.get(name);
        let value = option.and_then(|option| option.values.last());
        value.is_some_and(|value| !value.value.is_empty() && value.value != "false")
    };
    configuration.role == Role::Server && !elsewhere.iter().any(|name| given(name))
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

/// A name for the node that gives nothing away: its machine id is confidential (machine-id(5)), a keyed digest of it
/// is not.
#[must_use]
pub fn id(root: &Root) -> Option<String> {
    let machine_id = root.read(Path::new("/etc/machine-id"), 64).ok()??;
    let text = std::str::from_utf8(&machine_id).ok()?.trim().to_owned();
    if text.is_empty() {
        return None;
    }
    let digest = Sha256::new()
        .chain_update("k3warden node id")
        .chain_update(text)
        .finalize();
    Some(
        digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::catalogue::Catalogue;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new(units: &[(&str, &str)]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let place = directory.path().join("etc/systemd/system");
            fs::create_dir_all(&place).unwrap();
            fs::create_dir_all(directory.path().join("run/systemd/units")).unwrap();
            for (name, command) in units {
                let text = format!("[Service]\nExecStart={command}\n");
                fs::write(place.join(name), text).unwrap();
            }
            Self(directory)
        }

        fn runs(&self, unit: &str) {
            let link = format!("run/systemd/units/invocation:{unit}");
            symlink("0123456789abcdef0123456789abcdef", self.0.path().join(link)).unwrap();
        }

        /// The unit that is judged, and what is said of it.
        fn judged(&self, policy: &str, started: Option<&str>) -> (String, String) {
            let catalogue = Catalogue::built_in().unwrap();
            let files = [("/etc/k3warden/config.toml".into(), policy.to_owned())];
            let policy = Policy::from_files(&files, &catalogue).unwrap();
            let root = Root::open(self.0.path()).unwrap();
            let started = started.map(|unit| unit.parse().unwrap());
            let beside = Beside {
                surroundings: Surroundings::Image,
                k3s_version: None,
                unit: started.as_ref(),
                loaded: &LoadedUnits::default(),
            };
            let node = discover_with(&root, &policy, beside);
            (
                node.places.unit.unwrap_or_default(),
                node.warnings.join(" "),
            )
        }
    }

    const BOTH: [(&str, &str); 3] = [
        ("k3s-agent.service", "/k3s agent"),
        ("k3s-backup.service", "/bin/tar cf /k3s.tar server"),
        ("k3s.service", "/k3s server"),
    ];

    #[test]
    fn of_two_units_the_one_that_runs_is_judged_and_the_other_is_named() {
        let tree = Tree::new(&BOTH);
        let (unit, said) = tree.judged("", None);
        assert_eq!(unit, "k3s-agent.service");
        assert!(said.contains("its name comes first"), "{said}");
        tree.runs("k3s.service");
        let (unit, said) = tree.judged("", None);
        assert_eq!(unit, "k3s.service");
        assert!(said.contains("it runs; k3s-agent.service"), "{said}");
        assert!(!said.contains("backup"), "{said}");
    }

    #[test]
    fn the_role_of_the_policy_decides_between_two_units_and_the_door_before_all() {
        let tree = Tree::new(&BOTH);
        tree.runs("k3s.service");
        let (unit, said) = tree.judged("role = \"agent\"", None);
        assert_eq!(unit, "k3s-agent.service");
        assert!(said.contains("config.toml:1"), "{said}");
        let (unit, _) = tree.judged("role = \"agent\"", Some("k3s.service"));
        assert_eq!(unit, "k3s.service");
    }

    #[test]
    fn the_unit_that_the_policy_names_is_judged_whatever_runs_and_no_other_in_its_place() {
        let tree = Tree::new(&[
            ("k3s.service", "/k3s server"),
            ("k3s-edge.service", "/k3s server"),
        ]);
        tree.runs("k3s.service");
        let (unit, said) = tree.judged("unit = \"k3s-edge.service\"", None);
        assert_eq!(unit, "k3s-edge.service");
        assert!(said.contains("config.toml:1 names it"), "{said}");
        let (unit, _) = tree.judged("unit = \"k3s-edge.service\"", Some("k3s.service"));
        assert_eq!(unit, "k3s.service");
        let (unit, said) = tree.judged("unit = \"k3s-hub.service\"", None);
        assert_eq!(unit, "");
        assert!(
            said.contains("names k3s-hub.service, which starts no K3s on this node"),
            "{said}"
        );
    }

    #[test]
    fn one_unit_is_judged_without_a_word_whatever_its_role() {
        let tree = Tree::new(&[("k3s.service", "/k3s server"), BOTH[1]]);
        assert_eq!(
            tree.judged("role = \"agent\"", None),
            ("k3s.service".to_owned(), String::new())
        );
    }
}
