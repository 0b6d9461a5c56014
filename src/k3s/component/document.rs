//! A YAML or JSON file as Kubernetes components read it: the first document as a tree, scalars typed by YAML 1.1.
//!
//! sigs.k8s.io/yaml turns YAML into JSON before it decodes; what matters here is the shape and the kind of each value.

use crate::k3s::yaml::{Value, decode_value, to_text};

/// A value in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Document {
    /// Nothing, `~`, `null`.
    Null,
    /// `true`, and by YAML 1.1 `yes` and `on`.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Document>),
    /// A mapping, in the order of the file.
    Map(Vec<(String, Document)>),
}

impl Document {
    /// Reads the first document of a text.
    ///
    /// # Errors
    /// What is wrong and where, as one sentence.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // What begins like JSON is read as that (apimachinery `pkg/runtime/serializer/json`), tabs and all.
        if bytes.trim_ascii_start().starts_with(b"{")
            && let Ok(value) = serde_json::from_slice(bytes)
        {
            return Ok(Self::of_json(value));
        }
        let value = decode_value(bytes).map_err(|error| error.to_string())?;
        Ok(Self::of(value))
    }

    fn of(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) => {
                Self::Number(to_text(&value))
            }
            Value::Text(text) => Self::Text(text),
            Value::List(items) => {
                Self::List(items.into_iter().map(|item| Self::of(item.value)).collect())
            }
            Value::Map(pairs) => Self::Map(
                pairs
                    .into_iter()
                    .map(|(key, value)| (to_text(&key), Self::of(value)))
                    .collect(),
            ),
        }
    }

    fn of_json(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::Number(number.to_string()),
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => {
                Self::List(items.into_iter().map(Self::of_json).collect())
            }
            serde_json::Value::Object(pairs) => Self::Map(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key, Self::of_json(value)))
                    .collect(),
            ),
        }
    }

    /// The value of a key; `None` if this is no mapping or has no such key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            // With a doubled key the last counts.
            Self::Map(pairs) => pairs
                .iter()
                .rev()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// A value by its path, `a.b.c`; that of a parent which is null is null.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |value, part| match value {
            Self::Null => Some(value),
            _ => value.get(part),
        })
    }

    /// Lays another document over this one, as a JSON merge patch does (RFC 7386): null takes a value away.
    pub(super) fn patch(&mut self, patch: &Self) {
        let Self::Map(changes) = patch else {
            *self = patch.clone();
            return;
        };
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Vec::new());
        }
        let Self::Map(pairs) = self else { return };
        for (key, change) in changes {
            let place = pairs.iter().position(|(name, _)| name == key);
            match (change, place) {
                (Self::Null, Some(place)) => {
                    pairs.remove(place);
                }
                (Self::Null, None) => {}
                (change, Some(place)) => {
                    if let Some((_, value)) = pairs.get_mut(place) {
                        value.patch(change);
                    }
                }
                (change, None) => {
                    let mut value = Self::Null;
                    value.patch(change);
                    pairs.push((key.clone(), value));
                }
            }
        }
    }

    /// The text of a key; empty if there is none or it is no text.
    pub(super) fn text(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Self::Text(text)) => text,
            _ => "",
        }
    }

    /// A scalar as it is written; the kind of everything else.
    pub(super) fn shown(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(text) | Self::Text(text) => text,
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// The items of a sequence.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The keys of a mapping.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let pairs = match self {
            Self::Map(pairs) => pairs.as_slice(),
            _ => &[],
        };
        pairs.iter().map(|(key, _)| key.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_and_the_kind_of_values_are_read() {
        let document = Document::parse(b"a: 1\nb: [yes, '1', x]\nc: {d: ~}\n---\ne: 2\n").unwrap();
        assert_eq!(document.get("a"), Some(&Document::Number("1".to_owned())));
        let items = document.get("b").unwrap().items();
        assert_eq!(items[0], Document::Bool(true));
        assert_eq!(items[1], Document::Text("1".to_owned()));
        assert_eq!(document.get("c").unwrap().get("d"), Some(&Document::Null));
        assert_eq!(document.get("e"), None);
    }

    #[test]
    fn a_patch_replaces_and_takes_away_by_name() {
        let mut document = Document::parse(b"a: {b: 1, c: 2}\nd: [1]\ne: 5\n").unwrap();
        let patch = Document::parse(b"a: {b: ~, f: 3}\nd: x\ne: {g: ~, h: 1}\n").unwrap();
        document.patch(&patch);
        let merged = Document::parse(b"a: {c: 2, f: 3}\nd: x\ne: {h: 1}\n").unwrap();
        assert_eq!(document, merged);
        assert_eq!(document.at("a.c"), Some(&Document::Number("2".to_owned())));
        assert_eq!(document.at("a.b.c"), None);
    }

    #[test]
    fn json_is_read_as_json() {
        let document =
            Document::parse(b"{\n\t\"a\": [1, \"yes\", null],\n\t\"b\": {}\n}\n").unwrap();
        let items = document.get("a").unwrap().items();
        assert_eq!(items[0], Document::Number("1".to_owned()));
        assert_eq!(items[1], Document::Text("yes".to_owned()));
        assert_eq!(items[2], Document::Null);
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        assert!(Document::parse(b"{{{").is_err());
        let error = Document::parse(b"a: 1\nb: [\n").unwrap_err();
        assert!(error.contains("line"), "{error}");
    }

    #[test]
    fn aliases_of_aliases_do_not_grow_without_end() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = level - 1;
            let aliases = vec![format!("*a{before}"); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(Document::parse(deep.as_bytes()).is_err());
        assert!(Document::parse(text.as_bytes()).is_err());
    }
}
