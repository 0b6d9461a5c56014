//! Whether K3s would end at its start because of what its components are given.

mod access;
mod admission;
mod agent_server;
mod apiserver;
mod apiserver_clients;
mod apiserver_elsewhere;
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
mod gate_components;
mod gate_needs;
mod helm;
mod k3s;
mod kubelet;
mod limits;
mod line;
mod logging;
mod manager_files;
mod metrics;
mod named_file;
mod node_networks;
mod origins;
mod own_files;
mod ports;
mod process;
mod proxy;
mod proxy_values;
mod readiness;
mod runtime;
mod runtime_config;
mod scheduler;
mod seccomp;
mod service_networks;
mod serving;
mod tls;
mod token_file;
mod vpn;
mod warnings;
mod workers;

pub(super) use component_file::stands_for;
pub use kubelet::KERNEL_PARAMETERS;
pub use own_files::{
    admission_sections, plugins_without_section, refuses_audit_log, refuses_audit_policy,
};
pub(super) use process::{Process, Reach};
pub(super) use warnings::{swallowed, warnings};

use std::collections::{BTreeMap, BTreeSet};

use line::Line;
use readiness::Readiness;

use super::document::Document;
use super::kubelet::{Extracted, KubeletSettings};
use super::{Component, InForce, Place};
use crate::k3s::Ending;

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

/// What the components are judged by beside their command lines.
#[derive(Clone, Copy)]
pub(super) struct Circumstances<'a> {
    /// The kubelet's settings, or why its configuration files could not be read.
    pub(super) settings: Option<&'a Result<KubeletSettings, Ending>>,
    pub(super) extracted: &'a Extracted,
    pub(super) facts: &'a Facts,
}

/// What K3s would end for once all of these endings are mended: a component that ends checks nothing more, and behind one that is never
/// ready the others check nothing at all.
pub(super) fn hidden_behind(
    endings: &[Ending],
    process: Process<'_>,
    circumstances: Circumstances<'_>,
) -> Vec<Ending> {
    let all_start = Component::ALL.into_iter().all(|one| process.starts(one));
    if endings.is_empty() && all_start && Readiness::of(process).all_are_started() {
        return Vec::new();
    }
    let process = Process {
        reach: Reach::EveryCheck,
        ..process
    };
    let mut hidden = self::endings(process, circumstances);
    // A list of an operator's can have an ending for each of its items.
    let shown: BTreeSet<&String> = endings.iter().map(|shown| &shown.reason).collect();
    hidden.retain(|one| !shown.contains(&one.reason));
    hidden
}

/// Everything that would keep K3s from running with these arguments, in the order in which it would meet it.
pub(super) fn endings(process: Process<'_>, circumstances: Circumstances<'_>) -> Vec<Ending> {
    let Process {
        options,
        components,
        node,
        files,
        reach,
    } = process;
    let is_followed = reach == Reach::EveryCheck;
    let mut endings = k3s::endings(options, node, files);
    endings.extend(proxy::read_without_running(process));
    let readiness = Readiness::of(process);
    for component in Component::ALL {
        let waits = readiness.keeps_back(component) && !is_followed;
        if components.line(component).is_empty() || !process.starts(component) || waits {
            continue;
        }
        endings.extend(of_component(component, process, circumstances, &readiness));
    }
    endings.extend(first_start::denied(process));
    if is_followed || readiness.is_ready() {
        endings.extend(first_start::without_rights(process));
    }
    let settings = circumstances.settings.and_then(|read| read.as_ref().ok());
    if is_followed || (endings.is_empty() && readiness.is_ready()) {
        endings.extend(gate_needs::unmet(process, settings));
        endings.extend(seccomp::without_gate(process, settings));
    }
    if is_followed || endings.is_empty() {
        endings.extend(logging::changed_by_another(process, settings));
    }
    endings
}

/// Why a component would end, and K3s with it.
fn of_component(
    component: Component,
    process: Process<'_>,
    circumstances: Circumstances<'_>,
    readiness: &Readiness<'_>,
) -> Vec<Ending> {
    let Process { options, node, .. } = process;
    let mut line = process.line(component);
    if component == Component::Kubelet {
        line.endings
            .extend(kubelet::taints_of_option(options, node));
        kubelet::files(&mut line, circumstances.settings, circumstances.extracted);
    }
    command_line(&mut line);
    if component == Component::KubeProxy {
        proxy::forgive_klog(&mut line, options);
    }
    if line.goes_on() {
        judge(&mut line, process, circumstances);
    }
    if line.goes_on() && component == Component::ControllerManager {
        controller_manager::forbidden(&mut line, readiness.forbids);
    }
    if component == Component::CloudControllerManager {
        let goes_on = line.goes_on();
        if !cloud_controller_manager::ends_k3s(node.version) {
            line.endings.clear();
        }
        if goes_on {
            cloud_controller_manager::own_parts(&mut line, options);
        }
    }
    line.endings
}

/// What a component makes of the arguments that it can read.
fn judge(line: &mut Line<'_>, process: Process<'_>, circumstances: Circumstances<'_>) {
    let Circumstances {
        settings, facts, ..
    } = circumstances;
    let (options, components) = (process.options, process.components);
    match line.component {
        Component::Apiserver => apiserver::judge(line, options),
        Component::Kubelet => kubelet::judge(line, settings, facts),
        Component::ControllerManager => controller_manager::judge(line, components, options),
        Component::CloudControllerManager => {
            cloud_controller_manager::judge(line, components, options)
        }
        Component::Scheduler => scheduler::judge(line, components, options),
        Component::KubeProxy => proxy::judge(line),
    }
}

/// What a component cannot read of its command line, and what it logs by.
fn command_line(line: &mut Line<'_>) {
    if line.goes_on() {
        common::command_line(line);
    }
    if line.goes_on() {
        logging::judge(line);
    }
}

/// Whether the apiserver encrypts Secrets, where an operator's own argument decides that.
pub(super) fn encryption(process: Process<'_>) -> Option<(bool, Place)> {
    encryption::in_force(&process.line(Component::Apiserver))
}

/// That encryption is off while its key is there, and what to do.
pub(super) fn encryption_withdrawn(process: Process<'_>) -> Option<String> {
    let apiserver = process.line(Component::Apiserver);
    encryption::withdrawn(process.options, &apiserver)
}

/// The flags for which a file of the operator's stands.
pub(super) fn decided_by_files(
    process: Process<'_>,
) -> BTreeMap<(Component, &'static str), InForce> {
    let mut decided = access::decided(&process.line(Component::Apiserver));
    decided.extend(component_file::decided(&process.line(Component::Scheduler)));
    decided.extend(component_file::decided(&process.line(Component::KubeProxy)));
    decided
}

/// Why a decoder that knows some versions of one kind would not take a file.
fn wrong_kind(file: &Document, wanted: &str, versions: &[&str]) -> Option<String> {
    let (version, kind) = (file.text("apiVersion"), file.text("kind"));
    (kind != wanted || !versions.contains(&version))
        .then(|| format!("no kind {kind:?} is registered for version {version:?}"))
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
