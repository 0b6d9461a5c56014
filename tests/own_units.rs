//! The drop-ins of our own units: written where something is elsewhere, taken away when it is not, an operator's own kept.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod tree;

use std::fs;

use tree::Tree;

const DROP_IN: &str = "/etc/systemd/system/k3warden.service.d/50-paths.conf";

fn node() -> Tree {
    Tree::of(
        "644 root:root f /usr/lib/systemd/system/k3warden.service\n\
         | [Service]\n\
         644 root:root f /etc/systemd/system/k3s.service\n\
         | [Service]\n\
         | Environment=K3S_CONFIG_FILE=/opt/edge/k3s.yaml\n\
         | ExecStart=/usr/local/bin/k3s server\n\
         644 root:root f /opt/edge/k3s.yaml\n\
         | data-dir: /data/k3s\n\
         755 root:root d /srv/k3s-real\n\
         777 root:root l /data/k3s -> /srv/k3s-real\n\
         644 root:root f /etc/k3warden/config.toml\n\
         | metrics_file = \"/var/lib/node_exporter/k3warden.prom\"\n",
    )
}

fn apply(tree: &Tree) {
    let answer = tree.k3warden(&["apply"]);
    assert!(answer.code.is_some_and(|code| code < 2), "{answer:?}");
}

#[test]
fn what_is_elsewhere_is_opened_and_asked_to_be_mounted() {
    let tree = node();
    apply(&tree);
    let text = fs::read_to_string(tree.at(DROP_IN)).unwrap();
    let places = [
        "/data/k3s",
        "/opt/edge",
        "/srv/k3s-real",
        "/var/lib/node_exporter",
    ];
    let line = |prefix: &str| places.map(|place| format!("\"{prefix}{place}\"")).join(" ");
    assert!(
        text.contains(&format!("[Unit]\nRequiresMountsFor={}\n", line(""))),
        "{text}"
    );
    assert!(
        text.contains(&format!("[Service]\nReadWritePaths={}\n", line("-"))),
        "{text}"
    );
    let of_apply = DROP_IN.replace("k3warden.service", "k3warden-apply.service");
    assert!(!tree.at(&of_apply).exists(), "that unit is not installed");
    let answer = tree.k3warden(&["diff"]);
    assert!(!answer.stdout.contains("50-paths"), "{answer:?}");

    // All back where the packaged unit has it.
    fs::remove_file(tree.at("/data/k3s")).unwrap();
    fs::write(tree.at("/opt/edge/k3s.yaml"), "").unwrap();
    fs::write(tree.at("/etc/k3warden/config.toml"), "").unwrap();
    fs::write(
        tree.at("/etc/systemd/system/k3s.service"),
        "[Service]\nExecStart=/usr/local/bin/k3s server\n",
    )
    .unwrap();
    apply(&tree);
    assert!(!tree.at(DROP_IN).exists());
}

#[test]
fn revert_takes_it_away_with_its_directory() {
    let tree = node();
    apply(&tree);
    assert!(tree.at(DROP_IN).exists());
    tree.run(&["revert"]);
    assert!(!tree.at(DROP_IN).parent().unwrap().exists());
}

#[test]
fn an_operators_own_of_that_name_stands() {
    let tree = node();
    let theirs = "[Service]\nReadWritePaths=/data\n";
    fs::create_dir_all(tree.at(DROP_IN).parent().unwrap()).unwrap();
    fs::write(tree.at(DROP_IN), theirs).unwrap();
    apply(&tree);
    assert_eq!(fs::read_to_string(tree.at(DROP_IN)).unwrap(), theirs);
}

/// The daemon judges what K3s reads; what its sandbox hides would be missing to it.
#[test]
fn what_k3s_reads_in_a_home_is_shown_to_our_units() {
    let tree = node();
    let start = "[Service]\nEnvironmentFile=-/root/k3s.env\nExecStart=/usr/local/bin/k3s server\n";
    fs::remove_file(tree.at("/data/k3s")).unwrap();
    fs::write(tree.at("/opt/edge/k3s.yaml"), "").unwrap();
    fs::write(tree.at("/etc/k3warden/config.toml"), "").unwrap();
    fs::write(tree.at("/etc/systemd/system/k3s.service"), start).unwrap();
    apply(&tree);
    let text = fs::read_to_string(tree.at(DROP_IN)).unwrap();
    assert!(
        text.ends_with("[Service]\nProtectHome=read-only\n"),
        "{text}"
    );
}

/// The unit's own bits are held too, and its directory is not ours to open as a whole.
#[test]
fn a_unit_of_k3s_that_a_package_brought_is_opened_alone() {
    let unit = "/usr/lib/systemd/system/k3s-edge.service";
    let tree = Tree::of(&format!(
        "644 root:root f /usr/lib/systemd/system/k3warden.service\n| [Service]\n\
         644 root:root f {unit}\n| [Service]\n| ExecStart=/usr/local/bin/k3s server\n"
    ));
    apply(&tree);
    let text = fs::read_to_string(tree.at(DROP_IN)).unwrap();
    assert!(
        text.contains(&format!("\nReadWritePaths=\"-{unit}\"\n")),
        "{text}"
    );
}
