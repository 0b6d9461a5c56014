//! The server that an agent is told to join, where that is no address of https.

use crate::k3s::component::Node;
use crate::k3s::component::options::Options;
use crate::k3s::{Ending, Role, without_credentials};

const OPTION: &str = "server";
/// From here on an agent with no host in it may wait in place of ending (K3s 911ee19a9, whose backports were not looked for).
const MAY_WAIT_SINCE_MINOR: u16 = 29;

/// What Go's `url.Parse` makes of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Url {
    Https,
    /// It is no URL: a colon is in it, and no scheme before that.
    Refused,
    /// Nothing in it is a host.
    WithoutHost,
    Other,
}

impl Url {
    fn of(text: &str) -> Self {
        // What else such a text can be is not judged.
        if text.contains(['?', '#', '%']) || text.starts_with(':') {
            return Self::Other;
        }
        let (scheme, rest) = scheme(text).map_or((None, text), |(one, rest)| (Some(one), rest));
        let segment = rest.split('/').next().unwrap_or_default();
        match scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") && rest.starts_with("//") => {
                Self::Https
            }
            None if segment.contains(':') => Self::Refused,
            _ if rest.starts_with("//") => Self::Other,
            _ => Self::WithoutHost,
        }
    }
}

/// Go's `getScheme`: letters, and behind the first also digits and three signs, before a colon.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let begins = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    (begins && scheme.bytes().all(is_of_scheme)).then_some((scheme, rest))
}

/// What an agent ends over before it asks anybody (pkg/agent/proxy NewSupervisorProxy, pkg/agent/loadbalancer New).
pub(super) fn ending(options: Options<'_>, node: &Node) -> Option<Ending> {
    let given = options.text(OPTION)?;
    let reason = match Url::of(given) {
        Url::Refused => {
            let shown = without_credentials(given);
            format!("parse {shown:?}: first path segment in URL cannot contain colon")
        }
        Url::WithoutHost
            if node.version.minor < MAY_WAIT_SINCE_MINOR && !options.on("disable-apiserver-lb") =>
        {
            "Initial server URL host is not defined for load balancer".to_owned()
        }
        _ => return None,
    };
    Some(Ending::of_k3s(reason, options.place(OPTION)))
}

/// What it asks for ever, since it asks by https only (pkg/clientaccess).
pub(super) fn waits(options: Options<'_>, node: &Node) -> Option<String> {
    let given = options.text(OPTION)?;
    if node.role != Role::Agent || Url::of(given) == Url::Https || ending(options, node).is_some() {
        return None;
    }
    let place = options.place(OPTION)?;
    Some(format!(
        "{place}: K3s asks {} for ever and gets no answer, since it asks by https only; write {OPTION} as https://HOST:6443",
        without_credentials(given)
    ))
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::with;

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3.
    #[test]
    fn an_agent_asks_its_server_by_https() {
        let colon = "first path segment in URL cannot contain colon";
        let host = "Initial server URL host is not defined for load balancer";
        for (server, version, end, waits) in [
            ("10.77.0.1:6443", "1.24.4", colon, false),
            ("10.77.0.1:6443", "1.31.4", colon, false),
            ("10.77.0.1:6443", "1.36.3", colon, false),
            ("my_server:6443", "1.36.3", colon, false),
            ("10.77.0.1", "1.24.4", host, false),
            ("myserver:6443", "1.24.4", host, false),
            ("10.77.0.1", "1.31.4", "", true),
            ("myserver:6443", "1.36.3", "", true),
            ("http://10.77.0.1:6443", "1.24.4", "", true),
            ("http://10.77.0.1:6443", "1.36.3", "", true),
            ("//10.77.0.1:6443", "1.36.3", "", true),
            ("https://10.77.0.1:6443", "1.24.4", "", false),
            ("HTTPS://myserver", "1.36.3", "", false),
        ] {
            let options = vec![("server", vec![server]), ("token", vec!["x"])];
            let start = with(options, version, Role::Agent);
            let first = start.endings.first().map_or("", |ending| &ending.reason);
            assert_eq!(
                first.is_empty(),
                end.is_empty(),
                "{server} {version}: {first}"
            );
            assert!(first.contains(end), "{server} {version}: {first}");
            let told = start.warnings.iter().any(|told| told.contains("for ever"));
            assert_eq!(told, waits, "{server} {version}: {:?}", start.warnings);
        }
    }

    #[test]
    fn what_lets_somebody_in_is_not_told() {
        let options = vec![
            ("server", vec!["http://me:pa55word@a:6443"]),
            ("token", vec!["x"]),
        ];
        let start = with(options, "1.36.3", Role::Agent);
        assert!(
            !start.warnings.concat().contains("pa55word"),
            "{:?}",
            start.warnings
        );
        assert!(!start.warnings.is_empty());
    }
}
