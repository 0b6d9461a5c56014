//! From K3s's own arguments and the operator's list to the command line of a component.
//!
//! K3s `pkg/util/args.go` GetArgs; up to March 2025 `pkg/daemons/config/types.go`.

use std::collections::BTreeMap;

use super::Argument;
use super::releases::Since;
use crate::k3s::{K3sVersion, Sourced};

/// The April 2022 releases keep every value of a repeated flag and know `flag+=` and `flag-=`.
const REPEATED_FLAGS_SINCE: &str = "1.23.6";
/// 1.21 passes an item `--flag=value` on as `----flag=value`.
const DASHES_STRIPPED_SINCE: &str = "1.22.0";
/// `authorization-config`, `tls-cipher-suites` and the like are found behind leading dashes too.
const LOOKED_UP_BEHIND_DASHES_SINCE: &str = "1.30.12+1.31.8+1.32.4";

fn since(release: &str, version: K3sVersion) -> bool {
    Since::parse(release).is_some_and(|since| since.reached(version))
}

/// What K3s finds when it looks for a flag in the operator's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// The flag is not there.
    Nothing,
    /// The value of the first item with that flag.
    Value(&'a Sourced, &'a str),
    /// The first item with that flag has no `=`: K3s reads past the end of a slice and panics.
    Bare(&'a Sourced),
}

impl Found<'_> {
    /// The value; empty when there is none, as K3s has it.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Value(_, value) => value,
            Self::Nothing | Self::Bare(_) => "",
        }
    }
}

/// Looks for a flag as K3s does to decide its own defaults (`ArgValue`): the first item counts.
pub(super) fn find<'a>(flag: &str, items: &'a [Sourced], version: K3sVersion) -> Found<'a> {
    let strip = since(LOOKED_UP_BEHIND_DASHES_SINCE, version);
    for item in items {
        let text = match item.value.strip_prefix("--") {
            Some(rest) if strip => rest,
            _ => item.value.as_str(),
        };
        match text.split_once('=') {
            Some((name, value)) if name == flag => return Found::Value(item, value),
            None if text == flag => return Found::Bare(item),
            _ => {}
        }
    }
    Found::Nothing
}

/// Splits an item of the list into flag and value; without `=` the value is `true`.
fn split(item: &str, version: K3sVersion) -> (&str, &str) {
    let item = match item.strip_prefix("--") {
        Some(rest) if since(DASHES_STRIPPED_SINCE, version) => rest,
        _ => item,
    };
    item.split_once('=').unwrap_or((item, "true"))
}

/// Merges K3s's own arguments with the operator's items, in the order in which K3s logs them.
pub(super) fn merge(
    defaults: BTreeMap<String, Sourced>,
    items: &[Sourced],
    version: K3sVersion,
) -> Vec<Argument> {
    let mut arguments = if since(REPEATED_FLAGS_SINCE, version) {
        merge_repeated(defaults, items, version)
    } else {
        merge_last(defaults, items, version)
    };
    let stripped = since(DASHES_STRIPPED_SINCE, version);
    for argument in &mut arguments {
        // K3s 1.20 has a default `feature-gates=X` with the value `false`; the component splits at the first `=`.
        if let Some((flag, rest)) = argument.flag.split_once('=') {
            argument.value = format!("{rest}={}", argument.value);
            argument.flag = flag.to_owned();
        }
        if !stripped {
            continue;
        }
        if let Some(flag) = argument.flag.strip_prefix("--") {
            argument.flag = flag.to_owned();
        }
    }
    arguments
}

fn own(flag: String, default: Sourced) -> Argument {
    Argument {
        flag,
        value: default.value,
        place: default.place,
        overrode: Vec::new(),
    }
}

fn merge_repeated(
    mut defaults: BTreeMap<String, Sourced>,
    items: &[Sourced],
    version: K3sVersion,
) -> Vec<Argument> {
    let mut merged: BTreeMap<String, Vec<Argument>> = BTreeMap::new();
    for item in items {
        let (written, value) = split(&item.value, version);
        let flag = written.trim_end_matches(['-', '+']);
        let default = defaults.remove(flag);
        let values = merged.entry(flag.to_owned()).or_default();
        let mut argument = Argument {
            flag: flag.to_owned(),
            value: value.to_owned(),
            place: item.place.clone(),
            overrode: Vec::new(),
        };
        let kept = default.map(|value| own(flag.to_owned(), value));
        if written.ends_with('+') {
            values.splice(0..0, kept);
            values.push(argument);
        } else if written.ends_with('-') {
            values.splice(0..0, kept);
            values.insert(0, argument);
        } else {
            argument.overrode.extend(kept.map(|kept| Sourced {
                value: kept.value,
                place: kept.place,
            }));
            values.push(argument);
        }
    }
    for (flag, value) in defaults {
        merged
            .entry(flag.clone())
            .or_default()
            .push(own(flag, value));
    }
    merged.into_values().flatten().collect()
}

fn merge_last(
    defaults: BTreeMap<String, Sourced>,
    items: &[Sourced],
    version: K3sVersion,
) -> Vec<Argument> {
    let mut merged: BTreeMap<String, Argument> = defaults
        .into_iter()
        .map(|(flag, value)| (flag.clone(), own(flag, value)))
        .collect();
    for item in items {
        let (flag, value) = split(&item.value, version);
        let overrode = merged.remove(flag).map_or_else(Vec::new, |before| {
            let mut overrode = before.overrode;
            overrode.push(Sourced {
                value: before.value,
                place: before.place,
            });
            overrode
        });
        merged.insert(
            flag.to_owned(),
            Argument {
                flag: flag.to_owned(),
                value: value.to_owned(),
                place: item.place.clone(),
                overrode,
            },
        );
    }
    let mut arguments: Vec<Argument> = merged.into_values().collect();
    // The words are sorted as a whole, so `--leader-elect-x=` comes before `--leader-elect=`.
    arguments.sort_by_cached_key(ToString::to_string);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::Place;

    fn items(texts: &[&str]) -> Vec<Sourced> {
        texts
            .iter()
            .map(|text| Sourced {
                value: (*text).to_owned(),
                place: Place::ExecStart {
                    unit: "k3s.service".to_owned(),
                },
            })
            .collect()
    }

    fn line(version: &str, defaults: &[(&str, &str)], texts: &[&str]) -> String {
        let defaults = defaults
            .iter()
            .map(|(flag, value)| {
                let default = Sourced {
                    value: (*value).to_owned(),
                    place: Place::Default,
                };
                ((*flag).to_owned(), default)
            })
            .collect();
        let merged = merge(defaults, &items(texts), version.parse().unwrap());
        let words: Vec<String> = merged.iter().map(ToString::to_string).collect();
        words.join(" ")
    }

    #[test]
    fn a_plain_item_drops_the_default_and_plus_and_minus_keep_it() {
        let defaults = [("f", "d")];
        assert_eq!(line("1.36.3", &defaults, &["f=a"]), "--f=a");
        assert_eq!(line("1.36.3", &defaults, &["f+=a"]), "--f=d --f=a");
        assert_eq!(line("1.36.3", &defaults, &["f-=a"]), "--f=a --f=d");
    }

    #[test]
    fn the_order_of_plus_and_plain_decides_whether_the_default_stays() {
        let defaults = [("f", "d")];
        assert_eq!(
            line("1.36.3", &defaults, &["f+=a", "f=b"]),
            "--f=d --f=a --f=b"
        );
        assert_eq!(line("1.36.3", &defaults, &["f=b", "f+=a"]), "--f=b --f=a");
    }

    #[test]
    fn dashes_are_stripped_once_and_a_bare_item_is_true() {
        assert_eq!(line("1.36.3", &[], &["--a=1", "b"]), "--a=1 --b=true");
        assert_eq!(line("1.21.1", &[], &["--a=1"]), "----a=1");
    }

    #[test]
    fn before_april_2022_the_last_value_alone_counts_and_plus_belongs_to_the_name() {
        assert_eq!(line("1.23.5", &[("f", "d")], &["f=a", "f=b"]), "--f=b");
        assert_eq!(line("1.23.5", &[("f", "d")], &["f+=a"]), "--f+=a --f=d");
        assert_eq!(
            line(
                "1.23.5",
                &[("leader-elect", "x"), ("leader-elect-a", "y")],
                &[]
            ),
            "--leader-elect-a=y --leader-elect=x"
        );
    }

    #[test]
    fn the_first_item_counts_when_k3s_looks_a_flag_up() {
        let list = items(&["--a=1", "a=2", "b"]);
        let new: K3sVersion = "1.36.3".parse().unwrap();
        let old: K3sVersion = "1.31.4".parse().unwrap();
        assert_eq!(find("a", &list, new).text(), "1");
        assert_eq!(find("a", &list, old).text(), "2");
        assert!(matches!(find("b", &list, new), Found::Bare(_)));
        assert!(matches!(find("c", &list, new), Found::Nothing));
    }
}
