//! What the options come to in the components' arguments, release by release, read from K3s's own code of each.

use crate::k3s::Role;
use crate::k3s::component::Component;
use crate::k3s::component::tests::{value, with};

/// One argument of a server with these options; empty where it is not given.
fn argument(version: &str, options: &[(&str, &str)], component: Component, flag: &str) -> String {
    let options = options.iter().map(|(name, value)| (*name, vec![*value]));
    let start = with(options.collect(), version, Role::Server);
    value(&start, component, flag).unwrap_or_default()
}

const IPV6_FIRST: &[(&str, &str)] = &[("node-ip", "fd77::2,10.77.0.2")];

#[test]
fn the_first_address_counts_and_before_october_2023_the_first_of_ipv4() {
    let flags = [
        (Component::Kubelet, "address", "0.0.0.0", "::"),
        (
            Component::Kubelet,
            "healthz-bind-address",
            "127.0.0.1",
            "::1",
        ),
        (
            Component::KubeProxy,
            "healthz-bind-address",
            "127.0.0.1",
            "::1",
        ),
        (
            Component::Kubelet,
            "node-ip",
            "10.77.0.2",
            "fd77::2,10.77.0.2",
        ),
        (
            Component::KubeProxy,
            "cluster-cidr",
            "10.42.0.0/16",
            "fd00:42::/56",
        ),
        (
            Component::Kubelet,
            "cluster-dns",
            "10.43.0.10",
            "fd00:43::a",
        ),
        (Component::Scheduler, "bind-address", "127.0.0.1", "::1"),
    ];
    for (component, flag, before, since) in flags {
        for version in ["1.24.4", "1.25.14", "1.27.6"] {
            assert_eq!(
                argument(version, IPV6_FIRST, component, flag),
                before,
                "{version} {flag}"
            );
        }
        for version in ["1.25.15", "1.27.7", "1.28.3", "1.31.4"] {
            assert_eq!(
                argument(version, IPV6_FIRST, component, flag),
                since,
                "{version} {flag}"
            );
        }
    }
}

#[test]
fn the_first_of_ipv4_was_advertised_before_february_2023() {
    let advertised =
        |version, options| argument(version, options, Component::Apiserver, "advertise-address");
    assert_eq!(advertised("1.24.4", IPV6_FIRST), "10.77.0.2");
    assert_eq!(advertised("1.24.11", IPV6_FIRST), "fd77::2");
    let only = [("node-external-ip", "2001:DB8::5")];
    assert_eq!(advertised("1.24.4", &only), "2001:db8::5");
    assert_eq!(advertised("1.31.4", &only), "2001:DB8::5");
}

#[test]
fn the_addresses_of_a_node_change_places_where_the_networks_have_the_other_order() {
    let options = [
        ("node-ip", "fd77::2,10.77.0.2"),
        ("cluster-cidr", "10.9.0.0/16,fd00:9::/56"),
        ("service-cidr", "10.8.0.0/16,fd00:8::/112"),
    ];
    let node_ip = |version| argument(version, &options, Component::Kubelet, "node-ip");
    assert_eq!(node_ip("1.29.2"), "fd77::2,10.77.0.2");
    for version in ["1.27.12", "1.28.8", "1.29.3", "1.31.4", "1.36.3"] {
        assert_eq!(node_ip(version), "10.77.0.2,fd77::2", "{version}");
    }
    let listens = argument("1.31.4", &options, Component::Kubelet, "address");
    assert_eq!(listens, "0.0.0.0");
    let advertised = argument(
        "1.31.4",
        &options,
        Component::Apiserver,
        "advertise-address",
    );
    assert_eq!(advertised, "fd77::2");
}

#[test]
fn the_loopback_and_the_dns_follow_the_service_networks_of_their_time() {
    let options = [("service-cidr", "fd00:8::/112,10.8.0.0/16")];
    let of = |version, component, flag| argument(version, &options, component, flag);
    assert_eq!(
        of("1.24.4", Component::Scheduler, "bind-address"),
        "127.0.0.1"
    );
    assert_eq!(of("1.31.4", Component::Scheduler, "bind-address"), "::1");
    assert_eq!(of("1.24.4", Component::Kubelet, "cluster-dns"), "10.8.0.10");
    assert_eq!(
        of("1.31.4", Component::Kubelet, "cluster-dns"),
        "fd00:8::a,10.8.0.10"
    );
}

#[test]
fn the_kubelet_listens_at_bind_address_from_1_30_2_on() {
    let options = [("bind-address", "10.77.0.2")];
    let address = |version| argument(version, &options, Component::Kubelet, "address");
    assert_eq!(address("1.24.4"), "0.0.0.0");
    assert_eq!(address("1.31.4"), "10.77.0.2");
}

#[test]
fn images_come_from_the_operator_s_runtime_or_stargz() {
    let images = |version, options: &[(&str, &str)]| {
        argument(
            version,
            options,
            Component::Kubelet,
            "image-service-endpoint",
        )
    };
    let runtime = [("container-runtime-endpoint", "/run/crio.sock")];
    assert_eq!(images("1.31.4", &runtime), "unix:///run/crio.sock");
    assert_eq!(images("1.24.4", &runtime), "");
    let stargz = [("snapshotter", "stargz")];
    let socket = "unix:///run/containerd-stargz-grpc/containerd-stargz-grpc.sock";
    assert_eq!(images("1.24.4", &stargz), socket);
    assert_eq!(images("1.31.4", &stargz), socket);
    let docker = [
        ("docker", "true"),
        ("image-service-endpoint", "/run/x.sock"),
    ];
    assert_eq!(images("1.31.4", &docker), "");
}

#[test]
fn the_registry_of_the_system_goes_before_the_pause_image() {
    let image = |options: &[(&str, &str)]| {
        argument(
            "1.24.4",
            options,
            Component::Kubelet,
            "pod-infra-container-image",
        )
    };
    let registry = ("system-default-registry", "r.example");
    assert_eq!(image(&[registry]), "r.example/rancher/mirrored-pause:3.6");
    assert_eq!(
        image(&[registry, ("pause-image", "r.example/p:2")]),
        "r.example/p:2"
    );
    assert_eq!(image(&[registry, ("pause-image", "")]), "");
}

#[test]
fn no_deploy_turns_the_balancer_off_too() {
    let options = [("no-deploy", "traefik,servicelb")];
    let controllers = argument(
        "1.25.4",
        &options,
        Component::CloudControllerManager,
        "controllers",
    );
    assert_eq!(controllers, "*,-route,-service");
}

#[test]
fn a_database_without_a_scheme_is_one_of_sqlite() {
    let elects = |endpoint| {
        let options = [("datastore-endpoint", endpoint)];
        argument("1.31.4", &options, Component::Scheduler, "leader-elect")
    };
    assert_eq!(elects("/var/lib/state.db"), "false");
    assert_eq!(elects("sqlite:///var/lib/state.db"), "false");
    assert_eq!(elects("mysql://u@tcp(db)/k3s"), "");
}

/// K3s up to 1.23, pkg/agent/config/config.go and pkg/daemons/agent/agent_linux.go.
#[test]
fn up_to_1_23_only_a_runtime_of_the_operator_s_own_has_a_network_plugin() {
    let kubelet = |options: &[(&'static str, &'static str)], flag| {
        let options = options.iter().map(|(name, value)| (*name, vec![*value]));
        let start = with(options.collect(), "1.23.5", Role::Server);
        value(&start, Component::Kubelet, flag)
    };
    let cni = Some("cni".to_owned());
    let other = ("container-runtime-endpoint", "/run/x.sock");
    assert_eq!(kubelet(&[], "network-plugin"), None);
    assert_eq!(kubelet(&[other], "network-plugin"), cni);
    assert_eq!(kubelet(&[("docker", "true")], "network-plugin"), cni);
    let image = Some("rancher/mirrored-pause:3.6".to_owned());
    assert_eq!(
        kubelet(&[("docker", "true")], "pod-infra-container-image"),
        image
    );
    assert_eq!(kubelet(&[other], "pod-infra-container-image"), None);
    assert_eq!(kubelet(&[("no-flannel", "true")], "cni-conf-dir"), None);
}

#[test]
fn up_to_1_24_2_a_socket_with_a_scheme_gets_another() {
    let given = vec![("container-runtime-endpoint", vec!["unix:///run/x.sock"])];
    for (version, expected) in [
        ("1.24.2", "unix://unix:///run/x.sock"),
        ("1.24.3", "unix:///run/x.sock"),
    ] {
        let start = with(given.clone(), version, Role::Server);
        let found = value(&start, Component::Kubelet, "container-runtime-endpoint");
        assert_eq!(found.as_deref(), Some(expected), "{version}");
    }
}
