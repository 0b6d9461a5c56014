//! The authentication configuration (kubernetes `pkg/kubeapiserver/options/authentication.go`, apiserver
//! `pkg/apis/apiserver/validation/validation.go` ValidateAuthenticationConfiguration). Expressions are not compiled here.

use std::collections::BTreeSet;

use super::super::wrong_kind;
use crate::k3s::component::document::Document;
use crate::k3s::component::schema::{Shape, TEXTS};

/// What is checked is known of the releases with version v1 of the file.
const STABLE_SINCE_MINOR: u16 = 34;

const CLAIM: Shape = Shape::Struct(
    "v1.PrefixedClaimOrExpression",
    &[
        ("claim", Shape::Text),
        ("prefix", Shape::Text),
        ("expression", Shape::Text),
    ],
);
const UID: Shape = Shape::Struct(
    "v1.ClaimOrExpression",
    &[("claim", Shape::Text), ("expression", Shape::Text)],
);
const EXTRA: Shape = Shape::Struct(
    "v1.ExtraMapping",
    &[("key", Shape::Text), ("valueExpression", Shape::Text)],
);
const CLAIM_RULE: Shape = Shape::Struct(
    "v1.ClaimValidationRule",
    &[
        ("claim", Shape::Text),
        ("requiredValue", Shape::Text),
        ("expression", Shape::Text),
        ("message", Shape::Text),
    ],
);
const USER_RULE: Shape = Shape::Struct(
    "v1.UserValidationRule",
    &[("expression", Shape::Text), ("message", Shape::Text)],
);
const ISSUER: Shape = Shape::Struct(
    "v1.Issuer",
    &[
        ("url", Shape::Text),
        ("discoveryURL", Shape::Text),
        ("certificateAuthority", Shape::Text),
        ("audiences", TEXTS),
        (
            "audienceMatchPolicy",
            Shape::Word("v1.AudienceMatchPolicyType"),
        ),
        ("egressSelectorType", Shape::Word("v1.EgressSelectorType")),
    ],
);
const MAPPINGS: Shape = Shape::Struct(
    "v1.ClaimMappings",
    &[
        ("username", CLAIM),
        ("groups", CLAIM),
        ("uid", UID),
        ("extra", Shape::List(&EXTRA)),
    ],
);
const JWT: Shape = Shape::Struct(
    "v1.JWTAuthenticator",
    &[
        ("issuer", ISSUER),
        ("claimValidationRules", Shape::List(&CLAIM_RULE)),
        ("claimMappings", MAPPINGS),
        ("userValidationRules", Shape::List(&USER_RULE)),
    ],
);
const CONDITION: Shape = Shape::Struct("v1.AnonymousAuthCondition", &[("path", Shape::Text)]);
const ANONYMOUS: Shape = Shape::Struct(
    "v1.AnonymousAuthConfig",
    &[
        ("enabled", Shape::Bool),
        ("conditions", Shape::List(&CONDITION)),
    ],
);
const CONFIGURATION: Shape = Shape::Struct(
    "v1.AuthenticationConfiguration",
    &[
        ("apiVersion", Shape::Text),
        ("kind", Shape::Text),
        ("jwt", Shape::List(&JWT)),
        ("anonymous", ANONYMOUS),
    ],
);

/// Why it cannot be read as one.
pub(super) fn undecoded(config: &Document, versions: &[&str], minor: u16) -> Option<String> {
    wrong_kind(config, "AuthenticationConfiguration", versions).or_else(|| match minor {
        ..STABLE_SINCE_MINOR => None,
        _ => CONFIGURATION.strict(config, minor),
    })
}

/// Why one that can be read is not taken.
pub(super) fn invalid(config: &Document, minor: u16) -> Option<String> {
    if minor < STABLE_SINCE_MINOR {
        return None;
    }
    let empty = Document::Null;
    let mut seen = BTreeSet::new();
    let jwt = config.get("jwt").map_or(&[][..], Document::items);
    let wrong = jwt.iter().enumerate().find_map(|(index, one)| {
        let path = format!("jwt[{index}]");
        let issuer = one.get("issuer").unwrap_or(&empty);
        let mappings = one.get("claimMappings").unwrap_or(&empty);
        refuses_issuer(issuer, &format!("{path}.issuer"))
            .or_else(|| refuses_claims(mappings, &format!("{path}.claimMappings")))
            .or_else(|| {
                let url = issuer.text("url");
                (!seen.insert(url)).then(|| format!("{path}.issuer.url: Duplicate value: {url:?}"))
            })
    });
    wrong.or_else(|| {
        let anonymous = config.get("anonymous")?;
        let conditions = anonymous.get("conditions")?.items();
        let enabled = anonymous.get("enabled") == Some(&Document::Bool(true));
        (!enabled && !conditions.is_empty()).then(|| {
            "anonymous.conditions: Invalid value: enabled should be set to true when conditions are defined".to_owned()
        })
    })
}

fn refuses_issuer(issuer: &Document, path: &str) -> Option<String> {
    let url = issuer.text("url");
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if url.is_empty() {
        return Some(format!("{path}.url: Required value"));
    }
    if !scheme.eq_ignore_ascii_case("https") {
        return Some(format!(
            "{path}.url: Invalid value: {url:?}: URL scheme must be https"
        ));
    }
    let audiences = issuer.get("audiences").map_or(&[][..], Document::items);
    let policy = issuer.text("audienceMatchPolicy");
    let must = match (audiences.len(), policy) {
        (0, _) => {
            let path = format!("{path}.audiences");
            return Some(format!(
                "{path}: Required value: at least one {path} is required"
            ));
        }
        (_, "MatchAny") | (1, "") => return None,
        (1, _) => "audienceMatchPolicy must be empty or MatchAny for single audience",
        _ => "audienceMatchPolicy must be MatchAny for multiple audiences",
    };
    Some(format!(
        "{path}.audienceMatchPolicy: Invalid value: {policy:?}: {must}"
    ))
}

fn refuses_claims(mappings: &Document, path: &str) -> Option<String> {
    ["username", "groups"].into_iter().find_map(|name| {
        let path = format!("{path}.{name}");
        let empty = Document::Null;
        let mapping = mappings.get(name).unwrap_or(&empty);
        let (claim, expression) = (mapping.text("claim"), mapping.text("expression"));
        let has_prefix = !matches!(mapping.get("prefix"), None | Some(Document::Null));
        match (claim.is_empty(), expression.is_empty()) {
            (true, true) => (name == "username")
                .then(|| format!("{path}: Required value: claim or expression is required")),
            (false, false) => Some(format!(
                "{path}: Invalid value: claim and expression can't both be set"
            )),
            (false, true) if !has_prefix => Some(format!(
                "{path}.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to \
                 disable prefixing"
            )),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(rest: &str) -> Option<String> {
        let version = "apiserver.config.k8s.io/v1";
        let text = format!("apiVersion: {version}\nkind: AuthenticationConfiguration\n{rest}\n");
        let config = Document::parse(text.as_bytes()).unwrap();
        undecoded(&config, &[version], 36).or_else(|| invalid(&config, 36))
    }

    const ISSUER: &str = "issuer: {url: 'https://i.example', audiences: [a]}";
    const CLAIMS: &str = "claimMappings: {username: {claim: sub, prefix: ''}}";

    #[test]
    fn an_authenticator_has_a_safe_issuer_audiences_and_a_user_s_name() {
        let username = "jwt[0].claimMappings.username";
        for (jwt, words) in [
            (format!("{{issuer: {{url: 'http://i.example', audiences: [a]}}, {CLAIMS}}}"), "jwt[0].issuer.url: Invalid value: \"http://i.example\": URL scheme must be https".to_owned()),
            (format!("{{issuer: {{url: 'https://i', audiences: []}}, {CLAIMS}}}"), "jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required".to_owned()),
            (format!("{{issuer: {{url: 'https://i', audiences: [a, b]}}, {CLAIMS}}}"), "jwt[0].issuer.audienceMatchPolicy: Invalid value: \"\": audienceMatchPolicy must be MatchAny for multiple audiences".to_owned()),
            (format!("{{{ISSUER}}}"), format!("{username}: Required value: claim or expression is required")),
            (format!("{{{ISSUER}, claimMappings: {{username: {{claim: sub}}}}}}"), format!("{username}.prefix: Required value: prefix is required when claim is set")),
            (format!("{{{ISSUER}, {CLAIMS}}}, {{{ISSUER}, {CLAIMS}}}"), "jwt[1].issuer.url: Duplicate value: \"https://i.example\"".to_owned()),
        ] {
            let reason = reason(&format!("jwt: [{jwt}]")).unwrap();
            assert!(reason.starts_with(&words), "{jwt}: {reason}");
        }
        for jwt in [
            format!("{{{ISSUER}, {CLAIMS}}}"),
            format!(
                "{{issuer: {{url: 'https://i', audiences: [a, b], audienceMatchPolicy: MatchAny}}, {CLAIMS}}}"
            ),
            format!("{{{ISSUER}, claimMappings: {{username: {{expression: claims.sub}}}}}}"),
        ] {
            assert_eq!(reason(&format!("jwt: [{jwt}]")), None, "{jwt}");
        }
    }

    #[test]
    fn an_unknown_field_and_conditions_of_what_is_off_end_it() {
        assert_eq!(
            reason("nope: 1").unwrap(),
            "strict decoding error: unknown field \"nope\""
        );
        assert!(
            reason("jwt: {}")
                .unwrap()
                .contains("cannot unmarshal object")
        );
        let off = "anonymous: {enabled: false, conditions: [{path: /livez}]}";
        assert!(reason(off).unwrap().starts_with("anonymous.conditions"));
        assert_eq!(reason(&off.replace("false", "true")), None);
        assert_eq!(reason("anonymous: {enabled: false, conditions: []}"), None);
        assert_eq!(reason(""), None);
    }
}
