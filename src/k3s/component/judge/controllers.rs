//! kube-controller-manager, cloud-controller-manager, kube-scheduler and kube-proxy.

use std::net::IpAddr;

use super::{Line, common, files};
use crate::k3s::component::minors::{self, CONTROLLERS};
use crate::k3s::component::value::Kind;

/// kube-controller-manager (`cmd/kube-controller-manager/app/options`).
pub(super) fn manager(line: &mut Line<'_>) {
    let minor = line.minor();
    controllers(line, |name| minors::known(CONTROLLERS, name, minor));
    signing(line);
    common::range(line, "secure-port", 0, 65535);
    common::serving(line);
    if let Some(argument) = line.given("cloud-provider")
        && argument.value != "external"
        && minor >= 31
    {
        let reason = format!(
            "cloud provider {:?} was removed from Kubernetes",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
    leader_election(line);
    files::must_exist(
        line,
        &[
            "kubeconfig",
            "root-ca-file",
            "service-account-private-key-file",
            "tls-cert-file",
            "tls-private-key-file",
        ],
    );
}

/// K3s's cloud-controller-manager.
pub(super) fn cloud(line: &mut Line<'_>) {
    controllers(line, |name| {
        let name = name.strip_suffix("-controller").unwrap_or(name);
        [
            "cloud-node",
            "cloud-node-lifecycle",
            "service",
            "service-lb",
            "route",
            "node-route",
        ]
        .contains(&name)
    });
    common::range(line, "secure-port", 0, 65535);
    common::serving(line);
    leader_election(line);
}

/// kube-scheduler (`cmd/kube-scheduler/app/options`).
pub(super) fn scheduler(line: &mut Line<'_>) {
    common::range(line, "secure-port", 0, 65535);
    common::serving(line);
    leader_election(line);
    files::must_exist(
        line,
        &[
            "config",
            "kubeconfig",
            "tls-cert-file",
            "tls-private-key-file",
        ],
    );
}

/// kube-proxy (`pkg/proxy/apis/config/validation`).
pub(super) fn proxy(line: &mut Line<'_>) {
    files::must_exist(line, &["config", "kubeconfig"]);
    if line.given("config").is_some() {
        // The file replaces every flag.
        return;
    }
    let mut modes = vec!["", "iptables", "ipvs"];
    match line.minor() {
        ..=25 => modes.push("userspace"),
        31.. => modes.push("nftables"),
        _ => {}
    }
    let gated = line
        .words("feature-gates")
        .iter()
        .any(|(pair, _)| *pair == "NFTablesProxyMode=true");
    if gated && line.minor() >= 29 {
        modes.push("nftables");
    }
    common::one_of(line, "proxy-mode", &modes);
    if let Some(argument) = line.last("bind-address")
        && argument.value.parse::<IpAddr>().is_err()
    {
        let reason = format!("BindAddress: {:?} is no IP address", argument.value);
        line.end(&reason, Some(argument));
    }
    for flag in ["healthz-bind-address", "metrics-bind-address"] {
        if let Some(argument) = line.given(flag)
            && let Some(reason) = Kind::IpPort.refuses(&argument.value)
        {
            line.end(&reason, Some(argument));
        }
    }
}

fn controllers(line: &mut Line<'_>, is_known: impl Fn(&str) -> bool) {
    for (word, argument) in line.words("controllers") {
        let name = word.strip_prefix('-').unwrap_or(word);
        if word != "*" && !is_known(name) {
            let reason = format!("{name:?} is not in the list of known controllers");
            line.end(&reason, Some(argument));
        }
    }
}

fn signing(line: &mut Line<'_>) {
    let single = line
        .given("cluster-signing-cert-file")
        .or_else(|| line.given("cluster-signing-key-file"));
    let specific = line.arguments.iter().any(|argument| {
        argument.flag.starts_with("cluster-signing-")
            && argument.flag.ends_with("-file")
            && !["cluster-signing-cert-file", "cluster-signing-key-file"]
                .contains(&argument.flag.as_str())
            && !argument.value.is_empty()
    });
    if specific && single.is_some() {
        line.end(
            "cannot specify --cluster-signing-{cert,key}-file and other --cluster-signing-*-file flags at the same time",
            single,
        );
    }
}

/// Only leases are left as a lock since 1.24.
fn leader_election(line: &mut Line<'_>) {
    let elects = line
        .last("leader-elect")
        .is_none_or(|argument| argument.value != "false");
    if elects && line.minor() >= 24 {
        common::one_of(line, "leader-elect-resource-lock", &["leases"]);
    }
}
