//! What a control wants left out of an operator's list, since no line beside it can take that back: lists unite.

use super::{Line, Wish};
use crate::catalogue::{Value, holds};
use crate::k3s::Effective;

/// What shall not be in a list. The value of the wish's line is what K3s itself would have in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveOut(pub Wish);

impl LeaveOut {
    /// The K3s option that is the list.
    #[must_use]
    pub fn option(&self) -> &str {
        match &self.0.line {
            Line::Option { name, .. } => name,
            Line::Argument { component, .. } => component.option(),
            Line::List { option, .. } => option,
        }
    }

    /// Whether K3s would run with nothing that is to be left out.
    #[must_use]
    pub fn is_done(&self, effective: &Effective) -> bool {
        match self.0.observe(effective) {
            Some((Value::List(elements), _)) => {
                !elements.iter().any(|element| self.breaks(element))
            }
            Some((Value::Scalar(text), _)) => {
                !text.split(',').any(|element| self.breaks(element.trim()))
            }
            Some((Value::Absent, _)) | None => true,
        }
    }

    /// What stays of an item of the list; `None` where nothing does. K3s takes an item apart as `split` of its pkg/util/args.go does.
    #[must_use]
    pub fn left_of(&self, item: &str) -> Option<String> {
        let Line::Argument { flag, .. } = &self.0.line else {
            return (!self.breaks(item)).then(|| item.to_owned());
        };
        let Some((written, value)) = item.split_once('=') else {
            return Some(item.to_owned());
        };
        let name = written.trim_start_matches('-').trim_end_matches(['+', '-']);
        let elements: Vec<&str> = value.split(',').collect();
        let left: Vec<&str> = elements
            .iter()
            .copied()
            .filter(|element| name != flag || !self.breaks(element.trim()))
            .collect();
        match left.len() {
            0 => None,
            count if count == elements.len() => Some(item.to_owned()),
            _ => Some(format!("{written}={}", left.join(","))),
        }
    }

    /// The word that stands in the place of every other about the flag, where a list is the command line's; `None` for an option, of which
    /// each word stands for itself.
    #[must_use]
    pub fn in_one_word<'i>(&self, items: impl Iterator<Item = &'i str>) -> Option<Wish> {
        let Line::Argument {
            component,
            flag,
            value,
        } = &self.0.line
        else {
            return None;
        };
        let left: Vec<&str> = items.filter(|item| !self.breaks(item)).collect();
        let value = match left.is_empty() {
            true => value.clone(),
            false => left.join(","),
        };
        Some(Wish {
            line: Line::Argument {
                component: *component,
                flag: flag.clone(),
                value,
            },
            ..self.0.clone()
        })
    }

    /// An item without any element stands in the place of K3s's own, which is none of what is asked for.
    fn breaks(&self, element: &str) -> bool {
        if element.is_empty() {
            return true;
        }
        let alone = Value::List(vec![element.to_owned()]);
        !holds(&self.0.require, &alone, self.0.absent_holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Requirement;
    use crate::k3s::component::Component;

    #[test]
    fn what_breaks_the_requirement_is_left_out_and_all_else_is_as_it_was() {
        let leave_out = LeaveOut(Wish {
            line: Line::Argument {
                component: Component::Apiserver,
                flag: "authorization-mode".into(),
                value: "Node,RBAC".into(),
            },
            require: Requirement::Excludes(vec!["AlwaysAllow".into()]),
            absent_holds: false,
        });
        for (item, left) in [
            ("authorization-mode=AlwaysAllow", None),
            ("authorization-mode+=AlwaysAllow", None),
            ("--authorization-mode=AlwaysAllow", None),
            (
                "authorization-mode=Node, AlwaysAllow,RBAC",
                Some("authorization-mode=Node,RBAC"),
            ),
            (
                "authorization-mode=Node, RBAC",
                Some("authorization-mode=Node, RBAC"),
            ),
            ("authorization-mode=", None),
            ("v=AlwaysAllow", Some("v=AlwaysAllow")),
            ("authorization-mode", Some("authorization-mode")),
        ] {
            assert_eq!(leave_out.left_of(item).as_deref(), left, "{item}");
        }
    }
}
