//! What Go's decoder makes of a file: whether each value fits the field that it is for, and which keys are no field at all.
//!
//! sigs.k8s.io/json `internal/golang/encoding/json/decode.go`: names are compared by case, `null` leaves a field alone, and
//! what does not fit ends the decoding even where unknown fields are let through.

use std::collections::BTreeSet;

use super::document::Document;
use super::minors;
use crate::k3s::go_duration::{nanoseconds, why_no_duration};

/// What may stand in a field.
#[derive(Debug)]
pub(super) enum Shape {
    /// Anything: what is in it is not judged here.
    Any,
    /// `true` or `false`.
    Bool,
    /// A whole number of that many bits.
    Int(u32),
    /// A number.
    Float,
    /// Text.
    Text,
    /// Text of a type of its own, by its name in Go.
    Word(&'static str),
    /// `1h30m`.
    Duration,
    /// A list.
    List(&'static Shape),
    /// Values by names that the operator chooses.
    Map(&'static Shape),
    /// The fields of a type, by its name in Go.
    Struct(&'static str, &'static [(&'static str, Shape)]),
    /// A field that earlier minors do not have, or have otherwise; they are not judged.
    Since(u16, &'static Shape),
}

/// A list of texts.
pub(super) const TEXTS: Shape = Shape::List(&Shape::Text);

impl Shape {
    /// The type as Go names it.
    fn go(&self) -> String {
        match self {
            Self::Any => "interface {}".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Int(bits) => format!("int{bits}"),
            Self::Float => "float64".to_owned(),
            Self::Text | Self::Duration => "string".to_owned(),
            Self::Word(name) | Self::Struct(name, _) => (*name).to_owned(),
            Self::List(item) => format!("[]{}", item.go()),
            Self::Map(item) => format!("map[string]{}", item.go()),
            Self::Since(_, shape) => shape.go(),
        }
    }

    /// What the decoder says of the first value that does not fit; `None` where all do.
    pub(super) fn mismatch(&self, document: &Document, minor: u16) -> Option<String> {
        self.unfit(document, minor, "", "")
    }

    /// What a strict decoder says, which takes no unknown field and no key twice. What fields a release newer than the
    /// tables has is not known.
    pub(super) fn strict(&self, document: &Document, minor: u16) -> Option<String> {
        let strict = |reason: String| format!("strict decoding error: {reason}");
        self.mismatch(document, minor).or_else(|| {
            let unknown = || {
                let path = self.unknown(document, "")?;
                Some(format!("unknown field {path:?}"))
            };
            let unknown = || unknown().filter(|_| minor <= minors::NEWEST);
            repeated(document).or_else(unknown).map(strict)
        })
    }

    fn unfit(&self, value: &Document, minor: u16, holder: &str, path: &str) -> Option<String> {
        match (self, value) {
            (_, Document::Null) | (Self::Any, _) => None,
            (Self::Since(since, _), _) if minor < *since => None,
            (Self::Since(_, shape), _) => shape.unfit(value, minor, holder, path),
            (Self::Bool, Document::Bool(_)) | (Self::Float, Document::Number(_)) => None,
            (Self::Text | Self::Word(_), Document::Text(_)) => None,
            (Self::Int(bits), Document::Number(text)) if is_whole(text, *bits) => None,
            (Self::Duration, Document::Text(text)) => {
                nanoseconds(text).is_none().then(|| why_no_duration(text))
            }
            (Self::List(shape), Document::List(items)) => items
                .iter()
                .find_map(|item| shape.unfit(item, minor, holder, path)),
            (Self::Map(shape), Document::Map(_)) => sorted(value)
                .into_iter()
                .find_map(|key| shape.unfit(value.get(key)?, minor, holder, path)),
            (Self::Struct(name, fields), Document::Map(_)) => {
                let holder = name.rsplit('.').next().unwrap_or(name);
                sorted(value).into_iter().find_map(|key| {
                    let (_, shape) = fields.iter().find(|(name, _)| *name == key)?;
                    let path = match path {
                        "" => key.to_owned(),
                        path => format!("{path}.{key}"),
                    };
                    shape.unfit(value.get(key)?, minor, holder, &path)
                })
            }
            _ => Some(self.words(value, holder, path)),
        }
    }

    fn words(&self, value: &Document, holder: &str, path: &str) -> String {
        let what = match (self, value) {
            (Self::Int(_), Document::Number(text)) => format!("number {text}"),
            _ => kind_of(value).to_owned(),
        };
        match (self, holder) {
            // A type with a decoder of its own, which knows nothing of the field.
            (Self::Duration, _) | (_, "") => {
                format!(
                    "json: cannot unmarshal {what} into Go value of type {}",
                    self.go()
                )
            }
            _ => format!(
                "json: cannot unmarshal {what} into Go struct field {holder}.{path} of type {}",
                self.go()
            ),
        }
    }

    /// The first key that is no field.
    fn unknown(&self, value: &Document, path: &str) -> Option<String> {
        match self {
            Self::Since(_, shape) => shape.unknown(value, path),
            Self::List(shape) => {
                let mut items = value.items().iter().enumerate();
                items.find_map(|(index, item)| shape.unknown(item, &format!("{path}[{index}]")))
            }
            Self::Struct(_, fields) => value.keys().find_map(|key| {
                let path = match path {
                    "" => key.to_owned(),
                    path => format!("{path}.{key}"),
                };
                match fields.iter().find(|(name, _)| *name == key) {
                    Some((_, shape)) => shape.unknown(value.get(key)?, &path),
                    None => Some(path),
                }
            }),
            _ => None,
        }
    }
}

/// Go decodes what YAML became as JSON, whose keys are in order then.
fn sorted(map: &Document) -> BTreeSet<&str> {
    map.keys().collect()
}

fn is_whole(text: &str, bits: u32) -> bool {
    let Ok(number) = text.parse::<i128>() else {
        // YAML's 1.0 and 1e3 are whole for JSON.
        return text.parse().is_ok_and(|number: f64| number.fract() == 0.0);
    };
    let limit = 1_i128 << (bits - 1);
    (-limit..limit).contains(&number)
}

fn kind_of(value: &Document) -> &'static str {
    match value {
        Document::Null => "null",
        Document::Bool(_) => "bool",
        Document::Number(_) => "number",
        Document::Text(_) => "string",
        Document::List(_) => "array",
        Document::Map(_) => "object",
    }
}

/// A key that stands twice in a mapping, wherever, as sigs.k8s.io/yaml says it of a strict decoding.
pub(super) fn repeated(document: &Document) -> Option<String> {
    match document {
        Document::List(items) => items.iter().find_map(repeated),
        Document::Map(pairs) => {
            let mut seen = BTreeSet::new();
            pairs.iter().find_map(|(key, value)| {
                let again = (!seen.insert(key.as_str()))
                    .then(|| format!("yaml: unmarshal errors: key {key:?} already set in map"));
                again.or_else(|| repeated(value))
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: Shape = Shape::Struct("v1.Item", &[("name", Shape::Text), ("live", Shape::Bool)]);
    const FILE: Shape = Shape::Struct(
        "v1.File",
        &[
            ("count", Shape::Int(32)),
            ("items", Shape::List(&ITEM)),
            ("gates", Shape::Map(&Shape::Bool)),
            ("after", Shape::Duration),
            ("late", Shape::Since(36, &Shape::Bool)),
        ],
    );

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_value_that_does_not_fit_its_field_is_named_as_go_names_it() {
        for (text, words) in [
            (
                "items: [{live: x}]",
                "string into Go struct field Item.items.live of type bool",
            ),
            (
                "items: [{name: 1}]",
                "number into Go struct field Item.items.name of type string",
            ),
            (
                "items: {}",
                "object into Go struct field File.items of type []v1.Item",
            ),
            (
                "items: [x]",
                "string into Go struct field File.items of type v1.Item",
            ),
            (
                "gates: {A: 'true'}",
                "string into Go struct field File.gates of type bool",
            ),
            (
                "count: 1.5",
                "number 1.5 into Go struct field File.count of type int32",
            ),
            (
                "count: 3000000000",
                "number 3000000000 into Go struct field File.count of type int32",
            ),
            ("after: 5", "number into Go value of type string"),
            ("[]", "array into Go value of type v1.File"),
        ] {
            let reason = FILE.mismatch(&parse(text), 36).unwrap();
            assert_eq!(reason, format!("json: cannot unmarshal {words}"), "{text}");
        }
        assert!(
            FILE.mismatch(&parse("after: 5x"), 36)
                .unwrap()
                .contains("5x")
        );
        let good =
            "{count: 1e3, items: [{name: ~, on: yes}], gates: {A: true}, after: 5m, more: [1]}";
        assert_eq!(FILE.mismatch(&parse(good), 36), None);
        assert_eq!(FILE.mismatch(&parse("late: x"), 35), None);
        assert!(FILE.mismatch(&parse("late: x"), 36).is_some());
    }

    #[test]
    fn a_strict_decoder_takes_no_unknown_field_and_no_key_twice() {
        let reason = |text: &str| FILE.strict(&parse(text), 36);
        let unknown = reason("items: [{name: a}, {nome: b}]").unwrap();
        assert_eq!(
            unknown,
            "strict decoding error: unknown field \"items[1].nome\""
        );
        assert!(reason("Count: 1").is_some());
        assert!(
            reason("gates: {A: true, A: false}")
                .unwrap()
                .contains("already set")
        );
        assert_eq!(reason("gates: {A: true}\nlate: true"), None);
        assert_eq!(FILE.strict(&parse("new: 1"), minors::NEWEST + 1), None);
    }
}
