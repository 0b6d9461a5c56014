//! The authorization configuration (kubernetes `pkg/kubeapiserver/authorizer/config.go`, apiserver
//! `pkg/apis/apiserver/validation/validation.go` ValidateAuthorizationConfiguration). Webhooks are not judged here.

use std::collections::BTreeSet;

use super::super::wrong_kind;
use crate::k3s::component::document::Document;
use crate::k3s::component::schema::Shape;
use crate::k3s::label::{NO_SUBDOMAIN, is_subdomain};

/// That names are checked and unknown fields are not let through is known of the releases with version v1 of the file.
const STABLE_SINCE_MINOR: u16 = 32;

const CONNECTION: Shape = Shape::Struct(
    "v1.WebhookConnectionInfo",
    &[("type", Shape::Text), ("kubeConfigFile", Shape::Text)],
);
const CONDITION: Shape = Shape::Struct("v1.WebhookMatchCondition", &[("expression", Shape::Text)]);
const WEBHOOK: Shape = Shape::Struct(
    "v1.WebhookConfiguration",
    &[
        ("authorizedTTL", Shape::Duration),
        ("cacheAuthorizedRequests", Shape::Bool),
        ("unauthorizedTTL", Shape::Duration),
        ("cacheUnauthorizedRequests", Shape::Bool),
        ("timeout", Shape::Duration),
        ("subjectAccessReviewVersion", Shape::Text),
        ("matchConditionSubjectAccessReviewVersion", Shape::Text),
        ("failurePolicy", Shape::Text),
        ("connectionInfo", CONNECTION),
        ("matchConditions", Shape::List(&CONDITION)),
    ],
);
const AUTHORIZER: Shape = Shape::Struct(
    "v1.AuthorizerConfiguration",
    &[
        ("type", Shape::Text),
        ("name", Shape::Text),
        ("webhook", WEBHOOK),
    ],
);
const CONFIGURATION: Shape = Shape::Struct(
    "v1.AuthorizationConfiguration",
    &[
        ("apiVersion", Shape::Text),
        ("kind", Shape::Text),
        ("authorizers", Shape::List(&AUTHORIZER)),
    ],
);

/// Why it cannot be read as one.
pub(super) fn undecoded(config: &Document, versions: &[&str], minor: u16) -> Option<String> {
    wrong_kind(config, "AuthorizationConfiguration", versions).or_else(|| match minor {
        ..STABLE_SINCE_MINOR => None,
        _ => CONFIGURATION.strict(config, minor),
    })
}

/// Why one that can be read is not taken.
pub(super) fn invalid(config: &Document, minor: u16) -> Option<String> {
    let authorizers = config.get("authorizers").map_or(&[][..], Document::items);
    if authorizers.is_empty() {
        return Some(
            "authorizers: Required value: at least one authorization mode must be defined"
                .to_owned(),
        );
    }
    let (mut types, mut names) = (BTreeSet::new(), BTreeSet::new());
    let mut each = authorizers.iter().enumerate();
    let wrong = each.find_map(|(index, authorizer)| {
        let (kind, name) = (authorizer.text("type"), authorizer.text("name"));
        let known = [
            "AlwaysAllow",
            "AlwaysDeny",
            "ABAC",
            "Node",
            "RBAC",
            "Webhook",
        ];
        let wrong = if !known.contains(&kind) {
            "type: Unsupported value".to_owned()
        } else if kind != "Webhook" && !types.insert(kind) {
            "type: Duplicate value".to_owned()
        } else if name.is_empty() {
            "name: Required value".to_owned()
        } else if !names.insert(name) {
            format!("name: Duplicate value: {name:?}")
        } else if minor >= STABLE_SINCE_MINOR && !is_subdomain(name) {
            format!("name: Invalid value: {name:?}: authorizer name is invalid: {NO_SUBDOMAIN}")
        } else if (kind == "Webhook") != matches!(authorizer.get("webhook"), Some(Document::Map(_)))
        {
            "webhook: required for, and only for, type Webhook".to_owned()
        } else {
            return None;
        };
        Some(format!("authorizers[{index}].{wrong}"))
    });
    wrong.or_else(|| {
        authorizers
            .iter()
            .find_map(misnamed)
            .filter(|_| minor >= STABLE_SINCE_MINOR)
    })
}

/// All but webhooks have the names that they have without a file.
fn misnamed(authorizer: &Document) -> Option<String> {
    let (kind, name) = (authorizer.text("type"), authorizer.text("name"));
    let expected = kind.to_ascii_lowercase();
    (kind != "Webhook" && name != expected)
        .then(|| format!("expected name {expected} for authorizer {kind} instead of {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(rest: &str) -> Option<String> {
        let version = "apiserver.config.k8s.io/v1";
        let text = format!("apiVersion: {version}\nkind: AuthorizationConfiguration\n{rest}\n");
        let config = Document::parse(text.as_bytes()).unwrap();
        undecoded(&config, &[version], 36).or_else(|| invalid(&config, 36))
    }

    #[test]
    fn authorizers_have_the_names_that_their_types_have() {
        let good = "authorizers: [{type: Node, name: node}, {type: RBAC, name: rbac}]";
        assert_eq!(reason(good), None);
        for (bad, words) in [
            ("authorizers: []", "authorizers: Required value"),
            (
                "authorizers: [{type: Node, name: A_b}]",
                "authorizers[0].name: Invalid value: \"A_b\": authorizer name is invalid",
            ),
            (
                "authorizers: [{type: AlwaysAllow, name: a}]",
                "expected name alwaysallow for authorizer AlwaysAllow instead of a",
            ),
            (
                "authorizers: [{type: Node, name: node}, {type: RBAC, name: node}]",
                "authorizers[1].name: Duplicate value",
            ),
        ] {
            assert!(reason(bad).unwrap().starts_with(words), "{bad}");
        }
        let unknown = reason(&format!("{good}\nnope: 1")).unwrap();
        assert_eq!(unknown, "strict decoding error: unknown field \"nope\"");
    }
}
