//! What every component checks: its flags, feature gates and TLS.

use super::{Line, gate_components};
use crate::k3s::component::flags::Refused;
use crate::k3s::component::minors::{self, GATES};
use crate::k3s::component::releases::Since;
use crate::k3s::component::value::{Kind, gate_pairs};
use crate::k3s::component::{AUTO, Argument, Component, SECRET};
use crate::k3s::go_value::{boolean, integer};
use crate::k3s::{Place, Slip};

/// Cipher suites that Go's crypto/tls has, and the two short names that Kubernetes keeps.
const CIPHERS: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// HTTP/2 needs one of these unless only TLS 1.3 is spoken (golang.org/x/net/http2 ConfigureServer).
const HTTP2_CIPHERS: [&str; 2] = [
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
];

/// TLS versions by the names that Kubernetes takes.
pub(super) const TLS_VERSIONS: [&str; 4] = [
    "VersionTLS10",
    "VersionTLS11",
    "VersionTLS12",
    "VersionTLS13",
];

/// The name of a cipher suite is known.
pub(super) fn is_cipher(name: &str) -> bool {
    CIPHERS.contains(&name)
}

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

/// Old metrics can be had for one minor more (component-base `metrics/options.go`).
pub(super) fn hidden_metrics(line: &mut Line<'_>) {
    let before = format!("1.{}", line.minor().saturating_sub(1));
    if let Some(argument) = line.given("show-hidden-metrics-for-version")
        && argument.value != before
    {
        let reason = format!(
            "--show-hidden-metrics-for-version must be omitted or have the value '{before}'. Only the previous minor version is allowed"
        );
        line.end(&reason, Some(argument));
    }
}

/// A label is named as METRIC,LABEL (component-base `metrics/options.go`, in 1.36 `metrics/api/v1/config.go`; 1.24, 1.31 and 1.36
/// agree). Several pairs in one word, which are read as CSV, and a name that is empty are left alone.
pub(super) fn metric_labels(line: &mut Line<'_>) {
    if line.minor() < 24 {
        return;
    }
    for argument in line.flags.effective(line.arguments, "allow-metric-labels") {
        let pair = argument.value.trim_matches('"');
        let Some((name, values)) = pair.split_once('=') else {
            continue;
        };
        if !name.is_empty() && !values.contains('=') && !is_metric_label(name) {
            let reason = format!(
                "metrics.allowListMapping: Invalid value: {name:?}: must have keys with format `metricName,labelName`"
            );
            line.end(&reason, Some(argument));
            return;
        }
    }
}

fn is_metric_label(name: &str) -> bool {
    let is_word = |word: &str, colon: bool| {
        let is_letter = |letter: char| {
            letter.is_ascii_alphabetic() || letter == '_' || (colon && letter == ':')
        };
        word.starts_with(is_letter)
            && word
                .chars()
                .all(|letter| is_letter(letter) || letter.is_ascii_digit())
    };
    name.split_once(',')
        .is_some_and(|(metric, label)| is_word(metric, true) && is_word(label, false))
}

/// Ciphers and the least TLS version of a component that serves HTTPS.
pub(super) fn serving(line: &mut Line<'_>) {
    let least = line.given("tls-min-version");
    if let Some(argument) = least
        && !TLS_VERSIONS.contains(&argument.value.as_str())
    {
        let reason = format!("unknown tls version {:?}", argument.value);
        line.end(&reason, Some(argument));
    }
    curves(line);
    let words = line.words("tls-cipher-suites");
    if let Some((word, argument)) = words.iter().find(|(word, _)| !is_cipher(word)) {
        let reason = format!("Cipher suite {word} not supported or doesn't exist");
        line.end(&reason, Some(argument));
        return;
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    if line.minor() <= 20
        && let Some(place) = approved_behind_unapproved(&names)
    {
        let reason = format!(
            "error configuring http2: http2: TLSConfig.CipherSuites index {place} contains an HTTP/2-approved cipher suite ({}), \
             but it comes after unapproved cipher suites",
            names.get(place).map_or("unknown", |name| suite_id(name))
        );
        line.end(&reason, words.get(place).map(|(_, argument)| *argument));
        return;
    }
    let plain_http = line
        .last("disable-http2-serving")
        .is_some_and(|argument| boolean(&argument.value) == Some(true));
    let newest_only = least.is_some_and(|argument| argument.value == "VersionTLS13");
    if !plain_http && lacks_http2_cipher(&names, newest_only) {
        let argument = words.last().map(|(_, argument)| *argument);
        line.end(HTTP2_REASON, argument);
    }
}

/// The place of a suite that HTTP/2 takes behind one that it forbids (RFC 7540, appendix A), which golang.org/x/net/http2
/// refused in the days of 1.20.
fn approved_behind_unapproved(names: &[&str]) -> Option<usize> {
    let is_approved = |name: &&str| {
        let is_aead = name.contains("_GCM_") || name.contains("CHACHA20");
        is_aead && !name.starts_with("TLS_RSA_")
    };
    let first = names.iter().position(|name| !is_approved(name))?;
    let behind = names.iter().skip(first).position(is_approved)?;
    Some(first + behind)
}

/// The number of a suite that HTTP/2 takes, as Go prints it (crypto/tls `cipher_suites.go`).
fn suite_id(name: &str) -> &'static str {
    match name {
        "TLS_AES_128_GCM_SHA256" => "0x1301",
        "TLS_AES_256_GCM_SHA384" => "0x1302",
        "TLS_CHACHA20_POLY1305_SHA256" => "0x1303",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => "0xc02b",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => "0xc02c",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => "0xc02f",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => "0xc030",
        name if name.starts_with("TLS_ECDHE_RSA_WITH_CHACHA20") => "0xcca8",
        _ => "0xcca9",
    }
}

/// Why HTTP/2 could not be served.
pub(super) const HTTP2_REASON: &str = "error configuring http2: http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher (need at least one of TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)";

/// Whether a list of suites leaves HTTP/2 without the one that it must have.
pub(super) fn lacks_http2_cipher(names: &[&str], only_tls13: bool) -> bool {
    !names.is_empty() && !only_tls13 && !names.iter().any(|name| HTTP2_CIPHERS.contains(name))
}

/// The flag is of 1.36, and read where something is served (component-base `cli/flag/curves_flag.go`).
fn curves(line: &mut Line<'_>) {
    let port = line.flags.number(line.arguments, "secure-port");
    if port.is_some_and(|(port, _)| port == 0) {
        return;
    }
    let words = line.words("tls-curve-preferences");
    let numbers = words
        .into_iter()
        .filter_map(|(word, argument)| Some((integer(word)?, argument)));
    if let Some((number, argument)) = numbers
        .into_iter()
        .find(|(number, _)| !(1..=65535).contains(number))
    {
        let reason = format!("curve preference {number} is out of range (must be 1-65535)");
        line.end(&reason, Some(argument));
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

    #[test]
    fn http2_needs_its_cipher_unless_only_tls_1_3_is_spoken() {
        assert!(lacks_http2_cipher(&["TLS_RSA_WITH_AES_128_CBC_SHA"], false));
        assert!(!lacks_http2_cipher(&["TLS_RSA_WITH_AES_128_CBC_SHA"], true));
        assert!(!lacks_http2_cipher(&[], false));
        assert!(!lacks_http2_cipher(&HTTP2_CIPHERS, false));
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

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3.
    #[test]
    fn labels_of_metrics_are_named_with_their_metric() {
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            for bad in ["a=b", "a,1b=c", "a b,c=d"] {
                let item = format!("allow-metric-labels={bad}");
                let found = reason(version, &[("kube-apiserver-arg", &item)]);
                assert!(found.contains("metric"), "{version} {bad}: {found}");
            }
            for good in [
                "a,b=c",
                "a:b,c=d,e",
                "\"a,b=c\"",
                "=b",
                "\"a,b=c\",\"d,e=f\"",
            ] {
                let item = format!("allow-metric-labels={good}");
                let found = reason(version, &[("kube-apiserver-arg", &item)]);
                assert_eq!(found, "", "{version} {good}");
            }
        }
        let manager = [("kube-controller-manager-arg", "allow-metric-labels=a=b")];
        assert!(reason("1.36.3", &manager).contains("metricName"));
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

    /// Asked of a real 1.36.3.
    #[test]
    fn a_curve_has_a_number() {
        for option in ["kube-apiserver-arg", "kube-controller-manager-arg"] {
            let of = |value| reason("1.36.3", &[(option, value)]);
            let found = of("tls-curve-preferences=29,0");
            assert!(
                found.contains("curve preference 0 is out of range (must be 1-65535)"),
                "{found}"
            );
            assert_eq!(of("tls-curve-preferences=29"), "");
        }
    }
}
