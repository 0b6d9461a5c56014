//! A command with some words exchanged, all others left as the operator wrote them: quotes, escapes, specifiers and
//! variables stay for systemd to resolve.

use std::collections::BTreeMap;

use super::split::Splitter;
use crate::k3s::command_line::shown;

/// A command as it stands in a file, continued lines joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsWritten {
    /// The binary with its prefixes.
    pub(super) head: String,
    /// Each word behind it, and how many words it becomes when its variables are put in.
    pub(super) words: Vec<(String, usize)>,
    /// The prefix `:`, which keeps variables from being put in.
    pub(super) literal: bool,
}

/// A word that cannot be exchanged alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` in its command gives several words at once")]
pub struct Together(String);

impl AsWritten {
    /// The whole command on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let words = self.words.iter().map(|(text, _)| text.as_str());
        let all: Vec<&str> = std::iter::once(self.head.as_str()).chain(words).collect();
        all.join(" ")
    }

    /// Whether a word, counted as K3s gets them, comes out of a variable.
    #[must_use]
    pub fn comes_from_variable(&self, index: usize) -> bool {
        let mut next: usize = 0;
        let mut words = self.words.iter();
        let word = words.find(|(_, becomes)| {
            next = next.saturating_add(*becomes);
            index < next
        });
        !self.literal && word.is_some_and(|(text, _)| text.contains('$'))
    }

    /// The same with other words in the places of some, counted as K3s gets them; `None` takes a word out.
    ///
    /// # Errors
    /// When a word to be exchanged comes from a variable that gives more than it.
    pub fn with(&self, exchanged: &BTreeMap<usize, Option<String>>) -> Result<Self, Together> {
        let mut words = Vec::new();
        let mut index: usize = 0;
        for (text, becomes) in &self.words {
            let next = index.saturating_add(*becomes);
            let mut ours = exchanged.range(index..next);
            match (ours.next(), becomes) {
                (None, _) => words.push((text.clone(), *becomes)),
                (Some((_, Some(word))), 1) => words.push((self.quoted(word), 1)),
                (Some((_, None)), 1) => {}
                (Some(_), _) => return Err(Together(text.clone())),
            }
            index = next;
        }
        Ok(Self {
            head: self.head.clone(),
            words,
            literal: self.literal,
        })
    }

    /// A word so written that systemd reads it as it is.
    fn quoted(&self, word: &str) -> String {
        let mut text = String::from("'");
        for character in word.chars() {
            match character {
                '\\' | '\'' => text.extend(['\\', character]),
                '%' => text.push_str("%%"),
                '$' if !self.literal => text.push_str("$$"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                other => text.push(other),
            }
        }
        text.push('\'');
        text
    }
}

/// A command as a file has it, behind `ExecStart=`, with what is secret in it hidden.
#[must_use]
pub fn shown_command(command: &str) -> String {
    let mut splitter = Splitter::new(command);
    let mut words = Vec::new();
    while let Ok(Some(word)) = splitter.next_word() {
        words.push(word);
    }
    let Some((binary, words)) = words.split_first() else {
        return String::new();
    };
    let masked = shown(words.iter().map(|word| word.text.as_str()));
    let mut line = binary.written.clone();
    for (word, masked) in words.iter().zip(masked) {
        line.push(' ');
        if masked == word.text || is_variable(&word.text) {
            line.push_str(&word.written);
        } else {
            line.push_str(&format!("'{masked}'"));
        }
    }
    line
}

/// `$NAME` or `${NAME}` and nothing else, which tells no value.
fn is_variable(word: &str) -> bool {
    let Some(name) = word.strip_prefix('$') else {
        return false;
    };
    let braced = name
        .strip_prefix('{')
        .and_then(|name| name.strip_suffix('}'));
    let mut characters = braced.unwrap_or(name).chars();
    characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests;
