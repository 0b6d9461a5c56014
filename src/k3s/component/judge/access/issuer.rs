//! Where issuers of tokens are, as URLs.

use std::collections::BTreeSet;

use super::Line;

/// Issuers of the tokens of service accounts.
pub(super) fn of_service_accounts(line: &mut Line<'_>) {
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
pub(super) fn no_issuer(url: &str, minor: u16) -> Option<&'static str> {
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
