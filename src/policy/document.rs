//! One policy file, read into the policy over what earlier files said.

use toml::de::DeTable;

use super::keys;
use super::reader::{Reader, names_of};
use super::value::{self, Complaint, Value};
use super::{Mode, OnDisable, Policy, control_rules, exception, restart};
use crate::catalogue::{Catalogue, Problems, Source, shown};
use crate::k3s::Role;

const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("observe", Mode::Observe)];
const ROLES: &[(&str, Role)] = &[("server", Role::Server), ("agent", Role::Agent)];
const ON_DISABLE: &[(&str, OnDisable)] =
    &[("keep", OnDisable::Keep), ("revert", OnDisable::Revert)];

/// Reads one file over what earlier files said. What is wrong is added to the problems.
pub(super) fn read(
    source: &Source<'_>,
    catalogue: &Catalogue,
    policy: &mut Policy,
    problems: &mut Problems,
) {
    let first = problems.len();
    let mut reader = Reader::new(source, problems);
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
            "unit" => reader.set_some(key, entry, &mut policy.unit, value::unit),
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
                let hint = keys::RESTART
                    .contains(&other)
                    .then(|| format!("`{other}` belongs in [restart]"));
                reader.unknown_key(key, "", hint.or_else(|| names_of(other, keys::TOP)));
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
