//! Files that kube-controller-manager's controllers read at their start.

use super::{Line, files};

/// Which labels metrics may have. Of 1.36; 1.31.4 only logs that it is not there.
pub(super) const LABELS: &str = "allow-metric-labels-manifest";
/// From here on what a controller cannot read was read in the sources (1.24.4, 1.31.4, 1.36.3).
const SINCE_MINOR: u16 = 24;
const SIGNERS: [&str; 8] = [
    "cluster-signing-kube-apiserver-client-cert-file",
    "cluster-signing-kube-apiserver-client-key-file",
    "cluster-signing-kubelet-client-cert-file",
    "cluster-signing-kubelet-client-key-file",
    "cluster-signing-kubelet-serving-cert-file",
    "cluster-signing-kubelet-serving-key-file",
    "cluster-signing-legacy-unknown-cert-file",
    "cluster-signing-legacy-unknown-key-file",
];
const RECYCLERS: [&str; 2] = [
    "pv-recycler-pod-template-filepath-hostpath",
    "pv-recycler-pod-template-filepath-nfs",
];

/// The controllers that read K3s's key of tokens and its authority (kubernetes `cmd/kube-controller-manager/app`
/// service_accounts.go, certificates.go; up to 1.31 controllermanager.go); without `*` in `--controllers` they do not run.
const TOKENS: [&str; 2] = ["serviceaccount-token", "serviceaccount-token-controller"];
const PUBLISHERS: [&str; 2] = [
    "root-ca-cert-publisher",
    "root-ca-certificate-publisher-controller",
];

pub(super) fn judge(line: &mut Line<'_>) {
    signing(line);
    let (tokens, publishes) = (runs(line, &TOKENS), runs(line, &PUBLISHERS));
    if tokens || publishes {
        files::must_exist(line, &["root-ca-file"]);
    }
    if tokens {
        files::must_exist(line, &["service-account-private-key-file"]);
    }
    if line.minor() == 36 {
        files::must_exist(line, &[LABELS]);
    }
    if line.minor() < SINCE_MINOR {
        return;
    }
    if runs(
        line,
        &["csrsigning", "certificatesigningrequest-signing-controller"],
    ) {
        files::must_exist(line, &SIGNERS);
        halves(line);
    }
    if runs(
        line,
        &[
            "persistentvolume-binder",
            "persistentvolume-binder-controller",
        ],
    ) {
        files::must_exist(line, &RECYCLERS);
    }
}

/// Whether a controller is run, by all of its names (controller-manager `app/helper.go` IsControllerEnabled).
fn runs(line: &Line<'_>, names: &[&str]) -> bool {
    let words = line.words("controllers");
    let any = |is: &dyn Fn(&str) -> bool| words.iter().any(|(word, _)| is(word));
    let is_off = any(&|word| {
        word.strip_prefix('-')
            .is_some_and(|name| names.contains(&name))
    });
    !is_off && (words.is_empty() || any(&|word| word == "*" || names.contains(&word)))
}

fn signing(line: &mut Line<'_>) {
    let single = line
        .given("cluster-signing-cert-file")
        .or_else(|| line.given("cluster-signing-key-file"));
    let specific = line.arguments.iter().any(|argument| {
        argument.flag.starts_with("cluster-signing-")
            && argument.flag.ends_with("-file")
            && !["cluster-signing-cert-file", "cluster-signing-key-file"]
                .contains(&argument.flag.as_str())
            && !argument.value.is_empty()
    });
    if specific && single.is_some() {
        line.end(
            "cannot specify --cluster-signing-{cert,key}-file and other --cluster-signing-*-file flags at the same time",
            single,
        );
    }
}

/// Each signer has both its files or none (`app/options/csrsigningcontroller.go`, in 1.24 to 1.36 alike, which calls two of
/// them by another's name). K3s gives all of them.
fn halves(line: &mut Line<'_>) {
    for (signer, named) in [
        ("kubelet-serving", "kubelet-serving"),
        ("kubelet-client", "kube-apiserver-client"),
        ("kube-apiserver-client", "kube-apiserver"),
        ("legacy-unknown", "legacy-unknown"),
    ] {
        let [certificate, key] =
            ["cert", "key"].map(|half| line.last(&format!("cluster-signing-{signer}-{half}-file")));
        let (Some(certificate), Some(key)) = (certificate, key) else {
            continue;
        };
        let (what, empty) = match (certificate.value.is_empty(), key.value.is_empty()) {
            (true, false) => ("key without cert", certificate),
            (false, true) => ("cert without key", key),
            _ => continue,
        };
        let reason = format!("\"cluster-signing-{named}\": cannot specify {what}");
        line.end(&reason, Some(empty));
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, with};

    /// Asked of a real 1.36.3.
    #[test]
    fn files_of_controllers_that_run_are_there() {
        for (flag, controller) in [
            ("allow-metric-labels-manifest", ""),
            ("cluster-signing-kubelet-client-cert-file", "csrsigning"),
            ("cluster-signing-kubelet-client-key-file", "csrsigning"),
            ("cluster-signing-legacy-unknown-cert-file", "csrsigning"),
            (
                "cluster-signing-kube-apiserver-client-cert-file",
                "certificatesigningrequest-signing-controller",
            ),
            (
                "pv-recycler-pod-template-filepath-hostpath",
                "persistentvolume-binder",
            ),
            (
                "pv-recycler-pod-template-filepath-nfs",
                "persistentvolume-binder-controller",
            ),
        ] {
            let item = format!("{flag}=/none");
            let reason = ending("kube-controller-manager-arg", &[&item]).unwrap_or_default();
            let words = "open /none: no such file or directory";
            assert!(reason.contains(words), "{flag}: {reason}");
            let without = format!("controllers=*,-{controller}");
            let found = ending("kube-controller-manager-arg", &[&item, &without]);
            assert_eq!(found.is_none(), !controller.is_empty(), "{flag}: {found:?}");
            let own = format!("{flag}=/var/lib/rancher/k3s/server/tls/own");
            assert_eq!(ending("kube-controller-manager-arg", &[&own]), None);
        }
    }

    /// Asked of a real 1.31.4 and 1.36.3.
    #[test]
    fn a_signer_has_both_its_files_or_none() {
        let of = |version, items: &[&str]| {
            let options = vec![("kube-controller-manager-arg", items.to_vec())];
            let start = with(options, version, Role::Server);
            let first = start.endings.into_iter().next();
            first.map(|ending| ending.reason).unwrap_or_default()
        };
        for signer in [
            "kubelet-client",
            "kubelet-serving",
            "kube-apiserver-client",
            "legacy-unknown",
        ] {
            let certificate = format!("cluster-signing-{signer}-cert-file=");
            let key = format!("cluster-signing-{signer}-key-file=");
            for version in ["1.24.4", "1.31.4", "1.36.3"] {
                let found = of(version, &[&certificate]);
                assert!(
                    found.contains("cannot specify key without cert"),
                    "{signer}: {found}"
                );
                let found = of(version, &[&key]);
                assert!(
                    found.contains("cannot specify cert without key"),
                    "{signer}: {found}"
                );
                assert_eq!(of(version, &[&certificate, &key]), "", "{version} {signer}");
                assert_eq!(of(version, &[&key, "controllers=*,-csrsigning"]), "");
            }
        }
    }
}
