//! Files that kube-apiserver reads at its start.

use super::{Line, files};
use crate::k3s::component::Argument;
use crate::k3s::go_value::boolean;

const FILES: &[&str] = &[
    "authentication-token-webhook-config-file",
    "authorization-policy-file",
    "authorization-webhook-config-file",
    "client-ca-file",
    "egress-selector-config-file",
    "kubelet-certificate-authority",
    "kubelet-client-certificate",
    "kubelet-client-key",
    "oidc-ca-file",
    "proxy-client-cert-file",
    "requestheader-client-ca-file",
    "service-account-key-file",
    "service-account-signing-key-file",
    "tls-cert-file",
    "tls-private-key-file",
    "token-auth-file",
];

/// More of 1.36: the peers' is asked for by a gate that was off before, and of labels 1.31.4 only logs that they are not there.
const FILES_OF_36: &[&str] = &["allow-metric-labels-manifest", "peer-ca-file"];
/// From here on what the client of etcd reads was asked for (1.24.4, 1.31.4, 1.36.3).
const ETCD_SINCE_MINOR: u16 = 24;
const ETCD_PAIR: [&str; 2] = ["etcd-certfile", "etcd-keyfile"];

pub(super) fn judge(line: &mut Line<'_>) {
    if line.given("audit-policy-file").is_some() {
        // Without a policy there is no webhook, and nobody opens its file (apiserver `pkg/server/options/audit.go`).
        files::must_exist(line, &["audit-webhook-config-file"]);
    }
    files::must_exist(line, FILES);
    if traces(line) {
        files::must_exist(line, &["tracing-config-file"]);
    }
    if line.given("proxy-client-cert-file").is_some() {
        // A key alone is not looked at (`cmd/kube-apiserver/app`).
        files::must_exist(line, &["proxy-client-key-file"]);
    }
    if line.minor() == 36 {
        files::must_exist(line, FILES_OF_36);
    }
    if line.minor() >= ETCD_SINCE_MINOR {
        files::must_exist(line, &["etcd-cafile"]);
        etcd_pair(line);
    }
    tokens(line);
}

/// A token, the name of its user and the user's id (apiserver `pkg/authentication/token/tokenfile` NewCSV, in all of 1.21 to 1.36
/// alike). With a quote in it a record can go over lines, and is not judged.
fn tokens(line: &mut Line<'_>) {
    let Some(argument) = line.given("token-auth-file") else {
        return;
    };
    let content = line.files.read(&line.node.named_file(&argument.value));
    let Some(content) = content.ok().flatten() else {
        return;
    };
    let text = String::from_utf8_lossy(&content);
    let records = text.lines().filter(|record| !record.is_empty());
    let mut columns = records.map(|record| record.split(',').count());
    if let Some(count) = columns
        .find(|count| *count < 3)
        .filter(|_| !text.contains('"'))
    {
        let reason = format!(
            "token file '{}' must have at least 3 columns (token, user name, user uid), found {count}",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
}

/// From here on it traces by default (`cmd/kube-apiserver/app/server.go` asks the gate before it reads the file).
const TRACES_SINCE_MINOR: u16 = 27;

fn traces(line: &Line<'_>) -> bool {
    let gates = line.words("feature-gates").into_iter();
    let said = gates
        .filter_map(|(pair, _)| pair.rsplit(':').next()?.split_once('='))
        .rfind(|(name, _)| *name == "APIServerTracing")
        .and_then(|(_, value)| boolean(value));
    said.unwrap_or(line.minor() >= TRACES_SINCE_MINOR)
}

/// Of etcd's client each comes with the other.
fn etcd_pair(line: &mut Line<'_>) {
    let [certificate, key] = ETCD_PAIR.map(|flag| line.given(flag));
    let alone = match (certificate, key) {
        (Some(alone), None) | (None, Some(alone)) => alone,
        _ => {
            files::must_exist(line, &ETCD_PAIR);
            return;
        }
    };
    let text = |argument: Option<&Argument>| {
        argument
            .map(|argument| argument.value.clone())
            .unwrap_or_default()
    };
    let reason = format!(
        "error creating storage factory: KeyFile and CertFile must both be present[key: {}, cert: {}]",
        text(key),
        text(certificate)
    );
    line.end(&reason, Some(alone));
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, reason, with, with_files};

    /// Asked of a real 1.36.3.
    #[test]
    fn files_that_are_read_at_the_start_are_there() {
        for flag in [
            "proxy-client-cert-file",
            "proxy-client-key-file",
            "kubelet-certificate-authority",
            "kubelet-client-certificate",
            "kubelet-client-key",
            "peer-ca-file",
            "etcd-cafile",
            "allow-metric-labels-manifest",
        ] {
            let reason = ending("kube-apiserver-arg", &[&format!("{flag}=/none")]);
            let reason = reason.unwrap_or_else(|| panic!("{flag}"));
            assert!(
                reason.contains("open /none: no such file or directory"),
                "{flag}: {reason}"
            );
            // K3s makes these itself.
            let own = format!("{flag}=/var/lib/rancher/k3s/server/tls/own");
            assert_eq!(ending("kube-apiserver-arg", &[&own]), None, "{flag}");
        }
        let labels = [("kube-apiserver-arg", "allow-metric-labels-manifest=/none")];
        assert_eq!(reason("1.31.4", &labels), "");
        let key_alone = ["proxy-client-cert-file=", "proxy-client-key-file=/none"];
        assert_eq!(ending("kube-apiserver-arg", &key_alone), None);
    }

    /// Asked of a real 1.24.4.
    #[test]
    fn the_configuration_of_traces_is_read_where_its_gate_is_on() {
        let file = "tracing-config-file=/none";
        for (version, gate, ends) in [
            ("1.24.4", None, false),
            ("1.24.4", Some("true"), true),
            ("1.31.4", None, true),
            ("1.31.4", Some("false"), false),
            ("1.36.3", None, true),
        ] {
            let gate = gate.map(|value| format!("feature-gates=APIServerTracing={value}"));
            let items: Vec<&str> = [file].into_iter().chain(gate.as_deref()).collect();
            let start = with(vec![("kube-apiserver-arg", items)], version, Role::Server);
            assert_eq!(
                !start.endings.is_empty(),
                ends,
                "{version} {gate:?}: {:?}",
                start.endings
            );
        }
    }

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3.
    #[test]
    fn a_file_of_tokens_has_a_user_for_each() {
        let file = "/etc/tokens.csv";
        let item = format!("token-auth-file={file}");
        for (content, ends) in [
            ("a,b\n", true),
            ("a,b,c\n\nx,y\n", true),
            ("a,b,c\n", false),
            ("a,b,c,\"g,h\"\n", false),
            ("\"a\nb\",c,d\n", false),
            ("", false),
        ] {
            for version in ["1.24.4", "1.31.4", "1.36.3"] {
                let options = vec![("kube-apiserver-arg", vec![item.as_str()])];
                let start = with_files(options, &[(file, content)], version, Role::Server);
                let first = start.endings.first().map(|ending| ending.reason.as_str());
                let expected = "apiserver exited: token file '/etc/tokens.csv' must have at least 3 columns (token, user name, user \
                                uid), found 2";
                assert_eq!(first, ends.then_some(expected), "{version} {content:?}");
            }
        }
    }

    /// Asked of a real 1.24.4 and 1.31.4.
    #[test]
    fn files_of_etcd_s_client_are_read_in_older_releases_too() {
        for version in ["1.24.4", "1.31.4"] {
            for (item, words) in [
                ("etcd-cafile=/none", "open /none: no such file"),
                (
                    "etcd-certfile=/none",
                    "must both be present[key: , cert: /none]",
                ),
                (
                    "etcd-keyfile=/none",
                    "must both be present[key: /none, cert: ]",
                ),
            ] {
                let found = reason(version, &[("kube-apiserver-arg", item)]);
                assert!(found.contains(words), "{version} {item}: {found}");
            }
        }
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn the_certificate_of_etcd_s_client_comes_with_its_key() {
        let (certificate, key) = ("etcd-certfile=/none", "etcd-keyfile=/none");
        for (items, words) in [
            (
                &[certificate][..],
                "must both be present[key: , cert: /none]",
            ),
            (&[key], "must both be present[key: /none, cert: ]"),
            (&[certificate, key], "open /none: no such file or directory"),
        ] {
            let reason = ending("kube-apiserver-arg", items).unwrap_or_default();
            assert!(reason.contains(words), "{items:?}: {reason}");
        }
    }
}
