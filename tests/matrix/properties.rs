//! What holds in every cell, whatever the operator has there and however much the policy asks for.

use std::collections::BTreeSet;

use k3warden::catalogue::Catalogue;
use k3warden::host::{State, Thing};
use k3warden::k3s::component::{Component, InForce};
use k3warden::k3s::{Effective, Ending};
use k3warden::reconcile::Plan;
use k3warden::setting::Stage;

use super::cell::{Cell, Kind, Operator, VERSIONS};
use super::operators;

/// Every control that the catalogue has, opt-in ones too, enforced.
fn everything(catalogue: &Catalogue) -> String {
    let mut policy = String::new();
    for control in catalogue.controls() {
        policy.push_str(&format!(
            "| [control.{}]\n| state = \"enforce\"\n",
            control.id
        ));
        if control.parameters.contains_key("namespaces") {
            policy.push_str("| namespaces = [\"team\"]\n");
        }
    }
    policy
}

fn endings(effective: &Effective) -> BTreeSet<&str> {
    effective
        .endings()
        .map(|ending: &Ending| ending.reason.as_str())
        .collect()
}

/// The words of one list flag, or the value of another.
fn in_force(effective: &Effective, flag: &str) -> Vec<String> {
    match effective
        .start
        .in_force(Component::Apiserver, flag, effective.version)
    {
        InForce::List { elements } => elements.into_iter().map(|(element, _)| element).collect(),
        InForce::One { value, .. } => vec![value],
        _ => Vec::new(),
    }
}

fn our_drop_in(plan: &Plan) -> String {
    let ours = plan.changes.iter().filter_map(|planned| {
        match (&planned.change.thing, &planned.change.after) {
            (Thing::Path(path), State::File { content, .. })
                if path.to_string_lossy().ends_with("z-k3warden.yaml") =>
            {
                Some(String::from_utf8_lossy(content).into_owned())
            }
            _ => None,
        }
    });
    ours.collect()
}

/// A cell with its operator, release and kind in words.
fn cells(catalogue: &Catalogue, mut look: impl FnMut(&str, Kind, &Cell<'_>)) {
    let policy = everything(catalogue);
    for operator in operators() {
        for kind in Kind::ALL {
            // The releases at which what is written changes; the told cells are all of them.
            for version in [
                VERSIONS[0],
                VERSIONS[1],
                VERSIONS[3],
                VERSIONS[6],
                VERSIONS[9],
                VERSIONS[11],
            ] {
                let cell = Cell::new(catalogue, &operator, kind, version, &policy);
                look(
                    &format!("{}, {}, {version}", operator.name, kind.title()),
                    kind,
                    &cell,
                );
            }
        }
    }
}

fn kernel_values_come_first(name: &str, plan: &Plan) {
    let is_kernel = |stage: Stage| matches!(stage, Stage::LiveSysctl | Stage::PersistedSysctl);
    let last_kernel = plan
        .changes
        .iter()
        .rposition(|planned| is_kernel(planned.change.stage));
    let configuration = plan.changes.iter().position(|planned| {
        planned
            .change
            .thing
            .to_string()
            .ends_with("z-k3warden.yaml")
    });
    if let (Some(kernel), Some(configuration)) = (last_kernel, configuration) {
        assert!(
            kernel < configuration,
            "{name}: protect-kernel-defaults comes before the kernel values"
        );
    }
}

#[test]
fn with_every_control_enforced_each_node_starts_and_is_stable() {
    let catalogue = Catalogue::built_in().unwrap();
    cells(&catalogue, |name, kind, cell| {
        let before = cell.effective();
        let plan = cell.plan();
        let drop_in = our_drop_in(&plan);
        cell.make(plan.changes.iter().map(|planned| &planned.change));
        assert!(cell.plan().is_empty(), "{name}: applied twice");
        let after = cell.effective();
        let new: Vec<&str> = endings(&after)
            .difference(&endings(&before))
            .copied()
            .collect();
        assert_eq!(
            new,
            Vec::<&str>::new(),
            "{name}: K3s refuses what was written:\n{drop_in}"
        );
        if kind == Kind::Agent {
            let servers = [
                "kube-apiserver",
                "kube-controller",
                "kube-scheduler",
                "secrets-encryption",
                "write-kubeconfig",
            ];
            assert!(
                !servers.iter().any(|key| drop_in.contains(key)),
                "{name}: {drop_in}"
            );
        } else {
            let plugins = in_force(&after, "enable-admission-plugins");
            let written = cell.version.minor >= 21
                || in_force(&before, "enable-admission-plugins")
                    .contains(&"NodeRestriction".to_owned());
            assert_eq!(
                plugins.contains(&"NodeRestriction".to_owned()),
                written,
                "{name}: {plugins:?}"
            );
            let once: BTreeSet<&String> = plugins.iter().collect();
            assert_eq!(once.len(), plugins.len(), "{name}: twice in {plugins:?}");
        }
        kernel_values_come_first(name, &plan);
    });
}

/// Without the order in which K3s reads our lines nothing changes: no two of them are about the same.
#[test]
fn the_order_of_our_lines_does_not_matter() {
    let catalogue = Catalogue::built_in().unwrap();
    let policy = everything(&catalogue);
    for operator in operators() {
        for kind in Kind::ALL {
            for version in [VERSIONS[1], VERSIONS[6], VERSIONS[11]] {
                let cell = Cell::new(&catalogue, &operator, kind, version, &policy);
                let plan = cell.plan();
                cell.make(plan.changes.iter().map(|planned| &planned.change));
                let straight = cell.effective();
                let Some(path) = plan
                    .changes
                    .iter()
                    .map(|planned| planned.change.thing.to_string())
                    .find(|path| path.ends_with("z-k3warden.yaml"))
                else {
                    continue;
                };
                let text = std::fs::read_to_string(cell.tree.at(&path)).unwrap();
                std::fs::write(cell.tree.at(&path), reversed(&text)).unwrap();
                let turned = cell.effective();
                for component in Component::ALL {
                    assert_eq!(
                        straight.start.components.words(component),
                        turned.start.components.words(component),
                        "{} {} {version}",
                        operator.name,
                        kind.title()
                    );
                }
            }
        }
    }
}

/// Options last, and our items of each list the other way round; his stand before them, as he has them.
fn reversed(text: &str) -> String {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match blocks.last_mut().filter(|_| line.starts_with("- ")) {
            Some(block) => {
                let his = block
                    .iter()
                    .filter(|line| line.ends_with("# from-your-list"));
                block.insert(1 + his.count(), line);
            }
            None => blocks.push(vec![line]),
        }
    }
    blocks.reverse();
    blocks.concat().join("\n") + "\n"
}

/// A node that is restarted between any two changes of a plan still starts.
#[test]
fn k3s_starts_after_each_change_of_a_plan() {
    let catalogue = Catalogue::built_in().unwrap();
    let policy = everything(&catalogue);
    let operator = Operator::bare();
    for kind in [Kind::Sqlite, Kind::Agent] {
        for version in [VERSIONS[3], VERSIONS[11]] {
            let cell = Cell::new(&catalogue, &operator, kind, version, &policy);
            for planned in &cell.plan().changes {
                cell.make([&planned.change]);
                let after = cell.effective();
                assert_eq!(
                    endings(&after),
                    BTreeSet::new(),
                    "{} {version} after {}",
                    kind.title(),
                    planned.change.thing
                );
            }
        }
    }
}
