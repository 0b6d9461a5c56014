//! CIS numbers by edition, against the published K3s self-assessments (editions.toml names them).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use k3warden::catalogue::Catalogue;
use tree::Tree;

/// Edition, number, and the control that answers it.
const NUMBERS: [(&str, &str, &str); 22] = [
    ("1.23", "4.2.6", "protect-kernel-defaults"),
    ("1.24", "4.2.6", "protect-kernel-defaults"),
    ("1.7", "4.2.6", "kubelet-iptables-chains"),
    ("2.1", "4.2.6", "kubelet-iptables-chains"),
    ("1.23", "1.2.22", "audit-log-size"),
    ("1.9", "1.2.19", "audit-log-size"),
    ("2.1", "1.2.19", "audit-log-size"),
    ("1.7", "1.2.18", "audit-log-path"),
    ("2.1", "1.2.16", "audit-log-path"),
    ("2.1", "1.2.20", "request-timeout"),
    ("2.1", "1.2.21", "service-account-lookup"),
    ("1.23", "1.2.31", "secrets-encryption"),
    ("2.1", "1.2.28", "secrets-encryption"),
    ("1.11", "1.2.30", "service-account-token-expiry"),
    ("2.1", "1.2.9", "event-rate-limit"),
    ("1.23", "1.2.16", "node-restriction-plugin"),
    ("2.1", "1.2.14", "node-restriction-plugin"),
    ("2.1", "1.3.1", "pod-gc-threshold"),
    ("1.23", "4.2.13", "kubelet-cipher-suites"),
    ("2.1", "4.2.12", "kubelet-cipher-suites"),
    ("2.1", "4.2.13", "pod-process-limit"),
    ("2.1", "5.1.5", "default-service-accounts"),
];

#[test]
fn a_number_is_answered_by_the_control_that_the_assessment_means() {
    let catalogue = Catalogue::built_in().unwrap();
    for (edition, number, control) in NUMBERS {
        let found = catalogue.with_number(edition, number);
        let found: Vec<&str> = found.iter().map(|control| control.id.as_str()).collect();
        assert!(
            found.contains(&control),
            "{number} of CIS {edition}: {found:?}"
        );
    }
}

#[test]
fn a_number_is_explained_by_the_edition_of_the_nodes_release() {
    let tree = Tree::of(
        "644 root:root f /etc/systemd/system/k3s.service\n| [Service]\n| ExecStart=/usr/local/bin/k3s server\n",
    );
    for (version, control) in [
        ("1.23.17", "protect-kernel-defaults"),
        ("1.24.17", "protect-kernel-defaults"),
        ("1.25.16", "kubelet-iptables-chains"),
        ("1.36.3", "kubelet-iptables-chains"),
    ] {
        let answer = tree.run(&["--k3s-version", version, "explain", "4.2.6"]);
        assert!(
            answer.stdout.lines().any(|line| line == control),
            "{version}: {}{}",
            answer.stdout,
            answer.stderr
        );
    }
}

/// Every number of the newest self-assessment that the host decides, and a control for it.
#[test]
fn no_number_of_the_newest_edition_is_forgotten() {
    let catalogue = Catalogue::built_in().unwrap();
    let sections: [(&str, std::ops::RangeInclusive<u32>); 9] = [
        ("1.1", 9..=21),
        ("1.2", 1..=30),
        ("1.3", 1..=7),
        ("1.4", 1..=2),
        ("2", 1..=7),
        ("3.2", 1..=1),
        ("4.1", 3..=11),
        ("4.2", 1..=14),
        ("4.3", 1..=1),
    ];
    // etcd:etcd (root by design), the hostname (set by design), certificates in a file that K3s writes at each start.
    let by_design = ["1.1.12", "4.2.7", "2.1", "2.4", "2.7"];
    let numbers = sections
        .into_iter()
        .flat_map(|(section, range)| range.map(move |number| format!("{section}.{number}")));
    let missing: Vec<String> = numbers
        .filter(|number| catalogue.with_number("2.1", number).is_empty())
        .filter(|number| !by_design.contains(&number.as_str()))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}
