//! The flags that a component of a Kubernetes minor knows, and what it makes of a command line.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use super::csv;
use super::sections::Sections;
use super::value::Kind;
use super::{Argument, Component, minors};
use crate::k3s::go_value::integer;

const TABLE: &str = include_str!("data/flags.txt");

/// The lines of the table by the names of components. They stay text, which they are searched as: a pass asks for every
/// argument of every component, and taken apart they would be ten times as much memory for as long as the daemon runs.
static KNOWN: LazyLock<Sections> = LazyLock::new(|| Sections::of(TABLE));

/// The first column of a line, by which they are in order.
fn name_of(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(name, _)| name)
}

/// The lines of one flag among those of its component, a later one outranking an earlier one.
///
/// By bytes: a pass comes here some hundred times, and names are too short for what searching a `str` sets up.
fn find<'t>(lines: &'t str, flag: &str) -> impl Iterator<Item = &'t str> {
    let bytes = lines.as_bytes();
    let is_end = |byte: &u8| *byte == b'\n';
    let (mut from, mut to) = (0, bytes.len());
    while from < to {
        let middle = from.midpoint(to);
        let before = bytes.get(from..middle).unwrap_or_default();
        let start = before
            .iter()
            .rposition(is_end)
            .map_or(from, |end| from + end + 1);
        let line = bytes.get(start..to).unwrap_or_default();
        let name = line.split(|byte| *byte == b' ').next();
        if name.unwrap_or_default() < flag.as_bytes() {
            let end = line.iter().position(is_end).unwrap_or(line.len());
            from = start + end + 1;
        } else {
            to = start;
        }
    }
    let found = lines.get(from..).unwrap_or_default().lines();
    found.take_while(move |line| name_of(line) == flag)
}

/// What a line says of its flag at a minor.
fn kind_at(line: &str, minor: u16) -> Option<Kind> {
    let mut columns = line.split(' ').skip(1);
    let (kind, range) = (columns.next()?, columns.next()?);
    minors::contain(range, minor).then(|| Kind::named(kind))
}

/// Whether any component of any minor knows a flag, its name written with `-`.
pub fn knows_flag(name: &str) -> bool {
    let other = name.replace('-', "_");
    let mut tables = KNOWN.iter();
    tables.any(|(_, lines)| {
        let mut names = [name, &other].into_iter();
        names.any(|name| find(lines, name).next().is_some())
    })
}

/// The flags that a component has at some minor of the table; none where the table does not know the component.
pub fn flags_of(component: Component) -> impl Iterator<Item = &'static str> {
    KNOWN.lines_of(component.name()).lines().map(name_of)
}

/// Why a component refuses an argument when it reads its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has no such flag: its name as it may be shown.
    UnknownFlag(String),
    /// Anything else, in its own words.
    Argument(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFlag(flag) => write!(formatter, "unknown flag: --{flag}"),
            Self::Argument(words) => formatter.write_str(words),
        }
    }
}

/// The flags of one component at one minor.
#[derive(Debug, Clone)]
pub(super) struct Flags {
    component: Component,
    minor: u16,
    lines: &'static str,
}

impl Flags {
    /// Looks them up in the table.
    pub(super) fn of(component: Component, minor: u16) -> Self {
        Self {
            component,
            minor,
            lines: KNOWN.lines_of(component.name()),
        }
    }

    /// The name under which the component looks a flag up: the kubelet alone takes `_` for `-`.
    pub(super) fn name<'a>(&self, flag: &'a str) -> Cow<'a, str> {
        if self.component == Component::Kubelet && flag.contains('_') {
            Cow::Owned(flag.replace('_', "-"))
        } else {
            Cow::Borrowed(flag)
        }
    }

    /// The names of all flags.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let known = self.lines.lines();
        let known = known.filter(|line| kind_at(line, self.minor).is_some());
        let mut names: Vec<&str> = known.map(name_of).collect();
        names.dedup();
        names
    }

    /// The kind of a flag; `None` if the component does not know it.
    pub(super) fn kind(&self, flag: &str) -> Option<Kind> {
        let name = self.name(flag);
        let kinds = find(self.lines, &name).filter_map(|line| kind_at(line, self.minor));
        kinds.last()
    }

    /// Why the component would refuse an argument when it reads its command line.
    pub(super) fn refuses(&self, argument: &Argument) -> Option<Refused> {
        let Argument { flag, value, .. } = argument;
        if flag.is_empty() || flag.starts_with(['-', '=']) {
            let words = format!("bad flag syntax: {}", argument.shown());
            return Some(Refused::Argument(words));
        }
        let words = match self.kind(flag) {
            None if self.minor > minors::NEWEST => None,
            None => return Some(Refused::UnknownFlag(argument.shown_flag().to_owned())),
            // Both are bools to the parser, and false asks for nothing.
            Some(Kind::Help) if value != "false" => {
                Some("--help prints its flags and ends".to_owned())
            }
            Some(Kind::Version) if value != "false" => {
                Some("--version prints the version and ends".to_owned())
            }
            Some(kind) => kind
                .refuses(value)
                .map(|why| format!("invalid argument {value:?} for \"--{flag}\" flag: {why}")),
        };
        words.map(Refused::Argument)
    }

    /// The arguments of a flag that count: all where they unite, else the last.
    pub(super) fn effective<'a>(&self, line: &'a [Argument], flag: &str) -> Vec<&'a Argument> {
        let name = self.name(flag);
        let mut given: Vec<&Argument> = line
            .iter()
            .filter(|argument| self.name(&argument.flag) == name)
            .collect();
        if given.len() > 1 && !self.kind(flag).is_some_and(Kind::unites) {
            given.drain(..given.len().saturating_sub(1));
        }
        given
    }

    /// The last value of a flag; `None` where it is not given.
    pub(super) fn last<'a>(&self, line: &'a [Argument], flag: &str) -> Option<&'a Argument> {
        self.effective(line, flag).pop()
    }

    /// The words of a list flag, each with the argument that gave it.
    pub(super) fn words<'a>(
        &self,
        line: &'a [Argument],
        flag: &str,
    ) -> Vec<(&'a str, &'a Argument)> {
        // pflag reads the words of a string slice as CSV (string_slice.go readAsCSV): a quoted one keeps its commas.
        let is_csv = self.kind(flag) == Some(Kind::List);
        let split = |argument: &'a Argument| match is_csv {
            true => csv::fields_or_words(&argument.value),
            false => argument.value.split(',').collect(),
        };
        self.effective(line, flag)
            .into_iter()
            .filter(|argument| !argument.value.is_empty())
            .flat_map(|argument| {
                split(argument)
                    .into_iter()
                    .map(move |word| (word, argument))
            })
            .collect()
    }

    /// A whole number flag.
    pub(super) fn number<'a>(
        &self,
        line: &'a [Argument],
        flag: &str,
    ) -> Option<(i128, &'a Argument)> {
        let argument = self.last(line, flag)?;
        integer(&argument.value).map(|number| (number, argument))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::Place;

    fn argument(flag: &str, value: &str) -> Argument {
        Argument {
            flag: flag.to_owned(),
            value: value.to_owned(),
            place: Place::Default,
            overrode: Vec::new(),
        }
    }

    #[test]
    fn a_flag_of_another_component_is_unknown() {
        let apiserver = Flags::of(Component::Apiserver, 36);
        let refused = apiserver.refuses(&argument("terminated-pod-gc-threshold", "10"));
        assert_eq!(
            refused,
            Some(Refused::UnknownFlag(
                "terminated-pod-gc-threshold".to_owned()
            ))
        );
        assert_eq!(apiserver.refuses(&argument("advertise-port", "6443")), None);
    }

    #[test]
    fn only_the_kubelet_takes_underscores() {
        let kubelet = Flags::of(Component::Kubelet, 36);
        assert_eq!(kubelet.refuses(&argument("event_qps", "5")), None);
        let apiserver = Flags::of(Component::Apiserver, 36);
        assert!(
            apiserver
                .refuses(&argument("anonymous_auth", "true"))
                .is_some()
        );
    }

    #[test]
    fn quotes_around_the_words_of_a_list_are_no_part_of_them() {
        let flags = Flags::of(Component::Apiserver, 36);
        let line = [argument("enable-admission-plugins", "\"A,B\",C,\"D\"")];
        let words = flags.words(&line, "enable-admission-plugins");
        let words: Vec<&str> = words.into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, ["A,B", "C", "D"]);
    }

    #[test]
    fn help_and_version_that_are_false_ask_for_nothing() {
        let flags = Flags::of(Component::Apiserver, 36);
        for (flag, words) in [
            ("help", "--help prints its flags and ends"),
            ("version", "--version prints the version and ends"),
        ] {
            assert_eq!(flags.refuses(&argument(flag, "false")), None);
            let refused = flags.refuses(&argument(flag, "true")).unwrap();
            assert_eq!(refused.to_string(), words);
        }
    }

    #[test]
    fn list_flags_unite_and_the_last_of_others_counts() {
        let flags = Flags::of(Component::Apiserver, 36);
        let line = [
            argument("enable-admission-plugins", "A,B"),
            argument("enable-admission-plugins", "C"),
            argument("profiling", "true"),
            argument("profiling", "false"),
        ];
        let words: Vec<&str> = flags
            .words(&line, "enable-admission-plugins")
            .into_iter()
            .map(|(word, _)| word)
            .collect();
        assert_eq!(words, ["A", "B", "C"]);
        assert_eq!(flags.last(&line, "profiling").unwrap().value, "false");
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = TABLE
            .lines()
            .filter(|line| !line.starts_with(['#', '[']) && !line.is_empty());
        for line in lines {
            let columns: Vec<&str> = line.split(' ').collect();
            assert_eq!(columns.len(), 3, "{line}");
            let free = ["any", "severity"];
            assert!(
                Kind::named(columns[1]) != Kind::Any || free.contains(&columns[1]),
                "{line}"
            );
            assert!(columns[2].contains(".."), "{line}");
            // As `knows_flag` looks for it.
            assert!(
                !(columns[0].contains('_') && columns[0].contains('-')),
                "{line}"
            );
        }
        for (component, lines) in KNOWN.iter() {
            let names: Vec<&str> = lines.lines().map(name_of).collect();
            assert!(names.is_sorted(), "{component}");
            for name in names {
                assert!(find(lines, name).all(|line| name_of(line) == name));
                assert!(find(lines, name).next().is_some(), "{component}: {name}");
            }
            assert_eq!(find(lines, "zzz").next(), None);
            assert_eq!(find(lines, "").next(), None);
        }
    }
}
