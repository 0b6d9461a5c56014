//! What K3s itself refuses before it starts a component (`pkg/cli/server/server.go`).

use std::net::IpAddr;

use super::{
    agent_server, cluster, etcd, families, flannel, helm, ports, runtime, tls, token_file, vpn,
};
use crate::k3s::component::extra::{self, Found};
use crate::k3s::component::minors;
use crate::k3s::component::network::Network;
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Since;
use crate::k3s::component::value::is_port_range;
use crate::k3s::component::{Component, Node};
use crate::k3s::go_duration::nanoseconds;
use crate::k3s::{Ending, Files, Role};

/// K3s's own refusals, in the order of its code.
pub(super) fn endings(options: Options<'_>, node: &Node, files: &Files<'_>) -> Vec<Ending> {
    let mut found = token_file::endings(options, node, files);
    found.extend(vpn::endings(options));
    found.extend(addresses(options, &["node-ip"]));
    if node.role == Role::Agent {
        found.extend(joins_nothing(options, node, files));
        found.extend(agent_server::ending(options, node));
        found.extend(ports::of_load_balancer(options));
        found.extend(runtime::endings(options, node));
        return found;
    }
    found.extend(combinations(options, node));
    found.extend(networks(options));
    found.extend(modes(options, node));
    found.extend(tls(options, node));
    found.extend(panics(options, node));
    found.extend(helm::endings(options, node));
    found.extend(cluster::endings(options, node, files));
    found.extend(intervals(options, node));
    found.extend(families::endings(options, node));
    found.extend(runtime::endings(options, node));
    found.extend(flannel::endings(options, node, files));
    found.extend(etcd::endings(options, node, files));
    found
}

/// What K3s never gets past, without an end: it asks for the configuration of its agent until that can be read
/// (pkg/agent/config/config.go Get).
pub(super) fn waits(options: Options<'_>) -> Vec<String> {
    let words = options.exact_words("node-external-ip");
    let wrong = words.filter(|(word, _)| word.parse::<IpAddr>().is_err());
    wrong
        .map(|(word, place)| {
            format!(
                "{place}: K3s would wait for ever and not get ready: invalid node-external-ip {word:?}; write an IP address, or \
                 take it out"
            )
        })
        .collect()
}

/// An agent is told where its cluster is and what lets it in, which a node that joined once no longer needs
/// (pkg/cli/agent/agent.go).
fn joins_nothing(options: Options<'_>, node: &Node, files: &Files<'_>) -> Vec<Ending> {
    if !options.are_settled() || node.version.minor > minors::NEWEST {
        return Vec::new();
    }
    let lets_in = ["token", "token-file", "cluster-secret"];
    let has_token = lets_in.iter().any(|name| options.text(name).is_some());
    let certificate = node.data_dir.join("agent/client-kubelet.crt");
    // What cannot be looked at may be there.
    let has_joined = !matches!(files.kind(&certificate), Ok(None));
    let lacks = [
        ("token", !has_token && !has_joined),
        ("server", options.text("server").is_none()),
    ];
    let lacks = lacks.into_iter().filter(|(_, lacks)| *lacks);
    lacks
        .map(|(name, _)| Ending::of_k3s(format!("--{name} is required"), options.place(name)))
        .collect()
}

fn addresses(options: Options<'_>, names: &[&str]) -> Vec<Ending> {
    let mut found = Vec::new();
    for name in names {
        for (word, place) in options.exact_words(name) {
            if word.parse::<IpAddr>().is_err() {
                found.push(Ending::of_k3s(
                    format!("invalid {name} {word}"),
                    Some(place),
                ));
            }
        }
    }
    found
}

fn combinations(options: Options<'_>, node: &Node) -> Vec<Ending> {
    let since =
        |releases: &str| Since::parse(releases).is_some_and(|since| since.reached(node.version));
    // K3s 3f649e3bc and b6ab24c4f.
    let knows_kine = since("1.27.13+1.28.9+1.29.4");
    let knows_reset = since("1.25.15+1.26.10+1.27.7+1.28.3");
    let datastore = options.text("datastore-endpoint").is_some();
    let joins = options.text("server").is_some();
    let rules = [
        (
            "cluster-reset-restore-path",
            options.text("cluster-reset-restore-path").is_some() && !options.on("cluster-reset"),
            "invalid flag use; --cluster-reset required with --cluster-reset-restore-path",
        ),
        (
            "disable-etcd",
            options.on("disable-etcd") && !joins,
            "invalid flag use; --server is required with --disable-etcd",
        ),
        (
            "disable-apiserver",
            options.on("disable-apiserver") && datastore && knows_kine,
            "invalid flag use; cannot use --disable-apiserver with --datastore-endpoint",
        ),
        (
            "disable-etcd",
            options.on("disable-etcd") && datastore && knows_kine,
            "invalid flag use; cannot use --disable-etcd with --datastore-endpoint",
        ),
        (
            "cluster-reset",
            options.on("cluster-reset") && joins && knows_reset,
            "cannot perform cluster-reset while server URL is set",
        ),
    ];
    rules
        .into_iter()
        .filter(|(_, broken, _)| *broken)
        .map(|(name, _, reason)| Ending::of_k3s(reason.to_owned(), options.place(name)))
        .collect()
}

fn networks(options: Options<'_>) -> Vec<Ending> {
    let mut found = Vec::new();
    for name in ["cluster-cidr", "service-cidr"] {
        for (word, place) in options.exact_words(name) {
            if Network::parse(word).is_none() {
                found.push(Ending::of_k3s(
                    format!("invalid {name} {word}"),
                    Some(place),
                ));
            }
        }
    }
    if let Some(range) = options.text("service-node-port-range")
        && !is_port_range(range)
    {
        let place = options.place("service-node-port-range");
        found.push(Ending::of_k3s(format!("invalid port range {range}"), place));
    }
    found.extend(addresses(options, &["cluster-dns"]));
    if found.is_empty() {
        found.extend(too_small(options));
    }
    found
}

/// The tenth address of a service network is the cluster's DNS, and the apiserver wants eight at least (kube-apiserver
/// `app/options/validation.go`).
fn too_small(options: Options<'_>) -> Option<Ending> {
    let given = options.exact_words("service-cidr");
    let networks = given.filter_map(|(word, place)| Some((word, Network::parse(word)?, place)));
    let has_dns = !options.items("cluster-dns").is_empty();
    let mut networks = networks.take(if has_dns { usize::MAX } else { 1 });
    networks.find_map(|(word, network, place)| {
        let reason = match has_dns {
            false if network.nth(10).is_none() => {
                format!("cannot configure default cluster-dns address: {word}: subnet too small")
            }
            true if network.address_bits() < 3 => {
                "apiserver exited: the service cluster IP range must be at least 8 IP addresses"
                    .to_owned()
            }
            _ => return None,
        };
        Some(Ending::of_k3s(reason, Some(place)))
    })
}

/// Times that may not be nothing, from K3s d694dd1db (March 2025) on.
fn intervals(options: Options<'_>, node: &Node) -> Vec<Ending> {
    let names = [
        (
            "etcd-snapshot-reconcile-interval",
            !options.on("etcd-disable-snapshots"),
        ),
        ("etcd-s3-timeout", options.on("etcd-s3")),
    ];
    let judged = names
        .into_iter()
        .filter(|(_, is_read)| *is_read && node.version.minor >= 33);
    judged
        .filter_map(|(name, _)| {
            let given = options.text(name).and_then(nanoseconds)?;
            let reason = format!("{name} must be greater than 0s");
            (given <= 0).then(|| Ending::of_k3s(reason, options.place(name)))
        })
        .collect()
}

fn modes(options: Options<'_>, node: &Node) -> Vec<Ending> {
    let mut found = Vec::new();
    let mut one_of = |name: &str, since: &str, allowed: &[&str]| {
        let known = Since::parse(since).is_some_and(|since| since.reached(node.version));
        if let Some(value) = options.set_to(name)
            && known
            && !allowed.contains(&value)
        {
            let reason = format!(
                "invalid {name} {value}; it is one of {}",
                allowed.join(", ")
            );
            found.push(Ending::of_k3s(reason, options.place(name)));
        }
    };
    one_of(
        "egress-selector-mode",
        "1.24.1",
        &["agent", "cluster", "pod", "disabled"],
    );
    if options.on("secrets-encryption") {
        one_of(
            "secrets-encryption-provider",
            "1.30.12+1.31.8+1.32.4",
            &["aescbc", "secretbox"],
        );
    }
    found
}

/// K3s serves its own port with the apiserver's TLS flags, and reads the first of each only.
fn tls(options: Options<'_>, node: &Node) -> Vec<Ending> {
    let items = options.items(Component::Apiserver.option());
    let mut found = Vec::new();
    if let Found::Value(item, least) = extra::find("tls-min-version", items, node.version)
        && !least.is_empty()
        && !tls::TLS_VERSIONS.contains(&least)
    {
        let reason = format!("invalid tls-min-version: unknown tls version {least:?}");
        found.push(Ending::of_k3s(reason, Some(&item.place)));
    }
    if let Found::Value(item, ciphers) = extra::find("tls-cipher-suites", items, node.version) {
        let names: Vec<&str> = ciphers.split(',').map(str::trim).collect();
        let given = names.first().is_some_and(|first| !first.is_empty());
        if let Some(name) = names.iter().find(|name| given && !tls::is_cipher(name)) {
            let reason = format!(
                "invalid tls-cipher-suites: Cipher suite {name} not supported or doesn't exist"
            );
            found.push(Ending::of_k3s(reason, Some(&item.place)));
        }
    }
    found
}

/// Flags that K3s looks up itself: an item without `=` makes it read past the end of a slice.
fn panics(options: Options<'_>, node: &Node) -> Vec<Ending> {
    let items = options.items(Component::Apiserver.option());
    let looked_up = [
        ("tls-min-version", "1.20.0"),
        ("tls-cipher-suites", "1.20.0"),
        ("authorization-config", "1.30.12+1.31.8+1.32.4"),
        ("authentication-config", "1.30.13+1.31.9+1.32.5+1.33.1"),
    ];
    looked_up
        .into_iter()
        .filter(|(_, since)| Since::parse(since).is_some_and(|since| since.reached(node.version)))
        .filter_map(|(flag, _)| match extra::find(flag, items, node.version) {
            Found::Bare(item) => Some(Ending::of_k3s(
                format!("server panicked: runtime error: kube-apiserver-arg {flag} has no value; write {flag}=VALUE"),
                Some(&item.place),
            )),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::component::tests::with_files;

    #[test]
    fn an_agent_ends_without_its_server_and_without_what_lets_it_in() {
        let certificate = ("/var/lib/rancher/k3s/agent/client-kubelet.crt", "");
        let reasons = |options: &[(&'static str, &'static str)], files: &[(&str, &str)]| {
            let options = options.iter().map(|(name, value)| (*name, vec![*value]));
            let start = with_files(options.collect(), files, "1.36.3", Role::Agent);
            start
                .endings
                .into_iter()
                .map(|ending| ending.reason)
                .collect::<Vec<_>>()
        };
        let (no_token, no_server) = (("token", ""), ("server", ""));
        assert_eq!(reasons(&[], &[]), [""; 0]);
        assert_eq!(reasons(&[no_token], &[]), ["--token is required"]);
        assert_eq!(reasons(&[no_token, ("token-file", "/t")], &[]), [""; 0]);
        assert_eq!(reasons(&[no_token], &[certificate]), [""; 0]);
        assert_eq!(
            reasons(&[no_token, no_server], &[certificate]),
            ["--server is required"]
        );
    }
}
