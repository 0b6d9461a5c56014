//! Where our drop-in is written and where not, and that it goes when nothing in it is wanted any more.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use tree::{DROP_IN, Tree};

const KEY: &str = "/var/lib/rancher/k3s/server/cred/encryption-config.json";

#[test]
fn it_is_taken_away_with_its_last_line() {
    let tree = Tree::new();
    let apply = |text: &str| {
        tree.write("/etc/k3warden/config.toml", text);
        tree.k3warden(&["apply"]).stdout
    };
    let drop_in = tree.at(DROP_IN);
    let said = apply("role = \"agent\"\n");
    assert!(drop_in.exists(), "{said}");
    let off = [
        "protect-kernel-defaults",
        "kubelet-cipher-suites",
        "kubelet-streaming-timeout",
    ];
    let mut text = "role = \"agent\"\non_disable = \"revert\"\n".to_owned();
    for control in off {
        text.push_str(&format!("[control.{control}]\nstate = \"off\"\n"));
    }
    let said = apply(&text);
    assert!(!drop_in.exists(), "{said}");
}

/// Observed by default; where the policy enforces them the operator's file stays as it is and is outranked.
#[test]
fn a_default_of_k3s_that_was_weakened_is_enforced_from_ours() {
    let controls = [
        "tls-least-version",
        "network-policy-controller",
        "etcd-metrics",
        "controller-manager-certificate-rotation",
        "kubelet-serving-certificate-rotation",
    ];
    let off = "feature-gates=RotateKubeletServerCertificate=false";
    let config = format!(
        "cluster-init: true\nkube-apiserver-arg: [tls-min-version=VersionTLS11]\ndisable-network-policy: true\n\
         etcd-expose-metrics: true\nkubelet-arg: [{off}]\nkube-controller-manager-arg: [{off}]\n"
    );
    for version in ["1.24.4", "1.31.4", "1.36.3"] {
        let tree = Tree::new();
        tree.write("etc/systemd/system/k3s.service", tree::SERVER_UNIT);
        tree.write("etc/rancher/k3s/config.yaml", &config);
        let verdicts = |tree: &Tree| {
            controls.map(|control| {
                let check = ["check", control, "--format", "json"];
                tree.with_k3s(version, &check).verdict().0
            })
        };
        assert_eq!(verdicts(&tree), ["divergent"; 5], "{version}");
        let enforce = |control| format!("[control.{control}]\nstate = \"enforce\"\n");
        let policy = controls.map(enforce).concat();
        tree.write("etc/k3warden/config.toml", &policy);
        let said = tree.with_k3s(version, &["apply"]).said();
        assert_eq!(verdicts(&tree), ["compliant"; 5], "{version}: {said}");
        assert_eq!(tree.text("etc/rancher/k3s/config.yaml"), config);
    }
}

/// What an operator called so is his: it stays as it is, and ours outranks it from another name.
#[test]
fn a_file_of_the_operators_with_such_a_name_stays_his() {
    for (name, ours) in [
        ("zz-k3warden.yaml", "zzz-k3warden.yaml"),
        ("zzz-k3warden.yaml", "zzzz-k3warden.yaml"),
        ("az-k3warden.yaml", "zz-k3warden.yaml"),
    ] {
        let tree = Tree::new();
        let at = |name: &str| format!("/etc/rancher/k3s/config.yaml.d/{name}");
        let his = "secrets-encryption: true\nnode-name: edge\nkube-apiserver-arg: [event-ttl=2h]\n";
        tree.write("/etc/systemd/system/k3s.service", tree::SERVER_UNIT);
        tree.write("/var/lib/rancher/k3s/server/db/state.db", "");
        tree.write(KEY, "{}");
        tree.write(&at(name), his);
        let said = tree.with_k3s("1.36.3", &["apply"]).said();
        assert_eq!(tree.text(&at(name)), his, "{said}");
        let lines = tree.text(&at(ours));
        assert!(lines.contains("audit-log-maxage"), "{name}: {said}");
        assert_eq!(encryption(&tree), "true", "{name}");
        let again = tree.with_k3s("1.36.3", &["apply"]).said();
        assert!(!again.contains("config.yaml.d"), "{name}: {again}");
        let back = tree.with_k3s("1.36.3", &["revert"]).said();
        assert_eq!(tree.text(&at(name)), his, "{back}");
        assert!(!tree.at(&at(ours)).exists(), "{back}");
    }
}

/// As yq or Ansible leave it, with the ledger lost, and by a policy that would not ask for it on a cluster that is there.
#[test]
fn the_encryption_line_stays_without_its_comment() {
    let without_comments = |text: &str| -> String {
        let rows = text.lines().filter(|row| !row.starts_with('#'));
        rows.map(|row| format!("{}\n", row.split(" # ").next().unwrap()))
            .collect()
    };
    for (heading, is_lost) in [("", false), ("", true), ("# Written by k3warden\n", true)] {
        let tree = Tree::new();
        tree.write("/etc/systemd/system/k3s.service", tree::SERVER_UNIT);
        tree.write("/etc/k3warden/config.toml", "new_cluster = true\n");
        tree.with_k3s("1.36.3", &["apply"]);
        assert_eq!(encryption(&tree), "true");
        tree.write("/var/lib/rancher/k3s/server/db/state.db", "");
        tree.write(KEY, "{}");
        tree.write("/etc/k3warden/config.toml", "new_cluster = false\n");
        let bare = format!("{heading}{}", without_comments(&tree.lines()));
        tree.write(DROP_IN, &bare);
        if is_lost {
            std::fs::remove_dir_all(tree.at("/var/lib/k3warden")).unwrap();
        }
        let said = tree.with_k3s("1.36.3", &["apply"]).said();
        assert_eq!(encryption(&tree), "true", "{heading} {is_lost}: {said}");
        let door = ["apply", "--before-start", "k3s.service"];
        let said = tree.with_k3s("1.36.3", &door).said();
        assert_eq!(encryption(&tree), "true", "{heading} {is_lost}: {said}");
        assert!(!said.contains("would not start"), "{said}");
    }
}

fn encryption(tree: &Tree) -> String {
    let report = tree.with_k3s("1.36.3", &["effective", "--format", "json"]);
    let value = &report.json()["options"]["secrets-encryption"]["value"];
    value.as_str().unwrap_or_default().to_owned()
}

/// Nothing is fetched, and nothing is written where no K3s would look; what is missing is said for an operator to copy.
#[test]
fn a_configuration_at_an_address_is_left_alone_and_the_missing_lines_are_printed() {
    let tree = Tree::new();
    let unit = "[Service]\nEnvironment=K3S_CONFIG_FILE=https://config.example/k3s.yaml\n\
                ExecStart=/usr/local/bin/k3s server\n";
    tree.write("/etc/systemd/system/k3s.service", unit);
    let said = tree.k3warden(&["apply"]).stdout;
    assert!(said.contains("to be added there"), "{said}");
    assert!(said.contains("audit-log-maxage=30"), "{said}");
    assert!(!said.contains("secrets-encryption: true"), "{said}");
    assert!(!tree.at("https:").exists());
    assert!(!tree.at("etc/rancher/k3s/config.yaml.d").exists());
    // Of what is refused, nothing is left to change.
    for command in ["apply", "diff"] {
        let again = tree.k3warden(&[command]).stdout;
        assert!(
            again.starts_with("Nothing to change but what is refused:\nnot changed"),
            "{command}: {again}"
        );
    }
    // The last releases that did fetch it: what they would run with is not known, and not green.
    let answer = tree.with_k3s("1.20.3", &["effective"]);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.stderr.contains("does not fetch"), "{answer:?}");
}

/// An operator's line may stand against one of ours; the others are no worse for it.
#[test]
fn the_one_line_with_which_k3s_would_end_is_left_out_and_the_rest_is_written() {
    let tree = Tree::new();
    tree.write("/etc/systemd/system/k3s.service", tree::SERVER_UNIT);
    tree.write(
        "/etc/rancher/k3s/config.yaml",
        "kube-apiserver-arg: ['disable-admission-plugins=NodeRestriction', 'enable-admission-plugins=PodSecurity']\n",
    );
    let said = tree.with_k3s("1.36.3", &["apply"]).said();
    tree.assert_writes("audit-log-maxage=");
    tree.assert_writes("protect-kernel-defaults: true");
    tree.assert_leaves_out("NodeRestriction");
    let refused = said.lines().find(|line| line.contains("overlapped"));
    let refused = refused.unwrap_or_else(|| panic!("{said}"));
    assert!(refused.ends_with("(node-restriction-plugin)"), "{refused}");
    let again = tree.with_k3s("1.36.3", &["diff"]).said();
    assert!(!again.contains("zz-k3warden.yaml"), "{again}");
}

/// The kubelet would end on the flag whose gate an operator turned off, so the flag is refused and K3s goes on as it is.
#[test]
fn a_seccomp_default_whose_gate_is_off_is_not_written() {
    let gate = "kubelet-arg: [feature-gates=SeccompDefault=false]\n";
    let joins = "server: https://server:6443\ntoken: not-a-real-token\n";
    for (role, gate, is_refused) in [
        ("agent", gate, true),
        ("server", gate, true),
        ("agent", "", false),
    ] {
        let tree = Tree::new();
        let config = match role {
            "agent" => format!("{joins}{gate}"),
            _ => gate.to_owned(),
        };
        tree.write("/etc/rancher/k3s/config.yaml", &config);
        let policy = format!(
            "role = \"{role}\"\nnew_cluster = true\n[control.kubelet-seccomp-default]\nstate = \"enforce\"\n"
        );
        tree.write("/etc/k3warden/config.toml", &policy);
        let said = tree.with_k3s("1.26.4", &["apply"]).stdout;
        let refused = said.contains("the SeccompDefault feature gate must be enabled");
        assert_eq!(refused, is_refused, "{role} {gate}: {said}");
        match is_refused {
            true => tree.assert_leaves_out("seccomp-default"),
            false => tree.assert_writes("seccomp-default=true"),
        }
    }
}
