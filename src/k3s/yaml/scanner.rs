//! From characters to tokens, as YAML 1.1 readers of the libyaml family do it: indentation and implicit keys become
//! tokens of their own, so that the parser needs no columns.
//!
//! K3s reads with such a reader (yaml.v2). A reader of YAML 1.2 takes other documents: it refuses a `]` in the first
//! column, and takes `%YAML 1.2` and tabs that this one refuses.

use std::collections::VecDeque;

use super::cursor::{Cursor, Mark, is_blank, is_blank_or_end, is_break, is_name};
use super::{DEPTH_LIMIT, YamlError};

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    StreamEnd,
    /// `%YAML` with major and minor number.
    Version(u8, u8),
    /// `%TAG` with handle and prefix.
    TagPrefix(String, String),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    /// Handle and suffix.
    Tag(String, String),
    /// The text, and whether it was written without quotes.
    Scalar(String, bool),
}

/// A token and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) mark: Mark,
}

/// A token that becomes a key if a `:` follows on its line.
#[derive(Debug, Clone, Copy, Default)]
struct PossibleKey {
    possible: bool,
    /// It stands at the indentation of its mapping, so that it must be a key.
    required: bool,
    token_number: usize,
    mark: Mark,
    /// The scanner waits for its `:` before it gives the token away.
    awaited: bool,
}

/// An implicit key is at most this long, in characters.
const KEY_LIMIT: usize = 1024;

/// The scanner.
#[derive(Debug)]
pub(super) struct Scanner {
    pub(super) cursor: Cursor,
    tokens: VecDeque<Token>,
    /// Tokens given away.
    taken: usize,
    /// One for the block and one for each open bracket.
    keys: Vec<PossibleKey>,
    key_allowed: bool,
    /// Columns of the open blocks; none at the top.
    indents: Vec<usize>,
    ended: bool,
}

pub(super) fn invalid(mark: Mark, problem: &str) -> YamlError {
    YamlError::invalid(
        mark.line.saturating_add(1),
        mark.column.saturating_add(1),
        problem,
    )
}

impl Scanner {
    pub(super) fn new(text: &str) -> Self {
        Self {
            cursor: Cursor::new(text),
            tokens: VecDeque::new(),
            taken: 0,
            keys: vec![PossibleKey::default()],
            key_allowed: true,
            indents: Vec::new(),
            ended: false,
        }
    }

    /// The next token, left where it is.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        while !self.ended && (self.tokens.is_empty() || self.head_may_be_key()?) {
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
        self.keys.len() > 1
    }

    /// The column of the innermost block; `None` at the top.
    pub(super) fn indent(&self) -> Option<usize> {
        self.indents.last().copied()
    }

    pub(super) fn allow_key(&mut self) {
        self.key_allowed = true;
    }

    /// Whether the token at the head of the queue can still turn out to be a key.
    fn head_may_be_key(&mut self) -> Result<bool, YamlError> {
        let head = self.taken;
        let found = self
            .keys
            .iter()
            .position(|key| key.awaited && key.token_number == head);
        match found {
            Some(level) => self.key_is_valid(level),
            None => Ok(false),
        }
    }

    fn key_is_valid(&mut self, level: usize) -> Result<bool, YamlError> {
        let here = self.cursor.mark;
        let Some(key) = self.keys.get_mut(level).filter(|key| key.possible) else {
            return Ok(false);
        };
        let gone =
            key.mark.line < here.line || key.mark.index.saturating_add(KEY_LIMIT) < here.index;
        if gone && key.required {
            return Err(invalid(key.mark, "a `:` is missing after this key"));
        }
        key.possible = !gone;
        Ok(!gone)
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
            '*' | '&' => self.anchor(),
            '!' => self.fetch_scalar_like(Self::scan_tag),
            '|' | '>' if !self.in_flow() => {
                self.remove_key()?;
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
        self.remove_key()?;
        let saved = PossibleKey {
            possible: true,
            required: !self.in_flow() && self.indent() == Some(self.cursor.mark.column),
            token_number: self.next_number(),
            mark: self.cursor.mark,
            awaited: true,
        };
        if let Some(key) = self.keys.last_mut() {
            *key = saved;
        }
        Ok(())
    }

    fn remove_key(&mut self) -> Result<(), YamlError> {
        match self.keys.last_mut() {
            Some(key) if key.possible && key.required => {
                Err(invalid(key.mark, "a `:` is missing after this key"))
            }
            Some(key) => {
                key.awaited &= !key.possible;
                key.possible = false;
                Ok(())
            }
            None => Ok(()),
        }
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
                line: self.cursor.mark.line.saturating_add(1),
                limit: DEPTH_LIMIT,
            });
        }
        Ok(())
    }

    fn stream_end(&mut self) -> Result<(), YamlError> {
        self.unroll(None);
        self.remove_key()?;
        self.key_allowed = false;
        self.ended = true;
        self.push(Kind::StreamEnd, self.cursor.mark);
        Ok(())
    }

    fn directive(&mut self) -> Result<(), YamlError> {
        self.unroll(None);
        self.remove_key()?;
        self.key_allowed = false;
        let token = self.scan_directive()?;
        self.tokens.push_back(token);
        Ok(())
    }

    fn document_mark(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.unroll(None);
        self.remove_key()?;
        self.key_allowed = false;
        self.push(kind, self.cursor.mark);
        for _ in 0..3 {
            self.cursor.skip();
        }
        Ok(())
    }

    fn flow_start(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.save_key()?;
        self.keys.push(PossibleKey {
            token_number: self.next_number(),
            ..PossibleKey::default()
        });
        self.refuse_too_deep(self.keys.len())?;
        self.key_allowed = true;
        self.push_one(kind);
        Ok(())
    }

    fn flow_end(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.remove_key()?;
        if self.in_flow()
            && let Some(closed) = self.keys.pop()
        {
            // yaml.v2 2.4 forgets here to wait for the `:` behind an empty `{}` or `[]`.
            for key in &mut self.keys {
                key.awaited &= key.token_number != closed.token_number;
            }
        }
        self.key_allowed = false;
        self.push_one(kind);
        Ok(())
    }

    fn push_one(&mut self, kind: Kind) {
        self.push(kind, self.cursor.mark);
        self.cursor.skip();
    }

    fn flow_entry(&mut self) -> Result<(), YamlError> {
        self.remove_key()?;
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
        self.remove_key()?;
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
        self.remove_key()?;
        self.key_allowed = !self.in_flow();
        self.push_one(Kind::Key);
        Ok(())
    }

    fn value(&mut self) -> Result<(), YamlError> {
        let mark = self.cursor.mark;
        let level = self.keys.len().saturating_sub(1);
        if self.key_is_valid(level)? {
            let key = self.keys.get(level).copied().unwrap_or_default();
            self.insert(key.token_number, Kind::Key, key.mark);
            self.roll(
                key.mark.column,
                Some(key.token_number),
                Kind::BlockMappingStart,
                key.mark,
            )?;
            if let Some(key) = self.keys.get_mut(level) {
                key.possible = false;
                key.awaited = false;
            }
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

    fn anchor(&mut self) -> Result<(), YamlError> {
        self.fetch_scalar_like(|scanner| {
            let mark = scanner.cursor.mark;
            let is_alias = scanner.cursor.take() == '*';
            let mut name = String::new();
            while is_name(scanner.cursor.next()) {
                name.push(scanner.cursor.take());
            }
            let next = scanner.cursor.next();
            let ends = is_blank_or_end(next)
                || matches!(next, '?' | ':' | ',' | ']' | '}' | '%' | '@' | '`');
            if name.is_empty() || !ends {
                return Err(invalid(
                    scanner.cursor.mark,
                    "the name of an anchor has letters, digits, `_` and `-` only",
                ));
            }
            let kind = if is_alias {
                Kind::Alias(name)
            } else {
                Kind::Anchor(name)
            };
            Ok(Token { kind, mark })
        })
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
