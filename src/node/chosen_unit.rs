//! Which unit is judged where several start K3s.

use crate::host::Root;
use crate::host::systemd::{self, UnitName};
use crate::k3s::{Role, Unit};
use crate::policy::{Given, Policy};

/// The unit that is judged. A machine with two is rare; the one that is being started is meant, else the one that the
/// policy names, else the only one of the role that the policy names, else the one that runs (a server before an agent, which
/// would not leave it its configuration), else the plain name that comes first.
///
/// # Errors
/// Where the one that the policy names is not here and others are: another must not be taken for it, and what it would
/// start K3s with nobody can say.
pub(super) fn choose(
    root: &Root,
    policy: &Policy,
    started: Option<&UnitName>,
    mut units: Vec<Unit>,
    warnings: &mut Vec<String>,
) -> Result<Option<Unit>, String> {
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
            let absent = absent(named, &units);
            if !units.is_empty() {
                return Err(absent);
            }
            warnings.push(absent);
            return Ok(None);
        };
        (place, format!("{} names it", named.source()))
    } else if let (Some(role), 1) = (&policy.role, fitting) {
        let only = place(&of_role).unwrap_or(0);
        (only, format!("it has the role of {}", role.source()))
    } else if let Some(place) =
        place(&|unit| of_role(unit) && unit.role() == Some(Role::Server) && runs(unit))
            .or_else(|| place(&|unit| of_role(unit) && runs(unit)))
    {
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
    Ok((place < units.len()).then(|| units.swap_remove(place)))
}

/// What to say where the policy names a unit that does not start K3s here.
fn absent(named: &Given<UnitName>, units: &[Unit]) -> String {
    let mut said = format!(
        "no unit is judged: {} names {}, which starts no K3s here",
        named.source(),
        named.value
    );
    let others: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    if !others.is_empty() {
        let others = others.join(", ");
        said.push_str(&format!("; {others} does (correct `unit`, or take it out)"));
    }
    said
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::catalogue::Catalogue;
    use crate::node::{Beside, LoadedUnits, Surroundings, discover_with};

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
                patience: std::time::Duration::ZERO,
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

    /// A leftover of an earlier life of the node, started again and again beside the server.
    #[test]
    fn a_server_that_runs_is_judged_though_an_agent_runs_too() {
        let tree = Tree::new(&BOTH);
        tree.runs("k3s-agent.service");
        assert_eq!(tree.judged("", None).0, "k3s-agent.service");
        tree.runs("k3s.service");
        assert_eq!(tree.judged("", None).0, "k3s.service");
        assert_eq!(tree.judged("role = \"agent\"", None).0, "k3s-agent.service");
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
            said.contains("names k3s-hub.service, which starts no K3s here; k3s-edge.service, k3s.service does"),
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
