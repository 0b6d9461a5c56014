//! What the kubelet runs with: its flags over its drop-ins over K3s's own values.

use crate::{KUBELET, KUBELET_HEAD, Node, case};

#[test]
fn the_kernel_defaults_are_protected_where_the_kubelet_does_it() {
    let control = "protect-kernel-defaults";
    let on = "protect-kernel-defaults: true\n";
    let file = |value: &str| format!("{KUBELET_HEAD}protectKernelDefaults: {value}\n");
    for version in ["1.36.3", "1.28.4"] {
        case(version, control, on, &[], ("compliant", "config.yaml:1"));
        case(version, control, "", &[], ("divergent", ""));
        let overridden = format!("{on}kubelet-arg: [protect-kernel-defaults=false]\n");
        case(
            version,
            control,
            &overridden,
            &[],
            ("divergent", "config.yaml:2"),
        );
        let by_argument = "kubelet-arg: [protect-kernel-defaults=1]\n";
        case(
            version,
            control,
            by_argument,
            &[],
            ("compliant", "config.yaml:1"),
        );
    }
    case(
        "1.36.3",
        control,
        on,
        &[(KUBELET, &file("false"))],
        ("divergent", "90-x.conf"),
    );
    case(
        "1.36.3",
        control,
        on,
        &[(KUBELET, &file("null"))],
        ("divergent", "false"),
    );
    case(
        "1.36.3",
        control,
        "",
        &[(KUBELET, &file("true"))],
        ("compliant", "90-x.conf"),
    );
    let node = Node::new("1.36.3", "", &[(KUBELET, &file("true"))]);
    let (lines, said) = node.lines();
    assert!(!lines.contains("protect-kernel-defaults"), "{lines}{said}");
}

/// A drop-in's `null` takes away what K3s set, and what is left is the kubelet's own default: no client authority and a
/// certificate that nobody can check.
#[test]
fn what_a_drop_in_of_the_kubelet_takes_away_is_named_with_its_line() {
    for (text, control, expected) in [
        (
            "authentication:\n  x509:\n    clientCAFile: null\n",
            "kubelet-client-ca",
            ("divergent", "90-x.conf:5"),
        ),
        (
            "authentication:\n",
            "kubelet-client-ca",
            ("divergent", "90-x.conf:3"),
        ),
        (
            "# ours\ntlsCertFile: ~\n",
            "kubelet-serving-certificate",
            ("divergent", "90-x.conf:4"),
        ),
        (
            "authentication:\n  anonymous:\n    enabled: true\n",
            "kubelet-anonymous-requests",
            ("divergent", "90-x.conf:5"),
        ),
        (
            "featureGates:\n  A: true\n  RotateKubeletServerCertificate: false\n",
            "kubelet-serving-certificate-rotation",
            ("divergent", "90-x.conf:5"),
        ),
        // As secure without K3s's value as with it.
        (
            "authentication:\n  anonymous:\n    enabled: null\n",
            "kubelet-anonymous-requests",
            ("compliant", "false"),
        ),
        (
            "rotateCertificates: null\n",
            "kubelet-client-certificate-rotation",
            ("compliant", "not set"),
        ),
    ] {
        let text = format!("{KUBELET_HEAD}{text}");
        case("1.36.3", control, "", &[(KUBELET, &text)], expected);
    }
}

/// K3s 1.32.0 to 1.32.3 wrote the port into a file, where 0 is left out, and so the kubelet's own of 10255 was open
/// (k3s-io/k3s#12164).
#[test]
fn the_read_only_port_of_the_first_1_32_is_open_unless_somebody_closes_it() {
    let control = "kubelet-read-only-port";
    let file = |value: &str| format!("{KUBELET_HEAD}readOnlyPort: {value}\n");
    for version in ["1.32.0", "1.32.3"] {
        case(version, control, "", &[], ("divergent", "10255"));
        case(
            version,
            control,
            "kubelet-arg: [read-only-port=0]\n",
            &[],
            ("compliant", "config.yaml:1"),
        );
        case(
            version,
            control,
            "",
            &[(KUBELET, &file("0"))],
            ("compliant", "90-x.conf"),
        );
        case(
            version,
            control,
            "",
            &[(KUBELET, &file("null"))],
            ("compliant", ""),
        );
    }
    for version in ["1.31.9", "1.32.4", "1.36.3"] {
        case(version, control, "", &[], ("compliant", "K3s default"));
    }
}
