//! Words of a value: blanks, quotes and C escapes (`extract_first_word` in extract-word.c).

use super::lines::BLANK;

/// A word and the byte offset where it begins in the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) text: String,
    /// As it stands there, quotes and escapes and all.
    pub(super) written: String,
    pub(super) offset: usize,
}

/// Quotes that do not close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unbalanced;

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

    /// The next word with quotes and escapes resolved; `None` at the end.
    pub(super) fn next_word(&mut self) -> Result<Option<Split>, Unbalanced> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(None);
        }
        let offset = self.at;
        let (text, length) = word(rest, Escapes::Strict)
            .or_else(|_| word(rest, Escapes::Keep))
            .map_err(|()| Unbalanced)?;
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
fn word(rest: &str, escapes: Escapes) -> Result<(String, usize), ()> {
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
                        _ => Err(()),
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
                    (None, Escapes::Strict) => return Err(()),
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
        Some(_) => Err(()),
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

/// All words of a value.
pub(super) fn split(value: &str) -> Result<Vec<Split>, Unbalanced> {
    let mut splitter = Splitter::new(value);
    let mut words = Vec::new();
    while let Some(word) = splitter.next_word()? {
        words.push(word);
    }
    Ok(words)
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
        split(value)
            .unwrap()
            .into_iter()
            .map(|word| word.text)
            .collect()
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
    }

    #[test]
    fn an_open_quote_is_refused() {
        assert_eq!(split("a 'b"), Err(Unbalanced));
    }

    #[test]
    fn a_variable_alone_is_split_without_escapes() {
        assert_eq!(
            split_relaxed(r"a 'b c' d\'e 'f g"),
            ["a", "b c", "d'e", "f g"]
        );
    }
}
