//! From the tree to typed values, as `yaml.Unmarshal` of yaml.v2 makes them.

use super::cursor::invalid;
use super::growth::{Growth, Through};
use super::parser::parse;
use super::scalar::resolve;
use super::tree::{Kind, Node, NodeId, Tree};
use super::value::{Located, Value};
use super::{DEPTH_LIMIT, YamlError};

/// Decodes the first document of a file of any shape; nothing at all is null.
///
/// # Errors
/// When it is no YAML, or the nesting is too deep for us.
pub fn decode_value(content: &[u8]) -> Result<Value, YamlError> {
    let text = super::encoding::to_utf8(content)?;
    let tree = parse(&text)?;
    match tree.root {
        Some(root) => Ok(Decoder::new(&tree, MergeKeys::Taken).value(root)?.value),
        None => Ok(Value::Null),
    }
}

/// What becomes of the entries that a merge key brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MergeKeys {
    /// They are dropped, as `yaml.MapSlice` does, K3s's kind of target. They are decoded all the same and may be wrong.
    Dropped,
    /// They are entries of the mapping.
    Taken,
}

/// Turns nodes of a tree into values.
pub(super) struct Decoder<'a> {
    nodes: &'a [Node],
    pub(super) merge_keys: MergeKeys,
    /// Aliases that are being followed, to see one that contains itself.
    following: Vec<NodeId>,
    depth: usize,
    growth: Growth,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(tree: &'a Tree, merge_keys: MergeKeys) -> Self {
        Self {
            nodes: &tree.nodes,
            merge_keys,
            following: Vec::new(),
            depth: 0,
            growth: Growth::default(),
        }
    }

    pub(super) fn node(&self, id: NodeId) -> Result<&'a Node, YamlError> {
        self.nodes
            .get(id)
            .ok_or_else(|| YamlError::invalid(1, 1, "node out of range"))
    }

    pub(super) fn target(&self, id: NodeId) -> Result<NodeId, YamlError> {
        Ok(match &self.node(id)?.kind {
            Kind::Alias(target) => *target,
            _ => id,
        })
    }

    pub(super) fn value(&mut self, id: NodeId) -> Result<Located, YamlError> {
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
                resolve(node.mark, written)?
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
                for (key, value) in self.brought_by(*value)? {
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
}

/// Sets a key: in the place of the first entry that has it, else at the end.
fn put(entries: &mut Vec<(Value, Value)>, key: Value, value: Value) {
    match entries.iter_mut().find(|(known, _)| *known == key) {
        Some((_, known)) => *known = value,
        None => entries.push((key, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::yaml::to_text;

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
}
