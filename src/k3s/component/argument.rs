//! The command lines of the components.

use std::collections::BTreeMap;
use std::fmt;

use super::Component;
use super::flags::Flags;
use super::value::Kind;
use crate::k3s::secret::shown_name;
use crate::k3s::{K3sVersion, Place, SECRET, Sourced, hides, shown_value};

/// One word of a component's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The flag without dashes.
    pub flag: String,
    /// Its value.
    pub value: String,
    /// What gave it: the item of the operator's list, or the option from which K3s made its own argument;
    /// [`Place::Default`] where nothing but K3s decided.
    pub place: Place,
    /// Values that it replaced: K3s's default, and up to 1.23.5 earlier items of the same flag.
    pub overrode: Vec<Sourced>,
}

impl Argument {
    /// The value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        hides(&self.flag, &self.value)
    }

    /// The flag as it may be shown: an item `token abc` is no flag, and holds a token.
    #[must_use]
    pub fn shown_flag(&self) -> &str {
        shown_name(&self.flag)
    }

    /// The word as it may be shown: a secret is `{secret}`.
    #[must_use]
    pub fn shown(&self) -> String {
        let flag = self.shown_flag();
        match flag.len() < self.flag.len() {
            true => format!("--{flag} {SECRET}"),
            false => format!("--{flag}={}", shown_value(&self.flag, &self.value)),
        }
    }
}

/// The word as K3s logs it, a secret too.
impl fmt::Display for Argument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "--{}={}", self.flag, self.value)
    }
}

/// The command lines of all components that K3s would run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Components {
    /// Component to arguments, in the order in which K3s logs them.
    pub lines: BTreeMap<Component, Vec<Argument>>,
}

impl Components {
    /// The arguments of a component; none if it does not run.
    #[must_use]
    pub fn line(&self, component: Component) -> &[Argument] {
        self.lines.get(&component).map_or(&[], Vec::as_slice)
    }

    /// The words of a component's line, as K3s logs them.
    #[must_use]
    pub fn words(&self, component: Component) -> Vec<String> {
        self.line(component)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Of each argument of a component, the place of a later one that takes its effect: of a flag that holds one value the last
    /// counts, whatever K3s logs before it.
    #[must_use]
    pub fn outranked_by(&self, component: Component, version: K3sVersion) -> Vec<Option<&Place>> {
        let flags = Flags::of(component, version.minor);
        let line = self.line(component);
        let mut last = BTreeMap::new();
        for argument in line {
            last.insert(flags.name(&argument.flag), argument);
        }
        let mut places = Vec::with_capacity(line.len());
        for argument in line {
            let counts = last.get(&flags.name(&argument.flag)).copied();
            let counts = counts.filter(|counts| !std::ptr::eq(*counts, argument));
            let unites = counts.is_some() && flags.kind(&argument.flag).is_some_and(Kind::unites);
            places.push(counts.filter(|_| !unites).map(|counts| &counts.place));
        }
        places
    }

    /// Every value of a flag, in order.
    pub fn values<'a>(
        &'a self,
        component: Component,
        flag: &'a str,
    ) -> impl Iterator<Item = &'a Argument> + use<'a> {
        self.line(component)
            .iter()
            .filter(move |argument| argument.flag == flag)
    }
}
