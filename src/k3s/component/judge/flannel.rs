//! The backend of K3s's own network (pkg/agent/flannel/setup.go createFlannelConf).

use crate::k3s::component::Node;
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Releases;
use crate::k3s::{Ending, Files};

/// The backends, each with the releases that have it.
const BACKENDS: [(&str, &str); 6] = [
    ("vxlan", "-"),
    ("host-gw", "-"),
    ("ipsec", "..1.27.2"),
    ("wireguard", "..1.26.0"),
    ("wireguard-native", "1.23.6.."),
    ("tailscale", "1.27.3.."),
];
/// `backend=key=value,...` was one way to set its options.
const TAKES_OPTIONS: &str = "1.24.1..1.27.2";

/// A server with an agent ends over a backend that it does not have, and over a file of the operator's that is not there.
pub(super) fn endings(options: Options<'_>, node: &Node, files: &Files<'_>) -> Option<Ending> {
    let has_agent = !options.on("disable-agent") && !options.on("cluster-reset");
    let given = options.set_to("flannel-backend");
    if !has_agent || options.on("no-flannel") || given == Some("none") {
        return None;
    }
    // The file has the backend then.
    if let Some(file) = options.text("flannel-conf") {
        let path = node.named_file(file);
        let absent = matches!(files.kind(&path), Ok(None));
        let reason = format!(
            "flannel exited: failed to create the SubnetManager: failed to read net conf: open {}: no such file or directory",
            path.display()
        );
        return absent.then(|| Ending::of_k3s(reason, options.place("flannel-conf")));
    }
    let given = given?;
    let has = |releases: &str| {
        Releases::parse(releases).is_some_and(|releases| releases.contain(node.version))
    };
    let backend = match given.split_once('=') {
        Some((backend, _)) if has(TAKES_OPTIONS) => backend,
        _ => given,
    };
    let mut backends = BACKENDS.iter();
    let known = backends.any(|(name, releases)| *name == backend && has(releases));
    // A VPN is its own backend.
    let vpn = ["vpn-auth", "vpn-auth-file"];
    let decided = known || vpn.iter().any(|name| options.text(name).is_some());
    let reason = format!("Cannot configure unknown flannel backend '{given}'");
    (!decided).then(|| Ending::of_k3s(reason, options.place("flannel-backend")))
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{with, with_files};

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
    fn a_file_has_the_backend_and_has_to_be_there() {
        let conf = ("flannel-conf", "/etc/flannel.json");
        let backend = |backend| ("flannel-backend", backend);
        let reason = |options: &[(&'static str, &'static str)], files: &[(&str, &str)]| {
            let options = options.iter().map(|(name, value)| (*name, vec![*value]));
            let start = with_files(options.collect(), files, "1.36.3", Role::Server);
            let first = start.endings.into_iter().next();
            first.map(|ending| ending.reason).unwrap_or_default()
        };
        let found = reason(&[conf], &[]);
        assert!(
            found.ends_with("open /etc/flannel.json: no such file or directory"),
            "{found}"
        );
        assert_eq!(reason(&[backend("none"), conf], &[]), "");
        assert_eq!(
            reason(&[backend("udp"), conf], &[("/etc/flannel.json", "{}")]),
            ""
        );
        let alone = ("disable-agent", "true");
        assert_eq!(reason(&[backend("udp"), alone], &[]), "");
    }
}
