//! kube-proxy (kubernetes `pkg/proxy/apis/config/validation`; what is asked here 1.20 asks too, unless it says otherwise).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Line, Process, common, component_file, files, proxy_values};
use crate::k3s::component::Component;
use crate::k3s::component::extra;
use crate::k3s::component::flags::Refused;
use crate::k3s::component::options::Options;
use crate::k3s::component::value::Kind;
use crate::k3s::go_value::boolean;
use crate::k3s::{Ending, K3sVersion, Slip};

/// Before, K3s left the kernel's connection tracking alone.
const READ_SINCE: K3sVersion = K3sVersion::new(21, 2);

/// Judges what its validation finds.
pub(super) fn judge(line: &mut Line<'_>) {
    files::must_exist(line, &["kubeconfig"]);
    does_one_thing(line);
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
    if let Some(argument) = line.given(component_file::FLAG) {
        // The file replaces every other flag.
        component_file::kube_proxy(line, argument, &modes);
        return;
    }
    common::one_of(line, "proxy-mode", &modes);
    if let Some(argument) = line.last("bind-address")
        && argument.value.parse::<IpAddr>().is_err()
    {
        let reason = format!("BindAddress: {:?} is no IP address", argument.value);
        line.end(&reason, Some(argument));
    }
    proxy_values::judge(line);
    for flag in ["healthz-bind-address", "metrics-bind-address"] {
        if let Some(argument) = line.given(flag)
            && let Some(reason) = Kind::IpPort.refuses(&argument.value)
        {
            line.end(&reason, Some(argument));
        }
    }
}

/// Every agent reads its own part of the arguments (`getConntrackConfig`), so they end it although no kube-proxy runs (K3s
/// pkg/agent/run.go, from 7e175e8ad on).
pub(super) fn read_without_running(process: Process<'_>) -> Option<Ending> {
    let (options, version) = (process.options, process.node.version);
    let has_agent = !options.on("disable-agent") && !options.on("cluster-reset");
    let reads = has_agent && !options.on("rootless") && version >= READ_SINCE;
    if !reads || !process.components.line(Component::KubeProxy).is_empty() {
        return None;
    }
    let items = options.items(Component::KubeProxy.option());
    let arguments = extra::merge(BTreeMap::new(), items, version);
    let line = Line {
        arguments: &arguments,
        ..process.line(Component::KubeProxy)
    };
    let refused = arguments.iter().find_map(|argument| {
        // Only a kube-proxy that runs looks whether help is asked for; a version is printed while the arguments are read,
        // in 1.36 at least.
        let asks = match line.flags.kind(&argument.flag) {
            Some(Kind::Help) => true,
            Some(Kind::Version) => line.minor() < 36,
            _ => false,
        };
        let refused = line.flags.refuses(argument).filter(|_| !asks)?;
        Some((refused, argument))
    });
    refused.map(|(refused, argument)| {
        let reason = format!("failed to validate kube-proxy conntrack configuration: {refused}");
        let ending = Ending::of_k3s(reason, Some(&argument.place));
        match refused {
            Refused::UnknownFlag(flag) => ending.over(Slip::UnknownFlag(flag)),
            Refused::Argument(_) => ending,
        }
    })
}

/// Flags of klog that kube-proxy's own set of flags has not.
const KLOG: [&str; 13] = [
    "add_dir_header",
    "alsologtostderr",
    "log_backtrace_at",
    "log_dir",
    "log_file",
    "log_file_max_size",
    "logtostderr",
    "one_output",
    "skip_headers",
    "skip_log_headers",
    "stderrthreshold",
    "v",
    "vmodule",
];

/// Only an operator's own item ends K3s over a flag of klog: of the arguments it reads those beforehand, and rootless none. kube-proxy
/// itself finds klog's flags among those of the process once K3s has asked klog for them (K3s 66fcca66c, in 1.27 and maybe the last
/// 1.24), such as `alsologtostderr` of K3s's option: a real 1.31.4 was ready with it. No rootless one was asked.
pub(super) fn forgive_klog(line: &mut Line<'_>, options: Options<'_>) {
    let items = options.items(Component::KubeProxy.option());
    let own = extra::merge(BTreeMap::new(), items, line.node.version);
    let is_read = !options.on("rootless") || line.minor() < 24;
    let ends = |flag: &str| is_read && own.iter().any(|argument| argument.flag == flag);
    line.endings.retain(|ending| match &ending.slip {
        Some(Slip::UnknownFlag(flag)) => !KLOG.contains(&flag.as_str()) || ends(flag),
        _ => true,
    });
}

/// With one of these it does that and ends, and K3s with it.
fn does_one_thing(line: &mut Line<'_>) {
    for flag in ["cleanup", "init-only"] {
        if let Some(argument) = line.last(flag)
            && boolean(&argument.value) == Some(true)
        {
            line.end(&format!("--{flag} is done"), Some(argument));
        }
    }
    if let Some(argument) = line.given("write-config-to") {
        let reason = format!("it writes its configuration to {} and ends", argument.value);
        line.end(&reason, Some(argument));
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, with};

    #[test]
    fn what_the_validation_of_kube_proxy_refuses_ends_it() {
        let of = |arguments: &[&str]| ending("kube-proxy-arg", arguments);
        for (argument, words) in [
            (
                "detect-local-mode=nope",
                "DetectLocalMode: Unsupported value: \"nope\"",
            ),
            ("iptables-masquerade-bit=32", "MasqueradeBit: Invalid value"),
            ("conntrack-min=-1", "Min: Invalid value"),
            ("conntrack-max-per-core=-1", "MaxPerCore: Invalid value"),
            (
                "conntrack-tcp-timeout-established=-1s",
                "TCPEstablishedTimeout: Invalid value",
            ),
            ("oom-score-adj=-1001", "OOMScoreAdj: Invalid value"),
            ("config-sync-period=0", "ConfigSyncPeriod: Invalid value"),
            ("iptables-sync-period=0", "SyncPeriod: Invalid value"),
            ("iptables-sync-period=500ms", "SyncPeriod: Invalid value"),
            ("iptables-min-sync-period=1m", "SyncPeriod: Invalid value"),
            (
                "iptables-min-sync-period=-1s",
                "MinSyncPeriod: Invalid value: \"-1s\": must be greater than or equal to 0",
            ),
            ("nodeport-addresses=x", "NodePortAddresses: Invalid value"),
            (
                "cluster-cidr=10.1.0.0/16,10.2.0.0/16",
                "ClusterCIDRs: Invalid value",
            ),
        ] {
            let reason = of(&[argument]).unwrap_or_else(|| panic!("{argument}"));
            assert!(
                reason.starts_with("kube-proxy exited: failed validate: "),
                "{reason}"
            );
            assert!(reason.contains(words), "{argument}: {reason}");
        }
        for good in [
            &["iptables-sync-period=0", "proxy-mode=ipvs"][..],
            &["ipvs-sync-period=0", "ipvs-min-sync-period=-1s"],
            &["detect-local-mode=NodeCIDR", "nodeport-addresses=primary"],
            &["nodeport-addresses=10.0.0.0/8,fd00::/8", "conntrack-min=0"],
            &["cluster-cidr=10.1.0.0/16,fd00::/56"],
            &["iptables-sync-period=1s", "version=false"],
        ] {
            assert_eq!(of(good), None, "{good:?}");
        }
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn a_kube_proxy_that_does_one_thing_and_ends_takes_k3s_with_it() {
        for item in ["cleanup=true", "init-only=true", "write-config-to=/x"] {
            assert!(ending("kube-proxy-arg", &[item]).is_some(), "{item}");
        }
        for item in ["cleanup=false", "write-config-to="] {
            assert_eq!(ending("kube-proxy-arg", &[item]), None, "{item}");
        }
        let bridge = "detect-local-mode=BridgeInterface";
        let said = ending("kube-proxy-arg", &[bridge]).unwrap_or_default();
        assert!(
            said.contains("InterfaceName: Invalid value: \"\": must not be empty"),
            "{said}"
        );
        let named = [bridge, "pod-bridge-interface=cni0"];
        assert_eq!(ending("kube-proxy-arg", &named), None);
    }

    #[test]
    fn arguments_end_an_agent_that_runs_no_kube_proxy() {
        let reason = |item, options: &[(&'static str, &'static str)]| {
            let mut given = vec![("kube-proxy-arg", vec![item])];
            given.extend(options.iter().map(|(name, value)| (*name, vec![*value])));
            let start = with(given, "1.36.3", Role::Server);
            let first = start.endings.into_iter().next();
            first.map(|ending| ending.reason).unwrap_or_default()
        };
        let off = ("disable-kube-proxy", "true");
        for (item, words) in [
            (
                "nope=1",
                "kube-proxy conntrack configuration: unknown flag: --nope",
            ),
            (
                "conntrack-min=x",
                "invalid argument \"x\" for \"--conntrack-min\" flag",
            ),
        ] {
            let found = reason(item, &[off]);
            assert!(found.contains(words), "{item}: {found}");
        }
        // Only a kube-proxy that runs looks further than how its arguments are written.
        assert!(!reason("version=true", &[off]).is_empty());
        for item in [
            "conntrack-min=-1",
            "help",
            "proxy-mode=nope",
            "version=false",
        ] {
            assert_eq!(reason(item, &[off]), "", "{item}");
        }
        assert_eq!(reason("nope=1", &[off, ("disable-agent", "true")]), "");
    }

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3.
    #[test]
    fn klog_s_flags_are_read_before_there_are_any() {
        let klog = "add_dir_header=true alsologtostderr=true log_backtrace_at= log_dir=/var/log log_file=/var/log/x \
                    log_file_max_size=1 logtostderr=true one_output=true skip_headers=true skip_log_headers=true \
                    stderrthreshold=2";
        let reason = |item, version, rootless| {
            let mut given = vec![("kube-proxy-arg", vec![item])];
            if rootless {
                given.push(("rootless", vec!["true"]));
            }
            let start = with(given, version, Role::Server);
            let mut reasons = start.endings.into_iter().map(|ending| ending.reason);
            reasons.find(|reason| reason.contains("unknown flag"))
        };
        for item in klog.split_whitespace() {
            for (version, ends) in [
                ("1.22.5", false),
                ("1.24.4", true),
                ("1.31.4", true),
                ("1.36.3", true),
            ] {
                let found = reason(item, version, false);
                assert_eq!(found.is_some(), ends, "{version} {item}: {found:?}");
                assert_eq!(reason(item, version, true), None, "{version} {item}");
            }
        }
        for item in ["v=2", "vmodule=a=1"] {
            for (version, ends) in [
                ("1.22.5", false),
                ("1.24.4", true),
                ("1.25.16", false),
                ("1.31.4", false),
                ("1.36.3", false),
            ] {
                let found = reason(item, version, false);
                assert_eq!(found.is_some(), ends, "{version} {item}: {found:?}");
            }
        }
        assert!(reason("nope=1", "1.36.3", true).is_some());
    }

    /// Asked of a real 1.31.4.
    #[test]
    fn a_flag_of_klog_that_k3s_itself_gives_ends_nothing() {
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            for option in [("alsologtostderr", "true"), ("v", "2"), ("vmodule", "a=1")] {
                let given = vec![(option.0, vec![option.1])];
                let start = with(given, version, Role::Server);
                let ends = start.endings;
                assert!(ends.is_empty(), "{version} {option:?}: {ends:?}");
            }
        }
    }
}
