//! The section of EventRateLimit (kubernetes `plugin/pkg/admission/eventratelimit`: `config.go`,
//! `apis/eventratelimit/validation`), whose decoder lets unknown fields through.

use super::{EMPTY_LIMITS, refused_kind};
use crate::k3s::component::document::Document;
use crate::k3s::component::schema::Shape;

const KINDS: [(&str, &str); 1] = [("eventratelimit.admission.k8s.io/v1alpha1", "Configuration")];

const LIMIT: Shape = Shape::Struct(
    "v1alpha1.Limit",
    &[
        ("type", Shape::Word("v1alpha1.LimitType")),
        ("qps", Shape::Int(32)),
        ("burst", Shape::Int(32)),
        ("cacheSize", Shape::Int(32)),
    ],
);

const SECTION: Shape = Shape::Struct("v1alpha1.Configuration", &[("limits", Shape::List(&LIMIT))]);

/// Why the plug-in would not take its section.
pub(super) fn refuses(section: &Document, minor: u16) -> Option<String> {
    let undecoded = refused_kind(section, &KINDS).or_else(|| SECTION.mismatch(section, minor));
    if undecoded.is_some() {
        return undecoded;
    }
    let limits = section.get("limits").map_or(&[][..], Document::items);
    if limits.is_empty() {
        return Some(EMPTY_LIMITS.to_owned());
    }
    let mut limits = limits.iter().enumerate();
    limits.find_map(|(index, limit)| {
        refuses_limit(limit).map(|wrong| format!("limits[{index}].{wrong}"))
    })
}

fn refuses_limit(limit: &Document) -> Option<String> {
    let number = |key: &str| match limit.get(key) {
        Some(Document::Number(text)) => text.parse().unwrap_or(1),
        _ => 0_i64,
    };
    let kind = limit.text("type");
    if !["Server", "Namespace", "User", "SourceAndObject"].contains(&kind) {
        return Some(format!("type: Unsupported value: {kind:?}"));
    }
    for key in ["burst", "qps"] {
        if number(key) <= 0 {
            return Some(format!(
                "{key}: Invalid value: {}: must be positive",
                number(key)
            ));
        }
    }
    let cached = number("cacheSize");
    (kind != "Server" && cached < 0)
        .then(|| format!("cacheSize: Invalid value: {cached}: must not be negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_rate_limits_need_type_rate_and_burst() {
        let limits = |rest: &str| {
            let text = format!(
                "apiVersion: eventratelimit.admission.k8s.io/v1alpha1\nkind: Configuration\n{rest}"
            );
            refuses(&Document::parse(text.as_bytes()).unwrap(), 36)
        };
        for good in [
            "limits: [{type: Server, qps: 50, burst: 100}]",
            "limits: [{type: Server, qps: 50, burst: 100, cacheSize: -1, more: 1}]",
        ] {
            assert_eq!(limits(good), None, "{good}");
        }
        for (bad, words) in [
            ("limits: []", "must not be empty"),
            (
                "limits: [{type: Servers, qps: 50, burst: 100}]",
                "limits[0].type: Unsupported",
            ),
            (
                "limits: [{type: Server, qps: 0, burst: 100}]",
                "limits[0].qps: Invalid value: 0",
            ),
            (
                "limits: [{type: User, qps: 1, burst: 1, cacheSize: -1}]",
                "limits[0].cacheSize: Invalid value: -1",
            ),
            (
                "limits: [{type: User, qps: many, burst: 1}]",
                "of type int32",
            ),
            ("limits: {}", "cannot unmarshal object"),
        ] {
            assert!(limits(bad).unwrap().contains(words), "{bad}");
        }
    }
}
