//! The networks that the controller manager hands out to nodes.

use super::Line;
use crate::k3s::component::Argument;
use crate::k3s::component::network::Network;
use crate::k3s::go_value::boolean;

/// The networks that nodes get theirs from (kubernetes `cmd/kube-controller-manager/app/core.go`
/// newNodeIpamController, `pkg/controller/nodeipam`; 1.20 has the same).
pub(super) fn judge(line: &mut Line<'_>) {
    let off = |flag: &str| {
        line.last(flag)
            .is_some_and(|argument| boolean(&argument.value) == Some(false))
    };
    let left_out = line
        .words("controllers")
        .iter()
        .any(|(word, _)| matches!(*word, "-nodeipam" | "-node-ipam-controller"));
    let from_cloud = line.given("cidr-allocator-type").is_some();
    let Some(argument) = line.last("cluster-cidr") else {
        return;
    };
    if off("allocate-node-cidrs") || left_out {
        return;
    }
    if let Some(kind) = line.given("cidr-allocator-type")
        && kind.value != "RangeAllocator"
        && line.minor() >= 31
    {
        let reason = format!(
            "built-in cloud providers are disabled. The ipam {} is not available",
            kind.value
        );
        line.end(&reason, Some(kind));
        return;
    }
    if from_cloud {
        return;
    }
    let words: Vec<&str> = argument.value.trim().split(',').collect();
    let bad = words
        .iter()
        .enumerate()
        .find(|(_, word)| Network::parse_sloppy(word).is_none());
    if let Some((index, word)) = bad {
        let reason = format!("invalid CIDR[{index}]: <nil> (invalid CIDR address: {word})");
        line.end(&reason, Some(argument));
        return;
    }
    if let Some(reason) = not_of_two_families(&words) {
        line.end(&reason, Some(argument));
        return;
    }
    let networks: Vec<Network> = words
        .iter()
        .filter_map(|word| Network::parse_sloppy(word))
        .collect();
    let masks = Masks::of(line);
    if let Some((reason, given)) = masks.refused(&networks) {
        line.end(reason, Some(given));
        return;
    }
    let refused = networks
        .iter()
        .find_map(|network| masks.unfit(network, networks.len()));
    if let Some((reason, given)) = refused {
        line.end(reason, Some(given.unwrap_or(argument)));
    }
}

/// The lengths of the networks that nodes get, as arguments give them; none and 0 leave it to the defaults
/// (`cmd/kube-controller-manager/app/core.go` setNodeCIDRMaskSizes, `pkg/controller/nodeipam`).
struct Masks<'a> {
    one: Option<(i128, &'a Argument)>,
    of_ipv4: Option<(i128, &'a Argument)>,
    of_ipv6: Option<(i128, &'a Argument)>,
    minor: u16,
}

/// Read in the sources of 1.24.4, 1.31.4 and 1.36.3; of older ones only the one mask for all is judged.
const DEFAULTS_SINCE_MINOR: u16 = 24;
const DEFAULT_IPV4: i128 = 24;
const DEFAULT_IPV6: i128 = 64;
/// As many bits may lie between an IPv6 network and those of the nodes (`nodeipam/ipam/cidrset` clusterSubnetMaxDiff).
const BITS_BETWEEN: i128 = 16;
const TOO_SMALL: &str = "Controller: Invalid --cluster-cidr, mask size of cluster CIDR must be less than or equal to \
                         --node-cidr-mask-size configured for CIDR family";

impl<'a> Masks<'a> {
    fn of(line: &Line<'a>) -> Self {
        let given = |flag: &str| {
            let number = line.flags.number(line.arguments, flag);
            number.filter(|(size, _)| *size != 0)
        };
        Self {
            one: given("node-cidr-mask-size"),
            of_ipv4: given("node-cidr-mask-size-ipv4"),
            of_ipv6: given("node-cidr-mask-size-ipv6"),
            minor: line.minor(),
        }
    }

    /// Why these would not be taken together with as many networks of such families, and which one.
    fn refused(&self, networks: &[Network]) -> Option<(&'static str, &'a Argument)> {
        let of_family = self.of_ipv4.or(self.of_ipv6);
        let (reason, (_, given)) = match (networks, self.one, self.of_ipv4, self.of_ipv6) {
            _ if self.minor < DEFAULTS_SINCE_MINOR => return None,
            ([_, _, ..], Some(one), _, _) => (
                "usage of --node-cidr-mask-size is not allowed with dual-stack clusters",
                one,
            ),
            ([_], Some(_), _, _) => (
                "usage of --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 is not allowed if --node-cidr-mask-size \
                 is set",
                of_family?,
            ),
            ([network], _, Some(given), _) if network.is_ipv6() => (
                "usage of --node-cidr-mask-size-ipv4 is not allowed for a single-stack IPv6 cluster",
                given,
            ),
            ([network], _, _, Some(given)) if !network.is_ipv6() => (
                "usage of --node-cidr-mask-size-ipv6 is not allowed for a single-stack IPv4 cluster",
                given,
            ),
            _ => return None,
        };
        Some((reason, given))
    }

    /// Why a network of pods does not do with the length of its nodes' networks, and what gives that if anything does.
    fn unfit(
        &self,
        network: &Network,
        count: usize,
    ) -> Option<(&'static str, Option<&'a Argument>)> {
        let (of_family, default) = match network.is_ipv6() {
            true => (self.of_ipv6, DEFAULT_IPV6),
            false => (self.of_ipv4, DEFAULT_IPV4),
        };
        let is_old = self.minor < DEFAULTS_SINCE_MINOR;
        if is_old && (self.one.is_none() || count > 1) {
            return None;
        }
        let given = self.one.or(of_family);
        let size = given.map_or(default, |(size, _)| size);
        let prefix = i128::from(network.prefix());
        let reason = match size - prefix {
            ..0 => TOO_SMALL,
            bits if bits > BITS_BETWEEN && network.is_ipv6() && !is_old => {
                "New CIDR set failed; the node CIDR size is too big"
            }
            _ => return None,
        };
        Some((reason, given.map(|(_, argument)| argument)))
    }
}

/// Why several networks of pods would not do (`cmd/kube-controller-manager/app/core.go` validateCIDRs).
fn not_of_two_families(words: &[&str]) -> Option<String> {
    let networks = words.iter().filter_map(|word| Network::parse_sloppy(word));
    let are_ipv6: Vec<bool> = networks.map(|network| network.is_ipv6()).collect();
    let is_dual = are_ipv6.contains(&true) && are_ipv6.contains(&false);
    match (words.len(), is_dual) {
        (count @ 2.., false) => Some(format!(
            "len of ClusterCIDRs=={count} and they are not configured as dual stack (at least one from each IPFamily"
        )),
        (count @ 3.., true) => Some(format!(
            "length of clusterCIDRs is:{count} more than max allowed of 2"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, reason, with};

    const TOO_SMALL: &str = "mask size of cluster CIDR must be less than or equal to";
    const TOO_BIG: &str = "the node CIDR size is too big";

    /// Asked of a real 1.36.3.
    #[test]
    fn the_network_of_pods_has_room_for_the_networks_of_nodes() {
        for (networks, arguments, words) in [
            ("10.42.0.0/28", &[][..], TOO_SMALL),
            ("10.42.0.0/25", &[], TOO_SMALL),
            ("10.42.0.0/24", &[], ""),
            ("10.42.0.0/16,fd00::/72", &[], TOO_SMALL),
            ("10.42.0.0/16,fd00::/40", &[], TOO_BIG),
            ("10.42.0.0/16,fd00::/48", &[], ""),
            ("10.42.0.0/25", &["node-cidr-mask-size-ipv4=26"], ""),
            ("10.42.0.0/25", &["node-cidr-mask-size=26"], ""),
            ("10.42.0.0/16", &["node-cidr-mask-size=12"], TOO_SMALL),
            (
                "10.42.0.0/16,fd00::/56",
                &["node-cidr-mask-size=24"],
                "not allowed with dual-stack clusters",
            ),
            (
                "10.42.0.0/16",
                &["node-cidr-mask-size=24", "node-cidr-mask-size-ipv4=24"],
                "is not allowed if --node-cidr-mask-size is set",
            ),
            (
                "10.42.0.0/16",
                &["node-cidr-mask-size-ipv6=64"],
                "not allowed for a single-stack IPv4 cluster",
            ),
            ("10.42.0.0/25", &["allocate-node-cidrs=false"], ""),
        ] {
            let services = match networks.contains(',') {
                true => "10.43.0.0/16,fd01::/112",
                false => "10.43.0.0/16",
            };
            let options = vec![
                ("cluster-cidr", vec![networks]),
                ("service-cidr", vec![services]),
                ("kube-controller-manager-arg", arguments.to_vec()),
            ];
            let start = with(options, "1.36.3", Role::Server);
            let found = start.endings.into_iter().next();
            let found = found.map(|ending| ending.reason).unwrap_or_default();
            let as_said = found.contains(words) && found.is_empty() == words.is_empty();
            assert!(as_said, "{networks}: {found}");
        }
        let network = [("cluster-cidr", "10.42.0.0/25")];
        for (version, ends) in [("1.24.4", true), ("1.31.4", true), ("1.23.4", false)] {
            assert_eq!(!reason(version, &network).is_empty(), ends, "{version}");
        }
    }

    #[test]
    fn several_networks_are_of_two_families_and_k3s_itself_hands_them_out() {
        let of = |item: &str| ending("kube-controller-manager-arg", &[item]).unwrap_or_default();
        let same = of("cluster-cidr=10.42.0.0/16,10.44.0.0/16");
        assert!(
            same.contains("len of ClusterCIDRs==2 and they are not"),
            "{same}"
        );
        let three = of("cluster-cidr=10.42.0.0/16,fd00::/56,fd01::/56");
        assert!(three.contains("is:3 more than max allowed of 2"), "{three}");
        assert!(of("cidr-allocator-type=abc").contains("The ipam abc is not available"));
        assert_eq!(of("cidr-allocator-type=RangeAllocator"), "");
        // Asked of a real 1.36.3.
        let none = of("cluster-cidr=");
        assert!(none.contains("(invalid CIDR address: )"), "{none}");
    }
}
