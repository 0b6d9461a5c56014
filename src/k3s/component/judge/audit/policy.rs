//! The audit policy of kube-apiserver (apiserver `pkg/audit/policy/reader.go`, `pkg/apis/audit/validation`).

use crate::k3s::component::document::Document;
use crate::k3s::component::schema::{Shape, TEXTS};
use crate::k3s::label::{NO_SUBDOMAIN, is_subdomain};

const LEVELS: [&str; 4] = ["None", "Metadata", "Request", "RequestResponse"];
const STAGES: [&str; 4] = [
    "RequestReceived",
    "ResponseStarted",
    "ResponseComplete",
    "Panic",
];

const RESOURCES: Shape = Shape::Struct(
    "v1.GroupResources",
    &[
        ("group", Shape::Text),
        ("resources", TEXTS),
        ("resourceNames", TEXTS),
    ],
);
const RULE: Shape = Shape::Struct(
    "v1.PolicyRule",
    &[
        ("level", Shape::Word("v1.Level")),
        ("users", TEXTS),
        ("userGroups", TEXTS),
        ("verbs", TEXTS),
        ("resources", Shape::List(&RESOURCES)),
        ("namespaces", TEXTS),
        ("nonResourceURLs", TEXTS),
        ("omitStages", Shape::List(&Shape::Word("v1.Stage"))),
        ("omitManagedFields", MANAGED),
    ],
);
const POLICY: Shape = Shape::Struct(
    "v1.Policy",
    &[
        ("rules", Shape::List(&RULE)),
        ("omitStages", Shape::List(&Shape::Word("v1.Stage"))),
        ("omitManagedFields", MANAGED),
    ],
);
/// 1.20 does not have it; it is surely there in 1.24.
const MANAGED: Shape = Shape::Since(24, &Shape::Bool);

/// The versions of audit objects that the apiserver knows: of a policy, and of what it logs.
pub(super) fn versions(minor: u16) -> Vec<&'static str> {
    let mut versions = vec!["audit.k8s.io/v1"];
    if minor < 24 {
        versions.extend(["audit.k8s.io/v1beta1", "audit.k8s.io/v1alpha1"]);
    }
    versions
}

/// Why the apiserver would not take a policy; unknown fields are only warned about.
pub(in super::super) fn refuses(policy: &Document, minor: u16) -> Option<String> {
    let (version, kind) = (policy.text("apiVersion"), policy.text("kind"));
    if !versions(minor).contains(&version) || kind != "Policy" {
        return Some(format!(
            "failed decoding: no kind {kind:?} is registered for version {version:?}"
        ));
    }
    if let Some(reason) = POLICY.mismatch(policy, minor) {
        return Some(format!("failed decoding: {reason}"));
    }
    if let Some(reason) = stages(policy, "") {
        return Some(reason);
    }
    let rules = policy.get("rules").map_or(&[][..], Document::items);
    if rules.is_empty() {
        return Some("loaded illegal policy with 0 rules".to_owned());
    }
    rules
        .iter()
        .enumerate()
        .find_map(|(index, rule)| refuses_rule(index, rule))
}

fn refuses_rule(index: usize, rule: &Document) -> Option<String> {
    let level = rule.text("level");
    if level.is_empty() {
        return Some(format!("rules[{index}].level: Required value"));
    }
    if !LEVELS.contains(&level) {
        return Some(format!(
            "rules[{index}].level: Unsupported value: {level:?}: supported values: {LEVELS:?}"
        ));
    }
    let urls = rule.get("nonResourceURLs").map_or(&[][..], Document::items);
    for (place, url) in urls.iter().enumerate() {
        let Document::Text(url) = url else { continue };
        let inner = url.strip_suffix('*').unwrap_or(url);
        if url != "*" && (!url.starts_with('/') || inner.contains('*')) {
            return Some(format!(
                "rules[{index}].nonResourceURLs[{place}]: Invalid value: {url:?}"
            ));
        }
    }
    let resources = rule.get("resources").map_or(&[][..], Document::items);
    let namespaces = rule.get("namespaces").map_or(&[][..], Document::items);
    if !urls.is_empty() && (!resources.is_empty() || !namespaces.is_empty()) {
        return Some(format!(
            "rules[{index}].nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs"
        ));
    }
    for resource in resources {
        let some = |key: &str| {
            resource
                .get(key)
                .is_some_and(|value| !value.items().is_empty())
        };
        if some("resourceNames") && !some("resources") {
            return Some(format!(
                "rules[{index}].resources: using resourceNames requires at least one resource"
            ));
        }
        let group = resource.text("group");
        if !matches!(group, "" | "*") && !is_subdomain(group) {
            return Some(format!(
                "rules[{index}].resources.group: Invalid value: {group:?}: {NO_SUBDOMAIN}"
            ));
        }
    }
    stages(rule, &format!("rules[{index}]."))
}

fn stages(holder: &Document, prefix: &str) -> Option<String> {
    let stages = holder.get("omitStages").map_or(&[][..], Document::items);
    stages
        .iter()
        .enumerate()
        .find_map(|(index, stage)| match stage {
            Document::Text(stage) if STAGES.contains(&stage.as_str()) => None,
            other => Some(format!(
                "{prefix}omitStages[{index}]: Invalid value: {:?}: allowed stages are {}",
                other.shown(),
                STAGES.join(",")
            )),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(rules: &str) -> Option<String> {
        let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rules}");
        refuses(&Document::parse(text.as_bytes()).unwrap(), 36)
    }

    #[test]
    fn a_policy_needs_rules_with_known_levels_and_stages() {
        assert_eq!(reason("rules: [{level: Metadata, noSuchField: 1}]"), None);
        assert!(reason("rules: []").unwrap().contains("0 rules"));
        assert!(reason("").unwrap().contains("0 rules"));
        assert!(
            reason("rules: [{level: Everything}]")
                .unwrap()
                .contains("Unsupported")
        );
        assert!(reason("rules: [{}]").unwrap().contains("Required"));
        assert!(reason("rules: [{level: None, omitStages: [Nope]}]").is_some());
        assert!(reason("omitStages: [RequestReceived]\nrules: [{level: None}]").is_none());
    }

    #[test]
    fn a_value_that_does_not_fit_ends_it_though_an_unknown_field_does_not() {
        for (bad, words) in [
            (
                "omitStages: x\nrules: [{level: None}]",
                "string into Go struct field Policy.omitStages of type []v1.Stage",
            ),
            (
                "nope: 1\nrules: [{level: None, users: x}]",
                "string into Go struct field PolicyRule.rules.users of type []string",
            ),
            (
                "rules: [{level: None, verbs: [1]}]",
                "number into Go struct field PolicyRule.rules.verbs of type string",
            ),
            (
                "omitManagedFields: \"x\"\nrules: [{level: None}]",
                "string into Go struct field Policy.omitManagedFields of type bool",
            ),
        ] {
            let words = format!("failed decoding: json: cannot unmarshal {words}");
            assert_eq!(reason(bad), Some(words), "{bad}");
        }
        assert_eq!(
            reason("rules: [{level: None, level: None, users: ~, verbs: [~]}]"),
            None
        );
    }

    #[test]
    fn the_group_of_a_resource_is_a_subdomain() {
        for group in ["''", "'*'", "apps", "rbac.authorization.k8s.io"] {
            let rules = format!("rules: [{{level: None, resources: [{{group: {group}}}]}}]");
            assert_eq!(reason(&rules), None, "{group}");
        }
        for group in ["a_b", "'a.'", "apps/v1", "Apps"] {
            let rules = format!("rules: [{{level: None, resources: [{{group: {group}}}]}}]");
            assert!(
                reason(&rules).unwrap().contains("rules[0].resources.group"),
                "{group}"
            );
        }
    }

    #[test]
    fn urls_start_with_a_slash_and_do_not_mix_with_resources() {
        assert!(reason("rules: [{level: None, nonResourceURLs: ['/healthz*', '*']}]").is_none());
        assert!(reason("rules: [{level: None, nonResourceURLs: [healthz]}]").is_some());
        assert!(reason("rules: [{level: None, nonResourceURLs: [/x], namespaces: [a]}]").is_some());
    }

    #[test]
    fn another_kind_or_version_is_refused() {
        let policy = Document::parse(
            b"apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]",
        )
        .unwrap();
        assert!(refuses(&policy, 36).is_some());
        assert!(refuses(&policy, 23).is_none());
    }
}
