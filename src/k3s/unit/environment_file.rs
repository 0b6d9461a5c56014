//! A file named by `EnvironmentFile=` (`parse_env_file_internal` in env-file.c): close to shell, but not shell.

use super::lines::BLANK;

/// One assignment, in the order of the file.
pub(super) type Assigned = (String, String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeName,
    Name,
    BeforeValue,
    Value,
    ValueEscape,
    SingleQuotes,
    DoubleQuotes,
    DoubleQuotesEscape,
    Comment,
    CommentEscape,
}

struct Reader {
    state: State,
    name: String,
    value: String,
    /// Length of the value without the blanks at its end, while those are not certain to belong to it.
    kept: Option<usize>,
    assigned: Vec<Assigned>,
}

/// The assignments of an environment file; names that are none are left out, as systemd does.
pub(super) fn parse(content: &str) -> Vec<Assigned> {
    let mut reader = Reader {
        state: State::BeforeName,
        name: String::new(),
        value: String::new(),
        kept: None,
        assigned: Vec::new(),
    };
    for character in content.chars() {
        reader.take(character);
    }
    if !matches!(
        reader.state,
        State::BeforeName | State::Name | State::Comment | State::CommentEscape
    ) {
        reader.push(reader.state == State::Value);
    }
    reader.assigned
}

impl Reader {
    fn take(&mut self, character: char) {
        match self.state {
            State::BeforeName => self.before_name(character),
            State::Name => match character {
                '\n' | '\r' => {
                    self.name.clear();
                    self.state = State::BeforeName;
                }
                '=' => self.state = State::BeforeValue,
                other => self.name.push(other),
            },
            State::BeforeValue => self.before_value(character),
            State::Value => self.in_value(character),
            State::ValueEscape => {
                self.state = State::Value;
                if !matches!(character, '\n' | '\r') {
                    self.value.push(character);
                }
            }
            State::SingleQuotes if character == '\'' => self.state = State::BeforeValue,
            State::DoubleQuotes if character == '"' => self.state = State::BeforeValue,
            State::DoubleQuotes if character == '\\' => self.state = State::DoubleQuotesEscape,
            State::SingleQuotes | State::DoubleQuotes => self.value.push(character),
            State::DoubleQuotesEscape => {
                self.state = State::DoubleQuotes;
                if matches!(character, '"' | '\\' | '`' | '$') {
                    self.value.push(character);
                } else if character != '\n' {
                    self.value.extend(['\\', character]);
                }
            }
            State::Comment => match character {
                '\\' => self.state = State::CommentEscape,
                '\n' | '\r' => self.state = State::BeforeName,
                _ => {}
            },
            // Since systemd 254 a comment ends with its line, whatever its last character.
            State::CommentEscape => match character {
                '\n' | '\r' => self.state = State::BeforeName,
                _ => self.state = State::Comment,
            },
        }
    }

    fn before_name(&mut self, character: char) {
        if matches!(character, '#' | ';') {
            self.state = State::Comment;
        } else if !BLANK.contains(&character) {
            self.state = State::Name;
            self.name.push(character);
        }
    }

    fn before_value(&mut self, character: char) {
        match character {
            '\n' | '\r' => self.push(false),
            '\'' => self.state = State::SingleQuotes,
            '"' => self.state = State::DoubleQuotes,
            '\\' => self.state = State::ValueEscape,
            other if BLANK.contains(&other) => {}
            other => {
                self.state = State::Value;
                self.value.push(other);
            }
        }
    }

    fn in_value(&mut self, character: char) {
        match character {
            '\n' | '\r' => return self.push(true),
            '\\' => {
                self.state = State::ValueEscape;
                self.kept = None;
                return;
            }
            other if BLANK.contains(&other) => {
                self.kept.get_or_insert(self.value.len());
            }
            _ => self.kept = None,
        }
        self.value.push(character);
    }

    /// Ends an assignment.
    fn push(&mut self, chomp: bool) {
        let mut value = std::mem::take(&mut self.value);
        if let Some(kept) = self.kept.take().filter(|_| chomp) {
            value.truncate(kept);
        }
        let name = std::mem::take(&mut self.name);
        let name = name.trim_end_matches(BLANK);
        if is_name(name) {
            self.assigned.push((name.to_owned(), value));
        }
        self.state = State::BeforeName;
    }
}

/// Whether systemd takes this for the name of a variable (`env_name_is_valid`).
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Vec<(String, String)> {
        parse(content)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn what_install_sh_writes_is_read() {
        assert_eq!(
            read("K3S_TOKEN='a b'\nK3S_URL=https://x:6443\n"),
            pairs(&[("K3S_TOKEN", "a b"), ("K3S_URL", "https://x:6443")])
        );
    }

    #[test]
    fn quotes_escapes_and_comments_are_systemds() {
        assert_eq!(
            read("# c\n;d\nA = x  \nB=\"a\\\"b\\n\"\nC=a\\\nb\nD='x'y z\nE=\n"),
            pairs(&[
                ("A", "x"),
                ("B", "a\"b\\n"),
                ("C", "ab"),
                ("D", "xy z"),
                ("E", "")
            ])
        );
    }

    #[test]
    fn a_value_without_a_last_newline_counts() {
        assert_eq!(read("A=b"), pairs(&[("A", "b")]));
        assert_eq!(read("A"), pairs(&[]));
    }

    #[test]
    fn a_word_export_makes_the_name_none() {
        assert_eq!(read("export A=b\n1A=c\n"), pairs(&[]));
    }
}
