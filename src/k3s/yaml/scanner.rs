//! From characters to tokens, as YAML 1.1 readers of the libyaml family do it: indentation and implicit keys become
//! tokens of their own, so that the parser needs no columns.
//!
//! K3s reads with such a reader (yaml.v2). A reader of YAML 1.2 takes other documents: it refuses a `]` in the first
//! column, and takes `%YAML 1.2` and tabs that this one refuses.

use std::collections::VecDeque;

use super::cursor::{Cursor, Mark, invalid, is_blank, is_blank_or_end, is_break};
use super::possible_key::PossibleKeys;
use super::token::{Kind, Token};
use super::{DEPTH_LIMIT, YamlError};

/// The scanner.
#[derive(Debug)]
pub(super) struct Scanner {
    pub(super) cursor: Cursor,
    tokens: VecDeque<Token>,
    /// Tokens given away.
    taken: usize,
    keys: PossibleKeys,
    key_allowed: bool,
    /// Columns of the open blocks; none at the top.
    indents: Vec<usize>,
    ended: bool,
}

impl Scanner {
    pub(super) fn new(text: &str) -> Self {
        Self {
            cursor: Cursor::new(text),
            tokens: VecDeque::new(),
            taken: 0,
            keys: PossibleKeys::default(),
            key_allowed: true,
            indents: Vec::new(),
            ended: false,
        }
    }

    /// The next token, left where it is.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        while !self.ended
            && (self.tokens.is_empty() || self.keys.may_become_key(self.taken, self.cursor.mark)?)
        {
            self.fetch()?;
        }
        let end = self.cursor.mark;
        self.tokens
            .front()
            .ok_or_else(|| invalid(end, "the document ends too early"))
    }

    /// The next token.
    pub(super) fn take(&mut self) -> Result<Token, YamlError> {
        let token = self.peek()?.clone();
        if token.kind != Kind::StreamEnd {
            self.tokens.pop_front();
            self.taken = self.taken.saturating_add(1);
        }
        Ok(token)
    }

    pub(super) fn in_flow(&self) -> bool {
        self.keys.brackets() > 0
    }

    /// The column of the innermost block; `None` at the top.
    pub(super) fn indent(&self) -> Option<usize> {
        self.indents.last().copied()
    }

    pub(super) fn allow_key(&mut self) {
        self.key_allowed = true;
    }

    fn fetch(&mut self) -> Result<(), YamlError> {
        self.skip_to_token();
        let column = self.cursor.mark.column;
        self.unroll(Some(column));
        let (next, after) = (self.cursor.next(), self.cursor.at(1));
        let spaced = is_blank_or_end(after);
        match next {
            '\0' => self.stream_end(),
            '%' if column == 0 => self.directive(),
            _ if self.cursor.is_document_mark('-') => self.document_mark(Kind::DocumentStart),
            _ if self.cursor.is_document_mark('.') => self.document_mark(Kind::DocumentEnd),
            '[' => self.flow_start(Kind::FlowSequenceStart),
            '{' => self.flow_start(Kind::FlowMappingStart),
            ']' => self.flow_end(Kind::FlowSequenceEnd),
            '}' => self.flow_end(Kind::FlowMappingEnd),
            ',' => self.flow_entry(),
            '-' if spaced => self.block_entry(),
            '?' if self.in_flow() || spaced => self.key(),
            ':' if self.in_flow() || spaced => self.value(),
            '*' | '&' => self.fetch_scalar_like(Self::scan_anchor),
            '!' => self.fetch_scalar_like(Self::scan_tag),
            '|' | '>' if !self.in_flow() => {
                self.keys.remove()?;
                self.key_allowed = true;
                let token = self.scan_block_scalar()?;
                self.tokens.push_back(token);
                Ok(())
            }
            '\'' | '"' => self.fetch_scalar_like(Self::scan_quoted),
            _ if self.starts_plain(next, after) => self.fetch_scalar_like(Self::scan_plain),
            _ => Err(invalid(
                self.cursor.mark,
                "this character cannot begin a value here",
            )),
        }
    }

    /// Passes over blanks, comments and line breaks. A tab is no blank where a key may begin.
    fn skip_to_token(&mut self) {
        loop {
            while self.cursor.next() == ' '
                || (self.cursor.next() == '\t' && (self.in_flow() || !self.key_allowed))
            {
                self.cursor.skip();
            }
            self.cursor.skip_comment();
            if self.cursor.take_break().is_none() {
                return;
            }
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }

    fn starts_plain(&self, next: char, after: char) -> bool {
        match next {
            '-' => !is_blank(after),
            '?' | ':' => !self.in_flow() && !is_blank_or_end(after),
            ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`' => false,
            other => !is_blank_or_end(other),
        }
    }

    fn push(&mut self, kind: Kind, mark: Mark) {
        self.tokens.push_back(Token { kind, mark });
    }

    /// Puts a token before that of the given number; at the end if that one is gone already.
    fn insert(&mut self, number: usize, kind: Kind, mark: Mark) {
        let position = number.checked_sub(self.taken);
        let token = Token { kind, mark };
        match position.filter(|position| *position <= self.tokens.len()) {
            Some(position) => self.tokens.insert(position, token),
            None => self.tokens.push_back(token),
        }
    }

    /// The number that the next token gets.
    fn next_number(&self) -> usize {
        self.taken.saturating_add(self.tokens.len())
    }

    fn save_key(&mut self) -> Result<(), YamlError> {
        if !self.key_allowed {
            return Ok(());
        }
        let must_be_one = !self.in_flow() && self.indent() == Some(self.cursor.mark.column);
        let token_number = self.next_number();
        self.keys.save(token_number, self.cursor.mark, must_be_one)
    }

    /// Opens a block at a column, if that lies deeper than the present one.
    fn roll(
        &mut self,
        column: usize,
        number: Option<usize>,
        kind: Kind,
        mark: Mark,
    ) -> Result<(), YamlError> {
        if self.in_flow() || self.indent().is_some_and(|indent| indent >= column) {
            return Ok(());
        }
        self.indents.push(column);
        self.refuse_too_deep(self.indents.len())?;
        match number {
            Some(number) => self.insert(number, kind, mark),
            None => self.push(kind, mark),
        }
        Ok(())
    }

    /// Closes all blocks deeper than a column; `None` closes all.
    fn unroll(&mut self, column: Option<usize>) {
        if self.in_flow() {
            return;
        }
        while let Some(indent) = self.indent() {
            if column.is_some_and(|column| indent <= column) {
                return;
            }
            self.push(Kind::BlockEnd, self.cursor.mark);
            self.indents.pop();
        }
    }

    fn refuse_too_deep(&self, depth: usize) -> Result<(), YamlError> {
        if depth > DEPTH_LIMIT {
            return Err(YamlError::TooDeep {
                line: self.cursor.mark.line_number(),
                limit: DEPTH_LIMIT,
            });
        }
        Ok(())
    }

    fn stream_end(&mut self) -> Result<(), YamlError> {
        self.unroll(None);
        self.keys.remove()?;
        self.key_allowed = false;
        self.ended = true;
        self.push(Kind::StreamEnd, self.cursor.mark);
        Ok(())
    }

    fn directive(&mut self) -> Result<(), YamlError> {
        self.unroll(None);
        self.keys.remove()?;
        self.key_allowed = false;
        let token = self.scan_directive()?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn document_mark(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.unroll(None);
        self.keys.remove()?;
        self.key_allowed = false;
        self.push(kind, self.cursor.mark);
        for _ in 0..3 {
            self.cursor.skip();
        }
        Ok(())
    }

    fn flow_start(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.save_key()?;
        let token_number = self.next_number();
        self.keys.open(token_number);
        self.refuse_too_deep(self.keys.brackets().saturating_add(1))?;
        self.key_allowed = true;
        self.push_one(kind);
        Ok(())
    }

    fn flow_end(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.keys.remove()?;
        self.keys.close();
        self.key_allowed = false;
        self.push_one(kind);
        Ok(())
    }

    fn push_one(&mut self, kind: Kind) {
        self.push(kind, self.cursor.mark);
        self.cursor.skip();
    }

    fn flow_entry(&mut self) -> Result<(), YamlError> {
        self.keys.remove()?;
        self.key_allowed = true;
        self.push_one(Kind::FlowEntry);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<(), YamlError> {
        let mark = self.cursor.mark;
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(invalid(mark, "a list entry is not allowed here"));
            }
            self.roll(mark.column, None, Kind::BlockSequenceStart, mark)?;
        }
        self.keys.remove()?;
        self.key_allowed = true;
        self.push_one(Kind::BlockEntry);
        Ok(())
    }

    fn key(&mut self) -> Result<(), YamlError> {
        let mark = self.cursor.mark;
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(invalid(mark, "a key is not allowed here"));
            }
            self.roll(mark.column, None, Kind::BlockMappingStart, mark)?;
        }
        self.keys.remove()?;
        self.key_allowed = !self.in_flow();
        self.push_one(Kind::Key);
        Ok(())
    }

    fn value(&mut self) -> Result<(), YamlError> {
        let mark = self.cursor.mark;
        if let Some(key) = self.keys.take(mark)? {
            self.insert(key.token_number, Kind::Key, key.mark);
            self.roll(
                key.mark.column,
                Some(key.token_number),
                Kind::BlockMappingStart,
                key.mark,
            )?;
            self.key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.key_allowed {
                    return Err(invalid(mark, "a mapping is not allowed in this place"));
                }
                self.roll(mark.column, None, Kind::BlockMappingStart, mark)?;
            }
            self.key_allowed = !self.in_flow();
        }
        self.push_one(Kind::Value);
        Ok(())
    }

    /// Tokens that can be a key, and behind which none can begin.
    fn fetch_scalar_like(
        &mut self,
        scan: fn(&mut Self) -> Result<Token, YamlError>,
    ) -> Result<(), YamlError> {
        self.save_key()?;
        self.key_allowed = false;
        let token = scan(self)?;
        self.tokens.push_back(token);
        Ok(())
    }

    /// Ends a line behind a directive or a block scalar's header: blanks, a comment, a break.
    pub(super) fn finish_line(&mut self) -> Result<(), YamlError> {
        self.cursor.skip_blanks();
        self.cursor.skip_comment();
        let next = self.cursor.next();
        if next != '\0' && !is_break(next) {
            return Err(invalid(
                self.cursor.mark,
                "only a comment or the end of the line can stand here",
            ));
        }
        self.cursor.take_break();
        Ok(())
    }
}
