//! kube-apiserver, after its command line was read (`cmd/kube-apiserver/app/options/validation.go` and below).

use super::{Line, access, admission, audit, common, encryption, files};
use crate::k3s::component::network::Network;
use crate::k3s::component::value::nanoseconds;

/// Files that it reads at its start.
const FILES: &[&str] = &[
    "audit-webhook-config-file",
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

/// Durations that may not be negative.
const DURATIONS: &[&str] = &[
    "request-timeout",
    "livez-grace-period",
    "shutdown-delay-duration",
];

/// Judges everything that the apiserver checks before it serves.
pub(super) fn judge(line: &mut Line<'_>) {
    numbers(line);
    networks(line);
    common::serving(line);
    common::one_of(line, "storage-backend", &["", "etcd3"]);
    runtime_config(line);
    access::judge(line);
    admission::judge(line);
    audit::judge(line);
    encryption::judge(line);
    files::must_exist(line, FILES);
}

fn numbers(line: &mut Line<'_>) {
    common::range(line, "secure-port", 1, 65535);
    common::range(line, "kubernetes-service-node-port", 0, 65535);
    for flag in [
        "max-requests-inflight",
        "max-mutating-requests-inflight",
        "min-request-timeout",
    ] {
        common::range(line, flag, 0, i128::from(i64::MAX));
    }
    for flag in DURATIONS {
        if let Some(argument) = line.last(flag)
            && nanoseconds(&argument.value).is_some_and(i128::is_negative)
        {
            line.end(
                &format!("--{flag} can not be negative value"),
                Some(argument),
            );
        }
    }
    if let Some(argument) = line.last("goaway-chance")
        && argument
            .value
            .parse::<f64>()
            .is_ok_and(|chance| !(0.0..=0.02).contains(&chance))
    {
        line.end(
            "--goaway-chance can not be less than 0 or greater than 0.02",
            Some(argument),
        );
    }
}

fn networks(line: &mut Line<'_>) {
    let Some(argument) = line.last("service-cluster-ip-range") else {
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
}
