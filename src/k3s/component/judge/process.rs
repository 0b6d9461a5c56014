//! All components together, since K3s runs them in one process.

use super::{Line, runtime};
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
}

impl<'a> Process<'a> {
    pub(super) fn line(self, component: Component) -> Line<'a> {
        Line::of(component, self.components, self.node, self.files)
    }

    /// Whether a component that K3s announces is ever started. The scheduler waits for a node without the taint of an
    /// uninitialized cloud provider, and without an agent there is none (pkg/daemons/control/server.go); the kubelet waits for the
    /// container runtime (pkg/executor/embed).
    pub(super) fn starts(self, component: Component) -> bool {
        let options = self.options;
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
}
