//! From tokens to the tree of a document: what stands before a node, block collections, limits. Collections in brackets
//! are in `flow`.

use std::collections::HashMap;

use super::cursor::{Mark, invalid};
use super::scanner::Scanner;
use super::token::Kind as Token;
use super::tree::{Kind, Node, NodeId, Scalar, Tree};
use super::{NODES_LIMIT, REPEATED_LIMIT_BYTES, YamlError};

/// Reads the first document of a text; what follows it, K3s does not look at.
pub(super) fn parse(text: &str) -> Result<Tree, YamlError> {
    Parser::new(text).document()
}

/// Where a node stands, which decides what it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Block,
    /// A value of a block mapping: a list can stand in the column of its key.
    BlockValue,
    Flow,
}

/// Makes a tree of tokens.
#[derive(Debug)]
pub(super) struct Parser {
    pub(super) scanner: Scanner,
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
    fn new(text: &str) -> Self {
        Self {
            scanner: Scanner::new(text),
            tree: Tree::default(),
            anchors: HashMap::new(),
            prefixes: HashMap::new(),
            prefixed_bytes: 0,
        }
    }

    fn document(mut self) -> Result<Tree, YamlError> {
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
            return Ok(self.tree);
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
        Ok(self.tree)
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

    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        Ok(&self.scanner.peek()?.kind)
    }

    pub(super) fn add(&mut self, kind: Kind, mark: Mark) -> Result<NodeId, YamlError> {
        if self.tree.nodes.len() >= NODES_LIMIT {
            return Err(YamlError::TooMany {
                line: mark.line_number(),
                limit: NODES_LIMIT,
            });
        }
        self.tree.nodes.push(Node { kind, mark });
        Ok(self.tree.nodes.len().saturating_sub(1))
    }

    /// A node that is not written, where one is expected.
    pub(super) fn empty(&mut self) -> Result<NodeId, YamlError> {
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

    pub(super) fn node(&mut self, within: Within) -> Result<NodeId, YamlError> {
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
                line: mark.line_number(),
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

    pub(super) fn node_unless(
        &mut self,
        missing: bool,
        within: Within,
    ) -> Result<NodeId, YamlError> {
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
}
