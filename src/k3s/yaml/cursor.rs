//! Characters of a document with their place.

use super::YamlError;

/// A place in the document, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) index: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Mark {
    /// The line as people count, from 1.
    pub(super) const fn line_number(self) -> usize {
        self.line.saturating_add(1)
    }
}

/// K3s would refuse the document, for what stands there.
pub(super) fn invalid(mark: Mark, problem: impl Into<String>) -> YamlError {
    YamlError::invalid(mark.line_number(), mark.column.saturating_add(1), problem)
}

/// Reads a document character by character. The end reads as NUL, which no document may hold.
#[derive(Debug)]
pub(super) struct Cursor {
    characters: Vec<char>,
    pub(super) mark: Mark,
}

impl Cursor {
    pub(super) fn new(text: &str) -> Self {
        Self {
            characters: text.chars().collect(),
            mark: Mark::default(),
        }
    }

    /// The character that many places ahead.
    pub(super) fn at(&self, ahead: usize) -> char {
        let index = self.mark.index.saturating_add(ahead);
        self.characters.get(index).copied().unwrap_or('\0')
    }

    /// The next character.
    pub(super) fn next(&self) -> char {
        self.at(0)
    }

    /// Passes over one character that is no line break.
    pub(super) fn skip(&mut self) {
        self.mark.index = self.mark.index.saturating_add(1);
        self.mark.column = self.mark.column.saturating_add(1);
    }

    /// Takes one character that is no line break.
    pub(super) fn take(&mut self) -> char {
        let next = self.next();
        self.skip();
        next
    }

    /// Takes a line break; all but the two separators of Unicode read as a newline.
    pub(super) fn take_break(&mut self) -> Option<char> {
        let (read, length) = match (self.next(), self.at(1)) {
            ('\r', '\n') => ('\n', 2),
            ('\r' | '\n' | '\u{85}', _) => ('\n', 1),
            (separator @ ('\u{2028}' | '\u{2029}'), _) => (separator, 1),
            _ => return None,
        };
        self.mark.index = self.mark.index.saturating_add(length);
        self.mark.column = 0;
        self.mark.line = self.mark.line.saturating_add(1);
        Some(read)
    }

    /// Passes over spaces and tabs.
    pub(super) fn skip_blanks(&mut self) {
        while is_blank(self.next()) {
            self.skip();
        }
    }

    /// Passes over a comment, up to the end of its line.
    pub(super) fn skip_comment(&mut self) {
        if self.next() == '#' {
            while !is_break_or_end(self.next()) {
                self.skip();
            }
        }
    }

    /// Whether `---` or `...` stands here at the beginning of a line.
    pub(super) fn is_document_mark(&self, mark: char) -> bool {
        self.mark.column == 0
            && (0..3).all(|ahead| self.at(ahead) == mark)
            && is_blank_or_end(self.at(3))
    }
}

pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_break_or_end(character: char) -> bool {
    is_break(character) || character == '\0'
}

pub(super) fn is_blank_or_end(character: char) -> bool {
    is_blank(character) || is_break_or_end(character)
}

/// Letters, digits, `_` and `-`: what names of anchors and handles are made of.
pub(super) fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}
