//! What every component checks: its flags and feature gates.

use super::{Line, gate_components};
use crate::k3s::component::flags::Refused;
use crate::k3s::component::minors::{self, GATES};
use crate::k3s::component::releases::Since;
use crate::k3s::component::value::{Kind, gate_pairs};
use crate::k3s::component::{AUTO, Argument, Component, SECRET};
use crate::k3s::go_value::boolean;
use crate::k3s::{Place, Slip};

/// Whether an argument is the operator's and its value is known here.
pub(super) fn is_given(argument: &Argument) -> bool {
    let is_known = ![AUTO, SECRET]
        .iter()
        .any(|hidden| argument.value.contains(hidden));
    argument.place != Place::Default && is_known
}

/// The first argument that the component refuses to read, then its feature gates.
///
/// What K3s gives by itself is not judged: a K3s is built with the components that take it.
pub(super) fn command_line(line: &mut Line<'_>) {
    for argument in line.arguments.iter().filter(|given| is_given(given)) {
        if !line.goes_on() {
            return;
        }
        let refused = line.flags.refuses(argument);
        if let Some(refused) = refused.or_else(|| empty_address(line, argument)) {
            let ending = line.ending(&refused.to_string(), Some(argument));
            line.endings.push(match refused {
                Refused::UnknownFlag(flag) => ending.over(Slip::UnknownFlag(flag)),
                Refused::Argument(_) => ending,
            });
        }
    }
    if line.goes_on() {
        feature_gates(line);
    }
}

/// From here on at the earliest an address may be empty, with pflag 1.0.6 (K3s 13b8f254c and the patches of that month; `ip.go`).
const EMPTY_ADDRESS_SINCE: &str = "1.30.12+1.31.8+1.32.4+1.33.0";

/// Older releases refuse an empty address where pflag itself reads it; kubelet and kube-proxy have their own reading of theirs.
fn empty_address(line: &Line<'_>, argument: &Argument) -> Option<Refused> {
    let flag = argument.flag.as_str();
    let is_read_by_pflag = ["advertise-address", "bind-address"].contains(&flag)
        && ![Component::Kubelet, Component::KubeProxy].contains(&line.component);
    let may_be_empty =
        Since::parse(EMPTY_ADDRESS_SINCE).is_none_or(|since| since.reached(line.node.version));
    (is_read_by_pflag && argument.value.is_empty() && !may_be_empty).then(|| {
        let words =
            format!("invalid argument \"\" for \"--{flag}\" flag: failed to parse IP: \"\"");
        Refused::Argument(words)
    })
}

fn feature_gates(line: &mut Line<'_>) {
    gate_components::judge(line);
    if !line.goes_on() {
        return;
    }
    for argument in line.flags.effective(line.arguments, "feature-gates") {
        if line.flags.kind("feature-gates") != Some(Kind::Gates) {
            return;
        }
        for (name, value) in gate_pairs(&argument.value) {
            if let Some(reason) = gate(name, value.and_then(boolean), line.minor()) {
                line.end(&reason, Some(argument));
                if !line.goes_on() {
                    return;
                }
            }
        }
    }
}

/// Why a feature gate would be refused.
fn gate(name: &str, value: Option<bool>, minor: u16) -> Option<String> {
    if minor > minors::NEWEST || name == "AllAlpha" || name == "AllBeta" {
        return None;
    }
    let kind = minors::lines(GATES, minor)
        .find(|columns| columns.first() == Some(&name))
        .and_then(|columns| columns.get(1).copied());
    match (kind, value) {
        (None, _) => Some(format!("unrecognized feature gate: {name}")),
        (Some("locked-on"), Some(false)) | (Some("locked-off"), Some(true)) => Some(format!(
            "cannot set feature gate {name} to {}, feature is locked to {}",
            value == Some(true),
            value != Some(true)
        )),
        _ => None,
    }
}

/// A whole number flag outside its range.
pub(super) fn range(line: &mut Line<'_>, flag: &str, lowest: i128, highest: i128) {
    if let Some((number, argument)) = line.flags.number(line.arguments, flag)
        && !(lowest..=highest).contains(&number)
    {
        let reason = format!("--{flag} {number} must be between {lowest} and {highest}");
        line.end(&reason, Some(argument));
    }
}

/// Flags of ports without TLS that are left until 1.23 for the value 0 alone (kubernetes `cmd/*/app`, checkNonZeroInsecurePort).
pub(super) fn no_insecure_port(line: &mut Line<'_>, flags: &[&str]) {
    for flag in flags {
        if let Some((number, argument)) = line.flags.number(line.arguments, flag)
            && number != 0
        {
            let reason = format!("invalid port value {number}: only zero is allowed");
            line.end(&reason, Some(argument));
        }
    }
}

/// A flag with a value that is none of those it may have.
pub(super) fn one_of(line: &mut Line<'_>, flag: &str, allowed: &[&str]) {
    if let Some(argument) = line.last(flag)
        && !allowed.contains(&argument.value.as_str())
    {
        let reason = format!("--{flag} {:?} is none of {allowed:?}", argument.value);
        line.end(&reason, Some(argument));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::component::tests::reason;

    #[test]
    fn an_unknown_gate_and_a_locked_one_are_refused() {
        assert!(gate("NoSuchGate", Some(true), 36).is_some());
        assert_eq!(gate("AllAlpha", Some(false), 36), None);
        assert_eq!(
            gate("RotateKubeletServerCertificate", Some(false), 36),
            None
        );
        assert_eq!(gate("NoSuchGate", Some(true), minors::NEWEST + 1), None);
    }

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3.
    #[test]
    fn an_address_may_be_empty_since_some_patches() {
        for (option, flag) in [
            ("kube-apiserver-arg", "bind-address"),
            ("kube-apiserver-arg", "advertise-address"),
            ("kube-controller-manager-arg", "bind-address"),
        ] {
            let item = format!("{flag}=");
            let of = |version| reason(version, &[(option, item.as_str())]);
            for version in ["1.24.4", "1.29.15", "1.31.4"] {
                let words = format!(
                    "invalid argument \"\" for \"--{flag}\" flag: failed to parse IP: \"\""
                );
                assert!(
                    of(version).contains(&words),
                    "{version} {item}: {}",
                    of(version)
                );
            }
            for version in ["1.31.9", "1.33.1", "1.36.3"] {
                assert!(!of(version).contains("parse IP"), "{version} {item}");
            }
        }
        let proxy = [("kube-proxy-arg", "bind-address=")];
        assert!(!reason("1.31.4", &proxy).contains("parse IP"));
        let cloud = [("kube-cloud-controller-manager-arg", "bind-address=")];
        assert!(reason("1.31.4", &cloud).contains("parse IP"));
        assert_eq!(reason("1.24.4", &cloud), "");
    }

    /// Asked of a real 1.31.4 and 1.36.3.
    #[test]
    fn an_amount_to_buffer_is_a_quantity() {
        for version in ["1.31.4", "1.36.3"] {
            let of = |value| reason(version, &[("kube-apiserver-arg", value)]);
            assert!(of("log-text-info-buffer-size=").contains("quantities must match"));
            assert_eq!(of("log-text-info-buffer-size=64Ki"), "");
        }
    }
}
