//! What the unit's command outranks: given by a drop-in of the unit where the policy allows it, else refused.

use std::collections::BTreeMap;

use crate::catalogue::ControlId;
use crate::k3s::{Effective, Place};
use crate::reconcile::{Refused, RefusedBy};
use crate::setting::configuration::{Line, Wish};

use super::draft::{Draft, Extent};
use super::unit_override::{HOW_TO_OVERRIDE, Overriding};

impl Draft<'_, '_> {
    /// The drop-in of the unit that gives what its command outranks, and what stays of ours; what it cannot give is refused.
    pub(super) fn command(
        &mut self,
        base: &Effective,
        lines: &BTreeMap<Line, ControlId>,
        staying: &[(ControlId, Line)],
    ) -> Option<Overriding> {
        let mut outranked = std::mem::take(&mut self.outranked);
        if !matches!(self.extent, Extent::New) {
            for (control, wish) in std::mem::take(&mut outranked) {
                self.refuse_outranked(
                    base,
                    control,
                    &wish,
                    "nothing new is written for this release",
                );
            }
        }
        while !outranked.is_empty() || !staying.is_empty() {
            let made = match &self.unit {
                None => Err((None, HOW_TO_OVERRIDE.to_owned())),
                Some(unit) => unit.give(self.pass, &outranked, staying, base),
            };
            let made = made.and_then(|overriding| {
                let invocation = overriding.invocation.clone();
                let after = self
                    .effective_of(Some(lines), Some(invocation))
                    .map_err(|reason| (None, reason))?;
                if let Some(ending) = after.first_end_over(base) {
                    let reason = format!("K3s would not start with it: {}", ending.reason);
                    return Err((None, reason));
                }
                let mut all = lines.clone();
                all.extend(overriding.lines.clone());
                let files = self.files(Some(lines));
                if let Some(unfit) = self.conditions().unfit(&all, base, &after, &files) {
                    let whats: Vec<String> = unfit.lines.iter().map(Line::what).collect();
                    let its = outranked
                        .iter()
                        .position(|(_, wish)| whats.contains(&wish.line.what()));
                    return Err((its, unfit.reason));
                }
                let idle = outranked.iter().position(|(_, wish)| !wish.holds(&after));
                match idle {
                    Some(index) => Err((
                        Some(index),
                        "another command would not change it".to_owned(),
                    )),
                    None => Ok(overriding),
                }
            });
            match made {
                Ok(overriding) => return Some(overriding),
                Err((Some(index), reason)) => {
                    let (control, wish) = outranked.remove(index);
                    self.refuse_outranked(base, control, &wish, &reason);
                }
                Err((None, reason)) => {
                    for (control, wish) in std::mem::take(&mut outranked) {
                        self.refuse_outranked(base, control, &wish, &reason);
                    }
                    return None;
                }
            }
        }
        None
    }

    pub(super) fn refuse_outranked(
        &mut self,
        base: &Effective,
        control: ControlId,
        wish: &Wish,
        more: &str,
    ) {
        let what = wish.line.what();
        let by_nature = wish
            .line
            .is_about_encryption()
            .then(|| self.conditions().writes_plain_secrets())
            .flatten();
        let reason = match (by_nature, wish.decided_by(base)) {
            (Some(reason), _) => reason,
            (None, Some(place @ Place::File { .. })) => format!(
                "{what} is decided by {place}, and a line of ours beside it does not change that; change it there"
            ),
            (None, Some(place)) => format!(
                "{what} is decided by {place}, which outranks every drop-in; change it there ({more})"
            ),
            (None, None) => format!(
                "{what} is at K3s's default, and with a line of ours it would not be {} either: another line of ours sets it, \
                 or K3s does not take it; `k3warden effective` shows which",
                wish.require
            ),
        };
        self.refused.push(Refused {
            by: RefusedBy::Preflight,
            controls: vec![control],
            reason,
        });
    }
}
