//! Modes, numbers, durations and networks of kube-proxy (kubernetes `pkg/proxy/apis/config/validation`).

use super::Line;
use crate::k3s::component::network::Network;
use crate::k3s::component::{AUTO, Argument};
use crate::k3s::go_duration::nanoseconds;

const MODES: [&str; 5] = [
    "ClusterCIDR",
    "NodeCIDR",
    "BridgeInterface",
    "InterfaceNamePrefix",
    "",
];
/// From here on the field of a mode is looked at; 1.20 took any mode and then none of its own.
const DETECTS_SINCE_MINOR: u16 = 36;
const SECOND_NS: i64 = 1_000_000_000;

/// Judges what its validation finds of them.
pub(super) fn judge(line: &mut Line<'_>) {
    detection(line);
    numbers(line);
    durations(line);
    addresses(line);
}

fn invalid(line: &mut Line<'_>, field: &str, argument: &Argument, must: &str) {
    let reason = format!(
        "failed validate: KubeProxyConfiguration.{field}: Invalid value: {:?}: {must}",
        argument.value
    );
    line.end(&reason, Some(argument));
}

fn detection(line: &mut Line<'_>) {
    if line.minor() < DETECTS_SINCE_MINOR {
        return;
    }
    let by_name = [
        ("BridgeInterface", "pod-bridge-interface", "InterfaceName"),
        (
            "InterfaceNamePrefix",
            "pod-interface-name-prefix",
            "InterfacePrefix",
        ),
    ];
    if let Some(argument) = line.last("detect-local-mode")
        && let Some((_, _, field)) = by_name
            .iter()
            .find(|(mode, flag, _)| *mode == argument.value && line.given(flag).is_none())
    {
        let reason = format!(
            "failed validate: KubeProxyConfiguration.DetectLocalConfiguration.{field}: Invalid value: \"\": must not be empty"
        );
        line.end(&reason, Some(argument));
    }
    if let Some(argument) = line.last("detect-local-mode")
        && !MODES.contains(&argument.value.as_str())
    {
        let reason = format!(
            "failed validate: KubeProxyConfiguration.DetectLocalMode: Unsupported value: {:?}: supported values: \
             \"ClusterCIDR\", \"NodeCIDR\", \"BridgeInterface\", \"InterfaceNamePrefix\", \"\"",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
}

fn numbers(line: &mut Line<'_>) {
    let least = "must be greater than or equal to 0";
    let conntrack = "KubeProxyLinuxConfiguration.KubeProxyConntrackConfiguration";
    for (flag, field, lowest, highest, must) in [
        (
            "iptables-masquerade-bit",
            "KubeProxyIPTablesConfiguration.MasqueradeBit".to_owned(),
            0,
            31,
            "must be within the range [0, 31]",
        ),
        (
            "oom-score-adj",
            "KubeProxyLinuxConfiguration.OOMScoreAdj".to_owned(),
            -1000,
            1000,
            "must be within the range [-1000, 1000]",
        ),
        (
            "conntrack-min",
            format!("{conntrack}.Min"),
            0,
            i128::MAX,
            least,
        ),
        (
            "conntrack-max-per-core",
            format!("{conntrack}.MaxPerCore"),
            0,
            i128::MAX,
            least,
        ),
    ] {
        if let Some((number, argument)) = line.flags.number(line.arguments, flag)
            && !(lowest..=highest).contains(&number)
        {
            invalid(line, &field, argument, must);
        }
    }
}

fn durations(line: &mut Line<'_>) {
    let time = |line: &Line<'_>, flag: &str| {
        let argument = line
            .arguments
            .iter()
            .rfind(|argument| argument.flag == flag)?;
        nanoseconds(&argument.value)
    };
    let conntrack = "KubeProxyLinuxConfiguration.KubeProxyConntrackConfiguration";
    for (flag, field) in [
        ("conntrack-tcp-timeout-established", "TCPEstablishedTimeout"),
        ("conntrack-tcp-timeout-close-wait", "TCPCloseWaitTimeout"),
        ("conntrack-udp-timeout", "UDPTimeout"),
        ("conntrack-udp-timeout-stream", "UDPStreamTimeout"),
    ] {
        if let Some(argument) = line
            .last(flag)
            .filter(|_| time(line, flag).is_some_and(i64::is_negative))
        {
            let field = format!("{conntrack}.{field}");
            invalid(line, &field, argument, "must be greater than or equal to 0");
        }
    }
    periods(line);
}

/// How often it looks at everything, and how seldom it may.
fn periods(line: &mut Line<'_>) {
    let time = |line: &Line<'_>, flag: &str| {
        line.last(flag)
            .and_then(|argument| nanoseconds(&argument.value))
    };
    // ipvs has flags of its own for these two.
    let is_ipvs = line
        .given("proxy-mode")
        .is_some_and(|mode| mode.value == "ipvs");
    let (sync, least) = match is_ipvs {
        true => ("ipvs-sync-period", "ipvs-min-sync-period"),
        false => ("iptables-sync-period", "iptables-min-sync-period"),
    };
    for (flag, field, allowed, must) in [
        (
            "config-sync-period",
            "ConfigSyncPeriod",
            1,
            "must be greater than 0",
        ),
        (sync, "SyncPeriod", 1, "must be greater than 0"),
        (
            least,
            "MinSyncPeriod",
            0,
            "must be greater than or equal to 0",
        ),
    ] {
        if let Some(argument) = line.last(flag)
            && time(line, flag).is_some_and(|period| period < allowed)
        {
            invalid(line, field, argument, must);
        }
    }
    // The defaults are half a minute and a second; before, the least time had none.
    let least_default = match line.minor() {
        DETECTS_SINCE_MINOR.. => SECOND_NS,
        _ => 0,
    };
    let period = time(line, sync).unwrap_or(30 * SECOND_NS);
    if period > 0
        && time(line, least).unwrap_or(least_default) > period
        && let Some(argument) = line.last(sync).or_else(|| line.last(least))
    {
        let must = "must be greater than or equal to KubeProxyConfiguration.MinSyncPeriod";
        invalid(line, "SyncPeriod", argument, must);
    }
}

fn addresses(line: &mut Line<'_>) {
    let is_network = |word: &str| Network::parse_sloppy(word).is_some();
    let words = line.words("nodeport-addresses");
    // A word of later minors for the addresses of the node itself.
    let bad = words
        .iter()
        .find(|(word, _)| *word != "primary" && !is_network(word));
    if let Some((_, argument)) = bad {
        invalid(line, "NodePortAddresses", argument, "must be a valid CIDR");
    }
    let by_network = line
        .given("detect-local-mode")
        .is_none_or(|mode| mode.value == "ClusterCIDR");
    // An agent is told the network by its server.
    let told = |argument: &&Argument| argument.value != AUTO;
    let Some(argument) = line.given("cluster-cidr").filter(told) else {
        return;
    };
    let networks: Vec<Option<Network>> = argument
        .value
        .split(',')
        .map(Network::parse_sloppy)
        .collect();
    let is_good = match networks.as_slice() {
        [Some(_)] => true,
        [Some(one), Some(other)] => one.is_ipv6() != other.is_ipv6(),
        _ => false,
    };
    if by_network && !is_good {
        let must = "must be a either a single CIDR or dual-stack pair of CIDRs";
        invalid(
            line,
            "DetectLocalConfiguration.ClusterCIDRs",
            argument,
            must,
        );
    }
}
