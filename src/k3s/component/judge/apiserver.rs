//! kube-apiserver, after its command line was read (`cmd/kube-apiserver/app/options/validation.go` and below).

use super::{
    Line, access, admission, apiserver_elsewhere, apiserver_files, audit, common, emulated,
    encryption, limits, metrics, runtime_config, service_networks, serving, tls,
};
use crate::k3s::component::options::Options;
use crate::k3s::go_duration::nanoseconds;

/// Judges everything that the apiserver checks before it serves.
pub(super) fn judge(line: &mut Line<'_>, options: Options<'_>) {
    limits::judge(line);
    all_alpha(line);
    apiserver_elsewhere::judge(line, options);
    service_networks::judge(line);
    tls::serving(line);
    metrics::metric_labels(line);
    common::one_of(line, "storage-backend", &["", "etcd3"]);
    store(line);
    coordinated_leadership(line);
    runtime_config::judge(line);
    emulated::judge(line);
    access::judge(line);
    admission::judge(line);
    audit::judge(line);
    encryption::judge(line);
    apiserver_files::judge(line);
    serving::judge(line);
}

/// In all of 1.21 to 1.36 alike (apiserver `pkg/server/options/etcd.go`).
fn store(line: &mut Line<'_>) {
    if let Some(argument) = line.last("etcd-servers")
        && line.words("etcd-servers").is_empty()
    {
        line.end("--etcd-servers must be specified", Some(argument));
    }
}

/// In seconds, what it has by itself (`pkg/controlplane/apiserver/options/options.go`): how long a lease is, how long its holder
/// tries, and how long it waits in between.
const COORDINATED: [(&str, i64); 3] = [
    ("coordinated-leadership-lease-duration", 15),
    ("coordinated-leadership-renew-deadline", 10),
    ("coordinated-leadership-retry-period", 2),
];

/// Read and asked for 1.36 alone.
fn coordinated_leadership(line: &mut Line<'_>) {
    if line.minor() != 36 {
        return;
    }
    let [lease, renew, retry] = COORDINATED.map(|(flag, seconds)| {
        let given = line.last(flag);
        let given_ns = given.and_then(|argument| nanoseconds(&argument.value));
        let own_ns = seconds * 1_000_000_000;
        (flag, given_ns.unwrap_or(own_ns), given)
    });
    for (longer, shorter) in [(lease, renew), (renew, retry)] {
        if longer.1 <= shorter.1 {
            let reason = format!("--{} must be greater than --{}", longer.0, shorter.0);
            line.end(&reason, shorter.2.or(longer.2));
        }
    }
}

/// With all alpha gates on, a new cluster of 1.36 makes no priority classes; which gate it is is not known, so no other may be
/// given.
fn all_alpha(line: &mut Line<'_>) {
    let words = line.words("feature-gates");
    if let ([("AllAlpha=true", argument)], 36) = (words.as_slice(), line.minor()) {
        line.end(
            "PostStartHook \"scheduling/bootstrap-system-priority-classes\" failed: unable to add default system priority classes: \
             timed out waiting for the condition",
            Some(argument),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::{ending, reason};

    #[test]
    fn values_that_a_real_apiserver_lives_with_do_not_end_it() {
        for item in [
            "enable-admission-plugins=\"NodeRestriction\"",
            "authorization-mode=",
            "goaway-chance=0x1p-10",
            "goaway-chance=NaN",
            "service-cluster-ip-range=",
            "service-cluster-ip-range=10.43.0.0/29",
            "help=false",
            "kubernetes-service-node-port=30443",
            "cors-allowed-origins=^https://a\\.example$",
            "endpoint-reconciler-type=none",
            "strict-transport-security-directives=max-age=31536000,includeSubDomains",
        ] {
            assert_eq!(ending("kube-apiserver-arg", &[item]), None, "{item}");
        }
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn arguments_that_end_a_real_apiserver_together_end_it() {
        let log = "audit-log-path=/var/log/a.log";
        let client = "oidc-client-id=a";
        for (items, words) in [
            (
                ["audit-log-truncate-max-event-size=-1", log],
                "invalid audit truncate log max event size -1, must be a positive number",
            ),
            (
                ["audit-log-truncate-max-batch-size=1", log],
                "invalid audit truncate log max batch size 1, must be greater than max event size (102400)",
            ),
            (
                ["oidc-issuer-url=http://x.example", client],
                "jwt[0].issuer.url: Invalid value: \"http://x.example\": URL scheme must be https",
            ),
            (
                [
                    "max-requests-inflight=0",
                    "max-mutating-requests-inflight=0",
                ],
                "they must add up to something positive",
            ),
            (
                ["oidc-issuer-url=https://x.example/?a=b", client],
                "URL must not contain a query",
            ),
        ] {
            let reason =
                ending("kube-apiserver-arg", &items).unwrap_or_else(|| panic!("{items:?}"));
            assert!(reason.contains(words), "{items:?}: {reason}");
        }
        for items in [
            ["audit-log-truncate-max-event-size=-1", "profiling=false"],
            ["oidc-issuer-url=HTTPS://x.example/a", client],
            ["oidc-issuer-url=https://x.example/a", client],
        ] {
            assert_eq!(ending("kube-apiserver-arg", &items), None, "{items:?}");
        }
    }

    #[test]
    fn values_that_end_a_real_apiserver_end_it() {
        for (item, words) in [
            ("admission-control=", "flags are mutually exclusive"),
            ("storage-media-type=application/xml", "application/xml"),
            (
                "endpoint-reconciler-type=abc",
                "Reconciler not implemented: abc",
            ),
            (
                "service-account-jwks-uri=abc",
                "requires https scheme, parsed as: abc",
            ),
            (
                "shutdown-watch-termination-grace-period=-1s",
                "negative value",
            ),
            (
                "storage-initialization-timeout=-1s",
                "can not be negative value",
            ),
            (
                "kubernetes-service-node-port=99",
                "kubernetes service node port range 30000-32767 doesn't contain 99",
            ),
            (
                "cors-allowed-origins=abc",
                "does not pin to start/end of host",
            ),
            (
                "strict-transport-security-directives=nope",
                "allowed values: max-age",
            ),
            (
                "show-hidden-metrics-for-version=1.20",
                "have the value '1.35'",
            ),
            ("feature-gates=AllAlpha=true", "priority classes: timed out"),
            ("service-account-issuer=:bad", "missing protocol scheme"),
            (
                "service-account-issuer=http://a:b:c",
                "parse \"http://a:b:c\": invalid port \":b:c\" after host",
            ),
            (
                "service-cluster-ip-range=10.43.0.0/30",
                "for primary service cidr: the service cluster IP range must be at least 8 IP addresses",
            ),
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
    /// Asked of a real 1.24.4, which was ready with each.
    #[test]
    fn checks_that_nobody_calls_end_nothing() {
        for item in [
            "strict-transport-security-directives=nope",
            "shutdown-delay-duration=-1s",
            "livez-grace-period=-1s",
            "min-request-timeout=-1",
            "goaway-chance=1",
        ] {
            for (version, ends) in [("1.24.4", false), ("1.30.4", false), ("1.31.4", true)] {
                let found = reason(version, &[("kube-apiserver-arg", item)]);
                assert_eq!(!found.is_empty(), ends, "{version} {item}: {found}");
            }
        }
    }

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3.
    #[test]
    fn without_a_server_of_etcd_it_has_nowhere_to_store() {
        for version in ["1.21.4", "1.24.4", "1.31.4", "1.36.3"] {
            let of = |value| reason(version, &[("kube-apiserver-arg", value)]);
            let found = of("etcd-servers=");
            assert!(
                found.contains("--etcd-servers must be specified"),
                "{version}: {found}"
            );
            assert_eq!(of("etcd-servers=https://127.0.0.1:2379"), "", "{version}");
        }
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn who_leads_for_others_gives_it_up_before_it_tries_again() {
        let of = |items: &[&str]| ending("kube-apiserver-arg", items).unwrap_or_default();
        let retry = "coordinated-leadership-retry-period=1h";
        let found = of(&[retry]);
        assert!(
            found.contains("renew-deadline must be greater than --coordinated"),
            "{found}"
        );
        let long = [
            retry,
            "coordinated-leadership-renew-deadline=2h",
            "coordinated-leadership-lease-duration=3h",
        ];
        assert_eq!(of(&long), "");
        assert_eq!(of(&["coordinated-leadership-retry-period=1s"]), "");
        assert_eq!(reason("1.35.1", &[("kube-apiserver-arg", retry)]), "");
    }
}
