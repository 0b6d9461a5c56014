//! One component's command line, and what is found wrong with it.

use super::process::Reach;
use crate::k3s::component::flags::Flags;
use crate::k3s::component::{Argument, Component, Node};
use crate::k3s::{Ending, Files, SECRET};

/// One component's command line with what is needed to judge it.
pub(super) struct Line<'a> {
    pub(super) component: Component,
    pub(super) arguments: &'a [Argument],
    pub(super) flags: Flags,
    pub(super) node: &'a Node,
    pub(super) files: &'a Files<'a>,
    pub(super) reach: Reach,
    pub(super) endings: Vec<Ending>,
}

impl<'a> Line<'a> {
    pub(super) fn minor(&self) -> u16 {
        self.node.version.minor
    }

    /// Whether the component comes to its next check.
    pub(super) fn goes_on(&self) -> bool {
        self.endings.is_empty() || self.reach == Reach::EveryCheck
    }

    /// K3s would end; the operator's argument is the place to mend.
    pub(super) fn end(&mut self, reason: &str, argument: Option<&Argument>) {
        let ending = self.ending(reason, argument);
        self.endings.push(ending);
    }

    pub(super) fn ending(&self, reason: &str, argument: Option<&Argument>) -> Ending {
        // Reasons can cite the value. One that does not is about a word of many in it.
        let cited = argument
            .map(|argument| argument.value.as_str())
            .filter(|value| !value.is_empty() && reason.contains(value));
        let reason = match cited {
            Some(value) if argument.is_some_and(Argument::is_secret) => {
                &reason.replace(value, SECRET)
            }
            _ => reason,
        };
        let from = argument.map(|argument| argument.place.clone());
        Ending::of(self.component, reason, from)
    }

    pub(super) fn last(&self, flag: &str) -> Option<&'a Argument> {
        self.flags.last(self.arguments, flag)
    }

    pub(super) fn words(&self, flag: &str) -> Vec<(&'a str, &'a Argument)> {
        self.flags.words(self.arguments, flag)
    }

    /// A flag whose value is not empty.
    pub(super) fn given(&self, flag: &str) -> Option<&'a Argument> {
        self.last(flag)
            .filter(|argument| !argument.value.is_empty())
    }
}
