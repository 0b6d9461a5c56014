//! IPv4, IPv6 or both: the networks of a cluster, the addresses of its nodes and of its DNS have to agree.

use std::net::IpAddr;

use crate::k3s::Ending;
use crate::k3s::component::Node;
use crate::k3s::component::network::Network;
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Since;

/// From these releases on the first network or address is the one that counts (K3s f2c711737), and DNS may have both
/// families (0b23a478c).
const FIRST_COUNTS: &str = "1.25.15+1.26.10+1.27.7+1.28.3";
/// The agent compares the networks (K3s 314e3f56d).
const COMPARED_SINCE: &str = "1.24.0";

/// What a server with these networks and addresses refuses, in the order of its code.
pub(super) fn endings(options: Options<'_>, node: &Node) -> Vec<Ending> {
    let mut found = Vec::from_iter(dns(options, node));
    let has_agent = !options.on("disable-agent") && !options.on("cluster-reset");
    if has_agent && since(COMPARED_SINCE, node) {
        found.extend(of_agent(options, node));
    }
    found
}

fn since(releases: &str, node: &Node) -> bool {
    Since::parse(releases).is_some_and(|since| since.reached(node.version))
}

/// The families of some networks or addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Families {
    /// Both are there.
    dual: bool,
    /// The one that counts is IPv6.
    ipv6: bool,
}

impl Families {
    /// `None` where there are none.
    fn of(are_ipv6: &[bool], node: &Node) -> Option<Self> {
        let first = *are_ipv6.first()?;
        let all = are_ipv6.iter().all(|is_ipv6| *is_ipv6);
        Some(Self {
            dual: are_ipv6.iter().any(|is_ipv6| *is_ipv6 != first),
            ipv6: if since(FIRST_COUNTS, node) {
                first
            } else {
                all
            },
        })
    }

    fn of_networks(options: Options<'_>, name: &str, node: &Node) -> Option<Self> {
        let networks = options.words(name);
        let networks = networks.filter_map(|(word, _)| Network::parse(word));
        let are_ipv6: Vec<bool> = networks.map(|network| network.is_ipv6()).collect();
        Self::of(&are_ipv6, node)
    }

    fn of_addresses(options: Options<'_>, name: &str, node: &Node) -> Option<Self> {
        let addresses = options.words(name);
        let addresses = addresses.filter_map(|(word, _)| word.parse::<IpAddr>().ok());
        let are_ipv6: Vec<bool> = addresses.map(|address| address.is_ipv6()).collect();
        Self::of(&are_ipv6, node)
    }
}

/// A DNS of both families was refused at first (pkg/cli/server/server.go validateNetworkConfiguration).
fn dns(options: Options<'_>, node: &Node) -> Option<Ending> {
    let given = Families::of_addresses(options, "cluster-dns", node)?;
    let refused = given.dual && !since(FIRST_COUNTS, node);
    refused.then(|| {
        let reason = "dual-stack cluster-dns is not supported".to_owned();
        Ending::of_k3s(reason, options.place("cluster-dns"))
    })
}

/// The agent of the server (pkg/agent/run.go). What addresses a node has by itself is not known here; K3s's own
/// networks are of one family, that of the node.
fn of_agent(options: Options<'_>, node: &Node) -> Option<Ending> {
    let vpn = options.text("vpn-auth").is_some() || options.text("vpn-auth-file").is_some();
    let addresses = Families::of_addresses(options, "node-ip", node).filter(|_| !vpn);
    let default = addresses.map(|Families { ipv6, .. }| Families { dual: false, ipv6 });
    let networks = |name: &str| Families::of_networks(options, name, node).or(default);
    let (clusters, services) = (networks("cluster-cidr"), networks("service-cidr"));
    let is_dual = |families: Option<Families>| families.is_some_and(|families| families.dual);
    let differ = match (clusters, services) {
        (Some(clusters), Some(services)) => clusters != services,
        _ => is_dual(clusters) != is_dual(services),
    };
    let must = "must share the same IP version (IPv4, IPv6 or dual-stack)";
    let place = |names: &[&str]| names.iter().find_map(|name| options.place(name));
    if differ {
        let reason = format!("cluster-cidr and service-cidr, {must}");
        return Some(Ending::of_k3s(
            reason,
            place(&["service-cidr", "cluster-cidr"]),
        ));
    }
    let (clusters, addresses) = (clusters?, addresses?);
    // A node of both families suits a cluster of either, since the order counts.
    let suits = (addresses.dual && since(FIRST_COUNTS, node)) || addresses.ipv6 == clusters.ipv6;
    let fits = suits && (addresses.dual || !clusters.dual);
    (!fits).then(|| {
        let reason = format!("cluster-cidr and node-ip, {must}");
        Ending::of_k3s(reason, place(&["cluster-cidr", "node-ip"]))
    })
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::reason;

    const DUAL_CLUSTER: (&str, &str) = ("cluster-cidr", "10.9.0.0/16,fd00:9::/56");
    const DUAL_SERVICE: (&str, &str) = ("service-cidr", "10.8.0.0/16,fd00:8::/112");

    #[test]
    fn both_networks_are_of_the_same_families() {
        let must = "cluster-cidr and service-cidr, must share the same IP version";
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            for options in [
                &[DUAL_CLUSTER][..],
                &[DUAL_SERVICE],
                &[
                    ("cluster-cidr", "fd00:9::/56"),
                    ("service-cidr", "10.8.0.0/16"),
                ],
                &[("cluster-cidr", "fd00:9::/56"), ("node-ip", "10.77.0.2")],
            ] {
                let found = reason(version, options);
                assert!(found.starts_with(must), "{version} {options:?}: {found}");
            }
            // Whether its node suits is not known.
            assert_eq!(reason(version, &[DUAL_CLUSTER, DUAL_SERVICE]), "");
            assert_eq!(reason(version, &[("cluster-cidr", "10.9.0.0/16")]), "");
        }
        assert_eq!(reason("1.23.17", &[DUAL_CLUSTER]), "");
        let alone = ("disable-agent", "true");
        assert_eq!(reason("1.36.3", &[DUAL_CLUSTER, alone]), "");
    }

    #[test]
    fn a_node_has_the_families_of_its_cluster() {
        let networks = |node_ip| [DUAL_CLUSTER, DUAL_SERVICE, ("node-ip", node_ip)];
        let must = "cluster-cidr and node-ip, must share the same IP version";
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            let found = reason(version, &networks("10.77.0.2"));
            assert!(found.starts_with(must), "{version}: {found}");
            assert_eq!(
                reason(version, &networks("10.77.0.2,fd77::2")),
                "",
                "{version}"
            );
        }
    }

    #[test]
    fn a_dns_of_both_families_was_refused_once() {
        let options = [("cluster-dns", "10.43.0.10,fd00:43::a")];
        assert_eq!(
            reason("1.24.4", &options),
            "dual-stack cluster-dns is not supported"
        );
        assert_eq!(reason("1.31.4", &options), "");
    }
}
