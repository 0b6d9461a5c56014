//! Where the keys of a document stand.

use std::collections::BTreeMap;

use super::parser::parse;
use super::tree::{Kind, NodeId, Tree};

/// The fields of configuration files lie no deeper, and have no longer names: what does is none of them, and its path would be
/// copied for each key below it.
const DEPTH_LIMIT: usize = 8;
const NAME_LIMIT_BYTES: usize = 256;

/// The lines of the keys of mappings in mappings, by their paths (`authentication.anonymous.enabled`), counted from 1; of a
/// key that stands twice the last counts. Nothing where the document cannot be read; what an alias brings is left out.
#[must_use]
pub fn key_lines(content: &[u8]) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    let Ok(text) = super::encoding::to_utf8(content) else {
        return lines;
    };
    if let Ok(tree) = parse(&text)
        && let Some(root) = tree.root
    {
        collect(&tree, root, "", 0, &mut lines);
    }
    lines
}

fn collect(
    tree: &Tree,
    id: NodeId,
    prefix: &str,
    depth: usize,
    lines: &mut BTreeMap<String, usize>,
) {
    let Some(Kind::Mapping(children)) = tree.nodes.get(id).map(|node| &node.kind) else {
        return;
    };
    if depth > DEPTH_LIMIT {
        return;
    }
    for pair in children.chunks_exact(2) {
        let [key, value] = pair else { continue };
        let Some(node) = tree.nodes.get(*key) else {
            continue;
        };
        let written = match &node.kind {
            Kind::Scalar(written) if written.text.len() <= NAME_LIMIT_BYTES => written,
            _ => continue,
        };
        let path = format!("{prefix}{}", written.text);
        collect(tree, *value, &format!("{path}."), depth + 1, lines);
        lines.insert(path, node.mark.line.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_the_line_where_it_is_written() {
        let text =
            "a: 1\n# said\nb:\n  c: [x,\n    y]\n  d: {e: 1}\n\"f\": &x\n  g: 2\nh: *x\na: 3\n";
        let lines = key_lines(text.as_bytes());
        let expected = [
            ("a", 10),
            ("b", 3),
            ("b.c", 4),
            ("b.d", 6),
            ("b.d.e", 6),
            ("f", 7),
            ("f.g", 8),
            ("h", 9),
        ];
        let expected = expected.map(|(key, line)| (key.to_owned(), line));
        assert_eq!(lines, BTreeMap::from(expected));
        assert_eq!(key_lines(b"{\"a\":\n {\"b\": 1}}")["a.b"], 2);
        assert!(key_lines(b"a: [").is_empty());
    }

    #[test]
    fn keys_deeper_than_any_field_have_no_line() {
        let text = format!("{}1{}", "{a: ".repeat(12), "}".repeat(12));
        let lines = key_lines(text.as_bytes());
        assert_eq!(lines.len(), DEPTH_LIMIT + 1);
    }

    #[test]
    fn a_long_key_is_not_copied_for_each_one_below_it() {
        let below: String = (0..9000).map(|key| format!("  k{key}: 1\n")).collect();
        let text = format!("? {}\n:\n{below}b: 1\n", "a".repeat(500_000));
        assert_eq!(key_lines(text.as_bytes()).len(), 1);
    }
}
