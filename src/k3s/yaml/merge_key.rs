//! The merge key `<<` (yaml.v2 `decode.go` merge).

use super::YamlError;
use super::cursor::invalid;
use super::decode::{Decoder, MergeKeys};
use super::tree::{Kind, NodeId};
use super::value::Value;

const TAG: &str = "tag:yaml.org,2002:merge";

impl Decoder<'_> {
    /// Whether a key is `<<` without quotes.
    pub(super) fn is_merge(&self, key: NodeId) -> Result<bool, YamlError> {
        Ok(match &self.node(key)?.kind {
            Kind::Scalar(written) => {
                written.text == "<<" && (written.implicit || written.tag.as_deref() == Some(TAG))
            }
            _ => false,
        })
    }

    /// Decodes the mappings that a merge key names.
    pub(super) fn merge_sources(&mut self, value: NodeId) -> Result<Vec<Value>, YamlError> {
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

    /// The entries that a merge key brings. The first of several mappings comes last, since it counts most.
    pub(super) fn brought_by(&mut self, value: NodeId) -> Result<Vec<(Value, Value)>, YamlError> {
        let sources = self.merge_sources(value)?;
        let maps = sources.into_iter().rev().filter_map(|source| match source {
            Value::Map(pairs) if self.merge_keys == MergeKeys::Taken => Some(pairs),
            _ => None,
        });
        Ok(maps.flatten().collect())
    }
}
