//! The arguments that K3s gives each component by itself, read from `data/defaults.txt`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::releases::Releases;
use super::sections::Sections;
use super::situation::Situation;
use super::{Component, Node};
use crate::k3s::{Place, Sourced};

const TABLE: &str = include_str!("data/defaults.txt");

/// One line of the table.
struct Row<'a> {
    flag: &'a str,
    adds: bool,
    value: &'a str,
    releases: &'a str,
    conditions: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut columns = line.split_ascii_whitespace();
        let flag = columns.next()?;
        Some(Self {
            flag: flag.strip_suffix('&').unwrap_or(flag),
            adds: flag.ends_with('&'),
            value: columns.next()?,
            releases: columns.next()?,
            conditions: columns.next()?,
        })
    }

    fn place(&self, situation: &Situation) -> Place {
        let names = placeholders(self.value);
        let conditions = self.conditions.split(',');
        names
            .chain(conditions.map(|name| name.trim_start_matches('!')))
            .find_map(|name| situation.place(name))
            .unwrap_or(Place::Default)
    }

    fn applies(&self, node: &Node, situation: &Situation) -> bool {
        Releases::parse(self.releases).is_some_and(|releases| releases.contain(node.version))
            && (self.conditions == "-"
                || self
                    .conditions
                    .split(',')
                    .all(|condition| match condition.strip_prefix('!') {
                        Some(condition) => !situation.holds(condition),
                        None => situation.holds(condition),
                    }))
    }
}

/// The names in braces of a value.
fn placeholders(value: &str) -> impl Iterator<Item = &str> {
    value
        .split('{')
        .skip(1)
        .filter_map(|part| part.split('}').next())
}

static SECTIONS: LazyLock<Sections> = LazyLock::new(|| Sections::of(TABLE));

/// The rows of a component, read as they are asked for: the table stays the text that it is.
fn rows(component: Component) -> impl Iterator<Item = Row<'static>> {
    let lines = SECTIONS.lines_of(component.name()).lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines.filter_map(Row::read)
}

/// K3s's own arguments of a component: flag to value, before the operator's are merged in.
///
/// Where an option decides the value or whether the flag is there at all, the place is that of the option.
pub(super) fn of(
    component: Component,
    node: &Node,
    situation: &Situation,
) -> BTreeMap<String, Sourced> {
    let mut arguments: BTreeMap<String, Sourced> = BTreeMap::new();
    for row in rows(component).filter(|row| row.applies(node, situation)) {
        let value = situation.fill(row.value);
        let place = row.place(situation);
        match arguments.get_mut(row.flag) {
            Some(present) if row.adds => {
                present.value.push(',');
                present.value.push_str(&value);
                if present.place == Place::Default {
                    present.place = place;
                }
            }
            _ => {
                arguments.insert(row.flag.to_owned(), Sourced { value, place });
            }
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::super::situation::{CONDITIONS, VALUES};
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read_and_names_only_what_exists() {
        let lines = TABLE
            .lines()
            .filter(|line| !line.starts_with(['#', '[']) && !line.trim().is_empty())
            .count();
        let mut read = 0;
        for row in Component::ALL.into_iter().flat_map(rows) {
            read += 1;
            assert!(Releases::parse(row.releases).is_some(), "{}", row.flag);
            for condition in row.conditions.split(',') {
                let condition = condition.trim_start_matches('!');
                assert!(
                    condition == "-" || CONDITIONS.contains(&condition),
                    "{}: {condition}",
                    row.flag
                );
            }
            for name in placeholders(row.value) {
                assert!(VALUES.contains(&name), "{}: {name}", row.flag);
            }
        }
        assert_eq!(read, lines);
    }
}
