//! Reading values of one policy file: each keeps its line, and what is wrong with it becomes a problem.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeString;

use super::value::{Complaint, Value};
use super::{Given, PolicyPlace};
use crate::catalogue::{Catalogue, ControlId, Problems, Source, did_you_mean, shown};

/// A key with the bytes that it stands on.
pub(super) type Key<'i> = Spanned<DeString<'i>>;

/// The nearest of some names, or all of them.
pub(super) fn names_of(word: &str, names: &[&str]) -> Option<String> {
    did_you_mean(word, names.iter().copied())
        .or_else(|| Some(format!("known are {}", names.join(", "))))
}

/// The controls that have a word of a name in theirs: `panic` for `panic-on-kernel`.
fn sharing_a_word(name: &str, catalogue: &Catalogue) -> Option<String> {
    const SHOWN: usize = 5;
    let words: Vec<&str> = name
        .split(['-', '_'])
        .filter(|word| word.len() > 3)
        .collect();
    let shares = |id: &&str| id.split('-').any(|word| words.contains(&word));
    let ids = catalogue
        .controls()
        .iter()
        .map(|control| control.id.as_str());
    let near: Vec<String> = ids
        .filter(shares)
        .take(SHOWN)
        .map(|id| format!("`{id}`"))
        .collect();
    (!near.is_empty()).then(|| format!("there are {}", near.join(", ")))
}

/// Reads values of one file and notes what is wrong with them.
pub(super) struct Reader<'s, 'p> {
    source: &'s Source<'s>,
    problems: &'p mut Problems,
}

impl<'s, 'p> Reader<'s, 'p> {
    pub(super) const fn new(source: &'s Source<'s>, problems: &'p mut Problems) -> Self {
        Self { source, problems }
    }
}

impl Reader<'_, '_> {
    /// Reads a value; a complaint becomes a problem.
    pub(super) fn take<T>(
        &mut self,
        key: &Key<'_>,
        value: &Value<'_>,
        read: impl FnOnce(&Value<'_>) -> Result<T, Complaint>,
    ) -> Option<T> {
        match read(value) {
            Ok(value) => Some(value),
            Err(complaint) => {
                let (takes, found) = (complaint.takes, complaint.found);
                let message = format!("`{}` takes {takes}, not {found}", shown(key.get_ref()));
                self.problem(complaint.span, message, complaint.hint);
                None
            }
        }
    }

    /// Reads a value over its default or over what an earlier file said.
    pub(super) fn set<T>(
        &mut self,
        key: &Key<'_>,
        value: &Value<'_>,
        slot: &mut Given<T>,
        read: impl FnOnce(&Value<'_>) -> Result<T, Complaint>,
    ) {
        if let Some(read) = self.take(key, value, read) {
            *slot = self.given(key, read);
        }
    }

    /// Like [`Reader::set`], for a key without a default.
    pub(super) fn set_some<T>(
        &mut self,
        key: &Key<'_>,
        value: &Value<'_>,
        slot: &mut Option<Given<T>>,
        read: impl FnOnce(&Value<'_>) -> Result<T, Complaint>,
    ) {
        if let Some(read) = self.take(key, value, read) {
            *slot = Some(self.given(key, read));
        }
    }

    fn given<T>(&self, key: &Key<'_>, value: T) -> Given<T> {
        Given {
            value,
            place: Some(self.place(key.span())),
        }
    }

    /// A control of the catalogue; any other name is a problem.
    pub(super) fn known_control(
        &mut self,
        id: &str,
        span: Range<usize>,
        catalogue: &Catalogue,
    ) -> Option<ControlId> {
        if let Some(control) = catalogue.control(id) {
            return Some(control.id.clone());
        }
        let names = catalogue
            .controls()
            .iter()
            .map(|control| control.id.as_str());
        let hint = did_you_mean(id, names).or_else(|| sharing_a_word(id, catalogue));
        // While this policy is refused, only a machine without one can be asked.
        let hint = hint.unwrap_or_else(|| {
            "`k3warden --root $(mktemp -d) check --all` lists all controls".to_owned()
        });
        let message = format!("there is no control `{}`", shown(id));
        self.problem(span, message, Some(hint));
        None
    }

    /// A key that we do not know; `place` says where: `in [restart]`.
    pub(super) fn unknown_key(&mut self, key: &Key<'_>, place: &str, hint: Option<String>) {
        let message = format!("unknown key `{}` {place}", shown(key.get_ref()));
        self.problem(key.span(), message.trim_end().to_owned(), hint);
    }

    pub(super) fn problem(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        self.problems.push(self.source.problem(span, message, hint));
    }

    pub(super) fn place(&self, span: Range<usize>) -> PolicyPlace {
        PolicyPlace {
            path: self.source.path().to_path_buf(),
            line: self.source.line_number(span.start),
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.problems.is_full()
    }
}
