//! What the operator should know of a start that does not end.

use super::{
    Process, access, agent_server, apiserver_elsewhere, cloud_controller_manager, command_line,
    encryption, k3s, runtime, token_file,
};
use crate::k3s::component::flags::Flags;
use crate::k3s::component::kubelet::Extracted;
use crate::k3s::component::minors;
use crate::k3s::component::value::Kind;
use crate::k3s::component::{Component, Components, Node};
use crate::k3s::secret::shown_name;
use crate::k3s::{Place, Sourced, shown_value};

/// What K3s would do without an end that the operator should know.
pub(in crate::k3s::component) fn warnings(process: Process<'_>) -> Vec<String> {
    let Process {
        options,
        components,
        node,
        files,
        ..
    } = process;
    let mut warnings = k3s::waits(options);
    warnings.extend(token_file::waits(options, node, files));
    warnings.extend(agent_server::waits(options, node));
    warnings.extend(runtime::waits(options));
    warnings.extend(unknown_flags(components, node));
    warnings.extend(goes_on_without_cloud(process));
    let apiserver = process.line(Component::Apiserver);
    warnings.extend(encryption::warning(options, &apiserver));
    if let Some(argument) = access::never_ready(&apiserver) {
        warnings.push(format!(
            "{}: with --{}={} kube-apiserver never says that it is ready, and K3s ends after 15 minutes; write RBAC among \
             the modes",
            argument.place,
            argument.shown_flag(),
            argument.value
        ));
    } else if let Some(argument) = apiserver_elsewhere::waited_for_in_vain(&apiserver, options) {
        warnings.push(format!(
            "{}: with --{}={} kube-apiserver never says that it is ready where K3s looks for it; take that out",
            argument.place,
            argument.shown_flag(),
            argument.value
        ));
    }
    warnings
}

/// Why a cloud-controller-manager exits that K3s goes on without.
fn goes_on_without_cloud(process: Process<'_>) -> Vec<String> {
    let Process {
        options,
        components,
        node,
        ..
    } = process;
    let component = Component::CloudControllerManager;
    if components.line(component).is_empty() || cloud_controller_manager::ends_k3s(node.version) {
        return Vec::new();
    }
    let mut line = process.line(component);
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

/// The operator's flags that no table can tell of, because the release is newer than all of them.
fn unknown_flags(components: &Components, node: &Node) -> Vec<String> {
    if node.version.minor <= minors::NEWEST {
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
pub(in crate::k3s::component) fn swallowed(extracted: &Extracted, node: &Node) -> Vec<String> {
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
    use crate::k3s::component::tests::with_files;

    #[test]
    fn modes_of_a_file_are_told_of_the_file_and_not_of_k3s_s_own_modes() {
        let head =
            "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: AuthorizationConfiguration\n";
        let content = format!("{head}authorizers:\n- type: Node\n  name: node\n");
        for version in ["1.32.4", "1.36.3"] {
            let items = vec!["authorization-config=/etc/modes.yaml"];
            let options = vec![("kube-apiserver-arg", items)];
            let files = [("/etc/modes.yaml", content.as_str())];
            let start = with_files(options, &files, version, Role::Server);
            let told = start.warnings.concat();
            let expected = "k3s.service ExecStart: with --authorization-config=/etc/modes.yaml";
            assert!(told.starts_with(expected), "{version}: {told}");
        }
    }
}
