//! Tags, anchors and directives.

use super::YamlError;
use super::cursor::{Mark, invalid, is_blank, is_blank_or_end, is_name};
use super::scanner::Scanner;
use super::token::{Kind, Token};

impl Scanner {
    /// `!name`, `!!name`, `!handle!name` or `!<name>`.
    pub(super) fn scan_tag(&mut self) -> Result<Token, YamlError> {
        let mark = self.cursor.mark;
        let (handle, suffix) = if self.cursor.at(1) == '<' {
            self.cursor.skip();
            self.cursor.skip();
            let suffix = self.uri("")?;
            if self.cursor.next() != '>' {
                return Err(invalid(self.cursor.mark, "a `>` is missing after this tag"));
            }
            self.cursor.skip();
            (String::new(), suffix)
        } else {
            let handle = self.handle()?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.uri("")?;
                (handle, suffix)
            } else {
                // There is no second `!`: what was read is the beginning of the suffix.
                let suffix = self.uri(&handle)?;
                if suffix.is_empty() {
                    (String::new(), "!".to_owned())
                } else {
                    ("!".to_owned(), suffix)
                }
            }
        };
        if !is_blank_or_end(self.cursor.next()) {
            return Err(invalid(
                self.cursor.mark,
                "a blank is missing after this tag",
            ));
        }
        Ok(Token {
            kind: Kind::Tag(handle, suffix),
            mark,
        })
    }

    fn handle(&mut self) -> Result<String, YamlError> {
        if self.cursor.next() != '!' {
            return Err(invalid(self.cursor.mark, "a `!` is missing here"));
        }
        let mut handle = String::from(self.cursor.take());
        while is_name(self.cursor.next()) {
            handle.push(self.cursor.take());
        }
        if self.cursor.next() == '!' {
            handle.push(self.cursor.take());
        }
        Ok(handle)
    }

    /// The rest of a tag; `head` was read already, its `!` does not count.
    fn uri(&mut self, head: &str) -> Result<String, YamlError> {
        let start = self.cursor.mark;
        let mut bytes = head.as_bytes().get(1..).unwrap_or_default().to_vec();
        let mut found = !head.is_empty();
        loop {
            let next = self.cursor.next();
            if next == '%' {
                bytes.push(self.escaped_byte()?);
            } else if is_name(next) || ";/?:@&=+$,.!~*'()[]".contains(next) {
                bytes.extend(self.cursor.take().encode_utf8(&mut [0; 4]).bytes());
            } else {
                break;
            }
            found = true;
        }
        if !found {
            return Err(invalid(start, "the tag has no name"));
        }
        String::from_utf8(bytes).map_err(|_| invalid(start, "the tag is no UTF-8"))
    }

    fn escaped_byte(&mut self) -> Result<u8, YamlError> {
        let start = self.cursor.mark;
        self.cursor.skip();
        let digits = [self.cursor.take(), self.cursor.take()].map(|digit| digit.to_digit(16));
        match digits {
            [Some(high), Some(low)] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        }
        .ok_or_else(|| invalid(start, "two hexadecimal digits are missing"))
    }

    /// `&name`, or `*name` for what has that anchor.
    pub(super) fn scan_anchor(&mut self) -> Result<Token, YamlError> {
        let mark = self.cursor.mark;
        let is_alias = self.cursor.take() == '*';
        let mut name = String::new();
        while is_name(self.cursor.next()) {
            name.push(self.cursor.take());
        }
        let next = self.cursor.next();
        let ends =
            is_blank_or_end(next) || matches!(next, '?' | ':' | ',' | ']' | '}' | '%' | '@' | '`');
        if name.is_empty() || !ends {
            return Err(invalid(
                self.cursor.mark,
                "the name of an anchor has letters, digits, `_` and `-` only",
            ));
        }
        let kind = if is_alias {
            Kind::Alias(name)
        } else {
            Kind::Anchor(name)
        };
        Ok(Token { kind, mark })
    }

    /// `%YAML 1.1` or `%TAG ! prefix`.
    pub(super) fn scan_directive(&mut self) -> Result<Token, YamlError> {
        let mark = self.cursor.mark;
        self.cursor.skip();
        let mut name = String::new();
        while is_name(self.cursor.next()) {
            name.push(self.cursor.take());
        }
        if !is_blank_or_end(self.cursor.next()) {
            return Err(invalid(mark, "this directive is not known"));
        }
        let kind = match name.as_str() {
            "YAML" => self.version(mark)?,
            "TAG" => self.tag_prefix()?,
            _ => return Err(invalid(mark, "this directive is not known")),
        };
        self.finish_line()?;
        Ok(Token { kind, mark })
    }

    fn version(&mut self, mark: Mark) -> Result<Kind, YamlError> {
        self.cursor.skip_blanks();
        let major = self.version_number(mark)?;
        if self.cursor.next() != '.' {
            return Err(invalid(mark, "a version looks like 1.1"));
        }
        self.cursor.skip();
        let minor = self.version_number(mark)?;
        Ok(Kind::Version(major, minor))
    }

    fn version_number(&mut self, mark: Mark) -> Result<u8, YamlError> {
        let mut digits = String::new();
        while self.cursor.next().is_ascii_digit() && digits.len() < 3 {
            digits.push(self.cursor.take());
        }
        match digits.parse() {
            Ok(number) if digits.len() < 3 => Ok(number),
            _ => Err(invalid(mark, "a version looks like 1.1")),
        }
    }

    fn tag_prefix(&mut self) -> Result<Kind, YamlError> {
        self.cursor.skip_blanks();
        let handle = self.handle()?;
        let mark = self.cursor.mark;
        if !handle.ends_with('!') || !is_blank(self.cursor.next()) {
            return Err(invalid(mark, "a handle begins and ends with `!`"));
        }
        self.cursor.skip_blanks();
        let prefix = self.uri("")?;
        if !is_blank_or_end(self.cursor.next()) {
            return Err(invalid(mark, "a blank is missing after this prefix"));
        }
        Ok(Kind::TagPrefix(handle, prefix))
    }
}
