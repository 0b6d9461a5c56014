//! The section of PodSecurity (pod-security-admission `admission/api/load/load.go`, `admission/api/validation`).

use std::collections::BTreeSet;

use super::{Refusal, refused_kind};
use crate::k3s::component::document::Document;
use crate::k3s::component::schema::{Shape, TEXTS};
use crate::k3s::{is_label, is_subdomain};

const MODES: [&str; 6] = [
    "enforce",
    "enforce-version",
    "audit",
    "audit-version",
    "warn",
    "warn-version",
];

const KINDS: [(&str, &str); 3] = [
    (
        "pod-security.admission.config.k8s.io/v1",
        "PodSecurityConfiguration",
    ),
    (
        "pod-security.admission.config.k8s.io/v1beta1",
        "PodSecurityConfiguration",
    ),
    (
        "pod-security.admission.config.k8s.io/v1alpha1",
        "PodSecurityConfiguration",
    ),
];

const SECTION: Shape = Shape::Struct(
    "v1.PodSecurityConfiguration",
    &[
        ("apiVersion", Shape::Text),
        ("kind", Shape::Text),
        (
            "defaults",
            Shape::Struct(
                "v1.PodSecurityDefaults",
                &[
                    ("enforce", Shape::Text),
                    ("enforce-version", Shape::Text),
                    ("audit", Shape::Text),
                    ("audit-version", Shape::Text),
                    ("warn", Shape::Text),
                    ("warn-version", Shape::Text),
                ],
            ),
        ),
        (
            "exemptions",
            Shape::Struct(
                "v1.PodSecurityExemptions",
                &[
                    ("usernames", TEXTS),
                    ("namespaces", TEXTS),
                    ("runtimeClasses", TEXTS),
                ],
            ),
        ),
    ],
);

/// Why the plug-in would not take its section.
pub(super) fn refuses(section: &Document, minor: u16) -> Option<Refusal> {
    if let Some(reason) = refused_kind(section, &KINDS).or_else(|| SECTION.strict(section, minor)) {
        return Some(Refusal::Decoded(reason));
    }
    let empty = Document::Null;
    let defaults = section.get("defaults").unwrap_or(&empty);
    let exemptions = section.get("exemptions").unwrap_or(&empty);
    let mut modes = MODES.iter();
    let level = modes.find_map(|mode| refuses_mode(mode, defaults.text(mode)));
    level
        .or_else(|| exempt(exemptions))
        .map(Refusal::Initialized)
}

fn refuses_mode(mode: &str, value: &str) -> Option<String> {
    let (is_good, must) = if mode.ends_with("-version") {
        (is_policy_version(value), "must be \"latest\" or \"v1.x\"")
    } else {
        let levels = ["", "privileged", "baseline", "restricted"];
        let must = "must be one of privileged, baseline, restricted";
        (levels.contains(&value), must)
    };
    (!is_good).then(|| format!("PodSecurity configuration error: {mode}: {must}"))
}

fn is_policy_version(text: &str) -> bool {
    let minor = |rest: &str| {
        rest == "0"
            || (!rest.starts_with('0') && rest.parse::<u32>().is_ok() && !rest.contains('+'))
    };
    text.is_empty() || text == "latest" || text.strip_prefix("v1.").is_some_and(minor)
}

fn exempt(exemptions: &Document) -> Option<String> {
    for (key, is_good) in [
        ("namespaces", is_label as fn(&str) -> bool),
        ("runtimeClasses", is_subdomain),
        ("usernames", |name| !name.is_empty()),
    ] {
        let mut seen = BTreeSet::new();
        for item in exemptions.get(key).map_or(&[][..], Document::items) {
            let Document::Text(name) = item else { continue };
            if !is_good(name) || !seen.insert(name) {
                return Some(format!("exemptions.{key}: Invalid value: {name:?}"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes()).unwrap()
    }

    fn security(rest: &str) -> Option<String> {
        refuses(&parse(&format!(
            "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\n{rest}"
        )), 36)
        .map(Refusal::into_reason)
    }

    #[test]
    fn pod_security_levels_versions_and_exemptions_are_checked() {
        assert_eq!(
            security("defaults: {enforce: restricted, enforce-version: latest}"),
            None
        );
        assert!(
            security("defaults: {enforce: strict}")
                .unwrap()
                .contains("privileged")
        );
        assert!(security("defaults: {enforce-version: '1.25'}").is_some());
        assert!(security("default: {}").unwrap().contains("unknown field"));
        assert!(security("exemptions: {namespaces: [a, a]}").is_some());
        assert!(security("exemptions: {namespaces: [Kube]}").is_some());
        assert_eq!(security("exemptions: {namespaces: [kube-system]}"), None);
    }

    /// Subdomains, whose parts may be longer than a label.
    #[test]
    fn an_exempted_runtime_class_has_a_name_of_253_characters_at_the_most() {
        let exempting = |name: &str| security(&format!("exemptions: {{runtimeClasses: [{name}]}}"));
        assert_eq!(exempting(&"x".repeat(64)), None);
        let too_long = vec!["x".repeat(63); 4].join(".");
        let expected = format!("exemptions.runtimeClasses: Invalid value: {too_long:?}");
        assert!(exempting(&too_long).is_some_and(|reason| reason.contains(&expected)));
    }

    #[test]
    fn a_section_without_a_kind_or_with_a_value_that_does_not_fit_ends_it() {
        let refused = |text: &str| refuses(&parse(text), 36).map(Refusal::into_reason);
        assert_eq!(refused("{}").unwrap(), "Object 'Kind' is missing in '{}'");
        assert!(
            refused("hello")
                .unwrap()
                .contains("cannot unmarshal string")
        );
        assert!(refused("[]").unwrap().contains("cannot unmarshal array"));
        assert_eq!(
            security("defaults: []").unwrap(),
            "json: cannot unmarshal array into Go struct field PodSecurityConfiguration.defaults of type v1.PodSecurityDefaults"
        );
        assert_eq!(
            security("exemptions: {namespaces: kube-system}").unwrap(),
            "json: cannot unmarshal string into Go struct field PodSecurityExemptions.exemptions.namespaces of type []string"
        );
        assert_eq!(security("defaults: ~\nexemptions: {namespaces: ~}"), None);
    }
}
