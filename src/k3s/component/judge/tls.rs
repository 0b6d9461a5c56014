//! TLS of what a component serves: ciphers, versions, curves.

use super::Line;
use crate::k3s::go_value::{boolean, integer};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::component::tests::reason;

    #[test]
    fn http2_needs_its_cipher_unless_only_tls_1_3_is_spoken() {
        assert!(lacks_http2_cipher(&["TLS_RSA_WITH_AES_128_CBC_SHA"], false));
        assert!(!lacks_http2_cipher(&["TLS_RSA_WITH_AES_128_CBC_SHA"], true));
        assert!(!lacks_http2_cipher(&[], false));
        assert!(!lacks_http2_cipher(&HTTP2_CIPHERS, false));
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
