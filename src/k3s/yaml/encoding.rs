//! From bytes to characters as libyaml's reader does it: UTF-8, or UTF-16 by its byte order mark.

use std::borrow::Cow;

use super::YamlError;

/// The text of a file without its byte order mark.
pub(super) fn to_utf8(content: &[u8]) -> Result<Cow<'_, str>, YamlError> {
    let text = match content {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?.into(),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?.into(),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest)?,
        _ => utf8(content)?,
    };
    match text
        .char_indices()
        .find(|(_, character)| !allowed(*character))
    {
        Some((at, _)) => Err(at_offset(&text, at, "control characters are not allowed")),
        None => Ok(text),
    }
}

fn utf8(content: &[u8]) -> Result<Cow<'_, str>, YamlError> {
    match std::str::from_utf8(content) {
        Ok(text) => Ok(text.into()),
        Err(error) => {
            let valid = content.get(..error.valid_up_to()).unwrap_or_default();
            let text = String::from_utf8_lossy(valid);
            Err(at_offset(&text, text.len(), "this is no UTF-8"))
        }
    }
}

fn utf16(content: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, YamlError> {
    let pairs = content.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let units = pairs.filter_map(|pair| <[u8; 2]>::try_from(pair).ok().map(unit));
    match char::decode_utf16(units).collect::<Result<String, _>>() {
        Ok(text) if whole => Ok(text),
        _ => Err(YamlError::invalid(1, 1, "this is no UTF-16")),
    }
}

/// The characters that libyaml's reader lets through.
fn allowed(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{7e}' | '\u{85}' | '\u{a0}'..='\u{d7ff}'
        | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn at_offset(text: &str, offset: usize, problem: &str) -> YamlError {
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default();
    YamlError::invalid(line, column.chars().count().saturating_add(1), problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_with_its_mark_is_read() {
        assert_eq!(to_utf8(&[0xff, 0xfe, b'a', 0]).unwrap(), "a");
        assert_eq!(to_utf8(&[0xfe, 0xff, 0, b'a']).unwrap(), "a");
    }

    #[test]
    fn control_characters_and_broken_utf8_are_refused_with_their_place() {
        assert_eq!(
            to_utf8(b"a: 1\nb\x00").unwrap_err().to_string(),
            "line 2, column 2: control characters are not allowed"
        );
        assert!(to_utf8(b"\xff").is_err());
    }
}
