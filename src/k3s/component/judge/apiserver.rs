//! kube-apiserver, after its command line was read (`cmd/kube-apiserver/app/options/validation.go` and below).

use super::{Line, access, admission, audit, common, encryption, files, limits};
use crate::k3s::component::minors;
use crate::k3s::component::network::Network;

/// Files that it reads at its start.
const FILES: &[&str] = &[
    "authentication-token-webhook-config-file",
    "authorization-policy-file",
    "authorization-webhook-config-file",
    "client-ca-file",
    "egress-selector-config-file",
    "oidc-ca-file",
    "requestheader-client-ca-file",
    "service-account-key-file",
    "service-account-signing-key-file",
    "tls-cert-file",
    "tls-private-key-file",
    "token-auth-file",
    "tracing-config-file",
];

/// The groups of the built-in APIs, of all releases since 1.20 (kubernetes `pkg/controlplane/instance.go`); `api` stands
/// for all of them.
const API_GROUPS: &[&str] = &[
    "admissionregistration.k8s.io",
    "api",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "imagepolicy.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Judges everything that the apiserver checks before it serves.
pub(super) fn judge(line: &mut Line<'_>) {
    limits::judge(line);
    networks(line);
    common::serving(line);
    common::one_of(line, "storage-backend", &["", "etcd3"]);
    runtime_config(line);
    if line.given("audit-policy-file").is_some() {
        // Without a policy there is no webhook, and nobody opens its file (apiserver `pkg/server/options/audit.go`).
        files::must_exist(line, &["audit-webhook-config-file"]);
    }
    access::judge(line);
    admission::judge(line);
    audit::judge(line);
    encryption::judge(line);
    files::must_exist(line, FILES);
}

fn networks(line: &mut Line<'_>) {
    // Empty is the apiserver's own default, 10.0.0.0/24.
    let Some(argument) = line.given("service-cluster-ip-range") else {
        return;
    };
    let words: Vec<&str> = argument.value.split(',').collect();
    let networks: Option<Vec<Network>> = words.iter().map(|word| Network::parse(word)).collect();
    let reason = match networks.as_deref() {
        None => "service-cluster-ip-range is not a valid cidr",
        // The allocator's bitmap is written up to 1.33.
        Some(networks)
            if line.minor() <= 33 && networks.iter().any(|one| one.address_bits() > 20) =>
        {
            "specified --service-cluster-ip-range is too large; it may leave 20 bits for addresses"
        }
        Some([_] | []) => return,
        Some([one, other]) if one.is_ipv6() != other.is_ipv6() => return,
        Some([_, _]) => {
            "--service-cluster-ip-range[0] and --service-cluster-ip-range[1] must be of different IP family"
        }
        Some(_) => "--service-cluster-ip-range must not contain more than two entries",
    };
    line.end(reason, Some(argument));
}

fn runtime_config(line: &mut Line<'_>) {
    let words = line.words("runtime-config");
    if let [("api/all=false", argument)] = words.as_slice() {
        line.end(
            "invalid runtime-config with only api/all=false",
            Some(argument),
        );
    }
    // 1.36 panics without the core group; whether others do is not known.
    let core = words.iter().find(|(word, _)| *word == "v1=false");
    if let Some((_, argument)) = core.filter(|_| line.minor() == 36) {
        let reason = "interface conversion: interface is nil, not rest.Getter";
        line.end(reason, Some(argument));
    }
    let unknown = words.iter().find_map(|(word, argument)| {
        let name = word.split('=').next().unwrap_or_default();
        let (group, _) = name.split_once('/')?;
        (!API_GROUPS.contains(&group)).then_some((group, *argument))
    });
    if let Some((group, argument)) = unknown.filter(|_| line.minor() <= minors::NEWEST) {
        line.end(&format!("unknown api groups {group}"), Some(argument));
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::ending;

    #[test]
    fn values_that_a_real_apiserver_lives_with_do_not_end_it() {
        for item in [
            "enable-admission-plugins=\"NodeRestriction\"",
            "authorization-mode=",
            "goaway-chance=0x1p-10",
            "goaway-chance=NaN",
            "service-cluster-ip-range=",
            "help=false",
        ] {
            assert_eq!(ending("kube-apiserver-arg", &[item]), None, "{item}");
        }
    }

    #[test]
    fn values_that_end_a_real_apiserver_end_it() {
        for (item, words) in [
            ("admission-control=", "flags are mutually exclusive"),
            ("runtime-config=v1=false", "not rest.Getter"),
            ("service-account-issuer=:bad", "missing protocol scheme"),
            (
                "encryption-provider-config-automatic-reload=true",
                "must be set with --encryption-provider-config",
            ),
            ("goaway-chance=0.03", "greater than 0.02"),
            (
                "encryption-provider-config=/none",
                "error while parsing file: error while loading file: error reading encryption provider configuration file \"/none\": open /none",
            ),
        ] {
            let reason = ending("kube-apiserver-arg", &[item]).unwrap_or_else(|| panic!("{item}"));
            assert!(reason.contains(words), "{item}: {reason}");
        }
    }
}
