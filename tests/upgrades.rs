//! What becomes of a hardened node when its K3s, its role or its unit is exchanged: by `apply`, and by K3s's door alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use std::path::PathBuf;

use tree::{Answer, DROP_IN, Tree};

const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";
const PSP: [&str; 2] = ["k3warden-psp.yaml", "k3warden-psp-kube-system.yaml"];

struct Node(Tree);

impl Node {
    fn new(unit: &str, words: &str) -> Self {
        let node = Self(Tree::new());
        node.policy("new_cluster = true\n");
        node.unit(unit, words);
        node
    }

    fn server() -> Self {
        Self::new("k3s", "server")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.at(path)
    }

    fn write(&self, path: &str, content: &str) {
        self.0.write(path, content);
    }

    fn policy(&self, text: &str) {
        self.write("/etc/k3warden/config.toml", text);
    }

    fn unit(&self, unit: &str, words: &str) {
        let path = format!("/etc/systemd/system/{unit}.service");
        let text = format!(
            "[Service]\nEnvironmentFile=-{path}.env\nExecStart=/usr/local/bin/k3s {words}\n"
        );
        self.write(&path, &text);
    }

    fn run(&self, version: &str, command: &[&str]) -> Answer {
        self.0.with_k3s(version, command)
    }

    /// Applies and expects that nothing is refused for the sake of a start, and that K3s would start.
    fn apply(&self, version: &str) -> String {
        let answer = self.run(version, &["apply"]);
        assert!(
            !answer.stdout.contains("would not start"),
            "{version}: {}",
            answer.stdout
        );
        self.starts(version);
        answer.stdout
    }

    fn door(&self, version: &str) -> String {
        let answer = self.run(version, &["apply", "--before-start", "k3s.service"]);
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        self.starts(version);
        answer.stderr
    }

    fn starts(&self, version: &str) {
        let effective = self.run(version, &["effective", "--format", "json"]).json();
        assert!(
            effective["ends"].is_null(),
            "{version}: {}\n{}",
            effective["ends"],
            self.lines()
        );
    }

    fn lines(&self) -> String {
        self.0.lines()
    }

    #[track_caller]
    fn assert_writes(&self, words: &str) {
        self.0.assert_writes(words);
    }

    #[track_caller]
    fn assert_leaves_out(&self, words: &str) {
        self.0.assert_leaves_out(words);
    }

    fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    fn psp(&self) -> bool {
        let there = PSP.map(|name| self.has(&format!("{MANIFESTS}/{name}")));
        assert!(there[0] == there[1], "{there:?}");
        there[0]
    }

    /// The cluster has data from here on.
    fn start(&self) {
        std::fs::create_dir_all(self.at("/var/lib/rancher/k3s/server/db")).unwrap();
    }
}

#[test]
fn from_1_24_to_1_25_the_policies_go_before_k3s_starts() {
    for by_door in [false, true] {
        let node = Node::server();
        node.apply("1.24.17");
        assert!(node.psp() && node.lines().contains("PodSecurityPolicy"));
        node.start();
        let said = match by_door {
            true => node.door("1.25.16"),
            false => node.apply("1.25.16"),
        };
        let line =
            "kubectl -n kube-system delete --ignore-not-found rolebinding k3warden-psp-svclb";
        assert!(
            said.contains(line),
            "what stays in the cluster is said: {said}"
        );
        assert!(!node.psp(), "1.25 would fail with these at each pass");
        let lines = node.lines();
        assert!(!lines.contains("PodSecurityPolicy"), "{lines}");
        assert!(lines.contains("admission-control-config-file"), "{lines}");
    }
}

/// However the control stands now: the file does harm.
#[test]
fn the_policies_go_whatever_the_policy_says_of_their_control_now() {
    for policy in [
        "[control.pod-security-policies]\nstate = \"off\"\n",
        "[control.pod-security-policies]\nstate = \"observe\"\n",
        "",
    ] {
        let node = Node::server();
        node.apply("1.24.17");
        node.start();
        node.policy(policy);
        node.apply("1.24.17");
        assert!(
            node.psp() && node.lines().contains("PodSecurityPolicy"),
            "what was on is kept: {policy}"
        );
        node.door("1.25.16");
        assert!(!node.psp(), "{policy}");
        node.assert_leaves_out("PodSecurityPolicy");
    }
}

/// Nothing new is written for it, and nothing that it may not have is left for it.
#[test]
fn a_k3s_newer_than_the_catalogue_keeps_what_it_may_have_and_no_more() {
    let node = Node::server();
    node.apply("1.36.3");
    let lines = node.lines();
    node.start();
    node.door("1.38.1");
    assert_eq!(node.lines(), lines);
    node.policy("new_cluster = true\n[control.audit-log-retention]\nmax_age_days = 90\n");
    node.apply("1.38.1");
    assert_eq!(node.lines(), lines, "a new value is new");
    // The kubelet would not start after the next boot.
    node.write("/etc/sysctl.d/zzzz-site.conf", "kernel.panic = 0\n");
    node.policy(
        "[[exception]]\ncontrol = \"kernel-panic\"\nreason = \"a watchdog\"\nowner = \"ops\"\nexpires = 2999-01-01\n",
    );
    node.apply("1.38.1");
    let lines = node.lines();
    assert!(!lines.contains("protect-kernel-defaults"), "{lines}");
    assert!(lines.contains("audit-log-maxage=30"), "{lines}");

    let node = Node::server();
    node.policy("new_cluster = true\n[control.deny-service-external-ips]\nstate = \"enforce\"\n");
    node.apply("1.24.17");
    node.start();
    node.door("1.38.1");
    let lines = node.lines();
    assert!(!lines.contains("PodSecurityPolicy"), "{lines}");
    assert!(
        lines.contains("enable-admission-plugins=NodeRestriction,DenyServiceExternalIPs"),
        "{lines}"
    );
    assert!(!node.psp());

    let node = Node::server();
    node.apply("1.38.1");
    assert!(!node.has(DROP_IN));
}

/// It reads drop-ins and ends on the `key+` of our lists.
#[test]
fn a_downgrade_to_the_release_without_appending_leaves_options_alone() {
    let node = Node::server();
    node.apply("1.22.4");
    node.start();
    node.door("1.21.0");
    let lines = node.lines();
    assert!(lines.contains("protect-kernel-defaults: true"), "{lines}");
    assert!(!lines.contains("+:"), "{lines}");
}

#[test]
fn an_operators_own_file_of_such_a_name_stays() {
    let node = Node::server();
    let path = format!("{MANIFESTS}/k3warden-psp.yaml");
    node.write(&path, "# mine\n");
    node.apply("1.25.16");
    assert!(node.has(&path));
}

#[test]
fn a_canary_that_only_observes_withdraws_nothing() {
    let node = Node::server();
    node.apply("1.24.17");
    node.policy("mode = \"observe\"\n");
    node.run("1.25.16", &["apply"]);
    assert!(node.psp());
}

#[test]
fn from_1_28_to_1_29_the_values_of_the_guide_change() {
    let node = Node::server();
    node.apply("1.28.15");
    node.assert_writes("terminated-pod-gc-threshold=10'");
    node.assert_leaves_out("service-account-extend-token-expiration");
    node.start();
    node.door("1.29.15");
    node.assert_writes("terminated-pod-gc-threshold=100'");
    node.assert_writes("service-account-extend-token-expiration=false");
}

#[test]
fn an_operators_threshold_stands_across_releases() {
    let node = Node::server();
    node.write(
        "/etc/rancher/k3s/config.yaml",
        "kube-controller-manager-arg: [terminated-pod-gc-threshold=10]\n",
    );
    for version in ["1.28.15", "1.29.15"] {
        node.apply(version);
        node.assert_leaves_out("terminated-pod-gc-threshold");
    }
}

#[test]
fn from_1_31_to_1_32_nothing_is_to_be_done() {
    let node = Node::server();
    node.apply("1.31.14");
    let lines = node.lines();
    node.start();
    assert_eq!(node.door("1.32.9"), "");
    assert_eq!(node.lines(), lines);
}

#[test]
fn a_downgrade_takes_back_what_the_older_k3s_does_not_know() {
    let node = Node::server();
    node.apply("1.29.15");
    node.start();
    node.door("1.28.15");
    node.assert_writes("terminated-pod-gc-threshold=10'");
    node.assert_leaves_out("service-account-extend-token-expiration");
    node.door("1.24.17");
    node.assert_leaves_out("admission-control-config-file");
    assert!(node.psp() && node.lines().contains("PodSecurityPolicy"));
    node.door("1.25.16");
    assert!(!node.psp() && node.lines().contains("admission-control-config-file"));
}

/// The kubelet of 1.24 ends on the flag without a feature gate, whoever turned the control off.
#[test]
fn a_line_that_is_only_kept_goes_with_the_release_that_knows_it() {
    let node = Node::server();
    node.policy("new_cluster = true\n[control.kubelet-seccomp-default]\nstate = \"enforce\"\n");
    node.apply("1.25.16");
    node.policy("new_cluster = true\n[control.kubelet-seccomp-default]\nstate = \"off\"\n");
    node.apply("1.25.16");
    node.assert_writes("seccomp-default=true");
    node.door("1.24.17");
    node.assert_leaves_out("seccomp-default");
}

#[test]
fn an_agent_that_becomes_a_server_gets_the_servers_part() {
    let node = Node::new(
        "k3s-agent",
        "agent --server https://first:6443 --token=not-a-real-token",
    );
    node.apply("1.36.3");
    node.assert_leaves_out("kube-apiserver-arg");
    std::fs::remove_file(node.at("/etc/systemd/system/k3s-agent.service")).unwrap();
    node.unit("k3s", "server");
    node.apply("1.36.3");
    node.assert_writes("kube-apiserver-arg+:");
    assert!(node.has("/var/lib/rancher/k3s/server/audit.yaml"));
}

#[test]
fn a_server_that_becomes_an_agent_keeps_nothing_that_an_agent_does_not_know() {
    let node = Node::server();
    node.apply("1.36.3");
    // A key of its earlier life.
    node.write(
        "/var/lib/rancher/k3s/server/cred/encryption-config.json",
        "{}",
    );
    std::fs::remove_file(node.at("/etc/systemd/system/k3s.service")).unwrap();
    node.unit(
        "k3s",
        "agent --server https://first:6443 --token=not-a-real-token",
    );
    node.door("1.36.3");
    let lines = node.lines();
    assert!(
        !lines.contains("kube-apiserver") && !lines.contains("secrets-encryption"),
        "{lines}"
    );
    assert!(lines.contains("protect-kernel-defaults: true"), "{lines}");
}

#[test]
fn a_k3s_that_is_installed_after_us_finds_everything_ready_at_its_first_start() {
    let node = Node::server();
    std::fs::remove_file(node.at("/etc/systemd/system/k3s.service")).unwrap();
    node.run("1.36.3", &["apply"]);
    assert!(
        node.has("/etc/sysctl.d/90-kubelet.conf") && node.lines().is_empty(),
        "{}",
        node.lines()
    );
    node.unit("k3s", "server");
    node.door("1.36.3");
    node.assert_writes("audit-policy-file");
    assert!(node.has("/var/lib/rancher/k3s/server/audit.yaml"));
}

#[test]
fn install_sh_run_again_with_other_arguments_is_judged_anew() {
    let node = Node::server();
    node.apply("1.36.3");
    node.start();
    // Ours stays only where the new unit says nothing or something weaker.
    node.unit("k3s", "server '--kube-apiserver-arg=audit-log-maxage=90' '--kubelet-arg=streaming-connection-idle-timeout=0'");
    node.door("1.36.3");
    let lines = node.lines();
    assert!(!lines.contains("audit-log-maxage"), "{lines}");
    assert!(lines.contains("audit-log-maxbackup"), "{lines}");
    let said = node.run("1.36.3", &["apply"]).stdout;
    assert!(
        said.contains("k3s.service ExecStart"),
        "the unit outranks ours, and that is said: {said}"
    );
}

#[test]
fn an_upgrade_from_a_release_without_drop_ins_begins_to_write() {
    let node = Node::server();
    node.apply("1.20.15");
    assert_eq!(node.lines(), "");
    node.start();
    node.door("1.21.14");
    node.assert_writes("audit-policy-file");
}
