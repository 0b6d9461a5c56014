//! The table of the kubelet's settings, `data/kubelet.txt`: which flag sets each, of what shape its value is, and what it is
//! where nobody sets it.

use crate::k3s::component::document::Document;
use crate::k3s::component::minors;
use crate::k3s::go_duration::{self, nanoseconds};
use crate::k3s::go_value::{boolean, integer};

const TABLE: &str = include_str!("../data/kubelet.txt");

/// One line of the table at a minor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) path: &'static str,
    pub(super) flag: &'static str,
    pub(super) shape: Shape,
    /// The kubelet's own value.
    pub(super) default: &'static str,
    /// K3s's own from 1.32 on; `None` where it sets none.
    pub(super) of_k3s: Option<&'static str>,
}

/// What a value is, and so how `/configz` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    Number,
    Duration,
    Text,
    List,
}

impl Shape {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "number" => Self::Number,
            "duration" => Self::Duration,
            "text" => Self::Text,
            "list" => Self::List,
            _ => return None,
        })
    }

    /// A field of a file as `/configz` prints it; `None` where the kubelet could not read it into the field.
    pub(super) fn of_field(self, value: &Document) -> Option<String> {
        match (self, value) {
            (Self::Bool, Document::Bool(value)) => Some(value.to_string()),
            (Self::Number, Document::Number(text)) => Some(text.parse::<i64>().ok()?.to_string()),
            (Self::Duration, Document::Text(text)) => Some(go_duration::print(nanoseconds(text)?)),
            (Self::Text, Document::Text(text)) => Some(text.clone()),
            (Self::List, Document::List(items)) => {
                let words: Option<Vec<&str>> = items
                    .iter()
                    .map(|item| match item {
                        Document::Text(text) => Some(text.as_str()),
                        _ => None,
                    })
                    .collect();
                words.map(|words| words.join(","))
            }
            _ => None,
        }
    }

    /// The same of the words that a flag was given, the last of which counts where the setting is no list.
    pub(super) fn of_words(self, words: &[&str]) -> Option<String> {
        let last = words.last()?;
        match self {
            Self::Bool => Some(boolean(last)?.to_string()),
            Self::Number => Some(integer(last)?.to_string()),
            Self::Duration => Some(go_duration::print(nanoseconds(last)?)),
            Self::Text => Some((*last).to_owned()),
            Self::List => Some(words.join(",")),
        }
    }
}

impl Row {
    fn read(columns: &[&'static str]) -> Option<Self> {
        let [path, flag, shape, default, of_k3s] = *columns else {
            return None;
        };
        let given = |column: &'static str| (column != "-").then_some(column);
        Some(Self {
            path,
            flag,
            shape: Shape::named(shape)?,
            default: given(default).unwrap_or_default(),
            of_k3s: given(of_k3s),
        })
    }

    /// The settings of a minor, read from the table's text each time: taken apart they would stay in memory.
    pub(super) fn all(minor: u16) -> impl Iterator<Item = Self> {
        minors::lines(TABLE, minor).filter_map(|columns| Self::read(&columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_setting_once_at_each_minor() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let mut paths: Vec<&str> = lines.filter_map(|line| line.split(' ').next()).collect();
        paths.dedup();
        for minor in 20..=minors::NEWEST + 1 {
            let found: Vec<&str> = Row::all(minor).map(|row| row.path).collect();
            assert_eq!(found, paths, "1.{minor}");
        }
    }
}
