//! The command of `ExecStart=`: prefixes, words and specifiers (`systemd.service`, "Command lines"). Its variables come later.

use super::lines::{Assignment, BLANK};
use super::specifier::Specifiers;
use super::split::Splitter;
use crate::k3s::Place;
use crate::k3s::command_line::Word;

/// A command before its variables are put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) binary: Word,
    pub(super) words: Vec<Word>,
    /// The binary with its prefixes, and each word, as they stand in the file.
    pub(super) written: Vec<String>,
    /// The prefix `:`.
    pub(super) literal: bool,
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
}
