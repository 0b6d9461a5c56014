//! kube-controller-manager, cloud-controller-manager and kube-scheduler.

use super::{
    Line, common, component_file, emulated, files, manager_files, node_networks, ports, serving,
    workers,
};
use crate::k3s::component::minors::{self, CONTROLLERS};
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Since;
use crate::k3s::component::{Component, Components};
use crate::k3s::go_duration::nanoseconds;
use crate::k3s::go_value::{boolean, float};
use crate::k3s::label::is_label;
use crate::k3s::{Ending, K3sVersion};

const SECOND_NS: i64 = 1_000_000_000;

/// kube-controller-manager (`cmd/kube-controller-manager/app/options`).
pub(super) fn manager(line: &mut Line<'_>, components: &Components, options: Options<'_>) {
    let minor = line.minor();
    all_alpha(line);
    ports::of_another(line, components, &[Component::Apiserver]);
    ports::of_k3s(line, options);
    controllers(line, |name| minors::known(CONTROLLERS, name, minor));
    manager_files::judge(line);
    // Up to 1.21 K3s itself has it serve there (kubernetes PR 96216).
    if line.minor() >= 22 {
        common::no_insecure_port(line, &["port"]);
    }
    common::range(line, "secure-port", 0, 65535);
    common::serving(line);
    if let Some(argument) = line.given("cloud-provider")
        && argument.value != "external"
        && minor >= 31
    {
        let reason = format!(
            "cloud provider {:?} was removed from Kubernetes",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
    leader_election(line);
    common::hidden_metrics(line);
    client_and_intervals(line);
    no_cluster(line);
    node_networks::judge(line);
    workers::judge(line);
    emulated::judge(line);
    delegation(line);
    files::must_exist(
        line,
        &["kubeconfig", "tls-cert-file", "tls-private-key-file"],
    );
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

/// From these releases on K3s ends with its cloud-controller-manager. Before, and not before the other, it logs why that
/// exited and runs on without it (K3s 753c00f30 and 199424b60, `pkg/daemons/executor/embed.go`); what was backported of the
/// first is not known here.
const ENDS_WITH_CLOUD_SINCE: &str = "1.29.2";
const ENDED_WITH_CLOUD_UNTIL: &str = "1.22.2";
/// From here on K3s reads what `--cloud-config` names, and ends over what it cannot read however the component exits
/// (0b96ca92b, `cloudInitializer`).
const CONFIGURED_SINCE: &str = "1.23.13+1.24.7+1.25.3";

/// Whether K3s ends when its cloud-controller-manager does.
pub(super) fn ends_with_cloud(version: K3sVersion) -> bool {
    let since = |releases: &str| Since::parse(releases).is_some_and(|since| since.reached(version));
    since(ENDS_WITH_CLOUD_SINCE) || !since(ENDED_WITH_CLOUD_UNTIL)
}

/// K3s's cloud-controller-manager.
pub(super) fn cloud(line: &mut Line<'_>, components: &Components, options: Options<'_>) {
    ports::of_another(
        line,
        components,
        &[Component::Apiserver, Component::ControllerManager],
    );
    ports::of_k3s(line, options);
    controllers(line, |name| {
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
    common::serving(line);
    leader_election(line);
    delegation(line);
    no_cluster(line);
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
pub(super) fn cloud_provider(line: &mut Line<'_>, options: Options<'_>) {
    if Since::parse(CONFIGURED_SINCE).is_some_and(|since| since.reached(line.node.version)) {
        files::must_exist(line, &["cloud-config"]);
    }
    load_balancer(line, options);
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

/// kube-scheduler (`cmd/kube-scheduler/app/options`).
pub(super) fn scheduler(line: &mut Line<'_>, components: &Components, options: Options<'_>) {
    ports::of_another(
        line,
        components,
        &[Component::Apiserver, Component::ControllerManager],
    );
    ports::of_k3s(line, options);
    // Up to 1.22 it serves there (kubernetes PR 96345).
    if line.minor() >= 23 {
        common::no_insecure_port(line, &["port"]);
    }
    common::range(line, "secure-port", 0, 65535);
    common::serving(line);
    leader_election(line);
    common::hidden_metrics(line);
    emulated::judge(line);
    delegation(line);
    files::must_exist(
        line,
        &["kubeconfig", "tls-cert-file", "tls-private-key-file"],
    );
    match line.given(component_file::FLAG) {
        Some(argument) => component_file::scheduler(line, argument),
        // Its file can say how it gets there.
        None => no_cluster(line),
    }
    if line.minor() == 36 {
        files::must_exist(line, &[manager_files::LABELS]);
    }
}

/// What it asks the apiserver with who comes to its own port, and may do what (apiserver `pkg/server/options/authentication.go`,
/// `authorization.go`).
fn delegation(line: &mut Line<'_>) {
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
fn no_cluster(line: &mut Line<'_>) {
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

fn controllers(line: &mut Line<'_>, is_known: impl Fn(&str) -> bool) {
    for (word, argument) in line.words("controllers") {
        let name = word.strip_prefix('-').unwrap_or(word);
        if word != "*" && !is_known(name) {
            let reason = format!("{name:?} is not in the list of known controllers");
            line.end(&reason, Some(argument));
        }
    }
}

/// Only leases are left as a lock since 1.24.
fn leader_election(line: &mut Line<'_>) {
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
    use crate::k3s::component::tests::{ending, reason, with};

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

    #[test]
    fn the_scheduler_cannot_have_the_port_of_the_controller_manager() {
        let of = |item: &str| ending("kube-scheduler-arg", &[item]).unwrap_or_default();
        let taken = of("secure-port=10257");
        assert!(
            taken.contains("listen tcp 127.0.0.1:10257: bind: address already in use"),
            "{taken}"
        );
        assert_eq!(of("secure-port=10299"), "");
        assert_eq!(of("secure-port=0"), "");
    }

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
}
