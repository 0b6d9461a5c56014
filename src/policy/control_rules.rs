//! What the policy says about single controls: `[control.ID]`.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::reader::{Key, Reader};
use super::value::{self, Value};
use super::{Given, Policy};
use crate::catalogue::{
    Catalogue, Control, Enforcement, ParameterValue, SettingBody, did_you_mean,
};

/// Whose file stands where an operator may have one of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentChoice {
    /// A valid file of the operator's stands; ours is written where there is none.
    Operator,
    /// Ours replaces it.
    Ours,
}

/// What the policy says about one control.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlRules {
    /// How far it is taken.
    pub state: Option<Given<Enforcement>>,
    /// Whose file stands.
    pub content: Option<Given<ContentChoice>>,
    /// Values of its parameters.
    pub parameters: BTreeMap<String, Given<ParameterValue>>,
}

const STATES: &[(&str, Enforcement)] = &[
    ("enforce", Enforcement::Enforce),
    ("observe", Enforcement::Observe),
    ("off", Enforcement::Off),
];

const CONTENTS: &[(&str, ContentChoice)] = &[
    ("operator", ContentChoice::Operator),
    ("ours", ContentChoice::Ours),
];

/// Reads every `[control.ID]`.
pub(super) fn read_all(
    reader: &mut Reader<'_, '_>,
    key: &Key<'_>,
    sections: &Value<'_>,
    catalogue: &Catalogue,
    policy: &mut Policy,
) {
    let Some(sections) = sections.get_ref().as_table() else {
        let hint = Some("write [control.ID]".to_owned());
        return reader.problem(key.span(), "`control` is a section".to_owned(), hint);
    };
    for (id, section) in sections {
        if reader.is_full() {
            return;
        }
        let Some(known) = reader.known_control(id.get_ref(), id.span(), catalogue) else {
            continue;
        };
        let Some(table) = section.get_ref().as_table() else {
            let message = format!("`control.{known}` is a section");
            let hint = Some(format!(
                "write [control.{known}] and below it state = \"...\""
            ));
            reader.problem(id.span(), message, hint);
            continue;
        };
        if let Some(control) = catalogue.control(known.as_str()) {
            read(
                reader,
                table,
                control,
                policy.controls.entry(known).or_default(),
            );
        }
    }
}

fn read(
    reader: &mut Reader<'_, '_>,
    table: &DeTable<'_>,
    control: &Control,
    rules: &mut ControlRules,
) {
    for (key, entry) in table {
        let name = key.get_ref().as_ref();
        if name == "state" {
            reader.set_some(key, entry, &mut rules.state, |entry| {
                value::choice(entry, STATES)
            });
        } else if name == "content" && keeps_operators_file(control) {
            reader.set_some(key, entry, &mut rules.content, |entry| {
                value::choice(entry, CONTENTS)
            });
        } else if control.parameters.contains_key(name) {
            let mut given = None;
            reader.set_some(key, entry, &mut given, |entry| {
                value::parameter(entry, name, control)
            });
            if let Some(given) = given {
                rules.parameters.insert(name.to_owned(), given);
            }
        } else {
            reader.unknown_key(
                key,
                &format!("of control `{}`", control.id),
                hint(name, control),
            );
        }
    }
}

fn hint(name: &str, control: &Control) -> Option<String> {
    if name == "content" {
        return Some("this control writes no file that an operator may keep".to_owned());
    }
    let content = keeps_operators_file(control).then_some("content");
    let parameters = control.parameters.keys().map(String::as_str);
    let names: Vec<&str> = std::iter::once("state")
        .chain(content)
        .chain(parameters)
        .collect();
    did_you_mean(name, names.iter().copied())
        .or_else(|| Some(format!("it takes {}", names.join(", "))))
}

fn keeps_operators_file(control: &Control) -> bool {
    control
        .settings
        .iter()
        .any(|setting| matches!(&setting.body, SettingBody::File(file) if file.keep.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_built_in_parameter_hides_behind_a_key_that_every_control_has() {
        for control in Catalogue::built_in().unwrap().controls() {
            for reserved in ["state", "content"] {
                let id = &control.id;
                assert!(
                    !control.parameters.contains_key(reserved),
                    "{id}: {reserved}"
                );
            }
        }
    }
}
