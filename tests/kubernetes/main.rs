//! What we write for K3s with Kubernetes 1.20, given to a real kube-apiserver of that release; and what preflight refuses,
//! refused by it for the reason that we give. `KUBERNETES_BIN` names the directory that `tests/kubernetes/build` prints.
//!
//! K3s's apiserver is this one with few changes. The kubelet of that directory is asked on machines of the test bed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails says so by a panic"
)]

mod apiserver;
mod cases;
mod node;
#[path = "../tree/mod.rs"]
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use apiserver::Kubernetes;
use cases::Case;
use node::{CONFIG, Node};

/// The release of the real one, and the first that reads drop-ins.
const HERE: &str = "1.20.2";
const WITH_DROP_INS: &str = "1.21.14";
const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";
const AUDIT_LOG: &str = "/var/lib/rancher/k3s/server/logs/audit.log";

fn main() -> ExitCode {
    let Some(programs) = std::env::var_os("KUBERNETES_BIN").map(PathBuf::from) else {
        println!(
            "real Kubernetes: skipped, KUBERNETES_BIN names no programs; KUBERNETES_BIN=$(tests/kubernetes/build) does"
        );
        return ExitCode::SUCCESS;
    };
    let kubernetes = Kubernetes::at(&programs);
    println!(
        "real Kubernetes: {} at {}",
        kubernetes.version(),
        programs.display()
    );
    let (mut passed, mut failed) = (0, 0);
    let mut say = |name: &str, outcome: Result<String, String>| match outcome {
        Ok(said) => {
            passed += 1;
            println!("real Kubernetes: {name}: ok, {said}");
        }
        Err(why) => {
            failed += 1;
            println!("real Kubernetes: {name}: FAILED, {why}");
        }
    };
    say(
        "what k3warden wrote in a drop-in",
        hardened(&kubernetes, &in_a_drop_in()),
    );
    say(
        "the lines that k3warden said to add",
        hardened(&kubernetes, &by_hand()),
    );
    for case in cases::all() {
        say(&case.name, judged(&kubernetes, &case));
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The first server of a new cluster, hardened by `apply`.
fn in_a_drop_in() -> Node {
    let node = Node::server(WITH_DROP_INS);
    node.write("/etc/k3warden/config.toml", "new_cluster = true\n");
    node.ask(&["apply"]);
    node
}

/// The same with a release that reads no drop-ins: an operator did what `apply` said.
fn by_hand() -> Node {
    let node = Node::server(HERE);
    node.write("/etc/k3warden/config.toml", "new_cluster = true\n");
    let said = node.ask(&["apply"]);
    let (_, lines) = said
        .split_once("to be added to config.yaml by hand: ")
        .unwrap_or_else(|| panic!("apply names no lines: {said}"));
    let (lines, _) = lines.split_once('\n').unwrap();
    let (lines, _controls) = lines.rsplit_once(" (").unwrap();
    node.write(CONFIG, &format!("{}\n", lines.replace("; ", "\n")));
    node
}

/// The real one serves with all that we wrote, writes the audit log, and takes our manifests.
fn hardened(kubernetes: &Kubernetes, node: &Node) -> Result<String, String> {
    let effective = node.effective();
    if !effective["ends"].is_null() {
        return Err(format!("`effective` says {}", effective["ends"]));
    }
    let given = Node::flags_given(&effective);
    for flag in [
        "audit-policy-file",
        "audit-log-path",
        "encryption-provider-config",
        "enable-admission-plugins",
    ] {
        if !given.contains(&flag) {
            return Err(format!("we did not give {flag}, only {given:?}"));
        }
    }
    let mut apiserver = kubernetes.start(node, &node.arguments(&effective));
    apiserver.comes_to()?;
    let manifests = node.tree.at(MANIFESTS);
    let taken = apiserver.kubectl(&["apply", "-f", manifests.to_str().unwrap()]);
    if !taken.status.success() {
        return Err(String::from_utf8_lossy(&taken.stderr).into_owned());
    }
    let objects = String::from_utf8_lossy(&taken.stdout).lines().count();
    let log = std::fs::read_to_string(node.tree.at(AUDIT_LOG)).unwrap_or_default();
    let events = log.matches("\"kind\":\"Event\"").count();
    if events == 0 {
        return Err("there is no audit log, or nothing in it".to_owned());
    }
    Ok(format!(
        "it serves with {}, took {objects} objects of ours, wrote {events} audit events",
        given.join(", ")
    ))
}

/// Preflight and the real one agree, in the reason too.
fn judged(kubernetes: &Kubernetes, case: &Case) -> Result<String, String> {
    let node = case.node(HERE);
    let effective = node.effective();
    let ours = effective["ends"]["reason"].as_str();
    let mut apiserver = kubernetes.start(&node, &node.arguments(&effective));
    let real = apiserver.comes_to();
    match (&case.reason, ours, real) {
        (None, None, Ok(())) => Ok("both take it".to_owned()),
        (Some(words), Some(ours), Err(real)) if ours.contains(words) && real.contains(words) => {
            Ok(format!("both end: {real}"))
        }
        (_, ours, real) => Err(format!("preflight: {ours:?}; the real one: {real:?}")),
    }
}
