//! A manifest that does harm without others is left out of a plan while K3s would not deploy one of those: a policy that denies
//! without the one that allows cuts off what was to stay reachable.

use std::path::Path;

use crate::host::{State, Thing};
use crate::reconcile::Pass;
use crate::setting::{Change, Stage};

use super::draft::Draft;
use super::{PlannedChange, Refused, RefusedBy};

impl Draft {
    /// What is not hindered is in this plan, or in that of the event which names it.
    pub(super) fn leave_out_what_lacks_its_needs(&mut self, pass: &Pass<'_>) {
        let mut refused = Vec::new();
        self.changes.retain(|_, planned| {
            let lacks = manifest_of(&planned.change)
                .and_then(|manifest| lacks_needed(pass, planned, manifest));
            let is_kept = lacks.is_none();
            refused.extend(lacks);
            is_kept
        });
        self.refused.extend(refused);
    }
}

/// The manifest that a change writes.
fn manifest_of(change: &Change) -> Option<&Path> {
    match (&change.thing, &change.after, change.stage) {
        (Thing::Path(path), State::File { .. }, Stage::Manifest) => Some(path),
        _ => None,
    }
}

fn lacks_needed(pass: &Pass<'_>, planned: &PlannedChange, manifest: &Path) -> Option<Refused> {
    let controls = planned.controls.iter();
    let mut controls = controls.filter_map(|id| pass.catalogue.control(id.as_str()));
    let reason = controls.find_map(|control| pass.lacks_needed(control, manifest))?;
    Some(Refused {
        by: RefusedBy::Preflight,
        controls: planned.controls.clone(),
        reason: format!(
            "{} would cut off what another manifest lets through: {reason}",
            manifest.display()
        ),
    })
}
