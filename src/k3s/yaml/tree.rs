//! The first document of a text as a tree of nodes with their places.

use super::cursor::Mark;

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
