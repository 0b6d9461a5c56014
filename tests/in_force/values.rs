//! How the components read a value.

use crate::{KUBELET, KUBELET_HEAD, Node, case};

#[test]
fn numbers_gates_addresses_and_emptied_lists_are_read_as_the_component_reads_them() {
    let apiserver = |item: &str| format!("kube-apiserver-arg: ['{item}']\n");
    for (item, verdict) in [
        ("audit-log-maxage=030", "divergent"),
        ("audit-log-maxage=0x1e", "compliant"),
    ] {
        case(
            "1.36.3",
            "audit-log-retention",
            &apiserver(item),
            &[],
            (verdict, "config.yaml:1"),
        );
    }
    let gates = "kubelet-serving-certificate-rotation";
    for (value, verdict) in [
        ("RotateKubeletServerCertificate=0", "divergent"),
        ("RotateKubeletServerCertificate=False", "divergent"),
        ("kube:RotateKubeletServerCertificate=false", "divergent"),
        ("AllBeta=false", "divergent"),
        ("RotateKubeletServerCertificate=true", "compliant"),
    ] {
        let config = format!("kubelet-arg: ['feature-gates={value}']\n");
        case("1.36.3", gates, &config, &[], (verdict, "config.yaml:1"));
    }
    let file = format!("{KUBELET_HEAD}featureGates:\n  RotateKubeletServerCertificate: false\n");
    case(
        "1.36.3",
        gates,
        "",
        &[(KUBELET, &file)],
        ("divergent", "90-x.conf"),
    );
    for (address, verdict) in [
        ("127.0.0.1:9090", "compliant"),
        ("[::1]:9090", "compliant"),
        ("127.0.0.2", "compliant"),
        ("0.0.0.0:10249", "divergent"),
    ] {
        let config = format!("kube-proxy-arg: ['metrics-bind-address={address}']\n");
        case(
            "1.36.3",
            "kube-proxy-metrics",
            &config,
            &[],
            (verdict, "config.yaml:1"),
        );
    }
    let emptied = apiserver("enable-admission-plugins=");
    case(
        "1.36.3",
        "node-restriction-plugin",
        &emptied,
        &[],
        ("divergent", "config.yaml:1"),
    );
}

#[test]
fn a_second_door_of_the_apiserver_and_old_tls_diverge() {
    for (control, config, verdict) in [
        ("apiserver-bind-address", "", "compliant"),
        (
            "apiserver-bind-address",
            "kube-apiserver-arg: [bind-address=0.0.0.0]\n",
            "divergent",
        ),
        ("tls-least-version", "", "compliant"),
        (
            "tls-least-version",
            "kube-apiserver-arg: [tls-min-version=VersionTLS10]\n",
            "divergent",
        ),
        (
            "tls-least-version",
            "kubelet-arg: [tls-min-version=VersionTLS11]\n",
            "divergent",
        ),
        (
            "tls-least-version",
            "kubelet-arg: [tls-min-version=VersionTLS13]\n",
            "compliant",
        ),
    ] {
        case("1.36.3", control, config, &[], (verdict, ""));
    }
}

/// K3s 1.22 gives the scheduler no address any more, and its own is every one.
#[test]
fn the_address_of_a_port_that_is_not_served_is_open_to_nobody() {
    for (version, items, verdict) in [
        ("1.22.4", "", "divergent"),
        ("1.22.4", "port=10251", "divergent"),
        ("1.22.4", "port=0", "compliant"),
        ("1.22.4", "port=0, bind-address=0.0.0.0", "divergent"),
        ("1.21.5", "address=0.0.0.0", "divergent"),
        ("1.21.5", "address=0.0.0.0, port=0", "compliant"),
        ("1.23.5", "port=0", "compliant"),
    ] {
        let config = format!("kube-scheduler-arg: [{items}]\n");
        let control = "scheduler-bind-address";
        case(version, control, &config, &[], (verdict, ""));
    }
}

/// A flag that an operator gives takes the place of K3s's own value; enforced, that comes back behind it.
#[test]
fn a_value_of_k3s_that_was_emptied_or_opened_is_given_again() {
    let tls = "/var/lib/rancher/k3s/server/tls";
    let (four, six) = (
        "",
        "cluster-cidr: 2001:db8:42::/56\nservice-cidr: 2001:db8:43::/112\n",
    );
    for (control, component, item, before, value) in [
        (
            "apiserver-bind-address",
            "kube-apiserver",
            "bind-address=0.0.0.0",
            four,
            "127.0.0.1".to_owned(),
        ),
        (
            "apiserver-bind-address",
            "kube-apiserver",
            "bind-address=::",
            six,
            "::1".to_owned(),
        ),
        (
            "apiserver-client-ca",
            "kube-apiserver",
            "client-ca-file=",
            four,
            format!("{tls}/client-ca.crt"),
        ),
        (
            "apiserver-client-ca",
            "kube-apiserver",
            "client-ca-file=",
            "data-dir: /srv/k3s\n",
            "/srv/k3s/server/tls/client-ca.crt".to_owned(),
        ),
        (
            "controller-manager-root-ca",
            "kube-controller-manager",
            "root-ca-file=",
            four,
            format!("{tls}/server-ca.crt"),
        ),
    ] {
        for version in ["1.22.5", "1.31.4"] {
            let config = format!("{before}{component}-arg: ['{item}']\n");
            let policy = format!("[control.{control}]\nstate = \"enforce\"\n");
            let node = Node::new(version, &config, &[("etc/k3warden/config.toml", &policy)]);
            let (flag, _) = item.split_once('=').unwrap();
            let (lines, said) = node.lines();
            assert!(
                lines.contains(&format!("'{flag}={value}'")),
                "{version} {item}: {lines}{said}"
            );
            let (verdict, findings) = node.verdict(control);
            assert_eq!(verdict, "compliant", "{version} {item}: {findings}");
            // The same again changes nothing.
            assert_eq!(node.lines().0, lines, "{version} {item}");
        }
    }
}

/// K3s gives the apiserver suites of its own only from January 2023 on. Beside an operator's list ours would be added to it, so his weak
/// suites are left out of it.
#[test]
fn suites_are_given_where_there_are_none_and_weak_ones_of_the_operator_s_are_left_out() {
    let control = "apiserver-cipher-suites";
    let policy = format!("[control.{control}]\nstate = \"enforce\"\n");
    let files = [("etc/k3warden/config.toml", policy.as_str())];
    let weak = "TLS_RSA_WITH_AES_128_CBC_SHA";
    let strong = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    let of = |suites: &str| format!("kube-apiserver-arg: ['tls-cipher-suites={suites}']\n");
    let all = "'tls-cipher-suites=TLS_ECDHE_ECDSA";
    for (config, given) in [
        (String::new(), all),
        (of(weak), all),
        (
            of(&format!("{strong},{weak}")),
            &format!("'tls-cipher-suites={strong}' # from-your-list"),
        ),
    ] {
        let node = Node::new("1.24.4", &config, &files);
        let (lines, said) = node.lines();
        assert!(lines.contains(given), "{config} {lines}{said}");
        assert!(!lines.contains(weak), "{config} {lines}");
        assert_eq!(node.verdict(control).0, "compliant", "{lines}");
    }
}
