//! From the tree to what `yaml.Unmarshal` leaves in K3s's `yaml.MapSlice`.

use super::cursor::invalid;
use super::growth::{Growth, Through};
use super::scalar::{base64, resolve_plain, resolve_tagged};
use super::tree::{Kind, Node, NodeId, Scalar, Tree};
use super::value::{Decoded, Entry, Located, Value};
use super::{DEPTH_LIMIT, YamlError, to_text};

/// Decodes the first document of a file as K3s does.
///
/// # Errors
/// Where K3s would end with a YAML error, or the nesting is too deep for us.
pub fn decode(content: &[u8]) -> Result<Decoded, YamlError> {
    let text = super::encoding::to_utf8(content)?;
    let tree = Tree::parse(&text)?;
    let mut decoder = Decoder::new(&tree);
    match tree.root {
        Some(root) => decoder.top(root),
        None => Ok(Vec::new()),
    }
}

/// Decodes the first document of a file of any shape; nothing at all is null.
///
/// # Errors
/// When it is no YAML, or the nesting is too deep for us.
pub fn decode_value(content: &[u8]) -> Result<Value, YamlError> {
    let text = super::encoding::to_utf8(content)?;
    let tree = Tree::parse(&text)?;
    let mut decoder = Decoder {
        merges: true,
        ..Decoder::new(&tree)
    };
    match tree.root {
        Some(root) => Ok(decoder.value(root)?.value),
        None => Ok(Value::Null),
    }
}

/// What the tags of the YAML schema begin with.
const SCHEMA: &str = "tag:yaml.org,2002:";
const MERGE_TAG: &str = "tag:yaml.org,2002:merge";

struct Decoder<'a> {
    nodes: &'a [Node],
    /// What `<<` brings is taken in; K3s's kind of target throws it away, and looks at it all the same.
    merges: bool,
    /// Aliases that are being followed, to see one that contains itself.
    following: Vec<NodeId>,
    depth: usize,
    growth: Growth,
}

impl<'a> Decoder<'a> {
    fn new(tree: &'a Tree) -> Self {
        Self {
            nodes: &tree.nodes,
            merges: false,
            following: Vec::new(),
            depth: 0,
            growth: Growth::default(),
        }
    }

    fn node(&self, id: NodeId) -> Result<&'a Node, YamlError> {
        self.nodes
            .get(id)
            .ok_or_else(|| YamlError::invalid(1, 1, "node out of range"))
    }

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
                self.check_merge(*value)?;
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

    fn target(&self, id: NodeId) -> Result<NodeId, YamlError> {
        Ok(match &self.node(id)?.kind {
            Kind::Alias(target) => *target,
            _ => id,
        })
    }

    fn value(&mut self, id: NodeId) -> Result<Located, YamlError> {
        let node = self.node(id)?;
        self.growth.count(node.mark, self.through())?;
        if self.depth > 2 * DEPTH_LIMIT {
            return Err(YamlError::TooDeep {
                line: node.mark.line_number(),
                limit: 2 * DEPTH_LIMIT,
            });
        }
        self.depth = self.depth.saturating_add(1);
        let value = self.value_of(id, node);
        self.depth = self.depth.saturating_sub(1);
        value
    }

    fn value_of(&mut self, id: NodeId, node: &'a Node) -> Result<Located, YamlError> {
        let value = match &node.kind {
            Kind::Scalar(written) => {
                let through = self.through();
                self.growth.count_text(node.mark, &written.text, through)?;
                scalar(node, written)?
            }
            Kind::Sequence(children) => Value::List(
                children
                    .iter()
                    .map(|child| self.value(*child))
                    .collect::<Result<_, _>>()?,
            ),
            Kind::Mapping(children) => self.map(children)?,
            Kind::Alias(target) => return self.alias(id, *target),
        };
        Ok(Located {
            value,
            line: node.mark.line_number(),
        })
    }

    fn map(&mut self, children: &[NodeId]) -> Result<Value, YamlError> {
        let mut entries: Vec<(Value, Value)> = Vec::new();
        // Those of `<<`; a key that is written takes the place of one, and one that is written twice stands twice.
        let mut brought: Vec<Value> = Vec::new();
        for pair in children.chunks_exact(2) {
            let [key, value] = pair else { continue };
            if self.is_merge(*key)? {
                for (key, value) in self.merged(*value)? {
                    put(&mut entries, key.clone(), value);
                    brought.push(key);
                }
                continue;
            }
            let (key, value) = (self.value(*key)?.value, self.value(*value)?.value);
            match brought.contains(&key) {
                true => put(&mut entries, key, value),
                false => entries.push((key, value)),
            }
        }
        Ok(Value::Map(entries))
    }

    /// What `<<` brings, the first source last since it counts most (yaml.v2 `decode.go` merge).
    fn merged(&mut self, value: NodeId) -> Result<Vec<(Value, Value)>, YamlError> {
        let sources = self.check_merge(value)?;
        let maps = sources.into_iter().rev().filter_map(|source| match source {
            Value::Map(pairs) if self.merges => Some(pairs),
            _ => None,
        });
        Ok(maps.flatten().collect())
    }

    fn through(&self) -> Through {
        match self.following.is_empty() {
            true => Through::Nothing,
            false => Through::Alias,
        }
    }

    fn alias(&mut self, id: NodeId, target: NodeId) -> Result<Located, YamlError> {
        let node = self.node(id)?;
        if self.following.contains(&id) {
            return Err(invalid(
                node.mark,
                "the value of this anchor contains itself",
            ));
        }
        self.following.push(id);
        let value = self.value(target)?.value;
        self.following.pop();
        Ok(Located {
            value,
            line: node.mark.line_number(),
        })
    }

    /// `<<` unquoted.
    fn is_merge(&self, key: NodeId) -> Result<bool, YamlError> {
        Ok(match &self.node(key)?.kind {
            Kind::Scalar(written) => {
                written.text == "<<"
                    && (written.implicit || written.tag.as_deref() == Some(MERGE_TAG))
            }
            _ => false,
        })
    }

    fn check_merge(&mut self, value: NodeId) -> Result<Vec<Value>, YamlError> {
        let node = self.node(value)?;
        let sources = match &node.kind {
            Kind::Sequence(children) => children.clone(),
            _ => vec![value],
        };
        let mut values = Vec::new();
        for source in sources {
            let target = self.node(self.target(source)?)?;
            if !matches!(target.kind, Kind::Mapping(_)) {
                return Err(invalid(
                    node.mark,
                    "`<<` wants a mapping or a list of mappings",
                ));
            }
            values.push(self.value(source)?.value);
        }
        Ok(values)
    }
}

fn scalar(node: &Node, written: &Scalar) -> Result<Value, YamlError> {
    let text = written.text.as_str();
    let Some(tag) = written.tag.as_deref() else {
        return Ok(if written.implicit {
            resolve_plain(text)
        } else {
            Value::Text(text.to_owned())
        });
    };
    match tag.strip_prefix(SCHEMA) {
        Some(kind @ ("str" | "bool" | "int" | "float" | "null" | "timestamp")) => {
            resolve_tagged(kind, text)
                .ok_or_else(|| invalid(node.mark, format!("`{text}` is no {kind}")))
        }
        Some("binary") => base64(text)
            .map(|bytes| Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
            .ok_or_else(|| invalid(node.mark, "this is no base64")),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

fn put(entries: &mut Vec<(Value, Value)>, key: Value, value: Value) {
    match entries.iter_mut().find(|(known, _)| *known == key) {
        Some((_, known)) => *known = value,
        None => entries.push((key, value)),
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
    fn a_component_s_file_gets_what_a_merge_key_brings() {
        let last = |text: &str| {
            let Value::List(items) = decode_value(text.as_bytes()).unwrap() else {
                return Vec::new();
            };
            match items.into_iter().last().map(|item| item.value) {
                Some(Value::Map(pairs)) => pairs
                    .iter()
                    .map(|(key, value)| format!("{} {}", to_text(key), to_text(value)))
                    .collect(),
                _ => Vec::new(),
            }
        };
        let own = "- &x {a: 1, b: 2}\n- {<<: *x, b: 3}\n";
        assert_eq!(last(own), ["a 1", "b 3"]);
        let first_counts = "- &x {a: 1}\n- &y {a: 2, c: 3}\n- {<<: [*x, *y]}\n";
        assert_eq!(last(first_counts), ["a 1", "c 3"]);
        assert_eq!(last("- {a: 1, a: 2}\n"), ["a 1", "a 2"]);
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
