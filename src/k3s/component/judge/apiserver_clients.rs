//! What the components have in common that run with the apiserver's help: the controller managers and the scheduler.

use super::{Line, common, files, serving};

/// What it asks the apiserver with who comes to its own port, and may do what (apiserver `pkg/server/options/authentication.go`,
/// `authorization.go`).
pub(super) fn delegation(line: &mut Line<'_>) {
    files::must_exist(
        line,
        &[
            "authentication-kubeconfig",
            "authorization-kubeconfig",
            "client-ca-file",
            "requestheader-client-ca-file",
        ],
    );
    serving::judge(line);
}

/// Without a way to the apiserver a component looks for that of a pod (client-go `tools/clientcmd` BuildConfigFromFlags).
pub(super) fn no_cluster(line: &mut Line<'_>) {
    let kubeconfig = line
        .last("kubeconfig")
        .filter(|argument| argument.value.is_empty());
    if let Some(argument) = kubeconfig
        && line.given("master").is_none()
        && line.minor() >= 24
    {
        line.end(
            "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable",
            Some(argument),
        );
    }
}

/// Names that `--controllers` cannot have.
pub(super) fn known_controllers(line: &mut Line<'_>, is_known: impl Fn(&str) -> bool) {
    for (word, argument) in line.words("controllers") {
        let name = word.strip_prefix('-').unwrap_or(word);
        if word != "*" && !is_known(name) {
            let reason = format!("{name:?} is not in the list of known controllers");
            line.end(&reason, Some(argument));
        }
    }
}

/// Only leases are left as a lock since 1.24.
pub(super) fn leader_election(line: &mut Line<'_>) {
    let elects = line
        .last("leader-elect")
        .is_none_or(|argument| argument.value != "false");
    if elects && line.minor() >= 24 {
        common::one_of(line, "leader-elect-resource-lock", &["leases"]);
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, with};

    /// Asked of a real 1.36.3.
    #[test]
    fn a_component_has_a_way_to_the_apiserver() {
        for option in [
            "kube-controller-manager-arg",
            "kube-cloud-controller-manager-arg",
            "kube-scheduler-arg",
        ] {
            let found = ending(option, &["kubeconfig="]).unwrap_or_default();
            let words = "invalid configuration: no configuration has been provided";
            assert!(found.contains(words), "{option}: {found}");
            let master = ["kubeconfig=", "master=https://127.0.0.1:6444"];
            assert_eq!(ending(option, &master), None, "{option}");
        }
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn files_that_are_read_at_the_start_are_there() {
        let delegation = [
            "authentication-kubeconfig",
            "authorization-kubeconfig",
            "client-ca-file",
            "requestheader-client-ca-file",
        ];
        for (option, more) in [
            ("kube-controller-manager-arg", &["kubeconfig"][..]),
            (
                "kube-cloud-controller-manager-arg",
                &["cloud-config", "kubeconfig"],
            ),
            (
                "kube-scheduler-arg",
                &["kubeconfig", "allow-metric-labels-manifest"],
            ),
        ] {
            for flag in delegation.iter().chain(more) {
                let of = |path: &str| ending(option, &[&format!("{flag}={path}")]);
                let absent = of("/var/lib/gone").unwrap_or_default();
                assert!(
                    absent.contains("open /var/lib/gone: no such"),
                    "{option} {flag}: {absent}"
                );
                assert_eq!(of("/var/lib/rancher/k3s/server/cred/x"), None);
            }
        }
    }

    /// The port without TLS is gone before its flag is: other values than 0 end whoever serves there no longer.
    #[test]
    fn a_port_without_tls_ends_what_serves_there_no_longer() {
        let ends = |option: &str, item: &str, version: &str| {
            let start = with(vec![(option, vec![item])], version, Role::Server);
            start
                .endings
                .first()
                .is_some_and(|ending| ending.reason.contains("only zero is allowed"))
        };
        for (option, item, first) in [
            ("kube-apiserver-arg", "insecure-port=8080", 20),
            ("kube-apiserver-arg", "port=8080", 20),
            ("kube-controller-manager-arg", "port=10252", 22),
            ("kube-scheduler-arg", "port=10251", 23),
        ] {
            for minor in 20..=23 {
                let ended = ends(option, item, &format!("1.{minor}.5"));
                assert_eq!(ended, minor >= first, "{option} {item} 1.{minor}");
                let (name, _) = item.split_once('=').unwrap();
                assert!(!ends(option, &format!("{name}=0"), &format!("1.{minor}.5")));
            }
        }
    }
}
