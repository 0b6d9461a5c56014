//! Files that the apiserver is given.

use crate::{Node, SERVER, case};

fn authentication(text: &str) -> String {
    format!("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n{text}")
}

fn authorization(kinds: &[&str]) -> String {
    let items = kinds
        .iter()
        .map(|kind| format!("- {{type: {kind}, name: {}}}\n", kind.to_lowercase()));
    let items: String = items.collect();
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n{items}"
    )
}

/// A flag beside the file ends K3s, so none of ours is written, and all others are.
#[test]
fn what_a_file_of_the_apiserver_decides_is_judged_by_that_file_and_left_to_it() {
    let off = authentication("anonymous:\n  enabled: false\n");
    let on = authentication("anonymous:\n  enabled: true\n");
    let both = authorization(&["Node", "RBAC"]);
    let one = authorization(&["RBAC"]);
    for (option, control, text, expected) in [
        (
            "authentication-config",
            "anonymous-requests",
            &off,
            ("compliant", "/etc/own.yaml:4"),
        ),
        (
            "authentication-config",
            "anonymous-requests",
            &on,
            ("divergent", "/etc/own.yaml:4"),
        ),
        (
            "authorization-config",
            "authorization-node",
            &both,
            ("compliant", "/etc/own.yaml:3"),
        ),
        (
            "authorization-config",
            "authorization-node",
            &one,
            ("divergent", "/etc/own.yaml:3"),
        ),
        (
            "authorization-config",
            "authorization-rbac",
            &one,
            ("compliant", "/etc/own.yaml:3"),
        ),
    ] {
        let config = format!("kube-apiserver-arg: ['{option}=/etc/own.yaml']\n");
        let policy = format!("[control.{control}]\nstate = \"enforce\"\n");
        let files = [
            ("etc/own.yaml", text.as_str()),
            ("etc/k3warden/config.toml", &policy),
        ];
        case("1.36.3", control, &config, &files, expected);
        let node = Node::new("1.36.3", &config, &files);
        let (lines, said) = node.lines();
        assert!(lines.contains("audit-log-maxage"), "{lines}{said}");
        assert!(!lines.contains("authorization-mode"), "{lines}{said}");
        assert!(!lines.contains("anonymous-auth"), "{lines}{said}");
        let refused = said.contains("is decided by /etc/own.yaml:");
        assert_eq!(refused, expected.0 == "divergent", "{said}");
        assert_eq!(node.ends(), "null");
    }
}

/// Another admission configuration of the operator's stands, if it says something of Pod Security.
#[test]
fn an_admission_configuration_without_pod_security_gives_no_defaults() {
    let config = "kube-apiserver-arg: [admission-control-config-file=/etc/own.yaml]\n";
    let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:";
    let section = "\n- name: PodSecurity\n  configuration:\n    apiVersion: pod-security.admission.config.k8s.io/v1\n    \
                   kind: PodSecurityConfiguration\n    defaults:\n      enforce: baseline\n";
    for (plugins, expected) in [
        (" []\n", ("divergent", "which has no section PodSecurity")),
        (section, ("compliant", "config.yaml:1")),
    ] {
        let text = format!("{head}{plugins}");
        let files = [("etc/own.yaml", text.as_str())];
        case("1.36.3", "pod-security-defaults", config, &files, expected);
    }
}

#[test]
fn a_relative_path_of_an_argument_begins_in_the_server_s_directory() {
    let good = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
    let config = "kube-apiserver-arg: [audit-policy-file=pol.yaml]\n";
    let in_server = format!("{SERVER}/pol.yaml");
    let node = Node::new("1.36.3", config, &[(&in_server, good)]);
    assert_eq!(node.ends(), "null");
    let node = Node::new("1.36.3", config, &[(&in_server, "")]);
    assert!(node.ends().contains("audit policy"), "{}", node.ends());
    let node = Node::new("1.36.3", config, &[("pol.yaml", good)]);
    assert!(
        node.ends().contains("k3s/server/pol.yaml"),
        "{}",
        node.ends()
    );

    let config = "kube-apiserver-arg: [admission-control-config-file=adm.yaml]\n";
    let file = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n\
                - {name: PodSecurity, path: sub/pod.yaml}\n";
    let section =
        "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\n";
    let (adm, pod) = (
        format!("{SERVER}/adm.yaml"),
        format!("{SERVER}/sub/pod.yaml"),
    );
    let node = Node::new("1.36.3", config, &[(&adm, file), (&pod, section)]);
    assert_eq!(node.ends(), "null");
    let node = Node::new("1.36.3", config, &[(&adm, file)]);
    assert!(
        node.ends().contains("server/sub/pod.yaml"),
        "{}",
        node.ends()
    );
}

#[test]
fn an_audit_log_is_only_written_where_its_directory_can_be() {
    for version in ["1.36.3", "1.24.3"] {
        let node = Node::new(version, "", &[(&format!("{SERVER}/logs"), "a file")]);
        let (lines, said) = node.lines();
        assert!(
            !lines.contains("audit-log-path"),
            "{version}: {lines}{said}"
        );
        assert!(said.contains("server/logs is no directory"), "{said}");
        assert!(lines.contains("audit-log-maxage"), "{lines}{said}");

        let node = Node::new(version, "", &[(&format!("{SERVER}/x"), "")]);
        let link = node.tree.path().join(SERVER).join("logs");
        std::os::unix::fs::symlink("/nowhere", link).unwrap();
        let (lines, said) = node.lines();
        assert!(
            !lines.contains("audit-log-path"),
            "{version}: {lines}{said}"
        );
        assert!(said.contains("leads nowhere"), "{said}");

        let node = Node::new(version, "", &[]);
        let (lines, said) = node.lines();
        assert!(lines.contains("audit-log-path"), "{version}: {lines}{said}");
        let said = node.run(&["revert", "audit-log-directory"]).said();
        let is_there = node.tree.path().join(SERVER).join("logs").is_dir();
        assert_eq!(is_there, version == "1.24.3", "{version}: {said}");
    }
    let taken = "kube-apiserver-arg: [audit-log-path=/etc/taken/audit.log]\n";
    let node = Node::new("1.36.3", taken, &[("etc/taken", "a file")]);
    assert!(
        node.ends().contains("/etc/taken is no directory"),
        "{}",
        node.ends()
    );
}

/// What is given without a mode allows everything; a plug-in that enforces the defaults can be turned off beside them.
#[test]
fn what_is_emptied_or_turned_off_beside_is_no_pass() {
    for (version, item, control, expected) in [
        (
            "1.36.3",
            "authorization-mode=",
            "authorization-not-always-allow",
            "divergent",
        ),
        (
            "1.29.4",
            "authorization-mode=",
            "authorization-not-always-allow",
            "divergent",
        ),
        (
            "1.36.3",
            "authorization-mode=Node,RBAC",
            "authorization-not-always-allow",
            "compliant",
        ),
        (
            "1.36.3",
            "disable-admission-plugins=PodSecurity",
            "pod-security-defaults",
            "divergent",
        ),
        ("1.36.3", "v=2", "pod-security-defaults", "compliant"),
    ] {
        let tree = crate::tree::Tree::new();
        tree.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        tree.write("/etc/systemd/system/k3s.service", crate::tree::SERVER_UNIT);
        tree.write("/etc/k3warden/config.toml", "new_cluster = true\n");
        tree.write(
            "/etc/rancher/k3s/config.yaml",
            &format!("kube-apiserver-arg: ['{item}']\n"),
        );
        tree.with_k3s(version, &["apply"]);
        let answer = tree.with_k3s(version, &["check", control, "--format", "json"]);
        assert_eq!(answer.verdict().0, expected, "{version} {item}: {answer:?}");
    }
}
