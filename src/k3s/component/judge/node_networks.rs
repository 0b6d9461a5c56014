//! The networks that the controller manager hands out to nodes.

use super::Line;
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
    let mask = line.flags.number(line.arguments, "node-cidr-mask-size");
    if let ([word], Some((size, given))) = (words.as_slice(), mask)
        && size > 0
        && Network::parse_sloppy(word).is_some_and(|network| i128::from(network.prefix()) > size)
    {
        line.end(
            "Controller: Invalid --cluster-cidr, mask size of cluster CIDR must be less than or equal to \
             --node-cidr-mask-size configured for CIDR family",
            Some(given),
        );
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
    use crate::k3s::component::tests::ending;

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
