//! How the components read a value.

use crate::{KUBELET, KUBELET_HEAD, case};

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
