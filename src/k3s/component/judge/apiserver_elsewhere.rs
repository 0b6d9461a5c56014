//! A kube-apiserver that is not where K3s looks for it.

use std::net::IpAddr;

use super::Line;
use crate::k3s::component::options::Options;
use crate::k3s::component::{Argument, Component};
use crate::k3s::{Ending, Place};

/// K3s's own clients look for the apiserver where K3s puts it (pkg/daemons/control/server.go). Of 1.36 the controller manager
/// ends where they do not find it.
pub(super) fn judge(line: &mut Line<'_>, options: Options<'_>) {
    if waited_for(line, options) {
        return;
    }
    if let Some(argument) = away(line) {
        let reason = "unable to load configmap based request-header-client-ca-file: dial tcp: connect: connection refused";
        let place = Some(argument.place.clone());
        line.endings
            .push(Ending::of(Component::ControllerManager, reason, place));
    }
}

/// Where the apiserver is, if K3s waits there for it in vain: a real 1.24.4 and 1.31.4 were neither ready nor at an end after a
/// minute, and a real 1.36.3 with a supervisor of its own. In which order the releases between wait for what was not tried.
pub(super) fn waited_for_in_vain<'a>(
    line: &Line<'a>,
    options: Options<'_>,
) -> Option<&'a Argument> {
    away(line).filter(|_| waited_for(line, options))
}

/// Whether the other components wait until the apiserver is where K3s looks for it.
fn waited_for(line: &Line<'_>, options: Options<'_>) -> bool {
    let supervisor = options.number("supervisor-port", 0);
    let is_apart = supervisor != 0 && supervisor != options.number("https-listen-port", 6443);
    line.minor() != 36 || is_apart
}

/// What puts the apiserver where K3s does not look for it.
fn away<'a>(line: &Line<'a>) -> Option<&'a Argument> {
    let address = line.given("bind-address").filter(|argument| {
        let address: Option<IpAddr> = argument.value.parse().ok();
        address.is_some_and(|address| {
            // Of the two loopback addresses a cluster's first family takes one.
            let own = ["127.0.0.1", "::1"].contains(&argument.value.as_str());
            !own && !address.is_unspecified()
        })
    });
    let own_port = |argument: &Argument| {
        let of_k3s = |argument: &&Argument| argument.place == Place::Default;
        let replaced = argument
            .overrode
            .last()
            .map(|default| default.value.clone());
        let mut ports = line
            .arguments
            .iter()
            .filter(|one| one.flag == "secure-port");
        replaced.or_else(|| ports.find(of_k3s).map(|default| default.value.clone()))
    };
    let other_port = line.given("secure-port").filter(|argument| {
        argument.place != Place::Default
            && own_port(argument).is_some_and(|port| port != argument.value)
    });
    address.or(other_port)
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, reason, with};

    /// Asked of a real 1.36.3.
    #[test]
    fn an_apiserver_that_is_elsewhere_is_not_found_by_k3s_itself() {
        for (item, is_found) in [
            ("bind-address=10.77.0.2", false),
            ("bind-address=127.0.0.2", false),
            ("bind-address=0.0.0.0", true),
            ("bind-address=::", true),
            ("bind-address=127.0.0.1", true),
            ("secure-port=7000", false),
            ("secure-port=6443", false),
            ("secure-port=6444", true),
            ("secure-port+=6444", true),
            ("secure-port+=7000", false),
        ] {
            let found = ending("kube-apiserver-arg", &[item]);
            assert_eq!(found.is_none(), is_found, "{item}: {found:?}");
        }
        let own = [
            ("https-listen-port", "7443"),
            ("kube-apiserver-arg", "secure-port=7444"),
        ];
        assert_eq!(reason("1.36.3", &own), "");
        let bound = ("apiserver-bind-address", "10.77.0.2");
        for (supervisor, ends) in [("9345", false), ("6443", true), ("0", true)] {
            let found = reason("1.36.3", &[bound, ("supervisor-port", supervisor)]);
            assert_eq!(!found.is_empty(), ends, "{supervisor}: {found}");
        }
    }

    /// Asked of a real 1.24.4 and 1.31.4.
    #[test]
    fn behind_an_apiserver_that_is_elsewhere_older_releases_read_no_other_flags() {
        for version in ["1.24.4", "1.31.4"] {
            for (item, waits) in [
                ("bind-address=10.77.0.2", true),
                ("secure-port=7000", true),
                ("bind-address=0.0.0.0", false),
                ("secure-port=6444", false),
            ] {
                let options = vec![
                    ("kube-apiserver-arg", vec![item]),
                    ("kube-controller-manager-arg", vec!["nope=1"]),
                ];
                let start = with(options, version, Role::Server);
                assert_eq!(start.endings.is_empty(), waits, "{version} {item}");
                let warned = start
                    .warnings
                    .iter()
                    .any(|warning| warning.contains("never says that it is ready"));
                assert_eq!(warned, waits, "{version} {item}: {:?}", start.warnings);
            }
        }
    }
}
