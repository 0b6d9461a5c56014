//! Scalars over several lines: plain, quoted and block.

use super::YamlError;
use super::cursor::{Cursor, invalid, is_blank, is_blank_or_end, is_break, is_break_or_end};
use super::scanner::Scanner;
use super::token::{Kind, Token};

/// Blanks and line breaks between two parts of a scalar.
#[derive(Debug, Default)]
struct Gap {
    blanks: String,
    /// The first break, and those after it.
    first: Option<char>,
    more: String,
}

impl Gap {
    /// Reads a gap, by which the cursor stands on the next part.
    fn read(&mut self, cursor: &mut Cursor) {
        while is_blank(cursor.next()) || is_break(cursor.next()) {
            self.step(cursor);
        }
    }

    fn step(&mut self, cursor: &mut Cursor) {
        match cursor.take_break() {
            None if self.first.is_none() => self.blanks.push(cursor.take()),
            None => cursor.skip(),
            Some(read) if self.first.is_none() => self.first = Some(read),
            Some(read) => self.more.push(read),
        }
    }

    /// One newline folds to a blank, more keep all but the first.
    fn fold(&self, text: &mut String) {
        match self.first {
            None => text.push_str(&self.blanks),
            Some('\n') if self.more.is_empty() => text.push(' '),
            Some('\n') => text.push_str(&self.more),
            Some(other) => {
                text.push(other);
                text.push_str(&self.more);
            }
        }
    }
}

impl Scanner {
    /// A scalar without quotes.
    pub(super) fn scan_plain(&mut self) -> Result<Token, YamlError> {
        let start = self.cursor.mark;
        let indent = self.indent().map_or(0, |indent| indent.saturating_add(1));
        let mut text = String::new();
        let mut gap = Gap::default();
        loop {
            if self.cursor.is_document_mark('-')
                || self.cursor.is_document_mark('.')
                || self.cursor.next() == '#'
            {
                break;
            }
            while !is_blank_or_end(self.cursor.next()) && !self.plain_ends() {
                std::mem::take(&mut gap).fold(&mut text);
                text.push(self.cursor.take());
            }
            let next = self.cursor.next();
            if !is_blank(next) && !is_break(next) {
                break;
            }
            self.plain_gap(&mut gap, indent)?;
            if !self.in_flow() && self.cursor.mark.column < indent {
                break;
            }
        }
        if gap.first.is_some() {
            self.allow_key();
        }
        Ok(Token {
            kind: Kind::Scalar(text, true),
            mark: start,
        })
    }

    fn plain_ends(&self) -> bool {
        match self.cursor.next() {
            ':' => is_blank_or_end(self.cursor.at(1)),
            ',' | '?' | '[' | ']' | '{' | '}' => self.in_flow(),
            _ => false,
        }
    }

    fn plain_gap(&mut self, gap: &mut Gap, indent: usize) -> Result<(), YamlError> {
        while is_blank(self.cursor.next()) || is_break(self.cursor.next()) {
            let is_tab = self.cursor.next() == '\t';
            if is_tab && gap.first.is_some() && self.cursor.mark.column < indent {
                return Err(invalid(self.cursor.mark, "a tab cannot be used to indent"));
            }
            gap.step(&mut self.cursor);
        }
        Ok(())
    }

    /// A scalar in single or double quotes.
    pub(super) fn scan_quoted(&mut self) -> Result<Token, YamlError> {
        let start = self.cursor.mark;
        let quote = self.cursor.take();
        let mut text = String::new();
        loop {
            if self.cursor.is_document_mark('-') || self.cursor.is_document_mark('.') {
                return Err(invalid(start, "the document ends within these quotes"));
            }
            if self.cursor.next() == '\0' {
                return Err(invalid(start, "these quotes are not closed"));
            }
            let mut gap = Gap::default();
            while !is_blank_or_end(self.cursor.next()) {
                match (quote, self.cursor.next(), self.cursor.at(1)) {
                    ('\'', '\'', '\'') => {
                        text.push('\'');
                        self.cursor.skip();
                        self.cursor.skip();
                    }
                    (quote, next, _) if next == quote => {
                        self.cursor.skip();
                        return Ok(Token {
                            kind: Kind::Scalar(text, false),
                            mark: start,
                        });
                    }
                    ('"', '\\', next) if is_break(next) => {
                        // An escaped break leaves nothing, nor do the blanks of the next line.
                        self.cursor.skip();
                        self.cursor.take_break();
                        gap.first = Some('\0');
                        break;
                    }
                    ('"', '\\', _) => self.escape(&mut text)?,
                    _ => text.push(self.cursor.take()),
                }
            }
            gap.read(&mut self.cursor);
            if gap.first == Some('\0') {
                text.push_str(&gap.more);
            } else {
                gap.fold(&mut text);
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), YamlError> {
        let start = self.cursor.mark;
        self.cursor.skip();
        let digits = match self.cursor.take() {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => {
                let single = single_escape(other)
                    .ok_or_else(|| invalid(start, "this escape is not known"))?;
                text.push(single);
                return Ok(());
            }
        };
        let mut code = 0u32;
        for _ in 0..digits {
            let digit = self.cursor.take().to_digit(16);
            let digit = digit.ok_or_else(|| invalid(start, "a hexadecimal digit is missing"))?;
            code = code.wrapping_shl(4) | digit;
        }
        let character = char::from_u32(code);
        text.push(character.ok_or_else(|| invalid(start, "there is no such character"))?);
        Ok(())
    }

    /// A literal (`|`) or folded (`>`) scalar.
    pub(super) fn scan_block_scalar(&mut self) -> Result<Token, YamlError> {
        let start = self.cursor.mark;
        let literal = self.cursor.take() == '|';
        let (chomping, increment) = self.block_header()?;
        self.finish_line()?;
        let mut indent = increment.map(|increment| {
            let outer = self.indent().unwrap_or(0);
            outer.saturating_add(increment)
        });
        let mut text = String::new();
        let mut last_break: Option<char> = None;
        let mut breaks = self.block_breaks(&mut indent)?;
        let mut after_blank = false;
        while Some(self.cursor.mark.column) == indent && self.cursor.next() != '\0' {
            let begins_blank = is_blank(self.cursor.next());
            let folds = !literal && !after_blank && !begins_blank && last_break == Some('\n');
            match last_break {
                Some(_) if folds && breaks.is_empty() => text.push(' '),
                Some(kept) if !folds => text.push(kept),
                _ => {}
            }
            text.push_str(&breaks);
            after_blank = begins_blank;
            while !is_break_or_end(self.cursor.next()) {
                text.push(self.cursor.take());
            }
            last_break = self.cursor.take_break();
            breaks = self.block_breaks(&mut indent)?;
        }
        if chomping != Chomping::Strip {
            text.extend(last_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&breaks);
        }
        Ok(Token {
            kind: Kind::Scalar(text, false),
            mark: start,
        })
    }

    /// What follows `|` or `>`: chomping and indentation, in either order.
    fn block_header(&mut self) -> Result<(Chomping, Option<usize>), YamlError> {
        let (mut chomping, mut increment) = (None, None);
        for _ in 0..2 {
            match self.cursor.next() {
                '+' if chomping.is_none() => chomping = Some(Chomping::Keep),
                '-' if chomping.is_none() => chomping = Some(Chomping::Strip),
                '0' if increment.is_none() => {
                    return Err(invalid(
                        self.cursor.mark,
                        "the indentation of a block is at least 1",
                    ));
                }
                digit @ '1'..='9' if increment.is_none() => increment = digit.to_digit(10),
                _ => break,
            }
            self.cursor.skip();
        }
        let increment = increment.and_then(|increment| usize::try_from(increment).ok());
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    /// Empty lines of a block and the indentation of the next one; the first line with text sets it for all.
    fn block_breaks(&mut self, indent: &mut Option<usize>) -> Result<String, YamlError> {
        let mut breaks = String::new();
        let mut deepest = 0;
        loop {
            let outside = |column: usize| indent.is_none_or(|indent| column < indent);
            while outside(self.cursor.mark.column) && self.cursor.next() == ' ' {
                self.cursor.skip();
            }
            deepest = deepest.max(self.cursor.mark.column);
            if outside(self.cursor.mark.column) && self.cursor.next() == '\t' {
                return Err(invalid(self.cursor.mark, "a tab cannot be used to indent"));
            }
            match self.cursor.take_break() {
                Some(read) => breaks.push(read),
                None => break,
            }
        }
        let least = self.indent().map_or(1, |outer| outer.saturating_add(1));
        indent.get_or_insert(deepest.max(least));
        Ok(breaks)
    }
}

/// What happens to the line breaks at the end of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Clip,
    Keep,
    Strip,
}

fn single_escape(letter: char) -> Option<char> {
    Some(match letter {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' | '"' | '\'' | '\\' => letter,
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        _ => return None,
    })
}
