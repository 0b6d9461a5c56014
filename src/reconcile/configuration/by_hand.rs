//! The lines that are missing where we cannot write, for an operator to copy.

use std::collections::BTreeMap;

use crate::catalogue::ControlId;
use crate::k3s::Effective;
use crate::reconcile::{Pass, Refused, RefusedBy};
use crate::setting::Change;
use crate::setting::configuration::{Line, Wish};

use super::ConfigurationPlan;
use super::conditions::Conditions;

/// The lines as one refusal that begins with `why`. Those that would do harm here are not
/// among them, and say why.
pub(super) fn by_hand(
    pass: &Pass<'_>,
    planned: &[Change],
    present: &Effective,
    wishes: &[(ControlId, Wish)],
    why: &str,
) -> ConfigurationPlan {
    let conditions = Conditions {
        pass,
        planned,
        encrypts: false,
    };
    let mut lines: Vec<Line> = Vec::new();
    let mut controls = Vec::new();
    let mut refused = Vec::new();
    for (control, wish) in wishes.iter().filter(|(_, wish)| !wish.holds(present)) {
        let undeployed = conditions.undeployed(control, &wish.line);
        match undeployed.or_else(|| conditions.forbids(&wish.line)) {
            Some(reason) => refused.push(Refused {
                by: RefusedBy::Preflight,
                controls: vec![control.clone()],
                reason,
            }),
            None => {
                let line = wish.line_over(present);
                let same = |other: &&mut Line| wish.extends_a_list() && other.what() == line.what();
                match lines.iter_mut().find(same) {
                    Some(other) => *other = other.clone().with_elements_of(&line),
                    None => lines.push(line),
                }
                controls.push(control.clone());
            }
        }
    }
    controls.dedup();
    if !lines.is_empty() {
        let reason = format!("{why}: {}", in_one_file(lines));
        refused.insert(
            0,
            Refused {
                by: RefusedBy::Preflight,
                controls,
                reason,
            },
        );
    }
    ConfigurationPlan {
        changes: Vec::new(),
        refused,
    }
}

/// Lines as they would stand in one file: one key for all arguments of a component.
fn in_one_file(lines: Vec<Line>) -> String {
    let mut options = Vec::new();
    let mut arguments: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in lines {
        match line {
            Line::Option { .. } | Line::List { .. } => options.push(line.to_string()),
            Line::Argument {
                component,
                flag,
                value,
            } => {
                let item = format!("\"{flag}={value}\"");
                let items = arguments.entry(component.option()).or_default();
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
    }
    let lists = arguments
        .iter()
        .map(|(option, items)| format!("{option}: [{}]", items.join(", ")));
    options
        .into_iter()
        .chain(lists)
        .collect::<Vec<_>>()
        .join("; ")
}
