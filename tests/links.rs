//! Links in the places of K3s's files: those that K3s makes itself are judged at their target, and no other file is
//! touched for the sake of a link.

#![allow(clippy::unwrap_used, clippy::panic)]

mod tree;

use tree::Tree;

const SERVER: &str = "\
755 root:root d /etc/rancher/k3s
700 root:root d /var/lib/rancher/k3s
700 root:root d /var/lib/rancher/k3s/server
644 root:root f /var/lib/rancher/k3s/server/token
| K10::server:secret
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
";
const CONTROLS: [&str; 2] = ["join-tokens", "k3s-yaml-kubeconfig"];

#[test]
fn a_link_that_k3s_did_not_make_has_nothing_changed_behind_it() {
    for (link, target) in [
        ("/etc/rancher/k3s/k3s.yaml", "/etc/passwd"),
        ("/var/lib/rancher/k3s/server/node-token", "/etc/shadow"),
        ("/var/lib/rancher/k3s/server/agent-token", "/etc/shadow"),
        // With neither write-kubeconfig nor a link of K3s's own to it.
        (
            "/etc/rancher/k3s/k3s.yaml",
            "/var/lib/rancher/k3s/server/kube",
        ),
    ] {
        let tree = Tree::of(SERVER);
        tree.add(&format!(
            "640 root:root f {target}\n| root\n777 root:root l {link} -> {target}\n"
        ));
        tree.k3warden(&["apply"]);
        assert_eq!(tree.mode(target), 0o640, "{link} -> {target}");
        let check = tree.k3warden(&[&["check"][..], &CONTROLS].concat());
        assert_eq!(check.code, Some(2), "{check:?}");
        let diff = tree
            .k3warden(&["check", "--format", "json"])
            .json()
            .to_string();
        let said = format!("left untouched: it is a symbolic link to {target}");
        assert!(diff.contains(&said), "{diff}");
    }
}

#[test]
fn the_links_that_k3s_makes_are_judged_at_their_target() {
    let tree = Tree::of(SERVER);
    tree.add(
        "600 root:root f /etc/rancher/k3s/config.yaml\n| write-kubeconfig: /etc/rancher/admin.yaml\n\
         644 root:root f /etc/rancher/admin.yaml\n| kind: Config\n\
         777 root:root l /etc/rancher/k3s/k3s.yaml -> /etc/rancher/admin.yaml\n\
         777 root:root l /var/lib/rancher/k3s/server/node-token -> /var/lib/rancher/k3s/server/token\n\
         777 root:root l /var/lib/rancher/k3s/server/agent-token -> /var/lib/rancher/k3s/server/token\n",
    );
    assert_eq!(
        tree.k3warden(&[&["check"][..], &CONTROLS].concat()).code,
        Some(1)
    );
    tree.k3warden(&["apply"]);
    assert_eq!(tree.mode("/etc/rancher/admin.yaml"), 0o600);
    assert_eq!(tree.mode("/var/lib/rancher/k3s/server/token"), 0o600);
    let check = tree.k3warden(&[&["check"][..], &CONTROLS].concat());
    assert_eq!(check.code, Some(0), "{check:?}");
}

/// K3s keeps a link that is one already, also where the data dir was moved and left as a link.
#[test]
fn a_link_that_leads_to_the_token_another_way_is_k3ss_own() {
    let tree = Tree::of(&SERVER.replace("/var/lib/rancher", "/srv/rancher"));
    tree.add(
        "777 root:root l /var/lib/rancher -> /srv/rancher\n\
         600 root:root f /etc/rancher/k3s/config.yaml\n| data-dir: /srv/rancher/k3s\n\
         777 root:root l /srv/rancher/k3s/server/node-token -> /var/lib/rancher/k3s/server/token\n",
    );
    tree.k3warden(&["apply"]);
    assert_eq!(tree.mode("/srv/rancher/k3s/server/token"), 0o600);
    let check = tree.k3warden(&["check", "join-tokens"]);
    assert_eq!(check.code, Some(0), "{check:?}");
}
