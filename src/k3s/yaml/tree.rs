//! The first document of a text as a tree of nodes with their places.

use std::collections::HashMap;

use super::cursor::Mark;
use super::scanner::{Kind as Token, Scanner, invalid};
use super::{NODES_LIMIT, REPEATED_LIMIT_BYTES, YamlError};

/// Where a node stands in the tree's list of nodes.
pub(super) type NodeId = usize;

/// A node as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) mark: Mark,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A scalar before typing.
    Scalar(Scalar),
    Sequence(Vec<NodeId>),
    /// Keys and values in turn.
    Mapping(Vec<NodeId>),
    Alias(NodeId),
}

/// A scalar as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Its tag, written out.
    pub(super) tag: Option<String>,
    /// It has no quotes and no tag, or the tag `!` alone.
    pub(super) implicit: bool,
}

/// All nodes of a document; no root where the text holds none.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Option<NodeId>,
}

impl Tree {
    /// Reads the first document; what follows it, K3s does not look at.
    pub(super) fn parse(text: &str) -> Result<Self, YamlError> {
        let mut parser = Parser {
            scanner: Scanner::new(text),
            tree: Self::default(),
            anchors: HashMap::new(),
            prefixes: HashMap::new(),
            prefixed_bytes: 0,
        };
        parser.document()?;
        Ok(parser.tree)
    }
}

/// Where a node stands, which decides what it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Block,
    /// A value of a block mapping: a list can stand in the column of its key.
    BlockValue,
    Flow,
}

struct Parser {
    scanner: Scanner,
    tree: Tree,
    anchors: HashMap<String, NodeId>,
    /// Tag handles and what they stand for.
    prefixes: HashMap<String, String>,
    /// How much text the handles have become.
    prefixed_bytes: usize,
}

/// What stands before the content of a node.
#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<String>,
}

impl Parser {
    fn document(&mut self) -> Result<(), YamlError> {
        let explicit = matches!(
            self.peek()?,
            Token::Version(..) | Token::TagPrefix(..) | Token::DocumentStart
        );
        self.directives()?;
        if explicit {
            let token = self.scanner.take()?;
            if token.kind != Token::DocumentStart {
                return Err(invalid(token.mark, "`---` is missing after the directives"));
            }
        } else if *self.peek()? == Token::StreamEnd {
            return Ok(());
        }
        let empty = matches!(
            self.peek()?,
            Token::Version(..)
                | Token::TagPrefix(..)
                | Token::DocumentStart
                | Token::DocumentEnd
                | Token::StreamEnd
        );
        let root = if explicit && empty {
            self.empty()?
        } else {
            self.node(Within::Block)?
        };
        self.tree.root = Some(root);
        // yaml.v2 looks one token beyond the document.
        self.peek()?;
        Ok(())
    }

    fn directives(&mut self) -> Result<(), YamlError> {
        let mut versioned = false;
        loop {
            let mark = self.scanner.peek()?.mark;
            match self.peek()?.clone() {
                Token::Version(1, 1) if !versioned => versioned = true,
                Token::Version(..) => {
                    return Err(invalid(mark, "this is no document of YAML 1.1"));
                }
                Token::TagPrefix(handle, prefix) => {
                    if self.prefixes.insert(handle, prefix).is_some() {
                        return Err(invalid(mark, "this handle is declared twice"));
                    }
                }
                _ => break,
            }
            self.scanner.take()?;
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            self.prefixes
                .entry(handle.to_owned())
                .or_insert_with(|| prefix.to_owned());
        }
        Ok(())
    }

    fn peek(&mut self) -> Result<&Token, YamlError> {
        Ok(&self.scanner.peek()?.kind)
    }

    fn add(&mut self, kind: Kind, mark: Mark) -> Result<NodeId, YamlError> {
        if self.tree.nodes.len() >= NODES_LIMIT {
            return Err(YamlError::TooMany {
                line: mark.line.saturating_add(1),
                limit: NODES_LIMIT,
            });
        }
        self.tree.nodes.push(Node { kind, mark });
        Ok(self.tree.nodes.len().saturating_sub(1))
    }

    /// A node that is not written, where one is expected.
    fn empty(&mut self) -> Result<NodeId, YamlError> {
        let mark = self.scanner.peek()?.mark;
        self.scalar(String::new(), true, Properties::default(), mark)
    }

    fn scalar(
        &mut self,
        text: String,
        plain: bool,
        properties: Properties,
        mark: Mark,
    ) -> Result<NodeId, YamlError> {
        let implicit = match properties.tag.as_deref() {
            None => plain,
            Some(tag) => tag == "!",
        };
        let scalar = Scalar {
            text,
            tag: properties.tag,
            implicit,
        };
        let id = self.add(Kind::Scalar(scalar), mark)?;
        self.anchor(properties.anchor, id);
        Ok(id)
    }

    fn anchor(&mut self, name: Option<String>, id: NodeId) {
        if let Some(name) = name {
            self.anchors.insert(name, id);
        }
    }

    fn node(&mut self, within: Within) -> Result<NodeId, YamlError> {
        let mark = self.scanner.peek()?.mark;
        if let Token::Alias(name) = self.peek()?.clone() {
            self.scanner.take()?;
            let target = self.anchors.get(&name).copied();
            let target = target.ok_or_else(|| invalid(mark, "there is no such anchor"))?;
            return self.add(Kind::Alias(target), mark);
        }
        let properties = self.properties()?;
        let content = self.peek()?.clone();
        match (content, within) {
            (Token::Scalar(text, plain), _) => {
                self.scanner.take()?;
                self.scalar(text, plain, properties, mark)
            }
            (Token::BlockEntry, Within::BlockValue) => self.collection(
                Kind::Sequence(Vec::new()),
                properties,
                mark,
                Self::indentless,
            ),
            (Token::FlowSequenceStart, _) => self.collection(
                Kind::Sequence(Vec::new()),
                properties,
                mark,
                Self::flow_sequence,
            ),
            (Token::FlowMappingStart, _) => self.collection(
                Kind::Mapping(Vec::new()),
                properties,
                mark,
                Self::flow_mapping,
            ),
            (Token::BlockSequenceStart, Within::Block | Within::BlockValue) => self.collection(
                Kind::Sequence(Vec::new()),
                properties,
                mark,
                Self::block_sequence,
            ),
            (Token::BlockMappingStart, Within::Block | Within::BlockValue) => self.collection(
                Kind::Mapping(Vec::new()),
                properties,
                mark,
                Self::block_mapping,
            ),
            _ if properties.anchor.is_some() || properties.tag.is_some() => {
                self.scalar(String::new(), true, properties, mark)
            }
            _ => {
                let mark = self.scanner.peek()?.mark;
                Err(invalid(
                    mark,
                    "did not find expected node content: a value is missing here",
                ))
            }
        }
    }

    /// An anchor and a tag, in either order.
    fn properties(&mut self) -> Result<Properties, YamlError> {
        let mut properties = Properties::default();
        loop {
            let mark = self.scanner.peek()?.mark;
            match self.peek()?.clone() {
                Token::Anchor(name) if properties.anchor.is_none() => {
                    properties.anchor = Some(name);
                }
                Token::Tag(handle, suffix) if properties.tag.is_none() => {
                    properties.tag = Some(self.written_out(&handle, suffix, mark)?);
                }
                _ => return Ok(properties),
            }
            self.scanner.take()?;
        }
    }

    fn written_out(
        &mut self,
        handle: &str,
        suffix: String,
        mark: Mark,
    ) -> Result<String, YamlError> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        let prefix = self.prefixes.get(handle);
        let prefix = prefix.ok_or_else(|| invalid(mark, "this handle is not declared"))?;
        self.prefixed_bytes = self.prefixed_bytes.saturating_add(prefix.len());
        if self.prefixed_bytes > REPEATED_LIMIT_BYTES {
            return Err(YamlError::TooLarge {
                line: mark.line.saturating_add(1),
                limit_bytes: REPEATED_LIMIT_BYTES,
            });
        }
        Ok(format!("{prefix}{suffix}"))
    }

    /// A list or mapping: known by its anchor before its children are read.
    fn collection(
        &mut self,
        kind: Kind,
        properties: Properties,
        mark: Mark,
        children: fn(&mut Self) -> Result<Vec<NodeId>, YamlError>,
    ) -> Result<NodeId, YamlError> {
        let id = self.add(kind, mark)?;
        self.anchor(properties.anchor, id);
        let read = children(self)?;
        if let Some(Node {
            kind: Kind::Sequence(children) | Kind::Mapping(children),
            ..
        }) = self.tree.nodes.get_mut(id)
        {
            *children = read;
        }
        Ok(id)
    }

    fn block_sequence(&mut self) -> Result<Vec<NodeId>, YamlError> {
        self.scanner.take()?;
        let mut children = Vec::new();
        loop {
            let token = self.scanner.take()?;
            match token.kind {
                Token::BlockEntry => {
                    let missing = matches!(self.peek()?, Token::BlockEntry | Token::BlockEnd);
                    children.push(self.node_unless(missing, Within::Block)?);
                }
                Token::BlockEnd => return Ok(children),
                _ => return Err(invalid(token.mark, "`-` is missing here")),
            }
        }
    }

    /// A list in the column of its key ends without a token of its own.
    fn indentless(&mut self) -> Result<Vec<NodeId>, YamlError> {
        let mut children = Vec::new();
        while *self.peek()? == Token::BlockEntry {
            self.scanner.take()?;
            let missing = matches!(
                self.peek()?,
                Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd
            );
            children.push(self.node_unless(missing, Within::Block)?);
        }
        Ok(children)
    }

    fn node_unless(&mut self, missing: bool, within: Within) -> Result<NodeId, YamlError> {
        if missing {
            self.empty()
        } else {
            self.node(within)
        }
    }

    fn block_mapping(&mut self) -> Result<Vec<NodeId>, YamlError> {
        self.scanner.take()?;
        let mut children = Vec::new();
        loop {
            let token = self.scanner.take()?;
            match token.kind {
                Token::Key => {}
                Token::BlockEnd => return Ok(children),
                _ => return Err(invalid(token.mark, "a key is missing here")),
            }
            children.push(self.block_part()?);
            let value = if *self.peek()? == Token::Value {
                self.scanner.take()?;
                self.block_part()?
            } else {
                self.empty()?
            };
            children.push(value);
        }
    }

    /// A key or a value of a block mapping.
    fn block_part(&mut self) -> Result<NodeId, YamlError> {
        let missing = matches!(self.peek()?, Token::Key | Token::Value | Token::BlockEnd);
        self.node_unless(missing, Within::BlockValue)
    }

    fn flow_sequence(&mut self) -> Result<Vec<NodeId>, YamlError> {
        self.scanner.take()?;
        let mut children = Vec::new();
        loop {
            if !children.is_empty() && *self.peek()? != Token::FlowSequenceEnd {
                self.flow_comma("`,` or `]` is missing here")?;
            }
            match self.peek()? {
                Token::FlowSequenceEnd => {
                    self.scanner.take()?;
                    return Ok(children);
                }
                Token::Key => {
                    let mark = self.scanner.take()?.mark;
                    let pair = self.single_pair()?;
                    children.push(self.add(Kind::Mapping(pair), mark)?);
                }
                _ => children.push(self.node(Within::Flow)?),
            }
        }
    }

    /// `[key: value]` is a mapping of one pair.
    fn single_pair(&mut self) -> Result<Vec<NodeId>, YamlError> {
        let missing = matches!(
            self.peek()?,
            Token::Value | Token::FlowEntry | Token::FlowSequenceEnd
        );
        let key = if missing {
            let key = self.empty()?;
            // yaml.v2 passes over this token, whatever it is.
            self.scanner.take()?;
            key
        } else {
            self.node(Within::Flow)?
        };
        let mut value = None;
        if *self.peek()? == Token::Value {
            self.scanner.take()?;
            let missing = matches!(self.peek()?, Token::FlowEntry | Token::FlowSequenceEnd);
            value = Some(self.node_unless(missing, Within::Flow)?);
        }
        let value = match value {
            Some(value) => value,
            None => self.empty()?,
        };
        Ok(vec![key, value])
    }

    fn flow_comma(&mut self, problem: &str) -> Result<(), YamlError> {
        let token = self.scanner.take()?;
        if token.kind != Token::FlowEntry {
            return Err(invalid(token.mark, problem));
        }
        Ok(())
    }

    fn flow_mapping(&mut self) -> Result<Vec<NodeId>, YamlError> {
        self.scanner.take()?;
        let mut children = Vec::new();
        loop {
            if !children.is_empty() && *self.peek()? != Token::FlowMappingEnd {
                self.flow_comma("`,` or `}` is missing here")?;
            }
            match self.peek()? {
                Token::FlowMappingEnd => {
                    self.scanner.take()?;
                    return Ok(children);
                }
                Token::Key => {
                    self.scanner.take()?;
                    children.push(self.flow_part(true)?);
                    let has_value = *self.peek()? == Token::Value;
                    if has_value {
                        self.scanner.take()?;
                    }
                    children.push(if has_value {
                        self.flow_part(false)?
                    } else {
                        self.empty()?
                    });
                }
                _ => {
                    children.push(self.node(Within::Flow)?);
                    children.push(self.empty()?);
                }
            }
        }
    }

    /// A key or a value of a flow mapping.
    fn flow_part(&mut self, is_key: bool) -> Result<NodeId, YamlError> {
        let missing = match self.peek()? {
            Token::FlowEntry | Token::FlowMappingEnd => true,
            Token::Value => is_key,
            _ => false,
        };
        self.node_unless(missing, Within::Flow)
    }
}
