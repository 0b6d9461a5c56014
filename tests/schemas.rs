//! The JSON that the commands print is what docs/schema says, field by field.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod schema;
mod tree;

use std::fs;

use k3warden::report::status::{K3sStatus, Status};
use serde_json::Value;
use tree::Tree;

/// A root with a server that is not hardened and has something of every kind to report.
fn server() -> Tree {
    let tree = Tree::new();
    tree.write(
        "etc/systemd/system/k3s.service",
        "[Service]\nExecStart=/usr/local/bin/k3s server --kubelet-arg=event-qps=1\n",
    );
    tree.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    tree.write(
        "etc/rancher/k3s/config.yaml",
        "token: not-to-be-seen\nnode-label: [a=b]\ndisable: [traefik]\ndisable: [servicelb]\n",
    );
    tree.write(
        "etc/k3warden/config.toml",
        "[[exception]]\ncontrol = \"vm-panic-on-oom\"\nreason = \"r\"\nowner = \"o\"\nexpires = 2099-01-31\n",
    );
    tree
}

fn report(tree: &Tree, command: &str) -> Value {
    let answer = tree.k3warden(&[command, "--format", "json"]);
    let shows = answer.stdout.contains("not-to-be-seen");
    assert!(!shows, "{command} shows a secret");
    answer.json()
}

fn expect_described(name: &str, report: &Value) {
    let path = format!("docs/schema/{name}.json");
    let schema = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let wrong = schema::differences(&schema, report);
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

#[test]
fn check_prints_what_its_schema_says() {
    let tree = server();
    let report = report(&tree, "check");
    expect_described("check", &report);
    let excepted = &report["summary"]["excepted"];
    assert_eq!(excepted, 1, "the exception is part of what was compared");
}

#[test]
fn diff_prints_what_its_schema_says() {
    let tree = server();
    let report = report(&tree, "diff");
    expect_described("plan", &report);
    assert_ne!(report["changes"], serde_json::json!([]));
}

#[test]
fn diff_prints_what_its_schema_says_of_what_is_given_back_and_not_done() {
    let tree = server();
    report(&tree, "apply");
    let policy = "on_disable = \"revert\"\n[control.kernel-panic]\nstate = \"off\"\n\
                  [control.audit-policy]\nstate = \"off\"\n[control.k3s-configuration-files]\nstate = \"off\"\n";
    tree.write("etc/k3warden/config.toml", policy);
    tree.write("etc/k3warden/disabled", "");
    let report = report(&tree, "diff");
    expect_described("plan", &report);
    assert_eq!(report["not_done"].as_array().unwrap().len(), 1);
    let given_back = report["given_back"].as_array().unwrap();
    let stay = given_back.iter().filter(|one| one["stays"].is_string());
    let stay = stay.count();
    assert!(0 < stay && stay < given_back.len(), "{report}");
}

#[test]
fn apply_prints_what_its_schema_says() {
    let tree = server();
    let report = report(&tree, "apply");
    expect_described("apply", &report);
    assert_ne!(report["changes"], serde_json::json!([]));
}

#[test]
fn effective_prints_what_its_schema_says() {
    let tree = server();
    let report = report(&tree, "effective");
    expect_described("effective", &report);
    assert_eq!(report["options"]["token"]["value"], "{secret}");
}

/// Everything that there can be to say, and nothing of it.
#[test]
fn the_published_status_is_what_its_schema_says() {
    let text = r#"{
        "format": "k3warden.status/v1", "k3warden_version": "0.1.0", "pid": 7, "started": 1, "sentence": "s",
        "suspended": { "reason": "r", "until": 2, "risk": "k" }, "polling": "p", "ledger_damage": "d",
        "refused_policy": "w", "last_full_pass": 3,
        "summary": { "compliant": 1, "divergent": 2, "excepted": 3, "not-applicable": 4, "unknown": 5 },
        "k3s": { "in_step": false, "pending_restart": "p", "held": "h", "waits_for": "next-start", "start": "s", "quarantine": "q",
                 "endangered": ["e"], "restarts": { "configuration": 1 } },
        "last_repair": { "at": 4, "thing": "t", "control": "c" },
        "contention": [{ "thing": "t", "count": 5, "writer": "w" }], "lost_events": 6,
        "controls": [{ "id": "i", "cis": "4.1.1", "enforcement": "excepted", "verdict": "excepted", "open": ["t"], "unseen": true,
                       "excepted_until": "2099-01-31", "exception_ends": 7, "repairs": 8 }]
    }"#;
    let mut status: Status = serde_json::from_str(text).unwrap();
    let full = serde_json::to_value(&status).unwrap();
    // What the type knows stands in the text above, and the other way round.
    assert_eq!(full, serde_json::from_str::<Value>(text).unwrap());
    expect_described("status", &full);

    status.suspended = None;
    status.last_repair = None;
    (status.polling, status.ledger_damage, status.refused_policy) = (None, None, None);
    status.k3s = K3sStatus::default();
    status.controls.iter_mut().for_each(|control| {
        (control.cis, control.excepted_until, control.exception_ends) = (None, None, None);
    });
    status
        .contention
        .iter_mut()
        .for_each(|thing| thing.writer = None);
    expect_described("status", &serde_json::to_value(&status).unwrap());
}

#[test]
fn a_report_with_a_field_that_no_schema_names_is_noticed() {
    let tree = server();
    let mut report = report(&tree, "check");
    report["node"]["colour"] = "green".into();
    report["controls"][0]["verdict"] = "fine".into();
    report["summary"].as_object_mut().unwrap().remove("unknown");
    let text = fs::read_to_string("docs/schema/check.json").unwrap();
    let wrong = schema::differences(&serde_json::from_str(&text).unwrap(), &report);
    assert_eq!(
        wrong,
        [
            "node.colour: no such field in the schema",
            "summary.unknown: missing",
            "controls[0].verdict: \"fine\" is none of the values",
        ]
    );
}
