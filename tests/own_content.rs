//! Files with our content, and an operator's own in their place: what is written, and what is left.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod tree;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use tree::Tree;

const SERVER: &str = "\
755 root:root d /etc/rancher/k3s
755 root:root d /var/lib/rancher/k3s
700 root:root d /var/lib/rancher/k3s/server
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
";
const PSA: &str = "/var/lib/rancher/k3s/server/psa.yaml";
const CONTROL: &str = "pod-security-configuration";

/// An option of K3s goes into ours, and the apiserver ends over a namespace that none can be.
#[test]
fn ours_is_judged_as_an_operators_is_and_not_written_if_k3s_would_end_on_it() {
    let tree = Tree::of(SERVER);
    tree.add("600 root:root f /etc/rancher/k3s/config.yaml\n| servicelb-namespace: Kube_System\n");
    tree.k3warden(&["apply"]);
    assert!(!tree.at(PSA).exists());
    let check = tree.k3warden(&["check", "--format", "json", CONTROL]);
    let said = check.json().to_string();
    assert!(
        said.contains("absent; what is to be written is not valid: "),
        "{said}"
    );
    assert_eq!(check.code, Some(1), "{check:?}");
}

#[test]
fn an_operators_own_without_the_section_keeps_its_content_and_gets_the_mode() {
    let tree = Tree::of(SERVER);
    let text =
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins: []\n";
    let lines: String = text.lines().map(|line| format!("| {line}\n")).collect();
    tree.add(&format!("644 root:root f {PSA}\n{lines}"));
    let said = tree
        .k3warden(&["check", "--format", "json", CONTROL])
        .json()
        .to_string();
    let observed = "the operator's own, which has no section PodSecurity; 0644 root:root";
    assert!(said.contains(observed), "{said}");
    tree.k3warden(&["apply"]);
    assert_eq!(tree.text(PSA), text);
    assert_eq!(tree.snapshot()[PSA].mode, 0o600);
    assert_eq!(
        tree.k3warden(&["check", CONTROL]).code,
        Some(1),
        "the section is still missing"
    );
}

/// Typed into the place of ours, with a slip in it: what holds comes back, and the operator's work is not lost.
#[test]
fn what_an_operator_put_into_the_place_of_ours_is_kept_when_it_is_replaced() {
    let tree = Tree::of(SERVER);
    let place = "/var/lib/rancher/k3s/server/audit.yaml";
    let kept = "/var/lib/k3warden/replaced/var-lib-rancher-k3s-server-audit.yaml";
    let apply = ["apply"];
    let said = tree.k3warden(&apply);
    assert!(tree.at(place).exists(), "{said:?}");
    let ours = tree.text(place);
    let theirs = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n";
    let with_a_slip = theirs.replace("Metadata", "Metadta");
    tree.write(place, theirs);
    tree.k3warden(&apply);
    assert_eq!(tree.text(place), theirs, "a valid one stays");
    assert!(!tree.at(kept).exists());
    tree.write(place, &with_a_slip);
    tree.k3warden(&apply);
    assert_eq!(tree.text(place), ours);
    assert_eq!(tree.text(kept), with_a_slip);
    let mode = std::fs::metadata(tree.at(kept))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    // Ours, loosened or gone, is nobody's work.
    std::fs::remove_file(tree.at(kept)).unwrap();
    std::fs::remove_file(tree.at(place)).unwrap();
    tree.k3warden(&apply);
    assert_eq!(tree.text(place), ours);
    assert!(!tree.at(kept).exists());
}

/// As `scp` does it: the file is opened and emptied before there is anything to write.
#[test]
fn an_operator_who_writes_a_file_of_his_own_while_apply_runs_is_waited_for() {
    let tree = Tree::of(SERVER);
    let place = "/var/lib/rancher/k3s/server/audit.yaml";
    let theirs = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n";
    tree.k3warden(&["apply"]);
    let ours = tree.text(place);
    let is_kept = || {
        let start = Instant::now();
        let mut file = File::create(tree.at(place)).unwrap();
        let took = std::thread::scope(|scope| {
            let apply = scope.spawn(|| tree.k3warden(&["apply"]));
            std::thread::sleep(Duration::from_millis(500));
            file.write_all(theirs.as_bytes()).unwrap();
            let took = start.elapsed();
            apply.join().unwrap();
            took
        });
        let kept = tree.text(place) == theirs;
        // Nobody waits for longer than a second, and on a busy machine the writer may take longer.
        assert!(kept || took > Duration::from_millis(900), "{took:?}");
        kept
    };
    assert!((0..10).any(|_| is_kept()));
    // Nobody writes any more.
    tree.write(place, "");
    tree.k3warden(&["apply"]);
    assert_eq!(tree.text(place), ours);
}
