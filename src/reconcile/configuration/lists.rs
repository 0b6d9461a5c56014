//! An operator's list without what weakens the node: elements of a list unite, so nothing beside it takes one back.
//!
//! Ours takes the place of his, by a key without `+` in the drop-in that sorts last. It is worked out anew from his at every pass and by the
//! door of every start, and goes with the policy line that asks for it.

use std::collections::BTreeMap;

use crate::catalogue::ControlId;
use crate::k3s::{Effective, Ending, Place, drop_in_directory};
use crate::reconcile::{Judgement, Refused, RefusedBy};
use crate::setting::configuration::{LeaveOut, Line};

use super::draft::{Draft, Extent};
use super::leave_outs;

/// Whether an item comes back from our file as it went in: YAML folds what it takes for the end of a line, and has no other control
/// characters at all.
fn stands_on_one_line(item: &str) -> bool {
    let breaks = |letter: char| {
        (letter.is_control() && letter != '\t')
            || matches!(
                letter,
                '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            )
    };
    !item.contains(breaks)
}

/// Where no list of ours can be: what the operator is to take out of his, unless it is said already.
pub(super) fn say_what_is_left(
    refused: &mut Vec<Refused>,
    leave_outs: Vec<(ControlId, LeaveOut)>,
    present: &Effective,
) {
    for (control, leave_out) in leave_outs {
        let is_said = refused.iter().any(|said| said.controls.contains(&control));
        let Some(place) = leave_out.0.decided_by(present) else {
            continue;
        };
        if !is_said && !leave_out.is_done(present) {
            let what = leave_out.0.line.what();
            refused.push(Refused {
                by: RefusedBy::Preflight,
                controls: vec![control],
                reason: format!("{what} is decided by {place}; change it there"),
            });
        }
    }
}

impl Draft<'_, '_> {
    /// The lists that take the place of the operator's. What stands in the unit's command, which outranks every file, is outranked: it is
    /// given there or refused.
    pub(super) fn lists(
        &mut self,
        base: &Effective,
        judgements: &[Judgement<'_>],
    ) -> Result<BTreeMap<Line, ControlId>, String> {
        let mut wanted = leave_outs(self.pass, judgements);
        wanted.retain(|(_, leave_out)| !leave_out.is_done(base));
        wanted = self.leave_outs_deployed(wanted, base);
        while !wanted.is_empty() {
            let lists = self.without(base, &wanted);
            let after = self.effective(Some(&lists))?;
            if let Some(ending) = after.first_end_over(base) {
                // What else we write is worked out over his list as he has it.
                let option = self.worst_list(&lists, ending)?;
                let reason = format!("K3s would not start without it in {option}: {ending}");
                let (out, rest): (Vec<_>, Vec<_>) = wanted
                    .into_iter()
                    .partition(|(_, leave_out)| leave_out.option() == option);
                self.refused.push(Refused {
                    by: RefusedBy::Preflight,
                    controls: out.into_iter().map(|(control, _)| control).collect(),
                    reason,
                });
                wanted = rest;
                continue;
            }
            let (holding, outranked): (Vec<_>, Vec<_>) = wanted
                .into_iter()
                .partition(|(_, leave_out)| leave_out.is_done(&after));
            if outranked.is_empty() {
                return Ok(lists);
            }
            self.outranked(base, outranked);
            if self.pass.policy.unit_override.value {
                // The words of the command go by a command of ours, and those of the files by this.
                return Ok(lists);
            }
            wanted = holding;
        }
        Ok(BTreeMap::new())
    }

    /// The list with which K3s would end for this reason.
    fn worst_list(
        &self,
        lists: &BTreeMap<Line, ControlId>,
        ending: &Ending,
    ) -> Result<String, String> {
        for (line, control) in lists {
            let alone = BTreeMap::from([(line.clone(), control.clone())]);
            let after = self.effective(Some(&alone))?;
            if after.end_like(ending).is_some() {
                return Ok(line.what());
            }
        }
        Err(format!("K3s would not start with it: {ending}"))
    }

    fn outranked(&mut self, base: &Effective, outranked: Vec<(ControlId, LeaveOut)>) {
        for (control, leave_out) in outranked {
            let what = leave_out.0.line.what();
            let mut wishes = self.wishes.iter();
            if wishes.any(|(other, wish)| *other == control && wish.line.what() == what) {
                // The line that it wants is found to be outranked too.
                continue;
            }
            let elements = leave_out.0.elements_of_command(base);
            match leave_out.in_one_word(elements.iter().map(String::as_str)) {
                Some(wish) => self.outranked.push((control, wish)),
                None => self.refuse_outranked(
                    base,
                    control,
                    &leave_out.0,
                    "a list of the command line is left as it is",
                ),
            }
        }
    }

    fn without(
        &self,
        base: &Effective,
        leave_outs: &[(ControlId, LeaveOut)],
    ) -> BTreeMap<Line, ControlId> {
        let mut lists: BTreeMap<&str, (Vec<String>, &ControlId)> = BTreeMap::new();
        for (control, leave_out) in leave_outs {
            let option = leave_out.option();
            let (items, _) = lists
                .entry(option)
                .or_insert_with(|| (self.items_of_files(base, option), control));
            *items = items
                .iter()
                .filter_map(|item| leave_out.left_of(item))
                .collect();
        }
        let changed = lists.into_iter().filter(|(option, (items, _))| {
            *items != self.items_of_files(base, option)
                && self.may_replace(option)
                && items.iter().all(|item| stands_on_one_line(item))
        });
        changed
            .map(|(option, (items, control))| {
                let option = option.to_owned();
                (Line::List { option, items }, control.clone())
            })
            .collect()
    }

    /// Where nothing new is written a list that is there already follows the operator's.
    fn may_replace(&self, option: &str) -> bool {
        let is_it =
            |line: &Line| matches!(line, Line::List { option: there, .. } if there == option);
        match self.extent {
            Extent::New => true,
            Extent::Earlier => self.earlier_lines().iter().any(is_it),
            Extent::EarlierOptions => false,
        }
    }

    /// What the files of K3s's configuration give a list, in K3s's order.
    fn items_of_files(&self, base: &Effective, option: &str) -> Vec<String> {
        let main = &self.pass.node.places.config_file;
        let drop_ins = drop_in_directory(main);
        let is_of_files = |place: &Place| match place {
            Place::File { path, .. } => path == main || path.parent() == Some(&drop_ins),
            _ => false,
        };
        let option = base.configuration.merge.options.get(option);
        let values = option.into_iter().flat_map(|option| &option.values);
        values
            .filter(|value| is_of_files(&value.place))
            .map(|value| value.value.clone())
            .collect()
    }
}
