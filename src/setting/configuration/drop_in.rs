//! The text of our drop-in: how its lines are written, and how they are found in it again.

use std::collections::BTreeMap;

use super::Line;
use super::line::{plain, scalar};
use crate::catalogue::ControlId;
use crate::k3s::component::Component;
use crate::k3s::{FROM_YOUR_LIST, hides, is_secret};

/// What every drop-in of ours begins with.
pub const BEGINNING: &str = "# Written by k3warden";

/// The text of our drop-in. Each line names the control that wants it, so that it can be found again.
#[must_use]
pub fn render(lines: &BTreeMap<Line, ControlId>) -> String {
    let mut text = format!(
        "{BEGINNING}, which keeps it: changes here are replaced. `k3warden explain CONTROL` says why a line\n\
         # is here and how to make an exception; your own settings belong in another file.\n",
    );
    for (line, control) in lines {
        if let Line::Option { name, value } = line {
            text.push_str(&format!("{name}: {} # {control}\n", scalar(value)));
        }
    }
    for component in Component::ALL {
        let items = lines.iter().filter_map(|(line, control)| match line {
            Line::Argument {
                component: of,
                flag,
                value,
            } if *of == component => Some(item(&format!("{flag}={value}"), control.as_str())),
            _ => None,
        });
        let items: Vec<String> = items.collect();
        if list_of(lines, component.option()).is_none() && !items.is_empty() {
            text.push_str(&format!("{}+:\n{}", component.option(), items.concat()));
        }
    }
    for (line, control) in lines {
        if let Line::List { option, items } = line {
            text.push_str(&in_the_place(lines, option, items, control));
        }
    }
    text
}

fn list_of<'l>(lines: &'l BTreeMap<Line, ControlId>, name: &str) -> Option<&'l Vec<String>> {
    lines.keys().find_map(|line| match line {
        Line::List { option, items } if option == name => Some(items),
        _ => None,
    })
}

fn item(text: &str, control: &str) -> String {
    format!("- {} # {control}\n", scalar(text))
}

/// A key without `+` takes the place of the operator's: his items, and ours behind them.
fn in_the_place(
    lines: &BTreeMap<Line, ControlId>,
    option: &str,
    items: &[String],
    control: &ControlId,
) -> String {
    let his = items
        .iter()
        .map(|text| format!("- {}{FROM_YOUR_LIST}\n", scalar(text)));
    let ours = lines.iter().filter_map(|(line, control)| match line {
        Line::Argument {
            component,
            flag,
            value,
        } if component.option() == option => {
            Some(item(&format!("{flag}={value}"), control.as_str()))
        }
        _ => None,
    });
    let rows: String = his.chain(ours).collect();
    let none = if rows.is_empty() { " []" } else { "" };
    format!(
        "# Your list without what weakens the node. It takes the place of yours and follows what you change there.\n\
         {option}:{none} # {control}\n{rows}"
    )
}

/// The lines of a drop-in that we wrote earlier, each with its control. What we would not have written is passed over.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<Line, ControlId> {
    let mut lines = BTreeMap::new();
    let mut component = None;
    let mut list: Option<(Line, ControlId)> = None;
    for row in text.lines().filter(|row| !row.starts_with('#')) {
        if let Some(option) = row.strip_suffix("+:") {
            component = Component::of_option(option);
            lines.extend(list.take());
            continue;
        }
        let Some((line, control)) = row.rsplit_once(" # ") else {
            continue;
        };
        let Some(control) = ControlId::parse(control) else {
            continue;
        };
        let key = line.strip_suffix(" []").unwrap_or(line);
        if let Some(option) = key.strip_suffix(':').filter(|_| !line.starts_with("- ")) {
            component = Component::of_option(option);
            let option = option.to_owned();
            let items = Vec::new();
            lines.extend(list.replace((Line::List { option, items }, control)));
            continue;
        }
        let parsed = match (line.strip_prefix("- "), &mut list) {
            (Some(item), Some((Line::List { items, .. }, _))) if row.ends_with(FROM_YOUR_LIST) => {
                items.push(plain(item));
                None
            }
            (Some(item), _) => component.and_then(|component| {
                let (flag, value) = plain(item)
                    .split_once('=')
                    .map(|(f, v)| (f.to_owned(), v.to_owned()))?;
                Some(Line::Argument {
                    component,
                    flag,
                    value,
                })
            }),
            (None, _) => line.split_once(": ").map(|(name, value)| Line::Option {
                name: name.to_owned(),
                value: plain(value),
            }),
        };
        if let Some(line) = parsed {
            lines.insert(line, control);
        }
    }
    lines.extend(list);
    lines
}

/// The options of encryption in a drop-in of ours that lost the control's name behind them: a tool that writes YAML anew leaves no
/// comments, and what Secrets are encrypted with is not to be lost for that.
#[must_use]
pub fn encryption_without_control(text: &str) -> Vec<Line> {
    let rows = text.lines().filter(|row| !row.contains(" # "));
    let options = rows.filter_map(|row| row.split_once(':'));
    options
        .map(|(name, value)| Line::Option {
            name: plain(name.trim()),
            value: plain(value.trim()),
        })
        .filter(Line::is_about_encryption)
        .collect()
}

/// Whether a line of our drop-in is one that we write: `NAME: VALUE # CONTROL` or `- ITEM # CONTROL`.
#[must_use]
pub fn is_written_by_us(row: &str) -> bool {
    let Some((line, control)) = row.rsplit_once(" # ") else {
        return false;
    };
    let text = line
        .trim_start_matches("- ")
        .trim_start_matches(['\'', '-']);
    let name = text.split([':', '=']).next().unwrap_or_default();
    let value = text.get(name.len()..).unwrap_or_default();
    ControlId::parse(control).is_some() && !is_secret(name) && !hides(name, value)
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
            (
                Line::List {
                    option: "kube-apiserver-arg".into(),
                    items: vec!["v=2".into(), "--bare".into(), "it's = 'a # b".into()],
                },
                control("f"),
            ),
            (
                Line::List {
                    option: "etcd-arg".into(),
                    items: Vec::new(),
                },
                control("g"),
            ),
        ]);
        assert_eq!(parse(&render(&lines)), lines, "{}", render(&lines));
    }

    #[test]
    fn a_list_in_the_place_of_the_operators_has_his_items_and_ours_behind_them() {
        let control = |id: &str| ControlId::parse(id).unwrap();
        let lines = BTreeMap::from([
            (
                Line::Argument {
                    component: Component::Apiserver,
                    flag: "audit-log-maxage".into(),
                    value: "30".into(),
                },
                control("a"),
            ),
            (
                Line::List {
                    option: "kube-apiserver-arg".into(),
                    items: vec!["v=2".into()],
                },
                control("b"),
            ),
        ]);
        let text = render(&lines);
        let rows =
            "kube-apiserver-arg: # b\n- 'v=2' # from-your-list\n- 'audit-log-maxage=30' # a\n";
        assert!(text.ends_with(rows), "{text}");
        assert!(!text.contains("kube-apiserver-arg+"), "{text}");
    }
}
