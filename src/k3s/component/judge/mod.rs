//! Whether K3s would end at its start because of what its components are given.

mod access;
mod admission;
mod apiserver;
mod apiserver_clients;
mod apiserver_files;
mod audit;
mod cloud_controller_manager;
mod cluster;
mod common;
mod component_file;
mod controller_manager;
mod emulated;
mod encryption;
mod etcd;
mod families;
mod files;
mod first_start;
mod flannel;
mod gate_needs;
mod helm;
mod k3s;
mod kubelet;
mod limits;
mod logging;
mod manager_files;
mod named_file;
mod node_networks;
mod own_files;
mod ports;
mod proxy;
mod proxy_values;
mod runtime;
mod runtime_config;
mod scheduler;
mod seccomp;
mod serving;
mod token_file;
mod vpn;
mod workers;

pub(super) use component_file::stands_for;
pub use kubelet::KERNEL_PARAMETERS;
pub use own_files::{
    admission_sections, plugins_without_section, refuses_audit_log, refuses_audit_policy,
};

use std::collections::BTreeMap;

use super::document::Document;
use super::flags::Flags;
use super::kubelet::{Extracted, KubeletSettings};
use super::options::Options;
use super::value::Kind;
use super::{Argument, Component, Components, InForce, Node, Place};
use crate::k3s::Files;
use crate::k3s::go_value::boolean;
use crate::k3s::secret::shown_name;
use crate::k3s::{Ending, SECRET, Sourced, shown_value};

/// The cgroup hierarchy of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// cgroup v1, or the hybrid form.
    V1,
    /// The unified hierarchy.
    V2,
}

/// What the machine tells; everything may be unknown, as it is for a root that does not run.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The cgroup hierarchy.
    pub cgroup: Option<CgroupVersion>,
    /// Live kernel values by sysctl name (`vm.overcommit_memory`). A name that is missing is not known; `None` could
    /// not be read, which the kubelet counts as wrong.
    pub kernel: BTreeMap<String, Option<i64>>,
}

/// One component's command line with what is needed to judge it.
struct Line<'a> {
    component: Component,
    arguments: &'a [Argument],
    flags: Flags,
    node: &'a Node,
    files: &'a Files<'a>,
    endings: Vec<Ending>,
}

impl<'a> Line<'a> {
    fn of(
        component: Component,
        components: &'a Components,
        node: &'a Node,
        files: &'a Files<'a>,
    ) -> Self {
        Self {
            component,
            arguments: components.line(component),
            flags: Flags::of(component, node.version.minor),
            node,
            files,
            endings: Vec::new(),
        }
    }

    fn minor(&self) -> u16 {
        self.node.version.minor
    }

    /// K3s would end; the operator's argument is the place to mend.
    fn end(&mut self, reason: &str, argument: Option<&Argument>) {
        let ending = self.ending(reason, argument);
        self.endings.push(ending);
    }

    fn ending(&self, reason: &str, argument: Option<&Argument>) -> Ending {
        // Reasons can cite the value. One that does not is about a word of many in it.
        let cited = argument
            .map(|argument| argument.value.as_str())
            .filter(|value| !value.is_empty() && reason.contains(value));
        let reason = match cited {
            Some(value) if argument.is_some_and(Argument::is_secret) => {
                &reason.replace(value, SECRET)
            }
            _ => reason,
        };
        let from = argument.map(|argument| argument.place.clone());
        Ending::of(self.component, reason, from)
    }

    fn last(&self, flag: &str) -> Option<&'a Argument> {
        self.flags.last(self.arguments, flag)
    }

    fn words(&self, flag: &str) -> Vec<(&'a str, &'a Argument)> {
        self.flags.words(self.arguments, flag)
    }

    /// A flag whose value is not empty.
    fn given(&self, flag: &str) -> Option<&'a Argument> {
        self.last(flag)
            .filter(|argument| !argument.value.is_empty())
    }
}

/// Everything that would keep K3s from running with these arguments, in the order in which it would meet it.
///
/// `settings` are the kubelet's, or why its configuration files could not be read.
pub(super) fn endings(
    options: Options<'_>,
    components: &Components,
    settings: Option<&Result<KubeletSettings, Ending>>,
    extracted: &Extracted,
    facts: &Facts,
    node: &Node,
    files: &Files<'_>,
) -> Vec<Ending> {
    let mut endings = k3s::endings(options, node, files);
    endings.extend(proxy::read_without_running(
        options, components, node, files,
    ));
    let apiserver = Line::of(Component::Apiserver, components, node, files);
    let gets_ready = access::never_ready(&apiserver).is_none()
        && access::admits_k3s(&apiserver)
        && apiserver::waited_for_elsewhere(&apiserver, options).is_none();
    for component in Component::ALL {
        let waits = !gets_ready && component != Component::Apiserver;
        if components.line(component).is_empty() || !starts(component, options, components) || waits
        {
            continue;
        }
        let mut line = Line::of(component, components, node, files);
        if component == Component::Kubelet {
            line.endings
                .extend(kubelet::taints_of_option(options, node));
            kubelet::files(&mut line, settings, extracted);
        }
        command_line(&mut line);
        if line.endings.is_empty() {
            match component {
                Component::Apiserver => apiserver::judge(&mut line, options),
                Component::Kubelet => kubelet::judge(&mut line, settings, facts),
                Component::ControllerManager => {
                    controller_manager::judge(&mut line, components, options)
                }
                Component::CloudControllerManager => {
                    cloud_controller_manager::judge(&mut line, components, options)
                }
                Component::Scheduler => scheduler::judge(&mut line, components, options),
                Component::KubeProxy => proxy::judge(&mut line),
            }
        }
        if component == Component::CloudControllerManager {
            if line.endings.is_empty() {
                cloud_controller_manager::own_parts(&mut line, options);
            } else if !cloud_controller_manager::ends_k3s(node.version) {
                continue;
            }
        }
        endings.append(&mut line.endings);
    }
    endings.extend(first_start::denied(options, components, node, files));
    let settings = settings.and_then(|settings| settings.as_ref().ok());
    if endings.is_empty() && gets_ready {
        endings.extend(gate_needs::unmet(
            options, components, settings, node, files,
        ));
        endings.extend(seccomp::without_gate(
            options, components, settings, node, files,
        ));
    }
    if endings.is_empty() {
        endings.extend(logging::changed_by_another(
            options, components, settings, node, files,
        ));
    }
    endings
}

/// What a component cannot read of its command line, and what it logs by.
fn command_line(line: &mut Line<'_>) {
    if line.endings.is_empty() {
        common::command_line(line);
    }
    if line.endings.is_empty() {
        logging::judge(line);
    }
}

/// Why a cloud-controller-manager exits that K3s goes on without.
fn goes_on_without_cloud(
    options: Options<'_>,
    components: &Components,
    node: &Node,
    files: &Files<'_>,
) -> Vec<String> {
    let component = Component::CloudControllerManager;
    if components.line(component).is_empty() || cloud_controller_manager::ends_k3s(node.version) {
        return Vec::new();
    }
    let mut line = Line::of(component, components, node, files);
    command_line(&mut line);
    if line.endings.is_empty() {
        cloud_controller_manager::judge(&mut line, components, options);
    }
    let first = line.endings.first();
    let told = first.map(|ending| {
        format!(
            "{}; K3s {} goes on without it, and a new node is never given Pods",
            ending.told(),
            node.version
        )
    });
    Vec::from_iter(told)
}

/// Whether a component that K3s announces is ever started. The scheduler waits for a node without the taint of an
/// uninitialized cloud provider, and without an agent there is none (pkg/daemons/control/server.go); the kubelet waits for the
/// container runtime (pkg/executor/embed).
fn starts(component: Component, options: Options<'_>, components: &Components) -> bool {
    match component {
        Component::Scheduler => {
            options.on("disable-cloud-controller")
                || (!options.on("disable-agent") && registers_node(components))
        }
        Component::Kubelet => runtime::answers(options),
        _ => true,
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

/// Whether the apiserver encrypts Secrets, where an operator's own argument decides that.
pub(super) fn encryption(
    components: &Components,
    node: &Node,
    files: &Files<'_>,
) -> Option<(bool, Place)> {
    encryption::in_force(&Line::of(Component::Apiserver, components, node, files))
}

/// That encryption is off while its key is there, and what to do.
pub(super) fn encryption_withdrawn(
    options: Options<'_>,
    components: &Components,
    node: &Node,
    files: &Files<'_>,
) -> Option<String> {
    let apiserver = Line::of(Component::Apiserver, components, node, files);
    encryption::withdrawn(options, &apiserver)
}

/// The flags for which a file of the operator's stands.
pub(super) fn decided_by_files(
    components: &Components,
    node: &Node,
    files: &Files<'_>,
) -> BTreeMap<(Component, &'static str), InForce> {
    let line = |component| Line::of(component, components, node, files);
    let mut decided = access::decided(&line(Component::Apiserver));
    decided.extend(component_file::decided(&line(Component::Scheduler)));
    decided.extend(component_file::decided(&line(Component::KubeProxy)));
    decided
}

/// Why a decoder that knows some versions of one kind would not take a file.
fn wrong_kind(file: &Document, wanted: &str, versions: &[&str]) -> Option<String> {
    let (version, kind) = (file.text("apiVersion"), file.text("kind"));
    (kind != wanted || !versions.contains(&version))
        .then(|| format!("no kind {kind:?} is registered for version {version:?}"))
}

/// What K3s would do without an end that the operator should know.
pub(super) fn warnings(
    options: Options<'_>,
    components: &Components,
    node: &Node,
    files: &Files<'_>,
) -> Vec<String> {
    let mut warnings = k3s::waits(options);
    warnings.extend(token_file::waits(options, node, files));
    warnings.extend(runtime::waits(options));
    warnings.extend(unknown_flags(components, node));
    warnings.extend(goes_on_without_cloud(options, components, node, files));
    let apiserver = Line::of(Component::Apiserver, components, node, files);
    warnings.extend(encryption::warning(options, &apiserver));
    if let Some(argument) = access::never_ready(&apiserver) {
        warnings.push(format!(
            "{}: with --{}={} kube-apiserver never says that it is ready, and K3s ends after 15 minutes; write RBAC among \
             the modes",
            argument.place,
            argument.shown_flag(),
            argument.value
        ));
    } else if let Some(argument) = apiserver::waited_for_elsewhere(&apiserver, options) {
        warnings.push(format!(
            "{}: with --{}={} kube-apiserver never says that it is ready where K3s looks for it; take that out",
            argument.place,
            argument.shown_flag(),
            argument.value
        ));
    }
    warnings
}

/// The operator's flags that no table can tell of, because the release is newer than all of them.
fn unknown_flags(components: &Components, node: &Node) -> Vec<String> {
    if node.version.minor <= super::minors::NEWEST {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for component in Component::ALL {
        let flags = Flags::of(component, node.version.minor);
        let line = components.line(component).iter();
        let unknown = line.filter(|argument| {
            argument.place != Place::Default && flags.kind(&argument.flag).is_none()
        });
        warnings.extend(unknown.map(|argument| {
            format!(
                "whether {component} of K3s {} knows --{} is not known here ({}); look it up, or update k3warden",
                node.version,
                argument.shown_flag(),
                argument.place
            )
        }));
    }
    warnings
}

/// The operator's items that K3s loses without a word, as warnings.
pub(super) fn swallowed(extracted: &Extracted, node: &Node) -> Vec<String> {
    let flags = Flags::of(Component::Kubelet, node.version.minor);
    let lost = |(bare, lost): &(Sourced, Sourced)| {
        let flag = shown_name(bare.value.trim_start_matches("--"));
        let value = match flags.kind(flag) {
            Some(Kind::Bool) => "true",
            _ => "VALUE",
        };
        format!(
            "{}: kubelet-arg `{flag}` has no `=`, so K3s takes the next item `{}` for its value and loses it; write \
             `{flag}={value}`",
            bare.place,
            shown_value(Component::Kubelet.option(), &lost.value),
        )
    };
    extracted.swallowed.iter().map(lost).collect()
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{with, with_files};

    /// Asked of a real 1.36.3, which was at no end after a minute; a bundle with K3s's own authority in it is another thing.
    #[test]
    fn behind_an_apiserver_that_does_not_take_k3s_s_certificates_no_flag_is_read() {
        let own = "/var/lib/rancher/k3s/server/tls/client-ca.crt";
        let bundle = [(own, "K3S\n"), ("/etc/ca.crt", "OTHER\nK3S\n")];
        for (item, files, ends) in [
            (format!("client-ca-file={own}"), &[][..], true),
            ("client-ca-file=/etc/ca.crt".to_owned(), &bundle[..], true),
            (
                "client-ca-file=/var/lib/rancher/k3s/server/tls/server-ca.crt".to_owned(),
                &bundle[..],
                false,
            ),
        ] {
            let options = vec![
                ("kube-apiserver-arg", vec![item.as_str()]),
                ("kube-controller-manager-arg", vec!["nope=1"]),
            ];
            let start = with_files(options, files, "1.36.3", Role::Server);
            assert_eq!(
                !start.endings.is_empty(),
                ends,
                "{item}: {:?}",
                start.endings
            );
        }
    }

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

    /// A real 1.36.3 was neither ready nor at an end after a minute and a half.
    #[test]
    fn behind_an_apiserver_that_is_never_ready_no_flag_is_read() {
        for (mode, ends) in [
            ("Node", false),
            ("AlwaysDeny", false),
            ("Node,RBAC", true),
            ("", true),
        ] {
            let mode = format!("authorization-mode={mode}");
            let options = vec![
                ("kube-apiserver-arg", vec![mode.as_str()]),
                ("kube-controller-manager-arg", vec!["nope=1"]),
                ("kubelet-arg", vec!["nope=1"]),
            ];
            let start = with(options, "1.36.3", Role::Server);
            assert_eq!(!start.endings.is_empty(), ends, "{mode}");
            let warned = start
                .warnings
                .iter()
                .any(|warning| warning.contains("15 minutes"));
            assert_eq!(warned, !ends, "{mode}: {:?}", start.warnings);
        }
    }
}
