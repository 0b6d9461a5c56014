//! Which of several statements about one parameter wins.
//!
//! systemd keeps statements in a table by their normalised key, patterns included, and goes through it in order
//! (`src/sysctl/sysctl.c`). From that follows, in versions 247 to 257 alike:
//! - of several lines with one key the last counts, and a bare `-key` undoes an earlier assignment;
//! - a pattern sets no parameter that has a line of its own, be that an assignment or a bare `-key`, earlier or later;
//! - of several patterns the one that came last into the table counts; a pattern repeated with the same value keeps its
//!   earlier place.

use std::collections::{BTreeMap, HashMap};

use super::SysctlKey;
use super::line::{Entry, Statement, Subject};

/// The statements of every file, and which of them count.
#[derive(Debug, Clone, Default)]
pub(super) struct Precedence {
    /// In reading order.
    entries: Vec<Entry>,
    /// The entry that counts for each key with a line of its own.
    keys: HashMap<String, usize>,
    /// The entries of the patterns that count, by their place in systemd's table.
    patterns: BTreeMap<usize, usize>,
    /// The place of each pattern.
    places: HashMap<String, usize>,
}

impl Precedence {
    /// Takes the statements of the next file.
    pub(super) fn extend(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            let index = self.entries.len();
            match &entry.subject {
                Subject::Key(key) => {
                    self.keys.insert(key.clone(), index);
                }
                Subject::Pattern(pattern, _) => self.place(pattern.clone(), index, &entry),
            }
            self.entries.push(entry);
        }
    }

    fn place(&mut self, pattern: String, index: usize, entry: &Entry) {
        if let Some(place) = self.places.get(&pattern) {
            let known = self
                .patterns
                .get(place)
                .and_then(|at| self.entries.get(*at));
            if known.is_some_and(|known| known.statement.value() == entry.statement.value()) {
                self.patterns.insert(*place, index);
                return;
            }
            self.patterns.remove(place);
        }
        self.patterns.insert(index, index);
        self.places.insert(pattern, index);
    }

    /// The statement that decides about a key: an assignment, or the exclusion that keeps every pattern away.
    pub(super) fn deciding(&self, key: &SysctlKey) -> Option<&Statement> {
        if let Some(index) = self.keys.get(key.as_str()) {
            return self.entries.get(*index).map(|entry| &entry.statement);
        }
        self.patterns
            .values()
            .rev()
            .filter_map(|index| self.entries.get(*index))
            // An exclusion of a pattern takes that pattern out of the table and nothing else.
            .filter(|entry| matches!(entry.statement, Statement::Sets(_)))
            .find(|entry| entry.is_about(key))
            .map(|entry| &entry.statement)
    }

    /// Every statement about a key in reading order.
    pub(super) fn about(&self, key: &SysctlKey) -> Vec<&Statement> {
        let about = self.entries.iter().filter(|entry| entry.is_about(key));
        about.map(|entry| &entry.statement).collect()
    }
}

impl Entry {
    fn is_about(&self, key: &SysctlKey) -> bool {
        match &self.subject {
            Subject::Key(named) => named == key.as_str(),
            Subject::Pattern(_, glob) => glob.matches(key.as_str()),
        }
    }
}
