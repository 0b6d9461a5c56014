//! What the components have in common that run with the apiserver's help: the controller managers and the scheduler.

use super::{Line, common, files, serving};
use crate::k3s::go_duration::nanoseconds;
use crate::k3s::go_value::boolean;

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
    uid_headers(line);
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
    if elects(line) && line.minor() >= 24 {
        common::one_of(line, "leader-elect-resource-lock", &["leases"]);
    }
}

/// A component elects a leader unless it is told not to.
fn elects(line: &Line<'_>) -> bool {
    line.last("leader-elect")
        .is_none_or(|argument| boolean(&argument.value) != Some(false))
}

/// In nanoseconds, what a component has by itself (component-base `config/v1alpha1/defaults.go`).
const LEASE_NS: i64 = 15_000_000_000;
const RENEW_NS: i64 = 10_000_000_000;
const RETRY_NS: i64 = 2_000_000_000;

/// How long a lease is, how long its holder tries to keep it, and how long it waits in between (client-go
/// `tools/leaderelection` NewLeaderElector, in 1.24, 1.31 and 1.36 alike). The controller managers panic over it, with all of K3s.
pub(super) fn election_times(line: &mut Line<'_>) {
    if line.minor() < 24 || !elects(line) {
        return;
    }
    let time = |flag: &str, own_ns: i64| {
        let given = line.last(flag);
        let given_ns = given.and_then(|argument| nanoseconds(&argument.value));
        (i128::from(given_ns.unwrap_or(own_ns)), given)
    };
    let (lease, lease_given) = time("leader-elect-lease-duration", LEASE_NS);
    let (renew, renew_given) = time("leader-elect-renew-deadline", RENEW_NS);
    let (retry, retry_given) = time("leader-elect-retry-period", RETRY_NS);
    // JitterFactor is 1.2.
    let found = if lease <= renew {
        Some((
            "leaseDuration must be greater than renewDeadline",
            renew_given.or(lease_given),
        ))
    } else if renew <= retry * 12 / 10 {
        Some((
            "renewDeadline must be greater than retryPeriod*JitterFactor",
            retry_given.or(renew_given),
        ))
    } else if retry < 1 {
        Some(("retryPeriod must be greater than zero", retry_given))
    } else {
        None
    };
    if let Some((reason, argument)) = found {
        line.end(reason, argument);
    }
}

/// The header by which others vouch for the id of a user is a newer one, and so its absence an error (apiserver
/// `pkg/server/options/authentication.go`, read and asked for 1.36 alone).
fn uid_headers(line: &mut Line<'_>) {
    let words = line.words("requestheader-uid-headers");
    if let [(_, argument), ..] = words.as_slice()
        && line.minor() == 36
        && !words
            .iter()
            .any(|(word, _)| word.eq_ignore_ascii_case("X-Remote-Uid"))
    {
        line.end(
            "--requestheader-uid-headers is set without specifying the standard X-Remote-Uid header - API aggregation will not work",
            Some(argument),
        );
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

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3.
    #[test]
    fn a_leader_tries_again_before_it_gives_up_and_gives_up_before_it_is_replaced() {
        let ends = |option: &str, version: &str, items: &[&str]| {
            let start = with(vec![(option, items.to_vec())], version, Role::Server);
            let first = start.endings.into_iter().next();
            first.map(|ending| ending.reason).unwrap_or_default()
        };
        let on = "leader-elect=true";
        for option in [
            "kube-controller-manager-arg",
            "kube-cloud-controller-manager-arg",
            "kube-scheduler-arg",
        ] {
            for version in ["1.24.4", "1.31.4", "1.36.3"] {
                for (item, words) in [
                    (
                        "leader-elect-renew-deadline=1h",
                        "leaseDuration must be greater than renewDeadline",
                    ),
                    (
                        "leader-elect-lease-duration=1s",
                        "leaseDuration must be greater than renewDeadline",
                    ),
                    (
                        "leader-elect-retry-period=1h",
                        "renewDeadline must be greater than retryPeriod*JitterFactor",
                    ),
                    (
                        "leader-elect-retry-period=10s",
                        "renewDeadline must be greater than retryPeriod*JitterFactor",
                    ),
                    (
                        "leader-elect-retry-period=0",
                        "retryPeriod must be greater than zero",
                    ),
                ] {
                    let found = ends(option, version, &[on, item]);
                    assert!(found.contains(words), "{version} {option} {item}: {found}");
                    assert_eq!(
                        ends(option, version, &[item]),
                        "",
                        "{version} {option} {item}"
                    );
                }
                for items in [
                    &[on][..],
                    &[on, "leader-elect-retry-period=8s"],
                    &[
                        on,
                        "leader-elect-renew-deadline=1h",
                        "leader-elect-lease-duration=2h",
                    ],
                ] {
                    assert_eq!(
                        ends(option, version, items),
                        "",
                        "{version} {option} {items:?}"
                    );
                }
            }
        }
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn the_id_of_a_user_is_in_its_own_header() {
        let of = |item: &str| ending("kube-controller-manager-arg", &[item]).unwrap_or_default();
        let found = of("requestheader-uid-headers=a,b");
        assert!(
            found.contains("without specifying the standard X-Remote-Uid header"),
            "{found}"
        );
        assert_eq!(of("requestheader-uid-headers=a,x-remote-uid"), "");
    }
}
