//! A plan while it is being put together: one change for a thing, whoever wants it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalogue::ControlId;
use crate::host::Thing;
use crate::reconcile::{Judgement, Pass, configuration, sandbox};
use crate::setting::{Change, Persisted, Remedy, Stage, Want};

use super::{Plan, PlannedChange, Refused, RefusedBy, Start};

/// A plan in the making.
#[derive(Default)]
pub(super) struct Draft {
    /// In the order in which they are made: by stage, and parents before what is in them.
    pub(super) changes: BTreeMap<(Stage, usize, Thing), PlannedChange>,
    sysctls: Vec<(ControlId, Want)>,
    pub(super) refused: Vec<Refused>,
}

impl Draft {
    pub(super) fn of(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Self {
        let mut draft = Self::default();
        for judgement in judgements
            .iter()
            .filter(|judgement| judgement.is_enforced())
        {
            for remedy in judgement.remedies() {
                draft.take(&judgement.control.id, remedy);
            }
        }
        draft.persist_sysctls(pass);
        draft.leave_out_what_lacks_its_needs(pass);
        draft
    }

    fn take(&mut self, control: &ControlId, remedy: &Remedy) {
        match remedy {
            Remedy::Change(change) => self.add(std::slice::from_ref(control), change.clone()),
            Remedy::PersistSysctl(want) => self.sysctls.push((control.clone(), want.clone())),
            // All lines of our drop-in are worked out together, see `configuration`.
            Remedy::Configure | Remedy::Restart | Remedy::ByOperator => {}
        }
    }

    pub(super) fn add(&mut self, controls: &[ControlId], change: Change) {
        let depth = match &change.thing {
            Thing::Path(path) => depth(path),
            Thing::Sysctl(_) => 0,
        };
        let united = self.changes.iter().find_map(|(key, planned)| {
            let united = planned.change.united_with(&change)?;
            Some((key.clone(), united))
        });
        let (change, wanted_by) = match united {
            None => (change, Vec::new()),
            Some((key, united)) => {
                let known = self.changes.remove(&key);
                (
                    united,
                    known.map(|known| known.controls).unwrap_or_default(),
                )
            }
        };
        let key = (change.stage, depth, change.thing.clone());
        let planned = self.changes.entry(key).or_insert(PlannedChange {
            controls: wanted_by,
            change,
        });
        planned.want(controls);
    }

    fn persist_sysctls(&mut self, pass: &Pass<'_>) {
        let sysctls = std::mem::take(&mut self.sysctls);
        let wants: Vec<Want> = sysctls.iter().map(|(_, want)| want.clone()).collect();
        match pass.persist_sysctls(&wants) {
            Ok(persisted) => {
                for Persisted { change, keys } in persisted {
                    let concerned = sysctls.iter().filter(|(_, want)| keys.contains(&want.key));
                    let controls: Vec<ControlId> = concerned.map(|(id, _)| id.clone()).collect();
                    self.add(&controls, change);
                }
            }
            Err(error) => self.refused.push(Refused {
                by: RefusedBy::Host,
                controls: sysctls.into_iter().map(|(control, _)| control).collect(),
                reason: error.to_string(),
            }),
        }
    }

    /// Our drop-in for K3s's configuration, judged with everything else of this plan in place.
    pub(super) fn configure(
        &mut self,
        pass: &Pass<'_>,
        judgements: &[Judgement<'_>],
        start: Start,
    ) {
        let planned: Vec<Change> = self
            .changes
            .values()
            .map(|planned| planned.change.clone())
            .collect();
        let outcome = configuration::plan(pass, judgements, &planned, start);
        for (controls, change) in outcome.changes {
            self.add(&controls, change);
        }
        self.refused.extend(outcome.refused);
    }

    /// Our own units must be able to write wherever the rest of a plan does.
    pub(super) fn open_sandbox(&mut self, pass: &Pass<'_>) {
        match sandbox::plan(pass) {
            Ok(changes) => {
                for change in changes {
                    self.add(&[], change);
                }
            }
            Err(error) => self.refused.push(Refused {
                by: RefusedBy::Host,
                controls: Vec::new(),
                reason: error.to_string(),
            }),
        }
    }

    pub(super) fn finish(self) -> Plan {
        Plan {
            changes: self.changes.into_values().collect(),
            refused: self.refused,
            unseen: Vec::new(),
        }
    }
}

/// Parents come before what is in them.
fn depth(path: &Path) -> usize {
    path.components().count()
}
