//! Words of a value: blanks, quotes and C escapes (`extract_first_word` in extract-word.c).

use super::lines::BLANK;

/// A word and the byte offset where it begins in the value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) text: String,
    /// As it stands there, quotes and escapes and all.
    pub(super) written: String,
    pub(super) offset: usize,
}

/// Why a word cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadWord {
    /// Quotes that do not close.
    #[error("a quote is not closed")]
    Unbalanced,
    /// A backslash with something behind it that is no escape.
    #[error("a backslash is followed by what is no escape")]
    UnknownEscape,
}

/// Takes words from a value, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Splitter<'a> {
    value: &'a str,
    at: usize,
}

/// What to do with backslashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// An unknown escape fails.
    Strict,
    /// An unknown escape stays as written; systemd's second try.
    Keep,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(value: &'a str) -> Self {
        let at = value.len() - value.trim_start_matches(BLANK).len();
        Self { value, at }
    }

    /// What is left, from the next word on.
    pub(super) fn rest(&self) -> &'a str {
        self.value.get(self.at..).unwrap_or_default()
    }

    /// Passes over some bytes and the blanks behind them.
    pub(super) fn skip(&mut self, bytes: usize) {
        let at = self.at.saturating_add(bytes);
        let rest = self.value.get(at..).unwrap_or_default();
        self.at = at + (rest.len() - rest.trim_start_matches(BLANK).len());
    }

    /// The next word of a command with quotes and escapes resolved; `None` at the end. An unknown escape stays as it is
    /// written (`extract_first_word_and_warn`).
    pub(super) fn next_word(&mut self) -> Result<Option<Split>, BadWord> {
        self.take(|rest| word(rest, Escapes::Strict).or_else(|_| word(rest, Escapes::Keep)))
    }

    /// The same where an unknown escape is an error, as in `Environment=`.
    pub(super) fn next_strict_word(&mut self) -> Result<Option<Split>, BadWord> {
        self.take(|rest| word(rest, Escapes::Strict))
    }

    fn take(
        &mut self,
        word: impl Fn(&str) -> Result<(String, usize), BadWord>,
    ) -> Result<Option<Split>, BadWord> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(None);
        }
        let offset = self.at;
        let (text, length) = word(rest)?;
        let written = rest.get(..length).unwrap_or_default().to_owned();
        self.skip(length);
        Ok(Some(Split {
            text,
            written,
            offset,
        }))
    }
}

/// One word and the bytes that it takes.
fn word(rest: &str, escapes: Escapes) -> Result<(String, usize), BadWord> {
    let mut bytes = Vec::new();
    let mut quote = None;
    let mut characters = rest.char_indices();
    while let Some((index, character)) = characters.next() {
        match (character, quote) {
            ('\\', _) => {
                let after = rest.get(index.saturating_add(1)..).unwrap_or_default();
                if after.is_empty() {
                    return match (escapes, quote) {
                        (Escapes::Keep, None) => {
                            bytes.push(b'\\');
                            Ok((lossy(bytes), rest.len()))
                        }
                        _ => Err(BadWord::UnknownEscape),
                    };
                }
                match (unescape(after), escapes) {
                    (Some((escaped, length)), _) => {
                        bytes.extend(escaped);
                        for _ in 0..length {
                            characters.next();
                        }
                    }
                    (None, Escapes::Keep) => {
                        bytes.push(b'\\');
                        if let Some((_, next)) = characters.next() {
                            push(&mut bytes, next);
                        }
                    }
                    (None, Escapes::Strict) => return Err(BadWord::UnknownEscape),
                }
            }
            (character, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => quote = Some(character),
            (character, None) if BLANK.contains(&character) => return Ok((lossy(bytes), index)),
            (character, _) => push(&mut bytes, character),
        }
    }
    match quote {
        None => Ok((lossy(bytes), rest.len())),
        Some(_) => Err(BadWord::Unbalanced),
    }
}

/// An escape behind its backslash, and how many characters it takes (`cunescape_one`).
fn unescape(text: &str) -> Option<(Vec<u8>, usize)> {
    let first = text.chars().next()?;
    let simple = |byte: u8| Some((vec![byte], 1));
    match first {
        'a' => simple(0x07),
        'b' => simple(0x08),
        'f' => simple(0x0c),
        'n' => simple(b'\n'),
        'r' => simple(b'\r'),
        't' => simple(b'\t'),
        'v' => simple(0x0b),
        's' => simple(b' '),
        '\\' => simple(b'\\'),
        '"' => simple(b'"'),
        '\'' => simple(b'\''),
        'x' => {
            numeric(text.get(1..3)?, 16).and_then(|code| Some((vec![u8::try_from(code).ok()?], 3)))
        }
        'u' => character(text.get(1..5)?).map(|bytes| (bytes, 5)),
        'U' => character(text.get(1..9)?).map(|bytes| (bytes, 9)),
        '0'..='7' => {
            numeric(text.get(..3)?, 8).and_then(|code| Some((vec![u8::try_from(code).ok()?], 3)))
        }
        _ => None,
    }
}

fn numeric(digits: &str, radix: u32) -> Option<u32> {
    let all = digits.chars().all(|digit| digit.is_digit(radix));
    let code = u32::from_str_radix(digits, radix).ok()?;
    (all && code != 0).then_some(code)
}

fn character(digits: &str) -> Option<Vec<u8>> {
    let character = char::from_u32(numeric(digits, 16)?)?;
    Some(character.to_string().into_bytes())
}

fn push(bytes: &mut Vec<u8>, character: char) {
    bytes.extend(character.encode_utf8(&mut [0; 4]).bytes());
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The words of a variable that stands alone on a command line: quotes are resolved, open ones end with the text, and
/// backslashes are dropped (`EXTRACT_RELAX|EXTRACT_UNQUOTE`).
pub(super) fn split_relaxed(value: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut current: Option<String> = None;
    let mut quote = None;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if quote.is_none() && BLANK.contains(&character) {
            words.extend(current.take());
            continue;
        }
        let word = current.get_or_insert_default();
        match (character, quote) {
            ('\\', _) => word.extend(characters.next()),
            (character, Some(open)) if character == open => quote = None,
            ('"' | '\'', None) => quote = Some(character),
            (character, _) => word.push(character),
        }
    }
    words.extend(current);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(value: &str) -> Vec<String> {
        let mut splitter = Splitter::new(value);
        let next = || splitter.next_word().unwrap();
        std::iter::from_fn(next).map(|word| word.text).collect()
    }

    #[test]
    fn quotes_are_removed_wherever_they_stand() {
        assert_eq!(words("a 'b c' d\"e f\"g ''"), ["a", "b c", "de fg", ""]);
    }

    #[test]
    fn a_single_quote_as_install_sh_escapes_it_is_one() {
        assert_eq!(words(r"'it'\''s'"), ["it's"]);
    }

    #[test]
    fn c_escapes_are_resolved_in_both_kinds_of_quotes() {
        assert_eq!(
            words(r"a\x20b '\t' \101 \u00e9 \s"),
            ["a b", "\t", "A", "é", " "]
        );
    }

    #[test]
    fn an_unknown_escape_stays_as_written() {
        assert_eq!(words(r"a\zb \x0"), [r"a\zb", r"\x0"]);
        let strict = Splitter::new(r"a\zb").next_strict_word();
        assert_eq!(strict, Err(BadWord::UnknownEscape));
    }

    #[test]
    fn an_open_quote_is_refused() {
        let mut splitter = Splitter::new("a 'b");
        assert!(splitter.next_word().is_ok());
        assert_eq!(splitter.next_word(), Err(BadWord::Unbalanced));
    }

    #[test]
    fn a_variable_alone_is_split_without_escapes() {
        assert_eq!(
            split_relaxed(r"a 'b c' d\'e 'f g"),
            ["a", "b c", "d'e", "f g"]
        );
    }
}
