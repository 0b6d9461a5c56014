//! A YAML or JSON file as Kubernetes components read it: the first document as a tree, scalars typed by YAML 1.1.
//!
//! sigs.k8s.io/yaml turns YAML into JSON before it decodes; what matters here is the shape and the kind of each value.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// More values than any configuration has; keeps aliases of aliases from growing without end.
const MOST_VALUES: usize = 100_000;
/// Deeper than any configuration.
const DEEPEST: usize = 100;

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
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut builder = Builder::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                let marker = error.marker();
                let (line, column) = (marker.line(), marker.col() + 1);
                format!("line {line}, column {column}: {}", error.info())
            })?;
            if builder
                .take(event)
                .map_err(|reason| format!("line {}: {reason}", span.start.line()))?
            {
                break;
            }
        }
        Ok(builder.root.unwrap_or(Self::Null))
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

    /// The text of a key; empty if there is none or it is no text.
    pub(super) fn text(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Self::Text(text)) => text,
            _ => "",
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

    fn scalar(text: &str, style: ScalarStyle) -> Self {
        if style != ScalarStyle::Plain {
            return Self::Text(text.to_owned());
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
                Self::Bool(true)
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n"
            | "N" => Self::Bool(false),
            _ if is_number(text) => Self::Number(text.to_owned()),
            _ => Self::Text(text.to_owned()),
        }
    }
}

fn is_number(text: &str) -> bool {
    let plain = text.replace('_', "");
    let digits = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    let based = |prefix: &str, base: u32| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|rest| u64::from_str_radix(rest, base).is_ok())
    };
    digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && (digits.parse::<f64>().is_ok() || based("0x", 16) || based("0o", 8) || based("0b", 2))
}

/// An unfinished sequence or mapping, with its anchor.
enum Open {
    List(usize, Vec<Document>),
    Map(usize, Vec<(String, Document)>, Option<String>),
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Document>,
    values: usize,
    root: Option<Document>,
}

impl Builder {
    /// Takes one event; true when the first document is complete.
    fn take(&mut self, event: Event<'_>) -> Result<bool, String> {
        match event {
            Event::SequenceStart(anchor, _) => self.open.push(Open::List(anchor, Vec::new())),
            Event::MappingStart(anchor, _) => self.open.push(Open::Map(anchor, Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(anchor, items)) => self.place(Document::List(items), anchor)?,
                Some(Open::Map(anchor, pairs, _)) => self.place(Document::Map(pairs), anchor)?,
                None => {}
            },
            Event::Scalar(text, style, anchor, _) => {
                self.place(Document::scalar(&text, style), anchor)?;
            }
            Event::Alias(anchor) => {
                let value = self
                    .anchors
                    .get(&anchor)
                    .ok_or("an alias without its anchor")?;
                self.values += size(value);
                if self.values > MOST_VALUES {
                    return Err("too many values".to_owned());
                }
                let value = value.clone();
                self.place(value, 0)?;
            }
            Event::DocumentEnd => return Ok(true),
            _ => {}
        }
        if self.open.len() > DEEPEST {
            return Err("nested too deep".to_owned());
        }
        Ok(false)
    }

    fn place(&mut self, value: Document, anchor: usize) -> Result<(), String> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err("too many values".to_owned());
        }
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::List(_, items)) => items.push(value),
            Some(Open::Map(_, pairs, key)) => match key.take() {
                Some(key) => pairs.push((key, value)),
                None => *key = Some(key_text(&value)?),
            },
        }
        Ok(())
    }
}

fn key_text(value: &Document) -> Result<String, String> {
    match value {
        Document::Text(text) | Document::Number(text) => Ok(text.clone()),
        Document::Bool(value) => Ok(value.to_string()),
        Document::Null => Ok("null".to_owned()),
        Document::List(_) | Document::Map(_) => Err("a key is no scalar".to_owned()),
    }
}

/// How many values a tree has; its depth is limited, so this may recurse.
fn size(value: &Document) -> usize {
    1 + match value {
        Document::List(items) => items.iter().map(size).sum::<usize>(),
        Document::Map(pairs) => pairs.iter().map(|(_, value)| size(value)).sum(),
        _ => 0,
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
