//! Whether the apiserver encrypts Secrets.

use crate::{Node, SERVER, case};

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

/// A real K3s does not become ready then: what it encrypted is no longer readable.
#[test]
fn encryption_that_is_turned_off_under_its_key_is_warned_of() {
    const KEY: &str = "var/lib/rancher/k3s/server/cred/encryption-config.json";
    let file = |providers: &str| {
        format!(
            r#"{{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{{"resources":["secrets"],"providers":[{providers}]}}]}}"#
        )
    };
    let key = r#"{"aescbc":{"keys":[{"name":"k","secret":"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="}]}}"#;
    let identity = r#"{"identity":{}}"#;
    let encrypting = file(&format!("{key},{identity}"));
    let disabled = file(&format!("{identity},{key}"));
    let said = |version: &'static str, config: &str, content: &str| {
        let node = Node::new(version, config, &[(KEY, content)]);
        let effective = node.run(&["effective", "--format", "json"]).json();
        let warnings = effective["warnings"].as_array().unwrap().iter();
        let mut texts = warnings.map(|warning| warning.as_str().unwrap().to_owned());
        texts.find(|text| text.contains("holds a key"))
    };
    for version in ["1.36.3", "1.28.4", "1.21.14"] {
        let off = "debug: true\nsecrets-encryption: false\n";
        let warning = said(version, off, &encrypting).expect("a warning");
        assert!(
            warning.contains("config.yaml:2: ") && warning.contains("does not become ready"),
            "{version}: {warning}"
        );
        let absent = said(version, "", &encrypting).expect("a warning");
        assert!(
            absent.starts_with("encryption of Secrets is off"),
            "{version}: {absent}"
        );
        let emptied =
            "secrets-encryption: true\nkube-apiserver-arg: [encryption-provider-config=]\n";
        let emptied = said(version, emptied, &encrypting).expect("a warning");
        assert!(emptied.contains("config.yaml:2: "), "{version}: {emptied}");
        for (config, content) in [
            ("secrets-encryption: true\n", &encrypting),
            (off, &disabled),
            (off, &file(identity)),
            (off, &String::new()),
            (
                "kube-apiserver-arg: [encryption-provider-config=/etc/mine.yaml]\n",
                &encrypting,
            ),
        ] {
            assert_eq!(
                said(version, config, content),
                None,
                "{version} {config} {content}"
            );
        }
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
