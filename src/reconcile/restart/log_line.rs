//! A line of K3s's own log: `time="..." level=info msg="..."`, written by logrus, quoted as Go quotes.

/// Level and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `info`, `warning`, `error`, `fatal`.
    pub level: String,
    /// The text without its quotes.
    pub message: String,
}

/// Reads a line; `None` if it is none of logrus (the components' own lines are klog's).
#[must_use]
pub fn parse(line: &str) -> Option<LogLine> {
    let mut rest = line.trim();
    if !rest.starts_with("time=") && !rest.starts_with("level=") {
        return None;
    }
    let (mut level, mut message) = (None, None);
    while !rest.is_empty() && message.is_none() {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = value(after);
        match key.trim() {
            "level" => level = Some(value),
            "msg" => message = Some(value),
            _ => {}
        }
        rest = after;
    }
    Some(LogLine {
        level: level?,
        message: message?,
    })
}

/// A value and what follows it.
fn value(text: &str) -> (String, &str) {
    match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted),
        None => {
            let (value, rest) = text.split_once(' ').unwrap_or((text, ""));
            (value.to_owned(), rest)
        }
    }
}

/// Undoes Go's strconv.Quote up to the closing quote; a line that was cut ends where it ends. Bytes that were no UTF-8
/// (`\xff`) become U+FFFD.
pub(super) fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some('a') => value.push('\u{7}'),
                Some('b') => value.push('\u{8}'),
                Some('f') => value.push('\u{c}'),
                Some('v') => value.push('\u{b}'),
                Some('x') => value.push(
                    code(&mut characters, 2)
                        .filter(char::is_ascii)
                        .unwrap_or('\u{fffd}'),
                ),
                Some('u') => value.push(code(&mut characters, 4).unwrap_or('\u{fffd}')),
                Some('U') => value.push(code(&mut characters, 8).unwrap_or('\u{fffd}')),
                Some(other) => value.push(other),
                None => {}
            },
            other => value.push(other),
        }
    }
    (value, characters.as_str())
}

fn code(characters: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let mut number: u32 = 0;
    for _ in 0..digits {
        number = number.checked_mul(16)? + characters.next()?.to_digit(16)?;
    }
    char::from_u32(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_and_text_are_found_whatever_stands_before() {
        let line = r#"time="2026-11-23T10:00:00Z" level=info msg="Running kubelet --a=\"b c\" --d=é\u00e9\n""#;
        let parsed = parse(line).unwrap();
        assert_eq!(parsed.level, "info");
        assert_eq!(parsed.message, "Running kubelet --a=\"b c\" --d=éé\n");
        let parsed = parse(r#"level=fatal msg=stopped error="x""#).unwrap();
        assert_eq!(
            (parsed.level.as_str(), parsed.message.as_str()),
            ("fatal", "stopped")
        );
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "I1123 02:35:30.265527      25 kubelet.go:1] \"Started kubelet\"",
            "{\"level\":\"info\",\"msg\":\"x\"}",
            "time=\"2026\" level=info",
            "someone says msg=\"Running kubelet --a=b\"",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(text in "\\PC*") {
            let _ = parse(&text);
            let _ = parse(&format!("time=\"x\" level=info msg=\"{text}"));
        }
    }
}
