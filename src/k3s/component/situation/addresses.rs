//! The addresses and networks that K3s's arguments name.

use std::net::IpAddr;

use super::Situation;
use crate::k3s::Role;
use crate::k3s::component::network::{Network, joined};
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Since;
use crate::k3s::component::value::port_range;
use crate::k3s::component::{AUTO, Node};

impl Situation {
    pub(super) fn addresses(&mut self, options: Options<'_>, node: &Node) {
        let addresses: Vec<IpAddr> = options
            .words("node-ip")
            .filter_map(|(word, _)| word.parse().ok())
            .collect();
        let ipv6 = addresses.first().is_some_and(IpAddr::is_ipv6);
        let several = Since::parse("1.25.15+1.26.10+1.27.7+1.28.3")
            .is_some_and(|since| since.reached(node.version));
        let vpn = options.text("vpn-auth").is_some() || options.text("vpn-auth-file").is_some();
        let shown = match addresses.first() {
            _ if vpn => AUTO.to_owned(),
            None => AUTO.to_owned(),
            Some(_) if several && !options.on("disable-cloud-controller") => joined(&addresses),
            Some(first) => first.to_string(),
        };
        self.when("node-ip", !addresses.is_empty() || vpn);
        let is_other = |address: &IpAddr| address.is_ipv6() != ipv6;
        self.when("dual-node-ip", addresses.iter().any(is_other));
        self.put("node-ip", shown);
        self.put("node-loopback", if ipv6 { "::1" } else { "127.0.0.1" });
        let listen = if ipv6 { "::" } else { "0.0.0.0" };
        self.put(
            "bind-address",
            options.text("bind-address").unwrap_or(listen),
        );
        let name = match options.text("node-name") {
            Some(name) if !options.on("with-node-id") => name.to_lowercase(),
            _ => AUTO.to_owned(),
        };
        self.put("node-name", name);
        self.advertised(options, vpn);
    }

    /// `advertise-address` is passed on only where something leads to one (pkg/cli/server/server.go).
    fn advertised(&mut self, options: Options<'_>, vpn: bool) {
        let first = |name: &str| {
            options
                .words(name)
                .find(|(word, _)| word.parse::<IpAddr>().is_ok())
                .map(|(word, _)| word)
        };
        let interface = options.text("flannel-iface").map(|_| AUTO);
        let address = if vpn {
            Some(AUTO)
        } else {
            options
                .text("advertise-address")
                .or_else(|| first("node-external-ip"))
                .or_else(|| first("node-ip"))
                .or(interface)
        };
        self.given("advertise-address", address);
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
        let ipv6 = self.value("node-loopback") == "::1";
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
        let loopback = match services.first() {
            Some(network) if network.is_ipv6() => "::1",
            _ => "127.0.0.1",
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

/// The operator's addresses, or the tenth of each service network (before 1.28.3 of the first only).
fn cluster_dns(options: Options<'_>, node: &Node, services: &[Network]) -> String {
    let given: Vec<&str> = options.words("cluster-dns").map(|(word, _)| word).collect();
    if !given.is_empty() {
        return given.join(",");
    }
    let networks = if (node.version.minor, node.version.patch) >= (28, 3) {
        services
    } else {
        services.get(..1).unwrap_or_default()
    };
    let tenths: Vec<IpAddr> = networks
        .iter()
        .filter_map(|network| network.nth(10))
        .collect();
    joined(&tenths)
}
