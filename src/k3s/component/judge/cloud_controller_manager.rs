//! K3s's cloud-controller-manager, which older releases go on without.

use super::{Line, apiserver_clients, common, files, ports, tls};
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Since;
use crate::k3s::component::{Component, Components};
use crate::k3s::label::is_label;
use crate::k3s::{Ending, K3sVersion};

/// From these releases on K3s ends with its cloud-controller-manager. Before, and not before the other, it logs why that
/// exited and runs on without it (K3s 753c00f30 and 199424b60, `pkg/daemons/executor/embed.go`); what was backported of the
/// first is not known here.
const ENDS_WITH_CLOUD_SINCE: &str = "1.29.2";
const ENDED_WITH_CLOUD_UNTIL: &str = "1.22.2";
/// From here on K3s reads what `--cloud-config` names, and ends over what it cannot read however the component exits
/// (0b96ca92b, `cloudInitializer`).
const CONFIGURED_SINCE: &str = "1.23.13+1.24.7+1.25.3";

/// Whether K3s ends when its cloud-controller-manager does.
pub(super) fn ends_k3s(version: K3sVersion) -> bool {
    let since = |releases: &str| Since::parse(releases).is_some_and(|since| since.reached(version));
    since(ENDS_WITH_CLOUD_SINCE) || !since(ENDED_WITH_CLOUD_UNTIL)
}

/// Judges everything that the component itself checks before it runs.
pub(super) fn judge(line: &mut Line<'_>, components: &Components, options: Options<'_>) {
    ports::of_another(
        line,
        components,
        &[Component::Apiserver, Component::ControllerManager],
    );
    ports::of_k3s(line, options);
    apiserver_clients::known_controllers(line, |name| {
        let name = name.strip_suffix("-controller").unwrap_or(name);
        [
            "cloud-node",
            "cloud-node-lifecycle",
            "service",
            "service-lb",
            "route",
            "node-route",
        ]
        .contains(&name)
    });
    common::range(line, "secure-port", 0, 65535);
    tls::serving(line);
    apiserver_clients::leader_election(line);
    apiserver_clients::delegation(line);
    apiserver_clients::no_cluster(line);
    files::must_exist(
        line,
        &["kubeconfig", "tls-cert-file", "tls-private-key-file"],
    );
    if let Some(argument) = line
        .last("cloud-provider")
        .filter(|argument| argument.value.is_empty())
    {
        line.end("--cloud-provider cannot be empty", Some(argument));
    }
}

/// What K3s itself cannot begin in its cloud-controller-manager.
pub(super) fn own_parts(line: &mut Line<'_>, options: Options<'_>) {
    if Since::parse(CONFIGURED_SINCE).is_some_and(|since| since.reached(line.node.version)) {
        files::must_exist(line, &["cloud-config"]);
    }
    load_balancer(line, options);
    // It does not exit over them but panics, with which every K3s ends.
    apiserver_clients::election_times(line);
}

/// From here on K3s makes the namespace of its load balancers so (pkg/cloudprovider/servicelb.go, c6d0afd0c); its backports were
/// not looked for.
const OWN_NAMESPACE_SINCE_MINOR: u16 = 27;

/// K3s panics over a namespace that cannot be.
fn load_balancer(line: &mut Line<'_>, options: Options<'_>) {
    let off = options
        .words("disable")
        .any(|(word, _)| word == "servicelb");
    let Some(name) = options.text("servicelb-namespace") else {
        return;
    };
    if off || is_label(name) || line.minor() < OWN_NAMESPACE_SINCE_MINOR {
        return;
    }
    let reason = format!(
        "failed to register service-lb-controller handlers: Namespace {name:?} is invalid: a lowercase RFC 1123 label must consist \
         of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"
    );
    let place = options.place("servicelb-namespace").cloned();
    line.endings
        .push(Ending::of(line.component, &reason, place));
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{reason, with, with_files};

    /// Asked of a real 1.24.4, which logged the error and was ready, and of a real 1.31.4.
    #[test]
    fn k3s_went_on_without_its_cloud_controller_manager_once() {
        let option = "kube-cloud-controller-manager-arg";
        for (item, versions) in [
            (
                "bind-address",
                "1.21.1 1.22.1 | 1.22.2 1.24.4 1.28.4 1.29.1 | 1.29.2 1.31.4 1.36.3",
            ),
            ("v=2", "| 1.28.4 | 1.29.4"),
            (
                "controllers=x",
                "1.22.1 | 1.22.4 1.24.4 1.29.1 | 1.29.2 1.31.4",
            ),
            (
                "cloud-config=/x",
                "| 1.23.6 1.24.4 | 1.24.7 1.25.3 1.28.4 1.31.4 1.36.3",
            ),
        ] {
            for (part, versions) in versions.split('|').enumerate() {
                for version in versions.split_whitespace() {
                    let start = with(vec![(option, vec![item])], version, Role::Server);
                    let told = start
                        .warnings
                        .iter()
                        .any(|warning| warning.contains("goes on without it"));
                    assert_eq!(
                        start.endings.is_empty(),
                        part == 1,
                        "{item} {version}: {:?}",
                        start.endings
                    );
                    assert_eq!(
                        told,
                        part == 1 && item != "cloud-config=/x",
                        "{item} {version}"
                    );
                }
            }
        }
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn load_balancers_are_in_a_namespace_that_can_be() {
        let namespace = ("servicelb-namespace", "LB_x");
        let found = reason("1.36.3", &[namespace]);
        assert!(found.contains("Namespace \"LB_x\" is invalid"), "{found}");
        assert_eq!(reason("1.36.3", &[("servicelb-namespace", "lb")]), "");
        assert_eq!(reason("1.26.1", &[namespace]), "");
        let off = ("disable", "traefik,servicelb");
        assert_eq!(reason("1.36.3", &[namespace, off]), "");
        // Load balancers alone are reason enough for a cloud-controller-manager.
        let others = ("disable-cloud-controller", "true");
        assert!(!reason("1.36.3", &[namespace, others]).is_empty());
    }

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3, with load balancers and without.
    #[test]
    fn the_rights_of_its_controllers_are_nobody_s_on_a_new_cluster() {
        let item = "use-service-account-credentials=true";
        let option = "kube-cloud-controller-manager-arg";
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            assert!(!reason(version, &[(option, item)]).is_empty(), "{version}");
            let off = "use-service-account-credentials=false";
            assert_eq!(reason(version, &[(option, off)]), "", "{version}");
            let all = ("kube-apiserver-arg", "authorization-mode=AlwaysAllow");
            assert_eq!(reason(version, &[(option, item), all]), "", "{version}");
            for path in ["server/manifests/rights.yaml", "server/db/state.db"] {
                let path = format!("/var/lib/rancher/k3s/{path}");
                let files = [(path.as_str(), "")];
                let start = with_files(vec![(option, vec![item])], &files, version, Role::Server);
                assert!(
                    start.endings.is_empty(),
                    "{version} {path}: {:?}",
                    start.endings
                );
            }
        }
    }
}
