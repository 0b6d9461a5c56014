//! A command with its variables put in, which systemd does at the start (`systemd.service`, "Command lines").

use std::borrow::Cow;

use super::exec_start::Command;
use super::given_by_systemd::{Given, GivenBySystemd};
use super::rewrite::AsWritten;
use super::split::split_relaxed;
use crate::k3s::command_line::Word;
use crate::k3s::environment::Environment;

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
