//! The ordered changes that remove the divergences.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalogue::ControlId;
use crate::host::Thing;
use crate::setting::{Change, Remedy, Stage, Want};

use super::{Judgement, Pass};

/// One change and the controls that want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedChange {
    /// The controls, in the order of the catalogue.
    pub controls: Vec<ControlId>,
    /// The change.
    pub change: Change,
}

impl PlannedChange {
    fn add_controls(&mut self, controls: &[ControlId]) {
        for control in controls {
            if !self.controls.contains(control) {
                self.controls.push(control.clone());
            }
        }
    }
}

/// Something that should change and will not, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The controls that stay divergent.
    pub controls: Vec<ControlId>,
    /// Why, in one sentence.
    pub reason: String,
}

/// What a pass would do: changes in their order, and what it refuses to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Changes, first to last.
    pub changes: Vec<PlannedChange>,
    /// What is left as it is.
    pub refused: Vec<Refused>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Plans the enforced divergences of an assessment.
    #[must_use]
    pub fn of(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Self {
        let mut draft = Draft::default();
        for judgement in judgements
            .iter()
            .filter(|judgement| judgement.is_enforced())
        {
            for remedy in judgement.remedies() {
                draft.take(&judgement.control.id, remedy);
            }
        }
        draft.persist_sysctls(pass);
        draft.finish()
    }
}

/// A plan while it is being put together: one change for a thing, whoever wants it.
#[derive(Default)]
struct Draft {
    changes: BTreeMap<(Stage, usize, Thing), PlannedChange>,
    sysctls: Vec<(ControlId, Want)>,
    refused: Vec<Refused>,
}

impl Draft {
    fn take(&mut self, control: &ControlId, remedy: &Remedy) {
        match remedy {
            Remedy::Change(change) => self.add(std::slice::from_ref(control), change.clone()),
            Remedy::PersistSysctl(want) => self.sysctls.push((control.clone(), want.clone())),
            Remedy::ByOperator => {}
        }
    }

    fn add(&mut self, controls: &[ControlId], change: Change) {
        let depth = match &change.thing {
            Thing::Path(path) => depth(path),
            Thing::Sysctl(_) => 0,
        };
        let key = (change.stage, depth, change.thing.clone());
        let planned = self.changes.entry(key).or_insert(PlannedChange {
            controls: Vec::new(),
            change,
        });
        planned.add_controls(controls);
    }

    fn persist_sysctls(&mut self, pass: &Pass<'_>) {
        let sysctls = std::mem::take(&mut self.sysctls);
        let (controls, wants): (Vec<ControlId>, Vec<Want>) = sysctls.into_iter().unzip();
        match pass.persist_sysctls(&wants) {
            Ok(changes) => changes
                .into_iter()
                .for_each(|change| self.add(&controls, change)),
            Err(error) => self.refused.push(Refused {
                controls,
                reason: error.to_string(),
            }),
        }
    }

    /// A directory that several stages need is made in the first of them.
    fn finish(self) -> Plan {
        let mut changes: Vec<PlannedChange> = Vec::with_capacity(self.changes.len());
        let mut first: BTreeMap<Thing, usize> = BTreeMap::new();
        for planned in self.changes.into_values() {
            let place = *first
                .entry(planned.change.thing.clone())
                .or_insert(changes.len());
            match changes.get_mut(place) {
                Some(earlier) if earlier.change.after == planned.change.after => {
                    earlier.add_controls(&planned.controls);
                }
                _ => changes.push(planned),
            }
        }
        Plan {
            changes,
            refused: self.refused,
        }
    }
}

/// Parents come before what is in them.
fn depth(path: &Path) -> usize {
    path.components().count()
}
