//! How K3s takes its words apart: `github.com/urfave/cli` (v1 up to K3s 1.32, v2 from 1.33 on) over Go's `flag`.

mod library;
#[cfg(test)]
mod tests;
mod word;

use super::go_value::{Refused, normalize};
use super::options::{KnownOption, NEWEST_CATALOGUED_MINOR, OptionKind, Options};
use super::secret::shown_name;
use super::{Ending, K3sVersion, Place, SECRET, Slip};

use library::{Library, reorder};
pub(super) use library::{drops_an_empty_item, empty_number_is_unset};
pub(super) use word::is_harmless;
pub use word::{Word, shown};

/// One occurrence of an option.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) option: &'static str,
    pub(super) value: String,
    /// Where the value is written.
    pub(super) place: Place,
    /// Where the option is written: another word than the value, unless they are one.
    pub(super) named_at: Place,
}

/// A word that K3s ends over, though what all others say is clear without it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct WordSlip {
    /// Why K3s would end.
    pub(super) ending: Ending,
    /// The option it is about; `None` where there is none of this name.
    pub(super) option: Option<&'static str>,
}

/// What the words say.
#[derive(Default)]
pub(super) struct Parsed {
    /// Words that are left out of the settings, the one that K3s ends over first.
    pub(super) slips: Vec<WordSlip>,
    /// Every occurrence, in order.
    pub(super) settings: Vec<Setting>,
    /// The word that ended parsing, and all after it.
    pub(super) ignored: Vec<Word>,
    /// An option that a K3s newer than our tables may know; whether it takes the word behind it nobody can tell, so
    /// neither it nor what stands behind it was read.
    pub(super) unknown: Option<Word>,
}

/// Parses the words after the role. An error is what makes the words behind it, or all of them, mean nothing that can be told.
pub(super) fn parse(
    words: &[Word],
    options: &Options,
    version: K3sVersion,
) -> Result<Parsed, Ending> {
    let library = Library::of(version);
    let ordered = match library {
        Library::V2 => words.to_vec(),
        _ => reorder(words, options, library),
    };
    let mut parser = Parser {
        options,
        library,
        is_newer: version.minor > NEWEST_CATALOGUED_MINOR,
        parsed: Parsed::default(),
        names: Vec::new(),
        help: Vec::new(),
    };
    parser.run(&ordered)?;
    parser.find_two_forms()?;
    // A switch like any other: the last word counts.
    if let Some((_, place, true)) = parser.help.last() {
        return Err(prints_help(place));
    }
    let stray = parser.parsed.ignored.first();
    if let (Library::V2, Some(word)) = (library, stray)
        && (word.text == "help" || word.text == "h")
    {
        return Err(prints_help(&word.place));
    }
    Ok(parser.parsed)
}

fn prints_help(place: &Place) -> Ending {
    Ending::new(
        "K3s is asked for its help, prints it and ends",
        Some(place.clone()),
    )
}

struct Parser<'a> {
    options: &'a Options,
    library: Library,
    /// K3s is newer than our tables.
    is_newer: bool,
    parsed: Parsed,
    /// Names by which options were given, for "two forms".
    names: Vec<(&'static str, String, Place)>,
    /// `help` and `h`, and whether they were set to true.
    help: Vec<(String, Place, bool)>,
}

impl Parser<'_> {
    /// Go's `flag.FlagSet.Parse`: stops at the first word that is no option, or after `--`.
    fn run(&mut self, words: &[Word]) -> Result<(), Ending> {
        let mut index = 0;
        while let Some(word) = words.get(index) {
            index += 1;
            let text = word.text.as_str();
            let name = match text.strip_prefix('-') {
                None | Some("") => {
                    index -= 1;
                    break;
                }
                Some("-") => break,
                Some(name) => name.strip_prefix('-').unwrap_or(name),
            };
            if name.is_empty() || name.starts_with(['-', '=']) {
                let shown = shown([text]).concat();
                return Err(ending(word, format!("bad flag syntax: {shown}")));
            }
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (name, None),
            };
            if self.is_newer && !self.is_known(name) {
                self.parsed.unknown = Some(word.clone());
                return Ok(());
            }
            if self.take(word, name, value, words.get(index))? {
                index += 1;
            }
        }
        let ignored = words.get(index..).unwrap_or_default();
        self.parsed.ignored = ignored.to_vec();
        Ok(())
    }

    fn is_known(&self, name: &str) -> bool {
        self.options.find(name).is_some() || matches!(name, "help" | "h")
    }

    /// Takes one option; true if it took the next word as its value.
    fn take(
        &mut self,
        word: &Word,
        name: &str,
        value: Option<&str>,
        next: Option<&Word>,
    ) -> Result<bool, Ending> {
        let Some(option) = self.options.find(name) else {
            if matches!(name, "help" | "h") {
                let wanted = checked(word, name, OptionKind::Bool, value.unwrap_or("true"), false)?;
                self.help
                    .push((name.to_owned(), word.place.clone(), wanted == "true"));
                return Ok(false);
            }
            let shown = shown_name(name);
            let ending = ending(word, format!("flag provided but not defined: -{shown}"))
                .over(Slip::UnknownOption(shown.to_owned()));
            // Whether the word behind it was meant for it nobody can tell.
            value.ok_or_else(|| ending.clone())?;
            self.slip(ending, None);
            return Ok(false);
        };
        let (text, took_next, place) = match (option.kind, value, next) {
            (_, Some(value), _) => (value, false, &word.place),
            (OptionKind::Bool, None, _) => ("true", false, &word.place),
            (_, None, Some(next)) => (next.text.as_str(), true, &next.place),
            (_, None, None) => {
                return Err(ending(word, format!("flag needs an argument: -{name}")));
            }
        };
        // urfave/cli v2 trims the items of a list.
        let text = match (option.kind, self.library) {
            (OptionKind::List, Library::V2) => text.trim(),
            _ => text,
        };
        match checked(word, name, option.kind, text, option.secret) {
            Ok(value) => {
                self.names
                    .push((option.name, name.to_owned(), word.place.clone()));
                self.parsed.settings.push(Setting {
                    option: option.name,
                    value,
                    place: place.clone(),
                    named_at: word.place.clone(),
                });
            }
            Err(ending) => self.slip(ending, Some(option.name)),
        }
        Ok(took_next)
    }

    fn slip(&mut self, ending: Ending, option: Option<&'static str>) {
        self.parsed.slips.push(WordSlip { ending, option });
    }

    /// urfave/cli's `normalizeFlags`: a long and a short name of one option exclude each other.
    fn find_two_forms(&mut self) -> Result<(), Ending> {
        let mut found = Vec::new();
        for option in self.options.iter() {
            let mut forms = self
                .names
                .iter()
                .filter(|(long, _, _)| *long == option.name);
            let Some((_, first, _)) = forms.next() else {
                continue;
            };
            if let Some((_, second, place)) = forms.find(|(_, name, _)| name != first) {
                found.push((two_forms(option, first, second, place), option.name));
            }
        }
        for (ending, option) in found {
            self.slip(ending, Some(option));
        }
        let first = self.help.first();
        match self
            .help
            .iter()
            .find(|form| first.is_some_and(|first| first.0 != form.0))
        {
            Some((name, place, _)) => Err(Ending::new(
                format!("Cannot use two forms of the same flag: help and {name}"),
                Some(place.clone()),
            )),
            None => Ok(()),
        }
    }
}

fn two_forms(option: &KnownOption, first: &str, second: &str, place: &Place) -> Ending {
    let (name, short) = (
        option.name,
        if first == option.name { second } else { first },
    );
    Ending::new(
        format!("Cannot use two forms of the same flag: {short} {name}"),
        Some(place.clone()),
    )
}

/// The value as K3s holds it, or the words with which it ends.
fn checked(
    word: &Word,
    name: &str,
    kind: OptionKind,
    text: &str,
    secret: bool,
) -> Result<String, Ending> {
    normalize(kind, text).map_err(|refused: Refused| {
        let shown = if secret { SECRET } else { text };
        let reason = match kind {
            OptionKind::Bool => format!("invalid boolean value \"{shown}\" for -{name}"),
            _ => format!("invalid value \"{shown}\" for flag -{name}"),
        };
        ending(word, format!("{reason}: {}", refused.words()))
    })
}

fn ending(word: &Word, reason: String) -> Ending {
    Ending::new(reason, Some(word.place.clone()))
}
