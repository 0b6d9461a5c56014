//! The text of our drop-in: how its lines are written, and how they are found in it again.

use std::collections::BTreeMap;

use super::Line;
use super::line::{plain, scalar};
use crate::catalogue::ControlId;
use crate::k3s::component::Component;
use crate::k3s::is_secret;

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
