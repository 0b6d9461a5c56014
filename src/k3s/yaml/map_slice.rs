//! What `yaml.Unmarshal` leaves in K3s's `yaml.MapSlice`: the keys of a document in order.

use super::cursor::invalid;
use super::decode::{Decoder, MergeKeys};
use super::parser::parse;
use super::tree::{Kind, NodeId};
use super::value::{Decoded, Entry, Located, Value};
use super::{YamlError, to_text};

/// Decodes the first document of a file as K3s does.
///
/// # Errors
/// Where K3s would end with a YAML error, or the nesting is too deep for us.
pub fn decode(content: &[u8]) -> Result<Decoded, YamlError> {
    let text = super::encoding::to_utf8(content)?;
    let tree = parse(&text)?;
    match tree.root {
        Some(root) => Decoder::new(&tree, MergeKeys::Dropped).top(root),
        None => Ok(Vec::new()),
    }
}

impl Decoder<'_> {
    /// A mapping at the top; or a list, whose items yaml.v2 decodes into the struct `MapItem`.
    fn top(&mut self, root: NodeId) -> Result<Decoded, YamlError> {
        let node = self.node(root)?;
        match &node.kind {
            Kind::Mapping(children) => self.entries(children),
            Kind::Sequence(children) => {
                children.iter().map(|child| self.map_item(*child)).collect()
            }
            Kind::Scalar(_) => match self.value(root)?.value {
                Value::Null => Ok(Vec::new()),
                _ => Err(invalid(node.mark, "a mapping of options is expected here")),
            },
            Kind::Alias(_) => Err(invalid(node.mark, "an alias cannot be the document")),
        }
    }

    fn entries(&mut self, children: &[NodeId]) -> Result<Decoded, YamlError> {
        let mut entries = Vec::new();
        for pair in children.chunks_exact(2) {
            let [key, value] = pair else { continue };
            if self.is_merge(*key)? {
                self.merge_sources(*value)?;
                continue;
            }
            let key = self.value(*key)?;
            entries.push(Entry {
                key: to_text(&key.value),
                line: key.line,
                value: self.value(*value)?,
            });
        }
        Ok(entries)
    }

    /// An item of a list at the top: `{key: …, value: …}` or null.
    fn map_item(&mut self, id: NodeId) -> Result<Entry, YamlError> {
        let node = self.node(self.target(id)?)?;
        let mut entry = Entry {
            key: String::new(),
            line: node.mark.line_number(),
            value: Located {
                value: Value::Null,
                line: node.mark.line_number(),
            },
        };
        let Kind::Mapping(children) = &node.kind else {
            return match self.value(id)?.value {
                Value::Null => Ok(entry),
                _ => Err(invalid(node.mark, "options are a mapping, not a list")),
            };
        };
        for field in self.entries(children)? {
            match field.key.as_str() {
                "key" => entry.key = to_text(&field.value.value),
                "value" => entry.value = field.value,
                _ => {}
            }
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<(String, String)> {
        decode(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|entry| (entry.key, to_text(&entry.value.value)))
            .collect()
    }

    fn fails(text: &str) -> bool {
        decode(text.as_bytes()).is_err()
    }

    #[test]
    fn a_key_can_come_twice_and_keeps_its_line() {
        let entries = decode(b"a: 1\n# note\na: 2\n").unwrap();
        let lines: Vec<_> = entries.iter().map(|entry| entry.line).collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn only_the_first_document_is_read() {
        assert_eq!(keys("---\na: 1\n---\nb: 2\n"), [("a".into(), "1".into())]);
    }

    #[test]
    fn a_nested_list_keeps_its_first_element_and_a_map_is_gos_print() {
        let entries = decode(b"x:\n- [a, b]\n- {c: d, e: null}\n").unwrap();
        let Value::List(items) = &entries[0].value.value else {
            panic!("no list");
        };
        let texts: Vec<_> = items.iter().map(|item| to_text(&item.value)).collect();
        assert_eq!(texts, ["a", "[{c d} {e <nil>}]"]);
        assert_eq!(items[1].line, 3);
    }

    #[test]
    fn quoted_text_stays_and_is_trimmed() {
        assert_eq!(keys("a: ' 0600 '\n"), [("a".into(), "0600".into())]);
    }

    #[test]
    fn a_merge_key_is_looked_at_but_brings_nothing() {
        assert_eq!(
            keys("b: &b {data-dir: /x}\n<<: *b\n"),
            [("b".into(), "[{data-dir /x}]".into())]
        );
        assert!(fails("<<: 5\n"));
    }

    #[test]
    fn bom_crlf_json_flow_anchors_and_folded_text_are_yaml() {
        assert_eq!(keys("\u{feff}a: b\r\n"), [("a".into(), "b".into())]);
        assert_eq!(keys("{\"a\": \"b\"}"), [("a".into(), "b".into())]);
        assert_eq!(keys("a: >-\n  b\n  c\n"), [("a".into(), "b c".into())]);
    }

    #[test]
    fn what_is_no_mapping_is_refused() {
        for text in [
            "- a\n",
            "hello\n",
            "a: [\n",
            "a: b: c\n",
            "a:\n\t- b\n",
            "a: *x\n",
        ] {
            assert!(fails(text), "{text}");
        }
    }

    #[test]
    fn an_alias_bomb_and_an_alias_within_itself_are_refused() {
        let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
        for (next, last) in "bcdefgh".chars().zip("abcdefg".chars()) {
            let aliases = vec![format!("*{last}"); 10].join(", ");
            text.push_str(&format!("{next}: &{next} [{aliases}]\n"));
        }
        assert!(fails(&text));
        assert!(fails("a: &a [*a]\n"));
    }
}
