//! The addresses and networks that K3s's arguments name.

use std::net::IpAddr;

use super::Situation;
use crate::k3s::Role;
use crate::k3s::component::network::{Network, joined};
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Since;
use crate::k3s::component::value::port_range;
use crate::k3s::component::{AUTO, Node};

/// From these releases on the first address is the one that counts; before them the first of IPv4, where there is one
/// (K3s f2c711737 "Take IPFamily precedence based on order").
const FIRST_ADDRESS_COUNTS: &str = "1.25.15+1.26.10+1.27.7+1.28.3";
/// The same change gives the kubelet every address of the node.
const EVERY_ADDRESS: &str = FIRST_ADDRESS_COUNTS;
/// `advertise-address` had taken the first address before (K3s 32d62c578).
const FIRST_IS_ADVERTISED: &str = "1.24.11+1.25.7+1.26.2";
/// The first two addresses change places where the first is not of the family of the first cluster network (K3s
/// 88c431aea).
const ADDRESSES_FOLLOW_NETWORKS: &str = "1.27.12+1.28.8+1.29.3";
/// Up to here the kubelet listens where `bind-address` says; before, that was for the apiserver's clients alone (K3s
/// ff679fb3a).
const KUBELET_BINDS: &str = "1.30.2";

fn since(releases: &str, node: &Node) -> bool {
    Since::parse(releases).is_some_and(|since| since.reached(node.version))
}

/// The family that decides K3s's defaults: IPv6, or not.
fn prefers_ipv6(addresses: &[IpAddr], node: &Node) -> bool {
    if since(FIRST_ADDRESS_COUNTS, node) {
        addresses.first().is_some_and(IpAddr::is_ipv6)
    } else {
        !addresses.is_empty() && addresses.iter().all(IpAddr::is_ipv6)
    }
}

impl Situation {
    pub(super) fn addresses(&mut self, options: Options<'_>, node: &Node) {
        let mut addresses: Vec<IpAddr> = options
            .words("node-ip")
            .filter_map(|(word, _)| word.parse().ok())
            .collect();
        self.when("ipv6-defaults", prefers_ipv6(&addresses, node));
        let first_network = options.words("cluster-cidr").next();
        let first_network = first_network.and_then(|(word, _)| Network::parse(word));
        if let (Some(network), [first, second, ..]) = (first_network, addresses.as_mut_slice())
            && since(ADDRESSES_FOLLOW_NETWORKS, node)
            && network.is_ipv6() != first.is_ipv6()
        {
            std::mem::swap(first, second);
        }
        let ipv6 = prefers_ipv6(&addresses, node);
        let vpn = options.text("vpn-auth").is_some() || options.text("vpn-auth-file").is_some();
        let of_family = |address: &&IpAddr| address.is_ipv6() == ipv6;
        let shown = match addresses.iter().find(of_family) {
            _ if vpn => AUTO.to_owned(),
            None => AUTO.to_owned(),
            Some(_) if since(EVERY_ADDRESS, node) && !options.on("disable-cloud-controller") => {
                joined(&addresses)
            }
            Some(first) => first.to_string(),
        };
        self.when("node-ip", !addresses.is_empty() || vpn);
        let is_other = |address: &IpAddr| address.is_ipv6() != ipv6;
        self.when("dual-node-ip", addresses.iter().any(is_other));
        self.put("node-ip", shown);
        self.put("node-loopback", if ipv6 { "::1" } else { "127.0.0.1" });
        let listen = if ipv6 { "::" } else { "0.0.0.0" };
        let bound = options.text("bind-address");
        let bound = bound.filter(|_| since(KUBELET_BINDS, node));
        self.put("bind-address", bound.unwrap_or(listen));
        let name = match options.text("node-name") {
            Some(name) if !options.on("with-node-id") => name.to_lowercase(),
            _ => AUTO.to_owned(),
        };
        self.put("node-name", name);
        self.advertised(options, vpn, node);
    }

    /// `advertise-address` is passed on only where something leads to one (pkg/cli/server/server.go).
    fn advertised(&mut self, options: Options<'_>, vpn: bool, node: &Node) {
        let ordered = since(FIRST_IS_ADVERTISED, node);
        let first = |name: &str| {
            let words = options.words(name).map(|(word, _)| word);
            let given = words.filter_map(|word| Some((word, word.parse::<IpAddr>().ok()?)));
            let given: Vec<(&str, IpAddr)> = given.collect();
            let (first, _) = given.first()?;
            if ordered {
                return Some((*first).to_owned());
            }
            let ipv4 = given.iter().find(|(_, address)| address.is_ipv4());
            ipv4.or(given.first())
                .map(|(_, address)| address.to_string())
        };
        let interface = options.text("flannel-iface").map(|_| AUTO.to_owned());
        let address = if vpn {
            Some(AUTO.to_owned())
        } else {
            let told = options.text("advertise-address").map(str::to_owned);
            told.or_else(|| first("node-external-ip"))
                .or_else(|| first("node-ip"))
                .or(interface)
        };
        self.given("advertise-address", address.as_deref());
        let https = options.number("https-listen-port", 6443);
        let or = |number: i64, other: i64| if number == 0 { other } else { number };
        let advertised = or(options.number("advertise-port", 0), https);
        // Go wraps, and so K3s gets as far as listening there.
        let next = or(https, 6443).wrapping_add(1);
        let internal = or(options.number("apiserver-port", 0), next);
        self.put("advertise-port", advertised.to_string());
        self.put("apiserver-port", internal.to_string());
    }

    pub(super) fn networks(&mut self, options: Options<'_>, node: &Node) {
        let ipv6 = self.holds("ipv6-defaults");
        let networks = |name: &str, default: &str| -> Vec<Network> {
            let given: Vec<Network> = options
                .words(name)
                .filter_map(|(word, _)| Network::parse(word))
                .collect();
            if given.is_empty() {
                Network::parse(default).into_iter().collect()
            } else {
                given
            }
        };
        let clusters = networks(
            "cluster-cidr",
            if ipv6 { "fd00:42::/56" } else { "10.42.0.0/16" },
        );
        let services = networks(
            "service-cidr",
            if ipv6 {
                "fd00:43::/112"
            } else {
                "10.43.0.0/16"
            },
        );
        let ordered = since(FIRST_ADDRESS_COUNTS, node);
        let decisive = if ordered { 1 } else { services.len() };
        let loopback = match services.iter().take(decisive).all(Network::is_ipv6) {
            true => "::1",
            false => "127.0.0.1",
        };
        self.when(
            "ipv6",
            clusters.iter().chain(&services).any(Network::is_ipv6),
        );
        self.put("loopback", loopback);
        self.put(
            "apiserver-bind-address",
            options.text("apiserver-bind-address").unwrap_or(loopback),
        );
        let server = node.role == Role::Server;
        let known = |text: String| if server { text } else { AUTO.to_owned() };
        self.put("cluster-dns", known(cluster_dns(options, node, &services)));
        self.put("cluster-cidr", known(joined(&clusters)));
        self.put("service-cidr", known(joined(&services)));
        let ports = options.text("service-node-port-range");
        let ports = ports.unwrap_or("30000-32767");
        let ports = match port_range(ports) {
            Some((first, last)) => format!("{first}-{last}"),
            None => ports.to_owned(),
        };
        self.put("service-node-port-range", ports);
    }
}

/// The operator's addresses, or the tenth of each service network; before the families' order counted, of the first of
/// IPv4 only (K3s 0b23a478c).
fn cluster_dns(options: Options<'_>, node: &Node, services: &[Network]) -> String {
    let given = options.words("cluster-dns");
    let given: Vec<IpAddr> = given.filter_map(|(word, _)| word.parse().ok()).collect();
    if !given.is_empty() {
        return joined(&given);
    }
    let tenth = |network: &Network| network.nth(10);
    let tenths: Vec<IpAddr> = if since(FIRST_ADDRESS_COUNTS, node) {
        services.iter().filter_map(tenth).collect()
    } else {
        let ipv4 = services.iter().find(|network| !network.is_ipv6());
        ipv4.or(services.first())
            .and_then(tenth)
            .into_iter()
            .collect()
    };
    joined(&tenths)
}
