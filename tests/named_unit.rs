//! A unit that the policy names and that is not here: no other is judged in its place, and no default passes for what K3s
//! would run with.

#![allow(clippy::unwrap_used, clippy::panic)]

mod tree;

use tree::{Answer, Tree};

const POLICY: &str = "755 root:root d /etc/k3warden\n644 root:root f /etc/k3warden/config.toml\n";
const OPTIONS_AND_PLACES: [&str; 2] = ["protect-kernel-defaults", "server-directory"];

/// A server with another data dir, which its unit asks not to protect the kernel's defaults.
fn server(unit: &str, policy: &[&str]) -> Tree {
    let text: String = policy.iter().map(|line| format!("| {line}\n")).collect();
    Tree::of(&format!(
        "755 root:root d /srv/k3s/server\n644 root:root f /etc/systemd/system/{unit}\n| [Service]\n\
         | ExecStart=/usr/local/bin/k3s server --data-dir /srv/k3s --protect-kernel-defaults=false\n{POLICY}{text}"
    ))
}

fn check(tree: &Tree, controls: &[&str]) -> Answer {
    tree.k3warden(&[&["check", "--format", "json"], controls].concat())
}

fn warnings(answer: &Answer) -> String {
    answer.json()["warnings"].to_string()
}

#[test]
fn what_a_unit_that_is_not_there_would_start_is_unknown() {
    for policy in [
        &["unit = \"k3s-hub.service\"", "role = \"server\""][..],
        &["unit = \"k3s-hub.service\""],
    ] {
        let tree = server("k3s.service", policy);
        let answer = check(&tree, &OPTIONS_AND_PLACES);
        assert_eq!(answer.code, Some(2), "{answer:?}");
        for control in answer.json()["controls"].as_array().unwrap() {
            assert_eq!(control["verdict"], "unknown", "{answer:?}");
        }
        let said = warnings(&answer);
        let parts = ["no unit is judged", "k3s-hub.service", "k3s.service does"];
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert!(said.contains("config.toml:1"), "{said}");
        // The kernel's values are what they are, whoever starts K3s.
        assert_eq!(check(&tree, &["kernel-panic"]).code, Some(1));
    }
}

#[test]
fn a_unit_that_is_not_there_is_said_where_no_other_is_known_to_start_k3s() {
    for unit in ["edge.service", "k3s-backup.timer"] {
        let tree = server(unit, &["unit = \"k3s-hub.service\"", "role = \"server\""]);
        let said = warnings(&check(&tree, &[]));
        assert!(
            said.contains("names k3s-hub.service, which starts no K3s here"),
            "{said}"
        );
    }
}

#[test]
fn a_name_that_no_unit_of_k3s_has_is_refused_with_its_line() {
    for name in ["edge.service", "k3s@edge.service", "k3sedge.service"] {
        let tree = server(
            "edge.service",
            &["role = \"server\"", &format!("unit = \"{name}\"")],
        );
        let answer = check(&tree, &OPTIONS_AND_PLACES);
        assert_eq!(answer.code, Some(2), "{answer:?}");
        let parts = [
            "config.toml:2:8: `unit` takes",
            "\"k3s-NAME.service\"",
            name,
        ];
        for part in parts {
            assert!(answer.stderr.contains(part), "{part}: {answer:?}");
        }
    }
}
