//! What K3s would run with under a draft, before anything is written.

use std::collections::BTreeMap;

use crate::catalogue::ControlId;
use crate::host::{State, Thing};
use crate::k3s::component::Facts;
use crate::k3s::{Effective, Ending, Files, Invocation};
use crate::reconcile::ahead::{facts_after, files_after};
use crate::setting::Change;
use crate::setting::configuration::{Line, render};

use super::draft::Draft;

impl<'p, 'a> Draft<'p, 'a> {
    /// What K3s would run with, where these lines are in our file already and the plan changes nothing else that it reads.
    pub(super) fn is_there_already(
        &self,
        lines: &BTreeMap<Line, ControlId>,
    ) -> Option<&'p Effective> {
        let read = |change: &Change| {
            matches!(
                change.after,
                State::File { .. } | State::Absent | State::Value(_)
            )
        };
        let (ours, _) = self.present.get(&self.path)?;
        let same = self.present.len() == 1
            && self.unit.is_none()
            && *ours == render(&self.united(lines)).into_bytes()
            && !self.planned.iter().any(read);
        self.pass.effective().as_ref().ok().filter(|_| same)
    }

    /// What K3s would run with: the files of the plan, and ours with these lines or without any.
    pub(super) fn effective(
        &self,
        lines: Option<&BTreeMap<Line, ControlId>>,
    ) -> Result<Effective, String> {
        let invocation = match &self.unit {
            Some(unit) => Some(unit.base.invocation()),
            None => self.pass.node.invocation(),
        };
        self.effective_of(lines, invocation)
    }

    /// The line without which K3s would not end for this reason: what an operator's own line stands against must not keep all others
    /// from being written. `None` where it takes several.
    pub(super) fn culprit(
        &self,
        lines: &BTreeMap<Line, ControlId>,
        ending: &Ending,
    ) -> Option<Line> {
        let helps = |line: &&Line| {
            let mut others = lines.clone();
            others.remove(*line);
            let without = self.effective(Some(&others));
            without.is_ok_and(|without| without.end_like(ending).is_none())
        };
        // The line that stays under a key is no culprit.
        let encrypted = self.conditions().has_encryption_key();
        let mut lines = lines
            .keys()
            .filter(|line| !(encrypted && line.is_about_encryption()));
        lines.find(helps).cloned()
    }

    pub(super) fn effective_of(
        &self,
        lines: Option<&BTreeMap<Line, ControlId>>,
        invocation: Option<Invocation>,
    ) -> Result<Effective, String> {
        self.pass
            .node
            .effective_of(&self.files(lines), invocation, &self.facts())
            .map_err(|error| error.to_string())
    }

    /// What the kernel tells once the plan has set its values: they come before K3s's configuration.
    pub(super) fn facts(&self) -> Facts {
        facts_after(self.pass.host, self.planned.iter().map(reaches))
    }

    pub(super) fn files(&self, lines: Option<&BTreeMap<Line, ControlId>>) -> Files<'a> {
        let mut files = files_after(&self.pass.host.root, self.planned.iter().map(reaches));
        for path in self.present.keys() {
            files = files.without(path);
        }
        if let Some(lines) = lines.filter(|lines| !lines.is_empty()) {
            files = files.with(&self.path, render(&self.united(lines)));
        }
        files
    }

    /// One line for a list that several controls have elements in: up to 1.23.5 the last of several would count alone.
    pub(super) fn united(&self, lines: &BTreeMap<Line, ControlId>) -> BTreeMap<Line, ControlId> {
        let mut united: BTreeMap<Line, ControlId> = BTreeMap::new();
        for (line, control) in lines {
            let other = united
                .keys()
                .find(|other| other.what() == line.what() && self.is_list(line))
                .cloned();
            match other.and_then(|other| united.remove_entry(&other)) {
                Some((other, first)) => united.insert(other.with_elements_of(line), first),
                None => united.insert(line.clone(), control.clone()),
            };
        }
        united
    }
}

/// What a change brings a thing to.
const fn reaches(change: &Change) -> (&Thing, &State) {
    (&change.thing, &change.after)
}
