//! Ports that are none, or that somebody in K3s's own process has already.

use std::net::IpAddr;

use super::Line;
use crate::k3s::component::flags::Flags;
use crate::k3s::component::options::Options;
use crate::k3s::component::{Argument, Component, Components};
use crate::k3s::{Ending, Place};

/// K3s's own port, where nothing else is said.
const K3S: i64 = 6443;
/// That of its cloud-controller-manager, to which it gives none (cloud-provider `ports.go`).
const CLOUD: i128 = 10258;
/// From here on K3s listens at the loopback whatever address it is given (K3s ff679fb3a, pkg/util/net.go ListenWithLoopback).
/// Asked of a real 1.31.4 and 1.36.3.
const AT_LOOPBACK_SINCE_MINOR: u16 = 31;
/// With one of these, those who listen come to an agreement.
const SHARING: [&str; 2] = ["permit-port-sharing", "permit-address-sharing"];

/// One of these components, in the same process, has the port already.
pub(super) fn of_another(line: &mut Line<'_>, components: &Components, others: &[Component]) {
    for other in others {
        if line.goes_on() {
            of_one(line, *other, components.line(*other));
        }
    }
}

fn of_one(line: &mut Line<'_>, other: Component, arguments: &[Argument]) {
    let theirs = Flags::of(other, line.minor());
    let both = |flag: &str| Some((line.last(flag)?, theirs.last(arguments, flag)?));
    let same = |(one, other): (&Argument, &Argument)| one.value == other.value;
    if let Some((port, other)) = both("secure-port")
        && same((port, other))
        && port.value != "0"
        && both("bind-address").is_some_and(same)
        && !is_shared(line)
    {
        let address = line.last("bind-address");
        let address = address.map_or("", |argument| &argument.value);
        let reason = in_use(address, &port.value);
        line.end(&reason, Some(port));
    }
}

fn is_shared(line: &Line<'_>) -> bool {
    SHARING.iter().any(|flag| line.last(flag).is_some())
}

fn in_use(address: &str, port: &str) -> String {
    let at = match address.contains(':') {
        true => format!("[{address}]:{port}"),
        false => format!("{address}:{port}"),
    };
    format!(
        "failed to create listener: failed to listen on {at}: listen tcp {at}: bind: address already in use"
    )
}

/// K3s itself listens there, before any component does (pkg/cluster/https.go).
pub(super) fn of_k3s(line: &mut Line<'_>, options: Options<'_>) {
    if !line.goes_on() || is_shared(line) {
        return;
    }
    let Some(address) = line.last("bind-address") else {
        return;
    };
    let meets = address
        .value
        .parse()
        .is_ok_and(|address| meets_k3s(address, options, line.minor()));
    let argument = line.flags.number(line.arguments, "secure-port");
    let of_cloud = (line.component == Component::CloudControllerManager).then_some(CLOUD);
    let Some(port) = argument.map(|(port, _)| port).or(of_cloud) else {
        return;
    };
    let name = match options.number("supervisor-port", 0) {
        0 => "https-listen-port",
        _ => "supervisor-port",
    };
    let own = options.number(name, K3S);
    if !meets || i128::from(own) != port {
        return;
    }
    let given = argument.map(|(_, argument)| &argument.place);
    let given = given.filter(|place| **place != Place::Default);
    let place = given.or_else(|| options.place(name)).cloned();
    let reason = in_use(&address.value, &port.to_string());
    line.endings
        .push(Ending::of(line.component, &reason, place));
}

/// Whether K3s listens at an address too: at its own `bind-address` (pkg/cluster/https.go newListener), without one at all of them.
fn meets_k3s(address: IpAddr, options: Options<'_>, minor: u16) -> bool {
    match options.text("bind-address") {
        Some("0.0.0.0") => address.is_ipv4(),
        None | Some("::") => address.is_ipv4() || address.is_loopback(),
        Some(_) => minor >= AT_LOOPBACK_SINCE_MINOR && address.is_loopback(),
    }
}

/// An agent's way to its servers, before it asks them anything (pkg/agent/run.go createProxyAndValidateToken,
/// pkg/agent/loadbalancer). A server has none unless it runs no apiserver.
pub(super) fn of_load_balancer(options: Options<'_>) -> Option<Ending> {
    let name = "lb-server-port";
    let port = options.number(name, 0);
    let listens = !options.on("disable-apiserver-lb");
    let is_port = (0..=65535).contains(&port);
    let reason = format!("listen tcp: address {port}: invalid port");
    (listens && !is_port).then(|| Ending::of_k3s(reason, options.place(name)))
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{reason, with};

    /// Asked of a real 1.36.3.
    #[test]
    fn no_component_gets_the_port_of_k3s_itself() {
        let manager = "kube-controller-manager-arg";
        let cloud = "kube-cloud-controller-manager-arg";
        let taken = |name: &str, port: u16| {
            let at = format!("127.0.0.1:{port}");
            format!(
                "{name} exited: failed to create listener: failed to listen on {at}: listen tcp {at}: bind: address already in use"
            )
        };
        let of_manager = |port| taken("controller-manager", port);
        let of_cloud = |port| taken("cloud-controller-manager", port);
        for (options, expected) in [
            (&[("https-listen-port", "10257")][..], of_manager(10257)),
            (&[("supervisor-port", "10258")], of_cloud(10258)),
            (&[("https-listen-port", "10259")], taken("scheduler", 10259)),
            (&[(manager, "secure-port=6443")], of_manager(6443)),
            (
                &[(manager, "secure-port=6443"), ("bind-address", "10.77.0.2")],
                of_manager(6443),
            ),
            (
                &[(manager, "secure-port=9345"), ("supervisor-port", "9345")],
                of_manager(9345),
            ),
            (
                &[("kube-scheduler-arg", "secure-port=6443")],
                taken("scheduler", 6443),
            ),
            (&[(cloud, "secure-port=6443")], of_cloud(6443)),
            (&[(cloud, "secure-port=6444")], of_cloud(6444)),
            (&[(cloud, "secure-port=10257")], of_cloud(10257)),
            (
                &[(manager, "secure-port=6443"), ("https-listen-port", "7443")],
                String::new(),
            ),
            (
                &[(manager, "secure-port=6443"), ("https-listen-port", "0")],
                String::new(),
            ),
            (&[("https-listen-port", "10260")], String::new()),
        ] {
            assert_eq!(reason("1.36.3", options), expected, "{options:?}");
        }
        let old = [(manager, "secure-port=6443")];
        assert_eq!(reason("1.31.4", &old), of_manager(6443));
        let shared = vec!["secure-port=6443", "permit-port-sharing=true"];
        let start = with(vec![(manager, shared)], "1.36.3", Role::Server);
        assert!(start.endings.is_empty(), "{:?}", start.endings);
    }

    /// Asked of a real 1.24.4 and 1.31.4.
    #[test]
    fn where_k3s_listens_everywhere_nobody_else_gets_its_port() {
        let manager = "kube-controller-manager-arg";
        let bound = ("bind-address", "10.77.0.2");
        for (version, address, more, ends) in [
            ("1.24.4", "127.0.0.1", None, true),
            ("1.24.4", "10.77.0.2", None, true),
            ("1.31.4", "10.77.0.2", None, true),
            ("1.31.4", "0.0.0.0", None, true),
            ("1.24.4", "127.0.0.1", Some(bound), false),
            ("1.31.4", "127.0.0.1", Some(bound), true),
            (
                "1.31.4",
                "10.77.0.2",
                Some(("bind-address", "127.0.0.1")),
                false,
            ),
            ("1.31.4", "::1", Some(("bind-address", "0.0.0.0")), false),
        ] {
            let bind = format!("bind-address={address}");
            let mut options = vec![(manager, vec!["secure-port=6443", &bind])];
            options.extend(more.map(|(name, value)| (name, vec![value])));
            let start = with(options, version, Role::Server);
            let taken = format!("listen tcp {address}:6443: bind: address already in use");
            let found = start
                .endings
                .first()
                .is_some_and(|end| end.reason.contains(&taken));
            assert_eq!(
                found, ends,
                "{version} {address} {more:?}: {:?}",
                start.endings
            );
        }
        let https = reason("1.24.4", &[("https-listen-port", "10257")]);
        assert!(
            https.contains("listen tcp 127.0.0.1:10257: bind"),
            "{https}"
        );
        // K3s goes on without it there; the apiserver has the port of the scheduler, which waits for a node.
        let options = vec![
            ("https-listen-port", vec!["10258"]),
            ("disable-agent", vec!["true"]),
        ];
        let cloud = with(options, "1.24.4", Role::Server);
        assert_eq!(cloud.endings, []);
        assert!(
            cloud
                .warnings
                .iter()
                .any(|told| told.contains("127.0.0.1:10258")),
            "{:?}",
            cloud.warnings
        );
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn an_agent_listens_at_a_port_for_its_way_to_the_servers() {
        let no_balancer = ("disable-apiserver-lb", "true");
        for (port, more, role, ends) in [
            ("99999", None, Role::Agent, true),
            ("65536", None, Role::Agent, true),
            ("-1", None, Role::Agent, true),
            ("0", None, Role::Agent, false),
            ("7444", None, Role::Agent, false),
            ("-1", Some(no_balancer), Role::Agent, false),
            ("99999", None, Role::Server, false),
        ] {
            let mut options = vec![("lb-server-port", vec![port])];
            options.extend(more.map(|(name, value)| (name, vec![value])));
            let start = with(options, "1.36.3", role);
            let found = start.endings.into_iter().next();
            let found = found.map(|ending| ending.reason).unwrap_or_default();
            let expected = format!("listen tcp: address {port}: invalid port");
            let expected = if ends { expected } else { String::new() };
            assert_eq!(found, expected, "{port} {role:?}");
        }
    }
}
