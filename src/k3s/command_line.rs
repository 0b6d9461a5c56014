//! How K3s takes its words apart: `github.com/urfave/cli` (v1 up to K3s 1.32, v2 from 1.33 on) over Go's `flag`.

use std::fmt;

use super::go_value::{Refused, normalize};
use super::options::{KnownOption, NEWEST_CATALOGUED_MINOR, OptionKind, Options, known_option};
use super::secret::{SECRET, is_secret, shown_name, shown_value};
use super::{Ending, K3sVersion, Place, Role};

/// One word of a command line and where it is written.
#[derive(Clone, PartialEq, Eq)]
pub struct Word {
    /// The word after unquoting and expansion.
    pub text: String,
    /// Where it is written.
    pub place: Place,
}

impl fmt::Debug for Word {
    /// Shows the name of an option, never a value: a word can be a token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", masked(&self.text), self.place)
    }
}

/// A word as it may be shown: values of secret options and words that are no options are hidden.
fn masked(text: &str) -> String {
    match text.split_once('=') {
        _ if !text.starts_with('-') => HIDDEN.to_owned(),
        Some((name, value)) => {
            format!(
                "{name}={}",
                shown_value(name.trim_start_matches('-'), value)
            )
        }
        None => shown_name(text).to_owned(),
    }
}

/// The words of a command line as they may be shown: what is secret in them is `{secret}`, and a word that is neither an
/// option nor the value of one `{hidden}`: it can be a token that slipped behind its option.
pub fn shown<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut waiting = None;
    words
        .into_iter()
        .map(|word| match (waiting.take(), word.split_once('=')) {
            (Some(name), _) if is_secret(name) => SECRET.to_owned(),
            (_, Some((name, _)))
                if name.starts_with('-') && shown_name(name).len() < name.len() =>
            {
                format!("{} {SECRET}", shown_name(name))
            }
            (_, Some((name, value))) if name.starts_with('-') => {
                format!(
                    "{name}={}",
                    shown_value(name.trim_start_matches('-'), value)
                )
            }
            (Some(name), _) => shown_value(name, word),
            (None, _) if word.starts_with('-') => {
                let name = shown_name(word);
                waiting = Some(name.trim_start_matches('-')).filter(|name| takes_a_word(name));
                name.to_owned()
            }
            _ if is_harmless(word) => word.to_owned(),
            _ => HIDDEN.to_owned(),
        })
        .collect()
}

/// Stands in the place of a word of which nobody knows what it was meant for.
const HIDDEN: &str = "{hidden}";

/// Whether the word behind an option's name is its value; of an unknown name that is not known.
fn takes_a_word(name: &str) -> bool {
    known_option(name, |option| option.kind != OptionKind::Bool).unwrap_or(true)
}

/// A word that tells nothing: the role, a truth value, or the name of an option without its dashes.
pub(super) fn is_harmless(word: &str) -> bool {
    Role::from_word(word).is_some()
        || normalize(OptionKind::Bool, word).is_ok()
        || known_option(word.trim_start_matches('-'), |_| ()).is_some()
}

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

/// What the words say.
#[derive(Default)]
pub(super) struct Parsed {
    /// Every occurrence, in order.
    pub(super) settings: Vec<Setting>,
    /// The word that ended parsing, and all after it.
    pub(super) ignored: Vec<Word>,
    /// An option that a K3s newer than our tables may know; whether it takes the word behind it nobody can tell, so
    /// neither it nor what stands behind it was read.
    pub(super) unknown: Option<Word>,
}

/// Which parser a release has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Library {
    /// urfave/cli 1.22.2 and 1.22.4: options are moved before other words; a value never begins with a dash there.
    V1,
    /// urfave/cli 1.22.9 and later: the same, but any word that is no option can be a value.
    V1Late,
    /// urfave/cli v2: no moving.
    V2,
}

impl Library {
    fn of(version: K3sVersion) -> Self {
        // go.mod of K3s: 1.22.9 came with 1.24.2, v2 with 1.33.0 (the 1.32 line stayed on v1).
        if version >= K3sVersion::new(33, 0) {
            Self::V2
        } else if version >= K3sVersion::new(24, 2) {
            Self::V1Late
        } else {
            Self::V1
        }
    }
}

/// Whether an empty environment variable of a number counts as not set (urfave/cli v2) or is refused (v1).
pub(super) fn empty_number_is_unset(version: K3sVersion) -> bool {
    Library::of(version) == Library::V2
}

/// Whether a list that K3s asks the library for by name (`disable`) comes without one of its empty items: urfave/cli
/// from 1.22.4 (K3s 1.23.0) up to v2 takes out its default, which it believes to be one empty item.
pub(super) fn drops_an_empty_item(option: &str, version: K3sVersion) -> bool {
    matches!(option, "disable" | "no-deploy")
        && version >= K3sVersion::new(23, 0)
        && Library::of(version) != Library::V2
}

/// Parses the words after the role.
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
    parser.refuse_two_forms()?;
    if let Some(word) = parser.help.iter().find(|(_, _, wanted)| *wanted) {
        return Err(prints_help(&word.1));
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
    Ending {
        reason: "K3s is asked for its help, prints it and ends".to_owned(),
        from: Some(place.clone()),
    }
}

/// urfave/cli v1 moves options, with the word behind each, before all other words (`reorderArgs`).
fn reorder(words: &[Word], options: &Options, library: Library) -> Vec<Word> {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    let mut value_may_follow = false;
    let mut remaining = words.iter();
    while let Some(word) = remaining.next() {
        let option = is_option(&word.text, options);
        let can_be_value = match library {
            Library::V1 => word.text != "--" && !word.text.starts_with('-'),
            _ => !option,
        };
        if value_may_follow && can_be_value {
            value_may_follow = false;
            first.push(word.clone());
        } else if word.text == "--" {
            let at = if library == Library::V1 {
                rest.len()
            } else {
                0
            };
            rest.insert(at, word.clone());
            rest.extend(remaining.by_ref().cloned());
        } else if option {
            value_may_follow = !word.text.contains('=');
            first.push(word.clone());
        } else {
            rest.push(word.clone());
        }
    }
    first.append(&mut rest);
    first
}

/// Whether v1 takes a word for an option of its own; up to three dashes are looked through.
fn is_option(word: &str, options: &Options) -> bool {
    let Some(name) = word.strip_prefix('-') else {
        return false;
    };
    let name = match name.strip_prefix('-') {
        Some(long) => long.strip_prefix('-').unwrap_or(long),
        None => name,
    };
    let name = name.split('=').next().unwrap_or_default();
    options.find(name).is_some() || matches!(name, "help" | "h")
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
            return Err(ending(
                word,
                format!("flag provided but not defined: -{}", shown_name(name)),
            ));
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
        let value = checked(word, name, option.kind, text, option.secret)?;
        self.names
            .push((option.name, name.to_owned(), word.place.clone()));
        self.parsed.settings.push(Setting {
            option: option.name,
            value,
            place: place.clone(),
            named_at: word.place.clone(),
        });
        Ok(took_next)
    }

    /// urfave/cli's `normalizeFlags`: a long and a short name of one option exclude each other.
    fn refuse_two_forms(&self) -> Result<(), Ending> {
        for option in self.options.iter() {
            let mut forms = self
                .names
                .iter()
                .filter(|(long, _, _)| *long == option.name);
            let Some((_, first, _)) = forms.next() else {
                continue;
            };
            if let Some((_, second, place)) = forms.find(|(_, name, _)| name != first) {
                return Err(two_forms(option, first, second, place));
            }
        }
        let first = self.help.first();
        match self
            .help
            .iter()
            .find(|form| first.is_some_and(|first| first.0 != form.0))
        {
            Some((name, place, _)) => Err(Ending {
                reason: format!("Cannot use two forms of the same flag: help and {name}"),
                from: Some(place.clone()),
            }),
            None => Ok(()),
        }
    }
}

fn two_forms(option: &KnownOption, first: &str, second: &str, place: &Place) -> Ending {
    let (name, short) = (
        option.name,
        if first == option.name { second } else { first },
    );
    Ending {
        reason: format!("Cannot use two forms of the same flag: {short} {name}"),
        from: Some(place.clone()),
    }
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
        let shown = if secret { "{secret}" } else { text };
        let reason = match kind {
            OptionKind::Bool => format!("invalid boolean value \"{shown}\" for -{name}"),
            _ => format!("invalid value \"{shown}\" for flag -{name}"),
        };
        ending(word, format!("{reason}: {}", refused.words()))
    })
}

fn ending(word: &Word, reason: String) -> Ending {
    Ending {
        reason,
        from: Some(word.place.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> Vec<Word> {
        let place = Place::ExecStart {
            unit: "k3s.service".into(),
        };
        texts
            .iter()
            .map(|text| Word {
                text: (*text).to_owned(),
                place: place.clone(),
            })
            .collect()
    }

    fn run(version: &str, texts: &[&str]) -> Result<Vec<(&'static str, String)>, String> {
        let version = version.parse().unwrap();
        let options = Options::of(Role::Server, version);
        parse(&words(texts), &options, version)
            .map(|parsed| {
                parsed
                    .settings
                    .into_iter()
                    .map(|setting| (setting.option, setting.value))
                    .collect()
            })
            .map_err(|ending| ending.reason)
    }

    #[test]
    fn one_dash_two_dashes_equals_and_separate_words_are_the_same() {
        for form in [
            ["--data-dir=/x"].as_slice(),
            &["-data-dir=/x"],
            &["--data-dir", "/x"],
            &["-d", "/x"],
        ] {
            assert_eq!(
                run("1.36.3", form),
                Ok(vec![("data-dir", "/x".into())]),
                "{form:?}"
            );
        }
    }

    #[test]
    fn a_stray_word_ends_all_parsing_from_1_33_on() {
        assert_eq!(run("1.33.4", &["stray", "--data-dir=/x"]), Ok(vec![]));
    }

    #[test]
    fn up_to_1_32_options_are_moved_before_a_stray_word() {
        assert_eq!(
            run("1.32.2", &["stray", "--data-dir=/x"]),
            Ok(vec![("data-dir", "/x".into())])
        );
    }

    #[test]
    fn a_bool_takes_its_value_only_with_equals() {
        for version in ["1.21.1", "1.32.2", "1.36.3"] {
            assert_eq!(
                run(
                    version,
                    &["--protect-kernel-defaults", "false", "--data-dir=/x"]
                )
                .unwrap()[0],
                ("protect-kernel-defaults", "true".into()),
            );
        }
    }

    #[test]
    fn two_forms_of_one_flag_are_refused() {
        assert_eq!(
            run("1.36.3", &["--token=a", "-t", "b"]),
            Err("Cannot use two forms of the same flag: t token".into())
        );
    }

    #[test]
    fn from_1_23_to_1_32_disable_loses_one_empty_item() {
        for (version, drops) in [
            ("1.22.4", false),
            ("1.23.5", true),
            ("1.32.2", true),
            ("1.33.4", false),
        ] {
            let version = version.parse().unwrap();
            assert_eq!(drops_an_empty_item("disable", version), drops);
            assert!(!drops_an_empty_item("tls-san", version));
        }
    }

    #[test]
    fn what_go_refuses_ends_k3s() {
        for (form, reason) in [
            ("--nope=1", "flag provided but not defined: -nope"),
            ("----data-dir=/x", "bad flag syntax: ----data-dir=/x"),
            (
                "--protect-kernel-defaults=yes",
                "invalid boolean value \"yes\" for -protect-kernel-defaults: parse error",
            ),
            (
                "--https-listen-port=x",
                "invalid value \"x\" for flag -https-listen-port: parse error",
            ),
            ("--data-dir", "flag needs an argument: -data-dir"),
        ] {
            assert_eq!(run("1.36.3", &[form]), Err(reason.into()));
        }
    }

    #[test]
    fn help_ends_k3s() {
        for form in ["--help", "-h", "help"] {
            assert!(run("1.36.3", &[form]).is_err(), "{form}");
        }
    }

    #[test]
    fn words_are_shown_without_secrets() {
        assert_eq!(
            shown(["--token=a", "-t", "b", "--data-dir", "/x"]),
            ["--token={secret}", "-t", "{secret}", "--data-dir", "/x"]
        );
        let slipped = [
            "--token= abc",
            "--token abc=",
            "--token abc",
            "--token=",
            "abc",
            "--debug",
            "abc",
        ];
        assert!(
            !shown(slipped).concat().contains("abc"),
            "{:?}",
            shown(slipped)
        );
        assert_eq!(
            shown(["server", "--debug", "false"]),
            ["server", "--debug", "false"]
        );
        for slipped in [["--token=abc"].as_slice(), &["--token abc"], &["abc"]] {
            assert!(!format!("{:?}", words(slipped)).contains("abc"));
            let said = run("1.36.3", slipped).err().unwrap_or_default();
            assert!(!said.contains("abc"), "{said}");
        }
    }
}
