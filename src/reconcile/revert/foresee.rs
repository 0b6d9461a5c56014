//! What putting back would do, before it is done: the same decisions in the same order, each over what the plan and the
//! turns before leave.

use std::rc::Rc;

use crate::host::Thing;
use crate::reconcile::Plan;
use crate::reconcile::ahead::Ahead;
use crate::reconcile::apply::to_record;
use crate::reconcile::ledger::Ledger;

use super::Revert;
use super::decision::{Afterwards, Decision, PutBack, RevertError};
use super::record::Record;

/// What becomes of a thing.
#[derive(Debug)]
pub struct Foreseen {
    /// The thing.
    pub thing: Thing,
    /// The controls that had changed it.
    pub controls: Vec<String>,
    /// What is decided, or why it cannot be put back.
    pub decision: Result<Decision, RevertError>,
}

impl Foreseen {
    /// Whether something is changed.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(&self.decision, Ok(decision) if decision.end.is_restored())
    }
}

impl Revert<'_> {
    /// What would become of each thing after a plan, in the order of the turns. What is as it was before us is left out.
    ///
    /// # Errors
    /// When the ledger cannot be read at all.
    pub fn foresee(&self, plan: &Plan, ledger: &mut Ledger) -> Result<Vec<Foreseen>, RevertError> {
        let lock = self.lock()?;
        let changes = to_record(plan);
        let mut record = Record::after(&changes, ledger, &lock)?;
        let mut ahead = Rc::new(Ahead::default());
        for planned in &plan.changes {
            Rc::make_mut(&mut ahead).put(&planned.change.thing, &planned.change.after);
        }
        let host = self.pass.host.as_if(&plan.made_safe(self.pass));
        let mut foreseen = Vec::new();
        for touch in self.turns(record.touched().to_vec()) {
            let pass = self.pass.looking_ahead(&host, &ahead);
            let decision = self.decide(&pass, &mut record, &touch);
            drop(pass);
            if let Ok(decision) = &decision {
                if let Some(put) = &decision.put {
                    Rc::make_mut(&mut ahead).put(&touch.thing, &put.to);
                }
                if matches!(decision.afterwards, Afterwards::End(_)) {
                    record.end(&touch.thing);
                }
            }
            let is_already = matches!(&decision, Ok(decision) if decision.end == PutBack::Already);
            if !is_already && self.is_told(&touch, decision.as_ref().map(|decision| &decision.end))
            {
                foreseen.push(Foreseen {
                    thing: touch.thing,
                    controls: touch.controls,
                    decision,
                });
            }
        }
        Ok(foreseen)
    }
}
