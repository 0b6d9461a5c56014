//! What an encryption configuration must hold. Keys are looked at and never cited: a secret has no business in a report.

use super::{PROVIDERS, keys};
use crate::k3s::component::document::Document;
use crate::k3s::component::schema::{Shape, TEXTS};

const KEY: Shape = Shape::Struct("v1.Key", &[("name", Shape::Text), ("secret", Shape::Text)]);
const KEYS: [(&str, Shape); 1] = [("keys", Shape::List(&KEY))];
const PROVIDER: Shape = Shape::Struct(
    "v1.ProviderConfiguration",
    &[
        ("aesgcm", Shape::Struct("v1.AESConfiguration", &KEYS)),
        ("aescbc", Shape::Struct("v1.AESConfiguration", &KEYS)),
        (
            "secretbox",
            Shape::Struct("v1.SecretboxConfiguration", &KEYS),
        ),
        ("identity", Shape::Struct("v1.IdentityConfiguration", &[])),
        ("kms", KMS),
    ],
);
const KMS: Shape = Shape::Struct(
    "v1.KMSConfiguration",
    &[
        ("apiVersion", Shape::Since(36, &Shape::Text)),
        ("name", Shape::Text),
        ("cachesize", Shape::Int(32)),
        ("endpoint", Shape::Text),
        ("timeout", Shape::Duration),
    ],
);
const RESOURCE: Shape = Shape::Struct(
    "v1.ResourceConfiguration",
    &[("resources", TEXTS), ("providers", Shape::List(&PROVIDER))],
);
const CONFIGURATION: Shape = Shape::Struct(
    "v1.EncryptionConfiguration",
    &[
        ("apiVersion", Shape::Text),
        ("kind", Shape::Text),
        ("resources", Shape::List(&RESOURCE)),
    ],
);
/// These are of 1.36, and not of 1.20; when they came is not known here.
const NEWER_SINCE_MINOR: u16 = 36;

/// Why it cannot be read as one.
pub(super) fn undecoded(configuration: &Document, minor: u16) -> Option<String> {
    let (version, kind) = (configuration.text("apiVersion"), configuration.text("kind"));
    let is_known = matches!(version, "apiserver.config.k8s.io/v1" | "v1");
    if !is_known || kind != "EncryptionConfiguration" {
        return Some(format!(
            "no kind {kind:?} is registered for version {version:?}"
        ));
    }
    match minor {
        ..NEWER_SINCE_MINOR => CONFIGURATION.mismatch(configuration, minor),
        _ => CONFIGURATION.strict(configuration, minor),
    }
}

/// Why one that can be read is not taken.
pub(super) fn invalid(configuration: &Document, minor: u16) -> Option<String> {
    let resources = list(configuration, "resources");
    if resources.is_empty() {
        return Some("resources: Required value: at least one resources is required".to_owned());
    }
    let mut resources = resources.iter().enumerate();
    resources.find_map(|(index, resource)| entry(resource, &format!("resources[{index}]"), minor))
}

fn list<'a>(document: &'a Document, key: &str) -> &'a [Document] {
    document.get(key).map_or(&[][..], Document::items)
}

fn entry(entry: &Document, path: &str, minor: u16) -> Option<String> {
    for key in ["resources", "providers"] {
        if list(entry, key).is_empty() {
            let path = format!("{path}.{key}");
            return Some(format!(
                "{path}: Required value: at least one {path} is required"
            ));
        }
    }
    let names: Vec<&str> = list(entry, "resources")
        .iter()
        .map(Document::shown)
        .collect();
    if let Some(reason) = overlap(&names).filter(|_| minor >= NEWER_SINCE_MINOR) {
        return Some(format!(
            "{path}.resources: Invalid value: {names:?}: {reason}"
        ));
    }
    let mut providers = list(entry, "providers").iter().enumerate();
    providers.find_map(|(place, one)| provider(one, &format!("{path}.providers[{place}]"), minor))
}

fn overlap(names: &[&str]) -> Option<&'static str> {
    // A name without a group is of the core group, as `*.` is.
    let parsed: Vec<(&str, &str)> = names
        .iter()
        .map(|name| name.split_once('.').unwrap_or((name, "")))
        .collect();
    let pairs = || {
        let others = |index| parsed.iter().skip(index + 1);
        let each = parsed.iter().enumerate();
        each.flat_map(move |(index, one)| others(index).map(move |other| (*one, *other)))
    };
    if pairs().any(|(one, other)| one == other) {
        return Some("the same resource cannot be specified multiple times");
    }
    let all = ("*", "*");
    let masks = |((one, group), (other, its)): ((&str, &str), (&str, &str))| {
        (one, group) == all || (other, its) == all || (group == its && (one == "*" || other == "*"))
    };
    pairs().any(masks).then_some(
        "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
    )
}

fn provider(provider: &Document, path: &str, minor: u16) -> Option<String> {
    let mut given = PROVIDERS
        .iter()
        .filter_map(|name| Some((*name, provider.get(name)?)))
        .filter(|(_, value)| **value != Document::Null);
    let Some((name, value)) = given.next() else {
        return Some(format!(
            "{path}: Invalid value: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, \
             Secretbox, Identity"
        ));
    };
    if given.next().is_some() {
        return Some(format!(
            "{path}: Invalid value: more than one provider specified in a single element, should split into different \
             list elements"
        ));
    }
    let path = format!("{path}.{name}");
    match name {
        "identity" => None,
        "kms" => kms(value, &path, minor),
        "secretbox" => keys::refuses(list(value, "keys"), &path, &[32]),
        _ => keys::refuses(list(value, "keys"), &path, &[16, 24, 32]),
    }
}

fn kms(kms: &Document, path: &str, minor: u16) -> Option<String> {
    if kms.text("name").is_empty() && minor >= NEWER_SINCE_MINOR {
        return Some(format!(
            "{path}.name: Required value: name is a mandatory field for a provider"
        ));
    }
    let endpoint = kms.text("endpoint");
    let invalid = format!("{path}.endpoint: Invalid value: {endpoint:?}");
    if endpoint.is_empty() {
        return Some(format!(
            "{invalid}: endpoint is a mandatory field for a kms"
        ));
    }
    let scheme = endpoint.split_once(':').map_or("", |(scheme, _)| scheme);
    (!scheme.eq_ignore_ascii_case("unix")).then(|| {
        format!("{invalid}: unsupported scheme {scheme:?} for KMS provider, only unix is supported")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What 1.36 says of a configuration with these resources.
    fn reason(resources: &str) -> Option<String> {
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{resources}]\n"
        );
        let document = Document::parse(text.as_bytes()).unwrap();
        undecoded(&document, 36).or_else(|| invalid(&document, 36))
    }

    fn of_provider(provider: &str) -> Option<String> {
        reason(&format!(
            "{{resources: [secrets], providers: [{provider}]}}"
        ))
    }

    #[test]
    fn a_provider_needs_what_it_encrypts_with() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        for good in [
            "{identity: {}}".to_owned(),
            format!("{{aescbc: {{keys: [{{name: a, secret: {key}}}]}}}}"),
            "{aesgcm: {keys: [{name: a, secret: AAECAwQFBgcICQoLDA0ODw==}]}, kms: ~}".to_owned(),
            format!("{{secretbox: {{keys: [{{name: a, secret: {key}}}]}}}}"),
            "{kms: {name: a, endpoint: 'unix:///x'}}".to_owned(),
        ] {
            assert_eq!(of_provider(&good), None, "{good}");
        }
        for (bad, words) in [
            (
                "{}",
                "resources[0].providers[0]: Invalid value: provider does not contain any",
            ),
            ("{identity: {}, kms: {}}", "more than one provider"),
            (
                "{aescbc: {keys: []}}",
                "resources[0].providers[0].aescbc.keys: Required value: at least one keys is required",
            ),
            (
                "{kms: {name: a}}",
                "resources[0].providers[0].kms.endpoint: Invalid value: \"\": endpoint is a mandatory field for a kms",
            ),
            (
                "{kms: {name: a, endpoint: 'http://x'}}",
                "unsupported scheme \"http\" for KMS provider, only unix is supported",
            ),
            (
                "{aescbc: x}",
                "json: cannot unmarshal string into Go struct field ProviderConfiguration.resources.providers.aescbc of type v1.AESConfiguration",
            ),
        ] {
            let reason = of_provider(bad).unwrap();
            assert!(reason.contains(words), "{bad}: {reason}");
        }
    }

    #[test]
    fn resources_of_one_list_do_not_mask_each_other() {
        let names = |names: &str| {
            reason(&format!(
                "{{resources: [{names}], providers: [{{identity: {{}}}}]}}"
            ))
        };
        for good in [
            "secrets",
            "secrets, configmaps",
            "'*.apps', secrets",
            "'*.*'",
        ] {
            assert_eq!(names(good), None, "{good}");
        }
        for (bad, words) in [
            (
                "'*.*', secrets",
                "resources[0].resources: Invalid value: [\"*.*\", \"secrets\"]: using overlapping",
            ),
            ("secrets, '*.'", "using overlapping"),
            ("secrets, secrets", "multiple times"),
            ("", "resources[0].resources: Required value"),
        ] {
            assert!(names(bad).unwrap().contains(words), "{bad}");
        }
    }
}
