//! `k3warden check` finds an operator's own slips and names file, line and mend.

#![allow(clippy::too_many_lines, reason = "a table reads best in one piece")]
#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod tree;

use serde_json::Value;
use tree::{DROP_IN, SERVER_UNIT, Tree};

const SERVER: (&str, &str) = ("k3s.service", "server");
const AGENT: (&str, &str) = ("k3s-agent.service", "agent");

/// What check says of a node with this configuration file: its warnings, and the whole report.
fn check(version: &str, unit: (&str, &str), words: &str, config: &str) -> (String, Value) {
    check_with(version, unit, words, config, None)
}

/// The same with one more file.
fn check_with(
    version: &str,
    unit: (&str, &str),
    words: &str,
    config: &str,
    more: Option<(&str, &str)>,
) -> (String, Value) {
    let tree = Tree::new();
    let (name, role) = unit;
    tree.write(
        &format!("etc/systemd/system/{name}"),
        &format!("[Service]\nExecStart=/usr/local/bin/k3s {role}{words}\n"),
    );
    tree.write("etc/rancher/k3s/config.yaml", config);
    if let Some((path, text)) = more {
        tree.write(path, text);
    }
    let check = ["check", "--format", "json"];
    let report = tree.with_k3s(version, &check).json();
    let warnings = report["warnings"].as_array().unwrap();
    let warnings: Vec<&str> = warnings.iter().map(|text| text.as_str().unwrap()).collect();
    (warnings.join("\n"), report)
}

/// What stands for it only the machine knows, where systemd has the unit loaded.
#[test]
fn a_value_that_is_not_known_here_ends_nothing() {
    for (words, is_end) in [
        (" --node-label=host=%H", false),
        (" --node-label=host=a%%b", true),
    ] {
        let (warnings, _) = check("1.36.3", SERVER, words, "");
        assert_eq!(
            warnings.contains("K3s would end"),
            is_end,
            "{words}: {warnings}"
        );
        let is_told = warnings.contains("%H in this word cannot be decided here");
        assert_eq!(is_told, !is_end, "{words}: {warnings}");
    }
}

/// Not only `apply` says so: the verdict has what keeps it from being mended, also where another control is not asked for.
#[test]
fn a_verdict_that_apply_would_not_mend_says_why_and_how() {
    let config = "kubelet-arg: [v]\n";
    let (_, report) = check("1.36.3", SERVER, "", config);
    let controls = report["controls"].as_array().unwrap();
    let find = |id: &str| controls.iter().find(|control| control["id"] == id).unwrap();
    let refused = find("kubelet-cipher-suites")["refused"].to_string();
    assert!(refused.contains("config.yaml:1"), "{refused}");
    assert!(refused.contains("write `v=VALUE`"), "{refused}");
    let refused = find("audit-log-retention")["refused"].to_string();
    assert_eq!(refused, "[]");
}

/// A list of the operator's is touched only where the policy has a line for the control.
#[test]
fn what_is_enforced_and_left_to_the_operator_says_which_line_decides() {
    let config = "kube-apiserver-arg:\n- disable-admission-plugins=NodeRestriction\n- tls-min-version=VersionTLS11\n";
    let policy = "[control.tls-least-version]\nstate = \"enforce\"\n";
    let tree = Tree::new();
    tree.write("etc/systemd/system/k3s.service", SERVER_UNIT);
    tree.write("etc/rancher/k3s/config.yaml", config);
    tree.write("etc/k3warden/config.toml", policy);
    let said = tree.with_k3s("1.36.3", &["apply"]).said();
    let decides = "--disable-admission-plugins is left to you: /etc/rancher/k3s/config.yaml:2 decides it; with \
                   control.node-restriction-plugin.state = \"enforce\" in the policy it is left out of your list";
    assert!(said.contains(decides), "{said}");
    assert!(!tree.text(DROP_IN).contains("from-your-list"));
    assert!(tree.text(DROP_IN).contains("tls-min-version=VersionTLS12"));
}

#[test]
fn each_slip_is_a_warning_with_its_place_and_its_mend() {
    let place = "/etc/rancher/k3s/config.yaml";
    for (name, version, unit, words, config, parts) in [
        (
            "a misspelt key of a server, which only warns about it in its log",
            "1.34.1",
            SERVER,
            "",
            "debug: true\nprotect-kernel-default: true\n",
            &["config.yaml:2", "did you mean `protect-kernel-defaults`"][..],
        ),
        (
            "a misspelt key of an agent, which ends",
            "1.34.1",
            AGENT,
            "",
            "protect-kernel-default: true\n",
            &[
                "would end",
                "config.yaml:1",
                "did you mean `protect-kernel-defaults`",
            ],
        ),
        (
            "a server's key on an agent",
            "1.34.1",
            AGENT,
            "",
            "secrets-encryption: true\n",
            &[
                "would end",
                "config.yaml:1",
                "an option of servers; take it out",
            ],
        ),
        (
            "an unquoted octal mode",
            "1.34.1",
            SERVER,
            "",
            "write-kubeconfig-mode: 0644\n",
            &["config.yaml:1", "is the number 420", "write '0644'"],
        ),
        (
            "a port with a zero before it, which is octal in quotes too",
            "1.34.1",
            SERVER,
            "",
            "https-listen-port: 06443\n",
            &[
                "config.yaml:1",
                "is the number 3363",
                "write it without the zero before it: 6443",
            ],
        ),
        (
            "flags after a stray word",
            "1.34.1",
            SERVER,
            " --protect-kernel-defaults false --data-dir=/x",
            "debug: true\n",
            &[
                "k3s.service:2",
                "ignores `false`, and 1 more",
                "--OPTION=false",
            ],
        ),
        (
            "a bare kubelet item that swallows the next",
            "1.34.1",
            SERVER,
            "",
            "kubelet-arg:\n- seccomp-default\n- event-qps=7\n",
            &[
                "config.yaml:2",
                "`event-qps=7`",
                "write `seccomp-default=true`",
            ],
        ),
        (
            "an underscore spelling",
            "1.34.1",
            SERVER,
            "",
            "kube-apiserver-arg:\n- anonymous_auth=false\n",
            &["would end", "config.yaml:2", "write --anonymous-auth"],
        ),
        (
            "a scheduler flag that ends K3s only after READY",
            "1.34.1",
            SERVER,
            "",
            "kube-scheduler-arg:\n- profilin=false\n",
            &[
                "after systemd was told that it is ready",
                "config.yaml:2",
                "did you mean --profiling?",
            ],
        ),
        (
            "a controller-manager flag that belongs to another component",
            "1.34.1",
            SERVER,
            "",
            "kube-controller-manager-arg:\n- audit-log-maxage=30\n",
            &[
                "after systemd was told that it is ready",
                "config.yaml:2",
                "belongs to another component",
            ],
        ),
    ] {
        let (warnings, _) = check(version, unit, words, config);
        let line = warnings.lines().find(|line| line.contains(parts[0]));
        for part in parts {
            assert!(
                line.is_some_and(|line| line.contains(part)),
                "{name}: `{part}` in\n{warnings}"
            );
        }
        assert_eq!(warnings.lines().count(), 1, "{name}: said once\n{warnings}");
        assert!(words.is_empty() || !warnings.contains(place), "{name}");
    }
}

#[test]
fn up_to_1_32_a_stray_word_keeps_only_itself_from_being_read() {
    let (warnings, _) = check("1.32.2", SERVER, " stray --debug", "");
    assert!(
        warnings.contains("ignores word 1 behind the role, which is no option;"),
        "{warnings}"
    );
    let (warnings, _) = check("1.33.4", SERVER, " stray --debug", "");
    assert!(
        warnings.contains("ignores word 1 behind the role, which is no option, and 1 more"),
        "{warnings}"
    );
}

#[test]
fn under_a_k3s_newer_than_the_catalogue_unknown_flags_only_warn_and_verdicts_are_unknown() {
    let config = "kube-apiserver-arg:\n- brand-new-flag=1\nbrand-new-option: 1\n";
    for unit in [SERVER, AGENT] {
        let config = match unit.1 {
            "agent" => config.replace("kube-apiserver-arg", "kubelet-arg"),
            _ => config.to_owned(),
        };
        let (warnings, report) = check("1.40.0", unit, " --brand-new=1 --debug", &config);
        assert!(
            warnings.contains("has an option --brand-new=1 is not known here; neither it nor"),
            "{warnings}"
        );
        assert!(
            warnings.contains(
                "knows --brand-new-flag is not known here (/etc/rancher/k3s/config.yaml:2)"
            ),
            "{warnings}"
        );
        assert!(
            warnings.contains("--brand-new-option is not known here"),
            "{warnings}"
        );
        assert!(!warnings.contains("would end"), "{warnings}");
        let controls = report["controls"].as_array().unwrap();
        let control = |id: &str| controls.iter().find(|control| control["id"] == id).unwrap();
        let protect = control("protect-kernel-defaults");
        assert_eq!(protect["verdict"], "unknown");
        assert!(
            protect["findings"]
                .to_string()
                .contains("newer than this catalogue, which ends with 1.37")
        );
        assert_ne!(
            control("kernel-panic")["verdict"],
            "unknown",
            "the kernel is the same"
        );
    }
    let (_, report) = check("1.37.0", SERVER, "", "");
    assert!(!report.to_string().contains("newer than this catalogue"));
}

/// kube-apiserver reads it at its start, and K3s ends with it.
#[test]
fn an_operators_own_encryption_configuration_has_to_be_one() {
    let config = "kube-apiserver-arg:\n- encryption-provider-config=/etc/encryption.yaml\n";
    let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n";
    for (text, reason) in [
        ("a: [b\n".to_owned(), Some("is not YAML")),
        ("kind: Config\n".to_owned(), Some("no kind \"Config\"")),
        (head.to_owned(), Some("at least one resource")),
        (
            format!("{head}resources:\n- resources: [secrets]\n  providers: []\n"),
            Some("providers is required"),
        ),
        (
            format!("{head}resources:\n- resources: [secrets]\n  providers:\n  - identity: {{}}\n"),
            None,
        ),
    ] {
        let file = ("etc/encryption.yaml", text.as_str());
        let (warnings, _) = check_with("1.34.1", SERVER, "", config, Some(file));
        match reason {
            Some(reason) => assert!(
                warnings.contains(reason) && warnings.contains("config.yaml:2"),
                "{text}: {warnings}"
            ),
            None => assert!(!warnings.contains("encryption"), "{text}: {warnings}"),
        }
    }
}

#[test]
fn a_bare_item_before_ours_is_named_and_ours_is_not_written_into_its_mouth() {
    let tree = Tree::new();
    tree.write("etc/systemd/system/k3s.service", SERVER_UNIT);
    tree.write(
        "etc/rancher/k3s/config.yaml",
        "kubelet-arg: [seccomp-default]\n",
    );
    let said = tree.k3warden(&["apply"]).stdout;
    assert!(
        said.contains("config.yaml:1: kubelet-arg `seccomp-default` has no `=`"),
        "{said}"
    );
    assert!(said.contains("write `seccomp-default=true`"), "{said}");
    let ours = tree.text(DROP_IN);
    assert!(!ours.contains("kubelet-arg"), "{ours}");
    assert!(ours.contains("audit-log-maxage=30"), "{ours}");
}
