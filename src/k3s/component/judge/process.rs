//! All components together, since K3s runs them in one process.

use super::{Line, runtime};
use crate::k3s::component::flags::Flags;
use crate::k3s::component::options::Options;
use crate::k3s::component::{Argument, Component, Components, Node};
use crate::k3s::go_value::boolean;
use crate::k3s::{Files, Place};

/// What K3s would start its components with, and what else they are judged by.
#[derive(Clone, Copy)]
pub(in crate::k3s::component) struct Process<'a> {
    pub(in crate::k3s::component) options: Options<'a>,
    pub(in crate::k3s::component) components: &'a Components,
    pub(in crate::k3s::component) node: &'a Node,
    pub(in crate::k3s::component) files: &'a Files<'a>,
    pub(in crate::k3s::component) reach: Reach,
}

/// How far K3s and its components are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::k3s::component) enum Reach {
    /// As far as this start comes: what ends or waits checks nothing more, and a component that is never started nothing at all.
    ThisStart,
    /// Through every check of every component, as the start comes to it at which all that is before it is mended.
    EveryCheck,
}

impl<'a> Process<'a> {
    pub(super) fn line(self, component: Component) -> Line<'a> {
        Line {
            component,
            arguments: self.components.line(component),
            flags: Flags::of(component, self.node.version.minor),
            node: self.node,
            files: self.files,
            reach: self.reach,
            endings: Vec::new(),
        }
    }

    /// Whether a component that K3s announces is ever started. The scheduler waits for a node without the taint of an
    /// uninitialized cloud provider, and without an agent there is none (pkg/daemons/control/server.go); the kubelet waits for the
    /// container runtime (pkg/executor/embed).
    pub(super) fn starts(self, component: Component) -> bool {
        let options = self.options;
        if self.reach == Reach::EveryCheck {
            return true;
        }
        match component {
            Component::Scheduler => {
                options.on("disable-cloud-controller")
                    || (!options.on("disable-agent") && registers_node(self.components))
            }
            Component::Kubelet => runtime::answers(options),
            _ => true,
        }
    }
}

/// Whether the kubelet makes a node of this machine: one that is told another name may not (`--authorization-mode=Node`), and one
/// that is told so does not.
fn registers_node(components: &Components) -> bool {
    let last = |flag: &'static str| components.values(Component::Kubelet, flag).last();
    if last("register-node").is_some_and(|argument| boolean(&argument.value) == Some(false)) {
        return false;
    }
    let names: Vec<&Argument> = components
        .values(Component::Kubelet, "hostname-override")
        .collect();
    let ([first, ..], [.., last]) = (names.as_slice(), names.as_slice()) else {
        return true;
    };
    // K3s gives it one of its own, alone unless the operator's stands beside it.
    let own = last.overrode.last().map_or(&first.value, |own| &own.value);
    last.place == Place::Default || *own == last.value
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::with;

    /// Asked of a real 1.31.4 and 1.36.3, which ran without a scheduler.
    #[test]
    fn without_a_node_no_flag_of_the_scheduler_is_read() {
        for (items, ends) in [
            (vec!["hostname-override=h"], false),
            (vec!["hostname-override+=h"], false),
            (vec!["hostname-override=n1"], true),
            (vec!["register-node=false"], false),
            (vec!["register-node=true"], true),
            (vec!["max-pods=50"], true),
        ] {
            for version in ["1.24.4", "1.31.4", "1.36.3"] {
                let options = vec![
                    ("node-name", vec!["n1"]),
                    ("kubelet-arg", items.clone()),
                    ("kube-scheduler-arg", vec!["nope=1"]),
                ];
                let start = with(options, version, Role::Server);
                assert_eq!(
                    !start.endings.is_empty(),
                    ends,
                    "{version} {items:?}: {:?}",
                    start.endings
                );
            }
        }
    }

    /// What hides it is before it in its component, in another one, or keeps its component from being started.
    #[test]
    fn what_an_end_hides_is_known_and_is_no_end_of_this_start() {
        let (server, manager) = ("kube-apiserver-arg", "kube-controller-manager-arg");
        for (version, first, second, hidden) in [
            (
                "1.36.3",
                (server, "nope=1"),
                (server, "other=1"),
                "unknown flag: --other",
            ),
            (
                "1.36.3",
                (server, "nope=1"),
                (server, "goaway-chance=5"),
                "--goaway-chance",
            ),
            (
                "1.36.3",
                (server, "nope=1"),
                (manager, "v=4"),
                "logging configuration",
            ),
            (
                "1.36.3",
                (server, "authorization-mode=Node"),
                (manager, "nope=1"),
                "--nope",
            ),
            (
                "1.36.3",
                ("kubelet-arg", "register-node=false"),
                ("kube-scheduler-arg", "nope=1"),
                "--nope",
            ),
            (
                "1.24.4",
                (server, "nope=1"),
                ("kubelet-arg", "seccomp-default=true"),
                "SeccompDefault",
            ),
        ] {
            let items = |option| {
                let both = [first, second].into_iter();
                both.filter(|(other, _)| *other == option)
                    .map(|(_, item)| item)
                    .collect()
            };
            let mut options: Vec<(&str, Vec<&str>)> = vec![(first.0, items(first.0))];
            if second.0 != first.0 {
                options.push((second.0, items(second.0)));
            }
            let start = with(options, version, Role::Server);
            let is_it = |ending: &crate::k3s::Ending| ending.reason.contains(hidden);
            assert!(
                !start.endings.iter().any(is_it),
                "{hidden}: {:?}",
                start.endings
            );
            let found = &start.hidden_endings;
            assert!(found.iter().any(is_it), "{hidden}: {found:?}");
        }
    }

    #[test]
    fn behind_no_end_nothing_is_hidden() {
        let start = with(vec![], "1.36.3", Role::Server);
        assert_eq!((start.endings, start.hidden_endings), (vec![], vec![]));
    }
}
