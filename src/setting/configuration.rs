//! Our own drop-in for K3s's configuration: which lines it needs so that what K3s merges satisfies the catalogue.
//!
//! The operator's files are never edited. Ours sorts last and appends to lists; whether that is enough is worked out
//! with K3s's own merge before anything is written.

use std::collections::BTreeMap;
use std::fmt;

use crate::catalogue::{ControlId, Requirement, Value, holds};
use crate::k3s::component::{Component, InForce};
use crate::k3s::{Effective, K3sVersion, Place, is_secret};

use super::argument::{Observed, in_force as argument_in_force};
use super::option::in_force as option_in_force;

/// A repeated flag keeps all its values from here on, and `flag+=` is known; before, the items are a map and the last
/// one counts (`GetArgs` of K3s pkg/util/args.go).
const REPEATED_FLAGS_KEPT: K3sVersion = K3sVersion::new(23, 6);

/// A line that we would write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// `name: value`.
    Option {
        /// The K3s option.
        name: String,
        /// Its value.
        value: String,
    },
    /// An item of a component's argument list.
    Argument {
        /// The component.
        component: Component,
        /// The flag; `flag+` keeps K3s's own default for it beside the value.
        flag: String,
        /// Its value.
        value: String,
    },
}

/// The options of K3s that nobody takes away or changes once there is a key (`server/cred/encryption-config.json`): without
/// them K3s reads encrypted Secrets no more (K3s pkg/daemons/control/deps/deps.go).
pub const ENCRYPTION: [&str; 2] = ["secrets-encryption", "secrets-encryption-provider"];

impl Line {
    /// What the line is about, without its value.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Option { name, .. } => name.clone(),
            Self::Argument {
                component, flag, ..
            } => format!("{component} --{}", flag.trim_end_matches('+')),
        }
    }

    /// Whether K3s could read its Secrets no more without the line, once there is a key.
    #[must_use]
    pub fn is_about_encryption(&self) -> bool {
        matches!(self, Self::Option { name, .. } if ENCRYPTION.contains(&name.as_str()))
    }

    /// The same list with those elements alone that another line for it has too; `None` where that leaves none.
    #[must_use]
    pub fn with_elements_among(self, other: &Self) -> Option<Self> {
        let (
            Self::Argument {
                component,
                flag,
                value,
            },
            Self::Argument { value: among, .. },
        ) = (self, other)
        else {
            return None;
        };
        let among: Vec<&str> = among.split(',').map(str::trim).collect();
        let elements: Vec<&str> = value
            .split(',')
            .map(str::trim)
            .filter(|element| among.contains(element))
            .collect();
        (!elements.is_empty()).then(|| Self::Argument {
            component,
            flag,
            value: elements.join(","),
        })
    }

    /// The same list with the elements of another line for it.
    #[must_use]
    pub fn with_elements_of(self, other: &Self) -> Self {
        match (self, other) {
            (
                Self::Argument {
                    component,
                    flag,
                    value,
                },
                Self::Argument { value: more, .. },
            ) => {
                let mut elements: Vec<&str> =
                    value.split(',').filter(|part| !part.is_empty()).collect();
                for element in more.split(',').map(str::trim) {
                    if !elements.contains(&element) {
                        elements.push(element);
                    }
                }
                let value = elements.join(",");
                Self::Argument {
                    component,
                    flag,
                    value,
                }
            }
            (line, _) => line,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option { name, value } => write!(formatter, "{name}: {}", scalar(value)),
            Self::Argument {
                component,
                flag,
                value,
            } => {
                write!(
                    formatter,
                    "{}: [{}]",
                    component.option(),
                    scalar(&format!("{flag}={value}"))
                )
            }
        }
    }
}

/// A line and the requirement that it shall satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The line as the catalogue has it.
    pub line: Line,
    /// What the result must satisfy.
    pub require: Requirement,
    /// Absence satisfies it.
    pub absent_holds: bool,
}

impl Wish {
    /// Whether K3s would run with what is required.
    #[must_use]
    pub fn holds(&self, effective: &Effective) -> bool {
        match self.observe(effective) {
            Some((value, _)) => holds(&self.require, &value, self.absent_holds),
            None => true,
        }
    }

    /// Whether it asks for elements of a list that others may have elements in too.
    #[must_use]
    pub const fn extends_a_list(&self) -> bool {
        matches!(self.require, Requirement::Includes(_))
    }

    /// Whether the line of another wish is for the same thing and satisfies this one too. Lists hold what both give.
    #[must_use]
    pub fn is_satisfied_by(&self, other: &Self) -> bool {
        let (Line::Option { value, .. } | Line::Argument { value, .. }) = &other.line;
        !self.extends_a_list()
            && !other.extends_a_list()
            && self.line.what() == other.line.what()
            && holds(&self.require, &Value::Scalar(value.clone()), false)
    }

    /// Where the value that counts comes from; `None` where nobody decides it.
    #[must_use]
    pub fn decided_by(&self, effective: &Effective) -> Option<Place> {
        let (_, place) = self.observe(effective)?;
        (place != Place::Default).then_some(place)
    }

    fn observe(&self, effective: &Effective) -> Option<(Value, Place)> {
        match &self.line {
            Line::Option { name, .. } => option_in_force(effective, name),
            Line::Argument {
                component, flag, ..
            } => match argument_in_force(effective, *component, flag) {
                Observed::Value(value, place) => Some((value, place)),
                Observed::Unseen(_) | Observed::NotRunning | Observed::NoSuchFlag => None,
            },
        }
    }

    /// The line that makes the requirement hold over what is there without us; nothing of the operator's is lost.
    #[must_use]
    pub fn line_over(&self, base: &Effective) -> Line {
        let Line::Argument {
            component,
            flag,
            value,
        } = &self.line
        else {
            return self.line.clone();
        };
        if !self.extends_a_list() {
            return self.line.clone();
        }
        let (flag, value) = extended(base, *component, flag, value);
        Line::Argument {
            component: *component,
            flag,
            value,
        }
    }

    /// The line that says all of a list alone, where every other word about it goes.
    #[must_use]
    pub fn line_instead_of(&self, base: &Effective) -> Line {
        match &self.line {
            Line::Argument {
                component,
                flag,
                value,
            } if self.extends_a_list() => {
                let there = elements(base, *component, flag).into_iter();
                let all = there.map(|(element, _)| element).collect::<Vec<_>>();
                Line::Argument {
                    component: *component,
                    flag: flag.clone(),
                    value: all.join(","),
                }
                .with_elements_of(&Line::Argument {
                    component: *component,
                    flag: flag.clone(),
                    value: value.clone(),
                })
            }
            line => line.clone(),
        }
    }
}

/// The elements of a list that a component would run with, and what gave them.
fn elements(base: &Effective, component: Component, flag: &str) -> Vec<(String, Place)> {
    match base.start.in_force(component, flag, base.version) {
        InForce::List { elements } => elements,
        InForce::One { value, place } => value
            .split(',')
            .map(|element| (element.to_owned(), place.clone()))
            .collect(),
        InForce::NotRunning
        | InForce::NoSuchFlag
        | InForce::Unseen(_)
        | InForce::Absent
        | InForce::Emptied { .. } => Vec::new(),
    }
}

/// The flag and the value that add our elements to a list. A plain item for a flag drops K3s's own default for it if it is
/// the first, so the default is repeated where nothing else is there, and kept by `flag+=` beside an operator's `flag+=`:
/// that comes after ours on the command line, and before it in a file. Where repeated flags do not unite all is repeated.
fn extended(base: &Effective, component: Component, flag: &str, ours: &str) -> (String, String) {
    let there = elements(base, component, flag);
    let has = |wanted: &&str| there.iter().any(|(element, _)| element == wanted);
    let missing = ours.split(',').map(str::trim).filter(|ours| !has(ours));
    let by_default = there.iter().filter(|(_, place)| *place == Place::Default);
    let defaults = by_default.count();
    if defaults == there.len() || base.version < REPEATED_FLAGS_KEPT {
        let there = there.iter().map(|(element, _)| element.as_str());
        let all: Vec<&str> = there.chain(missing).collect();
        return (flag.to_owned(), all.join(","));
    }
    let mark = if defaults == 0 { "" } else { "+" };
    let missing: Vec<&str> = missing.collect();
    (format!("{flag}{mark}"), missing.join(","))
}

/// The text of our drop-in. Each line names the control that wants it, so that it can be found again.
#[must_use]
pub fn render(lines: &BTreeMap<Line, ControlId>) -> String {
    let mut text = String::from(
        "# Written by k3warden, which keeps it: changes here are replaced. `k3warden explain CONTROL` says why a line\n\
         # is here and how to make an exception; your own settings belong in another file.\n",
    );
    for (line, control) in lines {
        if let Line::Option { name, value } = line {
            text.push_str(&format!("{name}: {} # {control}\n", scalar(value)));
        }
    }
    for component in Component::ALL {
        let mut items = lines.iter().filter_map(|(line, control)| match line {
            Line::Argument {
                component: of,
                flag,
                value,
            } if *of == component => Some((flag, value, control)),
            _ => None,
        });
        let Some(first) = items.next() else { continue };
        text.push_str(&format!("{}+:\n", component.option()));
        for (flag, value, control) in std::iter::once(first).chain(items) {
            text.push_str(&format!(
                "- {} # {control}\n",
                scalar(&format!("{flag}={value}"))
            ));
        }
    }
    text
}

/// A value as K3s's YAML 1.1 parser gives it back unchanged: truth values bare, everything else quoted.
fn scalar(value: &str) -> String {
    match value {
        "true" | "false" => value.to_owned(),
        _ => format!("'{}'", value.replace('\'', "''")),
    }
}

/// The lines of a drop-in that we wrote earlier, each with its control. What we would not have written is passed over.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<Line, ControlId> {
    let mut lines = BTreeMap::new();
    let mut component = None;
    for row in text.lines().filter(|row| !row.starts_with('#')) {
        if let Some(option) = row.strip_suffix("+:") {
            component = Component::ALL
                .into_iter()
                .find(|known| known.option() == option);
            continue;
        }
        let Some((line, control)) = row.rsplit_once(" # ") else {
            continue;
        };
        let Some(control) = ControlId::parse(control) else {
            continue;
        };
        let parsed = match line.strip_prefix("- ") {
            Some(item) => component.and_then(|component| {
                let (flag, value) = plain(item)
                    .split_once('=')
                    .map(|(f, v)| (f.to_owned(), v.to_owned()))?;
                Some(Line::Argument {
                    component,
                    flag,
                    value,
                })
            }),
            None => line.split_once(": ").map(|(name, value)| Line::Option {
                name: name.to_owned(),
                value: plain(value),
            }),
        };
        if let Some(line) = parsed {
            lines.insert(line, control);
        }
    }
    lines
}

/// Whether a line of our drop-in is one that we write: `NAME: VALUE # CONTROL` or `- ITEM # CONTROL`.
#[must_use]
pub fn is_written_by_us(row: &str) -> bool {
    let Some((line, control)) = row.rsplit_once(" # ") else {
        return false;
    };
    let name = line.trim_start_matches("- ").trim_start_matches('\'');
    let name = name.split([':', '=']).next().unwrap_or_default();
    ControlId::parse(control).is_some() && !is_secret(name)
}

fn plain(scalar: &str) -> String {
    let quoted = scalar
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    quoted.map_or_else(|| scalar.to_owned(), |text| text.replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_is_found_again() {
        let control = |id: &str| ControlId::parse(id).unwrap();
        let lines = BTreeMap::from([
            (
                Line::Option {
                    name: "protect-kernel-defaults".into(),
                    value: "true".into(),
                },
                control("a"),
            ),
            (
                Line::Option {
                    name: "write-kubeconfig-mode".into(),
                    value: "0600".into(),
                },
                control("b"),
            ),
            (
                Line::Argument {
                    component: Component::Apiserver,
                    flag: "audit-log-path".into(),
                    value: "/it's here.log".into(),
                },
                control("c-d"),
            ),
            (
                Line::Argument {
                    component: Component::Kubelet,
                    flag: "event-qps".into(),
                    value: "0".into(),
                },
                control("e"),
            ),
        ]);
        assert_eq!(parse(&render(&lines)), lines);
    }
}
