//! Addresses and networks, as K3s parses and prints them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network in CIDR form, with its host bits cleared as Go's `net.ParseCIDR` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.42.0.0/16`; `None` where K3s would refuse it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let prefix: u8 = prefix.parse().ok()?;
        let address = match address.parse().ok()? {
            IpAddr::V4(address) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
            _ => return None,
        };
        Some(match (address, prefix.checked_sub(96)) {
            // Go prints and takes it as the IPv4 network that it is.
            (IpAddr::V6(mapped), Some(prefix)) if mapped.to_ipv4_mapped().is_some() => Self {
                address: IpAddr::V4(mapped.to_ipv4_mapped()?),
                prefix,
            },
            _ => Self { address, prefix },
        })
    }

    /// Reads it as Kubernetes does, which passes over zeros before a number (k8s.io/utils `net` ParseCIDRSloppy).
    pub(super) fn parse_sloppy(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        if address.contains(':') {
            return Self::parse(text);
        }
        let bare = |number: &str| match number.trim_start_matches('0') {
            "" if !number.is_empty() => "0".to_owned(),
            rest => rest.to_owned(),
        };
        let numbers: Vec<String> = address.split('.').map(bare).collect();
        Self::parse(&format!("{}/{prefix}", numbers.join(".")))
    }

    /// Whether it is an IPv6 network.
    pub(super) fn is_ipv6(&self) -> bool {
        self.address.is_ipv6()
    }

    /// The length of its prefix.
    pub(super) fn prefix(&self) -> u8 {
        self.prefix
    }

    /// How many bits are left for addresses.
    pub(super) fn address_bits(&self) -> u8 {
        let bits = if self.is_ipv6() { 128 } else { 32 };
        bits - self.prefix
    }

    /// The address at an index of the network, where it has that many.
    pub(super) fn nth(&self, index: u8) -> Option<IpAddr> {
        let bits = if self.is_ipv6() { 128 } else { 32 };
        let size = 1_u128.checked_shl(bits - u32::from(self.prefix));
        if size.is_some_and(|size| u128::from(index) >= size) {
            return None;
        }
        match self.address {
            IpAddr::V4(address) => address
                .to_bits()
                .checked_add(u32::from(index))
                .map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
            IpAddr::V6(address) => address
                .to_bits()
                .checked_add(u128::from(index))
                .map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

/// Values joined by commas.
pub(super) fn joined<T: std::fmt::Display>(values: &[T]) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_cleared_and_bad_networks_refused() {
        let print = |text: &str| Network::parse(text).map(|network| network.to_string());
        assert_eq!(print("10.9.3.4/16"), Some("10.9.0.0/16".to_owned()));
        assert_eq!(print("fd00:42::5/56"), Some("fd00:42::/56".to_owned()));
        assert_eq!(print("0.0.0.0/0"), Some("0.0.0.0/0".to_owned()));
        assert_eq!(print("::ffff:10.9.0.0/112"), Some("10.9.0.0/16".to_owned()));
        for bad in ["10.9.0.0", "10.9.0.0/33", "x/8", "10.9.0.0/+8", "::/129"] {
            assert_eq!(print(bad), None, "{bad}");
        }
    }

    #[test]
    fn kubernetes_passes_over_zeros_before_a_number() {
        let ten = Network::parse("10.1.0.0/16");
        assert_eq!(Network::parse_sloppy("010.001.0.00/16"), ten);
        assert!(Network::parse_sloppy("fd00::/8").is_some());
        for bad in ["10..0.0/8", "x/8", "10.1.0.0"] {
            assert_eq!(Network::parse_sloppy(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_dns_address_is_the_tenth_of_the_service_network() {
        let tenth = |text: &str| Network::parse(text).unwrap().nth(10);
        assert_eq!(tenth("10.43.0.0/16"), Some("10.43.0.10".parse().unwrap()));
        assert_eq!(tenth("10.43.0.0/29"), None);
        assert_eq!(tenth("fd00:43::/112"), Some("fd00:43::a".parse().unwrap()));
    }
}
