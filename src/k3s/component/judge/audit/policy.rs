//! The audit policy of kube-apiserver (apiserver `pkg/audit/policy/reader.go`, `pkg/apis/audit/validation`).

use std::path::Path;

use super::{Line, common, files};
use crate::host::Kind;
use crate::k3s::component::document::Document;
use crate::k3s::component::releases::Since;
use crate::k3s::component::schema::{Shape, TEXTS};
use crate::k3s::label::{NO_SUBDOMAIN, is_subdomain};
use crate::k3s::{Files, K3sVersion};

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

/// Judges the audit flags and the policy file.
pub(super) fn judge(line: &mut Line<'_>) {
    // Without a path the log back end is off and its flags are not looked at.
    if let Some(argument) = line.given("audit-log-path") {
        for flag in [
            "audit-log-maxage",
            "audit-log-maxbackup",
            "audit-log-maxsize",
        ] {
            common::range(line, flag, 0, i128::from(i64::MAX));
        }
        common::one_of(line, "audit-log-format", &["legacy", "json"]);
        common::one_of(
            line,
            "audit-log-mode",
            &["batch", "blocking", "blocking-strict"],
        );
        common::one_of(line, "audit-log-version", &versions(line.minor()));
        // The flags are judged before the file is opened (`Validate`, `ApplyTo`).
        let path = line.node.named_file(&argument.value);
        let reason = no_place_for_log(&path, line.node.version, line.files);
        if let Some(reason) = reason.filter(|_| argument.value != "-") {
            line.end(&reason, Some(argument));
        }
    }
    if let Some(argument) = line.given("audit-policy-file") {
        let prefix = "loading audit policy file";
        let Some(policy) = files::document(line, argument, prefix) else {
            return;
        };
        if let Some(reason) = refuses(&policy, line.minor()) {
            let reason = format!("{prefix}: {reason}: from file {}", argument.value);
            line.end(&reason, Some(argument));
        }
    }
}

/// From here on the apiserver opens its audit log at its start, with which it ends where it cannot.
const OPENS_SINCE_MINOR: u16 = 22;
/// From here on it makes the directory of its audit log (kubernetes PR 110813 and its backports, each looked up in
/// `pkg/server/options/audit.go` of the apiserver's module).
const MAKES_DIRECTORY_SINCE: &str = "1.22.13+1.23.10+1.24.4+1.25.0";

/// Why the apiserver could not open its audit log, with which it ends (apiserver `pkg/server/options/audit.go`
/// ensureLogFile): its directory is missing and not made, or stands where something else is.
pub(super) fn no_place_for_log(
    path: &Path,
    version: K3sVersion,
    files: &Files<'_>,
) -> Option<String> {
    if version.minor < OPENS_SINCE_MINOR {
        return None;
    }
    let makes_directory =
        Since::parse(MAKES_DIRECTORY_SINCE).is_some_and(|since| since.reached(version));
    if makes_directory && matches!(files.kind(path), Ok(Some(Kind::Directory))) {
        return Some(format!(
            "ensureLogFile: open {}: is a directory",
            path.display()
        ));
    }
    let directory = path.parent()?;
    let what = match files.kind(directory) {
        Ok(Some(Kind::Directory)) | Err(_) => return None,
        Ok(Some(_)) => "is no directory",
        Ok(None)
            if files
                .link_target(directory)
                .is_ok_and(|target| target.is_some()) =>
        {
            "is a link that leads nowhere"
        }
        Ok(None) if !makes_directory => "is missing",
        Ok(None) => return no_place_for_log(directory, version, files),
    };
    Some(format!(
        "{} {what}, the directory of the audit log, without which kube-apiserver ends",
        directory.display()
    ))
}

fn versions(minor: u16) -> Vec<&'static str> {
    let mut versions = vec!["audit.k8s.io/v1"];
    if minor < 24 {
        versions.extend(["audit.k8s.io/v1beta1", "audit.k8s.io/v1alpha1"]);
    }
    versions
}

/// Why the apiserver would not take a policy; unknown fields are only warned about.
pub(super) fn refuses(policy: &Document, minor: u16) -> Option<String> {
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
    use crate::k3s::Role;
    use crate::k3s::component::tests::with;

    fn reason(rules: &str) -> Option<String> {
        let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rules}");
        refuses(&Document::parse(text.as_bytes()).unwrap(), 36)
    }

    #[test]
    fn the_flags_of_the_log_are_judged_before_it_is_opened() {
        let items = vec![
            "audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log",
            "audit-log-maxage=-1",
        ];
        let start = with(vec![("kube-apiserver-arg", items)], "1.22.4", Role::Server);
        let reasons: Vec<&str> = start
            .endings
            .iter()
            .map(|ending| ending.reason.as_str())
            .collect();
        assert!(reasons[0].contains("--audit-log-maxage -1"), "{reasons:?}");
        assert!(
            reasons[1].contains("directory of the audit log"),
            "{reasons:?}"
        );
    }

    /// Asked of a real 1.24.4, which made it and was ready.
    #[test]
    fn the_directory_of_the_log_is_made_since_some_patches() {
        for (versions, ends) in [
            ("1.22.0 1.22.12 1.23.9 1.24.0 1.24.3", true),
            ("1.21.14 1.22.13 1.23.10 1.24.4 1.25.0 1.36.3", false),
        ] {
            for version in versions.split_whitespace() {
                let path = vec!["audit-log-path=/gone/audit.log"];
                let start = with(vec![("kube-apiserver-arg", path)], version, Role::Server);
                assert_eq!(
                    !start.endings.is_empty(),
                    ends,
                    "{version}: {:?}",
                    start.endings
                );
            }
        }
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
