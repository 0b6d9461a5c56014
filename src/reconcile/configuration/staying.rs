//! What we wrote earlier and what of it stays: lines of controls that were turned off, and what is there where nothing new is written.

use std::collections::BTreeMap;

use crate::catalogue::ControlId;
use crate::policy::{OnDisable, Stance};
use crate::reconcile::Judgement;
use crate::reconcile::baseline::{self, Applies};
use crate::setting::configuration::{Line, encryption_without_control, parse};

use super::draft::{Draft, Extent};

impl Draft<'_, '_> {
    /// The lines and elements of lists that we wrote earlier, as far as they are still among these.
    pub(super) fn of_what_is_there(
        &self,
        lines: BTreeMap<Line, ControlId>,
    ) -> BTreeMap<Line, ControlId> {
        let there = self.earlier_lines();
        let of_earlier = |line: Line| {
            let what = line.what();
            let earlier = there.iter().find(|earlier| earlier.what() == what)?;
            match self.is_list(&line) {
                true => line.with_elements_among(earlier),
                false => Some(earlier.clone()),
            }
        };
        lines
            .into_iter()
            .filter_map(|(line, control)| Some((of_earlier(line)?, control)))
            .collect()
    }

    /// The lines of ours that are there.
    pub(super) fn earlier_lines(&self) -> Vec<Line> {
        let texts = self
            .present
            .values()
            .map(|(content, _)| String::from_utf8_lossy(content));
        texts.flat_map(|text| parse(&text).into_keys()).collect()
    }

    /// Lines of ours that stay although no enforced control wants them: what a control changed is kept when it is
    /// turned off, unless the policy says otherwise, and encryption is never turned off under a key.
    pub(super) fn kept(&self, judgements: &[Judgement<'_>]) -> BTreeMap<Line, ControlId> {
        let encrypted = self.conditions().has_encryption_key();
        let mut lines = BTreeMap::new();
        for (content, _) in self.present.values() {
            let text = String::from_utf8_lossy(content);
            if encrypted && let Some(control) = self.control_of_encryption() {
                let nameless = encryption_without_control(&text).into_iter();
                lines.extend(nameless.map(|line| (line, control.clone())));
            }
            for (line, control) in parse(&text) {
                if (line.is_about_encryption() && encrypted)
                    || self.stays_turned_off(&control, &line, judgements)
                {
                    lines.insert(line, control);
                }
            }
        }
        lines
    }

    /// The control that answers for the encryption of Secrets.
    fn control_of_encryption(&self) -> Option<ControlId> {
        let controls = self.pass.catalogue.controls().iter();
        let mut controls = controls.filter(|control| {
            let wishes = self.pass.wishes(control);
            wishes.iter().any(|wish| wish.line.is_about_encryption())
        });
        controls.next().map(|control| control.id.clone())
    }

    /// Whether a line, or a word of a command, of ours stays although nobody wants it any more: its control was turned off, and
    /// the policy leaves what such a control wrote.
    fn stays_turned_off(
        &self,
        control: &ControlId,
        line: &Line,
        judgements: &[Judgement<'_>],
    ) -> bool {
        // A list that nobody brings up to date would hide what the operator adds to his.
        if matches!(line, Line::List { .. }) {
            return false;
        }
        let keep_off = self.pass.policy.on_disable.value == OnDisable::Keep;
        let provisional = |judged: &Judgement<'_>| self.pass.was_provisional(judged.control);
        // Another release may not start with it, and an agent ends on a server's option.
        let of_another_node = |judged: &Judgement<'_>| {
            matches!(
                baseline::control(judged.control, self.pass.node),
                Applies::No(_)
            )
        };
        let judgement = judgements
            .iter()
            .find(|judged| judged.control.id == *control);
        let turned_off = judgement.is_some_and(|judged| {
            let off = !judged.is_enforced() && judged.decision.stance != Stance::Enforce;
            off && !provisional(judged) && !of_another_node(judged)
        });
        turned_off && keep_off && self.conditions().forbids(line).is_none()
    }

    /// The words of ours in the unit's command that stay although no line is written for them now: those of controls that were
    /// turned off, and where nothing new is written those of all others.
    pub(super) fn staying_words(&self, judgements: &[Judgement<'_>]) -> Vec<(ControlId, Line)> {
        let words = self.unit.as_ref().and_then(|unit| unit.words(self.pass));
        let is_wished = |line: &Line| {
            let mut wishes = self.wishes.iter();
            wishes.any(|(_, wish)| wish.line.what() == line.what())
                && self.conditions().forbids(line).is_none()
        };
        let stays = |(control, line): &(ControlId, Line)| {
            let is_earlier = !matches!(self.extent, Extent::New);
            self.stays_turned_off(control, line, judgements) || (is_earlier && is_wished(line))
        };
        words.into_iter().flatten().filter(stays).collect()
    }
}
