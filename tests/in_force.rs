//! A control is judged by what the component runs with: an argument or a file that has the last word counts, and is named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use tree::{Answer, SERVER_UNIT, Tree};

const CONFIG: &str = "etc/rancher/k3s/config.yaml";
const SERVER: &str = "var/lib/rancher/k3s/server";
const KUBELET: &str = "var/lib/rancher/k3s/agent/etc/kubelet.conf.d/90-x.conf";
const KUBELET_HEAD: &str =
    "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

/// A server in a root of its own.
struct Node {
    tree: Tree,
    version: &'static str,
}

impl Node {
    fn new(version: &'static str, config: &str, files: &[(&str, &str)]) -> Self {
        let node = Self {
            tree: Tree::new(),
            version,
        };
        node.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        node.write("etc/systemd/system/k3s.service", SERVER_UNIT);
        node.write(CONFIG, config);
        for (path, text) in files {
            node.write(path, text);
        }
        node
    }

    fn write(&self, path: &str, text: &str) {
        self.tree.write(path, text);
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.tree.with_k3s(self.version, arguments)
    }

    /// The verdict of a control, and its findings as text.
    fn verdict(&self, control: &str) -> (String, String) {
        self.run(&["check", control, "--format", "json"]).verdict()
    }

    /// Our lines after `apply`; empty where there are none.
    fn lines(&self) -> (String, String) {
        let said = self.run(&["apply"]).said();
        let ours = "etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml";
        (self.tree.text(ours), said)
    }

    fn ends(&self) -> String {
        let report = self.run(&["effective", "--format", "json"]).json();
        report["ends"].to_string()
    }
}

fn case(
    version: &'static str,
    control: &str,
    config: &str,
    files: &[(&str, &str)],
    expected: (&str, &str),
) {
    let node = Node::new(version, config, files);
    let (verdict, findings) = node.verdict(control);
    let (wanted, part) = expected;
    assert_eq!(
        verdict, wanted,
        "{control} {version} {config} {files:?}: {findings}"
    );
    assert!(
        findings.contains(part),
        "{control} {config}: {part} in {findings}"
    );
}

#[test]
fn the_kernel_defaults_are_protected_where_the_kubelet_does_it() {
    let control = "protect-kernel-defaults";
    let on = "protect-kernel-defaults: true\n";
    let file = |value: &str| format!("{KUBELET_HEAD}protectKernelDefaults: {value}\n");
    for version in ["1.36.3", "1.28.4"] {
        case(version, control, on, &[], ("compliant", "config.yaml:1"));
        case(version, control, "", &[], ("divergent", ""));
        let overridden = format!("{on}kubelet-arg: [protect-kernel-defaults=false]\n");
        case(
            version,
            control,
            &overridden,
            &[],
            ("divergent", "config.yaml:2"),
        );
        let by_argument = "kubelet-arg: [protect-kernel-defaults=1]\n";
        case(
            version,
            control,
            by_argument,
            &[],
            ("compliant", "config.yaml:1"),
        );
    }
    case(
        "1.36.3",
        control,
        on,
        &[(KUBELET, &file("false"))],
        ("divergent", "90-x.conf"),
    );
    case(
        "1.36.3",
        control,
        on,
        &[(KUBELET, &file("null"))],
        ("divergent", "false"),
    );
    case(
        "1.36.3",
        control,
        "",
        &[(KUBELET, &file("true"))],
        ("compliant", "90-x.conf"),
    );
    let node = Node::new("1.36.3", "", &[(KUBELET, &file("true"))]);
    let (lines, said) = node.lines();
    assert!(!lines.contains("protect-kernel-defaults"), "{lines}{said}");
}

/// K3s 1.32.0 to 1.32.3 wrote the port into a file, where 0 is left out, and so the kubelet's own of 10255 was open
/// (k3s-io/k3s#12164).
#[test]
fn the_read_only_port_of_the_first_1_32_is_open_unless_somebody_closes_it() {
    let control = "kubelet-read-only-port";
    let file = |value: &str| format!("{KUBELET_HEAD}readOnlyPort: {value}\n");
    for version in ["1.32.0", "1.32.3"] {
        case(version, control, "", &[], ("divergent", "10255"));
        case(
            version,
            control,
            "kubelet-arg: [read-only-port=0]\n",
            &[],
            ("compliant", "config.yaml:1"),
        );
        case(
            version,
            control,
            "",
            &[(KUBELET, &file("0"))],
            ("compliant", "90-x.conf"),
        );
        case(
            version,
            control,
            "",
            &[(KUBELET, &file("null"))],
            ("compliant", ""),
        );
    }
    for version in ["1.31.9", "1.32.4", "1.36.3"] {
        case(version, control, "", &[], ("compliant", "K3s default"));
    }
}

/// K3s starts with it and makes a key of that server's own; nobody else says that the old Secrets stay as they are.
#[test]
fn encryption_that_is_new_to_a_cluster_with_data_is_warned_of() {
    const DATA: &str = "var/lib/rancher/k3s/server/db/state.db";
    const KEY: &str = "var/lib/rancher/k3s/server/cred/encryption-config.json";
    let on = "debug: true\nsecrets-encryption: true\n";
    let said = |version: &'static str, config: &str, files: &[(&str, &str)]| {
        let node = Node::new(version, config, files);
        let effective = node.run(&["effective", "--format", "json"]).json();
        let check = node.run(&["check", "--format", "json"]).json();
        let late = |report: &serde_json::Value| {
            let warnings = report["warnings"].as_array().unwrap().iter();
            let texts = warnings.map(|warning| warning.as_str().unwrap().to_owned());
            let mut texts = texts.filter(|text| text.contains("no key yet"));
            texts.next().unwrap_or_default()
        };
        assert_eq!(late(&effective), late(&check));
        late(&effective)
    };
    for version in ["1.36.3", "1.32.1", "1.28.4", "1.21.14"] {
        let warning = said(version, on, &[(DATA, "x")]);
        assert!(
            warning.contains("config.yaml:2") && warning.contains("stay unencrypted"),
            "{version}: {warning}"
        );
        assert!(said(version, on, &[(DATA, "x"), (KEY, "")]).contains("stay unencrypted"));
        for (config, files) in [
            (on, &[][..]),
            (on, &[(DATA, "x"), (KEY, "{}")]),
            ("", &[(DATA, "x")]),
            ("secrets-encryption: false\n", &[(DATA, "x")]),
            (
                "secrets-encryption: true\nkube-apiserver-arg: [encryption-provider-config=/etc/mine.yaml]\n",
                &[(DATA, "x")],
            ),
        ] {
            assert_eq!(
                said(version, config, files),
                "",
                "{version} {config} {files:?}"
            );
        }
    }
}

/// etcd leaves certificates aside where it serves by http, and its metrics ask for none (etcd server/embed/etcd.go).
#[test]
fn an_address_that_etcd_is_given_is_judged_with_its_line() {
    let with = |items: &[&str]| {
        let items: String = items.iter().map(|item| format!("- {item}\n")).collect();
        format!("cluster-init: true\netcd-arg:\n{items}")
    };
    let case = |control: &str, items: &[&str], expected: (&str, &str)| {
        for version in ["1.36.3", "1.28.4", "1.23.17"] {
            case(version, control, &with(items), &[], expected);
        }
    };
    let (tls, metrics) = ("etcd-transport-security", "etcd-metrics");
    let plain = "listen-client-urls=http://0.0.0.0:2379";
    case(
        tls,
        &["quota-backend-bytes=1", plain, "snapshot-count=5"],
        ("divergent", "config.yaml:4"),
    );
    case(
        tls,
        &["listen-peer-urls=https://10.0.0.1:2380,http://10.0.0.1:2390"],
        ("divergent", "config.yaml:3"),
    );
    case(
        tls,
        &["--listen-client-http-urls=http://127.0.0.1:2382"],
        ("divergent", "config.yaml:3"),
    );
    case(
        tls,
        &["auto-tls=true", "snapshot-count=5"],
        ("divergent", "config.yaml:3"),
    );
    case(
        tls,
        &[plain, "listen-client-urls=https://0.0.0.0:2379"],
        ("compliant", ""),
    );
    case(
        metrics,
        &["listen-metrics-urls=http://0.0.0.0:2381"],
        ("divergent", "config.yaml:3"),
    );
    case(
        metrics,
        &["listen-metrics-urls=http://127.0.0.1:2381,https://10.0.0.1:2381"],
        ("compliant", ""),
    );
    let node = Node::new(
        "1.36.3",
        "cluster-init: true\netcd-expose-metrics: true\n",
        &[],
    );
    let (verdict, findings) = node.verdict(metrics);
    assert!(
        verdict == "divergent" && findings.contains("config.yaml:2"),
        "{findings}"
    );
}

#[test]
fn secrets_are_encrypted_where_the_apiserver_does_it() {
    let control = "secrets-encryption";
    let on = "secrets-encryption: true\n";
    let own = "kube-apiserver-arg: [encryption-provider-config=/etc/enc.yaml]\n";
    let file = |provider: &str| {
        format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
             - resources: [secrets]\n  providers:\n  - {provider}: {{}}\n  - identity: {{}}\n"
        )
    };
    case("1.36.3", control, on, &[], ("compliant", "config.yaml:1"));
    let emptied = format!("{on}kube-apiserver-arg: ['encryption-provider-config=']\n");
    case(
        "1.36.3",
        control,
        &emptied,
        &[],
        ("divergent", "config.yaml:2"),
    );
    let aescbc = file("aescbc");
    case(
        "1.36.3",
        control,
        own,
        &[("etc/enc.yaml", &aescbc)],
        ("compliant", "config.yaml:1"),
    );
    let identity =
        file("identity").replace("  - identity: {}\n  - identity: {}\n", "  - identity: {}\n");
    case(
        "1.36.3",
        control,
        own,
        &[("etc/enc.yaml", &identity)],
        ("divergent", "config.yaml:1"),
    );

    let new = [
        ("etc/k3warden/config.toml", "new_cluster = true\n"),
        ("etc/enc.yaml", aescbc.as_str()),
    ];
    let (lines, said) = Node::new("1.36.3", own, &new).lines();
    assert!(!lines.contains("secrets-encryption"), "{lines}{said}");
    let (lines, said) = Node::new("1.36.3", "", &new).lines();
    assert!(lines.contains("secrets-encryption: true"), "{lines}{said}");
}

/// `k3s secrets-encrypt disable` and `enable` leave a file that begins with `identity`: the option is on and Secrets are
/// written as they are.
#[test]
fn secrets_are_not_encrypted_while_k3s_s_own_file_does_not_begin_with_a_key() {
    let control = "secrets-encryption";
    let on = "secrets-encryption: true\n";
    let file = |providers: &str| {
        format!(
            r#"{{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{{"resources":["secrets"],"providers":[{providers}]}}]}}"#
        )
    };
    let key = r#"{"aescbc":{"keys":[{"name":"k","secret":"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="}]}}"#;
    let identity = r#"{"identity":{}}"#;
    let path = format!("{SERVER}/cred/encryption-config.json");
    for (content, expected) in [
        (
            file(&format!("{key},{identity}")),
            ("compliant", "config.yaml:1"),
        ),
        (
            file(&format!("{identity},{key}")),
            ("divergent", "cred/encryption-config.json"),
        ),
        (file(identity), ("divergent", "cred/encryption-config.json")),
        // K3s makes its own in the place of an empty one.
        (String::new(), ("compliant", "config.yaml:1")),
    ] {
        case("1.36.3", control, on, &[(&path, &content)], expected);
    }

    // The operator's line, and ours in a cluster that we began.
    let disabled = file(&format!("{identity},{key}"));
    let node = Node::new("1.36.3", on, &[(&path, &disabled)]);
    let (lines, said) = node.lines();
    assert!(!lines.contains("secrets-encryption"), "{lines}{said}");
    assert!(said.contains("does not begin with a key"), "{said}");
    let new = [("etc/k3warden/config.toml", "new_cluster = true\n")];
    let node = Node::new("1.36.3", "", &new);
    node.lines();
    node.write(&path, &disabled);
    let (lines, said) = node.lines();
    assert!(lines.contains("secrets-encryption: true"), "{lines}{said}");
    assert!(said.contains("does not begin with a key"), "{said}");
    assert!(!said.contains("change it there"), "{said}");
}

/// A drop-in's `null` takes away what K3s set, and what is left is the kubelet's own default: no client authority and a
/// certificate that nobody can check.
#[test]
fn what_a_drop_in_of_the_kubelet_takes_away_is_named_with_its_line() {
    for (text, control, expected) in [
        (
            "authentication:\n  x509:\n    clientCAFile: null\n",
            "kubelet-client-ca",
            ("divergent", "90-x.conf:5"),
        ),
        (
            "authentication:\n",
            "kubelet-client-ca",
            ("divergent", "90-x.conf:3"),
        ),
        (
            "# ours\ntlsCertFile: ~\n",
            "kubelet-serving-certificate",
            ("divergent", "90-x.conf:4"),
        ),
        (
            "authentication:\n  anonymous:\n    enabled: true\n",
            "kubelet-anonymous-requests",
            ("divergent", "90-x.conf:5"),
        ),
        (
            "featureGates:\n  A: true\n  RotateKubeletServerCertificate: false\n",
            "kubelet-serving-certificate-rotation",
            ("divergent", "90-x.conf:5"),
        ),
        // As secure without K3s's value as with it.
        (
            "authentication:\n  anonymous:\n    enabled: null\n",
            "kubelet-anonymous-requests",
            ("compliant", "false"),
        ),
        (
            "rotateCertificates: null\n",
            "kubelet-client-certificate-rotation",
            ("compliant", "not set"),
        ),
    ] {
        let text = format!("{KUBELET_HEAD}{text}");
        case("1.36.3", control, "", &[(KUBELET, &text)], expected);
    }
}

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
fn numbers_gates_addresses_and_emptied_lists_are_read_as_the_component_reads_them() {
    let apiserver = |item: &str| format!("kube-apiserver-arg: ['{item}']\n");
    for (item, verdict) in [
        ("audit-log-maxage=030", "divergent"),
        ("audit-log-maxage=0x1e", "compliant"),
    ] {
        case(
            "1.36.3",
            "audit-log-retention",
            &apiserver(item),
            &[],
            (verdict, "config.yaml:1"),
        );
    }
    let gates = "kubelet-serving-certificate-rotation";
    for (value, verdict) in [
        ("RotateKubeletServerCertificate=0", "divergent"),
        ("RotateKubeletServerCertificate=False", "divergent"),
        ("kube:RotateKubeletServerCertificate=false", "divergent"),
        ("AllBeta=false", "divergent"),
        ("RotateKubeletServerCertificate=true", "compliant"),
    ] {
        let config = format!("kubelet-arg: ['feature-gates={value}']\n");
        case("1.36.3", gates, &config, &[], (verdict, "config.yaml:1"));
    }
    let file = format!("{KUBELET_HEAD}featureGates:\n  RotateKubeletServerCertificate: false\n");
    case(
        "1.36.3",
        gates,
        "",
        &[(KUBELET, &file)],
        ("divergent", "90-x.conf"),
    );
    for (address, verdict) in [
        ("127.0.0.1:9090", "compliant"),
        ("[::1]:9090", "compliant"),
        ("127.0.0.2", "compliant"),
        ("0.0.0.0:10249", "divergent"),
    ] {
        let config = format!("kube-proxy-arg: ['metrics-bind-address={address}']\n");
        case(
            "1.36.3",
            "kube-proxy-metrics",
            &config,
            &[],
            (verdict, "config.yaml:1"),
        );
    }
    let emptied = apiserver("enable-admission-plugins=");
    case(
        "1.36.3",
        "node-restriction-plugin",
        &emptied,
        &[],
        ("divergent", "config.yaml:1"),
    );
}

#[test]
fn a_second_door_of_the_apiserver_and_old_tls_diverge() {
    for (control, config, verdict) in [
        ("apiserver-bind-address", "", "compliant"),
        (
            "apiserver-bind-address",
            "kube-apiserver-arg: [bind-address=0.0.0.0]\n",
            "divergent",
        ),
        ("tls-least-version", "", "compliant"),
        (
            "tls-least-version",
            "kube-apiserver-arg: [tls-min-version=VersionTLS10]\n",
            "divergent",
        ),
        (
            "tls-least-version",
            "kubelet-arg: [tls-min-version=VersionTLS11]\n",
            "divergent",
        ),
        (
            "tls-least-version",
            "kubelet-arg: [tls-min-version=VersionTLS13]\n",
            "compliant",
        ),
    ] {
        case("1.36.3", control, config, &[], (verdict, ""));
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
    for version in ["1.36.3", "1.24.4"] {
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
        assert_eq!(is_there, version == "1.24.4", "{version}: {said}");
    }
    let taken = "kube-apiserver-arg: [audit-log-path=/etc/taken/audit.log]\n";
    let node = Node::new("1.36.3", taken, &[("etc/taken", "a file")]);
    assert!(
        node.ends().contains("/etc/taken is no directory"),
        "{}",
        node.ends()
    );
}
