//! What etcd is told to listen at.

use crate::{Node, case};

/// etcd leaves certificates aside where it serves by http, and its metrics ask for none (etcd server/embed/etcd.go).
#[test]
fn an_address_that_etcd_is_given_is_judged_with_its_line() {
    let with = |items: &[&str]| {
        let items: String = items.iter().map(|item| format!("- {item}\n")).collect();
        format!("cluster-init: true\netcd-arg:\n{items}")
    };
    let case = |control: &str, items: &[&str], expected: (&str, &str)| {
        for version in ["1.36.3", "1.28.4", "1.23.17"] {
            case(version, control, &with(items), &[], expected);
        }
    };
    let (tls, metrics) = ("etcd-transport-security", "etcd-metrics");
    let plain = "listen-client-urls=http://0.0.0.0:2379";
    case(
        tls,
        &["quota-backend-bytes=1", plain, "snapshot-count=5"],
        ("divergent", "config.yaml:4"),
    );
    case(
        tls,
        &["listen-peer-urls=https://10.0.0.1:2380,http://10.0.0.1:2390"],
        ("divergent", "config.yaml:3"),
    );
    case(
        tls,
        &["--listen-client-http-urls=http://127.0.0.1:2382"],
        ("divergent", "config.yaml:3"),
    );
    case(
        tls,
        &["auto-tls=true", "snapshot-count=5"],
        ("divergent", "config.yaml:3"),
    );
    case(
        tls,
        &[plain, "listen-client-urls=https://0.0.0.0:2379"],
        ("compliant", ""),
    );
    case(
        metrics,
        &["listen-metrics-urls=http://0.0.0.0:2381"],
        ("divergent", "config.yaml:3"),
    );
    case(
        metrics,
        &["listen-metrics-urls=http://127.0.0.1:2381,https://10.0.0.1:2381"],
        ("compliant", ""),
    );
    let node = Node::new(
        "1.36.3",
        "cluster-init: true\netcd-expose-metrics: true\n",
        &[],
    );
    let (verdict, findings) = node.verdict(metrics);
    assert!(
        verdict == "divergent" && findings.contains("config.yaml:2"),
        "{findings}"
    );
}
