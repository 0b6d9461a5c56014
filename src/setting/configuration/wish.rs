//! What a control wants of K3s's configuration, and the line that makes it so over what is there without us.

use crate::catalogue::{Requirement, Value, holds};
use crate::k3s::component::{Component, InForce};
use crate::k3s::{Effective, K3sVersion, Place};

use super::Line;
use crate::setting::argument::{Observed, in_force as argument_in_force};
use crate::setting::option::in_force as option_in_force;

/// A repeated flag keeps all its values from here on, and `flag+=` is known; before, the items are a map and the last
/// one counts (`GetArgs` of K3s pkg/util/args.go).
const REPEATED_FLAGS_KEPT: K3sVersion = K3sVersion::new(23, 6);

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
        let (Line::Option { value, .. } | Line::Argument { value, .. }) = &other.line else {
            return false;
        };
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

    pub(super) fn observe(&self, effective: &Effective) -> Option<(Value, Place)> {
        match &self.line {
            Line::Option { name, .. } | Line::List { option: name, .. } => {
                option_in_force(effective, name)
            }
            Line::Argument {
                component, flag, ..
            } => match argument_in_force(effective, *component, flag) {
                Observed::Value(value, place) => Some((value, place)),
                Observed::Unseen(_) | Observed::NotRunning | Observed::NoSuchFlag => None,
            },
        }
    }

    /// The elements of the list that it is about which neither a file nor K3s gives.
    #[must_use]
    pub fn elements_of_command(&self, effective: &Effective) -> Vec<String> {
        let is_of_command =
            |(_, place): &(String, Place)| !matches!(place, Place::File { .. } | Place::Default);
        match &self.line {
            Line::Argument {
                component, flag, ..
            } => elements(effective, *component, flag)
                .into_iter()
                .filter(is_of_command)
                .map(|(element, _)| element)
                .collect(),
            Line::Option { .. } | Line::List { .. } => Vec::new(),
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
