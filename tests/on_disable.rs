//! What a control changed, when the policy turns it off: kept, or given back (`on_disable`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;
use tree::{Answer, SERVER_UNIT, Tree, set_mode};

const SERVER: &str = "var/lib/rancher/k3s/server";
const KUBECONFIG: &str = "var/lib/rancher/k3s/server/cred/admin.kubeconfig";
const AUDIT: &str = "var/lib/rancher/k3s/server/audit.yaml";
const POLICY_FILE: &str = "var/lib/rancher/k3s/server/manifests/k3warden-netpol-default.yaml";
const SYSCTL: &str = "etc/sysctl.d/90-kubelet.conf";
const REVERT: &str = "on_disable = \"revert\"\n";

struct Node(Tree);

impl Node {
    /// A new server that is hardened, with one file of K3s's own whose bits were wider.
    fn hardened(policy: &str) -> Self {
        let node = Self(Tree::new());
        node.write("etc/systemd/system/k3s.service", SERVER_UNIT);
        node.write(KUBECONFIG, "kind: Config\n");
        set_mode(&node.path(KUBECONFIG), 0o640);
        node.policy(policy);
        node.run(&["apply"]);
        assert_eq!(node.mode(), 0o600);
        assert!(node.path(AUDIT).exists());
        node
    }

    fn policy(&self, more: &str) {
        let always = "k3s_version = \"1.36.3\"\nnew_cluster = true\n";
        self.write("etc/k3warden/config.toml", &format!("{always}{more}"));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.at(path)
    }

    fn write(&self, path: &str, text: &str) {
        self.0.write(path, text);
    }

    fn read(&self, path: &str) -> String {
        self.0.text(path)
    }

    fn mode(&self) -> u32 {
        self.0.mode(KUBECONFIG)
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.output(arguments).said()
    }

    fn output(&self, arguments: &[&str]) -> Answer {
        self.0.run(&[&["--no-sync"], arguments].concat())
    }

    /// What `diff` says would be given back, the exit code before it.
    fn foreseen(&self) -> (Option<i32>, Vec<Value>) {
        let output = self.output(&["diff", "--format", "json"]);
        let given_back = output.json()["given_back"].as_array().cloned();
        (output.code, given_back.unwrap_or_default())
    }
}

/// One control of each kind that leaves something on the disk by itself.
fn off() -> String {
    [
        "admin-kubeconfig",
        "network-policy-default",
        "kernel-panic",
        "protect-kernel-defaults",
        "audit-policy",
        "audit-policy-file",
    ]
    .map(|control| format!("[control.{control}]\nstate = \"off\"\n"))
    .concat()
}

#[test]
fn what_a_control_changed_stays_unless_the_policy_wants_it_back() {
    let node = Node::hardened("");
    node.policy(&off());
    node.run(&["apply"]);
    assert_eq!(node.mode(), 0o600);
    assert!(node.path(AUDIT).exists() && node.path(POLICY_FILE).exists());
    assert!(node.read(SYSCTL).contains("kernel.panic = 10"));
}

#[test]
fn every_kind_of_thing_is_given_back_and_the_rest_holds() {
    let node = Node::hardened("");
    assert!(node.path(POLICY_FILE).exists(), "{}", node.run(&["check"]));
    node.policy(&format!("{REVERT}{}", off()));
    let said = node.run(&["apply"]);
    assert_eq!(node.mode(), 0o640, "{said}");
    assert!(!node.path(POLICY_FILE).exists(), "{said}");
    let values = node.read(SYSCTL);
    assert!(
        !values.contains("kernel.panic =") && values.contains("kernel.panic_on_oops = 1"),
        "{values}"
    );
    // The policy file goes after the argument that names it, which has gone with the same apply.
    assert!(!node.path(AUDIT).exists(), "{said}");
    assert!(node.path(SERVER).join("psa.yaml").exists());

    let said = node.run(&["apply"]);
    assert!(
        said.contains("Nothing"),
        "a second apply changes nothing: {said}"
    );
    node.policy(REVERT);
    node.run(&["apply"]);
    assert_eq!(node.mode(), 0o600);
    assert!(node.path(POLICY_FILE).exists() && node.path(AUDIT).exists());
}

/// The control goes on, and the file of that name is nobody's any more.
#[test]
fn the_file_for_a_name_that_was_taken_out_of_a_list_is_given_back_too() {
    let named = |names: &str| {
        format!("[control.network-policy-extra-namespaces]\nnamespaces = [{names}]\n")
    };
    let both = named("\"edge\", \"shop\"");
    let file = |name: &str| format!("{SERVER}/manifests/k3warden-netpol-namespace-{name}.yaml");
    for (says, is_left) in [(REVERT, false), ("", true)] {
        let node = Node::hardened(&format!("{says}{both}"));
        assert!(node.path(&file("edge")).exists() && node.path(&file("shop")).exists());
        node.policy(&format!("{says}{}", named("\"shop\"")));
        let foreseen = node.foreseen();
        let said = node.run(&["apply"]);
        assert_eq!(node.path(&file("edge")).exists(), is_left, "{said}");
        assert!(node.path(&file("shop")).exists(), "{said}");
        assert!(node.path(POLICY_FILE).exists(), "{said}");
        // Its objects stay, and how to take them away is said.
        assert_eq!(said.contains("kubectl -n edge delete"), !is_left, "{said}");
        assert_eq!(foreseen.0, Some(i32::from(!is_left)), "{foreseen:?}");
        assert_eq!(node.foreseen(), (Some(0), Vec::new()));
    }
}

#[test]
fn what_the_operator_has_changed_since_is_his() {
    let node = Node::hardened("");
    fs::set_permissions(node.path(KUBECONFIG), fs::Permissions::from_mode(0o400)).unwrap();
    node.policy(&format!("{REVERT}{}", off()));
    let said = node.run(&["apply"]);
    assert_eq!(node.mode(), 0o400, "{said}");
    assert!(said.contains("changed by somebody else"), "{said}");
}

#[test]
fn what_k3s_would_not_start_without_stays_and_that_is_said() {
    let node = Node::hardened("");
    node.policy(&format!(
        "{REVERT}[control.kernel-panic]\nstate = \"off\"\n[control.audit-policy]\nstate = \"off\"\n"
    ));
    let said = node.run(&["apply"]);
    assert!(node.read(SYSCTL).contains("kernel.panic = 10"), "{said}");
    assert!(node.path(AUDIT).exists(), "{said}");
    for reason in [
        "sets protect-kernel-defaults",
        "K3s's configuration names it",
    ] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
}

#[test]
fn a_file_that_k3s_was_still_told_of_goes_when_it_is_told_of_it_no_longer() {
    let node = Node::hardened("");
    let off = |control: &str| format!("[control.{control}]\nstate = \"off\"\n");
    node.policy(&format!("{REVERT}{}", off("audit-policy")));
    node.run(&["apply"]);
    assert!(node.path(AUDIT).exists());
    let both = off("audit-policy") + &off("audit-policy-file");
    node.policy(&format!("{REVERT}{both}"));
    let mut said = node.run(&["apply"]);
    said += &node.run(&["apply"]);
    assert!(!node.path(AUDIT).exists(), "{said}");
}

#[test]
fn what_had_to_stay_is_given_back_when_nothing_needs_it_any_more() {
    let node = Node::hardened("");
    let off = "[control.kernel-panic]\nstate = \"off\"\n";
    node.policy(&format!("{REVERT}{off}"));
    let said = node.run(&["apply"]);
    assert!(node.read(SYSCTL).contains("kernel.panic = 10"), "{said}");
    node.policy(&format!(
        "{REVERT}{off}[control.protect-kernel-defaults]\nstate = \"off\"\n"
    ));
    let mut said = node.run(&["apply"]);
    said += &node.run(&["apply"]);
    assert!(!node.read(SYSCTL).contains("kernel.panic = 10"), "{said}");
    assert!(node.read(SYSCTL).contains("vm.panic_on_oom"), "{said}");
}

/// No control asks for it any more, so none has it among what is still wanted.
#[test]
fn what_only_waits_until_it_can_go_goes_with_the_next_that_is_given_back() {
    let node = Node::hardened("");
    let off = |controls: &[&str]| {
        let off = |control: &&str| format!("[control.{control}]\nstate = \"off\"\n");
        controls.iter().map(off).collect::<String>()
    };
    node.policy(&off(&["audit-policy"]));
    let said = node.run(&["revert", "audit-policy"]);
    assert!(said.contains("K3s's configuration names it"), "{said}");
    assert!(node.path(AUDIT).exists(), "{said}");
    let all = off(&["audit-policy-file", "audit-policy", "admin-kubeconfig"]);
    node.policy(&format!("{REVERT}{all}"));
    let said = node.run(&["apply"]);
    assert_eq!(node.mode(), 0o640, "{said}");
    assert!(!node.path(AUDIT).exists(), "{said}");
}

#[test]
fn diff_shows_what_is_given_back_as_apply_then_does_it() {
    let node = Node::hardened("");
    node.policy(&format!("{REVERT}{}", off()));
    let shown = node.output(&["diff"]).stdout;
    for part in [
        "given back: /var/lib/rancher/k3s/server/cred/admin.kubeconfig  [admin-kubeconfig]\n  0600 ",
        "+++ /dev/null",
        "-kernel.panic = 10",
        "to remove it: kubectl ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (code, foreseen) = node.foreseen();
    assert_eq!(code, Some(1));
    let done = node.run(&["apply"]);
    for one in &foreseen {
        let thing = one["thing"].as_str().unwrap();
        let line = match one["stays"].as_str() {
            None => format!("put back   {thing}: {}", one["after"].as_str().unwrap()),
            Some(reason) => format!("{thing}: {reason}"),
        };
        assert!(done.contains(&line), "{line}\n{done}");
    }
    let stays = shown.lines().filter(|line| line.contains("to remove it: "));
    for line in stays {
        let (_, command) = line.split_once("to remove it: ").unwrap();
        assert!(done.contains(command), "{command}\n{done}");
    }
    let put_back = done.lines().filter(|line| line.starts_with("put back "));
    let becomes = foreseen.iter().filter(|one| one["stays"].is_null());
    assert_eq!(put_back.count(), becomes.count(), "{done}");
    assert_eq!(node.foreseen(), (Some(0), Vec::new()));
}

#[test]
fn what_stays_is_shown_with_the_reason_and_is_nothing_to_do() {
    let node = Node::hardened("");
    fs::set_permissions(node.path(KUBECONFIG), fs::Permissions::from_mode(0o400)).unwrap();
    let off = ["audit-policy", "kernel-panic", "admin-kubeconfig"]
        .map(|control| format!("[control.{control}]\nstate = \"off\"\n"));
    node.policy(&format!("{REVERT}{}", off.concat()));
    let (code, foreseen) = node.foreseen();
    assert_eq!(code, Some(0), "{foreseen:?}");
    let shown = node.output(&["diff"]).stdout;
    for reason in [
        "K3s's configuration names it",
        "sets protect-kernel-defaults",
        "changed by somebody else",
    ] {
        let stays = |one: &Value| {
            one["stays"]
                .as_str()
                .is_some_and(|why| why.contains(reason))
        };
        assert!(foreseen.iter().any(stays), "{reason}: {foreseen:?}");
        assert!(shown.contains(reason), "{reason}: {shown}");
    }
}
