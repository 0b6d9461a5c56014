//! Who may call the apiserver: authentication and authorization flags and files.
//!
//! kubernetes `pkg/kubeapiserver/options/{authentication,authorization}.go`.

mod authentication_file;
mod authorization_file;
mod decided;

use std::collections::BTreeSet;
use std::path::Path;

use super::{Line, files};
use crate::k3s::component::Argument;
use crate::k3s::component::document::Document;
use crate::k3s::component::in_force::InForce;

pub(super) use decided::decided;

/// Judges both.
pub(super) fn judge(line: &mut Line<'_>) {
    authentication(line);
    authorization(line);
}

fn authentication(line: &mut Line<'_>) {
    issuers(line);
    let oidc = line
        .arguments
        .iter()
        .find(|argument| argument.flag.starts_with("oidc-"));
    let Some(argument) = line.given("authentication-config") else {
        without_a_file(line, oidc);
        return;
    };
    if line.minor() < 30 && !gate_on(line, "StructuredAuthenticationConfiguration") {
        line.end(
            "set --feature-gates=StructuredAuthenticationConfiguration=true to use authentication-config file",
            Some(argument),
        );
        return;
    }
    if oidc.is_some() {
        line.end(
            "authentication-config file and oidc-* flags are mutually exclusive",
            oidc,
        );
        return;
    }
    let path = line.node.named_file(&argument.value);
    let prefix = format!("failed to load authentication configuration from file {path:?}");
    let Some(config) = files::document(line, argument, &prefix) else {
        return;
    };
    let versions = versions(line, 34);
    let reason = match authentication_file::undecoded(&config, &versions, line.minor()) {
        Some(reason) => Some(format!("{prefix}: {reason}")),
        None => authentication_file::invalid(&config, line.minor())
            .map(|reason| format!("invalid authentication configuration: {reason}")),
    };
    if let Some(reason) = reason {
        line.end(&reason, Some(argument));
        return;
    }
    let anonymous = matches!(config.get("anonymous"), Some(Document::Map(_)));
    if let Some(flag) = line
        .last("anonymous-auth")
        .filter(|_| anonymous && line.minor() >= 31)
    {
        let blamed = if flag.place == crate::k3s::Place::Default {
            argument
        } else {
            flag
        };
        line.end(
            "--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file",
            Some(blamed),
        );
    }
}

/// What the flags alone say of issuers of OpenID tokens; `oidc` is the first of them.
fn without_a_file(line: &mut Line<'_>, oidc: Option<&Argument>) {
    let halves = ["oidc-issuer-url", "oidc-client-id"];
    if oidc.is_some() && halves.iter().any(|flag| line.given(flag).is_none()) {
        line.end(
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set",
            oidc,
        );
    } else if let Some(argument) = line.given("oidc-issuer-url")
        && let Some(why) = no_issuer(&argument.value, line.minor())
    {
        let reason = format!(
            "invalid authentication configuration: jwt[0].issuer.url: Invalid value: {:?}: {why}",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
}

fn issuers(line: &mut Line<'_>) {
    if let Some(argument) = line.given("service-account-jwks-uri")
        && !argument
            .value
            .split_once(':')
            .is_some_and(|(scheme, _)| is_https(scheme))
    {
        let reason = format!(
            "service-account-jwks-uri requires https scheme, parsed as: {}",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
    let mut seen = BTreeSet::new();
    for argument in line
        .flags
        .effective(line.arguments, "service-account-issuer")
    {
        if let Some(why) = no_url(&argument.value) {
            let issuer = &argument.value;
            let reason = format!(
                "service-account-issuer {issuer:?} contained a ':' but was not a valid URL: parse {issuer:?}: {why}"
            );
            line.end(&reason, Some(argument));
        } else if argument.value.is_empty() {
            line.end(
                "service-account-issuer should not be an empty string",
                Some(argument),
            );
        } else if !seen.insert(&argument.value) {
            let reason = format!(
                "service-account-issuer {:?} is already specified",
                argument.value
            );
            line.end(&reason, Some(argument));
        }
    }
}

/// Go's `net/url` takes a scheme in any case.
fn is_https(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https")
}

/// Why no issuer of OpenID tokens can be at a URL (apiserver `pkg/apis/apiserver/validation/validation.go` validateURL, which the
/// flags go through too since 1.30).
fn no_issuer(url: &str, minor: u16) -> Option<&'static str> {
    let parts = url.split_once("://");
    let Some((_, rest)) = parts.filter(|(scheme, _)| is_https(scheme)) else {
        return Some("URL scheme must be https");
    };
    let (before, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (before, query) = before.split_once('?').unwrap_or((before, ""));
    let host = before.split('/').next().unwrap_or_default();
    let why = match () {
        () if host.contains('@') => "URL must not contain a username or password",
        () if !query.is_empty() => "URL must not contain a query",
        () if !fragment.is_empty() => "URL must not contain a fragment",
        () => return None,
    };
    Some(why).filter(|_| minor >= 30)
}

/// Why Go reads no URL in a text with a colon (`net/url`); `None` also for what is too rare to be judged here.
fn no_url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    if scheme.is_empty() {
        return Some("missing protocol scheme".to_owned());
    }
    let host = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    if host.contains(' ') {
        return Some("invalid character \" \" in host name".to_owned());
    }
    let (_, port) = host.rsplit_once(':')?;
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    // With users and with addresses of IPv6 there are other colons.
    let is_name = !host.contains(['@', '[', ']']);
    let (_, shown) = host.split_once(':')?;
    (is_name && !is_number).then(|| format!("invalid port {:?} after host", format!(":{shown}")))
}

/// The mode with which nobody who comes without a certificate of the node or the system may read `/readyz`: the apiserver serves and
/// is never ready, and K3s waits a quarter of an hour before it starts anything else (K3s pkg/util/api.go, pkg/executor/embed).
pub(super) fn never_ready<'a>(line: &Line<'a>) -> Option<&'a Argument> {
    let argument = line
        .given("authorization-mode")
        .or_else(|| line.given("authorization-config"))?;
    let modes = match decided(line).remove(&(line.component, "authorization-mode")) {
        Some(InForce::List { elements }) => elements.into_iter().map(|(mode, _)| mode).collect(),
        Some(_) => return None,
        None => {
            let words = line.words("authorization-mode").into_iter();
            words.map(|(mode, _)| mode.to_owned()).collect::<Vec<_>>()
        }
    };
    // What a webhook or a policy file allows is not known here.
    let closed = |mode: &String| matches!(mode.as_str(), "Node" | "AlwaysDeny");
    (!modes.is_empty() && modes.iter().all(closed)).then_some(argument)
}

/// Whether the apiserver takes the certificates that K3s and its components come with, as far as is known here; behind one that
/// does not it is never ready either.
pub(super) fn admits_k3s(line: &Line<'_>) -> bool {
    let authority = line.node.data_dir.join("server/tls/client-ca.crt");
    let Some(given) = line.given("client-ca-file") else {
        return line.last("client-ca-file").is_none();
    };
    let path = line.node.named_file(&given.value);
    let content = |path: &Path| line.files.read(path).ok().flatten();
    let holds = |bundle: Vec<u8>, own: Vec<u8>| {
        let own = own.trim_ascii();
        !own.is_empty() && bundle.windows(own.len()).any(|part| part == own)
    };
    path == authority
        || content(&path)
            .zip(content(&authority))
            .is_some_and(|(bundle, own)| holds(bundle, own))
}

fn gate_on(line: &Line<'_>, name: &str) -> bool {
    let wanted = format!("{name}=true");
    line.words("feature-gates")
        .iter()
        .any(|(pair, _)| pair.rsplit(':').next() == Some(wanted.as_str()))
}

/// Versions of the two files: v1 since the minor given, v1beta1 since 1.30, v1alpha1 since 1.29.
fn versions(line: &Line<'_>, stable_since: u16) -> Vec<&'static str> {
    let mut versions = vec!["apiserver.config.k8s.io/v1alpha1"];
    if line.minor() >= 30 {
        versions.push("apiserver.config.k8s.io/v1beta1");
    }
    if line.minor() >= stable_since {
        versions.push("apiserver.config.k8s.io/v1");
    }
    versions
}

fn authorization(line: &mut Line<'_>) {
    if let Some(argument) = line.given("authorization-config") {
        authorization_config(line, argument);
        return;
    }
    let modes = line.words("authorization-mode");
    let mut seen = BTreeSet::new();
    for (mode, argument) in &modes {
        let known = [
            "AlwaysAllow",
            "AlwaysDeny",
            "ABAC",
            "Webhook",
            "RBAC",
            "Node",
        ];
        let reason = if !known.contains(mode) {
            format!("authorization-mode {mode:?} is not a valid mode")
        } else if *mode == "ABAC" && line.given("authorization-policy-file").is_none() {
            "authorization-mode ABAC's authorization policy file not passed".to_owned()
        } else if *mode == "Webhook" && line.given("authorization-webhook-config-file").is_none() {
            "authorization-mode Webhook's authorization config file not passed".to_owned()
        } else if !seen.insert(*mode) {
            format!("authorization-mode {mode:?} has mode specified more than once")
        } else {
            continue;
        };
        line.end(&reason, Some(argument));
    }
    // 1.36 takes none for AlwaysAllow. That came with the configuration file, of 1.29; when, is not known here.
    let needs_one = line.minor() <= 28 && modes.is_empty();
    if let Some(argument) = line.last("authorization-mode").filter(|_| needs_one) {
        line.end(
            "at least one authorization-mode must be passed",
            Some(argument),
        );
    }
    for (flag, mode) in [
        ("authorization-policy-file", "ABAC"),
        ("authorization-webhook-config-file", "Webhook"),
    ] {
        if let Some(argument) = line.given(flag)
            && !modes.iter().any(|(given, _)| *given == mode)
        {
            line.end(
                &format!("cannot specify --{flag} without mode {mode}"),
                Some(argument),
            );
        }
    }
}

fn authorization_config(line: &mut Line<'_>, argument: &Argument) {
    if line.minor() < 30 && !gate_on(line, "StructuredAuthorizationConfiguration") {
        line.end(
            "--authorization-config cannot be used without enabling StructuredAuthorizationConfiguration feature flag",
            Some(argument),
        );
        return;
    }
    let legacy = line.arguments.iter().any(|argument| {
        argument.flag == "authorization-mode" || argument.flag.starts_with("authorization-webhook-")
    });
    if legacy {
        line.end(
            "--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined",
            Some(argument),
        );
        return;
    }
    let prefix = "failed to load AuthorizationConfiguration from file";
    let Some(config) = files::document(line, argument, prefix) else {
        return;
    };
    let versions = versions(line, 32);
    let reason = match authorization_file::undecoded(&config, &versions, line.minor()) {
        Some(reason) => Some(format!("{prefix}: {reason}")),
        None => authorization_file::invalid(&config, line.minor()),
    };
    if let Some(reason) = reason {
        line.end(&reason, Some(argument));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_with_a_colon_is_a_url() {
        for good in [
            "https://x",
            "x",
            "urn:x",
            "https://x:1/a b",
            "https://x:/",
            "https://a:b@x",
            "https://[fd00::a]",
            "",
        ] {
            assert_eq!(no_url(good), None, "{good}");
        }
        assert_eq!(no_url(":bad").as_deref(), Some("missing protocol scheme"));
        let port = no_url("http://x:y/z");
        assert_eq!(port.as_deref(), Some("invalid port \":y\" after host"));
        assert!(no_url("https://kubernetes.default.svc.a b").is_some());
    }
}
