//! kube-controller-manager (`cmd/kube-controller-manager/app/options`).

use super::{
    Line, apiserver_clients, common, emulated, files, manager_files, metrics, node_networks, ports,
    tls, workers,
};
use crate::k3s::component::minors::{self, CONTROLLERS};
use crate::k3s::component::options::Options;
use crate::k3s::component::{Argument, Component, Components};
use crate::k3s::go_duration::nanoseconds;
use crate::k3s::go_value::{boolean, float};
use crate::k3s::{Ending, Place};

const SECOND_NS: i64 = 1_000_000_000;

/// Judges everything that the controller manager checks before it runs.
pub(super) fn judge(line: &mut Line<'_>, components: &Components, options: Options<'_>) {
    let minor = line.minor();
    all_alpha(line);
    ports::of_another(line, components, &[Component::Apiserver]);
    ports::of_k3s(line, options);
    apiserver_clients::known_controllers(line, |name| minors::known(CONTROLLERS, name, minor));
    manager_files::judge(line);
    // Up to 1.21 K3s itself has it serve there (kubernetes PR 96216).
    if line.minor() >= 22 {
        common::no_insecure_port(line, &["port"]);
    }
    common::range(line, "secure-port", 0, 65535);
    tls::serving(line);
    metrics::metric_labels(line);
    clouds(line);
    apiserver_clients::leader_election(line);
    apiserver_clients::election_times(line);
    metrics::hidden_metrics(line);
    client_and_intervals(line);
    apiserver_clients::no_cluster(line);
    node_networks::judge(line);
    workers::judge(line);
    emulated::judge(line);
    apiserver_clients::delegation(line);
    files::must_exist(
        line,
        &["kubeconfig", "tls-cert-file", "tls-private-key-file"],
    );
}

/// It asks the apiserver at its start by which authority others vouch for those who ask it (apiserver
/// `pkg/server/options/authentication.go`), unless it is told so or asks with other rights.
pub(super) fn forbidden(line: &mut Line<'_>, mode: Option<&Argument>) {
    let others = [
        "authentication-kubeconfig",
        "authentication-skip-lookup",
        "authentication-tolerate-lookup-failure",
        "requestheader-client-ca-file",
        "secure-port",
    ];
    let asks_otherwise = others.iter().any(|flag| {
        line.last(flag)
            .is_some_and(|argument| argument.place != Place::Default)
    });
    let Some(mode) = mode.filter(|_| !asks_otherwise) else {
        return;
    };
    let reason = "unable to load configmap based request-header-client-ca-file: configmaps \"extension-apiserver-authentication\" is \
                  forbidden: User \"system:kube-controller-manager\" cannot get resource \"configmaps\"";
    let place = Some(mode.place.clone());
    line.endings.push(Ending::of(line.component, reason, place));
}

/// K3s is built without Kubernetes' own providers of clouds (`providerless` in its scripts/build, since 1.19) and has one of its own.
/// Read in the sources of 1.24.4 to 1.30.0 (`cmd/kube-controller-manager/app/cloudproviders.go`).
fn clouds(line: &mut Line<'_>) {
    let Some(argument) = line.given("cloud-provider") else {
        return;
    };
    let provider = argument.value.as_str();
    let reason = match (line.minor(), provider) {
        (_, "external") | (24..31, "k3s") | (..24, _) => return,
        (24..31, _) => format!(
            "error building controller context: cloud provider could not be initialized: unknown cloud provider {provider:?}"
        ),
        _ => format!("cloud provider {provider:?} was removed from Kubernetes"),
    };
    line.end(&reason, Some(argument));
}

/// What its client and two of its controllers ask for (client-go `rest/client.go`, kubernetes
/// `pkg/controller/volume/attachdetach`).
fn client_and_intervals(line: &mut Line<'_>) {
    let asks_at_will = line
        .last("kube-api-qps")
        .is_some_and(|argument| float(&argument.value).is_some_and(|qps| qps <= 0.0));
    if let Some((number, argument)) = line.flags.number(line.arguments, "kube-api-burst")
        && number <= 0
        && !asks_at_will
    {
        line.end(
            "burst is required to be greater than 0 when RateLimiter is not set and QPS is set to greater than 0",
            Some(argument),
        );
    }
    let off = line
        .last("disable-attach-detach-reconcile-sync")
        .is_some_and(|argument| boolean(&argument.value) == Some(true));
    for (flag, least_ns, reason) in [
        (
            "horizontal-pod-autoscaler-sync-period",
            1,
            "non-positive interval for NewTicker",
        ),
        (
            "attach-detach-reconcile-sync-period",
            SECOND_NS,
            "duration time must be greater than one second as set via command line option reconcile-sync-loop-period",
        ),
    ] {
        if let Some(argument) = line.last(flag)
            && nanoseconds(&argument.value).is_some_and(|period| period < least_ns)
            && !(off && flag.starts_with("attach"))
        {
            line.end(reason, Some(argument));
        }
    }
}

/// 1.36 closes a channel twice with all alpha gates on; which of them does it is not known, so no other may be given.
fn all_alpha(line: &mut Line<'_>) {
    let words = line.words("feature-gates");
    if let ([("AllAlpha=true", argument)], 36) = (words.as_slice(), line.minor()) {
        line.end("close of closed channel", Some(argument));
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, reason, with};

    /// Asked of a real 1.24.4.
    #[test]
    fn what_only_a_controller_reads_may_be_missing_where_it_does_not_run() {
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            for (file, controllers, ends) in [
                ("root-ca-file=/none", "controllers=*,-nodeipam", true),
                ("root-ca-file=/none", "controllers=-service", false),
                (
                    "root-ca-file=/none",
                    "controllers=root-ca-cert-publisher",
                    true,
                ),
                (
                    "root-ca-file=/none",
                    "controllers=*,-serviceaccount-token",
                    true,
                ),
                (
                    "service-account-private-key-file=/none",
                    "controllers=*",
                    true,
                ),
                (
                    "service-account-private-key-file=/none",
                    "controllers=*,-serviceaccount-token",
                    false,
                ),
            ] {
                let items = vec![file, controllers];
                let start = with(
                    vec![("kube-controller-manager-arg", items)],
                    version,
                    Role::Server,
                );
                assert_eq!(
                    !start.endings.is_empty(),
                    ends,
                    "{version} {file} {controllers}: {:?}",
                    start.endings
                );
            }
        }
    }

    #[test]
    fn an_interval_is_something_and_so_is_a_burst() {
        let of = |item: &str| ending("kube-controller-manager-arg", &[item]).unwrap_or_default();
        assert!(of("horizontal-pod-autoscaler-sync-period=0").contains("NewTicker"));
        assert_eq!(of("horizontal-pod-autoscaler-sync-period=1s"), "");
        assert!(of("attach-detach-reconcile-sync-period=0").contains("greater than one second"));
        assert!(of("kube-api-burst=0").contains("burst is required"));
        assert!(of("show-hidden-metrics-for-version=1.36").contains("'1.35'"));
        assert_eq!(of("show-hidden-metrics-for-version=1.35"), "");
        let empty = ending("kube-cloud-controller-manager-arg", &["cloud-provider="]);
        assert!(empty.unwrap_or_default().contains("cannot be empty"));
    }

    #[test]
    fn the_controller_manager_ends_over_networks_a_taken_port_and_all_alpha_gates() {
        let of = |arguments: &[&str]| ending("kube-controller-manager-arg", arguments);
        let bad = of(&["cluster-cidr=bad"]).unwrap();
        assert!(
            bad.contains("invalid CIDR[0]: <nil> (invalid CIDR address: bad)"),
            "{bad}"
        );
        assert!(
            of(&["node-cidr-mask-size=8"])
                .unwrap()
                .contains("Invalid --cluster-cidr")
        );
        assert!(
            of(&["secure-port=6444"])
                .unwrap()
                .contains("address already in use")
        );
        assert!(
            of(&["feature-gates=AllAlpha=true"])
                .unwrap()
                .contains("close of closed channel")
        );
        for good in [
            &["secure-port=6444", "bind-address=0.0.0.0"][..],
            &["feature-gates=AllAlpha=false"],
            &["node-cidr-mask-size=16"],
            &["cluster-cidr=bad", "allocate-node-cidrs=false"],
            &["cluster-cidr=bad", "controllers=*,-nodeipam"],
        ] {
            assert_eq!(of(good), None, "{good:?}");
        }
    }

    /// Asked of a real 1.24.4, whose own is the only provider that it has.
    #[test]
    fn no_provider_of_clouds_is_built_in() {
        for (version, provider, ends) in [
            ("1.23.5", "aws", false),
            ("1.24.4", "aws", true),
            ("1.24.4", "gce", true),
            ("1.30.4", "aws", true),
            ("1.24.4", "k3s", false),
            ("1.24.4", "", false),
            ("1.24.4", "external", false),
            ("1.31.4", "k3s", true),
        ] {
            let item = format!("cloud-provider={provider}");
            let found = reason(version, &[("kube-controller-manager-arg", &item)]);
            assert_eq!(!found.is_empty(), ends, "{version} {provider}: {found}");
        }
    }

    /// Asked of a real 1.24.4 and 1.31.4; a real 1.36.3 waits until the apiserver is ready.
    #[test]
    fn without_rbac_it_may_not_read_what_it_is_to_trust() {
        let forbidden = "configmaps \"extension-apiserver-authentication\" is forbidden";
        for (version, mode, more, ends) in [
            ("1.24.4", "Node", None, true),
            ("1.31.4", "Node", None, true),
            ("1.31.4", "AlwaysDeny", None, true),
            ("1.31.4", "Node,AlwaysDeny", None, true),
            ("1.31.4", "Node,RBAC", None, false),
            (
                "1.31.4",
                "Node",
                Some("authentication-skip-lookup=true"),
                false,
            ),
            ("1.31.8", "Node", None, false),
            ("1.36.3", "Node", None, false),
        ] {
            let mode = format!("authorization-mode={mode}");
            let mut options = vec![("kube-apiserver-arg", vec![mode.as_str()])];
            options.extend(more.map(|item| ("kube-controller-manager-arg", vec![item])));
            let start = with(options, version, Role::Server);
            let first = start.endings.first().map_or("", |ending| &ending.reason);
            assert_eq!(first.contains(forbidden), ends, "{version} {mode}: {first}");
            let waits = start
                .warnings
                .iter()
                .any(|told| told.contains("15 minutes"));
            let at_once = ends || more.is_some() || mode.contains("RBAC");
            assert_eq!(waits, !at_once, "{version} {mode}: {:?}", start.warnings);
        }
    }
}
