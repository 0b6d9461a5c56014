//! What ends K3s, and what K3s passes over, is told once, with its place and what to do about it.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod tree;

use serde_json::Value;
use tree::{SERVER_UNIT, Tree};

const CONFIG: &str = "etc/rancher/k3s/config.yaml";

/// A server with more lines in its unit.
fn server(lines: &str) -> Tree {
    let tree = Tree::new();
    tree.write(
        "etc/systemd/system/k3s.service",
        &format!("{SERVER_UNIT}{lines}"),
    );
    tree
}

/// What `check` warns of.
fn warnings(tree: &Tree, version: &str) -> Vec<String> {
    let report = tree
        .with_k3s(version, &["check", "--format", "json"])
        .json();
    let warnings = report["warnings"].as_array().unwrap().iter();
    warnings
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn effective(tree: &Tree, version: &str) -> Value {
    let command = ["effective", "--format", "json"];
    tree.with_k3s(version, &command).json()
}

/// The wrapper and the real K3s read the same files, and both end over them.
#[test]
fn an_end_before_k3s_s_options_are_settled_is_told_once() {
    let broken = server("");
    broken.write(CONFIG, "debug: [\n");
    let directory = server("");
    directory.write(&format!("{CONFIG}/x"), "");
    let missing = server("Environment=K3S_CONFIG_FILE=/etc/none.yaml\n");
    for (tree, version, mend) in [
        (broken, "1.31.4", "; mend that line"),
        (
            directory,
            "1.31.4",
            "is a directory; put a file in its place, or name one",
        ),
        (
            missing,
            "1.29.4",
            "; put the file there, or name one that is there",
        ),
    ] {
        let told = warnings(&tree, version);
        let ends = told.iter().filter(|told| told.contains("K3s would end"));
        assert_eq!(ends.count(), 1, "{told:#?}");
        assert!(told.iter().any(|told| told.contains(mend)), "{told:#?}");
    }
}

/// `K3S_CONFIG_FILE` outranks `--config` (K3s pkg/configfilearg/parser.go), though the option has the value of the latter.
#[test]
fn a_configuration_file_that_is_passed_over_is_named_with_what_outranks_it() {
    let tree = Tree::new();
    tree.write(
        "etc/systemd/system/k3s.service",
        "[Service]\nExecStart=/usr/local/bin/k3s server --config=/etc/other.yaml\nEnvironment=K3S_CONFIG_FILE=/etc/third.yaml\n",
    );
    tree.write("etc/other.yaml", "debug: true\n");
    tree.write("etc/third.yaml", "write-kubeconfig-mode: \"0640\"\n");
    let by = "/etc/systemd/system/k3s.service K3S_CONFIG_FILE";
    let told = warnings(&tree, "1.36.3").join("\n");
    let expected = format!(
        "K3s passes over --config=/etc/other.yaml: it reads /etc/third.yaml, which {by} names; take one of the two out \
         (k3s.service ExecStart (/etc/systemd/system/k3s.service:2))"
    );
    assert!(told.contains(&expected), "{told}");
    let report = effective(&tree, "1.36.3");
    let option = &report["options"]["config"];
    assert_eq!(option["value"], "/etc/other.yaml");
    assert_eq!(option["outranked_by"], by);
    assert_eq!(option["overrode"], Value::Null);
    let text = tree.with_k3s("1.36.3", &["effective"]).stdout;
    let line = text
        .lines()
        .find(|line| line.contains("config = "))
        .unwrap();
    assert!(
        line.ends_with(&format!("does not count: K3s goes by {by}")),
        "{line}"
    );
    assert!(!text.contains("instead of /etc/third.yaml"), "{text}");
}

#[test]
fn a_config_option_within_the_configuration_file_is_read_by_nobody() {
    let tree = server("");
    tree.write(CONFIG, "config: /etc/other.yaml\n");
    let told = warnings(&tree, "1.36.3").join("\n");
    assert!(
        told.contains(
            "has looked for /etc/rancher/k3s/config.yaml before it reads this; take it out"
        ),
        "{told}"
    );
    let named = Tree::new();
    named.write(
        "etc/systemd/system/k3s.service",
        "[Service]\nExecStart=/usr/local/bin/k3s server --config=/etc/other.yaml\n",
    );
    named.write("etc/other.yaml", "debug: true\n");
    assert!(warnings(&named, "1.36.3").is_empty());
}

/// More words of the command, the configuration, and what the end is told with.
const ENDS: [(&str, &str, &str); 8] = [
    (
        " -t abc",
        "token: abc\n",
        "(k3s.service ExecStart (/etc/systemd/system/k3s.service:2)); write it by one of the two names everywhere",
    ),
    (
        "",
        "kube-apiserver-arg: [enable-admission-plugins=AlwaysPullImages, disable-admission-plugins=AlwaysPullImages]\n",
        "overlapped (/etc/rancher/k3s/config.yaml:1); name it in one of the two lists only",
    ),
    (
        "",
        "kube-apiserver-arg: [enable-admission-plugins=EventRateLimit]\n",
        "; give its section at least one limit, with type, qps and burst",
    ),
    (
        "",
        "kube-apiserver-arg: [audit-policy-file=/nope]\n",
        "; put the file there, or name one that is there",
    ),
    (
        "",
        "protect-kernel-defaults:\n",
        "invalid boolean value \"\" for -protect-kernel-defaults: parse error (/etc/rancher/k3s/config.yaml:1); write true or false",
    ),
    (
        "",
        "kube-apiserver-arg: [enable-admission-plugins=PodSecurityPolicy]\n",
        "PodSecurity has taken its place",
    ),
    (
        "",
        "kube-apiserver-arg: [goaway-chance=7]\n",
        "; correct it there, or take it out",
    ),
    (
        "",
        "kube-scheduler-arg: [profilng=true]\n",
        "did you mean --profiling?",
    ),
];

/// K3s's own words stay what they are, and the mend stands behind them, in `check` and in `effective`.
#[test]
fn every_end_has_its_mend() {
    let version = "1.36.3";
    for (words, config, mend) in ENDS {
        let tree = Tree::new();
        tree.write(
            "etc/systemd/system/k3s.service",
            &format!("[Service]\nExecStart=/usr/local/bin/k3s server{words}\n"),
        );
        tree.write(CONFIG, config);
        let told = warnings(&tree, version);
        let end = told.iter().find(|told| told.contains("K3s would end"));
        assert!(
            end.is_some_and(|end| end.contains(mend)),
            "{config}: {told:#?}"
        );
        let text = tree.with_k3s(version, &["effective"]).stdout;
        let line = text.lines().find(|line| line.contains("would end"));
        assert!(line.is_some_and(|line| line.contains(mend)), "{line:?}");
    }
}

/// K3s names neither the file nor what was meant.
#[test]
fn a_key_that_k3s_skips_has_its_mend_too() {
    let tree = server("");
    tree.write(CONFIG, "protect-kernel-default: true\nxyzzy-plugh: 1\n");
    let text = tree.with_k3s("1.36.3", &["effective"]).stdout;
    for line in [
        "  --protect-kernel-default  [/etc/rancher/k3s/config.yaml:1]  did you mean `protect-kernel-defaults`?\n",
        "  --xyzzy-plugh  [/etc/rancher/k3s/config.yaml:2]  take it out\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let told = warnings(&tree, "1.36.3").join("\n");
    assert!(told.contains("which passes over it; take it out"), "{told}");
}

/// A red line of an enforced control has a way to become green, and an observed one has not.
#[test]
fn explain_says_what_apply_makes_right() {
    let tree = server("");
    let explain = |control: &str| tree.with_k3s("1.36.3", &["explain", control]).stdout;
    let mend = "To mend:     `k3warden apply` makes it right; `k3warden diff` shows how\n";
    let said = explain("audit-log-path");
    assert!(said.contains(mend), "{said}");
    let said = explain("network-policy-default");
    assert!(!said.contains("To mend:"), "{said}");
    tree.write("etc/k3warden/disabled", "");
    let said = explain("audit-log-path");
    assert!(!said.contains("To mend:"), "{said}");
}
