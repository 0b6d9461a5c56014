//! The first document of a text as a tree of nodes, with lines, from saphyr-parser's events.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::YamlError;

/// Deeper than anybody nests a K3s configuration. K3s itself stops at 10000.
const DEPTH_LIMIT: usize = 100;

/// Where a node stands in the tree's list of nodes.
pub(super) type NodeId = usize;

/// A node as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A scalar before typing.
    Scalar {
        text: String,
        plain: bool,
        tag: Tagged,
    },
    Sequence(Vec<NodeId>),
    /// Keys and values in turn.
    Mapping(Vec<NodeId>),
    Alias(NodeId),
}

/// The tag of a scalar, as far as it changes its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tagged {
    /// No tag: quoting decides.
    No,
    /// `!` alone: typed as if it were plain (libyaml sets `plain_implicit`).
    Bare,
    /// A tag of the YAML schema, without its prefix: `str`, `int`.
    Schema(String),
    /// Any other tag: the text stays a text.
    Other,
}

/// All nodes of a document; empty where the document is.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Option<NodeId>,
}

impl Tree {
    /// Reads the first document; what follows it, K3s does not look at.
    pub(super) fn parse(text: &str) -> Result<Self, YamlError> {
        let mut builder = Builder::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| scan_error(&error))?;
            if matches!(event, Event::DocumentEnd) {
                break;
            }
            builder.take(event, &span)?;
        }
        Ok(builder.tree)
    }
}

#[derive(Default)]
struct Builder {
    tree: Tree,
    open: Vec<NodeId>,
    anchors: HashMap<usize, NodeId>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = Kind::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                    tag: tagged(tag.as_deref()),
                };
                self.add(kind, anchor, span);
            }
            Event::SequenceStart(anchor, _) => {
                self.open(Kind::Sequence(Vec::new()), anchor, span)?
            }
            Event::MappingStart(anchor, _) => self.open(Kind::Mapping(Vec::new()), anchor, span)?,
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied().ok_or_else(|| {
                    YamlError::invalid(span.start.line(), column(span), "unknown anchor")
                })?;
                self.add(Kind::Alias(target), 0, span);
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind, anchor: usize, span: &Span) -> Result<(), YamlError> {
        let id = self.add(kind, anchor, span);
        self.open.push(id);
        if self.open.len() > DEPTH_LIMIT {
            return Err(YamlError::TooDeep {
                line: span.start.line(),
                limit: DEPTH_LIMIT,
            });
        }
        Ok(())
    }

    fn add(&mut self, kind: Kind, anchor: usize, span: &Span) -> NodeId {
        let id = self.tree.nodes.len();
        self.tree.nodes.push(Node {
            kind,
            line: span.start.line(),
            column: column(span),
        });
        // Anchor number 0 means none.
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        match self
            .open
            .last()
            .and_then(|parent| self.tree.nodes.get_mut(*parent))
        {
            Some(Node {
                kind: Kind::Sequence(children) | Kind::Mapping(children),
                ..
            }) => children.push(id),
            _ => self.tree.root = Some(id),
        }
        id
    }
}

fn tagged(tag: Option<&Tag>) -> Tagged {
    match tag {
        None => Tagged::No,
        Some(tag) if tag.is_yaml_core_schema() => Tagged::Schema(tag.suffix.clone()),
        Some(tag) if tag.handle == "!" && tag.suffix.is_empty() => Tagged::Bare,
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Tagged::Bare,
        Some(_) => Tagged::Other,
    }
}

fn column(span: &Span) -> usize {
    span.start.col().saturating_add(1)
}

fn scan_error(error: &ScanError) -> YamlError {
    let marker = error.marker();
    YamlError::invalid(
        marker.line(),
        marker.col().saturating_add(1),
        error.info().to_owned(),
    )
}
