//! The command of `ExecStart=`: prefixes, words, specifiers, then variables (`systemd.service`, "Command lines").

use std::borrow::Cow;

use super::given_by_systemd::{Given, GivenBySystemd};
use super::lines::{Assignment, BLANK};
use super::rewrite::AsWritten;
use super::specifier::Specifiers;
use super::split::{Splitter, split_relaxed};
use crate::k3s::Place;
use crate::k3s::command_line::Word;
use crate::k3s::environment::Environment;

/// A command before its variables are put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) binary: Word,
    pub(super) words: Vec<Word>,
    /// The binary with its prefixes, and each word, as they stand in the file.
    written: Vec<String>,
    /// The prefix `:`.
    literal: bool,
    /// Specifiers that only the running machine decides, and the words that have them.
    pub(super) undecided: Vec<(char, Place)>,
}

/// Why systemd does not take a command. Without the prefix `-` it reads the rest of the file no more, and does not start a
/// unit whose own file that is (`config_parse_exec`).
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) problem: String,
    pub(super) place: Place,
    pub(super) is_fatal: bool,
}

/// The commands of one `ExecStart=` line or its kin; several are divided by a lone `;`.
pub(super) fn parse(
    assignment: &Assignment,
    unit: &str,
    specifiers: &Specifiers<'_>,
) -> (Vec<Command>, Option<Refused>) {
    let mut reader = Reader {
        splitter: Splitter::new(&assignment.value),
        assignment,
        unit,
        specifiers,
        undecided: Vec::new(),
    };
    let mut commands = Vec::new();
    while !reader.splitter.rest().is_empty() {
        match reader.command() {
            Ok(command) => commands.push(command),
            Err(refused) => return (commands, Some(refused)),
        }
    }
    (commands, None)
}

/// What may stand in front of the program.
const PREFIXES: [char; 6] = ['-', '@', ':', '+', '!', '|'];

struct Reader<'a> {
    splitter: Splitter<'a>,
    assignment: &'a Assignment,
    unit: &'a str,
    specifiers: &'a Specifiers<'a>,
    /// Of the command that is being read.
    undecided: Vec<(char, Place)>,
}

impl Reader<'_> {
    fn command(&mut self) -> Result<Command, Refused> {
        let start = self.splitter.rest();
        let mut prefixes = start.chars().take_while(|first| PREFIXES.contains(first));
        let is_fatal = !prefixes.any(|prefix| prefix == '-');
        // A first word that cannot be divided is passed over with its line.
        let is_divided = self.splitter.clone().next_word().is_ok();
        self.command_of_line().map_err(|refused| Refused {
            is_fatal: is_fatal && is_divided,
            ..refused
        })
    }

    fn command_of_line(&mut self) -> Result<Command, Refused> {
        let (first, mut head) = self.word()?;
        let binary = first.text.trim_start_matches(PREFIXES);
        let prefixes = first.text.strip_suffix(binary).unwrap_or_default();
        let command = Word {
            text: binary.to_owned(),
            place: first.place,
        };
        if prefixes.contains('@') && !self.splitter.rest().is_empty() {
            // The next word is what the process calls itself.
            let (_, name) = self.word()?;
            head.push(' ');
            head.push_str(&name);
        }
        let mut words = Vec::new();
        let mut written = vec![head];
        loop {
            let rest = self.splitter.rest();
            if rest.is_empty() {
                break;
            }
            if stands_alone(rest, ";") {
                self.splitter.skip(1);
                break;
            }
            if stands_alone(rest, "\\;") {
                words.push(Word {
                    text: ";".to_owned(),
                    place: self.place(0),
                });
                written.push("\\;".to_owned());
                self.splitter.skip(2);
                continue;
            }
            let (word, as_written) = self.word()?;
            words.push(word);
            written.push(as_written);
        }
        Ok(Command {
            binary: command,
            words,
            written,
            literal: prefixes.contains(':'),
            undecided: std::mem::take(&mut self.undecided),
        })
    }

    /// The next word, and how it is written. Asked for only where there is one.
    fn word(&mut self) -> Result<(Word, String), Refused> {
        let refused = |problem: String, place: Place| Refused {
            problem,
            place,
            is_fatal: true,
        };
        let split = match self.splitter.next_word() {
            Ok(split) => split.unwrap_or_default(),
            Err(bad) => return Err(refused(bad.to_string(), self.place(0))),
        };
        let place = self.place(split.offset);
        let expanded = self.specifiers.expand(&split.text);
        let (text, undecided) = expanded.map_err(|bad| refused(bad.to_string(), place.clone()))?;
        let letters = undecided.into_iter();
        self.undecided
            .extend(letters.map(|letter| (letter, place.clone())));
        Ok((Word { text, place }, split.written))
    }

    fn place(&self, offset: usize) -> Place {
        Place::ExecStartLine {
            unit: self.unit.to_owned(),
            path: self.assignment.path.clone(),
            line: self.assignment.line_at(offset),
        }
    }
}

fn stands_alone(rest: &str, mark: &str) -> bool {
    rest.strip_prefix(mark)
        .is_some_and(|after| after.is_empty() || after.starts_with(BLANK))
}

/// What a command is expanded with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variables<'a> {
    pub(super) unit: &'a str,
    pub(super) environment: &'a Environment,
    /// `None`: what systemd itself gives is not known, so each of those that it may give is undecided.
    pub(super) by_systemd: Option<&'a GivenBySystemd>,
}

/// Why a command cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotExpanded {
    /// It is longer than the kernel takes.
    TooLong,
    /// Only the running systemd knows this variable.
    Undecided(String),
}

impl<'a> Variables<'a> {
    /// What stands for a variable; one that nobody sets is empty.
    fn value(&self, name: &str) -> Result<Cow<'a, str>, NotExpanded> {
        if let Some(variable) = self.environment.get(name) {
            return Ok(Cow::Borrowed(&variable.value));
        }
        let given = match self.by_systemd {
            Some(given) => given.get(self.unit, name),
            None => GivenBySystemd::may_give(name).then_some(Given::Undecided),
        };
        match given {
            None => Ok(Cow::Borrowed("")),
            Some(Given::Known(value)) => Ok(Cow::Owned(value)),
            Some(Given::Undecided) => Err(NotExpanded::Undecided(name.to_owned())),
        }
    }
}

/// The kernel starts nothing with longer words than this together (`bprm_stack_limits`, fs/exec.c).
const COMMAND_LIMIT_BYTES: usize = 6 << 20;

/// What the kernel counts for a word besides its text: the NUL, and the pointer to it.
const WORD_BYTES: usize = 1 + size_of::<*const u8>();

impl Command {
    /// A command as systemd has it loaded, its binary first; `None` without a word.
    pub(super) fn loaded(words: &[String], unit: &str) -> Option<Self> {
        let place = Place::ExecStart {
            unit: unit.to_owned(),
        };
        let mut words = words.iter().map(|text| Word {
            text: text.clone(),
            place: place.clone(),
        });
        Some(Self {
            binary: words.next()?,
            words: words.collect(),
            written: Vec::new(),
            literal: false,
            undecided: Vec::new(),
        })
    }

    /// All words as systemd has them, the binary first.
    pub(super) fn texts(&self) -> Vec<String> {
        let all = std::iter::once(&self.binary).chain(&self.words);
        all.map(|word| word.text.clone()).collect()
    }

    /// The words behind the binary with variables put in: `$NAME` alone is split, `${NAME}` is put in as it is.
    pub(super) fn expanded(&self, variables: &Variables<'_>) -> Result<Vec<Word>, NotExpanded> {
        let mut room = COMMAND_LIMIT_BYTES;
        let mut expanded = Vec::new();
        for word in &self.words {
            expanded.extend(self.expanded_word(word, variables, &mut room)?);
        }
        Ok(expanded)
    }

    fn expanded_word(
        &self,
        word: &Word,
        variables: &Variables<'_>,
        room: &mut usize,
    ) -> Result<Vec<Word>, NotExpanded> {
        let texts = match word.text.strip_prefix('$') {
            _ if self.literal => vec![word.text.clone()],
            Some(name) if !name.starts_with(['{', '$']) => split_relaxed(&variables.value(name)?),
            _ => vec![put_in(&word.text, |name| variables.value(name), *room)?],
        };
        for text in &texts {
            let taken = text.len().saturating_add(WORD_BYTES);
            *room = room.checked_sub(taken).ok_or(NotExpanded::TooLong)?;
        }
        let place = |text| Word {
            text,
            place: word.place.clone(),
        };
        Ok(texts.into_iter().map(place).collect())
    }

    /// How the command is written, as far as it comes from a file. `None` too where a word ends in a backslash of its
    /// own, which at the end of a line would join the next one to it.
    pub(super) fn as_written(&self, variables: &Variables<'_>) -> Option<AsWritten> {
        let (head, words) = self.written.split_first()?;
        let joins =
            |word: &String| word.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        if words.iter().any(joins) {
            return None;
        }
        let mut room = COMMAND_LIMIT_BYTES;
        let words = words.iter().zip(&self.words).map(|(text, word)| {
            let becomes = self.expanded_word(word, variables, &mut room).ok()?;
            Some((text.clone(), becomes.len()))
        });
        Some(AsWritten {
            head: head.clone(),
            words: words.collect::<Option<_>>()?,
            literal: self.literal,
        })
    }
}

/// `${NAME}` becomes the value, `$$` one `$`; all else stays (`replace_env`).
fn put_in<'a>(
    word: &str,
    value: impl Fn(&str) -> Result<Cow<'a, str>, NotExpanded>,
    room: usize,
) -> Result<String, NotExpanded> {
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
            continue;
        }
        let Some(braced) = after.strip_prefix('{') else {
            text.push('$');
            rest = after;
            continue;
        };
        // What begins like a variable and is none stays up to its colon, or up to the end.
        let end = braced.find(['}', ':']).unwrap_or(braced.len());
        let (name, after) = braced.split_at_checked(end).unwrap_or((braced, ""));
        if let Some(after) = after.strip_prefix('}') {
            let value = value(name)?;
            if text.len().saturating_add(value.len()) > room {
                return Err(NotExpanded::TooLong);
            }
            text.push_str(&value);
            rest = after;
        } else {
            text.push_str("${");
            text.push_str(name);
            rest = after;
        }
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "the shape that is asked for")]
    fn value(name: &str) -> Result<Cow<'static, str>, NotExpanded> {
        Ok(Cow::Borrowed(if name == "A" { "x y" } else { "" }))
    }

    fn put(word: &str) -> String {
        put_in(word, value, 100).unwrap()
    }

    #[test]
    fn variables_do_not_grow_beyond_what_the_kernel_takes() {
        assert!(put_in("${A}${A}", value, 6).is_ok());
        assert_eq!(put_in("${A}${A}${A}", value, 6), Err(NotExpanded::TooLong));
    }

    #[test]
    fn variables_are_put_in_as_systemd_does() {
        assert_eq!(put("a${A}b$$c${B}d$A${A"), "ax yb$cd$A${A");
        assert_eq!(put("${A:-$$}${A}${$$A"), "${A:-$}x y${$$A");
    }
}
