//! What must never be shown: values of secret options, and secrets that an operator wrote into an argument of a component.

use std::sync::LazyLock;

use super::component::{Component, knows_flag};
use super::options::{is_option, is_secret_option};

/// Stands in the place of a value that must not be shown.
pub const SECRET: &str = "{secret}";

/// What the name of a secret speaks of.
const WORDS: [&str; 5] = ["token", "secret", "password", "passwd", "passphrase"];

/// The options whose items are `flag=value` for a component.
static ARGUMENT_LISTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let own = Component::ALL.map(Component::option);
    let hidden = ["kube-controller-arg", "kube-cloud-controller-arg"];
    // etcd and the helm controller are no components of Kubernetes, but their items are flags too.
    let others = ["etcd-arg", "helm-controller-arg"];
    own.into_iter().chain(hidden).chain(others).collect()
});

/// Whether every value of an option or of a component's flag must be hidden. The name is without dashes.
///
/// K3s's own options are marked in their table. A component's flag is secret by its last word (`storage-driver-password`);
/// of a flag that no component knows, any word counts: what it was meant to hold is not known.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    if is_secret_option(name) {
        return true;
    }
    let flag = name
        .trim_end_matches(['+', '-'])
        .to_ascii_lowercase()
        .replace('_', "-");
    // Nearly every name ends here: the tables, which are searched as text, are asked about the others only.
    if !WORDS.iter().any(|word| flag.contains(word)) || is_option(name) {
        return false;
    }
    !knows_flag(&flag) || WORDS.iter().any(|word| flag.ends_with(word))
}

/// Whether a value must be hidden: for its name, or because there are credentials in it.
#[must_use]
pub fn hides(name: &str, value: &str) -> bool {
    is_secret(name) || has_credentials(value)
}

/// A name as far as it gives nothing away: whoever writes `'--token abc'` in one word gave a token with it.
pub(super) fn shown_name(text: &str) -> &str {
    end_of_secret_name(text)
        .and_then(|end| text.get(..end))
        .unwrap_or(text)
}

fn last_word(text: &str) -> &str {
    text.rsplit(char::is_whitespace).next().unwrap_or(text)
}

/// Where the first name of a secret ends that has something behind it, in a text that should be one name and may be more:
/// a blank slipped in, or Go's print of a map, `[{token abc}]`.
fn end_of_secret_name(text: &str) -> Option<usize> {
    let separates = |character: char| {
        character.is_whitespace() || matches!(character, '[' | ']' | '{' | '}' | ':')
    };
    let mut end = 0;
    text.split_inclusive(separates).find_map(|part| {
        let word = part.trim_end_matches(separates);
        let word_end = end + word.len();
        end += part.len();
        let is_last = text.get(word_end..)?.trim_matches(separates).is_empty();
        (!is_last && is_secret(word.trim_start_matches('-'))).then_some(word_end)
    })
}

/// The value of an option or flag as it may be shown; an item of `kube-apiserver-arg` keeps its flag.
#[must_use]
pub fn shown_value(name: &str, value: &str) -> String {
    if !ARGUMENT_LISTS.contains(&name) {
        return if hides(name, value) { SECRET } else { value }.to_owned();
    }
    let head = value.split('=').next().unwrap_or_default();
    let name = shown_name(head);
    if name.len() < head.len() {
        return format!("{name} {SECRET}");
    }
    match value.split_once('=') {
        Some((flag, rest)) if hides(last_word(flag).trim_start_matches('-'), rest) => {
            format!("{flag}={SECRET}")
        }
        None if has_credentials(value) => SECRET.to_owned(),
        _ => value.to_owned(),
    }
}

/// A text of others, a log line say, with every word hidden that has credentials in it.
#[must_use]
pub fn without_credentials(text: &str) -> String {
    if !text.contains('@') {
        return text.to_owned();
    }
    text.split_inclusive(char::is_whitespace)
        .map(|word| {
            let bare = word.trim_end();
            if has_credentials(bare) {
                let blank = word.get(bare.len()..).unwrap_or_default();
                return format!("{SECRET}{blank}");
            }
            word.to_owned()
        })
        .collect()
}

/// `https://user:password@host`, `https://token@host` or `user:password@tcp(host)`.
fn has_credentials(value: &str) -> bool {
    let ends = |character: char| matches!(character, ',' | '"' | '\'') || character.is_whitespace();
    value.split(ends).any(|part| {
        let Some((_, behind_colon)) = part.split_once(':') else {
            return false;
        };
        behind_colon.split('@').skip(1).any(|host| {
            // The digest of an image: `pause:3.6@sha256:…`.
            let digest = ["sha256:", "sha512:"];
            !digest.iter().any(|digest| host.starts_with(digest))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_s_flag_is_secret_by_its_last_word_and_an_unknown_one_by_any() {
        for secret in [
            "token",
            "t",
            "agent-token",
            "storage-driver-password",
            "storage_driver_password",
            "oidc-client-secret",
            "my-token-of-old",
            "client-secret+",
            "Password",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for open in [
            "token-auth-file",
            "authentication-token-webhook",
            "authentication-token-webhook-cache-ttl",
            "service-account-extend-token-expiration",
            "secrets-encryption",
            "etcd-s3-config-secret",
            "token-file",
            "tls-sni-cert-key",
            "profiling",
        ] {
            assert!(!is_secret(open), "{open}");
        }
    }

    #[test]
    fn credentials_in_an_address_are_hidden_under_every_name() {
        for secret in [
            "https://u:p@db:2379",
            "https://a:1,https://u:p@b:2",
            "https://token@host/x",
            "u:p@tcp(db:3306)/k3s",
        ] {
            assert!(hides("etcd-servers", secret), "{secret}");
        }
        for open in [
            "https://127.0.0.1:2379",
            "unix://kine.sock",
            "rancher/mirrored-pause:3.6@sha256:0123",
            "admin@example.org",
            "a=b",
        ] {
            assert!(!hides("etcd-servers", open), "{open}");
        }
    }

    #[test]
    fn an_item_for_a_component_keeps_its_flag() {
        for (item, shown) in [
            ("etcd-servers=https://u:p@db", "etcd-servers={secret}"),
            ("--oidc-client-secret=abc", "--oidc-client-secret={secret}"),
            ("token+=abc", "token+={secret}"),
            ("https://u:p@db", "{secret}"),
            ("profiling=false", "profiling=false"),
            ("v", "v"),
        ] {
            assert_eq!(shown_value("kube-apiserver-arg", item), shown);
        }
        let etcd = shown_value("etcd-arg", "initial-cluster-token=abc");
        assert_eq!(etcd, "initial-cluster-token={secret}");
        for (slipped, shown) in [
            ("token abc", "token {secret}"),
            ("token abc=", "token {secret}"),
            ("token abc=def", "token {secret}"),
            ("[{token abc}]", "[{token {secret}"),
            ("[{audit-log-path /x}]", "[{audit-log-path /x}]"),
            ("a b", "a b"),
            ("x y=1", "x y=1"),
            ("a token=abc", "a token={secret}"),
        ] {
            assert_eq!(shown_value("kube-apiserver-arg", slipped), shown);
        }
        assert_eq!(shown_value("server", "https://u:p@host:6443"), SECRET);
        assert_eq!(
            shown_value("server", "https://host:6443"),
            "https://host:6443"
        );
        assert_eq!(shown_value("node-label", "token=abc"), "token=abc");
    }

    #[test]
    fn a_name_with_a_blank_in_it_is_shown_up_to_what_may_be_a_secret() {
        for (name, shown) in [
            ("a b", "a b"),
            ("[{a b}]", "[{a b}]"),
            ("token ", "token "),
            ("--token abc", "--token"),
            ("a agent-token: x", "a agent-token"),
        ] {
            assert_eq!(shown_name(name), shown);
        }
    }

    #[test]
    fn only_the_words_with_credentials_are_taken_out_of_a_line() {
        assert_eq!(
            without_credentials("dial https://u:p@db failed for a@b"),
            "dial {secret} failed for a@b"
        );
    }
}
