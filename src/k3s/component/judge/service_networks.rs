//! The networks of services that kube-apiserver gives addresses from (`cmd/kube-apiserver/app/options/validation.go`).

use std::net::IpAddr;

use super::Line;
use crate::k3s::Place;
use crate::k3s::component::Argument;
use crate::k3s::component::network::Network;

/// Read in the sources of 1.24.4, 1.31.4 and 1.36.3; from when on it is so before, nobody looked.
const FAMILIES_SINCE_MINOR: u16 = 24;

/// Judges them, and that the first has the family of the address that is given out.
pub(super) fn judge(line: &mut Line<'_>) {
    networks(line);
    families(line);
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
    use crate::k3s::component::tests::reason;

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
}
