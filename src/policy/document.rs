//! One policy file, read into the policy over what earlier files said.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable};

use super::load::{MODES, ON_DISABLE, ROLES};
use super::nearest::did_you_mean;
use super::problem::{Problems, Source, shown};
use super::value::{self, Complaint, Value};
use super::{Given, Policy, PolicyPlace, control_rules, exception, restart};
use crate::catalogue::{Catalogue, ControlId};

/// A key with the bytes that it stands on.
pub(super) type Key<'i> = Spanned<DeString<'i>>;

/// The keys above the first section, and the sections.
pub(super) const KEYS: &[&str] = &[
    "mode",
    "role",
    "k3s_version",
    "edition",
    "new_cluster",
    "unit_override",
    "on_disable",
    "sysctl_interval",
    "full_pass_interval",
    "metrics_file",
    "ledger_limit",
    "restart",
    "control",
    "exception",
];

/// Reads one file over what earlier files said. What is wrong is added to the problems.
pub(super) fn read(
    source: &Source<'_>,
    catalogue: &Catalogue,
    policy: &mut Policy,
    problems: &mut Problems,
) {
    let first = problems.len();
    let mut reader = Reader { source, problems };
    match DeTable::parse(source.text()) {
        Ok(document) => read_document(&mut reader, document.get_ref(), catalogue, policy),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            reader.problem(span, shown(error.message()), None);
        }
    }
    problems.sort_by_line_from(first);
}

fn read_document(
    reader: &mut Reader<'_, '_>,
    table: &DeTable<'_>,
    catalogue: &Catalogue,
    policy: &mut Policy,
) {
    for (key, entry) in table {
        match key.get_ref().as_ref() {
            "mode" => reader.set(key, entry, &mut policy.mode, |entry| {
                value::choice(entry, MODES)
            }),
            "role" => reader.set_some(key, entry, &mut policy.role, |entry| {
                value::choice(entry, ROLES)
            }),
            "k3s_version" => reader.set_some(key, entry, &mut policy.k3s_version, value::version),
            "edition" => reader.set_some(key, entry, &mut policy.edition, |entry| {
                edition(entry, catalogue)
            }),
            "new_cluster" => reader.set_some(key, entry, &mut policy.new_cluster, value::boolean),
            "unit_override" => reader.set(key, entry, &mut policy.unit_override, value::boolean),
            "on_disable" => reader.set(key, entry, &mut policy.on_disable, |entry| {
                value::choice(entry, ON_DISABLE)
            }),
            "sysctl_interval" => {
                reader.set(key, entry, &mut policy.sysctl_interval, value::interval)
            }
            "full_pass_interval" => {
                reader.set(key, entry, &mut policy.full_pass_interval, value::interval);
            }
            "metrics_file" => {
                reader.set_some(key, entry, &mut policy.metrics_file, value::absolute_path);
            }
            "ledger_limit" => reader.set(key, entry, &mut policy.ledger_limit, value::ledger_size),
            "restart" => match entry.get_ref().as_table() {
                Some(rules) => restart::read(reader, rules, &mut policy.restart),
                None => {
                    let hint = Some("write [restart] and below it mode = \"...\"".to_owned());
                    reader.problem(entry.span(), "`restart` is a section".to_owned(), hint);
                }
            },
            "control" => control_rules::read_all(reader, key, entry, catalogue, policy),
            "exception" => exception::read_all(reader, key, entry, catalogue, policy),
            other => {
                let hint = restart::KEYS
                    .contains(&other)
                    .then(|| format!("`{other}` belongs in [restart]"));
                reader.unknown_key(key, "", hint.or_else(|| names_of(other, KEYS)));
            }
        }
        if reader.is_full() {
            return;
        }
    }
}

fn edition(entry: &Value<'_>, catalogue: &Catalogue) -> Result<String, Complaint> {
    let editions = catalogue.editions().all();
    let names: Vec<(&str, &str)> = editions
        .iter()
        .map(|edition| (edition.name.as_str(), edition.name.as_str()))
        .collect();
    value::choice(entry, &names).map(str::to_owned)
}

/// The nearest of some names, or all of them.
pub(super) fn names_of(word: &str, names: &[&str]) -> Option<String> {
    did_you_mean(word, names.iter().copied())
        .or_else(|| Some(format!("known are {}", names.join(", "))))
}

/// Reads values of one file and notes what is wrong with them.
pub(super) struct Reader<'s, 'p> {
    source: &'s Source<'s>,
    problems: &'p mut Problems,
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
        let hint = did_you_mean(id, names);
        let hint = hint.unwrap_or_else(|| "`k3warden check` lists all controls".to_owned());
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
        self.source.place(span.start)
    }

    pub(super) const fn is_full(&self) -> bool {
        self.problems.is_full()
    }
}
