//! kube-apiserver, after its command line was read (`cmd/kube-apiserver/app/options/validation.go` and below).

use std::net::IpAddr;

use super::{
    Line, access, admission, apiserver_files, audit, common, emulated, encryption, limits,
    runtime_config, serving,
};
use crate::k3s::component::network::Network;
use crate::k3s::component::options::Options;
use crate::k3s::component::{Argument, Component};
use crate::k3s::{Ending, Place};

/// Read in the sources of 1.24.4, 1.31.4 and 1.36.3; from when on it is so before, nobody looked.
const FAMILIES_SINCE_MINOR: u16 = 24;

/// Judges everything that the apiserver checks before it serves.
pub(super) fn judge(line: &mut Line<'_>, options: Options<'_>) {
    limits::judge(line);
    all_alpha(line);
    elsewhere(line, options);
    networks(line);
    families(line);
    common::serving(line);
    common::one_of(line, "storage-backend", &["", "etcd3"]);
    runtime_config::judge(line);
    emulated::judge(line);
    access::judge(line);
    admission::judge(line);
    audit::judge(line);
    encryption::judge(line);
    apiserver_files::judge(line);
    serving::judge(line);
}

/// K3s's own clients look for the apiserver where K3s puts it (pkg/daemons/control/server.go). Of 1.36 the controller manager
/// ends where they do not find it.
fn elsewhere(line: &mut Line<'_>, options: Options<'_>) {
    if waited_for(line, options) {
        return;
    }
    if let Some(argument) = away(line) {
        let reason = "unable to load configmap based request-header-client-ca-file: dial tcp: connect: connection refused";
        let place = Some(argument.place.clone());
        line.endings
            .push(Ending::of(Component::ControllerManager, reason, place));
    }
}

/// Where the apiserver is, if K3s waits there for it in vain: a real 1.24.4 and 1.31.4 were neither ready nor at an end after a
/// minute, and a real 1.36.3 with a supervisor of its own. In which order the releases between wait for what was not tried.
pub(super) fn waited_for_elsewhere<'a>(
    line: &Line<'a>,
    options: Options<'_>,
) -> Option<&'a Argument> {
    away(line).filter(|_| waited_for(line, options))
}

/// Whether the other components wait until the apiserver is where K3s looks for it.
fn waited_for(line: &Line<'_>, options: Options<'_>) -> bool {
    let supervisor = options.number("supervisor-port", 0);
    let is_apart = supervisor != 0 && supervisor != options.number("https-listen-port", 6443);
    line.minor() != 36 || is_apart
}

/// What puts the apiserver where K3s does not look for it.
fn away<'a>(line: &Line<'a>) -> Option<&'a Argument> {
    let address = line.given("bind-address").filter(|argument| {
        let address: Option<IpAddr> = argument.value.parse().ok();
        address.is_some_and(|address| {
            // Of the two loopback addresses a cluster's first family takes one.
            let own = ["127.0.0.1", "::1"].contains(&argument.value.as_str());
            !own && !address.is_unspecified()
        })
    });
    let own_port = |argument: &Argument| {
        let of_k3s = |argument: &&Argument| argument.place == Place::Default;
        let replaced = argument
            .overrode
            .last()
            .map(|default| default.value.clone());
        let mut ports = line
            .arguments
            .iter()
            .filter(|one| one.flag == "secure-port");
        replaced.or_else(|| ports.find(of_k3s).map(|default| default.value.clone()))
    };
    let other_port = line.given("secure-port").filter(|argument| {
        argument.place != Place::Default
            && own_port(argument).is_some_and(|port| port != argument.value)
    });
    address.or(other_port)
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
        Some([first, ..])
            if is_too_small(first, argument) && line.minor() >= FAMILIES_SINCE_MINOR =>
        {
            "error determining service IP ranges for primary service cidr: the service cluster IP range must be at least 8 IP addresses"
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

/// An operator's own argument; of its option K3s says so itself (`pkg/controlplane/apiserver/options` ServiceIPRange).
fn is_too_small(network: &Network, argument: &Argument) -> bool {
    network.address_bits() < 3 && !argument.overrode.is_empty()
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

/// The service `kubernetes` has an address of the first network and leads to the apiserver's, so both are of one family
/// unless nobody reconciles it (`validatePublicIPServiceClusterIPRangeIPFamilies`; in 1.24 `NewBootstrapController`).
/// Which address a node has by itself is not known here.
fn families(line: &mut Line<'_>) {
    let reconciler = line.last("endpoint-reconciler-type");
    let reconciles = reconciler.is_none_or(|argument| argument.value != "none");
    if line.minor() < FAMILIES_SINCE_MINOR || !reconciles {
        return;
    }
    let (Some(address), Some(networks)) = (
        line.given("advertise-address"),
        line.given("service-cluster-ip-range"),
    ) else {
        return;
    };
    let first = networks.value.split(',').next().unwrap_or_default();
    if let (Some(network), Ok(given)) = (
        Network::parse_sloppy(first),
        address.value.parse::<IpAddr>(),
    ) && network.is_ipv6() != given.is_ipv6()
    {
        let reason = format!(
            "service IP family {first:?} must match public address family {:?}",
            address.value
        );
        let decides = [networks, address].into_iter();
        let decided_by = decides.clone().find(|one| one.place != Place::Default);
        line.end(&reason, decided_by.or(Some(address)));
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, reason, with};

    #[test]
    fn the_first_service_network_has_the_family_of_the_address_that_is_given_out() {
        let network = ("service-cidr", "fd00:8::/112");
        let address = ("advertise-address", "10.77.0.2");
        let alone = ("disable-agent", "true");
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            let found = reason(version, &[network, address, alone]);
            assert_eq!(
                found,
                "apiserver exited: service IP family \"fd00:8::/112\" must match public address family \"10.77.0.2\"",
                "{version}"
            );
            // Which address the node has is not known.
            assert_eq!(reason(version, &[network, alone]), "", "{version}");
        }
    }

    #[test]
    fn families_may_differ_only_where_nobody_reconciles_the_service() {
        let differ = [
            ("service-cidr", "10.8.0.0/16"),
            ("disable-agent", "true"),
            ("advertise-address", "fd77::2"),
        ];
        for (item, ends) in [
            ("endpoint-reconciler-type=none", false),
            ("--endpoint-reconciler-type=none", false),
            ("endpoint-reconciler-type=lease", true),
            ("audit-log-path=/endpoint-reconciler-type=none", true),
        ] {
            let options = [&differ[..], &[("kube-apiserver-arg", item)]].concat();
            assert_eq!(!reason("1.36.3", &options).is_empty(), ends, "{item}");
        }
    }

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
    /// Asked of a real 1.36.3.
    #[test]
    fn an_apiserver_that_is_elsewhere_is_not_found_by_k3s_itself() {
        for (item, is_found) in [
            ("bind-address=10.77.0.2", false),
            ("bind-address=127.0.0.2", false),
            ("bind-address=0.0.0.0", true),
            ("bind-address=::", true),
            ("bind-address=127.0.0.1", true),
            ("secure-port=7000", false),
            ("secure-port=6443", false),
            ("secure-port=6444", true),
            ("secure-port+=6444", true),
            ("secure-port+=7000", false),
        ] {
            let found = ending("kube-apiserver-arg", &[item]);
            assert_eq!(found.is_none(), is_found, "{item}: {found:?}");
        }
        let own = [
            ("https-listen-port", "7443"),
            ("kube-apiserver-arg", "secure-port=7444"),
        ];
        assert_eq!(reason("1.36.3", &own), "");
        let bound = ("apiserver-bind-address", "10.77.0.2");
        for (supervisor, ends) in [("9345", false), ("6443", true), ("0", true)] {
            let found = reason("1.36.3", &[bound, ("supervisor-port", supervisor)]);
            assert_eq!(!found.is_empty(), ends, "{supervisor}: {found}");
        }
    }

    /// Asked of a real 1.24.4 and 1.31.4.
    #[test]
    fn behind_an_apiserver_that_is_elsewhere_older_releases_read_no_other_flags() {
        for version in ["1.24.4", "1.31.4"] {
            for (item, waits) in [
                ("bind-address=10.77.0.2", true),
                ("secure-port=7000", true),
                ("bind-address=0.0.0.0", false),
                ("secure-port=6444", false),
            ] {
                let options = vec![
                    ("kube-apiserver-arg", vec![item]),
                    ("kube-controller-manager-arg", vec!["nope=1"]),
                ];
                let start = with(options, version, Role::Server);
                assert_eq!(start.endings.is_empty(), waits, "{version} {item}");
                let warned = start
                    .warnings
                    .iter()
                    .any(|warning| warning.contains("never says that it is ready"));
                assert_eq!(warned, waits, "{version} {item}: {:?}", start.warnings);
            }
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
}
