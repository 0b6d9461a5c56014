//! The flags that a component of a Kubernetes minor knows, and what it makes of a command line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::value::{self, Kind};
use super::{Argument, Component, minors};

const TABLE: &str = include_str!("data/flags.txt");

/// Each flag of a component with its kinds and the minors that know it so, a later line outranking an earlier one.
type Known = BTreeMap<&'static str, Vec<(&'static str, Kind)>>;

/// The table by the names of components, read once: a pass asks it for every argument of every component.
static KNOWN: LazyLock<BTreeMap<&'static str, Known>> = LazyLock::new(|| {
    let mut components: BTreeMap<&str, Known> = BTreeMap::new();
    let mut flags = components.entry("").or_default();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split(' ');
        if let Some(name) = line.strip_prefix('[') {
            flags = components.entry(name.trim_end_matches(']')).or_default();
        } else if let (Some(name), Some(kind), Some(range)) =
            (columns.next(), columns.next(), columns.next())
        {
            flags
                .entry(name)
                .or_default()
                .push((range, Kind::named(kind)));
        }
    }
    components
});

/// The names of all flags of all components and minors, `_` written as `-`.
static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    TABLE
        .lines()
        .filter(|line| !line.starts_with(['#', '[']))
        .filter_map(|line| line.split(' ').next())
        .map(|name| name.replace('_', "-"))
        .collect()
});

/// Whether any component of any minor knows a flag, its name written with `-`.
pub fn knows_flag(name: &str) -> bool {
    NAMES.contains(name)
}

/// The flags of one component at one minor.
#[derive(Debug, Clone)]
pub(super) struct Flags {
    component: Component,
    minor: u16,
    known: Option<&'static Known>,
}

impl Flags {
    /// Looks them up in the table.
    pub(super) fn of(component: Component, minor: u16) -> Self {
        Self {
            component,
            minor,
            known: KNOWN.get(component.name()),
        }
    }

    /// The name under which the component looks a flag up: the kubelet alone takes `_` for `-`.
    fn name(&self, flag: &str) -> String {
        if self.component == Component::Kubelet {
            flag.replace('_', "-")
        } else {
            flag.to_owned()
        }
    }

    /// The names of all flags.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let known = self.known.into_iter().flatten();
        let of_minor = known.filter(|(_, lines)| {
            let mut ranges = lines.iter().map(|(range, _)| range);
            ranges.any(|range| minors::contain(range, self.minor))
        });
        of_minor.map(|(name, _)| *name).collect()
    }

    /// The kind of a flag; `None` if the component does not know it.
    pub(super) fn kind(&self, flag: &str) -> Option<Kind> {
        let lines = self.known?.get(self.name(flag).as_str())?;
        let mut of_minor = lines.iter().rev();
        let (_, kind) = of_minor.find(|(range, _)| minors::contain(range, self.minor))?;
        Some(*kind)
    }

    /// Why the component would refuse an argument when it reads its command line, in its own words.
    pub(super) fn refuses(&self, argument: &Argument) -> Option<String> {
        let Argument { flag, value, .. } = argument;
        if flag.is_empty() || flag.starts_with(['-', '=']) {
            return Some(format!("bad flag syntax: {argument}"));
        }
        match self.kind(flag) {
            None if self.minor > minors::NEWEST => None,
            None => Some(format!("unknown flag: --{flag}")),
            Some(Kind::Help) => Some("--help prints its flags and ends".to_owned()),
            Some(Kind::Version) if value != "false" => {
                Some("--version prints the version and ends".to_owned())
            }
            Some(kind) => kind
                .refuses(value)
                .map(|why| format!("invalid argument {value:?} for \"--{flag}\" flag: {why}")),
        }
    }

    /// The arguments of a flag that count: all where they unite, else the last.
    pub(super) fn effective<'a>(&self, line: &'a [Argument], flag: &str) -> Vec<&'a Argument> {
        let name = self.name(flag);
        let mut given: Vec<&Argument> = line
            .iter()
            .filter(|argument| self.name(&argument.flag) == name)
            .collect();
        if !self.kind(flag).is_some_and(Kind::unites) {
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
        self.effective(line, flag)
            .into_iter()
            .filter(|argument| !argument.value.is_empty())
            .flat_map(|argument| argument.value.split(',').map(move |word| (word, argument)))
            .collect()
    }

    /// A whole number flag.
    pub(super) fn number<'a>(
        &self,
        line: &'a [Argument],
        flag: &str,
    ) -> Option<(i128, &'a Argument)> {
        let argument = self.last(line, flag)?;
        value::integer(&argument.value).map(|number| (number, argument))
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
            Some("unknown flag: --terminated-pod-gc-threshold".to_owned())
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
            let free = ["any", "quantity", "severity"];
            assert!(
                Kind::named(columns[1]) != Kind::Any || free.contains(&columns[1]),
                "{line}"
            );
            assert!(columns[2].contains(".."), "{line}");
        }
    }
}
