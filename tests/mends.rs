//! What ends K3s, and what K3s passes over, is told once, with its place and what to do about it.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod tree;

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

/// K3s's own words stay what they are, and the mend stands behind them, in `check` and in `effective`.
#[test]
fn every_end_has_its_mend() {
    let gone = "PodSecurity has taken its place";
    for (version, words, config, mend) in [
        (
            "1.36.3",
            " -t abc",
            "token: abc\n",
            "(k3s.service ExecStart (/etc/systemd/system/k3s.service:2)); write it by one of the two names everywhere",
        ),
        (
            "1.36.3",
            "",
            "kube-apiserver-arg: [enable-admission-plugins=AlwaysPullImages, disable-admission-plugins=AlwaysPullImages]\n",
            "overlapped (/etc/rancher/k3s/config.yaml:1); name it in one of the two lists only",
        ),
        (
            "1.36.3",
            "",
            "kube-apiserver-arg: [enable-admission-plugins=EventRateLimit]\n",
            "; give its section at least one limit, with type, qps and burst",
        ),
        (
            "1.36.3",
            "",
            "kube-apiserver-arg: [audit-policy-file=/nope]\n",
            "; put the file there, or name one that is there",
        ),
        (
            "1.36.3",
            "",
            "protect-kernel-defaults:\n",
            "invalid boolean value \"\" for -protect-kernel-defaults: parse error (/etc/rancher/k3s/config.yaml:1); write true or false",
        ),
        (
            "1.36.3",
            "",
            "kube-apiserver-arg: [enable-admission-plugins=PodSecurityPolicy]\n",
            gone,
        ),
        (
            "1.36.3",
            "",
            "kube-apiserver-arg: [goaway-chance=7]\n",
            "; correct it there, or take it out",
        ),
        (
            "1.36.3",
            "",
            "kube-scheduler-arg: [profilng=true]\n",
            "did you mean --profiling?",
        ),
    ] {
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
