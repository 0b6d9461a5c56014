//! URLs in a list of `KEY=URL,URL`, as K3s takes what it gives etcd: of one key the last item counts, and dashes before it do
//! not (K3s pkg/daemons/executor ToConfigFile).

use super::is_loopback;

/// What is given for each of these keys that an item names.
pub(super) fn given_for<'i>(keys: &[String], items: &[&'i str]) -> Vec<&'i str> {
    let last = |key: &String| {
        let mut pairs = items.iter().rev().filter_map(|item| item.split_once('='));
        pairs.find_map(|(name, urls)| (name.trim_start_matches('-') == key).then_some(urls.trim()))
    };
    keys.iter().filter_map(last).collect()
}

/// Whether all the URLs of one item are of a kind.
pub(super) fn all(urls: &str, is_so: impl Fn(&str) -> bool) -> bool {
    urls.split(',')
        .map(str::trim)
        .all(|url| url.is_empty() || is_so(url))
}

/// Served by TLS (etcd server/embed/etcd.go).
pub(super) fn is_tls(url: &str) -> bool {
    matches!(scheme(url), Some((scheme, _)) if ["https", "unixs"].iter().any(|tls| scheme.eq_ignore_ascii_case(tls)))
}

/// Reached from this machine alone.
pub(super) fn is_local(url: &str) -> bool {
    let Some((scheme, rest)) = scheme(url) else {
        return false;
    };
    let address = rest.split('/').next().unwrap_or_default();
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = is_loopback(address) || is_loopback(bare);
    scheme.eq_ignore_ascii_case("unix") || host == "localhost" || is_loopback
}

fn scheme(url: &str) -> Option<(&str, &str)> {
    url.split_once("://")
}
