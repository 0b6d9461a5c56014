//! Controls that restrict workloads: enforced where a cluster begins, observed everywhere else, and taken back while K3s
//! has not started yet.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod server;
mod tree;

use std::path::Path;

use k3warden::node::Surroundings;
use k3warden::policy::Stance;
use k3warden::reconcile::Verdict;
use server::Server;

const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
const CONTROL: &str = "pod-security-defaults";
const LINE: &str = "admission-control-config-file=";
const DATA: &str = "/var/lib/rancher/k3s/server/db";
const KEY: &str = "/var/lib/rancher/k3s/server/cred/encryption-config.json";

/// What makes a server join another one.
const JOIN: &str = "server: https://first:6443\ntoken: not-a-real-token\n";

fn restricts(server: &Server) -> bool {
    let lines = server.lines().contains(LINE);
    let manifests = server
        .manifests()
        .iter()
        .any(|name| name.starts_with("k3warden-netpol"));
    assert_eq!(
        lines,
        manifests,
        "{}{:?}",
        server.lines(),
        server.manifests()
    );
    lines
}

fn encrypts(server: &Server) -> bool {
    server.lines().contains("secrets-encryption: true")
}

/// Workloads are restricted and Secrets encrypted.
#[track_caller]
fn assert_like_a_new_cluster(server: &Server) {
    assert!(restricts(server) && encrypts(server), "{}", server.lines());
}

/// Neither is begun here: another server, or an operator, has decided that for the cluster.
#[track_caller]
fn assert_left_to_its_cluster(server: &Server) {
    assert!(
        !restricts(server) && !encrypts(server),
        "{}",
        server.lines()
    );
}

#[test]
fn the_first_server_of_a_new_cluster_is_restricted_like_the_rest() {
    let server = Server::new();
    server.apply();
    assert_like_a_new_cluster(&server);
}

/// What makes a server anything else than the first of a new cluster.
fn others() -> Vec<(&'static str, Server)> {
    let with = |name, change: &dyn Fn(&Server)| {
        let server = Server::new();
        change(&server);
        (name, server)
    };
    vec![
        with("server in the configuration", &|server| {
            server.write(CONFIG, JOIN);
        }),
        with("--server in the unit", &|server| {
            server.unit("server --server https://first:6443 --token=not-a-real-token")
        }),
        with("K3S_URL", &|server| {
            server.write(
                "/etc/systemd/system/k3s.service.env",
                "K3S_URL=https://first:6443\nK3S_TOKEN=not-a-real-token\n",
            );
        }),
        with("a datastore elsewhere", &|server| {
            server.write(CONFIG, "datastore-endpoint: postgres://db\n")
        }),
        with("a reset", &|server| {
            server.write(CONFIG, "cluster-init: true\ncluster-reset: true\n")
        }),
        with("data", &|server| {
            std::fs::create_dir_all(server.tree.at(DATA)).unwrap()
        }),
    ]
}

#[test]
fn every_other_server_is_observed_and_told_the_line_that_enforces() {
    for (name, server) in others() {
        server.apply();
        assert!(!restricts(&server), "{name}: {}", server.lines());
        assert!(!encrypts(&server), "{name}: {}", server.lines());
        server.judge(CONTROL, |judgement| {
            assert_eq!(judgement.decision.stance, Stance::Observe, "{name}");
            // No apiserver runs while a cluster is reset.
            assert!(
                name == "a reset" || judgement.verdict == Verdict::Divergent,
                "{name}"
            );
            let note = judgement.note.as_deref().unwrap();
            assert!(note.ends_with(&line_of(CONTROL)), "{name}: {note}");
        });
    }
}

/// The line that turns a control on, as it is printed.
fn line_of(control: &str) -> String {
    format!("control.{control}.state = \"enforce\"")
}

#[test]
fn one_line_of_the_policy_enforces_there_too() {
    let server = Server::new();
    std::fs::create_dir_all(server.tree.at(DATA)).unwrap();
    server.policy(&format!("{}\n", line_of(CONTROL)));
    server.apply();
    server.assert_writes(LINE);
}

#[test]
fn what_was_written_is_withdrawn_when_the_server_is_then_told_to_join() {
    let server = Server::new();
    server.apply();
    assert_like_a_new_cluster(&server);
    server.write("/etc/rancher/k3s/config.yaml.d/10-cloud-init.yaml", JOIN);
    server.apply();
    assert_left_to_its_cluster(&server);
    let left = server.manifests();
    assert_eq!(
        left,
        Vec::<String>::new(),
        "nothing of ours is deployed into somebody else's cluster"
    );
    server.assert_writes("protect-kernel-defaults: true");
}

#[test]
fn encryption_stays_once_there_is_a_key() {
    let server = Server::new();
    server.apply();
    server.write(KEY, "{}");
    server.write(CONFIG, JOIN);
    server.apply();
    assert!(encrypts(&server), "{}", server.lines());
}

/// A disk that is not mounted while k3warden looks, and while K3s starts.
#[test]
fn encryption_comes_back_with_the_key_that_was_out_of_sight() {
    let tells = [
        (
            CONFIG,
            "server: https://first:6443\ntoken: not-a-real-token\n",
        ),
        ("/etc/k3warden/config.toml", "new_cluster = false\n"),
    ];
    for (file, text) in tells {
        let server = Server::new();
        server.apply();
        server.start();
        server.write(KEY, "{}");
        server.write(file, text);
        server.apply();
        assert!(encrypts(&server), "{file}: {}", server.lines());
        let data = server.tree.at("/var/lib/rancher/k3s/server");
        let away = server.tree.at("/var/lib/rancher/k3s/away");
        std::fs::rename(&data, &away).unwrap();
        server.apply();
        server.decide();
        std::fs::remove_dir_all(&data).unwrap();
        std::fs::rename(&away, &data).unwrap();
        server.apply();
        assert!(encrypts(&server), "{file}: {}", server.lines());
    }
}

#[test]
fn the_decision_of_the_first_start_stands_while_the_cluster_has_its_data() {
    let server = Server::new();
    server.apply();
    server.start();
    server.apply();
    assert_like_a_new_cluster(&server);
    // Drift is mended after the first start as before it.
    server.remove(Path::new(
        "/var/lib/rancher/k3s/server/manifests/k3warden-netpol-default.yaml",
    ));
    server.apply();
    assert!(
        server
            .manifests()
            .contains(&"k3warden-netpol-default.yaml".to_owned())
    );
    // The data is gone, and the next life of the node is another one.
    server.remove(Path::new(DATA));
    server.write(CONFIG, JOIN);
    server.apply();
    assert!(!restricts(&server), "{}", server.lines());
}

#[test]
fn a_server_that_joined_is_not_taken_for_a_new_cluster_later() {
    let server = Server::new();
    server.write(CONFIG, JOIN);
    server.apply();
    server.start();
    // The operator tidies up: `server` is only needed to join.
    server.write(CONFIG, "");
    server.apply();
    assert_left_to_its_cluster(&server);
}

/// Its drop-in was removed. K3s has made its data, and not yet its key.
#[test]
fn a_first_start_that_passed_no_door_begins_what_was_expected_of_it() {
    let server = Server::new();
    server.apply();
    server.expect();
    server.start_without_door();
    server.apply();
    assert_like_a_new_cluster(&server);
    server.expect();
    server.apply();
    assert_like_a_new_cluster(&server);
    // Without a key nothing is lost yet, and the cluster that it is told to join says what is encrypted.
    server.write(CONFIG, JOIN);
    server.apply();
    assert!(!encrypts(&server), "{}", server.lines());
    server.judge(CONTROL, |judgement| {
        assert_eq!(judgement.decision.stance, Stance::Observe);
    });
}

#[test]
fn what_was_expected_before_the_server_was_told_to_join_is_not_remembered() {
    let server = Server::new();
    server.apply();
    server.expect();
    server.write(CONFIG, JOIN);
    server.expect();
    server.apply();
    server.start_without_door();
    server.write(CONFIG, "");
    server.apply();
    assert_left_to_its_cluster(&server);
}

/// With the options unknown the default data dir would be looked at, which is empty here.
#[test]
fn a_slip_while_k3s_starts_makes_no_new_cluster_of_an_old_one() {
    let server = Server::new();
    server.write("/data/k3s/server/db/state.db", "");
    for slip in ["data-dir: [\n", "data-dir: /data/k3s\ndebug: maybe\n"] {
        server.write(CONFIG, slip);
        server.decide();
        server.write(CONFIG, "data-dir: /data/k3s\n");
        server.decide();
        server.apply();
        assert!(!restricts(&server), "{slip:?}: {}", server.lines());
    }
}

#[test]
fn a_slip_takes_nothing_from_a_cluster_that_we_began() {
    let server = Server::new();
    server.apply();
    server.start();
    server.write(CONFIG, "x: [a\n");
    server.apply();
    assert!(restricts(&server), "{}", server.lines());
    server.write(CONFIG, "");
    server.apply();
    assert!(restricts(&server), "{}", server.lines());
}

#[test]
fn an_image_is_restricted_only_if_the_policy_calls_it_a_new_cluster() {
    let mut server = Server::new();
    server.surroundings = Surroundings::Image;
    server.apply();
    assert_left_to_its_cluster(&server);
    server.policy("new_cluster = true\n");
    server.apply();
    assert_like_a_new_cluster(&server);
    server.policy("new_cluster = false\n");
    server.apply();
    assert_left_to_its_cluster(&server);
}

#[test]
fn an_image_for_new_clusters_that_is_told_to_join_begins_none() {
    let mut server = Server::new();
    server.surroundings = Surroundings::Image;
    server.policy("new_cluster = true\n");
    server.apply();
    assert_like_a_new_cluster(&server);
    server.surroundings = Surroundings::Machine;
    server.write("/etc/rancher/k3s/config.yaml.d/10-cloud-init.yaml", JOIN);
    server.apply();
    assert_left_to_its_cluster(&server);
}

/// One policy for machines of all ages.
#[test]
fn a_policy_for_new_clusters_makes_no_cluster_new_that_has_data_here_or_elsewhere() {
    for (path, content) in [
        ("/var/lib/rancher/k3s/server/db/state.db", "data"),
        (
            "/etc/rancher/k3s/config.yaml",
            "datastore-endpoint: mysql://elsewhere\n",
        ),
    ] {
        let server = Server::new();
        server.policy("new_cluster = true\n");
        server.write(path, content);
        server.apply();
        assert!(!restricts(&server), "{path}: {}", server.lines());
        assert!(!encrypts(&server), "{path}: {}", server.lines());
    }
}

#[test]
fn without_a_unit_of_k3s_nothing_is_restricted() {
    let server = Server::new();
    server.remove(Path::new("/etc/systemd/system/k3s.service"));
    server.policy("role = \"server\"\n");
    server.apply();
    assert_left_to_its_cluster(&server);
    server.policy("role = \"server\"\nnew_cluster = true\n");
    server.apply();
    assert_like_a_new_cluster(&server);
}

/// A policy that denies and none that lets Traefik's traffic in would cut it off.
#[test]
fn a_control_of_which_one_part_depends_on_an_unknown_version_writes_none() {
    let tree = tree::Tree::of(
        "644 root:root f /etc/systemd/system/k3s.service\n| [Service]\n| ExecStart=/usr/local/bin/k3s server\n\
         755 root:root d /etc/k3warden\n644 root:root f /etc/k3warden/config.toml\n| new_cluster = true\n",
    );
    let applied = tree.run(&["--no-sync", "apply"]);
    let written = |name: &str| {
        let path = format!("/var/lib/rancher/k3s/server/manifests/k3warden-netpol-{name}.yaml");
        tree.at(&path).exists()
    };
    // Where the load balancer runs depends on it too, and what lets clients through to it does no harm elsewhere.
    for name in ["kube-public", "default", "default-servicelb"] {
        assert!(written(name), "{name}: {applied:?}");
    }
    for name in ["kube-system", "kube-system-dns"] {
        assert!(!written(name), "{name}: {applied:?}");
    }
    let check = tree.run(&["check", "network-policy-kube-system"]);
    assert_eq!(check.code, Some(2), "{check:?}");
    assert!(
        check.stdout.contains("another part is for K3s >=1.21"),
        "{check:?}"
    );
    tree.k3warden(&["apply"]);
    assert!(written("kube-system") && written("default") && !written("default-servicelb"));
}
