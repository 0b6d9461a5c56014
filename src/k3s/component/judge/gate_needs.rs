//! Feature gates that need others (component-base `featuregate` Set): whichever component sets them, one process has one set of them.

use super::{Process, common};
use crate::k3s::component::minors;
use crate::k3s::component::value::gate_pairs;
use crate::k3s::component::{Component, KubeletSettings};
use crate::k3s::go_value::boolean;
use crate::k3s::{Ending, Place};

const TABLE: &str = include_str!("../data/gate_needs.txt");

/// A gate as a component is given it.
pub(super) struct Given {
    component: Component,
    name: String,
    on: bool,
    place: Place,
    of_kubelet_files: bool,
}

impl Given {
    /// Files of the kubelet give it, which reads them after its flags.
    pub(super) fn is_of_kubelet_files(&self) -> bool {
        self.of_kubelet_files
    }
}

/// The first component that ends over a gate that is on without what it needs.
pub(super) fn unmet(process: Process<'_>, settings: Option<&KubeletSettings>) -> Option<Ending> {
    let given = given(process, settings)?;
    let needs = || minors::lines(TABLE, process.node.version.minor);
    given.iter().find_map(|one| {
        let needs = needs().filter_map(|columns| <[&str; 4]>::try_from(columns).ok());
        let mut broken = needs.filter(|[gate, default, needed, needed_default]| {
            let is_of_this = match one.on {
                true => one.name == *gate,
                false => one.name == *needed,
            };
            is_of_this
                && is_on(&given, gate, default) == Some(true)
                && is_on(&given, needed, needed_default) == Some(false)
        });
        let [gate, _, needed, _] = broken.next()?;
        let reason =
            format!("{gate} is enabled, but depends on features that are disabled: [{needed}]");
        Some(Ending::of(one.component, &reason, Some(one.place.clone())))
    })
}

/// Whether a gate is on; `None` where the components are not of one mind.
pub(super) fn is_on(given: &[Given], gate: &str, default: &str) -> Option<bool> {
    let mut values = given.iter().filter(|one| one.name == gate);
    let first = values.next().map(|one| one.on);
    let agree = values.all(|one| Some(one.on) == first);
    agree.then(|| first.unwrap_or(default == "on"))
}

/// Every gate that flags and the kubelet's files set; `None` where the defaults are not those of the release.
pub(super) fn given(
    process: Process<'_>,
    settings: Option<&KubeletSettings>,
) -> Option<Vec<Given>> {
    let mut given = Vec::new();
    for component in Component::ALL {
        let line = process.line(component);
        if !process.starts(component) {
            continue;
        }
        for argument in line.flags.effective(line.arguments, "feature-gates") {
            for (name, value) in gate_pairs(&argument.value) {
                given.push(Given {
                    component,
                    name: name.to_owned(),
                    on: value.and_then(boolean)?,
                    place: argument.place.clone(),
                    of_kubelet_files: false,
                });
            }
        }
        if line.given("emulated-version").is_some_and(common::is_given) {
            return None;
        }
    }
    let of_files = settings.into_iter().flat_map(|settings| &settings.gates);
    for (name, setting) in
        of_files.filter(|(_, setting)| matches!(setting.place, Place::File { .. }))
    {
        given.push(Given {
            component: Component::Kubelet,
            name: name.clone(),
            on: boolean(&setting.value)?,
            place: setting.place.clone(),
            of_kubelet_files: true,
        });
    }
    let is_class = |one: &Given| matches!(one.name.as_str(), "AllAlpha" | "AllBeta");
    (!given.iter().any(is_class)).then_some(given)
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{with, with_files};

    const SHUTDOWN: &str = "GracefulNodeShutdown=false";
    const DEPENDENTS: &str =
        "GracefulNodeShutdownBasedOnPodPriority=false,WindowsGracefulNodeShutdown=false";

    fn reason(version: &str, gates: &[(&'static str, &str)]) -> String {
        let items: Vec<String> = gates
            .iter()
            .map(|(_, gates)| format!("feature-gates={gates}"))
            .collect();
        let options = gates.iter().zip(&items);
        let options = options.map(|((option, _), item)| (*option, vec![item.as_str()]));
        let start = with(options.collect(), version, Role::Server);
        let first = start.endings.into_iter().next();
        first.map(|ending| ending.reason).unwrap_or_default()
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn a_gate_that_is_on_needs_others() {
        for (option, gates, words) in [
            ("kubelet-arg", SHUTDOWN, "disabled: [GracefulNodeShutdown]"),
            (
                "kube-cloud-controller-manager-arg",
                SHUTDOWN,
                "disabled: [GracefulNodeShutdown]",
            ),
            (
                "kube-apiserver-arg",
                "APIServerIdentity=false",
                "UnknownVersionInteroperabilityProxy is enabled, but depends on features that are disabled: [APIServerIdentity]",
            ),
            (
                "kube-apiserver-arg",
                "AtomicFIFO=false",
                "disabled: [AtomicFIFO]",
            ),
            (
                "kube-scheduler-arg",
                "GangScheduling=true",
                "GangScheduling is enabled, but depends on features that are disabled: [GenericWorkload]",
            ),
            (
                "kube-proxy-arg",
                "PodLevelResources=false",
                "InPlacePodLevelResourcesVerticalScaling is enabled",
            ),
            (
                "kube-controller-manager-arg",
                "NodeDeclaredFeatures=false",
                "disabled: [NodeDeclaredFeatures]",
            ),
        ] {
            let found = reason("1.36.3", &[(option, gates)]);
            assert!(found.contains(words), "{option} {gates}: {found}");
            // Nobody read its source.
            assert!(!reason("1.34.1", &[(option, gates)]).contains("depends on"));
        }
    }

    #[test]
    fn what_it_needs_can_come_from_another_component_or_the_gate_be_off() {
        let both = format!("{SHUTDOWN},{DEPENDENTS}");
        for gates in [
            &[("kubelet-arg", both.as_str())][..],
            &[
                ("kube-apiserver-arg", DEPENDENTS),
                ("kubelet-arg", SHUTDOWN),
            ],
            &[(
                "kube-apiserver-arg",
                "GangScheduling=true,GenericWorkload=true",
            )],
            &[
                ("kube-apiserver-arg", "GenericWorkload=true"),
                ("kube-scheduler-arg", "GangScheduling=true"),
            ],
            &[("kubelet-arg", "GracefulNodeShutdown=true")],
            &[("kube-apiserver-arg", "AllBeta=false")],
        ] {
            assert_eq!(reason("1.36.3", gates), "", "{gates:?}");
        }
    }

    #[test]
    fn the_kubelet_s_files_set_gates_too() {
        let head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
        let text = format!("{head}featureGates: {{GracefulNodeShutdown: false}}\n");
        let path = "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/90-x.conf";
        let start = with_files(vec![], &[(path, &text)], "1.36.3", Role::Server);
        let first = start.endings.first().map(ToString::to_string);
        let first = first.unwrap_or_default();
        assert!(first.starts_with("kubelet exited: "), "{first}");
        assert!(first.contains("[GracefulNodeShutdown]"), "{first}");
        assert!(first.contains("90-x.conf:3"), "{first}");
    }
}
