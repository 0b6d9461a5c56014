//! The certificates of a component that serves HTTPS (apiserver `pkg/server/options/serving.go`).

use super::{Line, files};

/// Read in the sources of 1.24.4, 1.31.4 and 1.36.3.
const SINCE_MINOR: u16 = 24;
const PAIR: [&str; 2] = ["tls-cert-file", "tls-private-key-file"];
const NAMED: &str = "tls-sni-cert-key";

/// A certificate comes with its key, and those by name are there.
pub(super) fn judge(line: &mut Line<'_>) {
    let port = line.flags.number(line.arguments, "secure-port");
    let serves = port.is_none_or(|(port, _)| port > 0);
    if line.minor() < SINCE_MINOR || !serves {
        return;
    }
    let [certificate, key] = PAIR.map(|flag| line.given(flag));
    if let (Some(alone), None) | (None, Some(alone)) = (certificate, key) {
        line.end("missing filename for serving cert", Some(alone));
    }
    named(line);
}

/// `certificate,key` or `certificate,key:name,name` (component-base `cli/flag/namedcertkey_flag.go`).
fn named(line: &mut Line<'_>) {
    for argument in line.flags.effective(line.arguments, NAMED) {
        let (pair, _) = argument
            .value
            .split_once(':')
            .unwrap_or((&argument.value, ""));
        let mut parts = pair.split(',').map(str::trim);
        let absent = parts.find_map(|path| files::absent(line, path));
        if let Some(path) = absent {
            let reason = format!(
                "failed to load SNI cert and key: open {}: no such file or directory",
                path.display()
            );
            line.end(&reason, Some(argument));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::ending;

    /// Asked of a real 1.36.3.
    #[test]
    fn certificates_are_there_and_come_with_their_keys() {
        let absent = "failed to load SNI cert and key: open /none: no such file or directory";
        let alone = "missing filename for serving cert";
        for (option, item, words) in [
            ("kube-apiserver-arg", "tls-sni-cert-key=/none,/b", absent),
            (
                "kube-apiserver-arg",
                "tls-sni-cert-key=/none,/b:foo.example",
                absent,
            ),
            (
                "kube-controller-manager-arg",
                "tls-sni-cert-key=/none,/b",
                absent,
            ),
            (
                "kube-cloud-controller-manager-arg",
                "tls-cert-file=/none",
                alone,
            ),
            (
                "kube-cloud-controller-manager-arg",
                "tls-private-key-file=/none",
                alone,
            ),
        ] {
            let reason = ending(option, &[item]).unwrap_or_default();
            assert!(reason.contains(words), "{option} {item}: {reason}");
        }
        let own =
            "tls-sni-cert-key=/var/lib/rancher/k3s/server/tls/a,/var/lib/rancher/k3s/server/tls/b";
        assert_eq!(ending("kube-apiserver-arg", &[own]), None);
        let silent = ["secure-port=0", "tls-cert-file="];
        assert_eq!(ending("kube-scheduler-arg", &silent), None);
    }
}
