//! Collections in brackets: `[a, b]` and `{a: b}`.

use super::YamlError;
use super::cursor::invalid;
use super::parser::{Parser, Within};
use super::token::Kind as Token;
use super::tree::{Kind, NodeId};

impl Parser {
    pub(super) fn flow_sequence(&mut self) -> Result<Vec<NodeId>, YamlError> {
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
        let value = self.flow_value(&Token::FlowSequenceEnd)?;
        Ok(vec![key, value])
    }

    /// What stands behind a key, within a bracket that ends with that token.
    fn flow_value(&mut self, end: &Token) -> Result<NodeId, YamlError> {
        if *self.peek()? != Token::Value {
            return self.empty();
        }
        self.scanner.take()?;
        let next = self.peek()?;
        let missing = *next == Token::FlowEntry || next == end;
        self.node_unless(missing, Within::Flow)
    }

    fn flow_comma(&mut self, problem: &str) -> Result<(), YamlError> {
        let token = self.scanner.take()?;
        if token.kind != Token::FlowEntry {
            return Err(invalid(token.mark, problem));
        }
        Ok(())
    }

    pub(super) fn flow_mapping(&mut self) -> Result<Vec<NodeId>, YamlError> {
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
                    let missing = matches!(
                        self.peek()?,
                        Token::Value | Token::FlowEntry | Token::FlowMappingEnd
                    );
                    children.push(self.node_unless(missing, Within::Flow)?);
                    children.push(self.flow_value(&Token::FlowMappingEnd)?);
                }
                _ => {
                    children.push(self.node(Within::Flow)?);
                    children.push(self.empty()?);
                }
            }
        }
    }
}
