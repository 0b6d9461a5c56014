//! One word of a command line, and how words may be shown.

use std::fmt;

use crate::k3s::go_value::normalize;
use crate::k3s::options::{OptionKind, is_option, known_option};
use crate::k3s::secret::{SECRET, is_secret, shown_name, shown_value};
use crate::k3s::{Place, Role};

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
pub(in crate::k3s) fn is_harmless(word: &str) -> bool {
    Role::from_word(word).is_some()
        || normalize(OptionKind::Bool, word).is_ok()
        || is_option(word.trim_start_matches('-'))
}
