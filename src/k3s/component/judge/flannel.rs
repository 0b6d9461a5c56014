//! The backend of K3s's own network (pkg/agent/flannel/setup.go createFlannelConf).

use crate::k3s::Ending;
use crate::k3s::component::Node;
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Releases;

/// The backends, each with the releases that have it. `none` is another network's business.
const BACKENDS: [(&str, &str); 7] = [
    ("none", "-"),
    ("vxlan", "-"),
    ("host-gw", "-"),
    ("ipsec", "..1.27.2"),
    ("wireguard", "..1.26.0"),
    ("wireguard-native", "1.23.6.."),
    ("tailscale", "1.27.3.."),
];
/// `backend=key=value,...` was one way to set its options.
const TAKES_OPTIONS: &str = "1.24.1..1.27.2";

/// A server with an agent ends over a backend that it does not have.
pub(super) fn endings(options: Options<'_>, node: &Node) -> Option<Ending> {
    let has_agent = !options.on("disable-agent") && !options.on("cluster-reset");
    // A file of the operator's has the backend then, or a VPN is one.
    let others = ["flannel-conf", "vpn-auth", "vpn-auth-file"];
    let decided = others.iter().any(|name| options.text(name).is_some());
    if !has_agent || decided || options.on("no-flannel") {
        return None;
    }
    let given = options.set_to("flannel-backend")?;
    let has = |releases: &str| {
        Releases::parse(releases).is_some_and(|releases| releases.contain(node.version))
    };
    let backend = match given.split_once('=') {
        Some((backend, _)) if has(TAKES_OPTIONS) => backend,
        _ => given,
    };
    let known = BACKENDS
        .iter()
        .any(|(name, releases)| *name == backend && has(releases));
    let reason = format!("Cannot configure unknown flannel backend '{given}'");
    (!known).then(|| Ending::of_k3s(reason, options.place("flannel-backend")))
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::with;

    fn ends(version: &str, options: &[(&str, &str)]) -> bool {
        let options = options.iter().map(|(name, value)| (*name, vec![*value]));
        let start = with(options.collect(), version, Role::Server);
        start
            .endings
            .iter()
            .any(|ending| ending.reason.contains("flannel backend"))
    }

    #[test]
    fn a_backend_that_a_release_does_not_have_ends_it() {
        for (backend, version, expected) in [
            ("vxlan", "1.36.3", false),
            ("none", "1.36.3", false),
            ("wireguard-native", "1.36.3", false),
            ("wireguard-native", "1.23.5", true),
            ("wireguard", "1.25.16", false),
            ("wireguard", "1.26.0", true),
            ("ipsec", "1.26.0", false),
            ("ipsec", "1.31.4", true),
            ("VXLAN", "1.36.3", true),
            ("", "1.36.3", true),
            ("wireguard-native=Mode=auto", "1.24.4", false),
            ("wireguard-native=Mode=auto", "1.31.4", true),
        ] {
            let found = ends(version, &[("flannel-backend", backend)]);
            assert_eq!(found, expected, "{backend} {version}");
        }
    }

    #[test]
    fn a_backend_is_not_looked_at_where_a_file_or_nothing_makes_the_network() {
        for other in [
            ("flannel-conf", "/etc/flannel.json"),
            ("disable-agent", "true"),
        ] {
            assert!(!ends("1.36.3", &[("flannel-backend", "udp"), other]));
        }
    }
}
