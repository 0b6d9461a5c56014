//! While nobody can tell what K3s's options are (a slip in its configuration, an environment file that cannot be read, a
//! unit that is being exchanged), what K3s reads of ours stays as it is, and nothing about it is green. A single word that K3s ends over
//! holds back nothing of ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use tree::{DROP_IN, Tree, difference};

const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
const UNIT: &str = "/etc/systemd/system/k3s.service";
const KEY: &str = "/data/k3s/server/cred/encryption-config.json";

/// Its data dir is said in config.yaml, and its cluster is one that we began.
const SERVER: &str = "\
755 root:root d /data/k3s
755 root:root d /data/k3s/server/cred
644 root:root f /etc/k3warden/config.toml
| new_cluster = true
644 root:root f /etc/rancher/k3s/config.yaml
| data-dir: /data/k3s
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| EnvironmentFile=-/etc/systemd/system/k3s.service.env
| ExecStart=/usr/local/bin/k3s server
";

/// A hardened server whose K3s has made its key.
fn server() -> Tree {
    let tree = Tree::of(SERVER);
    tree.k3warden(&["apply"]);
    assert!(tree.text(DROP_IN).contains("secrets-encryption: true"));
    fs::write(tree.at(KEY), "{}").unwrap();
    fs::create_dir_all(tree.at("/data/k3s/server/db")).unwrap();
    tree.k3warden(&["apply"]);
    tree
}

fn verdict(tree: &Tree, control: &str) -> (String, String) {
    let answer = tree.k3warden(&["check", "--all", "--format", "json"]);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    let controls = report["controls"].as_array().unwrap();
    let found = controls.iter().find(|found| found["id"] == control);
    let found = found.unwrap();
    (
        found["verdict"].as_str().unwrap().to_owned(),
        found.to_string(),
    )
}

/// Each ends K3s before its options are settled.
const SLIPS: [&str; 5] = [
    "data-dir: [\n",
    "data-dir: /data/k3s\nx: [a\n",
    "data-dir: /data/k3s\n\tdebug: true\n",
    "data-dir: /data/k3s\ndebug: maybe\n",
    "data-dir: /data/k3s\ncluster-init: maybe\n",
];

#[test]
fn a_slip_of_the_operator_costs_no_line_of_ours() {
    for slip in SLIPS {
        let tree = server();
        fs::write(tree.at(CONFIG), slip).unwrap();
        let before = tree.snapshot();
        let applied = tree.k3warden(&["apply"]);
        assert_eq!(applied.code, Some(2), "{slip:?} {applied:?}");
        tree.k3warden(&["apply", "--before-start", "k3s.service"]);
        let changed = difference(&before, &tree.snapshot(), "/var/lib/k3warden");
        assert_eq!(changed, Vec::<String>::new(), "{slip:?}");

        let (word, all) = verdict(&tree, "audit-log-retention");
        assert_eq!(word, "unknown", "{slip:?} {all}");
        assert!(all.contains(&format!("{CONFIG}:")), "{slip:?} {all}");
    }
}

const AGENT: &str = "\
755 root:root d /data/k3s
644 root:root f /etc/rancher/k3s/config.yaml
| server: https://10.0.0.1:6443
| token: x
| data-dir: /data/k3s
644 root:root f /etc/systemd/system/k3s-agent.service
| [Service]
| ExecStart=/usr/local/bin/k3s agent
";

/// On a node that we have not been to: each is one word of the operator's, and without it everything is clear.
#[test]
fn a_wrong_word_of_the_operator_holds_back_nothing_of_ours() {
    let told = "audit-log-maxage=30";
    let kubelet = "tls-cipher-suites";
    for (node, slip, reason, line) in [
        (SERVER, "debug: maybe", "invalid boolean value", told),
        (SERVER, "debug:", "invalid boolean value", told),
        (SERVER, "t: x\ntoken: x", "Cannot use two forms", told),
        (SERVER, "https-listen-port: a", "invalid value", told),
        (
            AGENT,
            "cluster-cidr: 10.42.0.0/16",
            "flag provided but not defined",
            kubelet,
        ),
        (
            AGENT,
            "kubelet-args: v=1",
            "flag provided but not defined",
            kubelet,
        ),
    ] {
        let tree = Tree::of(node);
        let config = tree.text(CONFIG);
        fs::write(tree.at(CONFIG), format!("{config}{slip}\n")).unwrap();
        let applied = tree.k3warden(&["apply"]);
        let written = tree.text(DROP_IN);
        assert!(written.contains(line), "{slip:?} {written} {applied:?}");

        let check = tree.k3warden(&["check"]);
        let end = format!("would end at its next start: {reason}");
        assert!(check.stdout.contains(&end), "{slip:?} {check:?}");
        // What it would start with, if it started.
        let (word, all) = verdict(&tree, "kubelet-cipher-suites");
        assert_eq!(word, "unknown", "{slip:?} {all}");
        assert!(all.contains("K3s would not start: "), "{slip:?} {all}");

        fs::write(tree.at(CONFIG), config).unwrap();
        let (word, all) = verdict(&tree, "kubelet-cipher-suites");
        assert_eq!(word, "compliant", "{slip:?} {all}");
        let again = tree.k3warden(&["apply"]);
        assert_eq!(written, tree.text(DROP_IN), "{slip:?} {again:?}");
    }
}

/// Nobody can tell whether this server is to join another one.
#[test]
fn a_word_that_may_be_about_the_cluster_holds_back_our_part() {
    for slip in [
        "cluster-reset: maybe",
        "cluster-init: maybe",
        "d: /other",
        "s: https://10.0.0.1:6443\nserver: ''",
    ] {
        let tree = Tree::of(SERVER);
        let config = tree.text(CONFIG);
        fs::write(tree.at(CONFIG), format!("{config}{slip}\n")).unwrap();
        let applied = tree.k3warden(&["apply"]);
        assert_eq!(tree.text(DROP_IN), "", "{slip:?} {applied:?}");
        let (word, all) = verdict(&tree, "audit-log-retention");
        assert_eq!(word, "unknown", "{slip:?} {all}");
    }
}

#[test]
fn what_is_in_the_data_dir_is_held_where_it_was_last_known_to_be() {
    for slip in SLIPS {
        let tree = server();
        fs::write(tree.at(CONFIG), slip).unwrap();
        let credentials = tree.at("/data/k3s/server/cred");
        fs::set_permissions(&credentials, fs::Permissions::from_mode(0o755)).unwrap();
        tree.k3warden(&["apply"]);
        let mode = fs::metadata(&credentials).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{slip:?}");
    }
}

#[test]
fn where_nothing_was_noted_what_is_in_the_data_dir_is_unknown() {
    let tree = Tree::of(SERVER);
    fs::write(tree.at(CONFIG), "data-dir: [\n").unwrap();
    let before = tree.snapshot();
    let applied = tree.k3warden(&["apply"]);
    assert_eq!(applied.code, Some(2), "{applied:?}");
    let (word, all) = verdict(&tree, "server-directory");
    assert_eq!(word, "unknown", "{all}");
    assert!(all.contains("data dir is not known"), "{all}");
    let changed = difference(&before, &tree.snapshot(), "/var/lib/k3warden");
    let in_a_data_dir = |line: &String| line.contains("/var/lib/rancher") || line.contains("/data");
    assert!(!changed.iter().any(in_a_data_dir), "{changed:?}");
}

/// `server/cred` has the key: no way back takes the line.
#[test]
fn the_encryption_line_outlives_a_revert_under_a_slip_and_without_a_unit() {
    type Hide = fn(&Tree);
    let hides: [Hide; 2] = [
        |tree| fs::write(tree.at(CONFIG), "data-dir: [\n").unwrap(),
        |tree| fs::remove_file(tree.at(UNIT)).unwrap(),
    ];
    for hide in hides {
        let tree = server();
        hide(&tree);
        let reverted = tree.k3warden(&["revert"]);
        let left = tree.text(DROP_IN);
        assert!(
            left.contains("secrets-encryption: true"),
            "{left} {reverted:?}"
        );
    }
}

#[test]
fn under_a_slip_a_revert_leaves_what_the_next_start_may_need() {
    let tree = server();
    let line = "data-dir: /data/k3s\nprotect-kernel-defaults: true\n";
    fs::write(tree.at(CONFIG), format!("{line}debug: maybe\n")).unwrap();
    tree.k3warden(&["revert"]);
    assert!(
        tree.text("/etc/sysctl.d/90-kubelet.conf")
            .contains("kernel.panic")
    );
    assert!(
        tree.text("/data/k3s/server/psa.yaml")
            .contains("PodSecurity")
    );
    assert!(tree.at("/data/k3s/server/logs").is_dir());
    fs::write(tree.at(CONFIG), "data-dir: /data/k3s\n").unwrap();
    tree.k3warden(&["revert"]);
    assert_eq!(tree.text("/etc/sysctl.d/90-kubelet.conf"), "");
    assert_eq!(tree.text("/data/k3s/server/psa.yaml"), "");
}

#[test]
fn an_environment_file_that_cannot_be_read_leaves_nothing_green() {
    let environment = "/etc/systemd/system/k3s.service.env";
    let tree = Tree::of(SERVER);
    nix::unistd::mkfifo(&tree.at(environment), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let check = tree.k3warden(&["check"]);
    assert_eq!(check.code, Some(2), "{check:?}");
    for control in ["audit-log-retention", "server-directory"] {
        let (word, all) = verdict(&tree, control);
        assert_eq!(word, "unknown", "{all}");
        assert!(all.contains(environment), "{all}");
    }
    // It is a server all the same.
    let (word, _) = verdict(&tree, "agent-directory");
    assert_ne!(word, "compliant");
}

/// systemd passes over what it cannot read there, where the line allows it with `-`.
#[test]
fn a_directory_in_the_place_of_an_optional_environment_file_is_none() {
    let tree = Tree::of(SERVER);
    fs::create_dir(tree.at("/etc/systemd/system/k3s.service.env")).unwrap();
    let (word, all) = verdict(&tree, "audit-log-retention");
    assert_eq!(word, "divergent", "{all}");
}

#[test]
fn a_unit_that_systemd_would_not_start_is_no_node_without_k3s() {
    for unit in [
        "[Service]\nEnvironmentFile=/etc/missing.env\nExecStart=/usr/local/bin/k3s server\n",
        "[Service]\nEnvironmentFile=/etc\nExecStart=/usr/local/bin/k3s server\n",
        "[Service]\nExecStart=/usr/local/bin/k3s server\nExecStart=/bin/true\n",
    ] {
        let tree = Tree::of(SERVER);
        fs::write(tree.at(UNIT), unit).unwrap();
        let check = tree.k3warden(&["check"]);
        assert_eq!(check.code, Some(2), "{check:?}");
        let (word, all) = verdict(&tree, "audit-log-retention");
        assert_eq!(word, "unknown", "{all}");
        assert!(all.contains("systemd would not start k3s.service"), "{all}");
        let effective = tree.k3warden(&["effective"]);
        assert_eq!(effective.code, Some(2));
        assert!(effective.stderr.contains(UNIT), "{effective:?}");
    }
}
